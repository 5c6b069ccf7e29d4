"""From results to the table: medians, ratios of turns that lay side by side, and targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Final

from attrs import frozen

from benchmarks.running import OPERATIONS, Result
from benchmarks.systems import SYSTEMS

MEMORY_MB: Final = 300


@frozen
class Target:
    """At least so many times the speed of something else in the same run."""

    operation: str
    store: str
    versus: tuple[str, str]  # operation and system
    at_least: float


TARGETS: Final = (
    Target("command", "sqlite", ("command", "eventsourcing"), 1.5),
    Target("command", "postgres", ("command", "eventsourcing"), 2.0),
    Target("command", "sqlite", ("command", "floor"), 1 / 3),
    Target("command", "postgres", ("command", "floor"), 1 / 3),
    Target("writers", "postgres", ("command", "modlog"), 1.3),
    Target("ingest", "sqlite", ("ingest", "floor"), 0.6),
    Target("ingest", "postgres", ("ingest", "floor"), 0.6),
    Target("replay", "sqlite", ("replay", "eventsourcing"), 2.0),
    Target("replay", "postgres", ("replay", "eventsourcing"), 2.0),
)


class Results:
    """The results of one run, by operation, system and store."""

    def __init__(self, results: Iterable[Result]) -> None:
        self._found: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
        for result in results:
            self._found[result["operation"], result["system"], result["store"]].append(result)

    def rates(self, operation: str, system: str, store: str) -> list[float]:
        """How many a second, round by round."""
        found = sorted(self._found[operation, system, store], key=lambda one: one["round"])
        return [one["count"] / one["seconds"] for one in found]

    def growth(self, operation: str, store: str) -> float | None:
        """The most memory that modlog took, in megabytes."""
        return max(
            (one["growth_mb"] for one in self._found[operation, "modlog", store]), default=None
        )

    def ratios(self, target: Target) -> list[float]:
        """modlog's speed over the other's, round by round: each turn by its neighbour."""
        ours = self.rates(target.operation, "modlog", target.store)
        operation, system = target.versus
        theirs = self.rates(operation, system, target.store)
        return [one / other for one, other in zip(ours, theirs, strict=False)]

    def durability(self) -> dict[str, list[str]]:
        """What each kind of database said of itself."""
        said: dict[str, set[str]] = defaultdict(set)
        for (_, _, store), found in self._found.items():
            said[store].update(one["durability"] for one in found if one["durability"])
        return {store: sorted(texts) for store, texts in said.items()}


def markdown(results: Results, facts: dict[str, Any]) -> str:
    """Everything, as Markdown."""
    tables = (_rates_table, _targets_table, _memory_table)
    return "\n\n".join([*(table(results) for table in tables), _footnotes(results, facts)])


def _rates_table(results: Results) -> str:
    rows = []
    for name, operation in OPERATIONS.items():
        for store in operation.stores:
            rates = [results.rates(name, system, store) for system in SYSTEMS]
            if any(rates):
                cells = [f"{median(found):,.0f}" if found else "–" for found in rates]
                rows.append([operation.what, store, *cells])
    return "A second, medians:\n\n" + _table(["operation", "store", *SYSTEMS], rows)


def _targets_table(results: Results) -> str:
    rows = []
    for target in TARGETS:
        ratios = results.ratios(target)
        if not ratios:
            continue
        operation, system = target.versus
        versus = system if operation == target.operation else OPERATIONS[operation].what
        middle = median(ratios)
        rows.append(
            [
                OPERATIONS[target.operation].what,
                target.store,
                versus,
                f"{middle:.2f}",
                f"{min(ratios):.2f} – {max(ratios):.2f}",
                f"{target.at_least:.2g}",
                "yes" if middle >= target.at_least else "no",
            ]
        )
    head = ["modlog", "store", "times the speed of", "median", "range", "target", "met"]
    return "modlog beside the others:\n\n" + _table(head, rows)


def _memory_table(results: Results) -> str:
    rows = []
    for name, operation in OPERATIONS.items():
        for store in operation.stores:
            growth = results.growth(name, store)
            if growth is not None and name not in ("command", "writers"):
                rows.append([operation.what, store, f"{growth:,.0f} MB"])
    return f"Growth of modlog's memory at its peak (target: under {MEMORY_MB} MB):\n\n" + _table(
        ["operation", "store", "growth"], rows
    )


def _footnotes(results: Results, facts: dict[str, Any]) -> str:
    durability = "; ".join(
        f"{store} {' / '.join(said)}" for store, said in results.durability().items()
    )
    named = ", ".join(f"{name} {value}" for name, value in facts.items() if value is not None)
    return f"Durability: {durability}.\n\nMeasured with: {named}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
