"""PostgreSQL behind PgBouncer in transaction mode: each transaction may get another connection."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

import modlog
from modlog import Actor, Guardrails, Selection

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin") or ""
ANN = Actor.human("ann")
CONFIG = """
[databases]
* = {server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 100
log_connections = 0
log_disconnections = 0
log_stats = 0
ignore_startup_parameters = extra_float_digits,options
"""

pytestmark = pytest.mark.skipif(not PGBOUNCER, reason="PgBouncer: it is not installed")


@pytest.fixture(scope="module")
def pooled_url():
    """The server of this run, by way of a pooler with three connections to it."""
    parts = urlsplit(os.environ["MODLOG_TEST_POSTGRES"])
    host = parse_qs(parts.query).get("host", [parts.hostname or "localhost"])[0]
    user, name = parts.username or "postgres", parts.path[1:] or "postgres"
    server = f"host={host} port={parts.port or 5432} user={user} dbname={name}"
    if parts.password:
        server += f" password={parts.password}"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    folder = tempfile.TemporaryDirectory(prefix="modlog-pgbouncer-")
    config = Path(folder.name) / "pgbouncer.ini"
    config.write_text(CONFIG.format(server=server, port=port))
    process = subprocess.Popen(
        [PGBOUNCER, config],
        user=_owner(host, config),
        stderr=subprocess.PIPE,
        text=True,
    )
    url = f"postgresql://{user}@127.0.0.1:{port}/{name}"
    try:
        _await_start(process)
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=30)
        folder.cleanup()


def _owner(host: str, config: Path) -> str | None:
    """Who is to run it: it refuses root; the owner of the server's socket may connect to that."""
    if os.getuid() != 0:
        return None
    config.parent.chmod(0o755)
    return pwd.getpwuid(Path(host).stat().st_uid).pw_name if Path(host).is_dir() else "nobody"


def _await_start(process: subprocess.Popen[str]) -> None:
    assert process.stderr
    told = []
    for line in process.stderr:
        told.append(line)
        if "process up" in line:
            return
    raise AssertionError(f"PgBouncer has ended: {told}")


@pytest.fixture
def log(pooled_url, schema):
    with (
        modlog.open(pooled_url, schema=schema, create=True, guardrails=Guardrails.off()) as log,
        modlog.acting(ANN, reason="clean-up"),
    ):
        yield log


def live(log: modlog.ModLog, account_id: str) -> None:
    log.create(account_id, actor=ANN, idempotency_key=account_id)
    for number in range(12):  # more uses than the driver needs to prepare a statement
        log.note(account_id, f"{number}", actor=ANN)
        assert log.account(account_id).version == number + 2
    with log.transaction():
        log.delete(account_id, actor=ANN, reason="spam")
        log.restore(account_id, actor=ANN, reason="mistake")


def test_commands_and_questions_of_many_threads(log, pooled_url, schema):
    ids = [f"n{number}" for number in range(8)]
    with modlog.open(pooled_url, schema=schema) as other, ThreadPoolExecutor(8) as pool:
        logs = [log, other] * 4
        list(pool.map(live, logs, ids))
    assert log.head == 15 * len(ids)
    assert log.count()["active"] == len(ids)
    assert len(list(log.events(Selection(account_id="n3")))) == 15
    assert log.verify().ok


def test_imports(log):
    records = [
        {"do": "create", "account_id": f"{n}", "at": "2020-01-01T00:00:00Z", "key": f"{n}"}
        for n in range(100)
    ]
    assert log.ingest(records, chunk=30).recorded == 100
    assert log.ingest(records, chunk=30).skipped == 100
    assert log.verify().ok


def test_transactions_of_a_caller(log, pooled_url):
    connecting = psycopg.connect(pooled_url, prepare_threshold=None)
    with connecting as connection, log.within(connection):
        log.create("a")
    assert log.account("a").version == 1


def test_sweeps_and_reverts(log, monkeypatch):
    """In several chunks each, between which the pooler may give another connection."""
    monkeypatch.setattr("modlog._services.sweeps.chunks.CHUNK", 7)
    monkeypatch.setattr("modlog._services.reverts.reverting.CHUNK", 7)
    ids = [f"{number:02}" for number in range(30)]
    for account_id in ids:
        log.create(account_id)
    plan = log.plan_sweep(ids, action="delete", batch_id="clean-up")
    assert plan.statuses == {"active": 30}
    assert plan.execute().counts["done"] == 30
    selection = Selection(batch_id="clean-up")
    look = log.plan_revert(selection)
    assert (look.accounts, look.after["active"]) == (30, 30)
    assert len(list(look.lines())) == 30
    assert log.without(selection).count()["active"] == 30
    assert len(list(log.diff(log, log.without(selection)))) == 30
    outcome = look.apply()
    assert outcome.reverted == 30
    assert log.revert(Selection(batch_id=outcome.batch_id)).reverted == 30
    assert log.count()["deleted"] == 30
    assert log.verify().ok
