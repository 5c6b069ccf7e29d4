"""What a ledger offers those who must not have to believe it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from os import PathLike

from modlog._domain.evidence.checkpoints import parsed_checkpoint
from modlog._domain.evidence.notes import MAX_BYTES, parsed_note
from modlog._domain.values import (
    checked_callable,
    checked_position,
    checked_truth,
    checked_whole,
    shown,
)
from modlog._errors import InvalidInputError
from modlog._services.crew import MOST_PROCESSES, Crew
from modlog._services.evidence.bundles import BundleOutcome, BundleProgress, Bundling, folder_of
from modlog._services.evidence.keys import SigningKey, signing_key
from modlog._services.evidence.outside import Target, outside
from modlog._services.evidence.proving import ProofOutcome, prove_consistency, prove_event
from modlog._services.evidence.receipts import checked_parts
from modlog._services.evidence.sealing import Sealing, SealOutcome, SealProgress, after_commits
from modlog._services.evidence.verifying import (
    GivenCheckpoint,
    KeyFile,
    Seals,
    content_given,
    given,
    several_keys,
)
from modlog._services.integrity import VerificationReport, VerifyProgress, Watch, verify
from modlog._services.work import Work
from modlog._storage.checks import Finding
from modlog._storage.reading import Reader


class Evident:
    """The log made tamper-evident."""

    _work: Work

    def seal(
        self,
        key: SigningKey | str | PathLike[str],
        to: Target | None = None,
        *,
        seal_on_commit: bool = False,
        progress: Callable[[SealProgress], object] | None = None,
    ) -> SealOutcome:
        """Sign what is recorded so far: bring the tree over the log up to its head.

        It reads what was recorded since the last seal, and keeps tiles of the tree and a signed
        checkpoint in the ledger. Commands go on meanwhile; of two sealers each does its part.
        A checkpoint is worth something where nobody who may write to the database can change it:
        what is altered before it lies there, nobody can tell. If the last checkpoint in the
        ledger, or the one that lies outside, is of other events than there are now, nothing is
        signed.

        Args:
            key: a `SigningKey`, or the path of its file. Its name is the origin of the ledger's
                checkpoints; a new key has the same name.
            to: where the checkpoint is kept outside: the path or file:// URL of a file or of a
                folder (it gets `checkpoint`, and all of them in `checkpoints/`), or a callable,
                which is given the text of the note.
            seal_on_commit: from now on seal also after each transaction of this `ModLog`, before
                its call returns, which takes some milliseconds. What sealing raises is then
                raised by the call, whose events are recorded all the same. Not after those of
                `within`, which somebody else commits.
            progress: called after every 25,600 events with a `SealProgress`.

        Raises:
            ConcurrencyError: another sealer has signed more meanwhile.
            EvidenceError: no signing key, or that of another ledger; or what lies outside is no
                checkpoint of this ledger.
            InvalidInputError: cryptography is not installed, a place that is none; or inside a
                transaction of this ledger, of which nothing is committed.
            ProofError: the log does not begin with what was signed before.
            OSError: a file cannot be written.
        """
        if self._work.writer() is not None:
            raise InvalidInputError(
                "seal() signs what is committed: call it outside of transaction() and within()"
            )
        checked_callable(progress, "progress")
        store, own, place = self._work.store, signing_key(key), outside(to)
        outcome = Sealing(store, own, place, progress).run()
        if checked_truth(seal_on_commit, "seal_on_commit"):
            store.on_commit = after_commits(store, own, place)
        return outcome

    def verify(
        self,
        progress: Callable[[VerifyProgress], object] | None = None,
        *,
        checkpoints: Sequence[GivenCheckpoint] | GivenCheckpoint = (),
        key: KeyFile | None = None,
        witnesses: Sequence[KeyFile] | KeyFile = (),
        quorum: int | None = None,
        processes: int = 1,
    ) -> VerificationReport:
        """Check the ledger against itself and its seals, as of one moment.

        Positions and versions have no gaps, instants grow, every event can be read, the
        projection is what a replay of the events gives, keys lead to events, and the database
        still refuses changes. What was sealed is what stands there: each event is read afresh and
        compared with its leaf in the tree, and the tree with every checkpoint.

        Whoever may write to the database can write there what he likes, checkpoints included:
        give those that lay elsewhere.

        Args:
            progress: called now and then with how far it is.
            checkpoints: signed checkpoints that lay outside of the database: paths of their
                files, texts, or what `seal` gave; one or several.
            key: the ledger's public key, or the path of its file. With it the signatures of the
                checkpoints in the ledger are checked as well.
            witnesses: public keys of witnesses whose cosignatures the checkpoints have; an event
                that is not in a checkpoint, and says it was recorded more than five minutes
                before a witness saw that, is back-dated.
            quorum: how many of them must have cosigned; all, if left out.
            processes: in how many to look at a large ledger side by side. They are spawned: a
                program that asks for more than one begins with `if __name__ == "__main__":`.

        Returns:
            all that was found; what could be checked and is wrong is a finding.

        Raises:
            EvidenceError: it could not be checked: no key or checkpoint, one of another ledger,
                not signed by this key, or cosigned by too few.
            InvalidInputError: checkpoints without a key, or something else than these.
            ProofError: the signature of a checkpoint is wrong: it, or its text, was changed.
            StoreUnavailableError: one of the processes came to an end.
        """
        progress = checked_callable(progress, "progress")
        if not 1 <= checked_whole(processes, "processes") <= MOST_PROCESSES:
            raise InvalidInputError(
                f"processes must be from 1 to {MOST_PROCESSES}, not {shown(processes)}"
            )
        beside = given(checkpoints, key, witnesses, quorum)

        def check_seals(
            reader: Reader, looking: Crew, watch: Watch
        ) -> tuple[int | None, list[Finding]]:
            return Seals(reader, looking, beside, watch).run()

        return verify(self._work.store, check_seals, progress, processes)

    def prove(
        self,
        position: int,
        *,
        withhold: Collection[str] = (),
        checkpoint: GivenCheckpoint | None = None,
    ) -> ProofOutcome:
        """Prove that an event stands in the log, to somebody who has the ledger's public key.

        Its `text` is the file (C2SP's tlog-proof), which `modlog.verify_proof` checks without
        the ledger: a receipt for whoever acted, or was acted upon.

        Args:
            position: of the event.
            withhold: parts of it that are not shown: stream (whose it is), act (who, why), data,
                personal. They stay hidden behind their commitments, and the proof holds.
            checkpoint: one of this ledger, such as one that witnesses cosigned; the newest in
                the ledger if left out.

        Raises:
            EvidenceError: the ledger has no seal yet, or the checkpoint is of fewer events.
            InvalidInputError: an event has no such part.
            ProofError: the event, or the log, is not what was sealed.
        """
        position, parts = checked_position(position, "position"), checked_parts(withhold)
        note = _note(checkpoint)
        with self._work.store.snapshot() as reader:
            return prove_event(reader, position, parts, note)

    def prove_consistency(
        self, since: GivenCheckpoint, *, checkpoint: GivenCheckpoint | None = None
    ) -> ProofOutcome:
        """Prove that the log went on from an older checkpoint.

        Its `text` is what a witness is asked with (C2SP's tlog-witness); `modlog.verify_proof`
        and `modlog.witness` check it without the ledger.

        Args:
            since: the older checkpoint.
            checkpoint: the newer one, of this ledger; the newest in the ledger if left out.

        Raises:
            EvidenceError: no checkpoint, or one of another ledger; or there is no seal yet.
            ProofError: the log did not go on from there.
        """
        content = content_given(since, "a checkpoint", MAX_BYTES)[1]
        old, note = parsed_checkpoint(parsed_note(content).text), _note(checkpoint)
        with self._work.store.snapshot() as reader:
            return prove_consistency(reader, old, note)

    def bundle(
        self,
        folder: str | PathLike[str],
        *,
        keys: Sequence[KeyFile] | KeyFile = (),
        progress: Callable[[BundleProgress], object] | None = None,
    ) -> BundleOutcome:
        """Write all that is sealed to a folder that others verify with their own programs.

        It has C2SP's tlog-tiles: the newest checkpoint, tiles and entries, and beside them the
        earlier checkpoints. Called again, it adds what was sealed since. Entries are leaves:
        they say nothing of anybody.

        Args:
            folder: where to; it is made.
            keys: public keys to go along, in the file `keys`; whoever verifies should have them
                from elsewhere.
            progress: called now and then with a `BundleProgress`.

        Raises:
            EvidenceError: there is no seal yet.
            InvalidInputError: the folder has other files in it.
            ProofError: the folder is of another log, or this one is not what was sealed.
            OSError: a file cannot be written.
        """
        path, public = folder_of(folder), several_keys(keys, "keys")
        checked_callable(progress, "progress")
        with self._work.store.snapshot() as reader:
            return Bundling(path, public, progress).write(reader)


def _note(checkpoint: GivenCheckpoint | None) -> str | None:
    if checkpoint is None:
        return None
    return parsed_note(content_given(checkpoint, "a checkpoint", MAX_BYTES)[1]).written()
