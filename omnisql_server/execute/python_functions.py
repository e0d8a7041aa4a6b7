"""The functions that are Python over Arrow batches, made known to a DuckDB instance.

Each is of values that are not null: where an argument is null, so is what it gives. What PostgreSQL answers with an
error raises: the statement is then executed by PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from omnisql_server.execute.json_functions import JSON_FUNCTIONS
from omnisql_server.execute.numeric_functions import FUNCTIONS
from omnisql_server.execute.text_functions import TEXT_FUNCTIONS

PYTHON_FUNCTIONS = {**FUNCTIONS, **JSON_FUNCTIONS, **TEXT_FUNCTIONS}
"""Each function, and the types of its arguments; all give a text."""


_ARROW, _NULLS = PythonUDFType.ARROW, FunctionNullHandling.SPECIAL


def add_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions known to a DuckDB instance and all its cursors.

    DuckDB 1.5.5 frees the texts that a function over Arrow gives before COALESCE has handed them on, so that those of
    more than 12 bytes are garbage: what is called is a macro that copies them.
    """
    for name, (work, kinds) in PYTHON_FUNCTIONS.items():
        over_batch: Any = _ARITIES[len(kinds)](work)
        connection.create_function(f"{name}_of", over_batch, list(kinds), "VARCHAR", type=_ARROW, null_handling=_NULLS)
        names = ", ".join(_PARAMETERS[: len(kinds)])
        connection.execute(f"CREATE MACRO {name}({names}) AS {name}_of({names}) || ''")


_PARAMETERS = ("x", "y", "z")


def _vectorized(work: Callable[..., str | None], *columns: pa.ChunkedArray) -> pa.Array:
    rows = zip(*(column.to_pylist() for column in columns), strict=True)
    return pa.array([None if None in row else work(*row) for row in rows], pa.string())


def _of_one(work: Callable[..., str | None]) -> Callable[[pa.ChunkedArray], pa.Array]:
    def over_batch(a: pa.ChunkedArray) -> pa.Array:
        return _vectorized(work, a)

    return over_batch


def _of_two(work: Callable[..., str | None]) -> Callable[[pa.ChunkedArray, pa.ChunkedArray], pa.Array]:
    def over_batch(a: pa.ChunkedArray, b: pa.ChunkedArray) -> pa.Array:
        return _vectorized(work, a, b)

    return over_batch


def _of_three(work: Callable[..., str | None]) -> Callable[..., pa.Array]:
    def over_batch(a: pa.ChunkedArray, b: pa.ChunkedArray, c: pa.ChunkedArray) -> pa.Array:
        return _vectorized(work, a, b, c)

    return over_batch


_ARITIES: dict[int, Callable[..., Callable[..., pa.Array]]] = {1: _of_one, 2: _of_two, 3: _of_three}
"""DuckDB counts the parameters of what it is given."""
