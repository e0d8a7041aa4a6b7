"""One statement, answered three ways: by PostgreSQL over local tables, by DuckDB, and by the splice.

The local tables and the Arrow tables hold the same rows. Everything after the fetch is the server's own code; bind's
questions are asked of the same cluster.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
from arena_messages import decode_rows
from psycopg.pq.abc import PGresult

from omnisql_server.bind import fold
from omnisql_server.bind.questions import DETAIL, RESOLVE, ask_resolve, read_relation, text_array
from omnisql_server.bind.resolve import Closure, Name, names_of
from omnisql_server.bind.tree import NotQualified, coarse_occurrences, placed, qualify_query
from omnisql_server.errors import BackendError
from omnisql_server.execute.allowed import refusal
from omnisql_server.execute.instances import InstancePool, InstanceSettings
from omnisql_server.execute.run import DUCKDB, POSTGRES, Engine, Parameters, execute
from omnisql_server.execute.splice_tables import SpliceLimits
from omnisql_server.model.backend import Answer, Question
from omnisql_server.model.meaning import Form, Meaning, with_literals
from omnisql_server.model.query import BoundQuery, Occurrence, ParsedQuery, Settings
from omnisql_server.model.relation import ROW_NUMBER, Relation, RelationKind
from omnisql_server.parse.shaped import shaped_query
from omnisql_server.parse.tree import parse_query
from wire.backend import Field, data_row
from wire.rows import EncodedRows

Row = tuple[bytes | None, ...]
Parameter = tuple[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a client is told of an error; `position` counts characters of its own text."""

    sqlstate: str
    message: str
    detail: str | None = None
    hint: str | None = None
    position: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer in text format with the columns (name, type, modifier) as Describe gives them, or an error."""

    columns: tuple[tuple[str, int, int], ...] = ()
    rows: tuple[Row, ...] = ()
    error: Failure | None = None


class Refused(Exception):
    """PostgreSQL answered with an error."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


def failure_of(result: PGresult) -> Failure:
    """Read what a failed result says."""
    kinds = psycopg.pq.DiagnosticField
    said = [
        result.error_field(kind)
        for kind in (
            kinds.SQLSTATE,
            kinds.MESSAGE_PRIMARY,
            kinds.MESSAGE_DETAIL,
            kinds.MESSAGE_HINT,
            kinds.STATEMENT_POSITION,
        )
    ]
    state, message, detail, hint, position = (None if text is None else text.decode() for text in said)
    return Failure(sqlstate=state or "", message=message or "", detail=detail, hint=hint, position=position)


class Arena:
    """A connection, the rows, and a DuckDB pool; all of them are the test run's own."""

    def __init__(self, connection: psycopg.Connection[Any], tables: Mapping[str, pa.Table]) -> None:
        self.connection = connection
        self.tables = tables
        self.pool = InstancePool(InstanceSettings(workers=1, threads=1))
        self._runner = asyncio.Runner()
        self._relations: dict[Name, Relation | None] = {}

    def close(self) -> None:
        """End the pool; the connection belongs to the caller."""
        self.wait(self.pool.close())
        self._runner.close()

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end on the arena's own event loop."""
        return self._runner.run(work)

    def set_time_zone(self, time_zone: str) -> None:
        """Change the session's time zone."""
        self.run(f"SET TimeZone = '{time_zone}'")

    def run(self, sql: str, parameters: Sequence[bytes | None] = (), type_oids: Sequence[int] = ()) -> PGresult:
        """Run one statement by the extended protocol, everything in text format."""
        result = self.connection.pgconn.exec_params(sql.encode(), list(parameters), list(type_oids) or None)
        if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
            raise Refused(failure_of(result))
        return result

    def rows(self, sql: str, parameters: Sequence[str | None] = ()) -> list[tuple[str | None, ...]]:
        """Ask one of bind's own questions."""
        result = self.run(sql, [None if value is None else value.encode() for value in parameters])
        return [tuple(None if v is None else v.decode() for v in row) for row in rows_of(result)]

    def describe(self, sql: str) -> tuple[tuple[int, ...], tuple[Field, ...]]:
        """Return the parameter types and the columns of a statement, as Parse and Describe give them."""
        connection = self.connection.pgconn
        for result in (connection.prepare(b"", sql.encode()), connection.describe_prepared(b"")):
            if result.status == psycopg.pq.ExecStatus.FATAL_ERROR:
                raise Refused(failure_of(result))
        fields = tuple(
            Field(
                name=(result.fname(i) or b"").decode(),
                type_oid=result.ftype(i),
                type_length=result.fsize(i),
                type_modifier=result.fmod(i),
            )
            for i in range(result.nfields)
        )
        return tuple(result.param_type(i) for i in range(result.nparams)), fields

    def bind(self, sql: str, parameters: Sequence[Parameter] = (), *, shaped: bool = False) -> BoundQuery:
        """Bind a statement as the server does (by its text's shape: `shaped`), local tables taken for API tables."""
        parameter_oids, fields = self.describe(sql)
        parsed = shaped_query(sql) if shaped else parse_query(sql)
        known = parsed.shape or parsed
        closure = self.closure(known)
        meaning, reason, occurrences = None, "", coarse_occurrences(known, closure)
        try:
            qualified = qualify_query(known, closure)
        except NotQualified as error:
            reason = str(error)
        else:
            folded = fold.extract_constants(qualified.tree)
            blanked = fold.blank_literals(folded, parsed.literals)
            assert blanked is not None, sql
            fillings = {**fold.parameter_fillings(parameters), **fold.literal_fillings(blanked, parsed.literals)}
            if folded.constants:
                constants = [with_literals(constant, parsed.literals) for constant in folded.constants]
                row = self.rows(fold.fold_sql(constants, parameters))[0]
                fillings |= fold.constant_fillings([(row[i] or "text", row[i + 1]) for i in range(0, len(row), 2)])
            meaning = Meaning(Form(folded.tree), fillings)
            occurrences = placed(qualified.occurrences, parsed)
        return BoundQuery(
            parsed=parsed,
            meaning=meaning,
            reason=reason,
            occurrences=occurrences,
            relations=closure.by_name,
            views=closure.views,
            parameter_oids=parameter_oids,
            fields=fields,
            settings=self.settings(),
            catalog_sequence=0,
        )

    def settings(self) -> Settings:
        """Return the session's settings as bind would read them."""
        names = ("TimeZone", "DateStyle", "IntervalStyle", "extra_float_digits")
        more = ("standard_conforming_strings", "transform_null_equals", "array_nulls")
        shown = self.rows("SELECT " + ", ".join(f"current_setting('{name}')" for name in (*names, *more)))[0]
        time_zone, date_style, interval_style, digits, strings, null_equals, array_nulls = (
            text or "" for text in shown
        )
        return Settings(
            time_zone=time_zone,
            date_style=date_style,
            interval_style=interval_style,
            extra_float_digits=int(digits),
            statement_timeout_ms=0,
            engine="auto",
            on_source_error="fail",
            max_api_calls=None,
            current_user="ana",
            plain_input=(strings, null_equals) == ("on", "off"),
            array_nulls=array_nulls == "on",
        )

    def closure(self, parsed: ParsedQuery) -> Closure:
        """Follow a statement's names through views."""
        by_name: dict[Name, Relation] = {}
        views: dict[int, ParsedQuery] = {}
        pending = [parsed]
        while pending:
            names = names_of(pending.pop())
            for name in names:
                relation = self._relation(name)
                if relation is None or name in by_name:
                    continue
                by_name[name] = relation
                if relation.kind is RelationKind.VIEW and relation.oid not in views:
                    views[relation.oid] = parse_query(relation.definition)
                    pending.append(views[relation.oid])
        return Closure(by_name=by_name, views=views)

    def _relation(self, name: Name) -> Relation | None:
        if name not in self._relations:
            oid = self.rows(RESOLVE, ask_resolve([name]).parameters)[0][0]
            row = self.rows(DETAIL, [text_array([oid])])[0] if oid else None
            found = read_relation(row, frozenset()) if row else None
            if found is not None and found.name in self.tables:
                attributes = tuple(replace(a, api_column=a.name) for a in found.attributes)
                found = replace(
                    found, kind=RelationKind.API, attributes=attributes, wrapper="arena", api_table=found.name
                )
            self._relations[name] = found
        return self._relations[name]

    def relations(self, query: BoundQuery) -> dict[str, pa.Table]:
        """Give each scan its rows, with exactly the columns that the statement uses of it."""
        wanted = [o for o in query.occurrences if o.relation.kind is RelationKind.API]
        return {o.scan_name: fetched(o, self.tables[o.relation.name]) for o in wanted}

    def by_postgres(self, sql: str, parameters: Sequence[Parameter] = ()) -> Answered:
        """Answer over the local tables."""
        try:
            _, fields = self.describe(sql)
            result = self.run(sql, [None if text is None else text.encode() for _, text in parameters])
        except Refused as refused:
            return Answered(error=refused.failure)
        return Answered(columns=columns_of(fields), rows=tuple(rows_of(result)))

    def by_engine(
        self,
        query: BoundQuery,
        engine: str,
        parameters: Sequence[Parameter] = (),
        fallback: bool = False,
    ) -> Answered:
        """Answer by the server's own execution; DuckDB may fall back to the splice only where `fallback` is set."""
        return self._execute(query, engine, parameters, self.relations(query), fallback=fallback)

    def _execute(
        self,
        query: BoundQuery,
        engine: str,
        parameters: Sequence[Parameter],
        relations: Mapping[str, pa.Table],
        *,
        fallback: bool,
    ) -> Answered:
        backend = ArenaBackend(self, allowed=engine == POSTGRES or fallback)
        work = execute(
            query,
            Engine(name=engine, reason=""),
            relations,
            Parameters(
                type_oids=query.parameter_oids,
                values=tuple(None if text is None else text.encode() for _, text in parameters),
                formats=(0,) * len(parameters),
                result_formats=(0,) * len(query.fields),
            ),
            backend,
            self.pool,
            SpliceLimits(inline_bytes_max=1 << 26, table_bytes_max=1 << 26),
        )
        try:
            chunks = self.wait(collect(work))
        except BackendError as error:
            said = [error.fields.get(key) for key in "CMDHP"]
            return Answered(
                error=Failure(
                    sqlstate=said[0] or "", message=said[1] or "", detail=said[2], hint=said[3], position=said[4]
                )
            )
        rows = tuple(row for chunk in chunks for row in decode_rows(bytes(chunk.data)))
        return Answered(columns=columns_of(query.fields), rows=rows)

    def by_relations(self, query: BoundQuery, relations: Mapping[str, pa.Table]) -> Answered:
        """Answer over the given rows of each scan, by the splice."""
        return self._execute(query, POSTGRES, (), relations, fallback=False)

    def by_pages(self, query: BoundQuery, pages: Sequence[Mapping[str, pa.Table]], rows_max: int | None) -> Answered:
        """Answer over one page after the other, as a streamed statement is, up to so many rows."""
        engine = POSTGRES if self.duckdb_reason(query) is not None else DUCKDB
        rows: list[Row] = []
        for page in pages:
            answer = self._execute(query, engine, (), page, fallback=True)
            if answer.error is not None:
                return answer
            rows += answer.rows
            if rows_max is not None and len(rows) >= rows_max:
                break
        return Answered(columns=columns_of(query.fields), rows=tuple(rows[:rows_max]))

    def duckdb_reason(self, query: BoundQuery) -> str | None:
        """Say why DuckDB may not execute a statement."""
        return refusal(query)


class ArenaBackend:
    """What `execute` needs of a session's backend."""

    in_transaction_block = False

    def __init__(self, arena: Arena, *, allowed: bool) -> None:
        self.arena = arena
        self._allowed = allowed

    async def begin_again(self) -> bool:
        """Leave the transaction as it is: nothing here is read as somebody else."""
        return False

    async def leave(self) -> None:
        """Leave the transaction as it is: nothing here commits."""

    async def ask(self, *questions: Question) -> list[Answer]:
        """Answer nothing: `execute` asks nothing."""
        raise AssertionError(questions)

    async def load(self, sql: str, data: AsyncIterator[bytes | memoryview]) -> int:
        """Load nothing: `execute` does not."""
        raise AssertionError(sql, data)

    async def stream(
        self,
        sql: str,
        *,
        type_oids: Sequence[int],
        parameters: Sequence[bytes | None],
        parameter_formats: Sequence[int],
        result_formats: Sequence[int],
        completed: Callable[[str], None] | None = None,
    ) -> AsyncIterator[EncodedRows]:
        """Run the spliced statement on the arena's connection."""
        assert self._allowed, f"DuckDB did not execute the statement: {sql}"
        assert set(parameter_formats) <= {0}
        assert set(result_formats) <= {0}
        try:
            result = self.arena.run(sql, parameters, type_oids)
        except Refused as refused:
            said = refused.failure
            fields = {"C": said.sqlstate, "M": said.message, "D": said.detail, "H": said.hint, "P": said.position}
            raise BackendError({key: text for key, text in fields.items() if text is not None}) from refused
        messages = [data_row(row) for row in rows_of(result)]
        yield EncodedRows(
            data=memoryview(b"".join(messages)), ends=np.cumsum([len(m) for m in messages], dtype=np.int64)
        )


def fetched(occurrence: Occurrence, table: pa.Table) -> pa.Table:
    """Give the columns that a statement uses, or the row numbers where it uses none."""
    if not occurrence.columns:
        return pa.table({ROW_NUMBER: pa.array(range(table.num_rows), pa.int64())})
    return table.select(list(occurrence.columns))


async def collect(chunks: AsyncIterator[EncodedRows]) -> list[EncodedRows]:
    return [chunk async for chunk in chunks]


def columns_of(fields: Sequence[Field]) -> tuple[tuple[str, int, int], ...]:
    return tuple((field.name, field.type_oid, field.type_modifier) for field in fields)


def rows_of(result: PGresult) -> list[Row]:
    return [tuple(result.get_value(r, c) for c in range(result.nfields)) for r in range(result.ntuples)]


def same_rows(left: Answered, right: Answered, *, ordered: bool) -> bool:
    """Compare two answers byte for byte: columns, rows, and their order where the statement fixes it."""
    if ordered:
        return left == right
    key = [tuple((value is None, value or b"") for value in row) for row in left.rows]
    other = [tuple((value is None, value or b"") for value in row) for row in right.rows]
    return (left.columns, left.error, sorted(key)) == (right.columns, right.error, sorted(other))


__all__ = ["DUCKDB", "POSTGRES", "Answered", "Arena", "Parameter", "same_rows"]
