"""A statement's rows loaded into a table by the server's own code, over the arena's connection."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator

import psycopg
from arena import Answered, Arena, ArenaBackend, Refused, collect, columns_of, failure_of, rows_of

from omnisql_server.execute.load import load
from omnisql_server.execute.run import Parameters
from omnisql_server.model.backend import Answer, Ask, Prepare, Prepared, Question, Rows
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.statement import Load
from wire.rows import EncodedRows


def by_load(arena: Arena, query: BoundQuery) -> Answered:
    """Answer by a table that DuckDB's rows are loaded into, in the order in which they lie there."""
    names = ", ".join(f"c{number}" for number in range(len(query.fields)))
    creation = f"CREATE TEMP TABLE loaded ({names}) AS {query.parsed.text}\nWITH NO DATA"
    wanted = Load(query=query.parsed.text, schema=None, name="loaded", temporary=True, creation=creation)
    given = Parameters(type_oids=(), values=(), formats=(), result_formats=())
    backend = LoadingBackend(arena, allowed=True)
    work = load(wanted, query, arena.relations(query), given, backend, arena.pool, _spliced())
    try:
        arena.wait(collect(work))
        return Answered(columns=columns_of(query.fields), rows=tuple(rows_of(arena.run("TABLE loaded"))))
    finally:
        arena.run("DROP TABLE IF EXISTS loaded")


class LoadingBackend(ArenaBackend):
    """What `load` needs of a session's backend."""

    async def ask(self, *questions: Question) -> list[Answer]:
        """Answer what `load` asks."""
        answers: list[Answer] = []
        for question in questions:
            if isinstance(question, Prepare):
                parameter_oids, fields = self.arena.describe(question.sql)
                answers.append(Prepared(parameter_oids=parameter_oids, fields=fields))
            else:
                assert isinstance(question, Ask)
                answers.append(Rows(rows=tuple(self.arena.rows(question.sql, question.parameters))))
        return answers

    async def load(self, sql: str, data: AsyncIterator[bytes | memoryview]) -> int:
        """Run a COPY FROM STDIN on the arena's connection."""
        connection = self.arena.connection.pgconn
        connection.exec_(sql.encode())
        async for piece in data:
            connection.put_copy_data(bytes(piece))
        connection.put_copy_end()
        result = connection.get_result()
        assert result is not None
        assert connection.get_result() is None
        if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
            raise Refused(failure_of(result))
        return int(result.command_tuples or 0)


async def _spliced() -> AsyncGenerator[EncodedRows, None]:
    raise AssertionError("the rows were not loaded")
    yield  # pragma: no cover
