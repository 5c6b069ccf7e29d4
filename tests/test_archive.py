"""An archive has each event once, and gives the ledger back, byte for byte."""

from datetime import timedelta

import pytest
from eventsourcing.persistence import StoredEvent
from hypothesis import given
from pyarrow import fs, parquet

import modlog
from modlog import Actor, ArchiveError, ConflictError, InvalidInputError, Selection
from modlog._services.archive import archiving
from modlog._services.archive.tables import bucket_of, columnar
from modlog.testing import MovableClock, histories
from tests import places
from tests.archives import restored, small_ranges, tables  # noqa: F401
from tests.golden import whole
from tests.laws import STORE
from tests.recording import record

WAN = Actor.human("wan")


@pytest.fixture
def lived(place):
    """A ledger in which there is something of everything, and its clock."""
    clock = MovableClock(whole.START)
    with place.open(clock=clock, guardrails=whole.GUARDRAILS) as log:
        whole.live(log, clock)
        yield log


def events_of(target):
    """The rows of all files of events that are there, by position."""
    files = sorted((target / "events").rglob("*.parquet"))
    rows = [row for file in files for row in parquet.ParquetFile(file).read().to_pylist()]
    return sorted(rows, key=lambda row: row["position"])


def flagged(log, number, first=1):
    with log.transaction():
        for n in range(first, first + number):
            log.create(f"{n}", actor=WAN)


@pytest.mark.usefixtures("small_ranges")
def test_what_is_restored_is_the_ledger_byte_for_byte(lived, place, tmp_path):
    outcome = lived.archive(tmp_path)
    archive = modlog.open_archive(tmp_path)

    assert (outcome.last, outcome.events, archive.head) == (lived.head,) * 3
    assert archive.verify(lived).ok
    with restored(archive, place.kind, clock=lambda: whole.START + whole.DAY) as again:
        assert tables(again) == tables(lived)
        assert again.verify().ok


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_it_is_restored_into_either_database(lived, kind, tmp_path):
    lived.archive(tmp_path)

    with restored(modlog.open_archive(tmp_path), kind) as again:
        assert again.verify().ok
        mine, others = tables(lived), tables(again)
        for name in mine.keys() - {"meta", "head"}:
            assert others[name] == mine[name], name


def test_the_planner_knows_what_is_restored(tmp_path):
    """Else the replay of the accounts takes the longer for each the more there are."""
    with modlog.open("sqlite://") as log:
        flagged(log, 500)
        log.archive(tmp_path)
    with (
        restored(modlog.open_archive(tmp_path), "postgres") as again,
        again._work.store.reading() as reader,
    ):
        known = {
            name: reader.session.row(
                "SELECT reltuples FROM pg_class WHERE oid = CAST(? AS regclass)",
                (reader.database.table(name),),
            )
            for name in ("streams", "acts", "events")
        }
    assert known == {"streams": (500,), "acts": (1,), "events": (500,)}


@pytest.mark.usefixtures("small_ranges")
def test_a_restored_ledger_goes_on_and_so_does_its_archive(lived, place, tmp_path):
    lived.archive(tmp_path)

    with restored(modlog.open_archive(tmp_path), place.kind) as again:
        known = again.head
        answered = again.delete(whole.FOUNDER, **whole.ANSWERED)  # a key that was used before
        assert answered.position < known
        imported = again.ingest(whole.records(), "import-reject")
        assert (imported.skipped, [one.known for one in imported.rejected]) == (4, [True])
        again.revert(Selection(batch_id="march"), actor=WAN, reason="go on")
        again.sweep("waits").reject(actor=whole.MEI, reason="no")
        outcome = again.archive(tmp_path)

        assert outcome.events == again.head - known > 0
        assert modlog.open_archive(tmp_path).verify(again).ok
        assert again.verify().ok


@pytest.mark.laws
@STORE
@given(histories(erasures=True, max_size=12))
def test_every_history_comes_back(fresh_place, tmp_path_factory, history):
    folder, clock = tmp_path_factory.mktemp("archive"), MovableClock()
    with fresh_place() as place, place.open(clock=clock) as log:
        record(log, history)
        clock.set(history[-1].recorded_at)
        log.archive(folder)
        with restored(modlog.open_archive(folder), clock=clock) as again:
            assert list(again.events()) == list(log.events())
            assert list(again.accounts()) == list(log.accounts())
            assert again.verify().ok


def test_each_row_is_an_event_with_its_act(place, tmp_path):
    with place.open() as log:
        log.create("a", {"nickname": "ü"}, actor=WAN, metadata={"ip": "::1"})
        with log.transaction():
            log.note("a", "x", actor=WAN)
            log.note("a", "y", actor=WAN)
        long_ago = log.account("a") and log.history("a")[0].occurred_at - timedelta(days=1)
        log.suspend("a", actor=WAN, reason="spam", occurred_at=long_ago)
        log.recorder.insert_events([StoredEvent("order-1", 1, "shop:Ordered", b"\x00\xff")])
        log.archive(tmp_path)
        first, second, third, fourth, fifth = events_of(tmp_path)

    assert (first["kind"], first["id"], first["version"], first["schema"]) == ("account", "a", 1, 1)
    assert (first["type"], first["actor_id"]) == ("account.created", "wan")
    assert (first["metadata"], first["personal"]) == (
        '{"ip":"::1"}',
        '{"profile":{"nickname":"ü"}}',
    )
    assert [row["stream"] for row in (first, second, fourth)] == [None, 1, 1]
    assert [row["act"] for row in (first, second, third)] == [None, None, 2]
    assert (third["occurred_at"], fourth["occurred_at"]) == (None, long_ago)
    assert (fifth["kind"], fifth["id"], fifth["state"]) == ("foreign", "order-1", b"\x00\xff")


def test_accounts_are_spread_and_sorted(place, tmp_path):
    with place.open() as log:
        flagged(log, 60)
        for n in (7, 3, 7):
            log.flag(f"{n}", "spam", actor=WAN)
        log.archive(tmp_path, buckets=4)

    files = sorted((tmp_path / "events").rglob("*.parquet"))
    assert [file.parent.name for file in files] == [f"bucket={n:04}" for n in range(4)]
    for number, file in enumerate(files):
        table = parquet.ParquetFile(file).read()
        ids = table["id"].to_pylist()
        assert {bucket_of(id_, 4) for id_ in ids} == {number}
        rows = list(zip(ids, table["version"].to_pylist(), strict=True))
        assert rows == sorted(rows)
        assert parquet.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD"
    assert [bucket_of(id_, 16) for id_ in ("110018", "ü", "x")] == [0, 5, 3]  # for ever


@pytest.mark.usefixtures("small_ranges")
def test_it_goes_on_where_it_ends(place, tmp_path):
    with place.open() as log:
        assert log.archive(tmp_path).events == 0
        assert not list(tmp_path.iterdir())
        for n in range(20):
            log.create(f"{n}", actor=WAN)
        steps: list[modlog.ArchiveProgress] = []
        first = log.archive(tmp_path, progress=steps.append)
        again = log.archive(tmp_path)
        flagged(log, 5, 20)
        more = log.archive(tmp_path)

    assert [(step.position, step.events, step.head) for step in steps] == [
        (7, 7, 20), (14, 14, 20), (20, 20, 20)
    ]  # fmt: skip
    assert (first.events, again.events, again.files, more.events, more.last) == (20, 0, 0, 5, 25)
    assert [row["position"] for row in events_of(tmp_path)] == list(range(1, 26))


@pytest.mark.usefixtures("small_ranges")
def test_a_transaction_is_never_cut(place, tmp_path):
    with place.open() as log:
        log.create("a", actor=WAN)
        flagged(log, 30)
        log.create("b", actor=WAN)
        steps: list[modlog.ArchiveProgress] = []
        log.archive(tmp_path, progress=steps.append)

    assert [step.position for step in steps] == [31, 32]


def test_several_ledgers_share_an_archive(fresh_place, tmp_path):
    ledgers = []
    for name in ("one", "two"):
        with fresh_place(reuse=False) as place, place.open() as log:
            log.create(name, actor=WAN)
            ledgers.append(log.archive(tmp_path).ledger)

    for ledger, name in zip(ledgers, ("one", "two"), strict=True):
        archive = modlog.open_archive(tmp_path, ledger)
        assert archive.verify().ok
        with restored(archive) as again:
            assert [account.id for account in again.accounts()] == [name]
    with pytest.raises(InvalidInputError, match="2 ledgers, say which"):
        modlog.open_archive(tmp_path)
    with pytest.raises(ArchiveError, match="nothing of the ledger 'no'"):
        modlog.open_archive(tmp_path, "no")


def test_the_number_of_buckets_stays(place, tmp_path):
    with place.open() as log:
        log.create("a", actor=WAN)
        log.archive(tmp_path, buckets=3)
        log.create("b", actor=WAN)
        with pytest.raises(InvalidInputError, match="has 3 buckets"):
            log.archive(tmp_path, buckets=4)
        log.archive(tmp_path)
    for wrong in (0, 4_097, True, "3"):
        with place.open() as log, pytest.raises(InvalidInputError, match="buckets must be"):
            log.archive(tmp_path, buckets=wrong)


def test_what_is_not_committed_is_not_archived(place, tmp_path):
    with place.open() as log, log.transaction():
        log.create("a", actor=WAN)
        with pytest.raises(InvalidInputError, match="takes what is committed"):
            log.archive(tmp_path)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_ledger_that_may_only_be_read_is_archived(kind, tmp_path):
    with places.fresh(kind) as place:
        with place.open() as log:
            flagged(log, 5)
        with modlog.open(place.url, schema=place.schema, read_only=True) as log:
            assert log.archive(tmp_path).events == 5


def test_filesystems_of_arrow_take_it(place, tmp_path):
    below = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    with place.open() as log:
        flagged(log, 5)
        assert log.archive("a/b", filesystem=below).events == 5
        assert log.archive((tmp_path / "a" / "b").as_uri()).events == 0
        assert modlog.open_archive("a/b", filesystem=below).verify(log).ok
    assert not list(tmp_path.rglob("claims/*"))


def test_no_target_is_refused_without_telling_its_keys(place, tmp_path):
    (tmp_path / "file").touch()
    with place.open() as log:
        flagged(log, 1)
        for target, message in (
            (3, "a path or a URI"),
            ("", "a path or a URI"),
            (tmp_path / "file", "is a file"),
            ("ftp://user:secret@host/x", "names no place"),
            ("s3://", "names no place"),
        ):
            with pytest.raises(InvalidInputError, match=message) as error:
                log.archive(target)
            assert "secret" not in str(error.value)
        with pytest.raises(InvalidInputError, match="filesystem= takes"):
            log.archive("x", filesystem="s3")


def test_a_restore_needs_an_empty_place(place, tmp_path):
    with place.open() as log:
        flagged(log, 3)
        log.archive(tmp_path)
        before = tables(log)
        archive = modlog.open_archive(tmp_path)
        if place.kind != "sqlite-memory":
            with pytest.raises(ConflictError, match="a ledger with something in it"):
                archive.restore(place.url, schema=place.schema)
            assert tables(log) == before


def test_it_is_read_a_page_at_a_time(place, tmp_path, monkeypatch):
    """Rows are Python's only page by page; what a range needs is Arrow's, which is small."""
    sizes: list[int] = []

    def counted(columns, rows):
        sizes.append(len(rows))
        return columnar(columns, rows)

    monkeypatch.setattr("modlog._storage.archives.PAGE", 10)
    monkeypatch.setattr(archiving, "columnar", counted)
    with place.open() as log:
        flagged(log, 95)
        log.archive(tmp_path)
        assert modlog.open_archive(tmp_path).verify(log).ok
    assert max(sizes) == 10
