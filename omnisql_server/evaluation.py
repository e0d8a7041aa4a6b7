"""A statement over relations that were read: by its engine, loaded where it writes, copied where it is COPY."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import pyarrow as pa

from omnisql_server.answers import copy_stream, result_formats
from omnisql_server.errors import BackendError
from omnisql_server.execute.arrays import ArrayParameter
from omnisql_server.execute.instances import InstancePool
from omnisql_server.execute.load import load
from omnisql_server.execute.pages import execute_pages
from omnisql_server.execute.run import POSTGRES, Engine, Parameters, choose_engine, execute
from omnisql_server.execute.splice_tables import SpliceLimits
from omnisql_server.materialize.relations import LocalRelation
from omnisql_server.model.backend import Backend
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.report import SourceReport
from omnisql_server.model.run import BoundParameters
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.parse.within import load_of
from wire.copy import CopyFormat, parse_copy_options
from wire.rows import EncodedRows

BY_POSTGRES = {
    StatementKind.WRITE: "the statement writes",
    StatementKind.MATERIALIZED_VIEW: "the statement writes",
    StatementKind.CURSOR: "the statement declares a cursor",
}
"""What PostgreSQL always executes, and why."""


def engine_of(statement: Statement, bound: BoundQuery) -> Engine:
    """Choose the engine of a statement.

    Raises:
        NotSupported: the session insists on DuckDB and it may not execute it.
    """
    reason = BY_POSTGRES.get(statement.act)
    return Engine(name=POSTGRES, reason=reason) if reason is not None else choose_engine(bound)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything that a statement's rows depend on beside the relations; `tags` get PostgreSQL's own.

    With `is_rewritten` the text that is executed is not the client's, and places in it are none in that.
    """

    statement: Statement
    bound: BoundQuery
    engine: Engine
    parameters: BoundParameters
    backend: Backend
    pool: InstancePool
    splice: SpliceLimits
    owned: Mapping[object, ArrayParameter] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    is_rewritten: bool = False

    def over(self, relations: Sequence[LocalRelation]) -> AsyncGenerator[EncodedRows, None]:
        """Yield what the client gets."""
        by_name = {relation.scan_name: relation.rows for relation in relations}
        given = self._given
        rows = execute(self.bound, self.engine, by_name, given, self.backend, self.pool, self.splice)
        if self.is_rewritten:
            rows = _unplaced(rows)
        if (wanted_load := load_of(self.statement)) is not None:
            return load(wanted_load, self.bound, by_name, given, self.backend, self.pool, rows)
        return self.copied(rows)

    def over_pages(
        self, relations: AsyncGenerator[Sequence[LocalRelation], None], *, in_turn: bool
    ) -> AsyncGenerator[EncodedRows, None]:
        """Yield what some of a scan's rows after the other give, each beside other relations, to go through `copied`.

        With `in_turn` none are asked for before somebody comes for what they give.
        """
        pages = _by_name(relations)
        return execute_pages(self.bound, pages, self._given, self.backend, self.pool, self.splice, in_turn=in_turn)

    def copied(self, rows: AsyncGenerator[EncodedRows, None]) -> AsyncGenerator[EncodedRows, None]:
        """Make CopyData of rows where the statement is COPY."""
        if self._copy_format is None:
            return rows
        return copy_stream(rows, self._copy_format, [field.name for field in self.bound.fields])

    @property
    def _copy_format(self) -> CopyFormat | None:
        is_copy = self.statement.kind is StatementKind.COPY_TO
        return parse_copy_options(self.statement.copy_options) if is_copy else None

    @property
    def _given(self) -> Parameters:
        copy_format = self._copy_format
        wanted = (1,) if copy_format is not None and copy_format.binary else self.parameters.result_formats
        if self.statement.kind is StatementKind.EXPLAIN:
            wanted = ()
        return Parameters(
            type_oids=self.bound.parameter_oids,
            values=self.parameters.values,
            formats=self.parameters.formats,
            result_formats=result_formats(wanted, len(self.bound.fields)),
            completed=self.tags.append,
            copy_format=copy_format,
            owned=self.owned,
        )


async def _unplaced(rows: AsyncGenerator[EncodedRows, None]) -> AsyncGenerator[EncodedRows, None]:
    async with aclosing(rows):
        try:
            async for chunk in rows:
                yield chunk
        except BackendError as error:
            raise error.without_position() from error


async def _by_name(
    relations: AsyncGenerator[Sequence[LocalRelation], None],
) -> AsyncGenerator[Mapping[str, pa.Table], None]:
    async with aclosing(relations):
        async for page in relations:
            yield {relation.scan_name: relation.rows for relation in page}


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeAnswer:
    """A statement whose relations have all been read; `told` is what its sources gave."""

    evaluation: Evaluation
    relations: tuple[LocalRelation, ...]
    told: tuple[SourceReport, ...]

    def rows(self) -> AsyncGenerator[EncodedRows, None]:
        """Yield what the client gets."""
        return self.evaluation.over(self.relations)

    def reports(self) -> tuple[SourceReport, ...]:
        """Tell what the sources have given."""
        return self.told
