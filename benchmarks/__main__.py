"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Final

from benchmarks import investigations, machine
from benchmarks.places import POSTGRES, STORES, opened
from benchmarks.plot import plot
from benchmarks.real import BLOCK_LOG
from benchmarks.running import LOGS, OPERATIONS, Plan, Run
from benchmarks.systems import SYSTEMS
from benchmarks.tables import Results, investigated, markdown, summary

DOCS: Final = Path(__file__).parents[1] / "docs" / "explanation" / "performance.md"
README: Final = Path(__file__).parents[1] / "README.md"
_BEGIN: Final = "<!-- results: written by `python -m benchmarks --write-docs` -->"
_ASKED: Final = "<!-- investigations: written by `python -m benchmarks --write-docs` -->"
_END: Final = "<!-- end of results -->"


def main() -> int:
    options = _options()
    if options.show:
        _finish(_loaded(options.show), options)
        return 0
    if (busy := machine.busy()) > machine.MOST_BUSY and not options.anyway:
        print(
            f"the machine is busy ({busy:.0%} of its cores): measure when it is quiet, or "
            "with --anyway",
            file=sys.stderr,
        )
        return 1
    if "real" in options.operations and not BLOCK_LOG.exists():
        _tell(f"no real block log at {BLOCK_LOG}: its import is left out")
    plan = Plan(
        n=options.n,
        commands=options.commands,
        rounds=options.rounds,
        operations=tuple(options.operations),
        systems=_there(options.systems),
        stores=tuple(options.stores),
        lines=options.lines,
        logs=() if options.growth is None else tuple(options.growth) or LOGS,
        investigated=options.investigations,
    )
    _finish(_measured(plan, options.results, busy), options)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure modlog beside what a user would pick instead, on this machine, in "
        "one run, with the same durability. PostgreSQL is a server of the run's own, unless "
        f"{POSTGRES} names one.",
    )
    add = parser.add_argument
    add("--n", type=int, default=20_000, help="accounts, or events of a log (%(default)s)")
    add("--commands", type=int, default=1_000, help="durable commands a turn (%(default)s)")
    add("--lines", type=int, metavar="N", help="only so many lines of the real block log")
    add("--rounds", type=int, default=5, help="turns of each system (%(default)s)")
    for name, known in (("operations", OPERATIONS), ("systems", SYSTEMS), ("stores", STORES)):
        number = "*" if name == "operations" else "+"
        default = None if name == "systems" else list(known)
        add(f"--{name}", nargs=number, choices=known, default=default, metavar="NAME",
            help=f"only these of {', '.join(known)}")  # fmt: skip
    add("--growth", type=int, nargs="*", metavar="N",
        help="also measure how costs grow from log to log, of so many events "
        f"({' '.join(map(str, LOGS))}); with `--operations` and no names, only that")  # fmt: skip
    add("--investigations", type=int, nargs="?", metavar="N", default=0, const=investigations.LOG,
        help="also ask about the past of a log of so many events (%(const)s)")  # fmt: skip
    add("--plot", type=Path, default=Path("growth.svg"), help="of that growth (%(default)s)")
    add("--results", type=Path, default=Path("benchmark.jsonl"), help="JSON lines (%(default)s)")
    add("--show", type=Path, help="the table of earlier results; nothing is measured")
    add("--write-docs", action="store_true", help=f"put the table into {DOCS.name}")
    add("--anyway", action="store_true", help="measure even on a busy machine")
    options = parser.parse_args()
    for name in options.systems or ():
        if not SYSTEMS[name].installed:
            parser.error(f"{name} is not installed: pip install '.[bench]'")
    return options


def _there(asked: list[str] | None) -> tuple[str, ...]:
    """The systems that were asked for, else all that are installed, with a word on the others."""
    missing = [name for name, system in SYSTEMS.items() if not system.installed]
    if missing and not asked:
        _tell(f"not installed, and left out: {', '.join(missing)} (pip install '.[bench]')")
    return tuple(asked or (name for name in SYSTEMS if name not in missing))


def _measured(plan: Plan, path: Path, busy: float) -> tuple[Results, dict]:
    with opened(plan.stores) as places, path.open("w") as file:
        facts = machine.facts(places.servers.get("postgres"))
        facts |= {"n": plan.n, "rounds": plan.rounds, "busy before": f"{busy:.0%}"}
        results = []
        print(json.dumps({"facts": facts}), file=file)
        for result in Run(plan, places, _tell).results():
            print(json.dumps(result), file=file, flush=True)
            results.append(result)
    return Results(results), facts


def _loaded(path: Path) -> tuple[Results, dict]:
    first, *rest = (json.loads(line) for line in path.read_text().splitlines())
    return Results(rest), first["facts"]


def _finish(found: tuple[Results, dict], options: argparse.Namespace) -> None:
    text = markdown(*found)
    asked = investigated(*found)
    print(*filter(None, (text, asked)), sep="\n\n")
    picture = plot(found[0])
    if picture:
        (DOCS.with_name("growth.svg") if options.write_docs else options.plot).write_text(picture)
    if options.write_docs:
        if asked:
            _put(asked, DOCS, _ASKED)
        if picture:
            text += "\n\n![Cost of operations against the size of the log](growth.svg)"
        if picture or options.operations:
            _put(text, DOCS)
            _put(summary(found[0]), README)


def _put(text: str, path: Path, begin: str = _BEGIN) -> None:
    """Put results between the marks in a file."""
    pattern = re.compile(f"(?<={re.escape(begin)}\n).*?(?={re.escape(_END)})", re.DOTALL)
    path.write_text(pattern.sub(lambda _: f"\n{text}\n\n", path.read_text()))


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
