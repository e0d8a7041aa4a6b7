"""What a source carries out itself, a statement or a part of one, because all it reads is there. Frozen values, no I/O.

It stands for what a plan would otherwise read table by table. A source that will not carry it out says so by
`connectors.sdk.errors.StatementRefused` before its first row; its tables are then read one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.sdk.scan import Predicate, Value

WHOLE = "whole"
"""The name of the access path of a statement, and of its only table."""

PART = "part"
"""The name of the access path that reads all of a part, and of its table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeRelation:
    """A table as the statement names it: `columns` are pairs of the name there, the source's own, and the type here.

    Texts compare and sort by their bytes. `type_name` of a column is a key of `catalog.types.BY_SQL_NAME`. With
    `shields` nothing of the statement may be evaluated on a row that does not meet all `conditions`, which are exact
    there; `instead` has by the source's name what is shown in the place of a column's values.
    """

    name: str
    table: str
    columns: tuple[tuple[str, str, str], ...]
    conditions: tuple[Predicate, ...] = ()
    shields: bool = False
    instead: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeStatement:
    """PostgreSQL's SQL over `relations`, which it names without a schema; its outputs have the types `type_oids`.

    `queries` are its own WITH queries, each `name AS (..)`, in their order. `parameters` are texts, `$1` first. A part
    of a statement has `names` for its outputs, by which a scan says which of them it wants, in no order, and keys.
    """

    sql: str
    relations: tuple[WholeRelation, ...]
    type_oids: tuple[int, ...]
    queries: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """Return the statement for people, without the values of its parameters and what policy compares with."""
        tables = (
            f'"{each.name}" AS (SELECT .. FROM {each.table}{" WHERE .." if each.conditions else ""})'
            for each in self.relations
        )
        return f"WITH {', '.join([*tables, *self.queries])} {self.sql}"
