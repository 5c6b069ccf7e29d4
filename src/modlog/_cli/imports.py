"""Loading history from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import click
from attrs import define, evolve

from modlog._cli.calling import NO, complain, options, print_json
from modlog._cli.escaping import visible_json
from modlog._errors import ImportRejectedError, InvalidInputError
from modlog._services.adoption.outcomes import AdoptOutcome
from modlog._services.import_outcomes import IngestOutcome, OnRefused, Rejection
from modlog._services.ledger import open_ledger
from modlog._services.lines import opened, records

# So many rejected lines are told at once; a file takes them all.
_TOLD: Final = 10
# What other systems write, each read by the module of its name in `modlog.importers`.
_FORMATS: Final = ("mastodon", "mediawiki", "ozone")


@click.command("import")
@click.argument("file")
@options
@click.option(
    "--from",
    "of",
    type=click.Choice(_FORMATS),
    help="FILE is what this system writes down of its moderation, not records.",
)
@click.option("--batch", metavar="NAME", help="Name of the import in its events.")
@click.option(
    "--chunk",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Records a transaction.",
)
@click.option(
    "--create", is_flag=True, help="Begin a ledger in the --schema if it is not there yet."
)
@click.option("--strict", is_flag=True, help="Stop at the first record that is rejected.")
@click.option(
    "--on-refused",
    type=click.Choice(["reject", "note"]),
    help="What becomes of a record that the state of its account refuses; reject by default, and "
    "with --from note.",
)
@click.option(
    "--rejected",
    "rejected_path",
    metavar="FILE",
    help="Write rejected records here, with line and reason, as JSON lines.",
)
def import_(
    *,
    file: str,
    url: str,
    schema: str | None,
    as_json: bool,
    of: str | None,
    batch: str | None,
    chunk: int,
    create: bool,
    strict: bool,
    on_refused: OnRefused | None,
    rejected_path: str | None,
) -> None:
    """Load history from FILE.

    A line of FILE is one record in JSON; FILE may be gzipped, and - is standard input. Records
    are decided in order, a chunk a transaction. One that cannot be taken is rejected and the
    rest goes on; the exit code is then 1. Records with a key are decided only once, however
    often they are loaded. An export in JSON Lines is taken as it is.

    With --from, FILE is the block log of a wiki, the audit log of a Mastodon server, or the
    moderation events of Bluesky's Ozone, as these systems write them.

    Example: modlog import history.jsonl.gz --db moderation.db --rejected rejected.jsonl

    Example: modlog import blocks.json --from mediawiki --db wiki.db
    """
    check_rejected_path(file, rejected_path)
    with (
        opened(file) as (raw, text),
        open_ledger(url, schema=schema, create=create) as log,
        writable(rejected_path) as rejects,
        bar_of(raw) as move,
    ):
        watch = Watch(move, rejects)
        try:
            outcome = log.ingest_numbered(
                _read(text, of),
                batch,
                chunk,
                watch,
                strict,
                on_refused=on_refused or ("note" if of else "reject"),
            )
        except ImportRejectedError:
            raise  # tells it all
        except BaseException:
            watch.tell_how_far()
            raise
    if as_json:
        told = evolve(outcome, rejected=[]).as_dict()
        print_json({**told, "rejected": len(outcome.rejected)})
    else:
        from modlog._cli import terminal

        terminal.show(terminal.summary(outcome))
    if outcome.rejected:
        if not rejected_path:
            tell_rejected(outcome.rejected)
        click.get_current_context().exit(NO)


def _read(text: BinaryIO, of: str | None) -> Iterator[tuple[int, object]]:
    if of is None:
        return records(text)
    from modlog.importers import mastodon, mediawiki, ozone

    readers = {
        "mastodon": mastodon.numbered,
        "mediawiki": mediawiki.numbered,
        "ozone": ozone.numbered,
    }
    return readers[of](text)


def check_rejected_path(file: str, rejected_path: str | None) -> None:
    """Refuse to write rejected records over those that are read."""
    if rejected_path and Path(rejected_path).exists() and Path(rejected_path).samefile(file):
        raise InvalidInputError(f"{rejected_path} is the file that is read: name another")


@contextmanager
def writable(path: str | None) -> Iterator[BinaryIO | None]:
    """The file for rejected records, if there is to be one."""
    if path is None:
        yield None
        return
    with Path(path).open("wb") as file:
        yield file


@contextmanager
def bar_of(
    raw: BinaryIO | None, what: str = "importing", of: str = "records"
) -> Iterator[Callable[[Any], None]]:
    """Shows how much of what is read is through, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from modlog._cli import terminal

    with terminal.import_bar(raw, what, of) as move:
        yield move


@define
class Watch:
    """Follows an import or adoption, chunk by chunk, and writes down what was rejected."""

    move: Callable[[Any], None]
    rejects: BinaryIO | None
    last: Any = None
    written: int = 0

    def __call__(self, outcome: IngestOutcome | AdoptOutcome) -> None:
        self.last = outcome
        self.move(outcome)
        if self.rejects:
            for one in outcome.rejected[self.written :]:
                self.rejects.write(f"{visible_json(_rejection_data(one))}\n".encode())
            self.rejects.flush()
            self.written = len(outcome.rejected)

    def tell_how_far(self) -> None:
        """What an import that ends before its time leaves behind."""
        recorded = self.last.recorded if self.last else 0
        complain(
            f"the import stopped; {recorded:,} records before that are recorded. "
            "Loading the file again skips those that have a key"
        )


def _rejection_data(rejection: Rejection) -> Mapping[str, object]:
    # The record as it was read, so that it can be mended and loaded again.
    fields = {**evolve(rejection, record=None).as_dict(), "record": rejection.record}
    return fields if fields.pop("known") is False else {**fields, "known": True}


def tell_rejected(rejected: list[Rejection]) -> None:
    """The first rejected records, and how many more there are."""
    for one in rejected[:_TOLD]:
        before = " before" if one.known else ""
        complain(f"line {one.line} rejected{before}: {one.reason}")
    if len(rejected) > _TOLD:
        complain(f"{len(rejected) - _TOLD:,} more rejected; --rejected FILE writes down all")
