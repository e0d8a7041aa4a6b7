"""DuckDB instances: configured once, locked, never reconfigured; a statement gets a cursor and cursor-local relations.

Instances are kept by time zone, number of threads and memory, because a locked instance cannot change them. DuckDB
works on this pool's own bounded threads; the event loop is never blocked. An interrupt reaches DuckDB when the awaiting
task is cancelled.
"""

from __future__ import annotations

import asyncio
import importlib
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from omnisql_server.execute.inline_values import inline_small
from omnisql_server.execute.macros import MACROS
from omnisql_server.execute.python_functions import add_functions

BATCH_ROWS_MAX = 32_768
BATCH_BYTES_MAX = 16 * 1024 * 1024
"""Rows of a batch are bounded by this too, as far as the rows of the relations tell how wide they are."""

SMALL_RESULT_ROWS_MAX = 1024
"""A first batch of up to so many rows is taken for the whole result, which is then looked for at once."""

ONE_THREAD_ROWS_MAX = 5_000
"""Over so few rows a second thread costs more than it does: 6,000 in one batch took 1.6 ms of a processor with one
thread and 2.9 with two (DuckDB 1.5.5, two cores)."""

ONE_BATCH_BYTES_MAX = 4 * 1024 * 1024
"""Relations up to here are scanned as one batch: each is asked for in Python, under its lock. 300 rows in ten batches
took 4.2 ms of a processor and 1.8 in one, 6,000 rows in sixty 9.5 and 2.9."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSettings:
    """Bounds of the pool: memory and threads are per instance, `workers` how many statements execute at once."""

    memory_limit_mb: int = 1024
    threads: int = 2
    instances_max: int = 8
    workers: int = 4
    temp_directory: Path | None = None
    temp_directory_size_max_mb: int = 4096


_Kind = tuple[str, int, int]
"""Time zone, number of threads, memory in megabytes."""


@dataclass(slots=True)
class _Instance:
    connection: duckdb.DuckDBPyConnection
    directory: tempfile.TemporaryDirectory[str]
    cursors: int = 0


class InstancePool:
    """The DuckDB instances of one tenant."""

    def __init__(self, settings: InstanceSettings) -> None:
        self._settings = settings
        self._instances: OrderedDict[_Kind, _Instance] = OrderedDict()
        self._opening = asyncio.Lock()
        self._threads = ThreadPoolExecutor(max_workers=settings.workers, thread_name_prefix="duckdb")

    async def query(
        self, sql: str, relations: Mapping[str, pa.Table], time_zone: str, *, native: bool = False
    ) -> AsyncIterator[pa.RecordBatch]:
        """Run a generated query over cursor-local relations and yield its batches; at least one, maybe empty.

        With `native`, relations with floating point columns are copied instead of being scanned where they are.

        Raises:
            duckdb.Error: DuckDB could not run it.
        """
        few = sum(rows.num_rows for rows in relations.values()) <= ONE_THREAD_ROWS_MAX
        threads = 1 if few else self._settings.threads
        instance = await self._take((time_zone, threads, self._settings.memory_limit_mb))
        cursor = instance.connection.cursor()
        try:
            # A small result is there after one turn of a thread; each turn costs as much as DuckDB's own work on it.
            reader, batches = await self._interruptible(cursor, lambda: _start(cursor, sql, relations, native))
            for batch in batches:
                yield batch
            while reader is not None:
                following = await self._interruptible(cursor, lambda: _next_batch(reader))
                if following is None:
                    return
                yield following
        finally:
            instance.cursors -= 1
            cursor.close()

    def resize(self, memory_limit_mb: int) -> None:
        """Have new statements use instances of another size; those of the former one go when the next is opened."""
        self._settings = replace(self._settings, memory_limit_mb=memory_limit_mb)

    async def close(self) -> None:
        """Close every instance; no statement may be running."""
        for instance in self._instances.values():
            instance.connection.close()
            instance.directory.cleanup()
        self._instances.clear()
        self._threads.shutdown(wait=True)

    async def _call(self, work: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _interruptible(self, cursor: duckdb.DuckDBPyConnection, work: Callable[[], _Result]) -> _Result:
        future = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            cursor.interrupt()
            await asyncio.wait([future])
            if not future.cancelled():
                future.exception()
            raise

    async def _take(self, kind: _Kind) -> _Instance:
        """Return an instance of a kind, counted as in use before it can be evicted."""
        async with self._opening:
            if kind not in self._instances:
                self._evict()
                self._instances[kind] = await self._call(
                    lambda: _open(replace(self._settings, threads=kind[1], memory_limit_mb=kind[2]), kind[0])
                )
            instance = self._instances[kind]
            self._instances.move_to_end(kind)
            instance.cursors += 1
            return instance

    def _evict(self) -> None:
        idle = [kind for kind, instance in self._instances.items() if instance.cursors == 0]
        outgrown = [kind for kind in idle if kind[2] != self._settings.memory_limit_mb]
        idle = [*outgrown, *(kind for kind in idle if kind not in outgrown)]
        while idle and (len(self._instances) >= self._settings.instances_max or idle[0] in outgrown):
            instance = self._instances.pop(idle.pop(0))
            instance.connection.close()
            instance.directory.cleanup()


def _open(settings: InstanceSettings, time_zone: str) -> _Instance:
    directory = tempfile.TemporaryDirectory(prefix="omnisql-spill-", dir=settings.temp_directory)
    connection = duckdb.connect(":memory:")
    add_functions(connection)
    for statement in _lock_down(settings, time_zone, directory.name):
        connection.execute(statement)
    return _Instance(connection=connection, directory=directory)


def _lock_down(settings: InstanceSettings, time_zone: str, directory: str) -> list[str]:
    """List what configures an instance, in this order: the lock comes last and cannot be undone."""
    extension = openssl_extension()
    return [
        "SET autoinstall_known_extensions=false",
        "SET autoload_known_extensions=false",
        "SET allow_community_extensions=false",
        *([f"LOAD {_literal(str(extension))}"] if extension is not None else []),
        "SET allow_persistent_secrets=false",
        "SET python_enable_replacements=false",
        f"SET memory_limit='{settings.memory_limit_mb}MB'",
        f"SET threads={settings.threads}",
        f"SET temp_directory={_literal(directory)}",
        f"SET max_temp_directory_size='{settings.temp_directory_size_max_mb}MB'",
        "SET temp_file_encryption=true",
        # What sqlglot takes for DuckDB's default when it leaves NULLS FIRST or LAST out.
        "SET default_null_order='nulls_last'",
        # It takes sum(x + 1) apart, and with it the overflow that PostgreSQL reports.
        "SET disabled_optimizers='sum_rewriter'",
        "SET integer_division=true",
        *MACROS,
        # Without GLOBAL it would be the zone of this connection alone, and not of its cursors.
        f"SET GLOBAL TimeZone={_literal(time_zone)}",
        "SET enable_external_access=false",
        "SET lock_configuration=true",
    ]


def openssl_extension() -> Path | None:
    """Return the extension that gives DuckDB OpenSSL's ciphers for its spill files, None where no wheel has it."""
    try:
        package = importlib.import_module("duckdb_extension_httpfs")
    except ModuleNotFoundError:
        return None
    found = [path for root in package.__path__ for path in Path(root).glob("extensions/*/httpfs.duckdb_extension")]
    return found[0] if found else None


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _start(
    cursor: duckdb.DuckDBPyConnection, sql: str, relations: Mapping[str, pa.Table], native: bool
) -> tuple[pa.RecordBatchReader | None, list[pa.RecordBatch]]:
    """Run a query up to its first two batches; there is a reader only if more may follow."""
    text, registered = inline_small(sql, relations)
    for name, rows in registered.items():
        _register(cursor, name, rows, native)
    reader = cursor.execute(text).to_arrow_reader(_batch_rows(relations))
    first = _next_batch(reader)
    if first is None:
        return None, [pa.RecordBatch.from_pylist([], schema=reader.schema)]
    if first.num_rows > SMALL_RESULT_ROWS_MAX:
        return reader, [first]
    second = _next_batch(reader)
    return (None, [first]) if second is None else (reader, [first, second])


def _register(cursor: duckdb.DuckDBPyConnection, name: str, rows: pa.Table, native: bool) -> None:
    """Make rows a relation of this cursor alone.

    DuckDB hands a filter on a registered table to Arrow, for which NaN is neither equal nor greater, 0 is not -0 in a
    list, and null may pass: where float8 is compared, a table that has any is copied first.
    """
    rows = in_one_batch(rows)
    if not native or not any(pa.types.is_floating(kind) for kind in rows.schema.types):
        cursor.register(name, rows)
        return
    cursor.register("omnisql_arrow", rows)
    cursor.execute(f'CREATE TEMP TABLE "{name}" AS SELECT * FROM omnisql_arrow')
    cursor.unregister("omnisql_arrow")


def in_one_batch(rows: pa.Table) -> pa.Table:
    """Return the rows of a small relation in one batch; those of others as they are."""
    many = any(column.num_chunks > 1 for column in rows.columns)
    return rows.combine_chunks() if many and rows.nbytes <= ONE_BATCH_BYTES_MAX else rows


def _batch_rows(relations: Mapping[str, pa.Table]) -> int:
    row_bytes = sum(int(rows.nbytes) // max(1, int(rows.num_rows)) for rows in relations.values())
    return max(1, min(BATCH_ROWS_MAX, BATCH_BYTES_MAX // max(1, row_bytes)))


def _next_batch(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except OSError as error:
        # As Arrow's interface for streams hands on what DuckDB raised.
        raise duckdb.Error(str(error)) from error
