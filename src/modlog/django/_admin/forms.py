"""What is asked before something is recorded."""

from __future__ import annotations

from typing import Any

from django import forms

from modlog import Selection


class Lines(forms.CharField):
    """Text with one thing on each line."""

    widget = forms.Textarea(attrs={"rows": 10, "spellcheck": "false", "class": "vLargeTextField"})

    def clean(self, value: Any) -> list[str]:
        text = super().clean(value)
        return [line.strip() for line in text.splitlines() if line.strip()]


class SearchForm(forms.Form):
    """An account's id, or how it begins."""

    q = forms.CharField(required=False, max_length=255, strip=False)


class WhyForm(forms.Form):
    """Why it is done, and under which rule."""

    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}))
    policy = forms.CharField(
        required=False, help_text="The code of the rule that is applied, if there is one."
    )

    def why(self) -> dict[str, Any]:
        """What the ledger is given."""
        return {
            "reason": self.cleaned_data["reason"],
            "policy": self.cleaned_data["policy"] or None,
        }


class RestoreForm(WhyForm):
    """Which sanctions are lifted, of an account that is as it was shown."""

    lifts = forms.TypedMultipleChoiceField(coerce=int, widget=forms.MultipleHiddenInput)
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, standing: list[int], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lifts"].choices = [(version, version) for version in standing]


class SelectionForm(forms.Form):
    """Which events are to be taken back: some by their positions, or those of a batch."""

    position = forms.TypedMultipleChoiceField(required=False, coerce=int)
    batch = forms.CharField(required=False, max_length=255, strip=False)
    account = forms.CharField(required=False, max_length=255, strip=False)
    head = forms.IntegerField(required=False, min_value=0)

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        asked = [text for text in data.getlist("position") if text.isdecimal()]
        self.fields["position"].choices = [(text, text) for text in asked]

    def selection(self) -> Selection | None:
        """The events; None if nothing was chosen, or what cannot be."""
        if not self.is_valid():
            return None
        asked = self.cleaned_data
        found: dict[str, Any] = {
            "positions": asked["position"],
            "batch_id": asked["batch"],
            "account_id": asked["account"],
        }
        if not (found["positions"] or found["batch_id"]):
            return None
        given = {name: value for name, value in found.items() if value}
        if asked["head"] is not None:
            given["up_to_position"] = asked["head"]
        return Selection(**given)


class RevertForm(WhyForm):
    """That exactly what was shown is to be done."""

    shown = forms.CharField(widget=forms.HiddenInput)


class SweepForm(WhyForm):
    """A new sweep."""

    action = forms.ChoiceField(
        choices=[(name, name.replace("_", " "))
                 for name in ("suspend", "delete", "restore", "flag", "clear_flags")]
    )  # fmt: skip
    ids = Lines(label="Accounts", help_text="Their ids, one a line.")
    until = forms.DateTimeField(
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="For suspensions: when they end. Left out, somebody has to lift them.",
    )
    label = forms.CharField(required=False, help_text="For flags: what they say.")
    score = forms.FloatField(
        required=False, min_value=0, max_value=1, help_text="For flags: how sure, from 0 to 1."
    )
    batch_id = forms.CharField(
        required=False, max_length=255, label="Name", help_text="Left out, one is made."
    )
    field_order = ("batch_id", "action", "ids", "reason", "policy", "until", "label", "score")

    def given(self) -> dict[str, Any]:
        """What `plan_sweep` is given."""
        asked = {name: self.cleaned_data[name] for name in ("until", "score")}
        asked |= {name: self.cleaned_data[name] or None for name in ("label", "batch_id")}
        return {"ids": self.cleaned_data["ids"], "action": self.cleaned_data["action"]} | {
            name: value for name, value in (asked | self.why()).items() if value is not None
        }


class DecisionForm(forms.Form):
    """What becomes of a sweep."""

    do = forms.ChoiceField(choices=[(name, name) for name in ("approve", "reject", "execute")])
    reason = forms.CharField(required=False)

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean()
        if found.get("do") == "reject" and not found.get("reason"):
            self.add_error("reason", "Say why it is rejected.")
        return found
