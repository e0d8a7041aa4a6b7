"""Which columns a text names and in which scopes: what PostgreSQL's column privileges are decided by. Pure values.

Names are not resolved here: what a relation's columns are is known only once the backend has said what its name means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One item of a FROM clause.

    `position` is the byte at which a relation is named, None for everything else, which gives the columns `outputs`:
    a name, or the position of a relation all of whose columns it gives. `outputs` is None where only PostgreSQL knows.
    """

    alias: str
    schema: str | None = None
    position: int | None = None
    renamed: tuple[str, ...] = ()
    outputs: tuple[str | int, ...] | None = None


Scope: TypeAlias = tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnUse:
    """A column that is read; it belongs to the first scope that has it, innermost first.

    `name` is None for every column of the first scope. If no scope has the column, the relations at `rows` are read as
    whole rows; if there are none either, the name is no column where `optional` is set, else it is not understood.
    """

    name: str | None
    scopes: tuple[Scope, ...]
    rows: tuple[int, ...] = ()
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NaturalJoin:
    """Two sides of a join whose common columns are compared."""

    left: Scope
    right: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryLevel:
    """One query of a text: the relations that it names itself, in order, then what it reads through.

    `inside` are positions of relations (which may be views) and queries, in the order in which PostgreSQL checks them.
    """

    reads: tuple[int, ...]
    inside: tuple[int | QueryLevel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryScopes:
    """The levels of a statement, every use of a column in it, and the alias of every item of its FROM clauses."""

    top: QueryLevel
    uses: tuple[ColumnUse | NaturalJoin, ...]
    aliases: tuple[str, ...] = ()

    def levels(self) -> Iterator[QueryLevel]:
        """Yield every query of the text."""
        pending = [self.top]
        while pending:
            level = pending.pop()
            yield level
            pending += [item for item in level.inside if isinstance(item, QueryLevel)]


NO_SCOPES = QueryScopes(top=QueryLevel(reads=(), inside=()), uses=())
"""Those of a text that names nothing."""
