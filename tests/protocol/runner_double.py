"""A stand-in for the pipeline: runs every statement whose text names an `api_` table, over a session's real backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field, replace

import pyarrow as pa

from omnisql_server.errors import OmniSQLError
from omnisql_server.model.backend import Ask, DescribePrepared, Prepare, Prepared, Rows
from omnisql_server.model.plain_texts import PlainTexts
from omnisql_server.model.run import BoundParameters, Description, Repeatable, Repeated, RunResult, SessionView
from omnisql_server.model.statement import Part, Statement, StatementKind
from wire.columns import RowFormat
from wire.copy import CopyFormat
from wire.copy_columns import encode_copy_columns
from wire.rows import EncodedRows, encode_rows

ISSUES = "(SELECT g AS number, 'title ' || g AS title FROM pg_catalog.generate_series(1, 100) AS g) AS api_issues"
LATE = "(SELECT 7 AS number) AS api_late"
SLOW = "(SELECT 8 AS number) AS api_slow"


class SourceBroken(OmniSQLError):
    """The API failed."""

    sqlstate = "HV000"


@dataclass(slots=True)
class RunnerDouble:
    """Knows `api_` tables by their names; `late_known` is whether the snapshot has the one that was made later.

    Reading `api_slow` waits until it is stopped or `release` is set, `api_broken` fails, `api_big` gives a
    million rows. A text with the word `denied` cannot be prepared.
    """

    late_known: bool = False
    refreshes: int = 0
    started: asyncio.Event = field(default_factory=asyncio.Event)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    closes: int = 0
    overlays: list[frozenset[str]] = field(default_factory=list)
    plain: PlainTexts = field(default_factory=lambda: PlainTexts(lambda _text: False))

    def route(self, text: bytes, overlay: frozenset[str]) -> tuple[Part, ...] | None:
        """Split at semicolons."""
        self.overlays.append(overlay)
        decoded = text.decode()
        offset = 0
        parts = []
        for piece in decoded.split(";"):
            lead = len(piece) - len(piece.lstrip())
            body = piece.strip()
            if body:
                parts.append(Part(text=body, offset=offset + lead, statement=self._statement(body, overlay)))
            offset += len(piece) + 1
        return tuple(parts) if any(part.statement for part in parts) else None

    def _statement(self, body: str, overlay: frozenset[str]) -> Statement | None:
        text = body if self.late_known else body.replace("api_late", "")
        if "api_" not in text and not any(name in text for name in overlay):
            return None
        lowered = body.lower()
        kind = StatementKind.SELECT
        creates: frozenset[str] = frozenset()
        if lowered.startswith("create"):
            kind, creates = StatementKind.DEFINITION, frozenset({body.split()[2]})
        elif lowered.startswith("copy"):
            kind = StatementKind.COPY_TO
        elif lowered.startswith("explain"):
            kind = StatementKind.EXPLAIN
        return Statement(text=body, kind=kind, references=(), creates=creates)

    async def watch(self, statement: Statement, view: SessionView) -> None:
        """Let it pass: it has no derived table."""

    async def refresh_snapshot(self) -> None:
        """Learn about the late table."""
        self.refreshes += 1
        self.late_known = True
        self.plain = PlainTexts(lambda _text: False)

    @property
    def outdated(self) -> bool:
        """Say that nothing was defined."""
        return False

    def defined(self) -> None:
        """Do nothing: what other sessions define is a matter of whole servers."""

    async def catch_up(self) -> None:
        """Do nothing."""

    async def describe(
        self, statement: Statement, type_oids: tuple[int, ...], view: SessionView, *, twin: str
    ) -> Description:
        """Ask PostgreSQL."""
        answers = await view.backend.ask(Prepare(name=twin, sql=statement.text, type_oids=type_oids, keep=True))
        prepared = answers[0]
        assert isinstance(prepared, Prepared)
        if "denied" in statement.text:
            raise SourceBroken(message="nobody may read this")
        return Description(parameter_oids=prepared.parameter_oids, fields=prepared.fields)

    async def run(
        self, statement: Statement, parameters: BoundParameters, view: SessionView, *, twin: str | None = None
    ) -> RunResult:
        """Run the statement with the API table replaced by rows, on the backend."""
        question = DescribePrepared(name=twin) if twin else Prepare(name="omnisql_once", sql=_query(statement))
        prepared, rows = await view.backend.ask(question, Ask(sql="SELECT pg_catalog.current_setting('TimeZone')"))
        assert isinstance(prepared, Prepared)
        assert isinstance(rows, Rows)
        if "api_broken" in statement.text:
            raise SourceBroken(message="the API is down", hint="Try later.")
        if "api_slow" in statement.text:
            await self._wait()
        if "api_noisy" in statement.text:
            view.notice({"S": "WARNING", "V": "WARNING", "C": "01000", "M": "partial"})
        return await self._result(statement, parameters, view, prepared)

    async def repeat(self, repeatable: Repeatable, view: SessionView) -> Repeated | None:
        """Keep no answer."""
        raise AssertionError(repeatable, view)

    async def _wait(self) -> None:
        self.started.set()
        try:
            await self.release.wait()
        finally:
            self.stopped.set()

    async def _result(
        self, statement: Statement, parameters: BoundParameters, view: SessionView, prepared: Prepared
    ) -> RunResult:
        async def close() -> None:
            self.closes += 1
            if isinstance(closing, AsyncGenerator):
                await closing.aclose()

        closing: AsyncIterator[EncodedRows]

        if statement.kind is StatementKind.COPY_TO:
            closing = _copy_rows()
            return RunResult(fields=(), rows=closing, command="COPY", close=close, copy_formats=(0, 0))
        if statement.kind is StatementKind.EXPLAIN:
            closing = _plan_rows()
            fields = prepared.fields or ()
            return RunResult(fields=fields, rows=closing, command="EXPLAIN", close=close, counts_rows=False)
        fields = tuple(replace(each, name=each.name) for each in prepared.fields or ())
        closing = (
            _big_rows()
            if "api_big" in statement.text
            else view.backend.stream(
                _query(statement),
                type_oids=parameters.type_oids,
                parameters=parameters.values,
                parameter_formats=parameters.formats,
                result_formats=parameters.result_formats,
            )
        )
        return RunResult(fields=fields, rows=closing, command="SELECT", close=close)


def _query(statement: Statement) -> str:
    spliced = statement.text.replace("api_issues", ISSUES).replace("api_late", LATE).replace("api_slow", SLOW)
    return spliced.replace("api_noisy", ISSUES.replace("api_issues", "api_noisy"))


async def _copy_rows() -> AsyncIterator[EncodedRows]:
    batch = pa.record_batch({"number": pa.array([1, 2], pa.int32()), "title": pa.array(["a\tb", None])})
    formats = [RowFormat(type_oid=23, format=0), RowFormat(type_oid=25, format=0)]
    yield encode_copy_columns(batch, formats, CopyFormat())


async def _plan_rows() -> AsyncIterator[EncodedRows]:
    batch = pa.record_batch({"QUERY PLAN": pa.array(["API scan", "  calls: 1"])})
    yield encode_rows(batch, [RowFormat(type_oid=25, format=0)])


async def _big_rows() -> AsyncIterator[EncodedRows]:
    batch = pa.record_batch({"number": pa.array(range(10_000), pa.int32()), "title": pa.array(["x" * 100] * 10_000)})
    rows = encode_rows(batch, [RowFormat(type_oid=23, format=0), RowFormat(type_oid=25, format=0)])
    for _ in range(100):
        yield rows
