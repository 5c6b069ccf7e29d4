"""Proofs and bundles, from the command line: what a ledger gives out, and what checks it alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from modlog._cli.acting import bar
from modlog._cli.calling import options, print_json, reading
from modlog._cli.escaping import visible
from modlog._cli.evidence import of_signers
from modlog._domain.selection import Selection
from modlog._domain.values import instant_text
from modlog._errors import InvalidInputError
from modlog._services.evidence.bundles import BundleOutcome, verify_bundle
from modlog._services.evidence.proofs import ProvenEvent, ProvenGrowth
from modlog._services.evidence.proofs import verify_proof as checked_proof
from modlog._services.evidence.receipts import PARTS
from modlog._services.evidence.witnessing import witness as cosign
from modlog._services.putting import named, put_in_place

_JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for programs.")


@click.command()
@click.argument("position", type=int, required=False)
@click.option("--older", metavar="CHECKPOINT", help="Prove that the log went on from it.")
@click.option(
    "--withhold",
    type=click.Choice(PARTS),
    multiple=True,
    help="A part of the event that is not shown; may be repeated.",
)
@click.option("--checkpoint", metavar="FILE", help="Under this one, not the newest in the ledger.")
@click.option("-o", "--output", metavar="FILE", help="The file; it is printed if left out.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@options
def prove(
    *,
    position: int | None,
    older: str | None,
    withhold: Iterable[str],
    checkpoint: str | None,
    output: str | None,
    force: bool,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Prove that an event is in the log.

    The proof is a receipt: modlog verify-proof checks it without the ledger, as does whatever reads
    C2SP's tlog-proof. With --older CHECKPOINT and no POSITION it proves that the log begins with
    the events of that one, and is what a witness is given.

    Example: modlog prove 1 -o mine.tlog-proof
    """
    under = None if checkpoint is None else Path(checkpoint)
    with reading(url, schema) as log:
        if position is not None and older is None:
            outcome = log.prove(position, withhold=[*withhold], checkpoint=under)
        elif older is not None and position is None and not withhold:
            outcome = log.prove_consistency(Path(older), checkpoint=under)
        else:
            raise InvalidInputError("prove takes the POSITION of an event, or --older CHECKPOINT")
    if output is not None:
        _write(output, outcome.text, force=force)
    if as_json:
        print_json(outcome.as_dict())
    elif output is None:
        click.echo(outcome.text, nl=False)
    else:
        click.echo(
            f"wrote {visible(output)}, under the checkpoint of {outcome.size:,} events of "
            f"{visible(outcome.origin)}"
        )


def _write(path: str, text: str, *, force: bool) -> None:
    with named(path), put_in_place(Path(path), force=force) as part:
        part.write_text(text, encoding="utf-8")


@click.command("verify-proof")
@click.argument("path", metavar="PROOF")
@click.option(
    "--key", "key_file", metavar="KEY", required=True, help="File of the ledger's public key, .pub."
)
@click.option(
    "--checkpoint", metavar="FILE", help="For a proof that the log went on: from this checkpoint."
)
@of_signers
@_JSON
def verify_proof(
    *,
    path: str,
    key_file: str,
    checkpoint: str | None,
    witnesses: Iterable[str],
    quorum: int | None,
    as_json: bool,
) -> None:
    """Check a proof or a bundle without the ledger.

    PROOF is a file of modlog prove, or a folder of modlog export --format tlog. The exit code is 0
    if it is right, 1 if it is wrong, and 2 if it could not be checked.

    Example: modlog verify-proof receipt.tlog-proof --key ledger.key.pub
    """
    found: BundleOutcome | ProvenEvent | ProvenGrowth
    if Path(path).is_dir():
        with bar("to verify", "events") as move:
            found = verify_bundle(
                path, key_file, witnesses=[*witnesses], quorum=quorum, progress=move
            )
    else:
        found = checked_proof(
            Path(path),
            key_file,
            checkpoint=None if checkpoint is None else Path(checkpoint),
            witnesses=[*witnesses],
            quorum=quorum,
        )
    if as_json:
        print_json(found.as_dict())
    elif isinstance(found, ProvenEvent):
        for line in _told(found):
            click.echo(visible(line))
    elif isinstance(found, ProvenGrowth):
        click.echo(
            f"right: the log of {visible(found.origin)} with {found.size:,} events begins with the "
            f"{found.old_size:,} of that checkpoint"
        )
    else:
        click.echo(
            f"right: {found.size:,} events of {visible(found.origin)}, with "
            f"{found.checkpoints:,} earlier checkpoints"
        )


def _told(event: ProvenEvent) -> Iterable[str]:
    yield f"right: position {event.position:,} of {event.origin} has"
    yield f"  {event.type}, version {event.version:,}"
    yield f"  recorded {instant_text(event.recorded_at)}"
    if event.occurred_at != event.recorded_at:
        yield f"  occurred {instant_text(event.occurred_at)}"
    if event.stream:
        yield f"  of {event.stream[0]} {event.stream[1]}"
    for name, value in (event.act or {}).items():
        if value is not None and name not in ("recorded_at", "type", "schema"):
            yield f"  {name} {value}"
    for name, value in event.data.items():
        yield f"  {name} {value}"
    if event.withheld:
        yield f"  not shown: {', '.join(event.withheld)}"
    if event.seen_at:
        yield f"  a witness saw it {instant_text(event.seen_at)}"


@click.command()
@click.argument("proof")
@click.option("--key", "key_file", metavar="KEY", required=True, help="File of the witness's key.")
@click.option("--of", "ledger", metavar="KEY", required=True, help="The ledger's public key.")
@click.option("--state", metavar="FOLDER", required=True, help="Where it keeps what it saw.")
@click.option("-o", "--output", metavar="FILE", help="The cosigned checkpoint; else it is printed.")
@_JSON
def witness(
    *, proof: str, key_file: str, ledger: str, state: str, output: str | None, as_json: bool
) -> None:
    """Cosign a checkpoint of another's ledger.

    PROOF is what modlog prove --older wrote, from the checkpoint that was cosigned last; the first
    time a checkpoint. A log that shrank or was forked is refused, with exit code 1.

    Example: modlog witness checkpoint --key witness.key --of ledger.key.pub --state seen
    """
    outcome = cosign(Path(proof), key_file, ledger, state)
    if output is not None:
        _write(output, outcome.note, force=True)
    if as_json:
        print_json(outcome.as_dict())
    elif output is None:
        click.echo(outcome.note, nl=False)
    else:
        click.echo(
            f"cosigned {outcome.size:,} events of {visible(outcome.origin)}, "
            f"{outcome.old_size:,} of which were seen before"
        )


def export_bundle(
    url: str,
    schema: str | None,
    selection: Selection,
    output: str,
    keys: Sequence[str],
    *,
    limit: int | None,
    as_json: bool,
) -> None:
    """Write all that is sealed to a folder."""
    if output == "-" or limit is not None or selection != Selection():
        raise InvalidInputError(
            "--format tlog writes all that is sealed to a folder, -o FOLDER, with no choice"
        )
    with reading(url, schema) as log, bar("to bundle", "events") as move:
        outcome = log.bundle(output, keys=keys, progress=move)
    if as_json:
        print_json(outcome.as_dict())
        return
    click.echo(
        f"{visible(output)} has {outcome.size:,} events of {visible(outcome.origin)}, "
        f"{outcome.added:,} of them new"
    )
