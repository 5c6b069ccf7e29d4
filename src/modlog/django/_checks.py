"""What Django says at its start if the ledger of the settings is not as it must be."""

from __future__ import annotations

import logging
from typing import Any, Final

from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from modlog.django._places import Kind, found_problems

_LOGGER: Final = logging.getLogger("modlog.django")


def check_ledger(**_: Any) -> list[Any]:
    """The check: all errors, and warnings for what `migrate` and the administrator can mend."""
    return [
        (checks.Warning if ".W" in problem.kind else checks.Error)(problem.text, id=problem.kind)
        for problem in found_problems()
    ]


def check_at_start() -> None:
    """Refuse to serve requests with a ledger that cannot be right.

    Raises:
        ImproperlyConfigured: it is another, it has not been migrated, the settings are wrong.
    """
    for problem in found_problems():
        if problem.kind is Kind.UNREACHABLE:  # it may come back, as Django's own may
            _LOGGER.warning("%s", problem.text)
        else:
            raise ImproperlyConfigured(f"{problem.text} ({problem.kind})")
