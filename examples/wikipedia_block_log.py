"""Load Wikipedia's public block log into a ledger.

    python examples/wikipedia_block_log.py FILE… --db sqlite:///blocks.db

Each line of a file (JSON, plain or .gz) is one action of an administrator:

    {"id": "8293147", "at": "2007-04-19T10:11:25Z", "action": "block", "account": "u1dba…",
     "actor": "ue95a…", "actor_kind": "human", "expiry": null, "policy": null,
     "admits_mistake": false}

A block becomes a suspension (until its expiry, if it has one), an unblock a restoration, and a
reblock, which replaces the block that stands, a restoration and then a suspension. The id makes
the idempotency key, so that a file may be loaded twice. An unblock or reblock of an account
whose block is older than the file finds nothing to lift, and that record is rejected.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import modlog

Record = dict[str, Any]


def records(lines: Iterable[str]) -> Iterator[Record]:
    """The import records that lines of the block log stand for, in their order."""
    for line in lines:
        yield from records_of(json.loads(line))


def records_of(action: Record) -> Iterator[Record]:
    """One action as one record, or as two for a reblock."""
    match action["action"]:
        case "block":
            yield suspension(action)
        case "unblock":
            yield restoration(action)
        case "reblock":
            yield restoration(action, part="/lift")
            yield suspension(action) | {"at": just_after(action["at"])}
        case other:
            raise ValueError(f"{other!r} is no action of the block log")


def suspension(action: Record) -> Record:
    return {"do": "suspend", "until": action["expiry"], **circumstances(action)}


def restoration(action: Record, part: str = "") -> Record:
    record = {"do": "restore", **circumstances(action, part)}
    return record | {"reason": "admitted as a mistake"} if action["admits_mistake"] else record


def circumstances(action: Record, part: str = "") -> Record:
    """What both commands have: whose account, when, by whom, under which rule."""
    return {
        "account_id": action["account"],
        "at": action["at"],
        "actor": {"kind": action["actor_kind"], "id": action["actor"]},
        "policy": action["policy"],
        "key": f"enwiki/{action['id']}{part}",
    }


def just_after(at: str) -> str:
    """A microsecond later: loaded again, the lifting must not find what replaced the block."""
    return (datetime.fromisoformat(at) + timedelta(microseconds=1)).isoformat()


def opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def load(log: modlog.ModLog, path: Path) -> modlog.IngestOutcome:
    """Load one file, as a batch named after it."""

    def progress(outcome: modlog.IngestOutcome) -> None:
        print(f"{path.name}: {outcome.total:,} records", file=sys.stderr)

    with opened(path) as lines:
        return log.ingest(records(lines), batch_id=f"enwiki/{path.name}", progress=progress)


def main() -> None:
    parser = argparse.ArgumentParser(description="Load Wikipedia's block log into a ledger.")
    parser.add_argument("files", metavar="FILE", type=Path, nargs="+", help="JSON lines, or .gz")
    parser.add_argument("--db", required=True, help="the ledger, as sqlite:///blocks.db")
    arguments = parser.parse_args()
    with modlog.open(arguments.db) as log:
        for path in arguments.files:
            tell(path, load(log, path))


def tell(path: Path, outcome: modlog.IngestOutcome) -> None:
    print(
        f"{path.name}: recorded {outcome.recorded:,} ({outcome.late:,} late), "
        f"skipped {outcome.skipped:,}, rejected {len(outcome.rejected):,}"
    )
    for rejection in outcome.rejected[:3]:
        print(f"  record {rejection.line}: {rejection.reason}")


if __name__ == "__main__":
    main()
