"""The file in which a platform says what its policies mean for the DSA."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Self

from attrs import frozen

from modlog._domain.decisions import is_filled_in
from modlog._domain.events import RecordedEvent
from modlog._domain.values import check_names, checked_mapping, checked_truth, shown
from modlog._errors import InvalidInputError
from modlog._services.forensics.dsa.schema import attributes, check_attribute

# What the ledger itself knows, and nobody else has to say.
OWN: Final = (
    "puid",
    "decision_account",
    "end_date_account_restriction",
    "content_date",
    "application_date",
)
# What the actor's kind says, and only the metadata of a decision can say otherwise.
AUTOMATED: Final = ("automated_detection", "automated_decision")

_PARTS: Final = ("puid_prefix", "facts_from_reason", "defaults", "policies")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{0,100}")


@frozen
class Policies:
    """What the attributes of statements are taken from, besides the ledger.

    Attributes:
        defaults: attributes of every statement.
        policies: attributes by the code of the policy, which win over defaults.
        puid_prefix: what the `puid` of a statement begins with.
        facts_from_reason: whether the reason tells the facts where nothing else does.
    """

    defaults: Mapping[str, Any]
    policies: Mapping[str, Mapping[str, Any]]
    puid_prefix: str
    facts_from_reason: bool

    @classmethod
    def read(cls, value: object) -> Self:
        """The file's content, checked.

        Raises:
            InvalidInputError: what no statement can have.
        """
        given = checked_mapping(value, "the mapping of policies")
        check_names(given, _PARTS, "the mapping of policies")
        policies = checked_mapping(given.get("policies", {}), "policies")
        return cls(
            defaults=_attributes(given.get("defaults", {}), "defaults"),
            policies={
                code: _attributes(policy, f"policies.{shown(code)}")
                for code, policy in policies.items()
            },
            puid_prefix=_prefix(given.get("puid_prefix", "modlog-")),
            facts_from_reason=checked_truth(
                given.get("facts_from_reason", False), "facts_from_reason"
            ),
        )

    def attributes_for(self, event: RecordedEvent) -> dict[str, Any]:
        """What the file says of a decision."""
        policy = self.policies.get(event.policy, {}) if event.policy else {}
        found = {**self.defaults, **policy}
        if self.facts_from_reason and event.reason and not is_filled_in(event.reason):
            found.setdefault("decision_facts", event.reason)
        return found


def _attributes(value: object, where: str) -> dict[str, Any]:
    given = checked_mapping(value, where)
    check_names(given, sorted({*attributes()} - {*OWN, *AUTOMATED}), where)
    for name, one in given.items():
        check_attribute(name, one, f"{where}.{name}")
    return given


def _prefix(value: object) -> str:
    if isinstance(value, str) and _PREFIX.fullmatch(value):
        return str(value)
    raise InvalidInputError(
        "puid_prefix must be at most 100 of the characters A-Z, a-z, 0-9, - and _, not "
        f"{shown(value)}"
    )
