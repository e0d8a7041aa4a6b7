"""Every function over numerics answers what PostgreSQL answers, or fails where it does, over many values and scales."""

from __future__ import annotations

import random
from typing import Any

import duckdb
import psycopg
import pytest

from omnisql_server.execute.numeric_functions import FUNCTIONS, NumericFailure
from omnisql_server.execute.python_functions import add_functions

SEED = 20261126
EDGES: tuple[str, ...] = (
    "0",
    "0.00",
    "1",
    "-1",
    "0.5",
    "-0.5",
    "2.5",
    "1.50",
    "9999",
    "10000",
    "0.0001",
    "0.00009999",
    "-99999999.99",
)
EDGES += ("12345678901234567890123456789012345678901234567890.123", "0.000000000000000000000000000001", "NaN")
BINARY = {
    "omnisql_n_add": "{0} + {1}",
    "omnisql_n_sub": "{0} - {1}",
    "omnisql_n_mul": "{0} * {1}",
    "omnisql_n_div": "{0} / {1}",
    "omnisql_n_mod": "mod({0}, {1})",
}
UNARY = {
    "omnisql_n_neg": "-{0}",
    "omnisql_n_abs": "abs({0})",
    "omnisql_n_sign": "sign({0})",
    "omnisql_n_floor": "floor({0})",
    "omnisql_n_ceil": "ceil({0})",
    "omnisql_n_sqrt": "sqrt({0})",
    "omnisql_n_trim": "trim_scale({0})",
    "omnisql_n_scale": "scale({0})",
    "omnisql_n_min_scale": "min_scale({0})",
}
PLACED = {"omnisql_n_round": "round({0}, {1})", "omnisql_n_trunc": "trunc({0}, {1})"}


def numbers(chance: random.Random, count: int) -> list[str]:
    made = []
    for _ in range(count):
        digits = str(chance.randrange(10 ** chance.randrange(1, 25)))
        scale = chance.randrange(0, 15)
        text = digits if scale == 0 else f"{digits}.{str(chance.randrange(10**scale)).zfill(scale)}"
        made.append(chance.choice(("", "-")) + text if text.strip("0.") else text)
    return made


def truth(connection: psycopg.Connection[Any], form: str, *values: Any) -> str:
    places = ["%s::numeric", "%s::numeric" if isinstance(values[-1], str) else "%s::int"][: len(values)]
    try:
        row = connection.execute(f"SELECT ({form.format(*places)})::text".encode(), values).fetchone()
    except psycopg.DataError:
        return "fails"
    return str(row[0]) if row is not None else "no row"


def found(name: str, *values: Any) -> str:
    try:
        return str(FUNCTIONS[name][0](*values))
    except NumericFailure:
        return "fails"


@pytest.mark.parametrize("name", BINARY)
def test_arithmetic_over_two_numerics(connection: psycopg.Connection[Any], name: str) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    pairs = [(left, right) for left in EDGES for right in EDGES]
    pairs += list(zip(numbers(chance, 400), numbers(chance, 400), strict=True))
    wrong = [pair for pair in pairs if found(name, *pair) != truth(connection, BINARY[name], *pair)]
    assert wrong == []


@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_numeric(connection: psycopg.Connection[Any], name: str) -> None:
    values = (*EDGES, *numbers(random.Random(SEED), 100))
    assert [value for value in values if found(name, value) != truth(connection, UNARY[name], value)] == []


@pytest.mark.parametrize("name", PLACED)
def test_functions_of_a_numeric_and_places(connection: psycopg.Connection[Any], name: str) -> None:
    values = [
        (value, places) for value in (*EDGES, *numbers(random.Random(SEED), 60)) for places in (-3, -1, 0, 1, 2, 7)
    ]
    assert [pair for pair in values if found(name, *pair) != truth(connection, PLACED[name], *pair)] == []


@pytest.mark.parametrize(("digits", "places"), [(5, 2), (30, 0), (3, 3), (12, 1)])
def test_a_limited_numeric(connection: psycopg.Connection[Any], digits: int, places: int) -> None:
    values = (*EDGES, "999.994", "999.995", "0.9994", "0.9995", *numbers(random.Random(SEED), 60))
    form = f"({{0}})::numeric({digits}, {places})"
    wrong = [v for v in values if found("omnisql_n_limited", v, digits, places) != truth(connection, form, v)]
    assert wrong == []


def test_keys_are_ordered_as_the_numerics_are(connection: psycopg.Connection[Any]) -> None:
    values = [*EDGES, "1.5", "-1.5", "-1.50", "Infinity", "-Infinity", *numbers(random.Random(SEED), 300)]
    asked = "SELECT x, dense_rank() OVER (ORDER BY x::numeric) FROM unnest(%s::text[]) x"
    ranks = dict(connection.execute(asked.encode(), (values,)).fetchall())
    keys = sorted({found("omnisql_n_key", value) for value in values}, key=str.encode)
    assert [v for v in values if keys.index(found("omnisql_n_key", v)) + 1 != ranks[v]] == []


def test_a_total_is_that_of_sum(connection: psycopg.Connection[Any]) -> None:
    values = numbers(random.Random(SEED), 500)
    row = connection.execute(b"SELECT sum(x::numeric)::text FROM unnest(%s::text[]) x", (values,)).fetchone()
    assert row == (FUNCTIONS["omnisql_n_total"][0]([*values, None]),)
    assert FUNCTIONS["omnisql_n_total"][0]([None]) is None


@pytest.mark.parametrize("name", ["variance", "var_pop", "stddev", "stddev_pop"])
def test_deviations_of_integers(connection: psycopg.Connection[Any], name: str) -> None:
    chance = random.Random(SEED)
    lists = [[], [7], [0, 0], [1, 2], [2**31 - 1, -(2**31), 1]]
    lists += [[chance.randrange(-(10**9), 10**9) for _ in range(chance.randrange(2, 40))] for _ in range(60)]
    lists += [[chance.randrange(-3, 3) for _ in range(chance.randrange(2, 9))] for _ in range(60)]
    work = FUNCTIONS["omnisql_n_variance" if name.startswith("var") else "omnisql_n_deviation"][0]
    asked = f"SELECT {name}(x)::text FROM unnest(%s::int[]) x".encode()
    for values in lists:
        parts = [str(len(values)), str(sum(values)), str(sum(value * value for value in values))]
        answer = connection.execute(asked, (values,)).fetchone()
        assert answer == (work(parts if values else ["0", None, None], 0 if name.endswith("pop") else 1),), values


def test_duckdb_calls_them_and_reports_their_failures() -> None:
    engine = duckdb.connect()
    add_functions(engine)
    asked = "SELECT omnisql_n_add('1.50', x), omnisql_n_key(x) FROM (VALUES ('2'), (NULL)) t(x)"
    assert engine.execute(asked).fetchall() == [("3.50", "10000012"), (None, None)]
    with pytest.raises(duckdb.Error):
        engine.execute("SELECT omnisql_n_div('1', '0')")
