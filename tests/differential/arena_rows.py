"""The rows both engines read: awkward on purpose, the same on every run. Arrow tables by name, and their SQL types."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa

from catalog.types import BY_SQL_NAME

COLUMNS: dict[str, dict[str, str]] = {
    "t": {
        "id": "int4",
        "n2": "int2",
        "n4": "int4",
        "n8": "int8",
        "f": "float8",
        "t": "text",
        "v": "varchar",
        "b": "bool",
        "d": "date",
        "ts": "timestamptz",
        "lt": "timestamp",
        "labels": "text[]",
        "j": "jsonb",
        "num": "numeric",
    },
    "u": {
        "id": "int4",
        "tid": "int4",
        "name": "text",
        "n8": "int8",
        "score": "float8",
        "at": "timestamptz",
        "flag": "bool",
    },
    "Odd Name": {"k": "int4", "Mixed": "text", "mixed": "text", "select": "text"},
}
MORE_COLUMNS: dict[str, dict[str, str]] = {
    "m": {
        "id": "int4",
        "f4": "float4",
        "tm": "time",
        "iv": "interval",
        "uu": "uuid",
        "by": "bytea",
        "js": "json",
        "c": "bpchar",
        "num": "numeric",
        "nums": "numeric[]",
        "ints": "int4[]",
        "j": "jsonb",
    },
}
ALL_COLUMNS = COLUMNS | MORE_COLUMNS

TEXTS = (
    *("", " ", "a", "A", "a ", "abc", "Abc", "ABC", "z", "Z", "ß", "ẞ", "İ", "i̇", "ı", "é", "e\u0301", "\u00ff"),
    *(
        "\ue000",
        "😀",
        "😀x",
        "\U0010ffff",
        "it's",
        "back\\slash",
        "per%cent",
        "under_score",
        '"q"',
        "tab\t",
        "new\nline",
    ),
    *("NULL", "null", "1", "01", "10", "9", "web/app", "web/app/x", "/web", "{a,b}", "ΑΣ", "ας", "x,y", "中文"),
)
INSTANTS = tuple(
    datetime.fromisoformat(text).replace(tzinfo=UTC)
    for text in (
        *("2026-03-08 06:59:59.999999", "2026-03-08 07:00:00", "2026-11-01 05:30:00", "2026-11-01 06:30:00"),
        *("2026-01-01 00:00:00", "2025-12-31 18:29:59", "2025-12-31 18:30:00", "1970-01-01 00:00:00.000001"),
        *("1883-11-18 17:00:00", "0001-01-01 12:00:00", "2024-02-29 23:59:59.5", "2038-01-19 03:14:08"),
    )
)
POOLS: dict[str, Sequence[Any]] = {
    "int2": (0, 1, -1, 7, 32767, -32768),
    "int4": (0, 1, 2, 3, -1, 5, 42, 2147483647, -2147483648),
    "int8": (0, 1, 2, -7, 42, 2147483648, 9223372036854775807, -9223372036854775808, 9007199254740993),
    "float8": (0.0, -0.0, 1.5, -2.25, 0.1, 1e300, 5e-324, float("nan"), float("inf"), float("-inf"), 42.0),
    "text": TEXTS,
    "varchar": tuple(text for text in TEXTS if len(text) <= 20),
    "bool": (True, False),
    "date": tuple(map(date.fromisoformat, ("2026-03-08", "2026-11-01", "1970-01-01", "0001-01-01", "9999-12-31"))),
    "timestamptz": INSTANTS,
    "timestamp": tuple(instant.replace(tzinfo=None) for instant in INSTANTS),
    "text[]": ([], ["a"], ["a", None], [None], ["bug", "web/app"], ["x,y", '"q"', "{}", "NULL", "back\\slash", ""]),
    "jsonb": ('{"a": 1}', '{"a": null, "b": [1, 2]}', "[]", '"x"', "null", '{"a": {"b": "ü"}}', "7"),
    "float4": (0.0, -0.0, 1.5, 0.1, 3.4e38, float("nan"), float("-inf"), 16777217.0),
    "time": tuple(map(time.fromisoformat, ("00:00", "10:30", "23:59:59.999999", "12:00:00.5"))),
    "interval": tuple(
        pa.scalar(parts, pa.month_day_nano_interval()).as_py()
        for parts in ((0, 0, 0), (14, 3, 4_005_006_000_000), (0, -1, 7_380_000_000_000), (0, 1, 0), (-1, 40, -1_000))
    ),
    "uuid": (
        "11111111-2222-3333-4444-555555555555",
        "00000000-0000-0000-0000-000000000000",
        "f" * 8 + "-ffff" * 3 + "-" + "a" * 12,
    ),
    "bytea": (b"", b"\x00\xff", b"abc", b"back\\slash", bytes(range(120, 140))),
    "json": ('{"b": 2, "a" : 1}', "[1,  2]", '"x"', "null", '{"a": 1, "a": 2}'),
    "bpchar": ("ab", "ab   ", "", "z", "é "),
    "numeric[]": (["1.50", "2"], [], ["NaN", None], ["0.000"]),
    "int4[]": ([1, 2, 3], [], [None, 3], [5], [3, 1, 2]),
    "numeric": ("0", "1.50", "-3.14159", "100000000000000000000", "0.000", "NaN", "42"),
}
NULL_SHARE = 0.15
DOCUMENTS = (
    '{"tags": ["x", "y"], "items": [{"name": "pen", "price": 1.50}, {"name": "ink"}], "n": 3}',
    '{"tags": [], "items": [{"name": "é", "price": 2e1}], "a": {"deep": [1, [2, 3]]}}',
    '[1, "two", null, true, {"k": "v"}]',
    '{"n": -0.0010, "a": null, "tags": "none"}',
    None,
    '"text"',
)


def arrow_tables(row_count: int = 45, seed: int = 20260308) -> dict[str, pa.Table]:
    """Make every table; ids count from 1, so that an order by id is total."""
    chance = random.Random(seed)
    tables = {name: _table(columns, row_count, chance) for name, columns in ALL_COLUMNS.items()}
    documents = pa.array([DOCUMENTS[place % len(DOCUMENTS)] for place in range(row_count)], pa.string())
    more = tables["m"]
    return {**tables, "m": more.set_column(more.schema.get_field_index("j"), "j", documents)}


def _table(columns: dict[str, str], row_count: int, chance: random.Random) -> pa.Table:
    arrays = {}
    for name, type_name in columns.items():
        if name in ("id", "k"):
            values: list[Any] = list(range(1, row_count + 1))
        elif name == "tid":
            values = [chance.choice((*range(1, row_count + 5), None)) for _ in range(row_count)]
        else:
            values = _values(POOLS[type_name], row_count, chance)
        arrays[name] = pa.array(values, BY_SQL_NAME[type_name].arrow)
    return pa.table(arrays)


def _values(pool: Sequence[Any], row_count: int, chance: random.Random) -> list[Any]:
    """Take every value of the pool once, then any; some are null."""
    values = [*chance.sample(pool, min(len(pool), row_count)), *chance.choices(pool, k=row_count)][:row_count]
    nulls = set(chance.sample(range(row_count), int(row_count * NULL_SHARE)))
    values = [None if index in nulls else value for index, value in enumerate(values)]
    chance.shuffle(values)
    return values


def sql_text(value: Any) -> Any:
    """Give a value in a form that psycopg can send: an interval as text."""
    if isinstance(value, pa.MonthDayNano):
        return f"{value.months} months {value.days} days {value.nanoseconds // 1000} microseconds"
    return value
