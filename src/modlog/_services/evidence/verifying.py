"""Checking a ledger against its seals, and against checkpoints that lay outside of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from os import PathLike
from typing import Final

from attrs import define, frozen

from modlog._domain.evidence.checkpoints import Checkpoint, parsed_checkpoint
from modlog._domain.evidence.notes import MAX_BYTES, VerifierKey, parsed_note
from modlog._domain.values import checked_iterable, checked_whole, from_micros, instant_text, shown
from modlog._errors import EvidenceError, InvalidInputError, ProofError
from modlog._services.crew import Crew
from modlog._services.evidence.comparing import Comparing, Comparison
from modlog._services.evidence.files import content_of
from modlog._services.evidence.keys import seen_at, verifier_key
from modlog._services.evidence.naming import named
from modlog._services.evidence.sealing import SealOutcome
from modlog._services.evidence.signed import checked
from modlog._services.integrity import Watch
from modlog._storage.checks import MOST, Finding
from modlog._storage.evidence import Evidence, Leaves
from modlog._storage.reading import Reader

KeyFile = VerifierKey | str | PathLike[str]
# A path, the text or the bytes of a note, or what `seal` gave.
GivenCheckpoint = str | PathLike[str] | bytes | SealOutcome
# How far the clocks of a witness and of who records may be apart, in seconds.
_APART: Final = 5 * 60
_MICROS: Final = 1_000_000
# The end of the year 9999.
_LAST: Final = 253_402_300_799


@frozen
class Trusted:
    """A checkpoint from outside that its signatures vouch for.

    Attributes:
        checkpoint: what it says.
        name: of where it came from, for findings.
        seen_at: when a witness saw it, in seconds since 1970, if one did.
    """

    checkpoint: Checkpoint
    name: str
    seen_at: int | None


@frozen
class Given:
    """What `ModLog.verify` is given beside the ledger.

    Attributes:
        key: the ledger's.
        witnesses: those whose times count.
        trusted: the checkpoints.
    """

    key: VerifierKey | None = None
    witnesses: tuple[VerifierKey, ...] = ()
    trusted: tuple[Trusted, ...] = ()


def given(
    checkpoints: Sequence[GivenCheckpoint] | GivenCheckpoint,
    key: KeyFile | None,
    witnesses: Sequence[KeyFile] | KeyFile,
    quorum: int | None,
) -> Given:
    """What `ModLog.verify` is given, read and checked.

    Raises:
        EvidenceError: something is not what it should be, or is nobody's whose key was given.
        InvalidInputError: checkpoints without a key, or something else than these.
        ProofError: a signature is wrong.
    """
    if isinstance(checkpoints, str | PathLike | bytes | SealOutcome):
        checkpoints = [checkpoints]
    noted = [
        content_given(one, "a checkpoint", MAX_BYTES)
        for one in checked_iterable(checkpoints, "checkpoints")
    ]
    if noted and key is None:
        raise InvalidInputError(
            "a checkpoint is worth what its signature is: give the ledger's public key, key=, too"
        )
    if key is None:
        return Given(None, several_keys(witnesses, "witnesses"))
    own, others, needed = needed_keys(key, witnesses, quorum)
    return Given(own, others, tuple(trusted(*one, own, others, needed) for one in noted))


def needed_keys(
    key: KeyFile, witnesses: Sequence[KeyFile] | KeyFile, quorum: int | None
) -> tuple[VerifierKey, tuple[VerifierKey, ...], int]:
    """The keys that count: a ledger's, those of witnesses, and how many of these are needed."""
    own, others = verifier_key(key), several_keys(witnesses, "witnesses")
    needed = len(others) if quorum is None else checked_whole(quorum, "quorum")
    if not 0 <= needed <= len(others):
        raise InvalidInputError(f"quorum must be from 0 to {len(others)}, the witnesses given")
    return own, others, needed


def several_keys(keys: Sequence[KeyFile] | KeyFile, what: str) -> tuple[VerifierKey, ...]:
    """Public keys, of which one or several are given."""
    if isinstance(keys, str | PathLike | VerifierKey):
        keys = [keys]
    return tuple(verifier_key(one) for one in checked_iterable(keys, what))


def trusted(
    name: str, content: bytes, key: VerifierKey, witnesses: Sequence[VerifierKey], quorum: int
) -> Trusted:
    """The checkpoint in a note that its signatures vouch for.

    Raises:
        EvidenceError: it is none, or is signed by others, or by too few.
        ProofError: a signature is wrong.
    """
    try:
        note = parsed_note(content)
        checkpoint = checked(note, parsed_checkpoint(note.text), key, witnesses, quorum)
        seen = seen_at(note, witnesses)
        if seen is not None and seen > _LAST:
            raise EvidenceError("a witness cosigned it at a time that is none")
        return Trusted(checkpoint, name, seen)
    except (EvidenceError, ProofError) as error:
        raise type(error)(f"{name}: {error}") from error


def content_given(one: object, what: str, most: int) -> tuple[str, bytes]:
    """A name for a note or a proof that is given, and its bytes."""
    if isinstance(one, SealOutcome):
        return what, one.note.encode()
    if isinstance(one, bytes):
        return what, one
    if isinstance(one, str) and "\n" in one:
        return what, one.encode(errors="replace")
    if isinstance(one, str | PathLike):
        return shown(os.fspath(one)), content_of(one, most)
    raise InvalidInputError(f"{what} is the path of its file, its text or bytes, not {shown(one)}")


@define
class Seals:
    """The check of a ledger against its seals.

    Attributes:
        reader: of one moment.
        looking: who looks at the parts of the log.
        given: what lay outside.
        watch: is told how far it is.
    """

    reader: Reader
    looking: Crew
    given: Given
    watch: Watch

    def run(self) -> tuple[int | None, list[Finding]]:
        """How many events the newest checkpoint is of, if there is one, and what was found."""
        evidence = Evidence(self.reader.database, self.reader.session)
        head = evidence.last_event
        if evidence.salts is None:
            return None, [*self._lost_seals(evidence, head)]
        findings: list[Finding] = []
        kept = dict(self._kept(evidence, findings))
        sizes = {*kept, *(one.checkpoint.size for one in self.given.trusted)}
        found = Comparing(evidence, sorted(sizes), self.looking, self.watch).run()
        findings += named(found, Leaves(evidence.salts), head)
        findings += self._against(found, kept, head)
        findings += self._back_dated(evidence)
        return max(kept, default=None), findings

    def _lost_seals(self, evidence: Evidence, head: int) -> Iterator[Finding]:
        """Findings where there is nothing to make leaves with."""
        lost = bool(evidence.last_checkpoint or evidence.kept)
        if lost or self.given.trusted:
            yield Finding(
                check="checkpoints",
                message="the secret of this ledger's seals is gone, or it is another ledger: "
                f"its {head:,} events cannot be compared with what was sealed",
            )

    def _kept(
        self, evidence: Evidence, findings: list[Finding]
    ) -> Iterator[tuple[int, Checkpoint]]:
        """The checkpoints in the ledger by their sizes; what is wrong with others is told."""
        for size, text in evidence.checkpoints():
            try:
                note = parsed_note(text.encode())
                checkpoint = parsed_checkpoint(note.text)
                if self.given.key:
                    checked(note, checkpoint, self.given.key)
                if checkpoint.size != size:
                    raise EvidenceError(f"it is of {checkpoint.size:,} events")
            except (EvidenceError, ProofError) as error:
                if len(findings) < MOST:
                    findings.append(
                        Finding(
                            check="checkpoints",
                            message=f"the checkpoint of {size:,} events in the ledger is not one "
                            f"of its key: {error}",
                        )
                    )
            else:
                yield size, checkpoint

    def _against(
        self, found: Comparison, kept: dict[int, Checkpoint], head: int
    ) -> Iterator[Finding]:
        inconsistent = [
            self._inconsistent(size, "in the ledger", head)
            for size, one in kept.items()
            if found.roots.get(size) != one.root
        ]
        yield from inconsistent[:MOST]
        seen: dict[int, Trusted] = {}
        for one in self.given.trusted:
            size, root = one.checkpoint.size, one.checkpoint.root
            others = (kept.get(size), seen[size].checkpoint if size in seen else None)
            if any(other and other.root != root for other in others):
                yield Finding(
                    check="forked",
                    message=f"{one.name} and another checkpoint of {size:,} events were both "
                    "signed, and tell of different histories: two were shown to two people",
                    position=size,
                )
            if found.roots.get(size) != root:
                yield self._inconsistent(size, f"from outside, {one.name}", head)
            seen.setdefault(size, one)

    def _inconsistent(self, size: int, where: str, head: int) -> Finding:
        if size > head:
            return Finding(
                check="truncated",
                message=f"the checkpoint {where} is of {size:,} events, and there are {head:,}: "
                "the end was cut off, or this is an older copy",
                position=head + 1,
            )
        return Finding(
            check="inconsistent",
            message=f"inconsistent with the checkpoint of {size:,} events {where}: these are not "
            "the events that were signed",
            position=size,
        )

    def _back_dated(self, evidence: Evidence) -> Iterator[Finding]:
        for one in self.given.trusted:
            if one.seen_at is None:
                continue
            before = (one.seen_at - _APART) * _MICROS
            position = evidence.recorded_before(one.checkpoint.size, before)
            if position is not None:
                yield Finding(
                    check="back-dated",
                    message="says that it was recorded before a witness saw the log without it, "
                    f"at {instant_text(from_micros(one.seen_at * _MICROS))} in {one.name}",
                    position=position,
                )
