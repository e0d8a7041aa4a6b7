"""What DuckDB is asked for a query: its lowered tree as text, for the rows that were fetched. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from omnisql_server.errors import InternalError
from omnisql_server.execute.by_form import written_form
from omnisql_server.execute.duckdb_text import compares_floats, duckdb_text
from omnisql_server.execute.forms import check_forms
from omnisql_server.execute.lower import lowered
from omnisql_server.model.query import BoundQuery, derive


@dataclass(frozen=True, slots=True, kw_only=True)
class DuckdbQuery:
    """A text for DuckDB; `native` says that relations with floats are to be copied first."""

    text: str
    native: bool


def duckdb_query(query: BoundQuery, relations: Mapping[str, pa.Table]) -> DuckdbQuery:
    """Write a query that `allowed` lets through.

    Raises:
        ValueUnsupported: a value is written in another form than PostgreSQL's.
        UnsupportedError: a construct has no counterpart.
    """
    check_forms(query, relations)
    form = written_form(query)
    if form is not None and query.meaning is not None:
        return DuckdbQuery(text=form.text(query.meaning.fillings), native=form.native)
    tree = lowered(query)
    if tree is None:
        raise InternalError(message="DuckDB was chosen for a statement without a tree")
    zone = query.settings.time_zone
    return DuckdbQuery(
        text=derive(query, str, lambda: duckdb_text(tree), f"duckdb {zone}"),
        native=derive(query, bool, lambda: compares_floats(tree), f"native {zone}"),
    )
