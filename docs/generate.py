"""Write the pages, or parts of pages, that the code tells by itself: `make docs` runs this.

They are kept with the others, so that they can be read where they are; tests/test_site.py holds
them to the code.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, Final

import attrs
import click

import modlog
from modlog._cli.calling import options as common_options
from modlog._cli.main import commands
from modlog._cli.selecting import selecting
from modlog._domain.effects import EFFECTS
from modlog._domain.events import EVENT_CLASSES

DOCS: Final = Path(__file__).parent
# Whatever is not marked as private is public: the package, and what stands beside its floors.
MODULES: Final = (
    "modlog",
    *(f"modlog.{one.name}" for one in iter_modules(modlog.__path__) if one.name[0] != "_"),
)
BEGIN: Final = "<!-- generated: written by `make docs` -->"
END: Final = "<!-- end of generated -->"

# What a field takes, by its annotation in `_domain/events.py`.
TAKES: Final = {
    "Mapping[str, Any]": "mapping",
    "bool": "true or false",
    "datetime | None": "instant, or null",
    "float | None": "number from 0 to 1, or null",
    "int": "number",
    "str": "text",
    "tuple[int, ...]": "versions",
}


def generated() -> dict[Path, str]:
    """Each page that is generated, or has a generated part, as it has to be."""
    events = DOCS / "reference" / "events.md"
    pages = {
        events: _put(_event_catalogue(), events.read_text()),
        DOCS / "reference" / "commands.md": _commands(),
    }
    for module in MODULES:
        pages[DOCS / "reference" / "api" / f"{module}.md"] = _api(module)
    return pages


def _put(part: str, page: str) -> str:
    pattern = f"(?<={re.escape(BEGIN)}\n).*?(?={re.escape(END)})"
    return re.sub(pattern, lambda _: f"\n{part}\n", page, flags=re.DOTALL)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# Events


def _event_catalogue() -> str:
    rows = [_event(name) for name in EVENT_CLASSES]
    head = ("type", "what happened", "fields", "begins", "ends", "a revert may name it")
    return _table(head, rows)


def _event(name: str) -> tuple[str, ...]:
    cls, effect = EVENT_CLASSES[name], EFFECTS[name]
    fields = [
        f"`{one.name}`: {TAKES[str(one.type)]}" + (" *" if one.name in effect.personal else "")
        for one in attrs.fields(cls)
    ]
    begins = effect.kind or effect.begins or ("profile" if effect.profile else None)
    what = (inspect.getdoc(cls) or "").removesuffix(".")
    cells = ("; ".join(fields), begins, ", ".join(effect.ends), effect.is_revertible and "yes")
    return (f"`{name}`", what, *(cell or "–" for cell in cells))


# Commands


def _commands() -> str:
    common, filters = (_only(options) for options in (common_options, selecting))
    parts = [
        "# Every command\n",
        "<!-- This page is generated: `make docs` writes it. -->\n",
        "All commands with all of their options, as `--help` shows them. What they are for, and\n"
        "how they belong together, is told under [command line](command-line.md).\n",
        "## Common options\n\nEvery command about a ledger takes these:\n",
        _options(common, _names(common)),
        "## Filters\n\nCommands about selected events take every filter; what can be given several "
        "times means any of\nthese values, and all that is given must hold.\n",
        _options(filters, _names(filters)),
    ]
    for name, command in _walk(commands, ("modlog",)):
        parts += _command(name, command, _names(common), _names(filters))
    return "\n".join(parts)


def _only(options: Callable[..., Any]) -> click.Command:
    """A command that has these options and no others."""
    return click.command()(options(lambda **_: None))


def _walk(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[str, click.Command]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from _walk(command, (*path, name))
        elif name == command.name:  # else it is another's second name
            yield " ".join((*path, name)), command


def _command(
    name: str, command: click.Command, common: set[str], filters: set[str]
) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    told, _, example = inspect.cleandoc(command.help or "").partition("Example: ")
    own = _names(command) - common
    yield f"## {name}\n\n    {name} {usage}\n"
    yield _plain(told) + "\n"
    if filters <= own:
        own -= filters
        yield "It takes every [filter](#filters).\n"
    if own:
        yield _options(command, own)
    if example:
        yield f"    {' '.join(example.split())}\n"


def _plain(told: str) -> str:
    """Text of a help page; a mark of click's keeps lines as they are, and code is in ticks."""
    text = told.replace("\b\n", "").strip()
    return re.sub(r"(?<![\w`])(--[a-z-]+)", r"`\1`", text)


def _names(command: click.Command) -> set[str]:
    return {one.name or "" for one in command.params if isinstance(one, click.Option)}


def _options(command: click.Command, names: set[str]) -> str:
    context = click.Context(command)
    options = [one for one in command.params if isinstance(one, click.Option) and one.name in names]
    return _table(("option", ""), [_option(one, context) for one in options])


def _option(option: click.Option, context: click.Context) -> tuple[str, str]:
    metavar = option.make_metavar(context).replace("INTEGER RANGE", "N")
    takes = "" if option.is_flag else f" {metavar}"
    spelt = ", ".join(f"`{name}{takes}`".replace("|", "\\|") for name in _longest_last(option))
    told = _plain(" ".join((option.help or "").split()))
    notes = ["due"] if option.required else []
    notes += ["may be repeated"] if option.multiple and "repeated" not in told else []
    notes += [f"or the variable `{option.envvar}`"] if option.envvar else []
    return spelt, f"{told} ({'; '.join(notes)})" if notes else told


def _longest_last(option: click.Option) -> list[str]:
    return sorted([*option.opts, *option.secondary_opts], key=len)


# Names in Python


def _api(name: str) -> str:
    module: Any = import_module(name)
    errors = [one for one in module.__all__ if _is_error(getattr(module, one))]
    others = [one for one in module.__all__ if one not in errors]
    others.sort(key=lambda one: one not in {"open", "ModLog"})  # the door comes first
    parts = [
        f"# {name}\n",
        "<!-- This page is generated: `make docs` writes it. -->\n",
        f"```{{eval-rst}}\n.. automodule:: {name}\n```\n",
        *(_entry(module, one) for one in others),
    ]
    if errors:
        tree = "[errors](../errors.md)"
        parts.append(f"## Errors\n\nWhat each is about, and the tree that they form: {tree}.\n")
        parts += [_entry(module, one) for one in errors]
    return "\n".join(parts)


def _is_error(thing: object) -> bool:
    return isinstance(thing, type) and issubclass(thing, modlog.ModlogError)


def _entry(module: Any, name: str) -> str:
    thing = getattr(module, name)
    if not isinstance(thing, type):
        kind, options = "function" if callable(thing) else "data", ""
    elif _is_error(thing):
        kind, options = "exception", "   :show-inheritance:\n"
    else:
        kind, options = "class", "   :members:\n   :inherited-members: str\n"
    return f"```{{eval-rst}}\n.. auto{kind}:: {module.__name__}.{name}\n{options}```\n"


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)
