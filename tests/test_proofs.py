"""Proofs, bundles and witnesses: what a ledger gives out, and what is checked without it."""

import fcntl
import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import modlog
from modlog import EvidenceError, InvalidInputError, ProofError, SealOutcome, SigningKey
from modlog._cli.main import commands
from modlog._domain.evidence.checkpoints import Checkpoint
from modlog._domain.evidence.leaves import parsed_leaf
from modlog._domain.evidence.notes import Note, parsed_note
from modlog._domain.evidence.proofs import ConsistencyProof, InclusionProof, parsed_proof
from modlog._domain.evidence.trees import leaf_hash
from modlog._services.evidence.keys import signers
from modlog.testing import MovableClock
from tests import places
from tests.places import Place
from tests.sealing import ANN, EVENTS, KEY, ORIGIN, WITNESS, fill
from tests.tampering import tamper

KINDS = ("sqlite", "postgres")
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
OTHER = SigningKey.generate("example.com/other")


class Sealed:
    """A ledger of 300 events, sealed at 100, 256, 290 and 300."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.clock = MovableClock(START)
        self.outcomes: dict[int, SealOutcome] = {}
        with place.open(clock=self.clock) as log, modlog.acting(ANN, reason="r"):
            fill(log, self.clock, 100)
            for size in (100, 256, 290, EVENTS):
                while log.head < size:
                    log.note("a0", f"more {log.head}")
                self.outcomes[size] = log.seal(KEY)

    @property
    def newest(self) -> SealOutcome:
        return self.outcomes[max(self.outcomes)]


@pytest.fixture(scope="module", params=KINDS)
def sealed(request) -> Iterator[Sealed]:
    with places.fresh(request.param) as place:
        yield Sealed(place)


@pytest.fixture
def log(sealed) -> Iterator[modlog.ModLog]:
    with sealed.place.open(clock=sealed.clock, read_only=sealed.place.kind == "sqlite") as log:
        yield log


@pytest.fixture(scope="module")
def opened(sealed) -> Iterator[modlog.ModLog]:
    with sealed.place.open(clock=sealed.clock) as log:
        yield log


@pytest.fixture(scope="module")
def text(opened) -> str:
    """Of a receipt."""
    return opened.prove(77).text


@pytest.fixture(scope="module")
def grown(sealed, opened) -> tuple[SealOutcome, bytes]:
    """A checkpoint, and the proof that the log went on from it."""
    older = sealed.outcomes[100]
    return older, opened.prove_consistency(older).text.encode()


class TestAReceipt:
    def test_shows_the_event_as_it_was_recorded(self, log):
        for event in log.events():
            outcome = log.prove(event.position)
            proven = modlog.verify_proof(outcome.text, KEY.verifier)

            assert isinstance(proven, modlog.ProvenEvent)
            assert (proven.position, proven.version, proven.type) == (
                *(event.position, event.version),
                event.type,
            )
            assert proven.recorded_at == event.recorded_at
            assert proven.occurred_at == event.occurred_at
            kind = "account" if event.account_id else "sweep"
            assert proven.stream == (kind, event.account_id or event.batch_id)
            assert proven.act is not None
            assert proven.act["actor_id"] == event.actor.id
            assert proven.act["reason"] == event.reason
            assert dict(proven.data) == dict(event.data)
            assert proven.withheld == ()

    def test_is_right_by_gos_code(self, log, go):
        for position in (1, 2, 256, 257, 300):
            proof = parsed_proof(log.prove(position).text.encode())
            assert isinstance(proof, InclusionProof)
            lines = proof.note.splitlines()
            said = go.says(
                "inclusion",
                Proof=list(proof.hashes),
                New=int(lines[1]),
                Root=b64decode(lines[2]),
                Index=proof.index,
                Leaf=leaf_hash(json.loads(proof.extra or b"")["leaf"].encode()),
            )
            assert said == "yes"

    @given(withhold=st.sets(st.sampled_from(["stream", "act", "data", "personal"])))
    def test_holds_whatever_is_kept_back(self, opened, withhold):
        outcome = opened.prove(1, withhold=withhold)
        proven = modlog.verify_proof(outcome.text, KEY.verifier)

        assert isinstance(proven, modlog.ProvenEvent)
        assert set(proven.withheld) == withhold - {"data"}  # of which a creation has none
        assert ("first" in _shown_in(outcome.text)) == ("personal" not in withhold)
        assert (proven.stream is None, proven.act is None) == (
            "stream" in withhold,
            "act" in withhold,
        )

    def test_under_a_checkpoint_that_witnesses_cosigned(self, log, sealed):
        note = parsed_note(sealed.outcomes[290].note.encode())
        cosigned = note.signed(WITNESS.cosign(note.text, int(START.timestamp()))).written()
        text = log.prove(7, checkpoint=cosigned).text
        proven = modlog.verify_proof(text, KEY.verifier, witnesses=WITNESS.verifier)

        assert isinstance(proven, modlog.ProvenEvent)
        assert (proven.size, proven.seen_at) == (290, START)
        with pytest.raises(EvidenceError, match="have to cosign"):
            modlog.verify_proof(log.prove(7).text, KEY.verifier, witnesses=WITNESS.verifier)

    def test_of_an_event_of_another_program(self):
        from eventsourcing.persistence import StoredEvent

        with modlog.open("sqlite://") as log:
            log.recorder.insert_events([StoredEvent("order-1", 1, "shop:Ordered", b"\0\xff")])
            log.seal(KEY)
            proven = modlog.verify_proof(log.prove(1).text, KEY.verifier)
        assert isinstance(proven, modlog.ProvenEvent)
        assert proven.data == {"": "\0\\xff"}

    def test_of_what_is_in_no_checkpoint(self, log):
        for position in (0, EVENTS + 1, 10**9):
            with pytest.raises(EvidenceError, match=r"the events 1 to 300: there is none"):
                log.prove(position)

    def test_of_a_part_that_no_event_has(self, log):
        for wrong in ("reason", ["act", "x"], 7, None, [["act"]]):
            with pytest.raises(InvalidInputError, match="withhold= takes some of stream, act"):
                log.prove(1, withhold=wrong)

    def test_of_a_ledger_without_a_seal(self):
        with modlog.open("sqlite://") as log:
            log.create("a", actor=ANN)
            with pytest.raises(EvidenceError, match="no seal yet"):
                log.prove(1)
            with pytest.raises(EvidenceError, match="no seal yet"):
                log.bundle("nowhere")

    def test_of_an_event_that_was_edited(self, tmp_path):
        with places.fresh("sqlite") as place:
            sealed = Sealed(place)
            tamper(place, "UPDATE modlog_acts SET reason = 'x' WHERE number = 5")
            with place.open(clock=sealed.clock) as log:
                with pytest.raises(ProofError, match="at position 5 is not what was sealed"):
                    log.prove(5)
                assert log.prove(6)


def _shown_in(text: str) -> str:
    extra = parsed_proof(text.encode()).extra  # type: ignore[union-attr]
    parts = json.loads(extra or b"")["parts"].values()
    return " ".join(b64decode(part["content"]).decode() for part in parts)


class TestAWrongReceipt:
    """One bit anywhere, and whatever else may be wrong."""

    @given(data=st.data())
    def test_one_bit(self, text, data):
        right = text.encode()
        at = data.draw(st.integers(0, len(right) - 1))
        wrong = bytearray(right)
        wrong[at] ^= 1 << data.draw(st.integers(0, 7))

        with pytest.raises((EvidenceError, ProofError)):
            modlog.verify_proof(bytes(wrong), KEY.verifier)

    @given(data=st.data())
    def test_cut_anywhere(self, text, data):
        right = text.encode()
        with pytest.raises((EvidenceError, ProofError)):
            modlog.verify_proof(right[: data.draw(st.integers(0, len(right) - 1))], KEY.verifier)

    def changed(self, text: str, **fields: Any) -> str:
        proof = parsed_proof(text.encode())
        assert isinstance(proof, InclusionProof)
        given: dict[str, Any] = {
            "index": proof.index,
            "hashes": proof.hashes,
            "note": proof.note,
            "extra": proof.extra,
        }
        return InclusionProof(**{**given, **fields}).text

    def test_hashes_too_many_too_few_or_others(self, text):
        hashes = parsed_proof(text.encode()).hashes
        for wrong in ((), hashes[1:], hashes[:-1], (*hashes, bytes(32)), hashes[::-1]):
            with pytest.raises(ProofError):
                modlog.verify_proof(self.changed(text, hashes=wrong), KEY.verifier)

    @pytest.mark.parametrize("hash_", [b"", bytes(31), bytes(33)])
    def test_hashes_of_another_size(self, text, hash_):
        with pytest.raises(EvidenceError, match="the hashes of a proof have 32 bytes"):
            modlog.verify_proof(self.changed(text, hashes=(hash_ or b"x",)), KEY.verifier)

    def test_more_hashes_than_any_tree_has(self, text):
        with pytest.raises(EvidenceError, match="at most 63 hashes"):
            modlog.verify_proof(self.changed(text, hashes=(bytes(32),) * 64), KEY.verifier)

    @pytest.mark.parametrize("index", [0, 75, 77, 299, 300, 10**18])
    def test_another_index(self, text, index):
        with pytest.raises(ProofError):
            modlog.verify_proof(self.changed(text, index=index), KEY.verifier)

    def test_parts_that_are_not_the_event_s(self, text):
        extra = json.loads(parsed_proof(text.encode()).extra)  # type: ignore[union-attr, arg-type]
        act = extra["parts"]["act"]
        # The same bytes, cut elsewhere: a salt has one length.
        salt, content = b64decode(act["salt"]), b64decode(act["content"])
        shifted = {
            "salt": b64encode(salt + content[:1]).decode(),
            "content": b64encode(content[1:]).decode(),
        }
        for part in (shifted, {**act, "content": b64encode(b"{}").decode()}):
            wrong = {**extra, "parts": {**extra["parts"], "act": part}}
            with pytest.raises(ProofError, match="what is shown as 'act' is not what was sealed"):
                modlog.verify_proof(
                    self.changed(text, extra=json.dumps(wrong).encode()), KEY.verifier
                )
        wrong = {**extra, "parts": {"position": act}}
        with pytest.raises(ProofError, match="what is shown as 'position'"):
            modlog.verify_proof(self.changed(text, extra=json.dumps(wrong).encode()), KEY.verifier)

    @pytest.mark.parametrize(
        "extra",
        [
            None,
            b"",
            b"{}",
            b"[]",
            b"null",
            b'{"leaf":1}',
            b'{"leaf":"{}","parts":{}}',
            b"[" * 9_999,
        ],
    )
    def test_nothing_of_modlog_along(self, text, extra):
        with pytest.raises(EvidenceError):
            modlog.verify_proof(self.changed(text, extra=extra), KEY.verifier)

    def test_a_leaf_that_says_it_stands_elsewhere(self, text):
        """As only who has the key could make one."""
        extra = json.loads(parsed_proof(text.encode()).extra)  # type: ignore[union-attr, arg-type]
        signed = Checkpoint(ORIGIN, 1, leaf_hash(extra["leaf"].encode())).text
        note = Note(signed, (KEY.sign(signed),)).written()
        wrong = self.changed(text, index=0, hashes=(), note=note)
        with pytest.raises(ProofError, match="stands at another position than it does"):
            modlog.verify_proof(wrong, KEY.verifier)

    def test_signed_by_others(self, text):
        with pytest.raises(EvidenceError, match=r"is of 'example\.com/ledger', and the key"):
            modlog.verify_proof(text, OTHER.verifier)
        with pytest.raises(EvidenceError, match="is not signed by the key"):
            modlog.verify_proof(text, SigningKey.generate(ORIGIN).verifier)

    def test_under_an_empty_checkpoint(self, text):
        with modlog.open("sqlite://") as log:
            note = log.seal(KEY).note
        with pytest.raises(ProofError, match="the proof is of leaf 76, and the tree has 0"):
            modlog.verify_proof(self.changed(text, note=note), KEY.verifier)

    @pytest.mark.parametrize(
        "wrong", [b"", b"\xff", b"x\n", b"old 1\n", b"old 01\n\nx", b"x" * 2_000_001, b"old 1\n\n"]
    )
    def test_no_proof(self, wrong):
        with pytest.raises(EvidenceError):
            modlog.verify_proof(wrong, KEY.verifier)

    def test_no_file(self, tmp_path):
        with pytest.raises(EvidenceError, match="cannot be read"):
            modlog.verify_proof(tmp_path / "nowhere", KEY.verifier)


class TestTheLogWentOn:
    @pytest.mark.parametrize("old", [100, 256, 290, 300])
    def test_from_each_checkpoint(self, log, sealed, old, go):
        older = sealed.outcomes[old]
        outcome = log.prove_consistency(older)
        proven = modlog.verify_proof(outcome.text, KEY.verifier, checkpoint=older)

        assert isinstance(proven, modlog.ProvenGrowth)
        assert (proven.old_size, proven.size) == (old, EVENTS)
        proof = parsed_proof(outcome.text.encode())
        if old < EVENTS:
            said = go.says(
                "consistency",
                Proof=list(proof.hashes),
                New=EVENTS,
                Root=b64decode(sealed.newest.root),
                Old=old,
                OldRoot=b64decode(older.root),
            )
            assert said == "yes"

    def test_needs_the_older_one_to_be_checked(self, log, sealed):
        text = log.prove_consistency(sealed.outcomes[100]).text
        with pytest.raises(EvidenceError, match="give that, checkpoint=, too"):
            modlog.verify_proof(text, KEY.verifier)
        with pytest.raises(EvidenceError, match="the proof begins at 100 events, and the older"):
            modlog.verify_proof(text, KEY.verifier, checkpoint=sealed.outcomes[256])

    @given(data=st.data())
    def test_not_with_one_bit_changed(self, grown, data):
        older, right = grown
        wrong = bytearray(right)
        at = data.draw(st.integers(0, len(right) - 1))
        wrong[at] ^= 1 << data.draw(st.integers(0, 7))
        with pytest.raises((EvidenceError, ProofError)):
            modlog.verify_proof(bytes(wrong), KEY.verifier, checkpoint=older)

    def test_not_from_another_log(self, log):
        with modlog.open("sqlite://") as other:
            other.create("a", actor=ANN)
            forked, foreign = other.seal(KEY), None
        with modlog.open("sqlite://") as other:
            foreign = other.seal(OTHER)
        with pytest.raises(ProofError, match="does not begin with the 1 events"):
            log.prove_consistency(forked)
        with pytest.raises(EvidenceError, match=r"that is a checkpoint of example\.com/other"):
            log.prove_consistency(foreign)

    def test_not_backwards(self, log, sealed):
        with pytest.raises(ProofError, match="the end was cut off"):
            log.prove_consistency(sealed.newest, checkpoint=sealed.outcomes[100])


class TestAWitness:
    def test_cosigns_a_log_that_goes_on(self, log, sealed, tmp_path):
        seen = []
        before = None
        for outcome in sealed.outcomes.values():
            asked = (
                outcome
                if before is None
                else log.prove_consistency(before, checkpoint=outcome).text
            )
            found = modlog.witness(asked, WITNESS, KEY.verifier, tmp_path)
            seen.append((found.old_size, found.size))
            note = parsed_note(found.note.encode())
            assert signers(note, [KEY.verifier, WITNESS.verifier]) == (
                KEY.verifier,
                WITNESS.verifier,
            )
            before = outcome

        assert seen == [(0, 100), (100, 256), (256, 290), (290, 300)]
        report = log.verify(checkpoints=found.note, key=KEY.verifier, witnesses=WITNESS.verifier)
        assert report.ok

    def test_is_right_by_gos_code(self, sealed, tmp_path, go):
        found = modlog.witness(sealed.newest, WITNESS, KEY.verifier, tmp_path)
        assert go.says("note", Note=found.note, Keys=[KEY.verifier.text]) == "yes"

    def test_refuses_what_shrank(self, log, sealed, tmp_path):
        modlog.witness(sealed.newest, WITNESS, KEY.verifier, tmp_path)
        with pytest.raises(ProofError, match="the log shrank from 300 events to 100"):
            modlog.witness(sealed.outcomes[100], WITNESS, KEY.verifier, tmp_path)

    def test_refuses_a_fork(self, sealed, tmp_path):
        modlog.witness(sealed.newest, WITNESS, KEY.verifier, tmp_path)
        with modlog.open("sqlite://") as other, modlog.acting(ANN, reason="r"):
            fill(other, MovableClock(START))
            same_size = other.seal(KEY)
            other.note("a0", "x")
            longer = other.seal(KEY)
            proof = other.prove_consistency(same_size).text
        with pytest.raises(ProofError, match="different roots: the log was forked"):
            modlog.witness(same_size, WITNESS, KEY.verifier, tmp_path)
        with pytest.raises(ProofError, match="does not begin with the one of 300"):
            modlog.witness(proof, WITNESS, KEY.verifier, tmp_path)
        with pytest.raises(EvidenceError, match="the proof begins at 0 events, and the older"):
            modlog.witness(longer, WITNESS, KEY.verifier, tmp_path)
        assert modlog.witness(sealed.newest, WITNESS, KEY.verifier, tmp_path).old_size == EVENTS

    def test_remembers_each_ledger_for_itself(self, sealed, tmp_path):
        with modlog.open("sqlite://") as other:
            foreign = other.seal(OTHER)
        modlog.witness(sealed.newest, WITNESS, KEY.verifier, tmp_path)
        assert modlog.witness(foreign, WITNESS, OTHER.verifier, tmp_path).size == 0
        with pytest.raises(EvidenceError, match="and the key of"):
            modlog.witness(foreign, WITNESS, KEY.verifier, tmp_path)

    def test_several_at_once_see_one_history(self, tmp_path):
        """Of two forks at once, one is cosigned."""
        notes = []
        for name in "ab":
            with modlog.open("sqlite://") as log:
                log.create(name, actor=ANN)
                notes.append(log.seal(KEY))

        def ask(note: SealOutcome) -> str | None:
            try:
                return modlog.witness(note, WITNESS, KEY.verifier, tmp_path).note
            except ProofError:
                return None

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(ask, notes * 20))
        assert {parsed_note(one.encode()).text for one in found if one} in [
            {parsed_note(note.note.encode()).text} for note in notes
        ]

    def test_one_at_a_time_looks_at_what_was_seen(self, sealed, tmp_path):
        name = sha256(ORIGIN.encode()).hexdigest()
        with (tmp_path / f"{name}.lock").open("w") as lock, ThreadPoolExecutor() as threads:
            fcntl.flock(lock, fcntl.LOCK_EX)
            asked = threads.submit(modlog.witness, sealed.newest, WITNESS, KEY.verifier, tmp_path)
            with pytest.raises(TimeoutError):
                asked.result(0.5)
            fcntl.flock(lock, fcntl.LOCK_UN)
            assert asked.result(20).size == EVENTS

    @pytest.mark.parametrize("key", [KEY, OTHER])
    def test_needs_a_key_of_a_witness(self, sealed, tmp_path, key):
        with pytest.raises(EvidenceError, match="--for-witness makes one that cosigns"):
            modlog.witness(sealed.newest, key, KEY.verifier, tmp_path)

    def test_takes_no_proof_of_an_event(self, log, tmp_path):
        with pytest.raises(EvidenceError):
            modlog.witness(log.prove(1).text, WITNESS, KEY.verifier, tmp_path)


class TestABundle:
    @pytest.fixture
    def folder(self, log, tmp_path) -> Path:
        log.bundle(tmp_path / "b", keys=KEY.verifier)
        return tmp_path / "b"

    def test_is_right_by_gos_code(self, folder, go):
        assert go.says("bundle", Folder=str(folder), Keys=[KEY.verifier.text]) == "yes"
        assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == [
            "100",
            "256",
            "290",
        ]
        assert (folder / "keys").read_text() == KEY.verifier.text + "\n"

    def test_is_right_by_modlog_s_own(self, folder):
        seen: list[modlog.BundleProgress] = []
        found = modlog.verify_bundle(folder, KEY.verifier, progress=seen.append)
        assert (found.origin, found.size, found.checkpoints) == (ORIGIN, EVENTS, 3)
        assert seen[-1].done == EVENTS

    def test_has_nothing_of_anybody(self, folder):
        whole = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        for told in (b"nickname", b"clean-up", b"actor_id", b"text 1", b"account\0"):
            assert told not in whole
        entries = (folder / "tile/entries/000").read_bytes()
        length = int.from_bytes(entries[:2])
        assert parsed_leaf(entries[2 : 2 + length])["position"] == 1

    def test_is_gone_on_with(self, tmp_path, go):
        with places.fresh("sqlite") as place:
            clock = MovableClock(START)
            with place.open(clock=clock) as log, modlog.acting(ANN, reason="r"):
                log.create("a")
                added = []
                for number in (1, 254, 1, 300, 700, 0):
                    with log.transaction():
                        for _ in range(number):
                            log.note("a", "x")
                    log.seal(KEY)
                    added.append(log.bundle(tmp_path / "b").added)
                    assert modlog.verify_bundle(tmp_path / "b", KEY.verifier).size == log.head
        assert added == [2, 254, 1, 300, 700, 0]
        assert go.says("bundle", Folder=str(tmp_path / "b"), Keys=[KEY.verifier.text]) == "yes"

    def test_that_is_changed_anywhere_is_wrong(self, folder, go):
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            if path.name == "keys":
                continue
            right = path.read_bytes()
            for at in {0, 1, len(right) // 2, len(right) - 1}:
                wrong = bytearray(right)
                wrong[at] ^= 1
                path.write_bytes(wrong)
                with pytest.raises((EvidenceError, ProofError)):
                    modlog.verify_bundle(folder, KEY.verifier)
                said = go.says("bundle", Folder=str(folder), Keys=[KEY.verifier.text])
                # Of tiles Go reads what it needs for roots and proofs.
                assert said != "yes" or "tile/0" in str(path) or "tile/1" in str(path)
            path.write_bytes(right)
        assert modlog.verify_bundle(folder, KEY.verifier).size == EVENTS

    def test_that_is_cut_short_could_not_be_checked(self, folder):
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            if path.name == "keys" or path.parent.name == "checkpoints":
                continue
            right = path.read_bytes()
            path.unlink()
            with pytest.raises(EvidenceError, match="cannot be read"):
                modlog.verify_bundle(folder, KEY.verifier)
            path.write_bytes(right[:-1])
            with pytest.raises((EvidenceError, ProofError)):
                modlog.verify_bundle(folder, KEY.verifier)
            path.write_bytes(right)

    def test_with_a_checkpoint_from_the_future(self, folder):
        (folder / "checkpoints" / "400").write_text(future())
        with pytest.raises(ProofError, match="which is of 400 events of 300"):
            modlog.verify_bundle(folder, KEY.verifier)

    def test_into_a_folder_of_something_else(self, log, tmp_path):
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "mine").write_text("x")
        with pytest.raises(InvalidInputError, match="has other files in it"):
            log.bundle(tmp_path / "b")
        assert [path.name for path in (tmp_path / "b").iterdir()] == ["mine"]

    def test_into_that_of_another_log(self, log, tmp_path):
        with modlog.open("sqlite://") as other:
            other.create("a", actor=ANN)
            other.seal(KEY)
            other.bundle(tmp_path / "b")
        before = {path: path.read_bytes() for path in (tmp_path / "b").rglob("*") if path.is_file()}
        with pytest.raises(ProofError, match="went another way; nothing was written"):
            log.bundle(tmp_path / "b")
        assert before == {
            path: path.read_bytes() for path in (tmp_path / "b").rglob("*") if path.is_file()
        }


def future() -> str:
    text = Checkpoint(ORIGIN, 400, bytes(32)).text
    return Note(text, (KEY.sign(text),)).written()


class TestTheCommandLine:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("MODLOG_URL", "a.db")
        with modlog.open("a.db", clock=MovableClock(START)) as log:
            fill(log, MovableClock(START))
            log.seal(KEY, "c")
        Path("k.pub").write_text(KEY.verifier.text)
        Path("w").write_text(WITNESS.text)
        Path("w.pub").write_text(WITNESS.verifier.text)

    def run(self, *words: str, exit_code: int = 0):
        result = CliRunner().invoke(commands, words)
        assert result.exit_code == exit_code, result.output
        return result

    def test_a_receipt(self):
        self.run("prove", "1", "-o", "r.tlog-proof", "--withhold", "personal")
        said = self.run("verify-proof", "r.tlog-proof", "--key", "k.pub").stdout
        for told in ("position 1 of example.com/ledger", "account.created", "account a0", "ann"):
            assert told in said
        assert "not shown: personal" in said
        assert "first" not in said
        told = self.run("verify-proof", "r.tlog-proof", "--key", "k.pub", "--json").stdout
        assert json.loads(told)["act"]["reason"] == "clean-up"

    def test_a_receipt_is_not_replaced(self):
        self.run("prove", "1", "-o", "r")
        assert "is there already" in self.run("prove", "2", "-o", "r", exit_code=2).stderr
        self.run("prove", "2", "-o", "r", "--force")

    def test_exit_codes(self):
        self.run("prove", "1", "-o", "r")
        right = Path("r").read_text()
        Path("r").write_text(right.replace("index 0", "index 1"))
        self.run("verify-proof", "r", "--key", "k.pub", exit_code=1)
        Path("r").write_text("x")
        self.run("verify-proof", "r", "--key", "k.pub", exit_code=2)
        self.run("verify-proof", "nowhere", "--key", "k.pub", exit_code=2)
        self.run("verify-proof", "r", "--key", "nowhere", exit_code=2)
        for words in ((), ("1", "--older", "c"), ("--older", "c", "--withhold", "act")):
            told = self.run("prove", *words, exit_code=2).stderr
            assert "takes the POSITION of an event, or --older" in told

    def test_a_witness(self):
        words = ("--key", "w", "--of", "k.pub", "--state", "seen")
        self.run("witness", "c", *words, "-o", "cosigned")
        with modlog.open("a.db") as log:
            log.note("a0", "x", actor=ANN)
            log.seal(KEY)
        self.run("prove", "--older", "c", "-o", "asked")
        proven = self.run("verify-proof", "asked", "--key", "k.pub", "--checkpoint", "c").stdout
        assert "with 301 events begins with the 300" in proven
        assert "cosigned 301 events" in self.run("witness", "asked", *words, "-o", "again").stdout
        self.run("witness", "c", *words, exit_code=1)
        self.run(
            *("verify", "--checkpoint", "cosigned", "--key", "k.pub"),
            *("--witness", "w.pub", "--quorum", "1"),
        )

    def test_a_bundle(self):
        said = self.run("export", "--format", "tlog", "-o", "b", "--key", "k.pub").stdout
        assert Path("b/keys").read_text().strip() == KEY.verifier.text
        self.run("export", "-o", "b.csv", "--key", "k.pub", exit_code=2)
        assert "has 300 events of example.com/ledger, 300 of them new" in said
        assert "right: 300 events" in self.run("verify-proof", "b", "--key", "k.pub").stdout
        shutil.rmtree("b/tile/entries")
        self.run("verify-proof", "b", "--key", "k.pub", exit_code=2)
        for words in (("-o", "-"), ("-o", "x", "--account", "a0"), ("-o", "x", "-n", "1")):
            told = self.run("export", "--format", "tlog", *words, exit_code=2).stderr
            assert "writes all that is sealed" in told


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.none() | st.binary(max_size=50),
)
def test_proofs_come_back_from_their_bytes(number, hashes, extra):
    for proof in (
        InclusionProof(number, tuple(hashes), "a\n\n— b\n", extra),
        ConsistencyProof(number, tuple(hashes), "a\n\n— b\n"),
    ):
        assert parsed_proof(proof.text.encode()) == proof
