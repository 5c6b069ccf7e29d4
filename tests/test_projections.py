"""A platform's own tables that follow the ledger: every event once, whoever fails or is killed."""

import os
import random
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from typing import Any

import psycopg
import pytest
from attrs import frozen
from psycopg.rows import dict_row, namedtuple_row
from psycopg.sql import SQL, Identifier

import modlog
from modlog import Actor, ConflictError, InvalidInputError, Selection
from modlog._services import projections
from tests import places

ANN = Actor.human("ann")
KILLS = 7  # for each pair of stores
MANY_KILLS = 150
# A pipe holds 32 of them: whoever tells of what he does is never further ahead than that.
SIGN = b"." * 2_048

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@frozen
class World:
    """A ledger, and a platform whose tables may lie in the same database.

    Attributes:
        place: of the ledger.
        platform: the kind of the platform's database.
        connect: gives a connection to the platform's database.
    """

    place: places.Place
    platform: str
    connect: Callable[..., Any]

    def positions(self) -> list[int]:
        """What the platform has seen, in whatever order it did."""
        return sorted(position for (position,) in self.rows("SELECT position FROM seen"))

    def tracked(self) -> int:
        ((position,),) = self.rows("SELECT position FROM tracking WHERE projection = 'seen'")
        return position

    def rows(self, query: str) -> list:
        with closing(self.connect()) as connection:
            return connection.execute(query).fetchall()

    def run(self, *statements: str) -> None:
        with closing(self.connect()) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()


@contextmanager
def sqlite_platform(place, folder):
    path = place.url.removeprefix("sqlite:///") if place.kind == "sqlite" else folder / "own.db"
    yield lambda **options: sqlite3.connect(path, timeout=60, **options)


@contextmanager
def postgres_platform(place, _folder):
    with places.fresh_schema() as schema:
        url = places.postgres_url()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
        options = f"-c search_path={schema}"
        yield lambda **given: psycopg.connect(url, options=options, **given)


PLATFORMS = {"sqlite": sqlite_platform, "postgres": postgres_platform}


@pytest.fixture(
    params=[("sqlite", "sqlite"), ("postgres", "postgres"), ("sqlite", "postgres")],
    ids=" beside ".join,
)
def world(request, tmp_path):
    """A platform's database, and a ledger beside it: in the same one where it can be."""
    platform, kind = request.param
    with places.fresh(kind) as place, PLATFORMS[platform](place, tmp_path) as connect:
        world = World(place, platform, connect)
        world.run(
            "CREATE TABLE tracking (projection VARCHAR(255) PRIMARY KEY, position BIGINT NOT NULL)",
            "INSERT INTO tracking VALUES ('seen', 0)",
            "CREATE TABLE seen (position BIGINT, account_id TEXT)",
        )
        with place.open() as log, modlog.acting(ANN):
            log.create("a")
        yield world


@pytest.fixture
def log(world):
    with world.place.open() as log, modlog.acting(ANN, reason="spam"):
        yield log


def see(cursor, event) -> None:
    cursor.execute(f"INSERT INTO seen VALUES ({event.position}, 'x')")


def noted(log, number: int) -> None:
    with log.transaction():
        for n in range(number):
            log.note("a", str(n))


def project(log, world, handle=see, **options) -> int:
    with closing(world.connect()) as connection:
        return log.project(handle, connection, "seen", **{"follow": False, **options})


class TestFollowing:
    def test_goes_on_where_it_was(self, log, world):
        noted(log, 4)
        assert project(log, world) == world.tracked() == 5
        assert project(log, world) == 5
        noted(log, 2)
        assert project(log, world) == 7
        assert world.positions() == list(range(1, 8))

    def test_some_events_together_are_a_transaction(self, log, world, monkeypatch):
        monkeypatch.setattr(projections, "TOGETHER", 3)
        noted(log, 6)
        told: list[int] = []
        project(log, world, progress=told.append)
        assert told == [3, 6, 7]

    def test_only_what_is_selected(self, log, world):
        noted(log, 3)
        log.delete("a")
        noted(log, 3)
        deletions = Selection(type="account.deleted")
        assert project(log, world, selection=deletions) == world.tracked() == 5
        assert project(log, world, selection=deletions) == 5
        assert world.positions() == [5]

    def test_waits_for_what_comes(self, log, world):
        def note_one_more(position: int) -> None:
            if position < 4:
                log.note("a", "and another")

        assert project(log, world, follow=True, timeout=0.3, progress=note_one_more) == 4
        assert world.positions() == [1, 2, 3, 4]

    def test_several_projections_are_apart(self, log, world):
        world.run("INSERT INTO tracking VALUES ('other', 0)")
        project(log, world)
        with closing(world.connect()) as connection:
            log.project(see, connection, "other", follow=False)
        assert world.positions() == [1, 1]

    def test_a_projection_is_made_anew_from_the_beginning(self, log, world):
        project(log, world)
        world.run("DELETE FROM seen", "UPDATE tracking SET position = 0")
        assert project(log, world) == 1
        assert world.positions() == [1]


class BrokenError(Exception):
    """What a handler raises."""


class TestFailing:
    def test_leaves_nothing_of_its_transaction(self, log, world, monkeypatch):
        monkeypatch.setattr(projections, "TOGETHER", 2)
        noted(log, 4)

        def handle(cursor, event):
            see(cursor, event)
            if event.position == 4:
                raise BrokenError

        with pytest.raises(BrokenError) as caught:
            project(log, world, handle)
        assert caught.value.__notes__ == ["in projection 'seen', at the event of position 4"]
        assert world.positions() == [1, 2]
        assert world.tracked() == 2
        assert project(log, world) == 5
        assert world.positions() == [1, 2, 3, 4, 5]

    def test_leaves_the_connection_as_it_was(self, log, world):
        """Else what is committed next would take along a position whose events nobody handled."""

        def handle(cursor, event):
            raise BrokenError

        with closing(world.connect()) as connection:
            with pytest.raises(BrokenError):
                log.project(handle, connection, "seen", follow=False)
            connection.commit()
            assert world.tracked() == 0
            assert log.project(see, connection, "seen", follow=False) == 1

    def test_whoever_stops_it_leaves_what_is_committed(self, log, world, monkeypatch):
        monkeypatch.setattr(projections, "TOGETHER", 2)
        noted(log, 4)

        def stop(position: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            project(log, world, progress=stop)
        assert world.positions() == [1, 2]
        assert world.tracked() == 2

    def test_ahead_of_the_ledger(self, log, world):
        world.run("UPDATE tracking SET position = 2")
        with pytest.raises(ConflictError, match=r"'seen' is at position 2 .* ends at 1: "):
            project(log, world)

    def test_without_a_row(self, log, world):
        world.run("DELETE FROM tracking")
        with pytest.raises(InvalidInputError, match="'seen' has no row in tracking: insert one"):
            project(log, world)

    @pytest.mark.parametrize("block", ["transaction", "within"])
    def test_what_may_be_taken_back_is_not_followed(self, log, world, block):
        connect = sqlite3.connect if world.place.kind == "sqlite" else psycopg.connect
        with (
            closing(connect(world.place.url.removeprefix("sqlite:///"))) as own,
            log.within(own) if block == "within" else log.transaction(),
            pytest.raises(InvalidInputError, match="outside of transaction"),
        ):
            project(log, world)

    def test_a_connection_that_commits_by_itself(self, log, world):
        of_sqlite: dict[str, Any] = {"isolation_level": None}
        given = of_sqlite if world.platform == "sqlite" else {"autocommit": True}
        with (
            closing(world.connect(**given)) as connection,
            pytest.raises(InvalidInputError, match="not in autocommit"),
        ):
            log.project(see, connection, "seen", follow=False)
        assert world.tracked() == 0

    def test_a_handler_that_would_have_to_be_awaited(self, log, world):
        """Nobody would, and its events would be lost."""

        async def handle(cursor, event):
            raise NotImplementedError

        for one in (handle, None):
            with pytest.raises(InvalidInputError, match="without being awaited"):
                project(log, world, one)
        assert world.tracked() == 0

    @pytest.mark.parametrize("table", ["tracking; DROP TABLE seen", "", "a.b.c", "1", "track ing"])
    def test_what_is_no_table(self, log, world, table):
        with pytest.raises(InvalidInputError, match="table must be a table's name"):
            project(log, world, table=table)


def test_whatever_rows_look_like(log, world):
    with closing(world.connect()) as connection:
        if isinstance(connection, sqlite3.Connection):
            factories: list = [sqlite3.Row, lambda cursor, row: {"position": row[0]}]
        else:
            factories = [dict_row, namedtuple_row]
        for factory in factories:
            connection.row_factory = factory
            noted(log, 1)
            assert log.project(see, connection, "seen", follow=False) == log.head
    assert world.positions() == [1, 2, 3]


def test_connections_of_asyncio_and_what_is_none():
    class Own(sqlite3.Connection):
        """A platform's own kind of connection is one all the same."""

    with closing(sqlite3.connect(":memory:", factory=Own)) as own:
        assert projections.Tracking.checked(own, "tracking", "seen").mark == "?"
    for none in (psycopg.AsyncConnection.__new__(psycopg.AsyncConnection), object(), None, "url"):
        with pytest.raises(InvalidInputError, match=r"a connection of sqlite3, psycopg or"):
            projections.Tracking.checked(none, "tracking", "seen")


def test_who_finds_that_another_was_quicker_goes_on_behind_it(log, world, monkeypatch):
    """Also where the other, who is stopped then, has come to the middle of his own piece."""
    noted(log, 6)

    def stop(position: int) -> None:
        raise BrokenError

    def overtaken(position: int) -> None:
        if position == 2:
            with monkeypatch.context() as others:
                others.setattr(projections, "TOGETHER", 3)
                with pytest.raises(BrokenError):
                    project(log, world, progress=stop)
            assert world.tracked() == 5

    monkeypatch.setattr(projections, "TOGETHER", 2)
    assert project(log, world, progress=overtaken) == 7
    assert world.positions() == list(range(1, 8))


def test_two_at_once_share_the_events(log, world, monkeypatch):
    monkeypatch.setattr(projections, "TOGETHER", 2)
    noted(log, 60)
    begun = threading.Barrier(3)
    handled: list[list[int]] = [[], [], []]

    def runner(own: list[int]) -> None:
        def handle(cursor, event):
            see(cursor, event)
            own.append(event.position)

        begun.wait(30)
        project(log, world, handle)

    threads = [threading.Thread(target=runner, args=(own,)) for own in handled]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert world.positions() == list(range(1, 62))
    assert world.tracked() == 61


def following(world, writing: int) -> int:
    """A child that follows the ledger until it is killed, and tells of each event that it has."""

    def handle(cursor, event):
        see(cursor, event)
        os.write(writing, SIGN)

    child = os.fork()
    if not child:
        try:
            with world.place.open() as log, closing(world.connect()) as connection:
                log.project(handle, connection, "seen")
        finally:
            os._exit(1)  # only if it fails
    return child


def killed(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL


def killed_amid_work(world, together: int, handled: int, pauses: Iterator[float]) -> None:
    """Let children follow the ledger, and kill one after the other once they have so many."""
    reading, writing = os.pipe()
    children = [following(world, writing) for _ in range(together)]
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        for _ in range(handled):
            assert pipe.read(len(SIGN)), "the children failed"
        for child in children:
            time.sleep(next(pauses))
            killed(child)


@pytest.mark.parametrize("together", [1, 2])
@pytest.mark.parametrize(
    "kills", [KILLS, pytest.param(MANY_KILLS, marks=pytest.mark.soak)], ids=["few", "many"]
)
def test_whoever_is_killed_doubles_nothing_and_leaves_nothing_out(
    log, world, monkeypatch, together, kills
):
    monkeypatch.setattr(projections, "TOGETHER", 3)
    chance = random.Random(f"{together} on {world.place.kind}")
    pauses = (chance.random() * 0.01 for _ in count())
    for _ in range(kills):
        noted(log, 100)
        killed_amid_work(world, together, chance.randint(1, 60), pauses)
        seen = world.positions()
        assert seen == list(range(1, len(seen) + 1))
        assert len(seen) < log.head, "the children had nothing left to do"
    assert project(log, world) == log.head
    assert world.positions() == list(range(1, log.head + 1))
    assert log.verify().ok
