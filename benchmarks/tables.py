"""From results to the table: medians, ratios of turns that lay side by side, and targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, Final

from benchmarks.investigations import FILL, QUESTIONS
from benchmarks.investigations import SYSTEMS as ASKED_SYSTEMS
from benchmarks.places import STORES
from benchmarks.running import GROWING, LARGEST, OPERATIONS, Result
from benchmarks.systems import PEERS, SYSTEMS, TOGETHER
from benchmarks.targets import PEER_TARGETS, TARGETS, Target
from benchmarks.worker import GROWTH, WAVE

MEMORY_MB: Final = 300
MOST_GROWTH: Final = 2
# Of its speed at the beginning, what an import keeps as a real log grows.
LEAST_KEPT: Final = 0.75
# So short, or so small, that memory says nothing.
_WITHOUT_MEMORY: Final = (
    *("command", "writers", "aio", "aio_tasks"),
    *("history", "actor", "size", "real"),
)
_OTHERS: Final = tuple(name for name in SYSTEMS if name not in PEERS)
BY_HAND: Final = "†"


class Results:
    """The results of one run, by operation, system and store."""

    def __init__(self, results: Iterable[Result]) -> None:
        self._found: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
        self._grown: dict[tuple[str, str, str, int], list[float]] = defaultdict(list)
        self._durability: dict[str, set[str]] = defaultdict(set)
        for result in results:
            if result["durability"]:
                self._durability[result["store"]].add(result["durability"])
            if result["operation"] in {GROWTH, WAVE}:
                self._add_growth(result)
            else:
                key = (result["operation"], result["system"], result["store"])
                self._found[key].append(result)

    def _add_growth(self, result: Result) -> None:
        for name, part in result["parts"].items():
            key = (name, result["system"], result["store"], result["log"])
            self._grown[key].append(part["seconds"] / part["count"])

    def of(self, operation: str, store: str) -> list[Result]:
        """What was measured of modlog, round by round."""
        return self._found[operation, "modlog", store]

    def rates(self, operation: str, system: str, store: str) -> list[float]:
        """How many a second, round by round."""
        found = sorted(self._found[operation, system, store], key=lambda one: one["round"])
        return [one["count"] / one["seconds"] for one in found if one["seconds"]]

    def quickest(self, operation: str, system: str, store: str) -> Result | None:
        """The round that others on the machine disturbed least."""
        return min(
            self._found[operation, system, store], key=lambda one: one["seconds"], default=None
        )

    def by_hand(self, operation: str, system: str, store: str) -> bool:
        """Whether the system has no such operation, so that its user's code was measured."""
        return any(one.get("by_hand") for one in self._found[operation, system, store])

    def bytes_of_event(self, system: str, store: str) -> float | None:
        """How much room an event takes, with all that belongs to it."""
        found = self._found["size", system, store]
        return found[0]["size"] / found[0]["count"] if found else None

    def costs(self, operation: str, store: str, system: str = "modlog") -> dict[int, float]:
        """The median seconds that an operation takes, by the size of the log."""
        return {
            log: median(seconds)
            for (*key, log), seconds in sorted(self._grown.items())
            if key == [operation, system, store]
        }

    def growth(self, operation: str, store: str) -> float | None:
        """The most memory that modlog took, in megabytes."""
        found = self._found[operation, "modlog", store]
        return max((one["growth_mb"] for one in found if one["growth_mb"]), default=None)

    def ratios(self, target: Target) -> list[float]:
        """modlog's speed over the other's, round by round: each turn by its neighbour."""
        ours = self.rates(target.operation, "modlog", target.store)
        operation, system = target.versus
        theirs = self.rates(operation, system, target.store)
        return [one / other for one, other in zip(ours, theirs, strict=False)]

    def times(self, operation: str, system: str, store: str) -> float | None:
        """How many times as fast as another system modlog was."""
        ratios = self.ratios(Target(operation, store, (operation, system), 1.0))
        return median(ratios) if ratios else None

    def durability(self) -> dict[str, list[str]]:
        """What each kind of database said of itself."""
        return {store: sorted(texts) for store, texts in self._durability.items()}


def markdown(results: Results, facts: dict[str, Any]) -> str:
    """Everything, as Markdown."""
    tables = (
        _rates_table,
        _targets_table,
        _peers_table,
        _peer_targets_table,
        _growth_table,
        _largest_table,
        _sizes_table,
        _real_table,
        _memory_table,
    )
    made = (table(results) for table in tables)
    return "\n\n".join([*(table for table in made if table), _footnotes(results, facts)])


def investigated(results: Results, facts: dict[str, Any]) -> str:
    """Questions about the past of a large log, as Markdown; empty if none were asked."""
    rows = []
    for name, question in QUESTIONS.items():
        for store in STORES:
            one, floor = (
                results.quickest(f"{name} {FILL}", system, store) for system in ASKED_SYSTEMS
            )
            if one:
                met = question.is_met(one["count"], one["seconds"])
                rows.append(
                    [
                        question.what,
                        store,
                        f"{one['count']:,} {question.unit}",
                        f"{one['seconds']:,.2f} s",
                        f"{one['count'] / one['seconds']:,.0f}",
                        question.target(),
                        "–" if met is None else "yes" if met else "no",
                        f"{floor['count'] / floor['seconds']:,.0f}" if floor else "–",
                        f"{one['growth_mb']:,.0f} MB",
                    ]
                )
    if not rows:
        return ""
    head = [
        "question",
        "store",
        "found",
        "took",
        "a second",
        "target",
        "met",
        "the floor",
        "memory",
    ]
    words = "The quickest round of each; the floor is a second, too:\n\n"
    return words + _table(head, rows) + "\n\n" + _footnotes(results, facts)


def summary(results: Results) -> str:
    """In short, for those who have not yet decided to read more."""
    rows = []
    for name in ("command", "create", "sweep", "undo", "as_of", "replay"):
        for store in STORES:
            rates = results.rates(name, "modlog", store)
            if not rates:
                continue
            beside_peers = [
                times for peer in PEERS if (times := results.times(name, peer, store)) is not None
            ]
            beside = (
                results.times(name, "eventsourcing", store),
                min(beside_peers, default=None),
                results.times(name, "floor", store),
            )
            operation = OPERATIONS[name]
            cells = ["–" if times is None else f"{times:.2g} ×" for times in beside]
            rows.append([operation.what, store, f"{median(rates):,.0f} {operation.unit}", *cells])
    head = ["", "store", "a second", "eventsourcing", "fastest of four others", "the floor"]
    return _table(head, rows)


def _rates_table(results: Results) -> str:
    rows = []
    for name, operation in OPERATIONS.items():
        for store in operation.stores:
            rates = [results.rates(name, system, store) for system in _OTHERS]
            if any(rates):
                cells = [f"{median(found):,.0f}" if found else "–" for found in rates]
                rows.append([operation.what, store, operation.unit, *cells])
    if not rows:
        return ""
    words = (
        f"A second, medians. {TOGETHER}: eventsourcing as a competent user would write it, with "
        "500 aggregates saved in one transaction.\n\n"
    )
    return words + _table(["operation", "store", "unit", *_OTHERS], rows)


def _peers_table(results: Results) -> str:
    rows = []
    for name, operation in OPERATIONS.items():
        for store in operation.stores:
            if any(results.rates(name, peer, store) for peer in PEERS):
                ours = results.rates(name, "modlog", store)
                cells = [_peer_cell(results, name, peer, store) for peer in PEERS]
                rows.append(
                    [operation.what, store, f"{median(ours):,.0f}" if ours else "–", *cells]
                )
    if not rows:
        return ""
    words = (
        "A second, medians; in brackets how many times as fast modlog was. "
        f"{BY_HAND} it has no such operation: the shortest code that its user would write.\n\n"
    )
    return words + _table(["operation", "store", "modlog", *PEERS], rows)


def _peer_cell(results: Results, operation: str, peer: str, store: str) -> str:
    rates = results.rates(operation, peer, store)
    if not rates:
        return "–"
    mark = BY_HAND if results.by_hand(operation, peer, store) else ""
    times = results.times(operation, peer, store)
    return f"{median(rates):,.0f}{mark}" + (f" ({times:.2g} ×)" if times else "")


def _targets_table(results: Results) -> str:
    return _compared("modlog beside the others", TARGETS, results)


def _peer_targets_table(results: Results) -> str:
    return _compared("modlog beside what keeps versions of rows", PEER_TARGETS, results)


def _compared(title: str, targets: Sequence[Target], results: Results) -> str:
    rows, known = [], OPERATIONS
    for target in targets:
        ratios = results.ratios(target)
        if not ratios:
            continue
        operation, system = target.versus
        versus = system if operation == target.operation else known[operation].what
        middle = median(ratios)
        rows.append(
            [
                known[target.operation].what,
                target.store,
                versus,
                f"{middle:.2f}",
                f"{min(ratios):.2f} – {max(ratios):.2f}",
                f"{target.at_least:.2g}",
                "yes" if middle >= target.at_least else "no",
            ]
        )
    if not rows:
        return ""
    head = ["modlog", "store", "times the speed of", "median", "range", "target", "met"]
    return f"{title}:\n\n" + _table(head, rows)


def _growth_table(results: Results) -> str:
    rows = []
    for name, what in GROWING.items():
        for store in STORES:
            costs = results.costs(name, store)
            if costs:
                met = "yes" if _growth(costs) <= MOST_GROWTH else "no"
                floor = results.costs(name, store, "floor")
                rows.append([what, store, *_growth_cells(costs), met, *_growth_cells(floor)])
    if not rows:
        return ""
    by_log, ratio = "cost by events in the log", "largest / smallest"
    head = ["operation", "store", by_log, ratio, "met", "the floor's cost", ratio]
    return f"Cost in logs of different sizes (target: within {MOST_GROWTH} times):\n\n" + _table(
        head, rows
    )


def _growth(costs: dict[int, float]) -> float:
    return costs[max(costs)] / costs[min(costs)]


def _growth_cells(costs: dict[int, float]) -> list[str]:
    if not costs:
        return ["–", "–"]
    by_log = (f"{log:,}: {1000 * cost:,.2f} ms" for log, cost in costs.items())
    return ["; ".join(by_log), f"{_growth(costs):.2f}"]


def _largest_table(results: Results) -> str:
    rows = []
    for name, what in LARGEST.items():
        for store in STORES:
            for one in results.of(f"{name} {GROWTH}", store):
                a_second, memory = one["count"] / one["seconds"], one["growth_mb"]
                rows.append(
                    [what, store, f"{one['count']:,}", f"{a_second:,.0f}", f"{memory:,.0f} MB"]
                )
    if not rows:
        return ""
    head = ["operation", "store", "events", "events a second", "growth of memory"]
    return f"The largest of these logs (target: under {MEMORY_MB} MB):\n\n" + _table(head, rows)


def _sizes_table(results: Results) -> str:
    rows = []
    for store in STORES:
        sizes = [results.bytes_of_event(system, store) for system in SYSTEMS]
        if any(sizes):
            rows.append([store, *(f"{size:,.0f}" if size else "–" for size in sizes)])
    if not rows:
        return ""
    return "Bytes of an event, with indexes and current state:\n\n" + _table(
        ["store", *SYSTEMS], rows
    )


def _real_table(results: Results) -> str:
    rows = []
    for store in STORES:
        found = results.of("real", store)
        if not found:
            continue
        first, last = (
            [one["parts"][name]["count"] / one["parts"][name]["seconds"] for one in found]
            for name in ("first_fifth", "last_fifth")
        )
        kept = median(late / early for early, late in zip(first, last, strict=True))
        rows.append(
            [
                store,
                f"{found[0]['count']:,}",
                *(
                    f"{median(rates):,.0f}"
                    for rates in (results.rates("real", "modlog", store), first, last)
                ),
                f"{kept:.2f}",
                f"{found[0]['size'] / found[0]['answer']['events']:,.0f}",
                f"{max(one['growth_mb'] for one in found):,.0f} MB",
            ]
        )
    if not rows:
        return ""
    kept = f"last / first (target: {LEAST_KEPT})"
    rates = ["a second", "first fifth", "last fifth"]
    head = ["store", "records", *rates, kept, "bytes of an event", "growth of memory"]
    return "Import of a real block log:\n\n" + _table(head, rows)


def _memory_table(results: Results) -> str:
    rows = []
    for name, operation in OPERATIONS.items():
        for store in operation.stores:
            growth = results.growth(name, store)
            if growth is not None and name not in _WITHOUT_MEMORY:
                rows.append([operation.what, store, f"{growth:,.0f} MB"])
    if not rows:
        return ""
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
