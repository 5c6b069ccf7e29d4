"""Which view of the ledger a question is about: the past, or what would be without a batch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, Final

import click
from attrs import frozen

from modlog._cli.calling import Command
from modlog._cli.completing import batch_ids
from modlog._cli.instants import INSTANT
from modlog._cli.near import warn_of_unknown
from modlog._domain.selection import Selection
from modlog._errors import InvalidInputError
from modlog._services.ledger import ModLog
from modlog._services.views import ClockName, View


class Moment(click.ParamType):  # type: ignore[type-arg]
    """A position in the log, or an instant."""

    name = "POSITION|TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | datetime:
        if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
            return int(value)
        return INSTANT.convert(value, param, ctx)


MOMENT: Final = Moment()


@frozen
class Viewpoint:
    """What a question is about.

    Attributes:
        as_of: a position or an instant; None for the present.
        clock: which instants count for that.
        without: batches that are left out.
    """

    as_of: int | datetime | None
    clock: ClockName
    without: tuple[str, ...]

    @property
    def is_present(self) -> bool:
        """Whether it is about the ledger itself, as it is now."""
        return self.as_of is None and not self.without

    def of(self, log: ModLog) -> ModLog | View:
        """The ledger itself, or the view of it that is asked about."""
        view: ModLog | View = log
        if self.as_of is not None:
            view = log.as_of(self.as_of, clock=self.clock)
        elif self.clock != "recorded":
            raise InvalidInputError("--clock goes with --as-of")
        warn_of_unknown(log, {"batch_id": self.without})
        return view.without(Selection(batch_id=self.without)) if self.without else view


def viewed(command: Callable[..., Any]) -> Command:
    """Options for which view it is; the command gets them as `viewpoint`."""

    @click.option("--as-of", type=MOMENT, help="As it was at a position, or at an instant.")
    @click.option(
        "--clock",
        type=click.Choice(["recorded", "occurred"]),
        default="recorded",
        help="What --as-of goes by: when it was recorded (as left out), or when it happened.",
    )
    @click.option(
        "--without-batch",
        "without",
        metavar="NAME",
        multiple=True,
        shell_complete=batch_ids,
        help="As if this batch had never been; may be repeated.",
    )
    @wraps(command)
    def called(
        *,
        as_of: int | datetime | None,
        clock: ClockName,
        without: tuple[str, ...],
        **rest: Any,
    ) -> Any:
        return command(viewpoint=Viewpoint(as_of, clock, without), **rest)

    return called
