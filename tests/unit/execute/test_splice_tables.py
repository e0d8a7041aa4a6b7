"""Rows in tables: made, filled and looked at in this order, dropped only where the transaction goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from plain_settings import SETTINGS

from omnisql_server.errors import LimitExceeded
from omnisql_server.execute.splice_tables import SpliceLimits, drop_tables, put_into_tables
from omnisql_server.model.backend import Answer, Command, Done, Question, Rows
from omnisql_server.model.query import BoundQuery, Occurrence, ParsedQuery
from omnisql_server.model.relation import Attribute, Relation, RelationKind

LIMITS = SpliceLimits(inline_bytes_max=1_000, table_bytes_max=100_000)
MANY = pa.table({"word": pa.array([f"word {number}" for number in range(500)])})
FEW = pa.table({"word": pa.array(["a"])})


class RecordingBackend:
    """Notes the commands; answers what the transaction and the user may do."""

    def __init__(self, possible: str = "t", *, block: bool = True) -> None:
        self.events: list[str] = []
        self.data = b""
        self.in_transaction_block = block
        self._possible = (possible,)

    async def ask(self, *questions: Question) -> list[Answer]:
        commands = [question for question in questions if isinstance(question, Command)]
        self.events += [" ".join(command.sql.split()[:2]) for command in commands]
        return [Done(tag="") for _ in commands] or [Rows(rows=(self._possible,))]

    async def load(self, sql: str, data: AsyncIterator[bytes | memoryview]) -> int:
        self.events.append(sql.split(maxsplit=1)[0])
        self.data += b"".join([bytes(piece) async for piece in data])
        return 0

    async def begin_again(self) -> bool:
        return False

    async def leave(self) -> None:
        raise AssertionError

    def stream(self, sql: str, **_: Any) -> AsyncIterator[Any]:
        raise AssertionError(sql)


def query(*scans: str) -> BoundQuery:
    word = Attribute(number=1, name="word", type_oid=25, type_sql="text", api_column="word")
    relation = Relation(oid=1, schema="app", name="words", kind=RelationKind.API, owner="ana", attributes=(word,))
    return BoundQuery(
        parsed=ParsedQuery(text="", references=(), named_columns=frozenset(), tree=None),
        meaning=None,
        reason="",
        occurrences=tuple(Occurrence(scan_name=scan, relation=relation, columns=("word",)) for scan in scans),
        relations={},
        views={},
        parameter_oids=(),
        fields=(),
        settings=SETTINGS,
        catalog_sequence=1,
    )


async def test_large_relations_have_tables_and_small_ones_have_none() -> None:
    backend = RecordingBackend()
    made = await put_into_tables(query("many", "few"), {"many": MANY, "few": FEW}, backend, LIMITS)
    assert list(made) == ["many"]
    name = made["many"].name
    assert backend.events == ["CREATE TEMPORARY", "COPY", f'ANALYZE pg_temp."{name}"']
    assert backend.data.count(b"\n") == 500
    assert made["many"].sql == f'(SELECT u.c0 AS "word" FROM pg_temp."{name}" AS u)'
    await drop_tables(made, backend)
    assert backend.events[-1] == "DROP TABLE"


async def test_outside_a_block_the_end_of_the_transaction_drops_them() -> None:
    backend = RecordingBackend(block=False)
    made = await put_into_tables(query("many"), {"many": MANY}, backend, LIMITS)
    before = list(backend.events)
    await drop_tables(made, backend)
    assert backend.events == before


async def test_where_none_may_be_made_none_is() -> None:
    for backend, shields in ((RecordingBackend("f"), False), (RecordingBackend(), True)):
        asked = replace(query("many"), shields=shields)
        assert await put_into_tables(asked, {"many": MANY}, backend, LIMITS) == {}
        assert backend.events == []
    assert LIMITS.message_bytes_max == 100_000


async def test_more_rows_than_allowed_are_refused_before_anything_is_asked() -> None:
    backend = RecordingBackend()
    with pytest.raises(LimitExceeded):
        await put_into_tables(
            query("many"), {"many": MANY}, backend, SpliceLimits(inline_bytes_max=1, table_bytes_max=2)
        )
    assert backend.events == []
