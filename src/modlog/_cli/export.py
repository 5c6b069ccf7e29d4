"""The log as a file, for other programs."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable
from typing import BinaryIO, Final, Literal

import click
from attrs import define

from modlog._cli.acting import bar
from modlog._cli.calling import options, print_json, reading
from modlog._cli.dsa import export_statements
from modlog._cli.escaping import visible, visible_in_json
from modlog._cli.proofs import export_bundle
from modlog._cli.selecting import selecting
from modlog._domain.selection import Selection
from modlog._errors import InvalidInputError
from modlog._services.exports.exporting import FORMATS, Format

_FORMATS: Final = (*FORMATS, "dsa", "tlog")


@click.command()
@click.option(
    "-o", "--output", metavar="FILE", required=True, help="The file; - is standard output."
)
@click.option(
    "--format",
    type=click.Choice(_FORMATS),
    help="Of the file, where its name does not tell: .jsonl, .csv (.gz behind them), .parquet. "
    "With dsa, sanctions as statements for the DSA Transparency Database. With tlog, all that is "
    "sealed as a folder of tiles.",
)
@click.option(
    "--policies",
    metavar="FILE",
    help="For dsa: what the platform's policies mean, in TOML or JSON.",
)
@click.option(
    "--key",
    "keys",
    metavar="KEY",
    multiple=True,
    help="For tlog: the file of a public key that goes along; may be repeated.",
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@selecting
@click.option("--limit", "-n", type=click.IntRange(min=1), help="So many events at most.")
@options
def export(
    *,
    selection: Selection,
    output: str,
    format: Format | Literal["dsa", "tlog"] | None,
    policies: str | None,
    keys: Iterable[str],
    force: bool,
    limit: int | None,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Write events to a file: JSON Lines, CSV or Parquet.

    Each event is a row with its whole envelope, in the order of the log. The file has its name
    only once it is whole. modlog import takes an export in JSON Lines.

    With --format dsa deletions and suspensions become statements of reasons, a hundred a line.
    What lacks something is told, not written; the exit code is then 1.

    With --format tlog FILE is a folder, which gets the tree, its entries and all checkpoints, for
    other people's verifiers. modlog verify-proof checks it.

    Example: modlog export -o march.parquet --batch march
    """
    if format == "tlog":
        export_bundle(url, schema, selection, output, [*keys], limit=limit, as_json=as_json)
        return
    if keys:
        raise InvalidInputError("--key is for --format tlog")
    target = _standard_output(format) if output == "-" else output
    if format == "dsa" and policies is not None:
        with reading(url, schema) as log:
            export_statements(
                log, selection, target, policies, force=force, limit=limit, as_json=as_json
            )
        return
    if format == "dsa" or policies is not None:
        raise InvalidInputError("--format dsa and --policies FILE go together")
    if not isinstance(target, str):
        with reading(url, schema) as log:
            log.export(target, selection, format=format, limit=limit)
        return
    with reading(url, schema) as log, bar("to export", "positions") as move:
        outcome = log.export(
            output, selection, format=format, force=force, limit=limit, progress=move
        )
    if as_json:
        print_json(outcome.as_dict())
    else:
        click.echo(
            f"exported {outcome.events:,} events up to position {outcome.head:,} to "
            f"{visible(output)}"
        )


def _standard_output(format: str | None) -> BinaryIO:
    """Standard output: as it is for programs, with escapes for people.

    Raises:
        InvalidInputError: no format, or one that nobody can read.
    """
    if format is None:
        raise InvalidInputError(f"-o - needs --format, one of {', '.join(_FORMATS)}")
    stream = sys.stdout.buffer
    if not sys.stdout.isatty():
        return stream
    if format == "parquet":
        raise InvalidInputError("Parquet is nothing to look at: -o FILE writes it to a file")
    escaped = visible if format == "csv" else visible_in_json
    return _Terminal(stream, escaped)  # type: ignore[return-value]


@define(eq=False)
class _Terminal:
    """A terminal, which foreign text does not command."""

    stream: BinaryIO
    escaped: Callable[[str], str]

    def write(self, some: bytes) -> None:
        for line in io.StringIO(some.decode(), newline="\n"):
            self.stream.write(self.escaped(line.rstrip("\r\n")).encode() + b"\n")

    def writelines(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self.stream.flush()
