"""The log's columns in Arrow, for whatever gives them to other programs; pyarrow is an extra."""

from __future__ import annotations

from typing import Any, Final

from modlog._errors import InvalidInputError

# Of what stands in these there is little, time and again.
REPEATED: Final = (
    "kind",
    "type",
    "actor_kind",
    "actor_id",
    "actor_version",
    "actor_account_id",
    "reason",
    "policy",
    "batch_id",
    "metadata",
    "data",
)
_WHOLE: Final = (
    "position",
    "number",
    "version",
    "schema",
    "stream",
    "act",
    "head",
    "protected",
    "size",
)
_INSTANTS: Final = ("recorded_at", "occurred_at", "clock")
_BYTES: Final = ("state", "request", "sweep", "value")


def check_installed(otherwise: str = "") -> None:
    """Refuse what needs pyarrow where it is not there.

    Raises:
        InvalidInputError: it is not installed; with what else can be done.
    """
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise InvalidInputError(
            "Arrow and Parquet need pyarrow, which is not installed: pip install "
            f"'modlog[parquet]'{otherwise}"
        ) from error


def type_of(name: str) -> Any:
    """The Arrow type of a column; instants are in UTC."""
    import pyarrow as pa

    if name in _INSTANTS:
        return pa.timestamp("us", tz="UTC")
    if name in _WHOLE:
        return pa.int64()
    if name in _BYTES:
        return pa.binary()
    return pa.float64() if name == "confidence" else pa.string()
