"""Prepared writes by psycopg and asyncpg: parameters in text and binary, the same statement again and again."""

from __future__ import annotations

import asyncio

import asyncpg
import psycopg
import pytest
from writing import WEB, rows

INSERT = f"INSERT INTO copied SELECT number, title FROM {WEB} AND number = "


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_passes_parameters(ana: psycopg.Connection, *, binary: bool) -> None:
    placeholder = "%b" if binary else "%t"
    text = f"{INSERT}{placeholder} RETURNING number, {placeholder}::text"
    cursor = ana.cursor(binary=binary).execute(text.encode(), (7, "it's"))
    assert cursor.statusmessage == "INSERT 0 1"
    assert cursor.fetchall() == [(7, "it's")]


def test_a_prepared_write_runs_again_and_again(ana: psycopg.Connection) -> None:
    tags = [ana.execute(f"{INSERT}%s".encode(), (number,), prepare=True).statusmessage for number in range(1, 5)]
    assert tags == ["INSERT 0 1"] * 4
    assert rows(ana, "SELECT number FROM copied") == [(1,), (2,), (3,), (4,)]


def test_a_prepared_create_table_runs_again_after_a_drop(ana: psycopg.Connection) -> None:
    for _ in range(3):
        made = ana.execute(b"CREATE TEMP TABLE made AS SELECT id FROM jira.boards", prepare=True)
        assert made.statusmessage == "SELECT 4"
        ana.execute("DROP TABLE made")


def test_executemany_writes_each_set_of_parameters(ana: psycopg.Connection) -> None:
    cursor = ana.cursor()
    cursor.executemany(f"{INSERT}%s".encode(), [(number,) for number in (11, 12, 13)])
    assert cursor.rowcount == 3
    assert rows(ana, "SELECT number FROM copied") == [(11,), (12,), (13,)]


def test_a_pipeline_of_writes_is_undone_as_one(ana: psycopg.Connection) -> None:
    def write() -> None:
        with ana.pipeline():
            ana.execute(f"{INSERT}%s".encode(), (21,))
            ana.execute("INSERT INTO copied VALUES (22, 'relayed')")
            ana.execute(f"{INSERT}%s".encode(), (21,))

    with pytest.raises(psycopg.errors.UniqueViolation):
        write()
    assert rows(ana, "SELECT number FROM copied") == []


async def test_asyncpg_writes_by_binary_parameters(asyncpg_ana: asyncpg.Connection) -> None:
    assert await asyncpg_ana.execute(f"{INSERT}$1", 20) == "INSERT 0 1"
    text = f"INSERT INTO copied SELECT number, title FROM {WEB} AND number = ANY($1::int[]) RETURNING number"
    assert sorted(record["number"] for record in await asyncpg_ana.fetch(text, [21, 22])) == [21, 22]


async def test_asyncpg_repeats_a_cached_write(asyncpg_ana: asyncpg.Connection) -> None:
    for number in (30, 31):
        assert await asyncpg_ana.execute(f"{INSERT}$1", number) == "INSERT 0 1"
    await asyncpg_ana.executemany(f"{INSERT}$1", [(32,), (33,)])
    assert await asyncpg_ana.fetchval("SELECT count(*) FROM copied") == 4


async def test_a_result_of_which_one_row_is_read_does_not_hold_up_the_next(asyncpg_ana: asyncpg.Connection) -> None:
    write = await asyncpg_ana.prepare(f"{INSERT}$1 RETURNING number")
    read = await asyncpg_ana.prepare(
        f"SELECT number, to_char(created_at, 'YYYY') FROM {WEB} AND number > $1 ORDER BY 1"
    )
    async with asyncio.timeout(30):
        for number in range(40, 50):
            assert await write.fetchval(number) == number
            assert await read.fetchval(number) == number + 1
    assert await asyncpg_ana.fetchval("SELECT count(*) FROM copied") == 10
