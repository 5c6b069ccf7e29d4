"""PostgreSQL: who owns what is made anew and may use it, kept meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from attrs import frozen

from modlog._storage.database import Session

_ROLE: Final = (
    "CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END"
)
_OPTION: Final = "CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END"


@frozen
class _Kind:
    """A kind of object, and where PostgreSQL's catalog has the columns that tell of it."""

    word: str
    catalog: str
    prefix: str

    @property
    def named(self) -> str:
        """The objects of some names in a schema, as the end of a query from its FROM on."""
        return (
            f"FROM {self.catalog} AS c, pg_namespace AS n WHERE n.oid = c.{self.prefix}namespace"
            f" AND n.nspname = ? AND c.{self.prefix}name = ANY(?)"
        )

    @property
    def name(self) -> str:
        """An expression for the name as statements have it."""
        return (
            f"'{self.word} ' || quote_ident(n.nspname) || '.' || quote_ident(c.{self.prefix}name)"
        )

    def rights(self, session: Session, schema: str, names: Sequence[str]) -> list[str]:
        """The statements that give new objects the owner and the privileges of these."""
        acl, owner = f"c.{self.prefix}acl", f"c.{self.prefix}owner"
        queries = (
            f"SELECT 'ALTER ' || {self.name} || ' OWNER TO '"
            f" || quote_ident(pg_get_userbyid({owner})) {self.named}",
            # Functions are everybody's until somebody says otherwise.
            f"SELECT 'REVOKE ALL ON ' || {self.name} || ' FROM PUBLIC' {self.named}"
            f" AND {acl} IS NOT NULL",
            f"SELECT 'GRANT ' || x.privilege_type || ' ON ' || {self.name} || ' TO ' || {_ROLE}"
            f" || {_OPTION} {self.named.replace(' WHERE', f', aclexplode({acl}) AS x WHERE')}"
            f" AND x.grantee <> {owner}",
        )
        return [sql for query in queries for (sql,) in session.rows(query, (schema, names))]


_TABLE: Final = _Kind("TABLE", "pg_class", "rel")
_FUNCTION: Final = _Kind("FUNCTION", "pg_proc", "pro")


@contextmanager
def replacing(
    session: Session, schema: str, tables: Sequence[str], functions: Sequence[str]
) -> Iterator[None]:
    """Drop what is made anew in the block, and give the new the rights of the old.

    An upgrade may be run by somebody else than the owner, and roles with few privileges would be
    locked out by tables that are new. A function with other arguments would not replace the one
    that is there, but stand beside it.
    """
    drops: list[str] = []
    rights: list[str] = []
    for kind, names in ((_TABLE, tables), (_FUNCTION, functions)):
        drops += [
            f"DROP {name}"
            for (name,) in session.rows(f"SELECT {kind.name} {kind.named}", (schema, names))
        ]
        rights += kind.rights(session, schema, names)
    for statement in drops:
        session.run(statement)
    yield
    for statement in rights:
        session.run(statement)
