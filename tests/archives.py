"""What tests of archives share: a ledger's tables as they are stored, and small ranges."""

from contextlib import contextmanager

import pytest

import modlog
from modlog._services.archive import archiving
from tests import places


@pytest.fixture
def small_ranges(monkeypatch):
    """Ranges of about seven events, so that an archive of few has many manifests."""
    monkeypatch.setattr(archiving, "SEGMENT", 7)


@contextmanager
def restored(archive: modlog.Archive, kind: str = "sqlite", **options):
    """A ledger that was made again from an archive."""
    with places.fresh("sqlite" if kind == "sqlite-memory" else kind) as place:
        archive.restore(place.url, schema=place.schema, create=True)
        with place.open(**options) as log:
            yield log


def tables(log: modlog.ModLog) -> dict[str, list[tuple]]:
    """Every row of every table of a ledger, what can be made anew included."""
    database = log._work.store.database
    with database.reading() as session:
        return {
            name: sorted(map(_comparable, session.rows(f"SELECT * FROM {database.table(name)}")))
            for name in database.scripts.columns()
        }


def _comparable(row: tuple) -> tuple:
    return tuple(f"{type(one).__name__} {one!r}" for one in row)
