"""What selected events came to for one account, and what is left to be put right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from attrs import frozen

from modlog._domain.account import Status, Stay
from modlog._domain.figures import LIFTING
from modlog._domain.jsonable import Jsonable
from modlog._domain.reverts import MESSAGES_WERE_SENT, NAME_MAY_BE_TAKEN, Remark

STILL_SANCTIONED: Final = Remark(
    code="still-sanctioned", message="a selected sanction stands: a revert takes it back"
)
OTHERWISE_SANCTIONED: Final = Remark(
    code="otherwise-sanctioned",
    message="what was selected is lifted, and another sanction stands: look at that one",
)
STILL_FLAGGED: Final = Remark(
    code="still-flagged", message="what was selected is lifted, and a flag stands: clear it"
)


@frozen(kw_only=True)
class Hit(Jsonable):
    """A sanction or flag that once took hold of an account.

    Attributes:
        version: of its event.
        stay: what it is: its `facet` (sanction or flag), `kind` of a sanction, `since`, `until`
            and `label`.
        selected: whether its event is one of those asked about.
        batch_id: the batch of its event.
        ended_at: when it ended for good, on the clock of `occurred_at`; None if it stands.
        ended_by: whose hand ended it, as kind:id.
        ended_how: the type of the event that did.
    """

    version: int
    stay: Stay
    selected: bool
    batch_id: str | None
    ended_at: datetime | None = None
    ended_by: str | None = None
    ended_how: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it still does, expired or not."""
        return self.ended_at is None

    @property
    def lifted(self) -> bool:
        """Whether a restore or a revert has ended it."""
        return self.ended_how in LIFTING


@frozen(kw_only=True)
class ImpactLine(Jsonable):
    """What selected events came to for one account.

    Attributes:
        account_id: the account.
        status: what it is now.
        standing: versions of the selected sanctions and flags that still stand.
        lifted: versions of the selected sanctions that a restore or revert has lifted.
        others: versions of the sanctions and flags that stand and were not selected.
        batches: the batches that ever sanctioned or flagged it, selected or not, by name.
        remarks: what is left to be put right.
    """

    account_id: str
    status: Status
    standing: tuple[int, ...]
    lifted: tuple[int, ...]
    others: tuple[int, ...]
    batches: tuple[str, ...]
    remarks: tuple[Remark, ...]


def impact_line(account_id: str, status: Status, hits: Sequence[Hit], at: datetime) -> ImpactLine:
    """What selected events came to for an account, at an instant.

    Args:
        account_id: the account.
        status: what it is at that instant.
        hits: all sanctions and flags that ever took hold of it, by version.
        at: the instant.
    """
    return ImpactLine(
        account_id=account_id,
        status=status,
        standing=tuple(one.version for one in hits if one.selected and one.stands),
        lifted=tuple(one.version for one in _selected_sanctions(hits) if one.lifted),
        others=tuple(one.version for one in hits if one.stands and not one.selected),
        batches=tuple(sorted({one.batch_id for one in hits if one.batch_id is not None})),
        remarks=tuple(_remarks(status, hits, at)),
    )


def _selected_sanctions(hits: Sequence[Hit]) -> list[Hit]:
    return [one for one in hits if one.selected and one.stay.facet == "sanction"]


def _remarks(status: Status, hits: Sequence[Hit], at: datetime) -> list[Remark]:
    sanctions = _selected_sanctions(hits)
    lifted = [one for one in sanctions if one.lifted]
    is_free = bool(sanctions) and len(lifted) == len(sanctions)
    here = (Status.ACTIVE, Status.SUSPENDED)
    found = {
        STILL_SANCTIONED: _bite(sanctions, at),
        OTHERWISE_SANCTIONED: is_free and _bite([one for one in hits if not one.selected], at),
        STILL_FLAGGED: is_free and any(_is_flag(one) and one.stands for one in hits),
        MESSAGES_WERE_SENT: lifted,
        NAME_MAY_BE_TAKEN: status in here and any(one.stay.kind == "deletion" for one in lifted),
    }
    return [remark for remark, holds in found.items() if holds]


def _is_flag(hit: Hit) -> bool:
    return hit.stay.facet == "flag"


def _bite(hits: Sequence[Hit], at: datetime) -> bool:
    """Whether a sanction among them stands and has not expired."""
    return any(one.stands and not _is_flag(one) and not one.stay.expired(at) for one in hits)
