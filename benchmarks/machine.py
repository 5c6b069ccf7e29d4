"""The machine and the versions that a measurement belongs to, and whether it is quiet."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

# The share of all cores that others may take: a busy machine slows all systems down, but not
# all alike, and mostly those that use a server besides their own process.
MOST_BUSY: Final = 0.1
_PACKAGES: Final = (
    "modlog",
    "eventsourcing",
    "psycopg",
    "psycopg-binary",
    "orjson",
    "attrs",
    "SQLAlchemy",
    "SQLAlchemy-Continuum",
    "Django",
    "django-pghistory",
    "django-simple-history",
    "django-reversion",
)


def busy(seconds: float = 2.0) -> float:
    """The share of all cores that is at work while we wait, from 0 to 1."""
    stat = Path("/proc/stat")
    if not stat.exists():  # only Linux tells; elsewhere the last minute's average has to do
        return min(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    before = _ticks(stat)
    time.sleep(seconds)
    after = _ticks(stat)
    total = sum(after) - sum(before)
    idle = sum(after[3:5]) - sum(before[3:5])  # idle, and waiting for a disk
    return round(1 - idle / total, 3) if total else 0.0


def _ticks(stat: Path) -> list[int]:
    return [int(ticks) for ticks in stat.read_text().split("\n", 1)[0].split()[1:9]]


def facts(postgres_url: str | None) -> dict[str, Any]:
    """What to know about the machine."""
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "processor": _processor(),
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "postgres": _postgres_version(postgres_url) if postgres_url else None,
        **{name: _version(name) for name in _PACKAGES},
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _postgres_version(url: str) -> str:
    import psycopg

    with psycopg.connect(url) as connection:
        row = connection.execute("SHOW server_version").fetchone()
        assert row is not None
        return str(row[0]).split()[0]
