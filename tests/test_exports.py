"""The log as a file or a table: what it says is what `events` says, and all or nothing is there."""

import csv
import gzip
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from pyarrow import parquet

import modlog
from modlog import Actor, CorruptEventError, InvalidInputError, Selection
from modlog._domain.values import instant_text, to_micros
from modlog._services.exports import arrow
from modlog._services.exports.exporting import FORMATS
from modlog._services.exports.texts import instant_of
from modlog._storage import codec
from modlog._storage.exports import COLUMNS, flat
from modlog._storage.pages import Pages
from modlog.testing import MovableClock, instants
from tests.laws import PURE
from tests.likeness import assert_same

WAN = Actor.human("wan", account_id="-own")
MODEL = Actor.model("@classifier", version="+3")
HOSTILE = (
    '=HYPERLINK("http://example.org")',
    "+1",
    "-1",
    "@sum(1)",
    "\t=1",
    "\r\n=1",
    "＝1",
    "'quoted'",
    'comma, "quote"\nline',
    "\u202egnp.exe\x1b[31m\x7f",
    "",
    "plain",
)


@pytest.fixture
def log(place):
    with place.open(clock=MovableClock()) as log:
        fill(log)
        yield log


def fill(log):
    """Hostile text wherever text may stand, and a sweep's own records."""
    for number, text in enumerate(HOSTILE):
        code = text or "none"
        who, metadata = (WAN, {"said": text, "n": [-0.0, 1.0]}) if number % 2 else (MODEL, {})
        with modlog.acting(who, reason=text or "why", policy=code, metadata=metadata):
            log.create(code, {"nickname": text, "n": -0.0}, correlation_id=code)
            log.flag(code, label=code, score=0.5, batch_id=code, confidence=0.25)
            log.suspend(code, until=datetime(2030, 1, 1, tzinfo=UTC))
            log.note(code, text, occurred_at=datetime(1999, 1, 1, tzinfo=UTC))
            log.restore(code)
            log.protect(code)
    log.plan_sweep(["plain"], "flag", label="x", actor=WAN, reason="r", batch_id="swept")
    log.revert(
        Selection(account_id="plain", type="account.protected"),
        actor=WAN,
        reason="no",
        batch_id="undo",
    )


def exported(log, selection=None, **options):
    file = io.BytesIO()
    log.export(file, selection, **{"format": "jsonl"} | options)
    return file.getvalue()


def said(event):
    """What a line of an export says of an event."""
    actor = event.actor
    return {
        "position": event.position,
        "account_id": event.account_id,
        "version": event.version,
        "type": event.type,
        "recorded_at": f"{event.recorded_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        "occurred_at": f"{event.occurred_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_version": actor.version,
        "actor_account_id": actor.account_id,
        "reason": event.reason,
        "policy": event.policy,
        "batch_id": event.batch_id,
        "confidence": event.confidence,
        "correlation_id": event.correlation_id,
        "metadata": event.metadata or None,
        "schema": 1,
        "data": dict(event.data),
    }


# What it says


def test_json_lines_say_what_events_say(log):
    text = exported(log)
    lines = [json.loads(line) for line in text.splitlines()]

    assert len(lines) == log.head
    assert_same(lines, [said(event) for event in log.events()])
    assert {tuple(line) for line in lines} == {COLUMNS}
    assert text.endswith(b"}\n")


def test_a_line_is_written_like_this_for_ever(place):
    with place.open(clock=MovableClock()) as log:
        log.create(
            "a",
            {"b": 1, "a": "ö"},
            actor=WAN,
            occurred_at=datetime(1, 1, 1, tzinfo=UTC),
            metadata={"ip": "::1", "b": 1.0},
        )

        assert exported(log).decode() == (
            '{"position":1,"account_id":"a","version":1,"type":"account.created",'
            '"recorded_at":"2026-01-01T00:00:00.000000Z",'
            '"occurred_at":"0001-01-01T00:00:00.000000Z",'
            '"actor_kind":"human","actor_id":"wan","actor_version":null,'
            '"actor_account_id":"-own","reason":null,"policy":null,"batch_id":null,'
            '"confidence":null,"correlation_id":null,"metadata":{"b":1.0,"ip":"::1"},"schema":1,'
            '"data":{"profile":{"a":"ö","b":1}}}\n'
        )


def test_csv_says_the_same_and_no_cell_is_a_formula(log):
    head, *rows = csv.reader(io.StringIO(exported(log, format="csv").decode(), newline=""))

    assert tuple(head) == COLUMNS
    assert not [cell for row in rows for cell in row if cell[:1] in set("=+-@\t\r\n＝＋－＠")]
    for row, event in zip(rows, log.events(), strict=True):
        cells = {name: cell.removeprefix("'") for name, cell in zip(head, row, strict=True)}
        assert json.loads(cells.pop("data")) == event.data
        assert json.loads(cells.pop("metadata") or "{}") == event.metadata
        expected = said(event)
        del expected["data"], expected["metadata"]
        assert cells == {
            name: "" if value is None else str(value) for name, value in expected.items()
        }


def test_csv_lines_end_as_rfc_4180_has_it(log):
    text = exported(log, Selection(positions=1), format="csv")

    assert text.startswith(",".join(COLUMNS).encode() + b"\r\n")
    assert text.endswith(b"\r\n")


def test_parquet_and_arrow_say_the_same(log, tmp_path):
    log.export(tmp_path / "log.parquet")
    table = parquet.read_table(tmp_path / "log.parquet")

    assert table.equals(log.to_arrow())
    assert table.schema.equals(arrow.schema())
    assert {str(table.schema.field(name).type) for name in ("recorded_at", "occurred_at")} == {
        "timestamp[us, tz=UTC]"
    }
    for row, event in zip(table.to_pylist(), log.events(), strict=True):
        expected = said(event) | {
            "recorded_at": event.recorded_at,
            "occurred_at": event.occurred_at,
        }
        for name in ("metadata", "data"):
            row[name] = row[name] and json.loads(row[name])
        assert row == expected


@pytest.mark.parametrize(
    "selection",
    [
        Selection(account_id=["plain", "+1"]),
        Selection(actor=[WAN, "@classifier"]),
        Selection(actor=WAN, type=["account.noted", "account.created"]),
        Selection(batch_id="swept"),
        Selection(policy="none", after_position=3),
        Selection(up_to_position=5),
        Selection(occurred_until=datetime(2000, 1, 1, tzinfo=UTC)),
        Selection(occurred_since=datetime(2026, 1, 1, tzinfo=UTC), actor_kind="human"),
        Selection(actor_kind=["model", "bot"]),
        Selection(correlation_id=["plain", "+1"]),
        Selection(positions=[9, 2]),
        Selection(account_id="nobody"),
    ],
)
def test_any_selection(log, selection):
    expected = [event.position for event in log.events(selection)]

    lines = exported(log, selection).splitlines()

    assert [json.loads(line)["position"] for line in lines] == expected
    assert log.to_arrow(selection)["position"].to_pylist() == expected


def test_an_outcome_tells_where_to_go_on(log, tmp_path):
    first = log.export(tmp_path / "first.jsonl", limit=7)
    assert (first.events, first.last, first.head, first.format) == (7, 7, log.head, "jsonl")

    rest = log.export(tmp_path / "rest.jsonl", Selection(after_position=first.last))

    assert (rest.events, rest.last) == (log.head - 7, log.head)
    both = (tmp_path / "first.jsonl").read_bytes() + (tmp_path / "rest.jsonl").read_bytes()
    assert both == exported(log)
    assert log.export(tmp_path / "0.csv", Selection(account_id="nobody")).last == 0
    long_ago = Selection(occurred_until=datetime(2000, 1, 1, tzinfo=UTC))
    for some in (long_ago, Selection(up_to_position=3)):
        assert log.export(os.devnull, some, format="csv").head == log.head


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_log_gives_the_same_bytes_on_every_store(log, format):
    text = exported(log, format=format)
    with modlog.open("sqlite://", clock=MovableClock()) as other:
        fill(other)

        assert exported(other, format=format) == text == exported(log, format=format)


def test_packed_files_are_the_same_too(log, tmp_path, monkeypatch):
    log.export(tmp_path / "a.jsonl.gz")
    monkeypatch.setattr(time, "time", lambda: 2e9)  # which gzip would write down
    log.export(tmp_path / "b.ndjson.GZ")

    packed = (tmp_path / "a.jsonl.gz").read_bytes()
    assert packed == (tmp_path / "b.ndjson.GZ").read_bytes()
    assert gzip.decompress(packed) == exported(log)


def test_what_comes_later_is_left_out(log):
    lines = iter(log.to_arrow(batches=True))
    head = log.head
    log.note("plain", "later", actor=WAN)

    assert sum(batch.num_rows for batch in lines) == head


@PURE
@given(instants())
def test_an_instant_is_written_as_everywhere(instant):
    instant = instant.astimezone(UTC)

    assert instant_of(to_micros(instant)) == instant_text(instant)


# Stored data


def row(type_name="account.deleted", data=None, *, schema=1, at=0, metadata=None):
    act = ("human", "wan", None, None, None, None, None, None, metadata)
    return (7, at, at, 1, schema, None, "account", "a", type_name, *act, data, None)


@pytest.mark.parametrize(
    "damaged",
    [
        row("account.flagged", '{"label":'),
        row("account.flagged", "[1]"),
        row("account.unknown"),
        row(schema=2),
        row(at=10**18),
        row(at="now"),
        row(metadata='{"ip":'),
        row(metadata="[1]"),
    ],
)
def test_a_damaged_event_is_told_with_its_position(damaged):
    assert flat(row())[-1] == "{}"
    with pytest.raises(CorruptEventError, match="position 7 is damaged"):
        flat(damaged)


def test_data_of_an_older_schema_come_in_the_newest(monkeypatch):
    upcast = {("account.flagged", 1): lambda data: {"score": None, **data}}
    monkeypatch.setattr(codec, "UPCASTERS", upcast)

    assert flat(row("account.flagged", '{"label":"x"}'))[-2:] == (2, '{"label":"x","score":null}')
    # What is in the newest is passed on as it is.
    assert flat(row("account.flagged", '{ "label":"x"}', schema=2))[-1] == '{ "label":"x"}'


# Memory, and what is read when


@pytest.fixture(scope="module")
def large():
    with modlog.open("sqlite://") as log:
        at, actor = "2026-01-01T00:00:00Z", {"kind": "human", "id": "wan"}
        log.ingest(
            {"do": "note", "account_id": str(n % 50), "at": at, "actor": actor, "text": f"n {n}"}
            for n in range(40_000)
        )
        yield log


@pytest.mark.parametrize("format", FORMATS)
def test_memory_does_not_grow_with_the_log(large, format):
    def peak(limit):
        with Path(os.devnull).open("wb") as nowhere:
            tracemalloc.start()
            large.export(nowhere, format=format, limit=limit)
            found = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return found

    peak(2_000)  # imports
    assert peak(None) < 1.5 * peak(20_000)


def test_batches_read_the_log_as_they_are_read(large, monkeypatch):
    pages = []
    monkeypatch.setattr(arrow, "_BATCH", 1_000)
    some = large.to_arrow(Selection(after_position=0), batches=True)
    own = Pages.rows

    def rows(of, reader):
        pages.append(of)
        return own(of, reader)

    monkeypatch.setattr(Pages, "rows", rows)
    some.read_next_batch()

    assert 1 <= len(pages) <= 2


def test_parquet_has_row_groups_of_one_size(large, tmp_path, monkeypatch):
    monkeypatch.setattr(arrow, "_BATCH", 2_000)
    large.export(tmp_path / "log.parquet")
    found = parquet.ParquetFile(tmp_path / "log.parquet").metadata

    groups = [found.row_group(n).num_rows for n in range(found.num_row_groups)]
    assert groups[:-1] == [16_000, 16_000]
    assert sum(groups) == large.head


class InBytes(os.PathLike):
    """A path in bytes."""

    def __init__(self, name):
        self.name = name

    def __fspath__(self):
        return os.fsencode(self.name)


# All or nothing


@pytest.mark.parametrize("name", ["log.jsonl", "log.csv.gz", "log.parquet"])
class TestAFile:
    def test_that_is_there_is_not_replaced_unless_it_is_meant(self, log, tmp_path, name):
        path = tmp_path / name
        path.write_bytes(b"mine")
        with pytest.raises(InvalidInputError, match=r"there already: .* force=True"):
            log.export(path)
        assert path.read_bytes() == b"mine"

        log.export(path, force=True)

        assert path.read_bytes() != b"mine"
        assert [one.name for one in tmp_path.iterdir()] == [name]

    def test_that_comes_to_be_there_meanwhile_stays(self, log, tmp_path, name):
        path = tmp_path / name
        with pytest.raises(InvalidInputError, match="there already"):
            log.export(path, progress=lambda _: path.write_bytes(b"mine"))

        assert path.read_bytes() == b"mine"
        assert list(tmp_path.iterdir()) == [path]

    def test_is_not_there_before_it_is_whole(self, log, tmp_path, name):
        seen = []
        log.export(tmp_path / name, progress=lambda _: seen.append((tmp_path / name).exists()))

        assert seen == [False]
        assert (tmp_path / name).exists()

    def test_that_breaks_off_leaves_nothing(self, log, tmp_path, name):
        def interrupt(_):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            log.export(tmp_path / name, progress=interrupt)

        assert list(tmp_path.iterdir()) == []

    def test_on_a_full_disk_leaves_nothing(self, large, tmp_path, name):
        path = tmp_path / name
        path.write_bytes(b"old")
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
        try:
            with pytest.raises(OSError, match="File too large") as caught:
                large.export(path, force=True)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, ignored)

        assert caught.value.filename == str(path)
        assert (list(tmp_path.iterdir()), path.read_bytes()) == ([path], b"old")

    def test_of_a_process_that_is_killed_is_not_there(self, tmp_path, name):
        with modlog.open(tmp_path / "ledger.db") as log:
            fill(log)
        source = (
            "import modlog, os, signal, sys\n"
            "with modlog.open(sys.argv[1]) as log:\n"
            "    log.export(sys.argv[2], progress=lambda _: os.kill(os.getpid(), signal.SIGKILL))"
        )
        command = [sys.executable, "-c", source, tmp_path / "ledger.db", tmp_path / name]

        assert subprocess.run(command, check=False).returncode == -signal.SIGKILL

        assert not (tmp_path / name).exists()


def test_a_parquet_stream_that_breaks_off_does_not_look_whole(log):
    def interrupt(_):
        raise KeyboardInterrupt

    file = io.BytesIO()
    with pytest.raises(KeyboardInterrupt):
        log.export(file, format="parquet", progress=interrupt)

    assert file.getvalue() == b"PAR1"  # as each begins, and ends if it is whole
    assert not file.closed


def test_a_link_stays_a_link(log, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "log.jsonl").symlink_to(tmp_path / "there" / "log.jsonl")

    log.export(tmp_path / "log.jsonl")

    assert (tmp_path / "log.jsonl").is_symlink()
    assert (tmp_path / "there" / "log.jsonl").read_bytes() == exported(log)


def test_a_device_is_written_to_and_not_replaced(log, tmp_path):
    log.export(os.devnull, format="jsonl")
    assert os.stat(os.devnull).st_rdev  # noqa: PTH116
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        log.export("/dev/full", format="jsonl")


@pytest.mark.parametrize(
    ("target", "options", "message"),
    [
        ("log.txt", {}, "does not tell the format: end it with .jsonl"),
        ("log", {}, "does not tell the format"),
        (io.BytesIO(), {}, "does not tell the format"),
        ("", {"format": "csv"}, "a path that a file can have"),
        ("a\0.csv", {}, "a path that a file can have"),
        ("a\ud800.csv", {}, "a path that a file can have"),
        (InBytes("a.csv"), {}, "a path that a file can have"),
        (7, {"format": "csv"}, "takes a path or a binary file"),
        ("log.jsonl", {"format": "xml"}, "format must be one of jsonl, csv, parquet"),
        ("log.parquet.gz", {}, "leave .gz out"),
        ("log.jsonl", {"force": 1}, "force must be True or False"),
        ("log.jsonl", {"limit": "7"}, "limit must be a whole number"),
        ("log.jsonl", {"selection": "a"}, r"export\(\) takes a Selection"),
        ("log.jsonl", {"progress": 1}, "progress must be something to call"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    tmp_path, monkeypatch, target, options, message
):
    monkeypatch.chdir(tmp_path)
    with modlog.open("sqlite://") as log, pytest.raises(InvalidInputError, match=message):
        log.export(target, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["nosuch/log.jsonl", "folder.jsonl"])
def test_a_place_that_takes_no_file_is_told_by_its_name(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.jsonl").mkdir()
    with modlog.open("sqlite://") as log, pytest.raises(OSError, match=target):
        log.export(target, force=True)


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with modlog.open("sqlite://") as log:
        for ask in (lambda: log.export(tmp_path / "log.parquet"), log.to_arrow):
            with pytest.raises(InvalidInputError, match=r"pip install 'modlog\[parquet\]'"):
                ask()
        assert log.export(tmp_path / "log.csv").events == 0
    assert [one.name for one in tmp_path.iterdir()] == ["log.csv"]
