"""Statements for the DSA Transparency Database as a file: each line is the body of a request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, BinaryIO, Final

import click
import orjson
from attrs import define, frozen

from modlog._cli.calling import NO, complain, print_json
from modlog._cli.escaping import visible
from modlog._cli.mappings import mapping_from
from modlog._domain.jsonable import Jsonable
from modlog._domain.selection import Selection
from modlog._services.exports.outputs import output
from modlog._services.forensics.dsa.records import DsaRecord
from modlog._services.ledger import ModLog

# As many statements as the database takes in one request.
BATCH: Final = 100


@frozen(kw_only=True)
class DsaOutcome(Jsonable):
    """What was written.

    Attributes:
        statements: how many.
        batches: the requests that they make, each of 100 statements but for the last.
        incomplete: how many decisions lack something, and were not written.
    """

    statements: int
    batches: int
    incomplete: int


def export_statements(
    log: ModLog,
    selection: Selection,
    target: str | BinaryIO,
    policies: str,
    *,
    force: bool,
    limit: int | None,
    as_json: bool,
) -> None:
    """What `modlog export --format dsa` does.

    Each decision that lacks something is a line on standard error; the exit code is then 1.
    """
    mapping = mapping_from(policies)
    packed = isinstance(target, str) and target.lower().endswith(".gz")
    with output(target, force=force, packed=packed) as file:
        outcome = write(log, selection, file, mapping, _complain_of, limit=limit)
    if isinstance(target, str):
        _tell(outcome, target, as_json)
    if outcome.incomplete:
        click.get_current_context().exit(NO)


def _complain_of(record: DsaRecord) -> None:
    complain(told(record))


def _tell(outcome: DsaOutcome, name: str, as_json: bool) -> None:
    if as_json:
        print_json(outcome.as_dict())
        return
    click.echo(
        f"exported {outcome.statements:,} statements in {outcome.batches:,} requests to "
        f"{visible(name)}; {outcome.incomplete:,} lack something"
    )


def write(
    log: ModLog,
    selection: Selection,
    file: BinaryIO,
    policies: Mapping[str, Any],
    lacking: Callable[[DsaRecord], object],
    *,
    limit: int | None = None,
) -> DsaOutcome:
    """Write the statements that can be sent, and tell of each that cannot.

    Args:
        log: the ledger.
        selection: the events.
        file: where they go, open for bytes.
        policies: as `ModLog.dsa` takes them.
        lacking: called with each decision that lacks something.
        limit: at most so many decisions, the first ones.
    """
    sorting = _Sorting(islice(log.dsa(selection, policies=policies), limit), lacking)
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
