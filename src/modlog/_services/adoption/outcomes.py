"""What became of the rows of an adoption, and of bulk creations."""

from __future__ import annotations

from attrs import field, frozen

from modlog._domain.jsonable import Jsonable
from modlog._services.import_outcomes import Rejection


@frozen(kw_only=True)
class AdoptOutcome(Jsonable):
    """What became of the rows of an adoption.

    Attributes:
        batch_id: the name under which its events can be selected, and reverted.
        adopted: how many accounts were brought in.
        suspended: how many of these as suspended.
        deleted: how many of these as deleted.
        expired: how many of these as active, since the suspension that their row told of is over.
        known: how many rows were skipped, since the ledger knows their account already.
        differing: how many of those that are known have another status in the ledger; see
            `ModLog.reconcile`.
        rejected: the rows that were not taken, and why.
    """

    batch_id: str
    adopted: int = 0
    suspended: int = 0
    deleted: int = 0
    expired: int = 0
    known: int = 0
    differing: int = 0
    rejected: list[Rejection] = field(factory=list)

    @property
    def total(self) -> int:
        """How many rows were read."""
        return self.adopted + self.known + len(self.rejected)


@frozen(kw_only=True)
class CreateOutcome(Jsonable):
    """What became of the rows of accounts that were to be created.

    Attributes:
        created: how many accounts were created.
        rejected: the rows that were not taken, and why: for instance that the account exists.
    """

    created: int = 0
    rejected: list[Rejection] = field(factory=list)

    @property
    def total(self) -> int:
        """How many rows were read."""
        return self.created + len(self.rejected)
