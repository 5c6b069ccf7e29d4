"""Wikipedia's block log, one line an action, as a batch of a ledger."""

from collections.abc import Iterator
from typing import Any

from modlog.importers import mediawiki


def records(source) -> Iterator[Any]:
    """The records of a path or of lines."""
    return mediawiki.records(source)


def load(log, path):
    """Load one file, as a batch named after it."""
    return log.ingest(records(path), batch_id=f"enwiki/{path.name}")
