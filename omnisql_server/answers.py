"""The edges of a run statement: its parameters as text, and answers that are not a query's own rows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from functools import partial

import numpy as np

from catalog.types import BY_OID
from omnisql_server.errors import BackendError, InternalError, NotSupported, RelayInstead
from omnisql_server.execute.run import Engine
from omnisql_server.explain_options import ExplainWants, explain_fields
from omnisql_server.model.backend import Backend, Command, Done
from omnisql_server.model.freshness import duration_us
from omnisql_server.model.plan import QueryPlan, ScanNotes
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.report import SourceReport
from omnisql_server.model.run import BoundParameters, Description, RunResult, SessionView, command_result
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.plan.explain import explain_json, explain_text
from omnisql_server.plan.explain_formats import ExplainFormat, in_format
from wire.backend import Field, data_row
from wire.copy import CopyEncoder, CopyFormat, parse_copy_options
from wire.rows import EncodedRows
from wire.values import decode_parameter

COPY_ROWS = 8_192
"""Rows of COPY that are turned into messages together."""


def parameter_constants(parameters: BoundParameters, type_oids: Sequence[int]) -> list[tuple[str, str | None]] | None:
    """Give each parameter's type name and text form, None when a type is one that only PostgreSQL understands."""
    constants = []
    for type_oid, format_code, value in zip(type_oids, parameters.formats, parameters.values, strict=True):
        known = BY_OID.get(type_oid)
        if known is None:
            return None
        name = f"{known.element}[]" if known.element is not None else known.name
        constants.append((name, decode_parameter(type_oid, format_code, value) if value is not None else None))
    return constants


def constants_given(
    statement: Statement, parameters: BoundParameters
) -> Callable[[Sequence[int]], list[tuple[str, str | None]] | None]:
    """Return what gives the parameters' constants for their types: nulls where the statement is to do without them."""
    if ExplainWants.of(statement).generic:
        return lambda oids: parameter_constants(
            BoundParameters(values=(None,) * len(oids), formats=(0,) * len(oids)), oids
        )
    return partial(parameter_constants, parameters)


def result_formats(wanted: Sequence[int], column_count: int) -> tuple[int, ...]:
    """Apply PostgreSQL's rule for result format codes: none is text, one is for all, else one each."""
    if len(wanted) == column_count:
        return tuple(wanted)
    return tuple(wanted or (0,)) * column_count if len(wanted) <= 1 else tuple(wanted)


@contextmanager
def own_position(statement: Statement) -> Iterator[None]:
    """Move the position of PostgreSQL's errors from the query inside EXPLAIN or COPY to the whole statement."""
    try:
        yield
    except BackendError as error:
        shift = len(statement.text.encode()[: statement.query_position].decode())
        if not shift or "P" not in error.fields:
            raise
        raise BackendError({**error.fields, "P": str(int(error.fields["P"]) + shift)}) from error


def hinted(bound: BoundQuery, statement: Statement) -> BoundQuery:
    """Let the bounds that a statement's hints give prevail over the session's."""
    settings, hints = bound.settings, dict(statement.hints)
    wanted, instead = hints.get("omnisql.max_staleness"), hints.get("omnisql.stale_if_error")
    if wanted is not None:
        settings = replace(settings, max_staleness_us=duration_us(wanted))
    if instead is not None:
        settings = replace(settings, stale_if_error_us=duration_us(instead) or 0)
    if statement.renews:
        settings = replace(settings, max_staleness_us=0, stale_if_error_us=0, on_source_error="fail", keeps=True)
    return bound if settings is bound.settings else replace(bound, settings=settings)


async def explained(
    statement: Statement,
    plan: QueryPlan,
    engine: Engine,
    reports: Mapping[str, SourceReport] | None,
    notes: Mapping[str, ScanNotes] | None = None,
) -> AsyncGenerator[EncodedRows, None]:
    """Yield EXPLAIN's rows, with what really happened when there are reports, else with what would be answered how."""
    wants = ExplainWants.of(statement)
    form, costs_shown = wants.form, wants.costs
    lines = (
        explain_text(plan, engine.name, engine.reason, reports, costs_shown=costs_shown, notes=notes or {})
        if form is ExplainFormat.TEXT
        else (
            in_format(
                explain_json(plan, engine.name, engine.reason, reports, costs_shown=costs_shown, notes=notes or {}),
                form,
            ),
        )
    )
    messages = [data_row([line.encode()]) for line in lines]
    yield EncodedRows(data=memoryview(b"".join(messages)), ends=np.cumsum([len(m) for m in messages], dtype=np.int64))


async def analyzed(
    statement: Statement,
    plan: QueryPlan,
    engine: Engine,
    rows: AsyncGenerator[EncodedRows, None],
    reports: Callable[[], tuple[SourceReport, ...]],
    quotas: Callable[[QueryPlan], Awaitable[Mapping[str, ScanNotes]]],
) -> AsyncGenerator[EncodedRows, None]:
    """Read a statement's rows to their end, and return those of EXPLAIN (ANALYZE) instead, with what is left."""
    async with aclosing(rows):
        async for _ in rows:
            continue
    return explained(statement, plan, engine, {report.scan_name: report for report in reports()}, await quotas(plan))


async def copy_stream(
    chunks: AsyncGenerator[EncodedRows, None], copy_format: CopyFormat, names: Sequence[str]
) -> AsyncGenerator[EncodedRows, None]:
    """Turn DataRow messages into CopyData messages; what belongs to no row travels as messages that count none."""
    encoder = CopyEncoder(copy_format, names)
    async with aclosing(chunks):
        async for chunk in chunks:
            if chunk.copied and chunk.row_count:
                messages = memoryview(encoder.begun(chunk.data))
                yield EncodedRows(data=messages, ends=chunk.ends + (len(messages) - len(chunk.data)))
                continue
            # By pieces, so that the client reads one while the next is made.
            for start in range(0, chunk.row_count, COPY_ROWS):
                ends = chunk.ends[start : start + COPY_ROWS]
                messages = chunk.slice(start, start + len(ends))
                base = int(chunk.ends[start - 1]) if start else 0
                data = await asyncio.to_thread(encoder.rows, messages, ends - base)
                yield EncodedRows(data=memoryview(data), ends=np.full(len(ends), len(data), dtype=np.int64))
    if tail := encoder.finish():
        yield _uncounted(tail)


def fields_of(statement: Statement, bound: BoundQuery) -> tuple[Field, ...] | None:
    """Describe the rows that the client gets, None where it gets none."""
    if statement.kind is StatementKind.EXPLAIN:
        return explain_fields(statement)
    return None if statement.kind is StatementKind.COPY_TO or not bound.returns_rows else bound.fields


def described(statement: Statement, bound: BoundQuery) -> Description:
    """Describe a statement: its parameters, the rows that the client gets, and what its transaction has to be."""
    return Description(
        parameter_oids=bound.parameter_oids,
        fields=fields_of(statement, bound),
        needs_snapshot=bound.as_owners.need_snapshot,
    )


def result_of(statement: Statement, bound: BoundQuery, rows: AsyncGenerator[EncodedRows, None]) -> RunResult:
    """Give an answer its command tag and the shape of its rows."""
    copy_formats = None
    if statement.kind is StatementKind.COPY_TO:
        copy_formats = (int(parse_copy_options(statement.copy_options).binary),) * len(bound.fields)
    return RunResult(
        fields=fields_of(statement, bound),
        rows=rows,
        command={StatementKind.EXPLAIN: "EXPLAIN", StatementKind.COPY_TO: "COPY"}.get(statement.kind, "SELECT"),
        close=rows.aclose,
        counts_rows=statement.kind is not StatementKind.EXPLAIN,
        copy_formats=copy_formats,
    )


def no_locking() -> NotSupported:
    """Say that rows that are not here cannot be locked."""
    return NotSupported(
        message="rows of an API table cannot be locked",
        hint="leave FOR UPDATE or FOR SHARE out, or lock rows of your own tables in a statement of their own",
    )


def not_available(statement: Statement) -> NotSupported | None:
    """Say of a statement that it cannot be run over API tables, whatever they are; None where it may."""
    known = {
        StatementKind.LOCK: ("LOCK TABLE", "lock your own tables, naming each of them"),
    }
    if statement.kind not in known:
        return None
    what, hint = known[statement.kind]
    return NotSupported(message=f"{what} over API tables is not available", hint=hint)


def require_api(statement: Statement, bound: BoundQuery) -> None:
    """Leave a statement that only looked like one over API tables to PostgreSQL; refuse to lock rows of an API.

    Raises:
        RelayInstead: it reads no API table.
        NotSupported: 0A000, it locks rows.
    """
    if not any(occurrence.relation.kind is RelationKind.API for occurrence in bound.occurrences):
        raise RelayInstead
    if statement.locking or any(view.locking for view in bound.views.values()):
        raise no_locking()


def read_only(target: Relation, api: Relation) -> NotSupported:
    """Say which API table a statement tries to write to, by its own name or through a view."""
    through = f" through view {target.qualified_name}" if target.kind is RelationKind.VIEW else ""
    return NotSupported(
        message=f"API table {api.qualified_name} is read-only",
        detail=f"The statement would write to it{through}.",
        hint="write to a table of your own: INSERT INTO it, or CREATE TABLE .. AS, from the API table",
    )


async def done_alone(text: str, backend: Backend) -> RunResult:
    """Have PostgreSQL carry out a statement that takes no parameters, and answer with its command tag and notices."""
    (done,) = await backend.ask(Command(sql=text))
    if not isinstance(done, Done):
        raise InternalError(message="the backend answered out of order")
    return command_result(done.tag)


async def explained_by_postgres(statement: Statement, backend: Backend) -> RunResult:
    """Have PostgreSQL answer an EXPLAIN that reads no API table."""
    answer = backend.stream(statement.text, type_oids=(), parameters=(), parameter_formats=(), result_formats=())
    return explain_result(statement, [chunk async for chunk in answer])


def explain_result(statement: Statement, chunks: Sequence[EncodedRows]) -> RunResult:
    """Answer an EXPLAIN by rows that are there."""
    rows = _each(chunks)
    return RunResult(
        fields=explain_fields(statement), rows=rows, command="EXPLAIN", close=rows.aclose, counts_rows=False
    )


async def _each(chunks: Sequence[EncodedRows]) -> AsyncGenerator[EncodedRows, None]:
    for chunk in chunks:
        yield chunk


async def made_empty(text: str, parameters: BoundParameters, backend: Backend) -> RunResult:
    """Have PostgreSQL carry out a statement that gives no rows, and answer with its command tag."""
    tags: list[str] = []
    chunks = backend.stream(
        text,
        type_oids=parameters.type_oids,
        parameters=parameters.values,
        parameter_formats=parameters.formats,
        result_formats=(),
        completed=tags.append,
    )
    async for _ in chunks:
        continue
    return command_result(tags[-1])


def _uncounted(message: bytes) -> EncodedRows:
    return EncodedRows(data=memoryview(message), ends=np.empty(0, dtype=np.int64))


def warn(report: SourceReport, view: SessionView) -> None:
    """Tell the client of rows that are missing, or older than it asked for."""
    messages = []
    if not report.complete:
        message = f"the answer is incomplete: source {report.source} gave only a part of {report.table}"
        rows = "" if report.hides_rows else f" with {report.rows_fetched} rows"
        came = f"{report.pages} pages{rows} had come"
        at = report.resets_at
        again = "" if at is None else f"; it may be asked again at {at:%Y-%m-%d %H:%M:%S} UTC"
        messages.append((message, f"{report.incomplete_reason or 'unknown'} ({came}{again})"))
    if report.stale is not None:
        age_s = report.age_ms / 1000
        message = f"STALE_DATA: rows of {report.table} are {age_s:.1f} s old, for source {report.source} failed"
        messages.append((message, report.stale))
    for each in report.misfits:
        most = "at most " if report.cache_hits else ""
        message = f"{most}{each.count} values of {report.table}.{each.column} did not fit its type and are null"
        messages.append(
            (message, f"Source {report.source} sent something else than declared, first at {each.example}.")
        )
    for message, detail in messages:
        view.notice({"S": "WARNING", "V": "WARNING", "C": "01000", "M": message, "D": detail})
    if report.refreshing:
        message = f"rows of {report.table} are {report.age_ms / 1000:.1f} s old and are being read again"
        view.notice({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": message})
