"""Statements for the DSA Transparency Database as a file: each line is the body of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO, Final

import orjson
from attrs import define, frozen

from modlog._domain.selection import Selection
from modlog._services.forensics.dsa.records import DsaRecord
from modlog._services.ledger import ModLog

# As many statements as the database takes in one request.
BATCH: Final = 100


@frozen(kw_only=True)
class DsaOutcome:
    """What was written.

    Attributes:
        statements: how many.
        batches: the requests that they make, each of 100 statements but for the last.
        incomplete: how many decisions lack something, and were not written.
    """

    statements: int
    batches: int
    incomplete: int


def write(
    log: ModLog,
    selection: Selection,
    file: BinaryIO,
    policies: Mapping[str, Any],
    lacking: Callable[[DsaRecord], object],
) -> DsaOutcome:
    """Write the statements that can be sent, and tell of each that cannot.

    Args:
        log: the ledger.
        selection: the events.
        file: where they go, open for bytes.
        policies: as `ModLog.dsa` takes them.
        lacking: called with each decision that lacks something.
    """
    sorting = _Sorting(log.dsa(selection, policies=policies), lacking)
    statements, batches, rest = 0, 0, iter(sorting)
    while batch := list(islice(rest, BATCH)):
        file.write(orjson.dumps({"statements": batch}) + b"\n")
        statements, batches = statements + len(batch), batches + 1
    return DsaOutcome(statements=statements, batches=batches, incomplete=sorting.incomplete)


def told(record: DsaRecord) -> str:
    """What a decision lacks, in a line."""
    missing = [f"missing {', '.join(record.missing)}"] if record.missing else []
    place = f"position {record.position:,}, account {record.account_id}, version {record.version}"
    return f"{place}, policy {record.policy or 'none'}: {'; '.join((*missing, *record.wrong))}"


@define
class _Sorting:
    """The complete statements among records, and the number of the others."""

    records: Iterator[DsaRecord]
    lacking: Callable[[DsaRecord], object]
    incomplete: int = 0

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for one in self.records:
            if one.complete:
                yield one.statement
            else:
                self.incomplete += 1
                self.lacking(one)
