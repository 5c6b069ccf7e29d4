"""One answer of each kind, all from the whole ledger, and the JSON that each of them is.

    python -m tests.golden.answers

writes `answers.json` anew. A key that is gone from it, or has another meaning, breaks the programs
of those who read it: say so in the changelog, under what is removed or changed.
"""

import io
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import modlog
from modlog import Selection
from tests.golden.whole import FOUNDER, MEI, START, WAN, WHY, load_sqlite, opened

FILE = Path(__file__).with_suffix(".json")
SCHEMA = 4


def golden() -> dict[str, dict]:
    return json.loads(FILE.read_text())


def answers(log: modlog.ModLog) -> dict[str, Any]:
    """One of each kind, by the name of its class."""
    return {type(one).__name__: one for one in _answers(log)}


def _answers(log: modlog.ModLog) -> Iterator[Any]:
    yield from _questions(log)
    yield from _forensics(log)
    yield from _of_statements(log)
    yield from _sweeps(log)
    yield from _reverts(log)
    yield from _files(log)
    yield log.verify()
    yield log.verify().accepted_clocks[0]
    yield modlog.Finding(check="keys", message="gone", position=7, account_id="ü")
    step = modlog.Migration(3, "acts have metadata")
    yield step
    yield modlog.SealProgress(done=25_600, total=40_000)
    yield modlog.VerifyProgress(events=40_000, accounts=7_000, total=50_000)
    yield modlog.SealOutcome(
        origin="example.com/ledger",
        size=3,
        root=f"{'A' * 43}=",
        sealed=2,
        note="a\n3\nb\n\n— a b\n",
    )
    yield from _of_proofs()
    yield modlog.BackupProgress(done=4_096, total=49_152)
    yield modlog.BackupOutcome(ledger="0f" * 16, head=12, size=49_152)
    yield modlog.UpgradeOutcome(schema_before=2, schema=3, migrations=(step,), dry_run=False)


def _of_proofs() -> Iterator[Any]:
    yield modlog.ProofOutcome(origin="example.com/ledger", size=3, position=2, text="x\n")
    yield modlog.ProvenGrowth(
        origin="example.com/ledger", old_size=2, size=3, seen_at=START.replace(microsecond=0)
    )
    yield modlog.ProvenEvent(
        origin="example.com/ledger",
        size=3,
        position=2,
        version=1,
        type="account.created",
        recorded_at=START,
        occurred_at=START,
        stream=("account", FOUNDER),
        act={"actor_id": "wan", "confidence": 0.5, "reason": None},
        data={"profile": {"nickname": "ü"}},
        withheld=("data",),
        seen_at=None,
    )
    yield modlog.WitnessOutcome(origin="example.com/ledger", old_size=0, size=3, note="a\n")
    yield modlog.BundleProgress(done=256, total=300)
    yield modlog.BundleOutcome(origin="example.com/ledger", size=300, added=10, checkpoints=2)


def _questions(log: modlog.ModLog) -> Iterator[Any]:
    account = log.account(FOUNDER)
    yield account
    yield account.sanctions[min(account.sanctions)]
    (event,) = log.events(Selection(correlation_id="ticket-10"))
    yield event
    yield event.actor
    yield next(log.acts(Selection(batch_id="march")))
    yield Selection(actor=[WAN, "mei"], since=START, positions=[3])


def _forensics(log: modlog.ModLog) -> Iterator[Any]:
    yield next(one for one in log.blame(FOUNDER) if one.gone_by)
    yield next(log.diff(log.as_of(20), log))
    march = Selection(batch_id="march")
    yield from log.stats(march)[:1]
    impact = log.impact(march)
    yield impact
    yield impact.repairs[0]
    seen: list[modlog.ReportProgress] = []
    report = log.report(Selection(account_id=FOUNDER), profile=["nickname"], progress=seen.append)
    yield report
    yield seen[-1]
    yield from (report.deeds[0], report.ticks[0], report.lines[0], report.lines[0].impact)
    yield report.lines[0].hits[0]


def _of_statements(log: modlog.ModLog) -> Iterator[Any]:
    statement = log.statement("3", names=True)
    yield statement
    measure = next(one for one in statement.measures if one.end)
    yield from (measure, measure.end)
    yield next(log.dsa(Selection(batch_id="march"), policies={"defaults": {}, "policies": {}}))


def _sweeps(log: modlog.ModLog) -> Iterator[Any]:
    yield log.sweep("march")
    yield log.sweep("march").outliers()[0]
    yield next(one for one in log.sweep("march").outcomes() if one.rule)
    seen: list[modlog.SweepProgress] = []
    yield log.sweep("waits").execute(progress=seen.append)
    yield seen[-1]


def _reverts(log: modlog.ModLog) -> Iterator[Any]:
    plan = log.plan_revert(Selection(batch_id="b1", account_id=[FOUNDER, "2"]))
    yield plan
    line = next(plan.lines())
    yield from (line, line.remarks[0])
    seen: list[modlog.RevertProgress] = []
    yield plan.apply(batch_id="not-b1", actor=MEI, reason="a mistake", progress=seen.append)
    yield seen[-1]


def _files(log: modlog.ModLog) -> Iterator[Any]:
    at = START.isoformat()
    record = {
        "do": "restore",
        "account_id": "nobody",
        "at": at,
        "actor": {"kind": "bot", "id": "b"},
    }
    outcome = log.ingest([record, "nonsense"], batch_id="imported", on_refused="reject")
    yield outcome
    yield outcome.rejected[0]
    row = {"account_id": "adopted", "at": at, "status": "suspended", "until": None}
    rows: list[Any] = [row, "nonsense"]
    yield log.adopt(rows, batch_id="adopted", actor=MEI, reason="adoption")
    yield log.create_many([{"account_id": "signed-up"}], actor=MEI)
    found = log.reconcile([{**row, "status": "active"}])
    yield next(found)
    yield found
    exported: list[modlog.ExportProgress] = []
    yield log.export(
        io.BytesIO(), Selection(policy=WHY["policy"]), format="csv", progress=exported.append
    )
    yield exported[-1]
    lost = modlog.Finding(check="archive", message="a file is not there")
    known: dict[str, Any] = {"ledger": "a", "events": 7, "last": 9, "files": 2, "size": 4_096}
    yield modlog.ArchiveProgress(events=7, position=8, head=9)
    yield modlog.ArchiveOutcome(**known)
    yield modlog.ArchiveReport(**known, findings=(lost,), leftovers=("x.parquet",), compared=True)
    yield modlog.RestoreProgress(position=8, head=9, accounts=3)
    yield modlog.RestoreOutcome(ledger="a", events=9)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        load_sqlite(SCHEMA, Path(folder) / "ledger.db")
        with opened(f"sqlite:///{folder}/ledger.db") as log:
            told = {name: one.as_dict() for name, one in sorted(answers(log).items())}
    FILE.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n")
