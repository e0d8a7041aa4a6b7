"""The rows both engines read: awkward on purpose, the same on every run. Arrow tables by name, and their SQL types."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
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
    "numeric": ("0", "1.50", "-3.14159", "100000000000000000000", "0.000", "NaN", "42"),
}
NULL_SHARE = 0.15


def arrow_tables(row_count: int = 45, seed: int = 20260308) -> dict[str, pa.Table]:
    """Make every table; ids count from 1, so that an order by id is total."""
    chance = random.Random(seed)
    return {name: _table(columns, row_count, chance) for name, columns in COLUMNS.items()}


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
