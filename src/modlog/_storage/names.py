"""Names that a ledger knows, in their order: for shells that complete, and for what is near."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from modlog._storage.database import Database, Session

NameKind = Literal["account", "sweep", "actor", "batch", "policy", "correlation", "label"]
# Which column of acts has names of a kind.
_OF_ACTS: Final[Mapping[NameKind, str]] = {
    "actor": "actor_id",
    "batch": "batch_id",
    "policy": "policy",
    "correlation": "correlation_id",
}


def names_from(database: Database, session: Session, kind: NameKind, first: str) -> list[str]:
    """A hundred names of a kind, in their order from one on; labels only of flags that stand."""
    return [name for (name,) in session.rows(_sql(database, kind), (first,))]


def _sql(database: Database, kind: NameKind) -> str:
    if kind in ("account", "sweep"):
        streams = f"{database.table('streams')} WHERE kind = '{kind}'"
        return f"SELECT id FROM {streams} AND id >= ? ORDER BY 1 LIMIT 100"
    if kind == "label":
        return _one_after_another(
            f"SELECT min(label) FROM {database.table('spans')} WHERE closed IS NULL AND label"
        )
    column, acts = _OF_ACTS[kind], database.table("acts")
    if kind == "policy":  # which has no index
        return f"SELECT DISTINCT policy FROM {acts} WHERE policy >= ? ORDER BY 1 LIMIT 100"
    return _one_after_another(f"SELECT min({column}) FROM {acts} WHERE {column}")


def _one_after_another(least: str) -> str:
    """From each name to the next in the index: a name may be that of a million rows."""
    return (
        f"WITH RECURSIVE found (name, n) AS (SELECT ({least} >= ?), 1 UNION ALL"
        f" SELECT ({least} > name), n + 1 FROM found WHERE name IS NOT NULL AND n < 100)"
        " SELECT name FROM found WHERE name IS NOT NULL ORDER BY n"
    )
