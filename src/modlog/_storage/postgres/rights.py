"""PostgreSQL: who owns tables and may use them, kept while they are made anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from modlog._storage.database import Session

_NAMED: Final = "n.oid = c.relnamespace AND n.nspname = ? AND c.relname = ANY(?)"
_TABLE: Final = "quote_ident(n.nspname) || '.' || quote_ident(c.relname)"
_ROLE: Final = (
    "CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END"
)
_OPTION: Final = "CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END"


@contextmanager
def replacing(session: Session, schema: str, tables: Sequence[str]) -> Iterator[None]:
    """Drop tables that are made anew in the block, and give the new ones the rights of the old.

    An upgrade may be run by somebody else than the owner, and roles with few privileges would be
    locked out by tables that are new.
    """
    there = f"FROM pg_class AS c, pg_namespace AS n WHERE {_NAMED}"
    drops = session.rows(f"SELECT 'DROP TABLE ' || {_TABLE} {there}", (schema, tables))
    rights = session.rows(
        f"SELECT 'ALTER TABLE ' || {_TABLE} || ' OWNER TO '"
        f" || quote_ident(pg_get_userbyid(c.relowner)) {there}",
        (schema, tables),
    )
    rights += session.rows(
        f"SELECT 'GRANT ' || x.privilege_type || ' ON ' || {_TABLE} || ' TO ' || {_ROLE}"
        f" || {_OPTION} FROM pg_class AS c, pg_namespace AS n, aclexplode(c.relacl) AS x"
        f" WHERE {_NAMED} AND x.grantee <> c.relowner",
        (schema, tables),
    )
    for (drop,) in drops:
        session.run(drop)
    yield
    for (right,) in rights:
        session.run(right)
