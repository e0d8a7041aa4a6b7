"""What the corpus can only sample is proved here: letters one by one, averages and float8 over many values."""

from __future__ import annotations

import math
import random
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest

from omnisql_server.execute.macros import MACROS
from omnisql_server.execute.numeric_functions import FUNCTIONS

LETTERS = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code <= 0xDFFF]
SEED = 20260308
FLOATS = (0.0, -0.0, 1.5, -2.25, 0.1, 3.0, 1e300, -1e300, 5e-324, 1e-200, math.inf, -math.inf, math.nan)


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    """Open a DuckDB with the server's own functions."""
    opened = duckdb.connect()
    for statement in ("SET integer_division=true", *MACROS):
        opened.execute(statement)
    return opened


@pytest.mark.parametrize("function", ["lower", "upper"])
def test_every_letter_has_the_same_other_case(
    connection: psycopg.Connection[Any], engine: duckdb.DuckDBPyConnection, function: str
) -> None:
    asked = f"SELECT {function}(x) FROM unnest(%s::text[]) WITH ORDINALITY AS u(x, place) ORDER BY place"
    truth = [row[0] for row in connection.execute(asked.encode(), (LETTERS,))]
    engine.register("letters", pa.table({"x": LETTERS}))
    found = engine.execute(f"SELECT omnisql_{function}(x) FROM letters").fetchall()
    assert [(letter, a, b) for letter, a, (b,) in zip(LETTERS, truth, found, strict=True) if a != b] == []


def test_an_average_has_the_digits_of_numeric_division(
    connection: psycopg.Connection[Any],
) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    sums = [0, 1, -1, 9999, 10000, 99990000, 2**31, -(2**62)]
    sums += [chance.choice((-1, 1)) * chance.randrange(10 ** chance.randrange(1, 17)) for _ in range(3000)]
    counts = [chance.randrange(1, 10 ** chance.randrange(1, 9)) for _ in sums]
    asked = (
        "SELECT (s::numeric / n)::text FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY AS u(s, n, i) ORDER BY i"
    )
    truth = [row[0] for row in connection.execute(asked.encode(), (sums, counts))]
    divide = FUNCTIONS["omnisql_n_div"][0]
    found = [divide(str(total), str(count)) for total, count in zip(sums, counts, strict=True)]
    wrong = [(s, n, a, b) for s, n, a, b in zip(sums, counts, truth, found, strict=True) if a != b]
    assert wrong == []


@pytest.mark.parametrize(("sign", "macro"), [("+", "add"), ("-", "sub"), ("*", "mul"), ("/", "quotient")])
def test_float8_arithmetic_answers_and_fails_alike(
    connection: psycopg.Connection[Any], engine: duckdb.DuckDBPyConnection, sign: str, macro: str
) -> None:
    for left in FLOATS:
        for right in FLOATS:
            try:
                (truth,) = connection.execute(
                    f"SELECT %s::float8 {sign} %s::float8".encode(), (left, right)
                ).fetchone() or (None,)
            except psycopg.DataError:
                truth = "error"
            try:
                (found,) = engine.execute(
                    f"SELECT omnisql_{macro}(?::DOUBLE, ?::DOUBLE)", [left, right]
                ).fetchone() or (None,)
            except duckdb.Error:
                found = "error"
            assert repr(found) == repr(truth), (left, sign, right)
