"""Statements in words: sentences that a platform may replace, one by one, in any language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from string import Template
from typing import TYPE_CHECKING, Final

from modlog._domain.values import check_names, checked_mapping, shown
from modlog._errors import InvalidInputError

if TYPE_CHECKING:
    from modlog._domain.statements import Measure, Statement

# A key is a sentence; `instant` is how times look (in the signs of strftime), which are in UTC.
WORDS: Final[Mapping[str, str]] = {
    "instant": "%Y-%m-%d %H:%M UTC",
    "heading": "Statement about the account $account, as of $now.",
    "status-active": "The account is active.",
    "status-suspended": "The account is suspended.",
    "status-deleted": "The account is deleted.",
    "status-absent": "The account does not exist.",
    "status-erased": "The data of the account have been erased.",
    "nothing": "No deletion, suspension or flag of it is on record.",
    "deletion": "On $at the account was deleted.",
    "suspension": "On $at the account was suspended, with no end set.",
    "suspension-until": "On $at the account was suspended until $until.",
    "flag": "On $at the account was flagged: $label.",
    "by-human": "The decision was made by a human.",
    "by-bot": "The decision was made by a machine: a bot.",
    "by-model": "The decision was made by a machine: a model.",
    "by-system": "The decision was made by a machine: a system of the platform.",
    "name": "Name: $name.",
    "policy": "Rule applied: $policy.",
    "reason": "Reason given: “$reason”.",
    "stands": "This still stands.",
    "stands-until": "This stands until $until.",
    "end-restored": "This was lifted on $ended and no longer stands.",
    "end-cleared": "This was taken away on $ended and no longer stands.",
    "end-reverted": "This was taken back on $ended, as if it had never been done.",
    "end-erased": "This ended on $ended, when the data of the account were erased.",
    "end-expired": "This ended on $ended and no longer stands.",
    "end-name": "Ended by: $end_name.",
    "end-reason": "Reason given: “$end_reason”.",
    "reference": "Reference: $version.",
}
_OF_A_RULE: Final = "policy:"
_NAMES: Final = (
    *("account", "now", "version", "at", "until", "label", "policy", "reason", "name"),
    *("ended", "end_reason", "end_name"),
)
# What breaks lines or turns the direction of reading, so that no value passes for a sentence.
_DISGUISES: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def told(statement: Statement, words: Mapping[str, str] | None) -> str:
    """See `Statement.text`."""
    sentences = _checked(words)
    paragraphs = [_paragraph(["heading", f"status-{statement.status}"], sentences, statement, None)]
    if not statement.measures:
        paragraphs.append(_paragraph(["nothing"], sentences, statement, None))
    paragraphs += [
        _paragraph(_keys(measure, sentences), sentences, statement, measure)
        for measure in statement.measures
    ]
    return "\n\n".join(filter(None, paragraphs))


def _paragraph(
    keys: Iterable[str],
    sentences: Mapping[str, str],
    statement: Statement,
    measure: Measure | None,
) -> str:
    values = dict.fromkeys(_NAMES, "") | _values(statement, measure, sentences)
    filled = [Template(sentences[key]).substitute(values).strip() for key in keys]
    # Without its first sentence nobody knew what the others are about.
    return " ".join(filter(None, filled)) if filled[0] else ""


def _keys(measure: Measure, sentences: Mapping[str, str]) -> Iterator[str]:
    """The sentences that tell of a measure, in order; none about what is not there."""
    yield "suspension-until" if measure.until else measure.kind
    yield f"by-{measure.by}"
    if measure.actor:
        yield "name"
    if measure.policy:
        of_the_rule = _OF_A_RULE + measure.policy
        yield of_the_rule if of_the_rule in sentences else "policy"
    if measure.reason:
        yield "reason"
    yield from _end_keys(measure)
    yield "reference"


def _end_keys(measure: Measure) -> Iterator[str]:
    if measure.end is None:
        yield "stands-until" if measure.until else "stands"
        return
    yield f"end-{measure.end.kind}"
    if measure.end.actor:
        yield "end-name"
    if measure.end.reason:
        yield "end-reason"


def _values(
    statement: Statement, measure: Measure | None, sentences: Mapping[str, str]
) -> dict[str, str]:
    """What stands for each name in a sentence; nothing where there is no such thing."""

    def time(instant: datetime | None) -> str:
        return instant.strftime(sentences["instant"]) if instant else ""

    values = {"account": _plain(statement.account_id), "now": time(statement.at)}
    if measure:
        values |= {
            "version": str(measure.version),
            "at": time(measure.at),
            "until": time(measure.until),
            "label": _plain(measure.label),
            "policy": _plain(measure.policy),
            "reason": _plain(measure.reason),
            "name": _plain(measure.actor.id if measure.actor else None),
        }
    if measure and measure.end:
        end = measure.end
        values |= {
            "ended": time(end.at),
            "end_reason": _plain(end.reason),
            "end_name": _plain(end.actor.id if end.actor else None),
        }
    return values


def _plain(text: str | None) -> str:
    return " ".join(_DISGUISES.sub(" ", text or "").split())


def _checked(words: object) -> Mapping[str, str]:
    if words is None:
        return WORDS
    given = checked_mapping(words, "words")
    check_names([key for key in given if not key.startswith(_OF_A_RULE)], WORDS, "words")
    for key, sentence in given.items():
        if not isinstance(sentence, str):
            raise InvalidInputError(f"the words for {shown(key)} must be text")
        if key != "instant":
            _check_sentence(key, sentence)
    return {**WORDS, **given}


def _check_sentence(key: str, sentence: str) -> None:
    template = Template(sentence)
    if not template.is_valid():
        raise InvalidInputError(
            f"the words for {shown(key)} have a $ that begins no name: write $$ for a dollar sign"
        )
    check_names(template.get_identifiers(), _NAMES, f"the sentence {shown(key)}")
