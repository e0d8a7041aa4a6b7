"""DuckDB is locked: nothing outside its cursor's relations can be read, written, loaded or changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import pytest_asyncio

from omnisql_server.execute import inline_values
from omnisql_server.execute.instances import (
    ONE_BATCH_BYTES_MAX,
    ONE_THREAD_ROWS_MAX,
    InstancePool,
    InstanceSettings,
    in_one_batch,
)

ROWS = pa.table({"a": pa.array([1, 2, None], pa.int64())})

ATTACKS = (
    "SELECT * FROM read_csv('{file}')",
    "SELECT * FROM read_csv_auto('{file}')",
    "SELECT * FROM read_text('{file}')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_json('{file}')",
    "SELECT * FROM read_parquet('{file}')",
    "SELECT * FROM parquet_metadata('{file}')",
    "SELECT * FROM parquet_schema('{file}')",
    "SELECT * FROM sniff_csv('{file}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM '{file}'",
    'SELECT * FROM "{file}"',
    "SELECT * FROM query('SELECT * FROM read_text(''{file}'')')",
    "SELECT * FROM query_table('{file}')",
    "SELECT * FROM parquet_scan('http://127.0.0.1:1/x')",
    "SELECT * FROM read_csv('https://127.0.0.1:1/x')",
    "SELECT * FROM read_csv('/proc/self/environ')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT getenv('HOME')",
    "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/out.parquet' (FORMAT parquet)",
    "COPY (SELECT 1) TO '/dev/stdout'",
    "CREATE TABLE x AS SELECT * FROM read_csv('{file}')",
    "EXPORT DATABASE '{folder}/export'",
    "IMPORT DATABASE '{folder}/export'",
    "ATTACH '{folder}/other.db' AS other",
    "ATTACH ':memory:' AS other (TYPE sqlite)",
    "INSTALL httpfs",
    "INSTALL spatial FROM community",
    "LOAD '{folder}/x.duckdb_extension'",
    "LOAD spatial",
    "UPDATE EXTENSIONS",
    "SET enable_external_access=true",
    "SET lock_configuration=false",
    "SET TimeZone='Asia/Kolkata'",
    "SET memory_limit='100GB'",
    "SET threads=64",
    "SET temp_directory='/tmp'",
    "SET allowed_directories=['/']",
    "SET python_enable_replacements=true",
    "SET GLOBAL autoload_known_extensions=true",
    "RESET lock_configuration",
    "PRAGMA enable_profiling='json'",
    "PRAGMA profiling_output='{folder}/profile.json'",
    "PRAGMA database_list; SELECT * FROM read_text('{file}')",
    "CREATE PERSISTENT SECRET s (TYPE s3)",
    "SELECT * FROM rows_of_the_test",
    "FROM duckdb_secrets(redact := false)",
)
"""Statements that must fail on a cursor of a locked instance."""


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[InstancePool]:
    pool = InstancePool(InstanceSettings(workers=2, threads=1, instances_max=2))
    yield pool
    await pool.close()


async def rows_of(pool: InstancePool, sql: str, zone: str = "UTC", **relations: pa.Table) -> list[dict[str, object]]:
    return [row async for batch in pool.query(sql, relations, zone) for row in batch.to_pylist()]


def files_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def zones(pool: InstancePool) -> list[str]:
    return [kind[0] for kind in pool._instances]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_nothing_leads_out_of_an_instance(pool: InstancePool, tmp_path: Path, attack: str) -> None:
    rows_of_the_test = ROWS
    assert rows_of_the_test.num_rows == 3
    secret = tmp_path / "secret.csv"
    secret.write_text("a,b\n1,2\n")
    before = files_below(tmp_path)
    with pytest.raises(duckdb.Error):
        await rows_of(pool, attack.format(file=secret, folder=tmp_path))
    assert files_below(tmp_path) == before


async def test_relations_belong_to_their_own_cursor(pool: InstancePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline_values, "CELLS_MAX", -1)
    floats = pa.table({"f": pa.array([1.5, float("nan")])})
    first = pool.query("SELECT a FROM scan_0 ORDER BY a", {"scan_0": ROWS, "scan_1": floats}, "UTC")
    assert (await anext(first)).to_pydict() == {"a": [1, 2, None]}
    for name in ("scan_0", "scan_1", "omnisql_arrow"):
        with pytest.raises(duckdb.CatalogException):
            await rows_of(pool, f"SELECT * FROM {name}")
    other = pa.table({"a": pa.array([7], pa.int64())})
    assert await rows_of(pool, "SELECT a FROM scan_0", scan_0=other) == [{"a": 7}]
    shared = "SELECT count(*) AS n FROM duckdb_tables() WHERE NOT temporary"
    assert await rows_of(pool, shared) == [{"n": 0}]
    assert await rows_of(pool, "SELECT view_name FROM duckdb_views() WHERE NOT internal AND NOT temporary") == []
    await first.aclose()  # type: ignore[attr-defined]


async def test_filters_on_float8_are_duckdbs_and_not_arrows(
    pool: InstancePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline_values, "CELLS_MAX", -1)
    floats = pa.table({"f": pa.array([1.0, float("nan"), float("inf"), None, -0.0])})
    sql = "SELECT count(*) AS n FROM scan_0 WHERE "
    for condition, count in (("f > 1", 2), ("f >= 1", 3), ("f <= 'NaN'", 4), ("f IN (0, 3)", 1), ("f = 'NaN'", 1)):
        batches = [b async for b in pool.query(sql + condition, {"scan_0": floats}, "UTC", native=True)]
        assert [batch.to_pydict() for batch in batches] == [{"n": [count]}]


async def test_nulls_sort_as_sqlglot_takes_for_granted(pool: InstancePool) -> None:
    for order, values in (("", [1, 2, None]), ("DESC", [2, 1, None]), ("DESC NULLS FIRST", [None, 2, 1])):
        found = await rows_of(pool, f"SELECT a FROM scan_0 ORDER BY a {order}", scan_0=ROWS)
        assert [row["a"] for row in found] == values


async def test_an_overflow_inside_a_sum_is_noticed(pool: InstancePool) -> None:
    small = pa.table({"a": pa.array([5], pa.int32())})
    with pytest.raises(duckdb.OutOfRangeException):
        await rows_of(pool, "SELECT sum(a + 2147483647) FROM scan_0", scan_0=small)


async def test_an_empty_answer_still_has_its_columns(pool: InstancePool) -> None:
    batches = [b async for b in pool.query("SELECT a, 'x' AS b FROM scan_0 WHERE a > 9", {"scan_0": ROWS}, "UTC")]
    assert [(batch.num_rows, batch.schema.names) for batch in batches] == [(0, ["a", "b"])]


async def test_a_cancelled_statement_is_interrupted_and_its_cursor_closed(pool: InstancePool) -> None:
    endless = "SELECT count(*) FROM range(100000000000) a, range(100000000000) b WHERE a.range % 7 = b.range % 11"
    running = asyncio.create_task(rows_of(pool, endless))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(running, 0.3)
    assert await asyncio.wait_for(rows_of(pool, "SELECT 1 AS one"), 5) == [{"one": 1}]
    assert [instance.cursors for instance in pool._instances.values()] == [0]


async def test_each_time_zone_has_an_instance_and_the_idle_ones_give_way(pool: InstancePool) -> None:
    sql = "SELECT current_setting('TimeZone') AS zone"
    for zone in ("Asia/Tokyo", "Asia/Kolkata", "America/New_York", "Europe/Zurich"):
        assert await rows_of(pool, sql, zone) == [{"zone": zone}]
    assert zones(pool) == ["America/New_York", "Europe/Zurich"]
    busy = pool.query("SELECT 1 AS one UNION ALL SELECT 2", {}, "America/New_York")
    await anext(busy)
    await rows_of(pool, sql, "Asia/Tokyo")
    assert zones(pool) == ["America/New_York", "Asia/Tokyo"]
    await busy.aclose()  # type: ignore[attr-defined]


async def test_statements_that_start_together_share_one_instance(pool: InstancePool) -> None:
    found = await asyncio.gather(*(rows_of(pool, "SELECT 1 AS one") for _ in range(6)))
    assert found == [[{"one": 1}]] * 6
    assert [instance.cursors for instance in pool._instances.values()] == [0]


async def test_an_unknown_time_zone_is_duckdbs_error(pool: InstancePool) -> None:
    with pytest.raises(duckdb.Error):
        await rows_of(pool, "SELECT 1", "<-07>+07")
    assert await rows_of(pool, "SELECT 1 AS one") == [{"one": 1}]


async def test_another_size_is_for_new_statements_and_the_former_instances_go(pool: InstancePool) -> None:
    sql = "SELECT current_setting('memory_limit') AS memory"
    (before,) = await rows_of(pool, sql)
    running = pool.query("SELECT a FROM scan_0", {"scan_0": ROWS}, "UTC")
    await anext(running)
    pool.resize(64)
    (after,) = await rows_of(pool, sql)
    assert (before["memory"], after["memory"]) == ("976.5 MiB", "61.0 MiB")
    assert len(pool._instances) == 2
    assert [batch async for batch in running] == []
    pool.resize(128)
    await rows_of(pool, sql)
    assert [kind[2] for kind in pool._instances] == [128]


def test_small_relations_are_scanned_as_one_batch() -> None:
    many = pa.Table.from_batches(pa.table({"a": range(300)}).to_batches(max_chunksize=30))
    assert in_one_batch(many).column("a").num_chunks == 1
    assert in_one_batch(many).equals(many)
    large = pa.concat_tables([pa.table({"a": ["x" * 1024] * 1024})] * (ONE_BATCH_BYTES_MAX // 1024**2 + 1))
    assert in_one_batch(large) is large


@pytest.mark.parametrize(("rows", "threads"), [(ONE_THREAD_ROWS_MAX, 1), (ONE_THREAD_ROWS_MAX + 1, 2)])
async def test_few_rows_are_worked_on_by_one_thread(rows: int, threads: int) -> None:
    pool = InstancePool(InstanceSettings(threads=2))
    relation = pa.table({"a": range(rows)})
    try:
        batches = pool.query("SELECT count(*), current_setting('threads') FROM t", {"t": relation}, "UTC")
        assert [list(batch.to_pylist()[0].values()) async for batch in batches] == [[rows, threads]]
    finally:
        await pool.close()
