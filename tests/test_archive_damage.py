"""An archive that is not what it should be is told from one that is, and nothing is made of it."""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256

import pytest
from pyarrow import parquet

import modlog
from modlog import Actor, ArchiveError
from modlog._services.archive.tables import parquet_of
from modlog._storage.codec import canonical
from tests import places
from tests.archives import small_ranges  # noqa: F401

WAN = Actor.human("wan")
pytestmark = pytest.mark.usefixtures("small_ranges")


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def target(tmp_path, ledger):
    """An archive of three ranges and a key."""
    with modlog.open(ledger) as log:
        for n in range(19):
            log.create(f"{n % 3}" if n < 3 else f"more-{n}", actor=WAN)
        log.note("1", "x", actor=WAN, idempotency_key="k")
        log.archive(tmp_path / "archive", buckets=2)
    return tmp_path / "archive"


def manifests(target):
    return sorted((target / "manifests").rglob("*.json"))


def events(target):
    return sorted((target / "events").rglob("*.parquet"))


def rewritten(target, number, change):
    """Change a manifest, and let those behind it follow it: as somebody would who means it."""
    before = None
    for path in manifests(target)[number - 1 :]:
        values = json.loads(path.read_bytes())
        if before is None:
            change(values)
        else:
            values["previous"] = before
        path.write_bytes(canonical(values))
        before = sha256(path.read_bytes()).hexdigest()


def with_rows(target, change):
    """Change the rows of the first file of events, and have its manifest know the new file."""
    path = events(target)[0]
    data = change(parquet.ParquetFile(path).read())
    content = parquet_of(data)
    path.write_bytes(content)

    def known(values):
        for file in values["files"]:
            if path.match(f"*/{file['path']}"):
                file |= {"sha256": sha256(content).hexdigest(), "size": len(content)}
                file |= {"rows": data.num_rows}

    rewritten(target, 1, known)


def edited(column, value):
    def change(data):
        values = data[column].to_pylist()
        values[0] = value
        field = data.schema.field(column)
        at = data.schema.get_field_index(column)
        return data.set_column(at, field, [values])

    return change


def cut(target):
    path = events(target)[0]
    path.write_bytes(path.read_bytes()[:-9])


def flip(target, path=None):
    path = path or events(target)[1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def newer(values):
    values["schema"] = 2


def of_another(target):
    path = manifests(target)[1]
    path.write_bytes(path.read_bytes().replace(b'"number":2', b'"number":4'))


DAMAGE = {
    "a file is gone": (lambda t: events(t)[0].unlink(), "is not in the archive"),
    "a file was cut": (cut, "its manifest says"),
    "a file was changed": (flip, "another SHA-256"),
    "a key's file was changed": (
        lambda t: flip(t, next((t / "keys").rglob("*.parquet"))),
        "another SHA-256",
    ),
    "a manifest is gone": (lambda t: manifests(t)[1].unlink(), "000000000002.json is not in"),
    "the first manifest is gone": (lambda t: manifests(t)[0].unlink(), "000000000001.json is not"),
    "a manifest was cut": (
        lambda t: manifests(t)[1].write_bytes(manifests(t)[1].read_bytes()[:-9]),
        "cannot be read as a manifest",
    ),
    "a manifest is empty": (lambda t: manifests(t)[1].write_bytes(b""), "cannot be read"),
    "a manifest is none": (lambda t: manifests(t)[1].write_bytes(b"[]"), "cannot be read"),
    "a manifest was changed": (
        lambda t: manifests(t)[0].write_bytes(
            manifests(t)[0].read_bytes().replace(b'"recorded_at":1', b'"recorded_at":2')
        ),
        "manifest 2 .* does not follow",
    ),
    "a manifest was renamed": (of_another, "changed or renamed"),
    "a manifest leads out of the archive": (
        lambda t: rewritten(t, 1, lambda v: v["files"][0].update(path="events/../../x")),
        "cannot be read as a manifest",
    ),
    "a newer schema": (lambda t: rewritten(t, 1, newer), "has schema 2, this modlog knows"),
    "another schema of a file": (
        lambda t: with_rows(t, lambda data: data.drop_columns(["act"])),
        "has another schema",
    ),
}
UNSOUND = {
    "a row is gone": (lambda data: data.slice(1), "each position"),
    "a position twice": (edited("position", 1), "each position"),
    "a version is gone": (edited("version", 9), "versions|do not follow"),
    "another account": (edited("id", "nobody"), "belong elsewhere|do not follow"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_damaged_is_found_and_nothing_is_made_of_it(name, target, ledger, tmp_path):
    damage, message = DAMAGE[name]
    damage(target)
    archive = modlog.open_archive(target)

    report = archive.verify()
    assert not report.ok
    with pytest.raises(ArchiveError, match=message) as error:
        archive.restore(tmp_path / "new.db")
    assert str(error.value) in [finding.message for finding in report.findings]
    with modlog.open(tmp_path / "new.db") as log:
        assert (log.head, list(log.accounts())) == (0, [])


@pytest.mark.parametrize("name", UNSOUND)
def test_what_is_unsound_is_found_even_where_all_digests_fit(name, target):
    change, message = UNSOUND[name]
    with_rows(target, change)

    report = modlog.open_archive(target).verify()
    assert any(re.search(message, one.message) for one in report.findings), report.findings


@pytest.mark.parametrize("name", [name for name in DAMAGE if "manifest" in name or "newer" in name])
def test_nothing_is_added_behind_a_damaged_end(name, target, ledger):
    damage, _ = DAMAGE[name]
    damage(target)
    before = [path.read_bytes() for path in manifests(target)]
    shutil.copytree(target, target.parent / "before")
    with modlog.open(ledger) as log:
        log.create("new", actor=WAN)
        try:
            log.archive(target)
        except ArchiveError:
            assert [path.read_bytes() for path in manifests(target)] == before
        else:  # it looks at the end alone; the rest is for verify to find
            assert not modlog.open_archive(target).verify().ok


def test_an_event_that_differs_from_the_ledgers_is_found(target, ledger):
    with_rows(target, edited("reason", "another"))

    with modlog.open(ledger) as log:
        assert modlog.open_archive(target).verify().ok  # all digests fit
        (finding,) = modlog.open_archive(target).verify(log).findings
    assert "of bucket 0 are not those of the ledger" in finding.message


def test_an_archive_of_another_ledger_is_told(target, tmp_path):
    with modlog.open(tmp_path / "other.db") as log:
        log.create("a", actor=WAN)
        (finding,) = modlog.open_archive(target).verify(log).findings
    assert "an archive of the ledger" in finding.message


def test_a_copy_that_went_another_way_is_refused(target, ledger, tmp_path):
    copies = [tmp_path / "one.db", tmp_path / "two.db"]
    for copy in copies:
        modlog.open_archive(target).restore(copy)
        with modlog.open(copy) as log:
            log.create(copy.stem, actor=WAN)
    one, two = (modlog.open(copy) for copy in copies)
    with one, two, modlog.open(ledger) as behind:
        one.archive(target)
        before = sorted(map(str, target.rglob("*")))
        with pytest.raises(ArchiveError, match="went different ways"):
            two.archive(target)
        with pytest.raises(ArchiveError, match="an older copy of the ledger"):
            behind.archive(target)
        for log, message in ((two, "went different ways"), (behind, "an older copy")):
            (finding,) = modlog.open_archive(target).verify(log).findings
            assert message in finding.message
    assert sorted(map(str, target.rglob("*"))) == before


def test_where_there_is_no_archive_that_is_said(tmp_path):
    for target in (tmp_path / "nothing", tmp_path):
        with pytest.raises(ArchiveError, match="there is no archive at"):
            modlog.open_archive(target)


def test_a_disk_that_is_full_leaves_no_manifest(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with modlog.open(tmp_path / "x.db") as log:
        log.create("a", actor=WAN)
        monkeypatch.setattr("modlog._services.archive.places.os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            log.archive(tmp_path / "archive")
        assert [path for path in (tmp_path / "archive").rglob("*") if path.is_file()] == []
        monkeypatch.undo()
        assert log.archive(tmp_path / "archive").events == 1


def test_leftovers_are_told_and_belong_to_nothing(target, ledger):
    stray = events(target)[0].with_name("left.parquet")
    shutil.copy(events(target)[0], stray)

    with modlog.open(ledger) as log:
        report = modlog.open_archive(target).verify(log)
    assert report.ok
    assert [path.rpartition("/")[2] for path in report.leftovers] == ["left.parquet"]


def test_a_restore_that_finds_damage_late_writes_nothing(target, tmp_path):
    flip(target, events(target)[-1])
    with places.fresh("postgres") as place:
        with pytest.raises(ArchiveError):
            modlog.open_archive(target).restore(place.url, schema=place.schema, create=True)
        with place.open() as log:
            assert log.head == 0
    with pytest.raises(ArchiveError):
        modlog.open_archive(target).restore(tmp_path / "new.db")
    with closing(sqlite3.connect(tmp_path / "new.db")) as file:
        assert file.execute("SELECT count(*) FROM modlog_streams").fetchone() == (0,)
