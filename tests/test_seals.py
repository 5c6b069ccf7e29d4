"""Seals: one tree over the log, however it was sealed, and a checkpoint inside and outside."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
import rfc8785
from click.testing import CliRunner
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import EvidenceError, InvalidInputError, ProofError, SigningKey, VerifyProgress
from modlog._cli.main import commands
from modlog._domain.evidence.checkpoints import parsed_checkpoint
from modlog._domain.evidence.notes import parsed_note
from modlog._domain.evidence.tiles import hashes_in
from modlog._services.evidence.keys import signers
from modlog._services.evidence.sealing import Sealing
from modlog.testing import MovableClock, histories
from tests import places
from tests.golden import whole
from tests.places import Place
from tests.recording import record
from tests.sealing import ANN, EVENTS, KEY, ORIGIN, WITNESS, fill, root_of_now, secret_of
from tests.tampering import tamper

KINDS = ("sqlite", "postgres")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(params=KINDS)
def place(request) -> Iterator[Place]:
    with places.fresh(request.param) as found:
        yield found


@pytest.fixture
def log(place) -> Iterator[modlog.ModLog]:
    clock = MovableClock(START)
    with place.open(clock=clock) as log:
        fill(log, clock)
        with modlog.acting(ANN, reason="r"):
            yield log


def checkpoint_in(note: str):
    return parsed_checkpoint(parsed_note(note.encode()).text)


# A reference of the tree, from the rules alone: RFC 6962 over leaves made of raw rows.


def rows_of(place: Place, table: str, order: str) -> list[dict[str, Any]]:
    if place.kind == "sqlite":
        with closing(sqlite3.connect(place.url.removeprefix("sqlite:///"))) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute(f"SELECT * FROM modlog_{table} ORDER BY {order}")
            return [dict(row) for row in found]
    with psycopg.connect(place.url, row_factory=psycopg.rows.dict_row) as connection:
        connection.execute(f"SET search_path = {place.schema}")
        query = f"SELECT * FROM modlog_{table} ORDER BY {order}"
        return connection.execute(query.encode()).fetchall()


def reference_leaves(place: Place) -> list[bytes]:
    (secret,) = [bytes(row["value"]) for row in rows_of(place, "secrets", "name")]
    acts = {row["number"]: row for row in rows_of(place, "acts", "number")}
    streams = {row["number"]: row for row in rows_of(place, "streams", "number")}

    def committed(purpose: bytes, what: bytes, content: bytes, part: slice = slice(32)) -> str:
        size = 64 if purpose == b"event" else 32
        salt = blake2b(what, digest_size=size, key=secret, person=purpose).digest()[part]
        return sha256(salt + content).hexdigest()

    leaves = []
    for row in rows_of(place, "events", "position"):
        act, stream = acts[row["act"]], streams[row["stream"]]
        named = f"{stream['kind']}\0{stream['id']}".encode()
        who = {name: value for name, value in act.items() if name != "number"}
        of_act = json.dumps(who, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        number = row["position"].to_bytes(8, "big")
        said: dict[str, Any] = {
            "v": 1,
            "position": row["position"],
            "version": row["version"],
            "type": act["type"],
            "recorded_at": act["recorded_at"],
            "occurred_at": row["occurred_at"] or act["recorded_at"],
            "stream": committed(b"stream", named, named),
            "act": committed(b"act", of_act.encode(), of_act.encode()),
        }
        structure = row["data"].encode() if row["data"] is not None else row["state"]
        if structure is not None:
            said["data"] = committed(b"event", number, bytes(structure), slice(32))
        if row["personal"] is not None:
            personal = row["personal"].encode()
            said["personal"] = committed(b"event", number, personal, slice(32, 64))
        leaves.append(rfc8785.dumps(said))
    return leaves


def reference_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = reference_root(leaves[:split]), reference_root(leaves[split:])
    return sha256(b"\1" + left + right).digest()


class TestTheTree:
    @pytest.mark.laws
    @given(histories(erasures=True, max_size=12), st.lists(st.integers(0, 12), max_size=3))
    def test_is_that_of_the_rules_however_it_was_sealed(self, history, stops):
        with places.fresh("sqlite") as place:
            with place.open(clock=MovableClock(datetime(9999, 1, 1, tzinfo=UTC))) as log:
                for stop in sorted({*stops, len(history)}):
                    record(log, history[:stop], after=log.head)
                    outcome = log.seal(KEY)
            leaves = reference_leaves(place)

        assert outcome.size == len(leaves)
        assert checkpoint_in(outcome.note).root == reference_root(leaves)

    def test_has_full_tiles_and_the_root_of_the_rules(self, log, place):
        outcome = log.seal(KEY)
        leaves = reference_leaves(place)
        (tile,) = rows_of(place, "tiles", "level, number")

        assert (outcome.size, outcome.sealed, len(leaves)) == (EVENTS, EVENTS, EVENTS)
        assert checkpoint_in(outcome.note).root == reference_root(leaves)
        assert (tile["level"], tile["number"]) == (0, 0)
        hashes = [sha256(b"\0" + leaf).digest() for leaf in leaves[:256]]
        assert hashes_in(bytes(tile["hashes"])) == hashes
        assert len(bytes(tile["parts"])) == 256 * 16

    def test_has_events_of_other_programs_too(self, place):
        with place.open() as log:
            log.recorder.insert_events([StoredEvent("order-1", 1, "shop:Ordered", b"\0\xff")])
            log.create("a", actor=ANN)
            outcome = log.seal(KEY)
            assert log.verify(checkpoints=outcome, key=KEY.verifier).ok
        assert checkpoint_in(outcome.note).root == reference_root(reference_leaves(place))

    def test_goes_on_from_any_seal(self, log, place):
        rng = random.Random(7)
        notes = []
        with modlog.acting(ANN, reason="r"):
            for _ in range(12):
                notes.append(log.seal(KEY))
                with log.transaction():
                    for _ in range(rng.choice((0, 1, 100, 255, 256, 257))):
                        log.note("a0", f"{rng.random()}")
        leaves = reference_leaves(place)

        for outcome in notes:
            assert checkpoint_in(outcome.note).root == reference_root(leaves[: outcome.size])
        assert log.verify(checkpoints=notes, key=KEY.verifier).ok

    def test_of_an_empty_ledger(self, place):
        with place.open() as log:
            outcome = log.seal(KEY)
            assert (outcome.size, outcome.sealed) == (0, 0)
            assert checkpoint_in(outcome.note).root == sha256(b"").digest()
            assert log.verify(checkpoints=outcome, key=KEY.verifier).sealed == 0


class TestACheckpoint:
    def test_is_signed_and_kept(self, log, place):
        outcome = log.seal(KEY)
        (kept,) = rows_of(place, "checkpoints", "size")

        assert (kept["size"], kept["note"]) == (EVENTS, outcome.note)
        assert signers(parsed_note(outcome.note.encode()), [KEY.verifier]) == (KEY.verifier,)
        assert outcome.origin == ORIGIN
        assert outcome.root in outcome.note

    def test_is_the_same_until_something_is_recorded(self, log):
        first = log.seal(KEY)
        again = log.seal(KEY)
        log.note("a0", "x")
        third = log.seal(KEY)

        assert (again.note, again.sealed) == (first.note, 0)
        assert (third.size, third.sealed) == (EVENTS + 1, 1)

    def test_in_a_file(self, log, tmp_path):
        for target in (tmp_path / "c", str(tmp_path / "c"), f"file://{tmp_path}/c"):
            log.note("a0", "x")
            outcome = log.seal(KEY, target)
            assert (tmp_path / "c").read_text() == outcome.note
        assert sorted(path.name for path in tmp_path.iterdir()) == ["c"]

    def test_in_a_folder_with_those_before_it(self, log, tmp_path):
        outcomes = []
        for _ in range(2):
            log.note("a0", "x")
            outcomes.append(log.seal(KEY, f"{tmp_path}/"))

        assert (tmp_path / "checkpoint").read_text() == outcomes[-1].note
        for outcome in outcomes:
            assert (tmp_path / "checkpoints" / str(outcome.size)).read_text() == outcome.note

    def test_given_to_whatever_takes_it(self, log):
        seen: list[str] = []

        outcome = log.seal(KEY, seen.append)

        assert seen == [outcome.note]

    def test_is_kept_in_the_ledger_before_it_leaves_it(self, log, place):
        def fails(note: str) -> None:
            raise ConnectionError("no network")

        with pytest.raises(ConnectionError):
            log.seal(KEY, fails)
        seen: list[str] = []
        outcome = log.seal(KEY, seen.append)

        assert seen == [outcome.note] == [row["note"] for row in rows_of(place, "checkpoints", "1")]

    def test_tells_how_far_it_is(self, log):
        seen: list[modlog.SealProgress] = []
        log.seal(KEY, progress=seen.append)

        assert [(one.done, one.total) for one in seen] == [(256, EVENTS)]


def test_a_sealer_that_was_overtaken_brings_no_shorter_checkpoint_outside(
    log, tmp_path, monkeypatch
):
    sign = Sealing._sign
    overtaken: list[int] = []

    def slowly(self):
        outcome = sign(self)
        if not overtaken:
            overtaken.append(outcome.size)
            log.note("a0", "meanwhile")
            log.seal(KEY, tmp_path / "c")
        return outcome

    monkeypatch.setattr(Sealing, "_sign", slowly)
    log.seal(KEY, tmp_path / "c")

    assert overtaken == [EVENTS]
    assert checkpoint_in((tmp_path / "c").read_text()).size == EVENTS + 1


class TestOnCommit:
    """With `seal_on_commit` each call comes back sealed."""

    def test_each_transaction_is_sealed_inside_and_outside(self, log, place, tmp_path):
        log.seal(KEY, tmp_path / "c", seal_on_commit=True)
        for act in (
            lambda: log.note("a0", "one command"),
            lambda: log.ingest(
                {"do": "note", "account_id": "a0", "text": f"{n}", "at": START} for n in range(300)
            ),
            lambda: log.plan_sweep(["a6"], "flag", label="y"),
            lambda: log.recorder.insert_events([StoredEvent("order-1", 1, "shop:Ordered", b"x")]),
        ):
            act()
            assert checkpoint_in((tmp_path / "c").read_text()).size == log.head
        with log.transaction():
            log.note("a0", "two in one")
            log.note("a0", "transaction")
            assert checkpoint_in((tmp_path / "c").read_text()).size == log.head - 2
        assert checkpoint_in((tmp_path / "c").read_text()).size == log.head
        assert log.verify(checkpoints=tmp_path / "c", key=KEY.verifier).ok

    def test_threads_bring_no_shorter_checkpoint_outside(self, log, tmp_path):
        log.seal(KEY, tmp_path / "c", seal_on_commit=True)

        def write(number: int) -> None:
            with modlog.acting(ANN, reason="r"):
                for _ in range(10):
                    log.note("a0", f"{number}")

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(write, range(4)))
        assert checkpoint_in((tmp_path / "c").read_text()).size == log.head == EVENTS + 40

    def test_what_was_recorded_stays_if_it_cannot_be_sealed(self, log):
        notes: list[str] = []

        def fails(note: str) -> None:
            notes.append(note)
            if len(notes) == 2:
                raise ConnectionError("no network")

        log.seal(KEY, fails, seal_on_commit=True)
        with pytest.raises(ConnectionError):
            log.note("a0", "x", idempotency_key="k")
        assert log.head == EVENTS + 1
        assert log.settle("k").position == EVENTS + 1

    def test_another_ledger_object_does_not(self, log, place):
        log.seal(KEY, seal_on_commit=True)
        with place.open() as other:
            other.note("a0", "x", actor=ANN)
        assert log.verify().sealed == EVENTS


class TestIsRefused:
    """What is wrong is told before anything is written."""

    @pytest.fixture(autouse=True)
    def unchanged(self, log, place):
        log.seal(KEY)
        log.note("a0", "not sealed yet")
        before = rows_of(place, "checkpoints", "1"), rows_of(place, "tiles", "level, number")
        yield
        assert before == (
            rows_of(place, "checkpoints", "1"),
            rows_of(place, "tiles", "level, number"),
        )

    def test_the_key_of_another_ledger(self, log):
        with pytest.raises(
            EvidenceError, match=r"are of the origin 'example\.com/ledger', and the"
        ):
            log.seal(SigningKey.generate("example.com/other"))

    def test_the_key_of_a_witness(self, log):
        with pytest.raises(EvidenceError, match="of a witness signs no checkpoint"):
            log.seal(SigningKey.generate(ORIGIN, witness=True))

    @pytest.mark.parametrize("target", [7, "", "s3://bucket/x", "file://host/x", "a\0b"])
    def test_a_place_that_is_none(self, log, target):
        with pytest.raises(InvalidInputError, match="checkpoint"):
            log.seal(KEY, target)

    def test_within_a_transaction(self, log):
        with log.transaction(), pytest.raises(InvalidInputError, match="outside of transaction"):
            log.seal(KEY)

    @pytest.mark.parametrize(
        ("content", "error", "told"),
        [
            (b"", EvidenceError, "a signed note is text"),
            (b"x" * 2_000_000, EvidenceError, "at most 1,000,000 bytes"),
            (b"a\n1\n\n\xe2\x80\x94 a b\n", EvidenceError, "this is no base64"),
        ],
    )
    def test_to_replace_what_is_no_checkpoint(self, log, tmp_path, content, error, told):
        (tmp_path / "c").write_bytes(content)
        with pytest.raises(error, match=told):
            log.seal(KEY, tmp_path / "c")
        assert (tmp_path / "c").read_bytes() == content

    def test_to_replace_that_of_another_ledger(self, log, tmp_path):
        other = SigningKey.generate("example.com/other")
        with modlog.open("sqlite://") as another:
            another.seal(other, tmp_path / "c")
        with pytest.raises(EvidenceError, match=r"is of 'example\.com/other', and the key of"):
            log.seal(KEY, tmp_path / "c")

    def test_to_replace_a_longer_one(self, log, tmp_path, place):
        """Which an older copy of the ledger would."""
        with modlog.open("sqlite://") as another, modlog.acting(ANN, reason="r"):
            for n in range(EVENTS + 2):
                another.create(f"{n}")
            another.seal(KEY, tmp_path / "c")
        with pytest.raises(ProofError, match="the end was cut off, or this is an older copy"):
            log.seal(KEY, tmp_path / "c")


def test_a_new_key_of_the_same_name_goes_on(log):
    log.seal(KEY)
    log.note("a0", "x")
    new = SigningKey.generate(ORIGIN)
    outcome = log.seal(new)

    assert log.verify(checkpoints=outcome, key=new.verifier).findings[0].check == "checkpoints"
    assert log.verify().ok


def test_a_sealer_may_run_beside_others_and_beside_writers(place):
    """Two sealers and two writers: one chain of checkpoints, all of one tree."""
    with place.open() as log, modlog.acting(ANN, reason="r"):
        log.create("a")
        until = time.monotonic() + 3

        def write(name: str) -> None:
            with modlog.acting(ANN, reason="r"):
                while time.monotonic() < until:
                    with log.transaction():
                        for _ in range(50):
                            log.note("a", name)

        def seal() -> list[modlog.SealOutcome]:
            made = []
            while time.monotonic() < until:
                try:
                    made.append(log.seal(KEY))
                except modlog.ConcurrencyError:
                    continue
            return made

        with ThreadPoolExecutor() as threads:
            writers = [threads.submit(write, name) for name in "ab"]
            sealers = [threads.submit(seal) for _ in range(2)]
            for one in writers:
                one.result()
            outcomes = [outcome for one in sealers for outcome in one.result()]
        last = log.seal(KEY)
        assert last.size > 256
        assert log.verify(checkpoints=[*outcomes[-20:], last], key=KEY.verifier).ok
        assert checkpoint_in(last.note).root == root_of_now(log, last.size)


SEALER = """
import sys, modlog
from modlog import SigningKey
with modlog.open(sys.argv[1], schema=sys.argv[2] or None) as log:
    key = SigningKey.parse(sys.argv[3])
    print("ready", flush=True)
    while True:
        log.seal(key, sys.argv[4])
        with modlog.acting(modlog.Actor.human("ann"), reason="r"), log.transaction():
            for _ in range(40):
                log.note("a0", "x")
"""


def test_a_sealer_that_is_killed_leaves_a_ledger_that_seals_on(log, place, tmp_path):
    target = tmp_path / "checkpoint"
    arguments = [place.url, place.schema or "", KEY.text, str(target)]
    rng = random.Random(3)
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", SEALER, *arguments], stdout=subprocess.PIPE
        ) as sealer:
            assert sealer.stdout
            sealer.stdout.readline()
            time.sleep(rng.uniform(0, 0.5))
            sealer.send_signal(signal.SIGKILL)
        if target.exists():
            assert log.verify(checkpoints=target, key=KEY.verifier).ok
        log.seal(KEY, target)
    report = log.verify(checkpoints=target, key=KEY.verifier)

    assert (report.ok, report.sealed) == (True, log.head)
    assert log.head > EVENTS


def test_an_archive_brings_the_checkpoints_along(log, tmp_path):
    outcomes = [log.seal(KEY)]
    log.archive(tmp_path / "archive")
    log.note("a0", "x")
    outcomes.append(log.seal(KEY))
    log.archive(tmp_path / "archive")
    archive = modlog.open_archive(tmp_path / "archive")
    assert archive.verify(log).ok
    archive.restore(tmp_path / "again.db")

    with modlog.open(tmp_path / "again.db") as again:
        report = again.verify(checkpoints=outcomes, key=KEY.verifier)
        assert (report.ok, report.sealed) == (True, log.head)
        again.note("a0", "goes on", actor=ANN)
        outcomes.append(again.seal(KEY))
        assert again.verify(checkpoints=outcomes, key=KEY.verifier).ok


@pytest.mark.parametrize("schema", [2, 3])
def test_a_ledger_of_an_older_schema_can_be_sealed_after_its_upgrade(schema, tmp_path):
    whole.load_sqlite(schema, tmp_path / "a.db")
    modlog.upgrade(tmp_path / "a.db")
    with whole.opened(tmp_path / "a.db") as log:
        outcome = log.seal(KEY)
        assert log.verify(checkpoints=outcome, key=KEY.verifier).ok


def test_what_was_sealed_with_this_schema_s_first_modlog_stays_sealed(tmp_path):
    whole.load_sqlite(4, tmp_path / "a.db")
    with whole.opened(tmp_path / "a.db") as log:
        key = SigningKey.parse(whole.KEY).verifier
        report = log.verify(key=key)
        assert (report.ok, report.sealed) == (True, log.head - 1)


@pytest.fixture(scope="module")
def large() -> Iterator[Place]:
    """A ledger with enough for a tile of the second level."""
    with places.fresh("sqlite") as place:
        with place.open() as log, modlog.acting(ANN, reason="r"):
            log.create("a")
            at = START.isoformat()
            log.ingest(
                {"do": "note", "account_id": "a", "text": f"{n}", "at": at}
                for n in range(65_536 + 300 - 1)
            )
            seen: list[modlog.SealProgress] = []
            log.seal(KEY, progress=seen.append)
            assert [one.done for one in seen] == [25_600, 51_200, 65_792]
        yield place


class TestALargeLedger:
    def test_has_one(self, large):
        rows = rows_of(large, "tiles", "level, number")
        assert [(row["level"], row["number"]) for row in rows] == [
            *((0, number) for number in range(257)),
            (1, 0),
        ]

    @pytest.mark.parametrize(
        ("statement", "told"),
        [
            ("UPDATE modlog_tiles SET hashes = zeroblob(8192) WHERE level = 1", "does not follow"),
            ("UPDATE modlog_tiles SET root = zeroblob(32) WHERE level = 1", "does not follow"),
            ("DELETE FROM modlog_tiles WHERE level = 1", "tile 0 of level 1 is gone"),
        ],
    )
    def test_a_tile_above_follows_from_those_below(self, large, statement, told):
        before = rows_of(large, "tiles", "level, number")[-1]
        tamper(large, statement)
        with large.open() as log:
            (finding,) = log.verify(key=KEY.verifier).findings
            log.note("a", "x", actor=ANN)
            if "hashes" not in statement:  # from which no root is made any more
                with pytest.raises(ProofError):
                    log.seal(KEY)
        assert finding.check == "tiles"
        assert told in finding.message
        tamper(
            large,
            "DELETE FROM modlog_tiles WHERE level = 1",
            f"INSERT INTO modlog_tiles VALUES (1, 0, X'{before['hashes'].hex()}',"
            f" X'{before['root'].hex()}', NULL)",
        )

    def test_many_edits_are_told_up_to_a_number(self, large):
        tamper(large, "UPDATE modlog_acts SET reason = 'x' WHERE number = 2")
        with large.open() as log:
            findings = log.verify().findings
        tamper(large, "UPDATE modlog_acts SET reason = 'r' WHERE number = 2")
        edited = [one for one in findings if one.check == "edited"]

        assert [one.position for one in edited[:-1]] == list(range(2, 102))
        assert edited[-1].message.endswith("more events are not as they were sealed")


class TestVerifying:
    """What is given beside the ledger."""

    def test_takes_a_checkpoint_in_any_form(self, log, tmp_path):
        outcome = log.seal(KEY, tmp_path / "c")
        (tmp_path / "k").write_text(KEY.verifier.text)
        for one in (outcome, outcome.note, outcome.note.encode(), tmp_path / "c"):
            for key in (KEY.verifier, tmp_path / "k", str(tmp_path / "k")):
                assert log.verify(checkpoints=one, key=key).ok
                assert log.verify(checkpoints=[one], key=key).ok

    def test_needs_a_key_for_them(self, log):
        outcome = log.seal(KEY)
        with pytest.raises(InvalidInputError, match="a checkpoint is worth what its signature is"):
            log.verify(checkpoints=outcome)

    def test_a_signature_of_nobody_that_was_named(self, log):
        outcome = log.seal(KEY)
        with pytest.raises(EvidenceError, match="is not signed by the key that was given"):
            log.verify(checkpoints=outcome, key=SigningKey.generate(ORIGIN).verifier)

    def test_a_text_that_was_changed(self, log):
        note = log.seal(KEY).note.replace("\n300\n", "\n299\n")
        with pytest.raises(ProofError, match="is not over this text"):
            log.verify(checkpoints=note, key=KEY.verifier)

    def test_a_quorum_of_witnesses(self, log):
        note = parsed_note(log.seal(KEY).note.encode())
        cosigned = note.signed(WITNESS.cosign(note.text, 1_800_000_000)).written()
        other = SigningKey.generate("other.example", witness=True).verifier
        both = [WITNESS.verifier, other]

        assert log.verify(checkpoints=cosigned, key=KEY.verifier, witnesses=both, quorum=1).ok
        assert log.verify(checkpoints=note.written(), key=KEY.verifier).ok
        with pytest.raises(EvidenceError, match="2 witnesses have to cosign"):
            log.verify(checkpoints=cosigned, key=KEY.verifier, witnesses=both)
        with pytest.raises(EvidenceError, match="1 witnesses have to cosign"):
            log.verify(checkpoints=note.written(), key=KEY.verifier, witnesses=WITNESS.verifier)
        with pytest.raises(InvalidInputError, match="quorum must be from 0 to 2"):
            log.verify(checkpoints=cosigned, key=KEY.verifier, witnesses=both, quorum=3)

    def test_of_a_ledger_that_was_never_sealed(self, log, place):
        note = log.seal(KEY).note
        with modlog.open("sqlite://") as other:
            assert other.verify().sealed is None
            (finding,) = other.verify(checkpoints=note, key=KEY.verifier).findings
            assert finding.check == "checkpoints"

    def test_tells_how_far_it_is(self, log):
        log.seal(KEY)
        seen: list[VerifyProgress] = []
        report = log.verify(seen.append)
        assert (seen[0].events, seen[0].accounts) == (EVENTS, 0)
        assert (seen[-1].events, seen[-1].accounts) == (EVENTS, report.accounts)
        assert {one.total for one in seen} == {seen[-1].done}


class TestTheCommandLine:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MODLOG_URL", "a.db")
        clock = MovableClock(datetime.now(UTC) - timedelta(days=1))
        with modlog.open("a.db", clock=clock) as log:
            fill(log, clock)

    def run(self, *words: str, exit_code: int = 0):
        result = CliRunner().invoke(commands, words)
        assert result.exit_code == exit_code, result.output
        return result

    def made(self) -> None:
        self.run("key", "generate", "--name", ORIGIN, "-o", "k")

    def test_from_a_key_to_a_verified_ledger(self):
        said = self.run("key", "generate", "--name", ORIGIN, "-o", "k").stdout
        assert Path("k.pub").read_text().strip() in said
        assert Path("k").read_text().strip() not in said
        assert Path("k").stat().st_mode & 0o777 == 0o600
        assert "sealed 300 events" in self.run("seal", "--key", "k", "-o", "c").stdout
        verified = self.run("verify", "--checkpoint", "c", "--key", "k.pub").stdout
        assert "sealed up to 300" in verified

    def test_a_key_that_is_there_is_not_replaced(self):
        self.made()
        before = Path("k").read_text()
        told = self.run("key", "generate", "--name", ORIGIN, "-o", "k", exit_code=2).stderr
        assert "is there already" in told
        assert "--force" in told
        assert Path("k").read_text() == before
        self.run("key", "generate", "--name", ORIGIN, "-o", "k", "--force")
        assert Path("k").read_text() != before

    def test_a_checkpoint_is_printed_without_a_place(self):
        self.made()
        result = self.run("seal", "--key", "k")
        assert checkpoint_in(result.stdout).size == EVENTS
        assert "sealed 300" in result.stderr
        assert json.loads(self.run("seal", "--key", "k", "--json").stdout)["sealed"] == 0

    def test_exit_codes(self):
        self.made()
        self.run("seal", "--key", "k", "-o", "c")
        words = ("verify", "--checkpoint", "c", "--key", "k.pub")
        self.run(*words)
        right = Path("c").read_text()
        Path("c").write_text(right.replace("\n300\n", "\n299\n"))
        assert "is not over this text" in self.run(*words, exit_code=1).stderr
        for wrong in ("", "x", right.replace(ORIGIN, "example.com/other")):
            Path("c").write_text(wrong)
            self.run(*words, exit_code=2)
        self.run("verify", "--checkpoint", "nowhere", "--key", "k.pub", exit_code=2)
        self.run("verify", "--checkpoint", "c", exit_code=2)
        Path("c").write_text(right)
        tamper(Place("sqlite", "sqlite:///a.db"), "UPDATE modlog_acts SET reason = 'x'")
        told = self.run(*words, exit_code=1).stdout
        assert "edited" in told

    def test_again_and_again_until_it_is_interrupted(self):
        self.made()
        with subprocess.Popen(
            [sys.executable, "-m", "modlog", "seal", "--key", "k", "-o", "c", "--every", "1s"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ},
        ) as sealer:
            assert sealer.stdout
            assert "is of 300" in sealer.stdout.readline()
            with modlog.open("a.db") as log:
                log.note("a0", "x", actor=ANN)
            assert "is of 301" in sealer.stdout.readline()
            sealer.send_signal(signal.SIGINT)
            assert sealer.wait(20) == 130
        assert checkpoint_in(Path("c").read_text()).size == EVENTS + 1


def test_the_salts_of_a_ledger_are_its_own(log, place):
    log.seal(KEY)
    with modlog.open("sqlite://") as other, modlog.acting(ANN, reason="r"):
        other.create("a")
        other.seal(KEY)
        assert secret_of(other) != secret_of(log)
        assert len(secret_of(log).secret) == 32
