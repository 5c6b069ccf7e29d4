"""What a ledger keeps of its seals, and the leaves of its events as they are stored now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from attrs import Factory, define, field, frozen

from modlog._domain.evidence.leaves import Salts, commitment, leaf, stream_bytes
from modlog._domain.evidence.tiles import WIDTH, Tile, root_above
from modlog._domain.evidence.trees import leaf_hash
from modlog._errors import EvidenceError, ProofError
from modlog._storage.archives import Range
from modlog._storage.codec import ACT_COLUMNS, canonical
from modlog._storage.database import Database, Row, Session

# Events that are read, and sealed or compared, at a time.
PAGE: Final = 100 * WIDTH
# What is kept of each commitment of a leaf, in bytes, to tell later which one differs.
MARK: Final = 4
# The order of the marks of a leaf: of what is the same wherever the event stands, and what is not.
MARKED: Final = ("stream", "act", "data", "personal")
_SALTS: Final = "salts"
_WHO: Final = ACT_COLUMNS[1:]
_EVENT: Final = (
    *("position", "stream", "version", "act", "occurred_at", "data", "personal", "state"),
)
_STREAM: Final = ("number", "kind", "id")


@frozen
class Stored:
    """An event as it is stored, in the bytes that are committed to.

    Attributes:
        row: in the columns `_EVENT`.
        stream: the kind and the id of its stream; empty if that is gone.
        act: of its act, in the columns `ACT_COLUMNS`; empty if the act is gone.
        stream_bytes: of its stream.
        act_bytes: of its act.
    """

    row: Row
    stream: Row
    act: Row
    stream_bytes: bytes
    act_bytes: bytes

    @property
    def position(self) -> int:
        """Where it stands."""
        return int(self.row[0])

    @property
    def structure(self) -> bytes | None:
        """What is stored of its structure; of another program's event, what that has stored."""
        data, state = self.row[5], self.row[7]
        parts = [] if data is None else [data.encode()]
        parts += [] if state is None else [bytes(state)]
        return b"\0".join(parts) if parts else None

    @property
    def personal(self) -> bytes | None:
        """What is stored of its personal values."""
        text = self.row[6]
        return None if text is None else text.encode()


@frozen
class Leaf:
    """The leaf of an event, and what its marks are."""

    entry: bytes
    marks: bytes

    @property
    def hash(self) -> bytes:
        """The hash of the leaf."""
        return leaf_hash(self.entry)


@define
class Leaves:
    """Makes leaves of stored events, of each stream and act among them only once."""

    salts: Salts
    _streams: dict[bytes, Committed] = Factory(dict)
    _acts: dict[bytes, Committed] = Factory(dict)

    def of(self, event: Stored, position: int | None = None) -> Leaf:
        """The leaf of an event, where it stands or at another position."""
        row, at = event.row, position or event.position
        stream, act = self._stream(event.stream_bytes), self._act(event.act_bytes)
        structure, personal = event.structure, event.personal
        data = private = NONE
        if structure is not None or personal is not None:
            of_data, of_personal = self.salts.event(at)
            data = _committed(of_data, structure)
            private = _committed(of_personal, personal)
        recorded_at = event.act[1] if event.act else 0
        entry = leaf(
            position=at,
            version=row[2],
            type_name=event.act[2] if event.act else "",
            recorded_at=recorded_at,
            occurred_at=recorded_at if row[4] is None else row[4],
            stream=stream.text,
            act=act.text,
            data=data.text or None,
            personal=private.text or None,
        )
        return Leaf(entry, stream.mark + act.mark + data.mark + private.mark)

    def _stream(self, content: bytes) -> Committed:
        found = self._streams.get(content)
        if found is None:
            found = _committed(self.salts.stream(content), content)
            self._streams[content] = found
        return found

    def _act(self, content: bytes) -> Committed:
        found = self._acts.get(content)
        if found is None:
            found = self._acts[content] = _committed(self.salts.act(content), content)
        return found


class Committed(NamedTuple):
    """A commitment as leaves have it, and its beginning; none and zeros where nothing is stored."""

    text: str
    mark: bytes


NONE: Final = Committed("", bytes(MARK))


def _committed(salt: bytes, content: bytes | None) -> Committed:
    if content is None:
        return NONE
    text = commitment(salt, content)
    return Committed(text, bytes.fromhex(text[: 2 * MARK]))


def act_bytes(act: Row) -> bytes:
    """What is committed to of an act: all its columns but its number, as canonical JSON."""
    return canonical(dict(zip(_WHO, act[1:], strict=True)))


@define
class Evidence:
    """The tables of seals in one session."""

    database: Database
    session: Session
    _salts: Salts | None = field(default=None, repr=False)

    # Salts

    @property
    def salts(self) -> Salts | None:
        """What hides the parts of leaves; none before the first seal."""
        if self._salts is None:
            row = self.session.row(
                f"SELECT value FROM {self._table('secrets')} WHERE name = ?", (_SALTS,)
            )
            self._salts = Salts(bytes(row[0])) if row else None
        return self._salts

    @property
    def needed_salts(self) -> Salts:
        """The same, where there was a seal.

        Raises:
            EvidenceError: there was none.
        """
        if self.salts is None:
            raise EvidenceError(
                "this ledger has no seal yet: modlog seal --key FILE makes the first"
            )
        return self.salts

    def keep_secret(self, secret: bytes) -> None:
        """Keep what salts are derived from, once for all."""
        self.session.run(
            f"{self.database.insert_into('secrets')} (name, value) VALUES (?, ?)",
            (_SALTS, secret),
        )

    # Tiles

    @property
    def sealed(self) -> int:
        """How many leaves the full tiles have."""
        row = self.session.row(f"SELECT max(number) FROM {self._table('tiles')} WHERE level = 0")
        return 0 if row is None or row[0] is None else WIDTH * (int(row[0]) + 1)

    @property
    def kept(self) -> int:
        """The same, however far apart the tiles that are there may be said to stand."""
        row = self.session.row(f"SELECT count(*) FROM {self._table('tiles')} WHERE level = 0")
        return 0 if row is None else WIDTH * int(row[0])

    def tile(self, level: int, number: int) -> tuple[bytes, bytes] | None:
        """The hashes of a full tile, and the one above them."""
        row = self.session.row(
            f"SELECT hashes, root FROM {self._table('tiles')} WHERE level = ? AND number = ?",
            (level, number),
        )
        return None if row is None else (bytes(row[0]), bytes(row[1]))

    def roots(self, level: int, begin: int, end: int) -> list[bytes]:
        """The hashes above the full tiles of a level, from a number up to another.

        Raises:
            ProofError: not all of them are there.
        """
        rows = self.session.rows(
            f"SELECT root FROM {self._table('tiles')} WHERE level = ? AND number >= ?"
            " AND number < ? ORDER BY number",
            (level, begin, end),
        )
        if len(rows) != end - begin:
            raise ProofError(
                f"of the tiles {begin} to {end - 1} of level {level} some are gone from the "
                "ledger: modlog verify tells more"
            )
        return [bytes(root) for (root,) in rows]

    def tiles(self, part: Range) -> dict[int, tuple[bytes, bytes, bytes]]:
        """The hashes, roots and marks of the tiles of level 0 in a range of positions."""
        rows = self.session.rows(
            f"SELECT number, hashes, root, parts FROM {self._table('tiles')}"
            " WHERE level = 0 AND number >= ? AND number < ?",
            (-(-part.after // WIDTH), -(-part.last // WIDTH)),
        )
        return {
            number: (bytes(hashes), bytes(root), bytes(parts or b""))
            for number, hashes, root, parts in rows
        }

    def strangers(self, size: int) -> list[Row]:
        """The places of tiles that a tree of so many leaves does not have yet."""
        return self.session.rows(
            f"SELECT level, number FROM {self._table('tiles')} WHERE level < 0 OR number < 0"
            " OR level > 7 OR CAST(number AS BIGINT) >="
            f" CASE level{_fulls(size)} ELSE 0 END ORDER BY level, number LIMIT 10"
        )

    def keep_tiles(self, tiles: Sequence[tuple[Tile, bytes, bytes | None]]) -> None:
        """Keep full tiles, with the marks of those of level 0."""
        rows = [
            (tile.level, tile.index, hashes, root_above(hashes), marks)
            for tile, hashes, marks in tiles
        ]
        if rows:
            self.database.load(
                self.session, "tiles", ("level", "number", "hashes", "root", "parts"), rows
            )

    # Checkpoints

    @property
    def last_checkpoint(self) -> tuple[int, str] | None:
        """The size and the note of the newest."""
        row = self.session.row(
            f"SELECT size, note FROM {self._table('checkpoints')} ORDER BY size DESC LIMIT 1"
        )
        return None if row is None else (int(row[0]), str(row[1]))

    def checkpoints(self) -> Iterator[tuple[int, str]]:
        """The sizes and the notes of all, from the smallest on."""
        after = -1
        while rows := self.session.rows(
            f"SELECT size, note FROM {self._table('checkpoints')} WHERE size > ?"
            " ORDER BY size LIMIT 1000",
            (after,),
        ):
            yield from rows
            after = rows[-1][0]

    def keep_checkpoint(self, size: int, note: str) -> None:
        """Keep what was signed."""
        self.session.run(
            f"{self.database.insert_into('checkpoints')} (size, note) VALUES (?, ?)", (size, note)
        )

    # Events

    def stored(self, part: Range) -> list[Stored]:
        """The events of a range as they are stored, in order.

        Acts and streams are looked up by their numbers: with a join, PostgreSQL's plan for any
        range reads all of them for a range of one event.
        """
        rows = self.session.rows(
            f"SELECT {', '.join(_EVENT)} FROM {self._table('events')}"
            " WHERE position > ? AND position <= ? ORDER BY position",
            (part.after, part.last),
        )
        streams = {
            number: ((kind, id_), stream_bytes(kind, id_))
            for number, kind, id_ in self._numbered("streams", _STREAM, {row[1] for row in rows})
        }
        acts = {
            act[0]: (act, act_bytes(act))
            for act in self._numbered("acts", ACT_COLUMNS, {row[3] for row in rows})
        }
        gone: tuple[Row, bytes] = ((), b"")
        return [
            Stored(row, stream, act, of_stream, of_act)
            for row in rows
            for stream, of_stream in (streams.get(row[1], gone),)
            for act, of_act in (acts.get(row[3], gone),)
        ]

    def _numbered(self, table: str, columns: Sequence[str], numbers: Collection[int]) -> list[Row]:
        """The rows with these numbers."""
        among, params = self.database.among("number", sorted(numbers))
        return self.session.rows(
            f"SELECT {', '.join(columns)} FROM {self._table(table)} WHERE {among}", params
        )

    @property
    def last_event(self) -> int:
        """The position of the last event that is there, whatever the log's end is said to be."""
        row = self.session.row(f"SELECT max(position) FROM {self._table('events')}")
        return 0 if row is None or row[0] is None else int(row[0])

    def recorded_before(self, size: int, instant: int) -> int | None:
        """The first event after so many that says it was recorded before an instant."""
        table = self.database.table
        row = self.session.row(
            f"SELECT e.position FROM {table('events')} AS e JOIN {table('acts')} AS a"
            " ON a.number = e.act WHERE e.position > ? AND a.recorded_at < ?"
            " ORDER BY e.position LIMIT 1",
            (size, instant),
        )
        return None if row is None else int(row[0])

    def _table(self, name: str) -> str:
        return self.database.table(name)


def _fulls(size: int) -> str:
    return "".join(f" WHEN {level} THEN {size >> 8 * (level + 1)}" for level in range(8))
