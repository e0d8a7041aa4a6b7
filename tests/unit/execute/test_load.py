"""Loading: the table is made before its rows are sent and after DuckDB has made them; else the splice has them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from plain_settings import SETTINGS
from sqlglot import exp, parse_one

from omnisql_server.errors import BackendError, InternalError
from omnisql_server.execute import load as module
from omnisql_server.execute.instances import InstancePool, InstanceSettings
from omnisql_server.execute.load import load
from omnisql_server.execute.run import Parameters
from omnisql_server.model.backend import Answer, Prepared, Question, Rows
from omnisql_server.model.meaning import meaning_of
from omnisql_server.model.query import BoundQuery, ParsedQuery
from omnisql_server.model.statement import Load
from wire.backend import Field
from wire.rows import EncodedRows

TEXT = "SELECT number FROM numbers"
CREATION = "CREATE TABLE made AS SELECT number FROM numbers WITH NO DATA"
LOAD = Load(query=TEXT, schema=None, name="made", creation=CREATION)
FIELD = Field(name="number", table_oid=0, attribute_number=0, type_oid=20, type_length=8, type_modifier=-1, format=0)
TABLE = pa.table({"number": pa.array(range(1000), pa.int64())})


def query(text: str = TEXT) -> BoundQuery:
    tree = parse_one(text, read="postgres")
    for column in tree.find_all(exp.Column):
        column.type = exp.DataType.build("BIGINT")
    return BoundQuery(
        parsed=ParsedQuery(text=text, references=(), named_columns=frozenset(), tree=tree),
        meaning=meaning_of(tree),
        reason="",
        occurrences=(),
        relations={},
        views={},
        parameter_oids=(),
        fields=(),
        settings=SETTINGS,
        catalog_sequence=1,
    )


class LoadingBackend:
    """A backend that notes what it is asked; `failing` is PostgreSQL's error about the COPY."""

    def __init__(self, failing: BackendError | None = None) -> None:
        self.events: list[str] = []
        self.data = b""
        self._failing = failing

    async def ask(self, *questions: Question) -> list[Answer]:
        self.events.append("ask")
        return [Prepared(parameter_oids=(), fields=(FIELD,)), Rows(rows=(("public",),))]

    async def stream(self, sql: str, **_: Any) -> AsyncGenerator[EncodedRows, None]:
        self.events.append(sql)
        return
        yield  # pragma: no cover

    async def load(self, sql: str, data: AsyncIterator[bytes | memoryview]) -> int:
        self.events.append(sql)
        if self._failing is not None:
            raise self._failing
        self.data = b"".join([bytes(piece) async for piece in data])
        return 1000


@pytest.fixture
async def pool() -> AsyncIterator[InstancePool]:
    pool = InstancePool(InstanceSettings(memory_limit_mb=256, threads=1, workers=1))
    yield pool
    await pool.close()


async def spliced() -> AsyncGenerator[EncodedRows, None]:
    yield EncodedRows(data=memoryview(b"spliced"), ends=np.array([7], dtype=np.int64))


async def events_of(
    backend: LoadingBackend, pool: InstancePool, bound: BoundQuery, table: pa.Table = TABLE
) -> tuple[list[str], list[str]]:
    """Load and return the tags told, and what came of the splice."""
    tags: list[str] = []
    given = Parameters(type_oids=(), values=(), formats=(), result_formats=(), completed=tags.append)
    rows = load(LOAD, bound, {"numbers": table}, given, backend, pool, spliced())  # type: ignore[arg-type]
    return tags, [bytes(chunk.data).decode() async for chunk in rows]


async def test_the_table_is_made_and_then_filled(pool: InstancePool) -> None:
    backend = LoadingBackend()
    assert await events_of(backend, pool, query()) == (["SELECT 1000"], [])
    assert backend.events == ["ask", CREATION, 'COPY "public"."made" FROM STDIN (FORMAT binary)']
    tuples = b"".join(b"\0\1\0\0\0\x08" + number.to_bytes(8, "big") for number in range(1000))
    assert backend.data == b"PGCOPY\n\xff\r\n\0" + bytes(8) + tuples + b"\xff\xff"


Change = Callable[[BoundQuery], BoundQuery]


@pytest.mark.parametrize(
    ("change", "table", "asked"),
    [
        (lambda bound: bound, TABLE.slice(0, module.ROWS_MIN - 1), []),
        (lambda bound: replace(bound, meaning=None), TABLE, []),
        (lambda bound: replace(bound, settings=replace(SETTINGS, engine="postgres")), TABLE, []),
        (lambda bound: replace(bound, settings=replace(SETTINGS, catalog_first=False)), TABLE, ["ask"]),
        (lambda bound: query("SELECT to_hex(number) FROM numbers"), TABLE, ["ask"]),
        (lambda bound: query("SELECT number / (number - 7) FROM numbers"), TABLE, ["ask"]),
    ],
)
async def test_what_cannot_be_loaded_is_spliced_with_nothing_done(
    pool: InstancePool, change: Change, table: pa.Table, asked: list[str]
) -> None:
    backend = LoadingBackend()
    assert await events_of(backend, pool, change(query()), table) == ([], ["spliced"])
    assert backend.events == asked


async def test_an_error_says_nothing_of_the_copy(pool: InstancePool) -> None:
    backend = LoadingBackend(BackendError({"C": "23502", "M": "null value", "W": "COPY made, line 3"}))
    with pytest.raises(BackendError) as caught:
        await events_of(backend, pool, query())
    assert caught.value.fields == {"C": "23502", "M": "null value"}


class FailingPool:
    """A pool whose query fails after its first batch."""

    async def query(self, *_: Any, **__: Any) -> AsyncGenerator[pa.RecordBatch, None]:
        yield TABLE.to_batches()[0]
        raise duckdb.InvalidInputException("division by zero")


async def test_a_failure_beyond_what_is_made_ahead_ends_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD_BYTES_MAX", 0)
    backend = LoadingBackend()
    with pytest.raises(InternalError) as caught:
        await events_of(backend, FailingPool(), query())  # type: ignore[arg-type]
    assert caught.value.message == "the statement failed after its first rows were written"
    assert backend.events[1:] == [CREATION, 'COPY "public"."made" FROM STDIN (FORMAT binary)']
    assert backend.data == b""
