"""Clocks of many time zones, hour by hour in the months in which offsets change, are read and set alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest

from omnisql_server.execute.macros import MACROS
from omnisql_server.execute.zones import UNLIKE

ZONES: tuple[str, ...] = (
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Europe/London",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
)
ZONES += ("America/Sao_Paulo", "Asia/Tehran", "Pacific/Apia", "Asia/Kathmandu", "America/St_Johns")
YEARS = (1850, 1916, 1945, 1974, 2006, 2011, 2026, 2037, 2090)
MONTHS = (1, 3, 4, 9, 10, 11, 12)


def hours() -> Iterator[datetime]:
    for year in YEARS:
        for month in MONTHS:
            for hour in range(24 * 30):
                yield datetime(year, month, 1, 0, 30, tzinfo=UTC).replace(tzinfo=None) + timedelta(hours=hour)


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    """Open a DuckDB with the server's own functions and every hour."""
    opened = duckdb.connect()
    for statement in ("SET integer_division=true", "SET TimeZone='UTC'", *MACROS):
        opened.execute(statement)
    opened.register("hours", pa.table({"x": pa.array(list(hours()), pa.timestamp("us"))}))
    return opened


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("postgres", "own"),
    [
        ("extract(epoch FROM x AT TIME ZONE {0})::bigint", "epoch_us(timezone({0}, x)) // 1000000"),
        (
            "extract(epoch FROM (x AT TIME ZONE 'UTC') AT TIME ZONE {0})::bigint",
            "epoch_us(timezone({0}, timezone('UTC', x))) // 1000000",
        ),
    ],
    ids=["the moment of a clock's time", "a clock's time at a moment"],
)
def test_clocks_are_the_same(
    connection: psycopg.Connection[Any], engine: duckdb.DuckDBPyConnection, zone: str, postgres: str, own: str
) -> None:
    asked = f"SELECT {postgres.format(repr(zone))} FROM unnest(%s::timestamp[]) WITH ORDINALITY AS u(x, i) ORDER BY i"
    times = list(hours())
    truth = [row[0] for row in connection.execute(asked.encode(), (times,)).fetchall()]
    found = [row[0] for row in engine.execute(f"SELECT {own.format(repr(zone))} FROM hours").fetchall()]
    wrong = [(x, a, b) for x, a, b in zip(times, truth, found, strict=True) if a != b]
    assert wrong[:10] == []


def test_every_zone_but_the_listed_ones_has_the_same_rules(
    connection: psycopg.Connection[Any], engine: duckdb.DuckDBPyConnection
) -> None:
    days = [
        datetime(y, month, 20, tzinfo=UTC).replace(tzinfo=None)
        for y in (*range(1860, 2040, 6), 2027, 2060, 2099)
        for month in (1, 4, 7, 10)
    ]
    engine.register("days", pa.table({"x": pa.array(days, pa.timestamp("us"))}))
    names = connection.execute(b"SELECT name FROM pg_timezone_names WHERE name !~ '^posix/' ORDER BY name").fetchall()
    unlike = set()
    for (name,) in names:
        asked = (
            "SELECT extract(epoch FROM (x AT TIME ZONE 'UTC') AT TIME ZONE %s)::bigint "
            "FROM unnest(%s::timestamp[]) WITH ORDINALITY AS u(x, i) ORDER BY i"
        )
        truth = connection.execute(asked.encode(), (name, days)).fetchall()
        try:
            shown = f"SELECT epoch_us(timezone('{name}', timezone('UTC', x))) // 1000000 FROM days"
            found = engine.execute(shown).fetchall()
        except duckdb.Error:
            continue  # DuckDB refuses the name: PostgreSQL then executes the statement.
        if found != truth:
            unlike.add(name.lower())
    assert len(names) > 500
    assert unlike == UNLIKE
