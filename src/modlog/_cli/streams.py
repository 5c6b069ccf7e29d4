"""Standard input, output and error as a caller left them: closed, or in an encoding of old."""

from __future__ import annotations

import io
import os
import sys


def prepare() -> None:
    """Let every answer be written, whatever the streams are."""
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What an encoding cannot show comes as an escape, in JSON too.
            stream.reconfigure(errors="backslashreplace")


def _open_what_is_closed() -> None:
    """Give closed streams the null device.

    Else the next file that is opened, such as the ledger's own, would have their numbers, and
    get what is meant for a reader.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            _ensure_open(number)
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def _ensure_open(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)
