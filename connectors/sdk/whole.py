"""A statement that a source carries out whole, because all it reads is there. Frozen values, no I/O.

It stands for what a plan would otherwise read table by table. A source that will not carry it out says so by
`connectors.sdk.errors.StatementRefused` before its first row; its tables are then read one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

WHOLE = "whole"
"""The name of the access path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRelation:
    """A table as the statement names it: `columns` are pairs of the name there, the source's own, and the type here.

    Texts compare and sort by their bytes. `type_name` of a column is a key of `catalog.types.BY_SQL_NAME`.
    """

    name: str
    table: str
    columns: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeStatement:
    """PostgreSQL's SQL over `relations`, which it names without a schema; its outputs have the types `type_oids`.

    `queries` are its own WITH queries, each `name AS (..)`, in their order. `parameters` are texts, `$1` first.
    """

    sql: str
    relations: tuple[WholeRelation, ...]
    type_oids: tuple[int, ...]
    queries: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """Return the statement for people, without the values of its parameters."""
        tables = (f'"{each.name}" AS (SELECT .. FROM {each.table})' for each in self.relations)
        return f"WITH {', '.join([*tables, *self.queries])} {self.sql}"
