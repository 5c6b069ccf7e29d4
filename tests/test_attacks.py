"""What an administrator does to a sealed ledger with raw SQL, and under what name it is found."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import modlog
from modlog import SealOutcome
from modlog._domain.evidence.checkpoints import Checkpoint
from modlog._domain.evidence.notes import Note, parsed_note
from modlog._domain.evidence.tiles import FULL, root_above
from modlog.testing import MovableClock
from tests import places
from tests.places import Place
from tests.sealing import ANN, EVENTS, KEY, ORIGIN, WITNESS, fill, root_of_now, tiles_of_now
from tests.tampering import tamper

KINDS = ("sqlite", "postgres")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Attacked:
    """A ledger of 300 events, sealed once at 290 and once at its end."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.clock = MovableClock(START)
        with self.open() as log:
            fill(log, self.clock, EVENTS - 10)
            self.earlier = log.seal(KEY)
            with modlog.acting(ANN, reason="r"):
                for n in range(10):
                    self.clock.move(1)
                    log.note("a0", f"late {n}")
            self.newest = log.seal(KEY)
        assert (self.earlier.size, self.newest.size) == (EVENTS - 10, EVENTS)

    @contextmanager
    def open(self) -> Iterator[modlog.ModLog]:
        with self.place.open(clock=self.clock) as log:
            yield log

    def do(self, *statements: str) -> None:
        blob = r"X'\1'" if self.place.kind == "sqlite" else r"'\\x\1'"
        tamper(self.place, *(re.sub(r"\{blob:(\w*)\}", blob, one) for one in statements))

    def found(self, *outside: SealOutcome | str, **given: Any) -> list[tuple[str, int | None]]:
        """What `verify` finds beside what it finds without seals: its checks and positions."""
        with self.open() as log:
            report = log.verify(checkpoints=outside, key=KEY.verifier, **given)
        return [(one.check, one.position) for one in report.findings if one.check in NAMES]

    def messages(self, *outside: SealOutcome, **given: Any) -> str:
        with self.open() as log:
            report = log.verify(checkpoints=outside, key=KEY.verifier, **given)
        return "\n".join(one.message for one in report.findings if one.check in NAMES)


NAMES = {
    *("edited", "deleted", "inserted", "reordered", "swapped", "truncated"),
    *("tiles", "checkpoints", "inconsistent", "forked", "back-dated"),
}


@pytest.fixture(scope="module", params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def attacked(kind) -> Iterator[Attacked]:
    with places.fresh(kind) as place:
        yield Attacked(place)


def test_a_ledger_that_nobody_touched_is_clean(attacked):
    with attacked.open() as log:
        report = log.verify(checkpoints=[attacked.earlier, attacked.newest], key=KEY.verifier)
    assert (report.findings, report.sealed) == ((), EVENTS)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ('UPDATE modlog_events SET personal = \'{"text":"x"}\' WHERE position = 5', "personal"),
        ("UPDATE modlog_events SET data = '{\"until\":1}' WHERE position = 5", "its data"),
        ("UPDATE modlog_acts SET reason = 'x' WHERE number = 5", "its act"),
        ("UPDATE modlog_acts SET policy = NULL WHERE number = 5", "its act"),
        ("UPDATE modlog_acts SET actor_id = 'bob' WHERE number = 5", "its act"),
        ("UPDATE modlog_acts SET actor_kind = 'bot' WHERE number = 5", "its act"),
        ("UPDATE modlog_acts SET actor_account_id = 'bob' WHERE number = 5", "its act"),
        ("UPDATE modlog_acts SET batch_id = 'march' WHERE number = 5", "its act"),
        ("UPDATE modlog_acts SET confidence = 0.5 WHERE number = 5", "its act"),
        ("UPDATE modlog_acts SET correlation_id = 'c' WHERE number = 5", "its act"),
        ('UPDATE modlog_acts SET metadata = \'{"ip":"::1"}\' WHERE number = 5', "its act"),
        ("UPDATE modlog_acts SET recorded_at = recorded_at + 1 WHERE number = 5", "its act"),
        ("UPDATE modlog_acts SET type = 'account.deleted' WHERE number = 5", "its act"),
        ("UPDATE modlog_events SET occurred_at = 5 WHERE position = 5", "its place"),
        ("UPDATE modlog_events SET version = 999 WHERE position = 5", "its place"),
        ("UPDATE modlog_events SET stream = 4 WHERE position = 5", "its account"),
    ],
)
def test_an_edited_row_is_named_with_what_was_changed(attacked, statement, told):
    attacked.do(statement)

    assert attacked.found(attacked.newest) == [("edited", 5)]
    assert told in attacked.messages()


def test_events_that_are_alike_are_told_apart_by_their_place(kind):
    """Two deletions of one account in one act, which have no data."""
    with places.fresh(kind) as place:
        with place.open() as log, modlog.acting(ANN, reason="r"):
            log.create("a")
            with log.transaction():
                log.delete("a")
                log.delete("a")
                for _ in range(260):
                    log.note("a", "x")
            outcome = log.seal(KEY)
        tamper(place, "UPDATE modlog_events SET occurred_at = 5 WHERE position IN (2, 3)")
        with place.open() as log:
            found = log.verify(checkpoints=outcome, key=KEY.verifier).findings
    told = [(one.check, one.position) for one in found if one.check in NAMES]
    assert told == [("edited", 2), ("edited", 3)]


def test_an_account_that_gets_another_name_is_found_in_each_event_of_it(attacked):
    attacked.do("UPDATE modlog_streams SET id = 'somebody' WHERE id = 'a3'")

    with attacked.open() as log:
        positions = [event.position for event in log.history("somebody") if event.position <= 256]
    assert positions
    assert [one for one in attacked.found() if one[0] == "edited"] == [
        ("edited", position) for position in positions
    ]


def test_an_edit_behind_the_last_full_tile_does_not_lead_to_what_was_signed(attacked):
    attacked.do("UPDATE modlog_acts SET reason = 'x' WHERE number = 280")

    assert attacked.found() == [("inconsistent", 290), ("inconsistent", 300)]
    assert attacked.found(attacked.earlier)[-1] == ("inconsistent", 290)


def test_a_deleted_row_is_named(attacked):
    attacked.do("DELETE FROM modlog_events WHERE position = 7")

    assert ("deleted", 7) in attacked.found()
    assert "followed" not in attacked.messages()


def renumber(first: int, by: int) -> list[str]:
    """What gives all events, acts and streams from a position on another one."""
    away = 1_000_000
    return [
        statement
        for table, columns in (
            ("events", ("position", "act", "stream")),
            ("acts", ("number",)),
            ("streams", ("number",)),
            ("keys", ("position",)),
        )
        for column in columns
        for statement in (
            f"UPDATE modlog_{table} SET {column} = {column} + {away} WHERE {column} >= {first}",
            f"UPDATE modlog_{table} SET {column} = {column} - {away - by} WHERE {column} >= {away}",
        )
    ]


DELETE_FIVE = (
    "DELETE FROM modlog_events WHERE position = 5",
    "DELETE FROM modlog_acts WHERE number = 5",
)


def test_a_row_that_was_deleted_and_all_others_renumbered_is_named_alone(attacked):
    attacked.do(*DELETE_FIVE, *renumber(6, -1))

    found = attacked.found()
    assert [one for one in found if one[0] not in ("inconsistent", "truncated")] == [("deleted", 5)]
    assert {one for one, _ in found} >= {"deleted", "truncated"}
    assert "was given its place" in attacked.messages()


def test_a_row_that_was_put_between_others_is_named_alone(attacked):
    attacked.do(
        *renumber(5, 1),
        "INSERT INTO modlog_acts SELECT 5, recorded_at, type, schema, actor_kind, actor_id,"
        " actor_version, actor_account_id, 'forged', policy, batch_id, confidence,"
        " correlation_id, metadata FROM modlog_acts WHERE number = 6",
        "INSERT INTO modlog_events (position, act, stream, version, data, personal)"
        " SELECT 5, 5, stream, 900, data, personal FROM modlog_events WHERE position = 6",
    )

    found = [one for one in attacked.found() if one[0] != "inconsistent"]
    assert found == [("inserted", 5)]


def test_a_tail_that_was_cut_off_is_told_by_the_tiles_and_by_every_checkpoint(attacked):
    attacked.do(
        "DELETE FROM modlog_events WHERE position > 200",
        "DELETE FROM modlog_acts WHERE number > 200",
    )

    assert attacked.found(attacked.newest) == [
        ("truncated", 201),
        ("truncated", 201),
        ("truncated", 201),
        ("truncated", 201),
    ]
    with attacked.open() as log, pytest.raises(modlog.ProofError, match="the end was cut off"):
        log.seal(KEY)


def test_a_tail_that_was_cut_off_with_its_seals_is_told_by_a_checkpoint_outside(attacked):
    attacked.do(
        "DELETE FROM modlog_events WHERE position > 295",
        "DELETE FROM modlog_acts WHERE number > 295",
        "DELETE FROM modlog_checkpoints WHERE size > 295",
    )

    assert attacked.found() == []
    assert attacked.found(attacked.newest) == [("truncated", 296)]


def exchange(table: str, column: str, one: int, other: int) -> list[str]:
    return [
        f"UPDATE modlog_{table} SET {column} = -1 WHERE {column} = {one}",
        f"UPDATE modlog_{table} SET {column} = {one} WHERE {column} = {other}",
        f"UPDATE modlog_{table} SET {column} = {other} WHERE {column} = -1",
    ]


def test_two_rows_that_changed_places_are_named(attacked):
    attacked.do(*exchange("events", "position", 5, 9))

    assert attacked.found() == [("reordered", 5), ("reordered", 9)]


def test_two_payloads_that_changed_places_are_named(attacked):
    with attacked.open() as log:
        texts = {n: next(log.events(modlog.Selection(positions=[n]))).data["text"] for n in (3, 5)}
    attacked.do(
        *(
            f'UPDATE modlog_events SET personal = \'{{"text":"{texts[other]}"}}\''
            f" WHERE position = {one}"
            for one, other in ((3, 5), (5, 3))
        )
    )

    assert attacked.found() == [("swapped", 3), ("swapped", 5)]
    assert "sealed at position 5" in attacked.messages()


class TestTheSeals:
    """What is done to the seals themselves."""

    def test_a_tile_that_was_changed_accuses_its_events(self, attacked):
        (_, _, hashes, marks), *_ = rows_of(attacked)
        attacked.do("DELETE FROM modlog_tiles", insert(0, 0, flipped(hashes), marks))

        assert ("edited", 1) in attacked.found()
        assert ("inconsistent", 300) in attacked.found()

    def test_marks_that_were_changed(self, attacked):
        (_, _, hashes, marks), *_ = rows_of(attacked)
        attacked.do("DELETE FROM modlog_tiles", insert(0, 0, hashes, flipped(marks)))

        assert attacked.found() == [("tiles", None)]
        assert "the marks of event 1 " in attacked.messages()

    def test_the_root_of_a_tile(self, attacked):
        attacked.do(f"UPDATE modlog_tiles SET root = {blob(bytes(32))}")

        assert attacked.found() == [("tiles", None)]
        assert "the root of tile 0 of level 0 does not follow" in attacked.messages()
        with attacked.open() as log, pytest.raises(modlog.ProofError):
            log.seal(KEY)

    def test_a_tile_that_is_cut(self, attacked):
        (_, _, hashes, marks), *_ = rows_of(attacked)
        attacked.do("DELETE FROM modlog_tiles", insert(0, 0, hashes[:-1], marks))

        assert attacked.found() == [("tiles", None)]

    def test_a_tile_of_no_event(self, attacked):
        attacked.do(insert(0, 10**15, b"", b""), insert(1, 0, b"", b""), insert(-1, 0, b"", b""))

        messages = attacked.messages()
        for told in ("tile 1000000000000000 of level 0", "tile 0 of level 1", "of level -1"):
            assert told in messages

    def test_tiles_that_are_gone_leave_the_checkpoints(self, attacked):
        attacked.do(
            "DELETE FROM modlog_tiles", "UPDATE modlog_acts SET reason = 'x' WHERE number = 5"
        )

        assert attacked.found() == [("inconsistent", 290), ("inconsistent", 300)]

    def test_checkpoints_that_are_gone_or_rewritten_in_the_ledger(self, attacked):
        attacked.do(f"UPDATE modlog_checkpoints SET note = '{attacked.newest.note}'")
        assert attacked.found() == [("checkpoints", None)]

        attacked.do("DELETE FROM modlog_checkpoints")
        assert attacked.found(attacked.newest) == []

    @pytest.mark.parametrize("note", ["", "x", "a\n1\n\n\n", "a\n300\nAAAA\n\n"])
    def test_a_checkpoint_that_is_none(self, attacked, note):
        attacked.do(f"UPDATE modlog_checkpoints SET note = '{note}' WHERE size = 300")

        assert attacked.found() == [("checkpoints", None)]

    def test_the_secret_is_gone(self, attacked):
        attacked.do("DELETE FROM modlog_secrets")

        assert attacked.found() == [("checkpoints", None)]
        assert "the secret of this ledger's seals is gone" in attacked.messages(attacked.newest)

    def test_another_secret(self, attacked):
        attacked.do("DELETE FROM modlog_secrets", secret(bytes(32)))

        found = attacked.found(attacked.newest)
        assert found[0][0] == "edited"
        assert ("inconsistent", 300) in found


def rows_of(attacked: Attacked) -> list:
    with attacked.open() as log:
        return tiles_of_now(log)


def flipped(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def insert(level: int, number: int, hashes: bytes, marks: bytes | None) -> str:
    """Puts a tile there."""
    parts = "NULL" if marks is None else blob(marks)
    root = blob(root_above(hashes) if len(hashes) == FULL else b"")
    return f"INSERT INTO modlog_tiles VALUES ({level}, {number}, {blob(hashes)}, {root}, {parts})"


def blob(content: bytes) -> str:
    """What `Attacked.do` writes as each database does."""
    return f"{{blob:{content.hex()}}}"


def secret(content: bytes) -> str:
    return f"INSERT INTO modlog_secrets VALUES ('salts', {blob(content)})"


class TestWithoutTheKey:
    """Everything is rewritten, and the tree made anew as its own code makes it."""

    def test_checkpoints_in_the_ledger_disagree(self, attacked):
        rewrite(attacked)

        assert attacked.found() == [("inconsistent", 290), ("inconsistent", 300)]

    def test_without_them_one_from_outside_does(self, attacked):
        rewrite(attacked)
        attacked.do("DELETE FROM modlog_checkpoints")

        assert attacked.found() == []
        assert attacked.found(attacked.newest) == [("inconsistent", 300)]
        assert attacked.found(attacked.earlier) == [("inconsistent", 290)]

    def test_another_key_of_the_same_name_signs_nothing(self, attacked):
        rewrite(attacked)
        other = modlog.SigningKey.generate(ORIGIN)
        attacked.do("DELETE FROM modlog_checkpoints", forged(attacked, other))

        assert attacked.found() == [("checkpoints", None)]

    def test_the_sealer_signs_nothing(self, attacked):
        rewrite(attacked)
        with attacked.open() as log, pytest.raises(modlog.ProofError, match="does not begin with"):
            log.seal(KEY)

    def test_nor_when_only_what_lies_outside_tells(self, attacked, tmp_path):
        (tmp_path / "checkpoint").write_text(attacked.newest.note)
        rewrite(attacked)
        attacked.do("DELETE FROM modlog_checkpoints")

        with attacked.open() as log, pytest.raises(modlog.ProofError, match="does not begin with"):
            log.seal(KEY, tmp_path / "checkpoint")
        assert (tmp_path / "checkpoint").read_text() == attacked.newest.note


def rewrite(attacked: Attacked) -> None:
    attacked.do("UPDATE modlog_acts SET reason = 'never' WHERE number = 5")
    attacked.do("DELETE FROM modlog_tiles", *(insert(*row) for row in rows_of(attacked)))


def forged(attacked: Attacked, key: modlog.SigningKey, size: int = EVENTS) -> str:
    with attacked.open() as log:
        text = Checkpoint(ORIGIN, size, root_of_now(log, size)).text
    note = Note(text, (key.sign(text),)).written()
    return f"INSERT INTO modlog_checkpoints VALUES ({size}, '{note}')"


def test_with_a_stolen_key_a_checkpoint_outside_tells_of_a_fork(attacked):
    rewrite(attacked)
    attacked.do("DELETE FROM modlog_checkpoints", forged(attacked, KEY))

    assert attacked.found() == []
    assert attacked.found(attacked.newest) == [("forked", 300), ("inconsistent", 300)]
    assert attacked.found(attacked.earlier) == [("inconsistent", 290)]


def test_two_histories_that_were_shown_to_two_auditors_are_a_fork(attacked):
    other = Checkpoint(ORIGIN, EVENTS, bytes(32))
    note = Note(other.text, (KEY.sign(other.text),)).written()

    assert attacked.found(attacked.newest, note) == [("forked", 300), ("inconsistent", 300)]


def cosigned(outcome: SealOutcome, at: datetime) -> str:
    note = parsed_note(outcome.note.encode())
    return note.signed(WITNESS.cosign(note.text, int(at.timestamp()))).written()


class TestBackDating:
    """What is appended later must not say that it was recorded before."""

    def test_an_event_older_than_the_one_before_it_is_found_without_any_seal(self, attacked):
        append(attacked, "recorded_at - 1000000")

        with attacked.open() as log:
            found = [(one.check, one.position) for one in log.verify().findings]
        assert ("instants", 301) in found

    def test_an_event_from_before_a_witness_saw_the_log_without_it(self, attacked):
        seen = START + timedelta(days=3)
        witnessed = cosigned(attacked.newest, seen)
        append(attacked, "recorded_at + 1000000")

        assert attacked.found(witnessed, witnesses=WITNESS.verifier) == [("back-dated", 301)]
        assert attacked.found(witnessed) == []

    def test_clocks_may_differ_by_some_minutes(self, attacked):
        with attacked.open() as log:
            last = list(log.events())[-1].recorded_at
        witnessed = cosigned(attacked.newest, last + timedelta(minutes=4))
        append(attacked, "recorded_at + 1000000")

        assert attacked.found(witnessed, witnesses=[WITNESS.verifier]) == []


def append(attacked: Attacked, recorded_at: str) -> None:
    attacked.do(
        f"INSERT INTO modlog_acts (number, recorded_at, type, schema, actor_kind, actor_id, reason)"
        f" SELECT 301, {recorded_at}, type, schema, actor_kind, actor_id, reason"
        " FROM modlog_acts WHERE number = 300",
        "INSERT INTO modlog_events (position, act, stream, version, personal)"
        " SELECT 301, 301, stream, version + 1, personal FROM modlog_events WHERE position = 300",
    )


class TestBesideTheLog:
    """What is not in leaves follows from what is."""

    def test_the_list_of_a_sweep(self, attacked):
        attacked.do("UPDATE modlog_sweep_targets SET account_id = 'a12' WHERE account_id = 'a9'")

        with attacked.open() as log:
            assert [one.check for one in log.verify().findings] == ["sweeps"]

    def test_a_key_that_leads_to_another_event(self, attacked):
        first = "(SELECT min(position) FROM modlog_keys)"
        attacked.do(f"UPDATE modlog_keys SET position = 5 WHERE position = {first}")

        with attacked.open() as log:
            assert {one.check for one in log.verify().findings} == {"keys"}

    @pytest.mark.parametrize("number", ["3", "99", "x"])
    def test_the_number_of_the_schema(self, attacked, number):
        attacked.do(f"UPDATE modlog_meta SET value = '{number}' WHERE name = 'schema'")

        with pytest.raises(modlog.SchemaError), attacked.open() as log:
            log.verify()
