"""Macros over lists and integers answer what PostgreSQL answers, over every pair of awkward values."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import duckdb
import psycopg
import pytest

from omnisql_server.execute.macros import MACROS
from omnisql_server.execute.text_functions import TEXT_FUNCTIONS

SEED = 20261126
ARRAYS: tuple[Sequence[str | None] | None, ...] = (
    *(None, [], ["a"], ["a", None], [None], ["b", "a"], ["a", "b"], ["a", "b", "a"], ["%", None], ["a%", "_"]),
    *([""], ["a\\%"], ["%b", "a", None, "z"]),
)
TEXTS = ("a", "b", "", "ab", "a%", None)
OF_TEXT = {
    "omnisql_a_any({a}, {x})": "{x} = ANY ({a})",
    "omnisql_a_like({a}, {x})": "{x} LIKE ANY ({a})",
    "NOT omnisql_a_unlike({a}, {x})": "{x} LIKE ALL ({a})",
    "omnisql_a_unlike({a}, {x})": "{x} NOT LIKE ANY ({a})",
    "NOT omnisql_a_like({a}, {x})": "{x} NOT LIKE ALL ({a})",
}
OF_ARRAYS = {f"{{a}} {sign} {{b}}": f"{{a}} {sign} {{b}}" for sign in ("=", "<>", "<", "<=", ">", ">=")}
OF_ARRAYS["{a} IS DISTINCT FROM {b}"] = "{a} IS DISTINCT FROM {b}"
OF_ONE = {
    "omnisql_a_dims({a})": "array_dims({a})",
    "omnisql_a_lower({a})": "array_ndims({a})",
    "omnisql_a_sorted({a})": "array_sort({a})",
    "list_reverse({a})": "array_reverse({a})",
    "omnisql_a_slice({a}, 1, 1)": "({a})[1:1]",
    "omnisql_a_slice({a}, 2, len({a}))": "({a})[2:]",
    "omnisql_a_slice({a}, 1, 5)": "({a})[0:5]",
    "omnisql_a_trimmed({a}, 1)": "trim_array({a}, 1)",
    "omnisql_a_trimmed({a}, 0)": "trim_array({a}, 0)",
}
NUMBERS = (0, 1, -1, 2, -2, 3, 12, 255, -255, 2**31 - 1, -(2**31), 2**30, -(2**30) - 1)
OF_NUMBERS = {
    "omnisql_to_hex({x}::INTEGER)": "to_hex({x}::int)",
    "omnisql_to_bin({x}::INTEGER)": "to_bin({x}::int)",
    "omnisql_to_oct({x}::INTEGER)": "to_oct({x}::int)",
    "omnisql_floored({x}::HUGEINT, 8)::INTEGER": "{x}::int >> 3",
    "abs(gcd({x}::BIGINT, {y}::BIGINT))::INTEGER": "gcd({x}::int, {y}::int)",
    "abs(lcm({x}::BIGINT, {y}::BIGINT))::INTEGER": "lcm({x}::int, {y}::int)",
}


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    """Open a DuckDB with the server's own macros."""
    opened = duckdb.connect()
    for statement in ("SET integer_division=true", *MACROS):
        opened.execute(statement)
    return opened


def truth(connection: psycopg.Connection[Any], asked: str, values: dict[str, tuple[str, Any]]) -> Any:
    form = asked.format(**{name: f"%({name})s::{kind}" for name, (kind, _) in values.items()})
    try:
        row = connection.execute(f"SELECT {form}".encode(), {name: v for name, (_, v) in values.items()}).fetchone()
    except psycopg.DataError:
        return "fails"
    return row[0] if row is not None else "no row"


def found(engine: duckdb.DuckDBPyConnection, asked: str, values: dict[str, tuple[str, Any]]) -> Any:
    kinds = {"text": "VARCHAR", "text[]": "VARCHAR[]", "int": "BIGINT"}
    form = asked.format(**{name: f"${name}::{kinds[kind]}" for name, (kind, _) in values.items()})
    try:
        row = engine.execute(f"SELECT {form}", {name: value for name, (_, value) in values.items()}).fetchone()
    except duckdb.Error:
        return "fails"
    return row[0] if row is not None else "no row"


@pytest.mark.parametrize("macro", OF_TEXT)
def test_a_text_and_the_elements_of_an_array(
    connection: psycopg.Connection[Any], engine: duckdb.DuckDBPyConnection, macro: str
) -> None:
    for array in ARRAYS:
        for text in TEXTS:
            values = {"a": ("text[]", array), "x": ("text", text)}
            assert found(engine, macro, values) == truth(connection, OF_TEXT[macro], values), values


@pytest.mark.parametrize("macro", OF_ARRAYS)
def test_arrays_compare_alike(
    connection: psycopg.Connection[Any], engine: duckdb.DuckDBPyConnection, macro: str
) -> None:
    for left in ARRAYS:
        for right in ARRAYS:
            values = {"a": ("text[]", left), "b": ("text[]", right)}
            assert found(engine, macro, values) == truth(connection, OF_ARRAYS[macro], values), values


@pytest.mark.parametrize("macro", OF_ONE)
def test_functions_of_one_array(
    connection: psycopg.Connection[Any], engine: duckdb.DuckDBPyConnection, macro: str
) -> None:
    for array in ARRAYS:
        values = {"a": ("text[]", array)}
        assert found(engine, macro, values) == truth(connection, OF_ONE[macro], values), values


def test_arrays_are_shown_alike(connection: psycopg.Connection[Any]) -> None:
    words = [
        "",
        " ",
        "a b",
        "{",
        "}",
        ",",
        '"',
        "\\",
        "NULL",
        "null",
        "nul",
        "é",
        "\u00a0",
        "\x1c",
        "\x0b",
        "\t",
        "'",
        "%",
    ]
    arrays: list[list[Any]] = [[], [None], *([word] for word in words), [*words, None]]
    for array in arrays:
        assert truth(connection, "{a}::text", {"a": ("text[]", array)}) == TEXT_FUNCTIONS["omnisql_a_shown"][0](array)


@pytest.mark.parametrize("macro", OF_NUMBERS)
def test_functions_of_integers(
    connection: psycopg.Connection[Any], engine: duckdb.DuckDBPyConnection, macro: str
) -> None:
    for left in NUMBERS:
        for right in NUMBERS if "{y}" in macro else NUMBERS[:1]:
            values = {"x": ("int", left), "y": ("int", right)}
            used = {name: value for name, value in values.items() if f"{{{name}}}" in macro}
            assert found(engine, macro, used) == truth(connection, OF_NUMBERS[macro], used), values


def lists(chance: random.Random) -> Sequence[list[int | None]]:
    made: list[list[int | None]] = [[], [None], [5], [5, None, 5], [1, 2]]
    for _ in range(25):
        made.append([chance.choice((None, 1, 2, 3, chance.randrange(-99, 99))) for _ in range(chance.randrange(1, 30))])
    return made


@pytest.mark.parametrize("share", ["0", "1", "0.5", "0.25", "0.33", "0.1", "0.9999"])
def test_percentiles_of_integers(
    connection: psycopg.Connection[Any], engine: duckdb.DuckDBPyConnection, share: str
) -> None:
    print(f"seed {SEED}")
    for values in lists(random.Random(SEED)):
        disc = f"percentile_disc({share}) WITHIN GROUP"
        asked = (
            f"SELECT percentile_cont({share}) WITHIN GROUP (ORDER BY x), {disc} (ORDER BY x), {disc} (ORDER BY x DESC) "
            "FROM unnest(%s::int[]) x"
        )
        ordered, other = ("list_sort(omnisql_known(list(x)), 'ASC')", "list_sort(omnisql_known(list(x)), 'DESC')")
        answer = engine.execute(
            f"SELECT omnisql_percentile_cont({ordered}, '{share}'::DOUBLE), omnisql_percentile_disc({ordered}, "
            f"'{share}'::DOUBLE), omnisql_percentile_disc({other}, '{share}'::DOUBLE) "
            "FROM (SELECT unnest($1::INTEGER[]) x)",
            [values],
        ).fetchone()
        assert answer == connection.execute(asked.encode(), (values,)).fetchone(), values


def test_the_mode_of_equally_frequent_values_is_the_first(
    connection: psycopg.Connection[Any], engine: duckdb.DuckDBPyConnection
) -> None:
    for values in lists(random.Random(SEED)):
        for kind, other in (("int", "INTEGER"), ("text", "VARCHAR")):
            asked = f"SELECT mode() WITHIN GROUP (ORDER BY x::{kind}) FROM unnest(%s::int[]) x".encode()
            answer = engine.execute(
                f"SELECT omnisql_mode(histogram(x::{other})) FROM (SELECT unnest($1::INTEGER[]) x)", [values]
            ).fetchone()
            assert answer == connection.execute(asked, (values,)).fetchone(), values
