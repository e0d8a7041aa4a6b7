"""Leaving a result early: what feeds it is closed before anything else happens, not when memory is cleaned up."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from plain_settings import SETTINGS

from omnisql_server.execute.instances import InstancePool, InstanceSettings
from omnisql_server.execute.run import POSTGRES, Engine, Parameters, execute
from omnisql_server.execute.splice_tables import SpliceLimits
from omnisql_server.model.query import BoundQuery, ParsedQuery
from wire.backend import data_row
from wire.rows import EncodedRows

TEXT = "SELECT 1"
LIMITS = SpliceLimits(inline_bytes_max=1024, table_bytes_max=1024)
QUERY = BoundQuery(
    parsed=ParsedQuery(text=TEXT, references=(), named_columns=frozenset(), tree=None),
    meaning=None,
    reason="",
    occurrences=(),
    relations={},
    views={},
    parameter_oids=(),
    fields=(),
    settings=SETTINGS,
    catalog_sequence=1,
)


class StreamingBackend:
    """A backend whose stream never ends by itself; `events` is what happened to it, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def stream(self, sql: str, **_: Any) -> AsyncGenerator[EncodedRows, None]:
        self.events.append(sql)
        row = data_row([b"1"])
        try:
            while True:
                yield EncodedRows(data=memoryview(row), ends=np.array([len(row)], dtype=np.int64))
        finally:
            self.events.append("closed")


@pytest.fixture
async def pool() -> AsyncIterator[InstancePool]:
    pool = InstancePool(InstanceSettings(memory_limit_mb=256, threads=1, workers=1))
    yield pool
    await pool.close()


async def test_a_stream_of_the_backend_is_closed_with_the_answer(pool: InstancePool) -> None:
    backend = StreamingBackend()
    parameters = Parameters(type_oids=(), values=(), formats=(), result_formats=())
    engine = Engine(name=POSTGRES, reason="")
    relations: dict[str, pa.Table] = {}
    rows = execute(QUERY, engine, relations, parameters, backend, pool, LIMITS)  # type: ignore[arg-type]
    assert (await anext(rows)).row_count == 1
    assert backend.events == [TEXT]
    await rows.aclose()
    backend.events.append("next")
    assert backend.events == [TEXT, "closed", "next"]
