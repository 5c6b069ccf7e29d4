"""The file that a report is: its text, its pictures, and the accounts as data."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from modlog import __version__
from modlog._cli.answers import instant_of, length_of
from modlog._cli.escaping import visible, visible_json
from modlog._cli.reports import words
from modlog._cli.reports.timeline import timeline
from modlog._domain.impacts import Hit
from modlog._services.forensics.reports import Report, ReportLine
from modlog._services.integrity import VerificationReport

# So many deeds stand in the table, those of most events; and so much of what a profile says.
_DEEDS: Final = 100
_CUT: Final = 200
# In a script, what could end it or begin another is written as JSON may.
_IN_SCRIPT: Final = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026"})


def pages(
    report: Report, profile: Iterable[str], verified: VerificationReport | None
) -> Iterator[str]:
    """The report as HTML, piece by piece.

    Args:
        report: what is told.
        profile: the keys of profiles that it has, in the order of columns.
        verified: what a check of the whole ledger found; None if there was none.
    """
    environment = Environment(
        loader=PackageLoader("modlog._cli.reports", ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"instant": instant_of, "time": length_of, "name": words.name}
    environment.filters |= {"done": words.done_alone, "ended": words.ended_how}
    style, script = _own("report.css"), _own("report.js")
    most = sorted(report.deeds, key=lambda deed: -deed.events)[:_DEEDS]
    yield from environment.get_template("report.html.j2").generate(
        accounts=_accounts(report.lines, _filled(profile, report.lines)),
        deeds=sorted(most, key=lambda deed: deed.first),
        filters=list(words.filters(report.impact.selection)),
        impact=report.impact,
        modlog=__version__,
        number_of=words.number_of,
        picture=timeline(report),
        policy=_policy(style, script),
        remarks={one.code: one.message for line in report.lines for one in line.impact.remarks},
        report=report,
        script=Markup(script),  # noqa: S704
        story=list(words.story(report)),
        style=Markup(style),  # noqa: S704
        subject=words.subject(report.impact.selection),
        verified=verified,
    )


def _seen(value: Any) -> Any:
    """Foreign text as data; what is markup has been made of such."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _own(file: str) -> str:
    return files("modlog._cli.reports").joinpath(file).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing is loaded, and no other script or style than these is heeded."""
    hashed = (b64encode(sha256(text.encode()).digest()).decode() for text in (style, script))
    of_style, of_script = (f"'sha256-{one}'" for one in hashed)
    return (
        f"default-src 'none'; style-src {of_style}; script-src {of_script}; base-uri 'none'; "
        "form-action 'none'"
    )


def _accounts(lines: Iterable[ReportLine], profile: list[str]) -> Iterator[Markup]:
    """The accounts as JSON: words that occur again and again stand in it once."""
    known: dict[str, int] = {}

    def word(text: str) -> int:
        return known.setdefault(visible(text), len(known))

    yield _json({"profile": list(map(visible, profile))}, '{"head":', ',"rows":[')
    for number, line in enumerate(lines):
        row = (
            visible(line.impact.account_id),
            word(line.impact.status),
            [_shown(line.profile.get(key)) for key in profile],
            [(word(_kind(hit)), _second(hit.stay.since), *_end(hit, word)) for hit in line.hits],
            [word(remark.code) for remark in line.impact.remarks],
        )
        yield _json(row, "," if number else "")
    yield _json(list(known), '],"words":', "}")


def _filled(profile: Iterable[str], lines: Iterable[ReportLine]) -> list[str]:
    """Those keys that one profile has at least."""
    there = {key for line in lines for key in line.profile}
    return [key for key in profile if key in there]


def _json(value: object, before: str = "", after: str = "") -> Markup:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(f"{before}{text.translate(_IN_SCRIPT)}{after}")  # noqa: S704


def _shown(value: object) -> str:
    if value is None:
        return ""
    text = visible(value) if isinstance(value, str) else visible_json(value)
    return text if len(text) <= _CUT else f"{text[:_CUT]}…"


def _kind(hit: Hit) -> str:
    return str(hit.stay.kind) if hit.stay.kind else f"flag {hit.stay.label}"


def _end(hit: Hit, word: Any) -> tuple[int, ...]:
    if hit.ended_at is None:
        return () if hit.stay.until is None else (_second(hit.stay.until),)
    return _second(hit.ended_at), word(str(hit.ended_by)), word(words.ended_how(str(hit.ended_how)))


def _second(instant: datetime) -> int:
    return int(instant.timestamp() // 1)
