"""The log from the command line, as `git log` shows a history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice

import click
from attrs import frozen

from modlog._cli.answers import event_data, instant_of, name_of
from modlog._cli.calling import cut_to_terminal, json_text, options, reading, tell
from modlog._cli.escaping import visible
from modlog._cli.selecting import selecting
from modlog._domain.events import RecordedEvent
from modlog._domain.selection import Selection
from modlog._services.ledger import ModLog
from modlog._storage.acts import Act


@frozen
class Entry:
    """What is shown as one: a batch's acts that follow each other, or an act without a batch.

    Attributes:
        first: the first of its events.
        last: the position of the last of them.
        types: how many events of each type it has.
        actors: how many events each actor has, who is named as kind and id; the most first.
        reasons: how many different reasons there are, with the policies and tickets beside them.
    """

    first: RecordedEvent
    last: int
    types: Mapping[str, int]
    actors: Mapping[str, int]
    reasons: int = 1

    @classmethod
    def of(cls, acts: Iterable[Act]) -> Entry:
        """The entry of acts that belong together."""
        inside = sorted(acts, key=lambda act: act.first.position)
        types: Counter[str] = Counter()
        actors: Counter[str] = Counter()
        for act in inside:
            types[act.first.type] += act.events
            actors[name_of(act.first.actor)] += act.events
        reasons = {(a.first.reason, a.first.policy, a.first.correlation_id) for a in inside}
        last = max(act.last for act in inside)
        return cls(inside[0].first, last, types, dict(actors.most_common()), len(reasons))


@click.command()
@selecting
@click.option("--limit", "-n", type=click.IntRange(min=1), help="So many entries at most.")
@click.option("--reverse", is_flag=True, help="The first entries of the log first.")
@click.option("--events", is_flag=True, help="Each event by itself, not acts and batches.")
@click.option("--oneline", is_flag=True, help="A line an entry.")
@click.option("--follow", "-f", is_flag=True, help="Go on with each event as it is recorded.")
@options
def log(
    *,
    selection: Selection,
    limit: int | None,
    reverse: bool,
    events: bool,
    oneline: bool,
    follow: bool,
    url: str,
    schema: str | None,
    as_json: bool,
) -> None:
    """Show what was recorded, the newest first.

    An entry is an act, or a batch; with --events it is one event.

    Example: modlog log --actor human:wan --since "2 hours ago"
    """
    with reading(url, schema) as ledger:
        if follow:
            entries: Iterator[Entry] = map(
                _alone, ledger.subscribe(after=ledger.head, selection=selection)
            )
        elif events:
            entries = map(_alone, ledger.events(selection, newest_first=not reverse))
        else:
            entries = _acts(ledger, selection, newest_first=not reverse)
        written = _in_json if as_json else _in_a_line if oneline else _in_full
        texts = map(written, islice(entries, limit))
        if follow or as_json:
            for text in texts:
                click.echo(text)
        else:
            tell(texts)


def _alone(event: RecordedEvent) -> Entry:
    return Entry(event, event.position, {event.type: 1}, {name_of(event.actor): 1})


def _acts(ledger: ModLog, selection: Selection, newest_first: bool) -> Iterator[Entry]:
    def together(act: Act) -> tuple[str | None, int]:
        batch = act.first.batch_id
        return batch, 0 if batch else act.first.position

    for _, acts in groupby(ledger.acts(selection, newest_first=newest_first), together):
        yield Entry.of(acts)


def _in_json(entry: Entry) -> str:
    return json_text(
        {
            **event_data(entry.first),
            "last": entry.last,
            "types": entry.types,
            "actors": entry.actors,
        }
    )


def _in_a_line(entry: Entry) -> str:
    event = entry.first
    whose = event.account_id if entry.last == event.position else event.batch_id
    said = (
        f"{event.position:>9}  {instant_of(event.occurred_at)}Z  {_types(entry)}",
        _actors(entry, 1),
        whose,
        event.reason if entry.reasons == 1 else f"{entry.reasons:,} reasons",
    )
    return cut_to_terminal("  ".join(visible(one) for one in said if one))


def _in_full(entry: Entry) -> str:
    from modlog._cli import terminal

    whole = terminal.entry(entry.first, entry.last, _types(entry), _actors(entry, 3), entry.reasons)
    return terminal.rendered(whole)


def _actors(entry: Entry, shown: int) -> str:
    more = len(entry.actors) - shown
    names = ", ".join(islice(entry.actors, shown))
    return names if more < 1 else f"{names} and {more:,} more"


def _types(entry: Entry) -> str:
    return ", ".join(
        type_name if number == 1 else f"{type_name} × {number:,}"
        for type_name, number in entry.types.items()
    )
