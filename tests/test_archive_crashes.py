"""Archives that are killed at any moment, and written by several at once, on a disk and on S3."""

import random
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import timedelta
from threading import Thread
from urllib.parse import urlencode

import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs

import modlog
from modlog import Actor
from modlog._services.archive import places as archive_places
from tests import places
from tests.archives import restored, tables

WAN = Actor.human("wan")
EVENTS = 400
KILLS = 4  # for each database and each kind of target
MANY = 60

WRITE = """
import sys, modlog
from modlog._services.archive import archiving
url, schema, target, size = sys.argv[1:]
archiving.SEGMENT = int(size)
with modlog.open(url, schema=schema or None) as log:
    print("begun", flush=True)
    log.archive(target, buckets=3)
"""
RESTORE = """
import sys, modlog
target, url, schema = sys.argv[1:]
archive = modlog.open_archive(target)
archive.head
print("begun", flush=True)
archive.restore(url, schema=schema or None, create=True)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def place(request):
    with places.fresh(request.param) as place:
        yield place


@pytest.fixture(scope="module")
def server():
    """A server that speaks S3, with a bucket; the beginning and the end of its URIs."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"endpoint_override": f"{host}:{port}", "scheme": "http", "region": "us-east-1"}
    fs.S3FileSystem(
        access_key="key",
        secret_key="secret",  # noqa: S106
        allow_bucket_creation=True,
        **options,
    ).create_dir("bucket")
    yield "s3://key:secret@bucket", urlencode(options)
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def target(request, tmp_path):
    """Where an archive may lie."""
    if request.param == "folder":
        return str(tmp_path / "archive")
    begin, end = request.getfixturevalue("server")
    return f"{begin}/{tmp_path.name}?{end}"


def fill(log, number):
    for n in range(number):
        log.create(f"{log.head}-{n}", actor=WAN)


@contextmanager
def child(script, *words):
    """A process that has begun, and is gone at the end of the block."""
    command = [sys.executable, "-c", script, *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            yield process
        finally:
            process.kill()


def check_whole(log, target):
    """The archive is sound, goes up to the head, and has each event once."""
    archive = modlog.open_archive(target)
    report = archive.verify(log)
    assert report.findings == ()
    assert report.events == report.last == archive.head
    return archive


def killed_time_and_again(log, place, target, kills, size=5):
    chance = random.Random(kills)
    reached = []
    for _ in range(kills):
        with child(WRITE, place.url, place.schema or "", target, str(size)):
            time.sleep(chance.random() * 0.4)
        try:
            reached.append(check_whole(log, target).head)
        except modlog.ArchiveError:
            assert not reached  # it was killed before the first manifest
    log.archive(target)
    archive = check_whole(log, target)
    assert archive.head == log.head
    with restored(archive) as again:
        assert list(again.events()) == list(log.events())
        assert again.verify().ok


def test_it_goes_on_where_it_was_killed(place, target):
    with place.open() as log:
        fill(log, EVENTS)
        killed_time_and_again(log, place, target, KILLS)


@pytest.mark.soak
def test_it_goes_on_where_it_was_killed_many_times(place, target):
    with place.open() as log:
        fill(log, 10 * EVENTS)
        killed_time_and_again(log, place, target, MANY)


def test_several_at_once_have_each_event_once(place, target):
    words = (place.url, place.schema or "", target)
    with place.open() as log:
        fill(log, EVENTS // 4)
        writing = Thread(target=fill, args=(log, 100))
        writing.start()
        with child(WRITE, *words, "7") as one, child(WRITE, *words, "11") as other:
            assert [one.wait(60), other.wait(60)] == [0, 0]
        writing.join()
        log.archive(target)
        assert check_whole(log, target).head == log.head


def restored_although_killed(place, kind, target, kills):
    chance = random.Random(kills)
    with place.open() as log:
        fill(log, EVENTS)
        log.archive(target)
        expected = tables(log)
    with places.fresh(kind) as new:
        for _ in range(kills):
            with child(RESTORE, target, new.url, new.schema or "") as process:
                time.sleep(chance.random() * 0.15)
            with new.open() as log:
                if process.returncode:  # nothing of it is there, so it can be begun again
                    assert (log.head, list(log.accounts())) == (0, [])
                    continue
                break
        else:
            modlog.open_archive(target).restore(new.url, schema=new.schema)
        with new.open() as log:
            assert log.verify().ok
            found = tables(log)
            assert {name: found[name] for name in expected if name != "head"} == {
                name: rows for name, rows in expected.items() if name != "head"
            }


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_restore_that_is_killed_leaves_nothing(place, kind, tmp_path):
    restored_although_killed(place, kind, str(tmp_path), KILLS)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_restores_that_are_killed_many_times(place, kind, tmp_path):
    restored_although_killed(place, kind, str(tmp_path), MANY)


def test_an_archive_on_s3_is_as_one_on_a_disk(place, server, tmp_path):
    begin, end = server
    uri = f"{begin}/{tmp_path.name}?{end}"
    with place.open() as log:
        fill(log, 30)
        log.archive(uri)
        log.archive(tmp_path)
        on_s3, on_disk = modlog.open_archive(uri), modlog.open_archive(tmp_path)
        assert on_s3.verify(log).ok
        assert "secret" not in repr(on_s3)
        digests = [
            [file.sha256 for one in archive._dataset.manifests for file in one.files]
            for archive in (on_s3, on_disk)
        ]
        assert digests[0] == digests[1]  # the same rows are the same bytes


# Claims, by which a store without a write that fails tells who goes first


@pytest.fixture
def store(server, tmp_path):
    begin, end = server
    return archive_places.place_of(f"{begin}/{tmp_path.name}?{end}")


def test_who_is_alone_gets_the_name_and_nobody_after_him(store):
    assert store.write_once("a/1", b"one")
    assert not store.write_once("a/1", b"two")
    assert store.read("a/1") == b"one"
    assert store.paths("") == ["a/1"]


def test_whoever_sees_another_claim_gives_way(store, monkeypatch):
    monkeypatch.setattr(archive_places, "_PAUSE", 0)
    store.write("claims/a.1.other", b"")

    assert not store.write_once("a/1", b"one")
    assert store.paths("a") == []
    assert store.paths("claims") == ["claims/a.1.other"]


def test_the_claim_of_one_who_was_killed_ends(store, monkeypatch):
    store.write("claims/a.1.other", b"")
    monkeypatch.setattr(archive_places, "_LEASE", timedelta(seconds=1))
    time.sleep(2.1)  # stores tell whole seconds

    assert store.write_once("a/1", b"one")


def test_of_many_at_once_one_gets_the_name(store, monkeypatch):
    monkeypatch.setattr(archive_places, "_PAUSE", 0.05)
    for number in range(10):
        got: list[int] = []

        def want(who, number=number, got=got):
            if store.write_once(f"a/{number}", b"%d" % who):
                got.append(who)

        threads = [Thread(target=want, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) <= 1
        if got:
            assert store.read(f"a/{number}") == b"%d" % got[0]
