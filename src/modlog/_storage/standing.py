"""What a ledger has to say to a platform's own table: statuses by id, and who is left over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import define, field, frozen

from modlog._domain.account import AccountState, Status
from modlog._domain.selection import Scope
from modlog._storage.reading import PAGE, Reader
from modlog._storage.spans import Moment, standing_at, statuses_at


@frozen
class Standing:
    """How an account stood.

    Attributes:
        until: when its suspension ends; None for never, and for other statuses.
    """

    status: Status
    until: datetime | None = None


@define
class Standings:
    """How accounts stood at one position, and which of them nobody has asked for.

    Accounts are ticked off by the numbers of their streams, a bit for each position: who asks
    need not keep any order, and a log of 100,000,000 events takes 12 MB.

    Attributes:
        head: the position.
        at: the instant at which expired suspensions are told.
    """

    head: int
    at: datetime
    _asked: bytearray = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._asked = bytearray(self.head // 8 + 1)

    def of(self, reader: Reader, account_ids: Sequence[str]) -> Mapping[str, Standing]:
        """Those of these accounts that were there, ticked off."""
        found: dict[str, Standing] = {}
        for first in range(0, len(account_ids), PAGE):
            streams = reader.streams(account_ids[first : first + PAGE])
            ids = {stream: id_ for id_, stream in streams.items() if stream <= self.head}
            for stream in ids:
                self._asked[stream >> 3] |= 1 << (stream & 7)
            found |= self._standings(reader, ids)
        return found

    def left_over(self, reader: Reader, after: int) -> tuple[Mapping[str, Standing], int]:
        """The next accounts that nobody has asked for, and behind which stream to go on.

        The page may be empty; it ends where the stream is the head.
        """
        # Asked for the kind, too, databases go through all accounts for each page.
        rows = reader.session.rows(
            f"SELECT number, kind, id FROM {reader.database.table('streams')}"
            f" WHERE number > ? AND number <= ? ORDER BY number LIMIT {PAGE}",
            (after, self.head),
        )
        left = {
            number: id_
            for number, kind, id_ in rows
            if kind == "account" and not self._asked[number >> 3] & 1 << (number & 7)
        }
        return self._standings(reader, left), rows[-1][0] if len(rows) == PAGE else self.head

    def _standings(self, reader: Reader, ids: Mapping[int, str]) -> dict[str, Standing]:
        if not ids:
            return {}
        database, session = reader.database, reader.session
        moment = Moment.of(Scope(up_to_position=self.head))
        statuses = statuses_at(database, session, list(ids), moment, self.at)
        suspended = [n for n, status in statuses.items() if status is Status.SUSPENDED]
        states = standing_at(database, session, suspended, moment) if suspended else {}
        return {
            id_: Standing(statuses[n], _until(states[n], self.at) if n in states else None)
            for n, id_ in ids.items()  # in their order, which is not that of the rows
            if n in statuses and statuses[n] is not Status.ABSENT
        }


def _until(state: AccountState, at: datetime) -> datetime | None:
    """When the last of an account's suspensions ends; None for never."""
    ends = [stay.until for stay in state.sanctions.values() if not stay.expired(at)]
    return None if None in ends else max(end for end in ends if end is not None)
