"""Apache Spark as it is in earnest: a master and workers of one core, each a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from attrs import define

_PATIENCE = 60  # seconds until a process has said that it is there
_HOST = "127.0.0.1"


@define
class Cluster:
    """A cluster with a session on it.

    Attributes:
        session: a `SparkSession`.
        workers: their processes, each with all that it has started.
    """

    session: Any
    workers: list[subprocess.Popen]

    def kill_worker(self) -> None:
        """Kill one of the workers with its executor, as a machine dies."""
        os.killpg(self.workers.pop().pid, signal.SIGKILL)

    def running(self) -> int:
        """How many tasks are under way."""
        tracker = self.session.sparkContext.statusTracker()
        infos = (tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds())
        return sum(info.numActiveTasks for info in infos if info)


@contextmanager
def cluster(
    folder: Path, workers: int = 2, settings: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """A master, so many workers and a session, which go away with the block.

    Args:
        folder: for logs and files of the workers.
        workers: how many.
        settings: of the session.
    """
    import pyspark

    home = Path(pyspark.__file__).parent
    port = _free_port()
    url = f"spark://{_HOST}:{port}"
    with ExitStack() as stack:
        own = {"SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": _HOST}
        env = {**os.environ, **own}

        def start(name: str, *args: str) -> subprocess.Popen:
            with (folder / f"{name}.log").open("wb") as log:
                process = subprocess.Popen(
                    [home / "bin" / "spark-class", *args],
                    env=env,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            stack.callback(_end, process)
            return process

        deploy = "org.apache.spark.deploy"
        ports = ("--host", _HOST, "--webui-port", "0")
        start("master", f"{deploy}.master.Master", *ports, "--port", str(port))
        _wait_for(folder / "master.log", "New state: ALIVE")
        names, processes = [f"worker-{number}" for number in range(workers)], []
        for name in names:
            (folder / name).mkdir()
            more = ("--cores", "1", "--memory", "1g", "--work-dir", str(folder / name), url)
            processes.append(start(name, f"{deploy}.worker.Worker", *ports, *more))
        for name in names:
            _wait_for(folder / f"{name}.log", "Successfully registered with master")
        yield Cluster(stack.enter_context(_session(url, own, settings or {})), processes)


@contextmanager
def _session(url: str, own: dict[str, str], config: Mapping[str, str]) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    with patch.dict(os.environ, own):
        builder = SparkSession.builder.master(url)
        for name, value in {
            "spark.driver.host": _HOST,
            "spark.driver.memory": "512m",
            "spark.executor.memory": "512m",
            "spark.log.level": "ERROR",
            "spark.sql.shuffle.partitions": "2",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            **config,
        }.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        try:
            yield session
        finally:
            session.stop()


def _free_port() -> int:
    with socket.socket() as server:
        server.bind((_HOST, 0))
        return int(server.getsockname()[1])


def _wait_for(log: Path, text: str) -> None:
    end = time.monotonic() + _PATIENCE
    while text not in log.read_text(errors="replace"):
        if time.monotonic() > end:
            raise AssertionError(f"no {text!r} in {_PATIENCE} s:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def _end(process: subprocess.Popen) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
