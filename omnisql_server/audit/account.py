"""The account of one statement: its trail turned into records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

import structlog

from catalog.audit_groups import Again
from omnisql_server.audit.journal import Journal
from omnisql_server.audit.record import (
    RUNNING,
    SUCCEEDED,
    VERSION,
    FilterApplied,
    MaskApplied,
    Record,
    TableRead,
    common_part,
    new_id,
    new_salt,
    now,
    now_us,
)
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery, BoundQuery, Occurrence
from omnisql_server.model.relation import RelationKind
from omnisql_server.model.run import Repeated
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.model.trail import DerivedRead, Trail

__all__ = ["SUCCEEDED", "Account", "Session"]

Redact = Callable[[str], tuple[str, str]]
"""Gives a text's fingerprint and the text without values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who asks, from where, and where that is put on record."""

    journal: Journal
    redact: Redact
    tenant_id: UUID
    principal: Principal
    client: str


def note_repeated(session: Session, repeated: Repeated, trace_id: str) -> asyncio.Future[None]:
    """Have it put on record that a statement is answered again from bytes; such an answer is the same person's.

    Raises:
        AuditUnavailable: 58030, it cannot be.
    """
    common = repeated.facts.get(_COMMON)
    if not isinstance(common, str):
        account = Account(session, repeated.statement)
        trail = account.trail
        trail.bound, trail.rows = repeated.query.query, repeated.rows
        trail.authorized.append(repeated.query)
        trail.reports.extend(repeated.reports)
        common = repeated.facts[_COMMON] = account.common_part()
    return session.journal.note_again(session.tenant_id, Again(common, session.client, trace_id, now_us()))


_COMMON = "audit"


class Account:
    """One statement's; `outcome` is what it ends with if nobody reads it to its end."""

    __slots__ = ("_beginning", "_id", "_session", "outcome", "statement", "trace_id", "trail")

    def __init__(self, session: Session, statement: Statement) -> None:
        self.statement = statement
        self.trail = Trail(begin=self._begin, begin_soon=self._begin_soon)
        self.outcome = SUCCEEDED
        self.trace_id = ""
        self._session = session
        self._id = new_id()
        self._beginning: asyncio.Future[None] | None = None

    async def end(self, outcome: str, *, detail: str = "") -> None:
        """Put the statement's end on record, unless it is; it is durable on return, and written if that is canceled.

        Raises:
            AuditUnavailable: 58030, it cannot be.
        """
        if not self.trail.over:
            await self.end_soon(outcome, detail=detail)

    def end_soon(self, outcome: str, *, detail: str = "") -> asyncio.Future[None]:
        """Have the statement's end put on record.

        Raises:
            AuditUnavailable: 58030, it cannot be.
        """
        self.trail.over = True
        phase = "finish" if self._beginning is not None else "whole"
        return self._session.journal.note(self._session.tenant_id, self._record(phase, outcome, detail))

    def common_part(self) -> str:
        """Return what the records of the statement have in common when it is answered again."""
        return common_part(self._record("whole", SUCCEEDED, detail=""))

    async def _begin(self) -> None:
        beginning = self._begin_soon()
        if not beginning.done() or beginning.exception() is not None:
            await asyncio.shield(beginning)

    def _begin_soon(self) -> asyncio.Future[None]:
        if self._beginning is None:
            self._beginning = self._session.journal.note(
                self._session.tenant_id, self._record("start", RUNNING, detail="")
            )
        return self._beginning

    def _record(self, phase: str, outcome: str, detail: str) -> Record:
        trail, session = self.trail, self._session
        about = _about(trail, session, self.statement)
        return Record(
            version=VERSION,
            id=self._id,
            phase=phase,
            at=now(),
            kind=self.statement.kind.value,
            tenant=session.principal.tenant,
            principal=session.principal.name,
            roles=about.roles,
            client=session.client,
            query_id=str(structlog.contextvars.get_contextvars().get("query_id", "")),
            trace_id=self.trace_id,
            fingerprint=about.fingerprint,
            text=about.text,
            sources=about.sources,
            tables=about.tables,
            filters=about.filters,
            masks=about.masks,
            policy_revision=trail.authorized[-1].revision if trail.authorized else "",
            purpose=trail.bound.settings.purpose if trail.bound is not None else trail.purpose,
            outcome=outcome,
            rows=trail.rows,
            rows_read=sum(report.rows_returned for report in trail.reports),
            calls=trail.calls,
            detail=detail,
            salt=new_salt(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """What a record says of a statement's text and of what it reads."""

    fingerprint: str
    text: str
    roles: tuple[str, ...]
    tables: tuple[TableRead, ...]
    sources: tuple[str, ...]
    filters: tuple[FilterApplied, ...]
    masks: tuple[MaskApplied, ...]


def _about(trail: Trail, session: Session, statement: Statement) -> _About:
    fingerprint, text = (
        session.redact(statement.text) if statement.kind is not StatementKind.NOT_GRAMMATICAL else ("", "")
    )
    bound, role = trail.bound, session.principal.role
    tables = _tables(trail, statement)
    return _About(
        fingerprint=fingerprint,
        text=text,
        roles=(role,) if bound is None else tuple(dict.fromkeys((role, bound.settings.current_user))),
        tables=tables,
        sources=tuple(dict.fromkeys(table.server for table in tables if table.server)),
        filters=tuple(dict.fromkeys(each for query in trail.authorized for each in _filters(query))),
        masks=tuple(
            dict.fromkeys([*(each for query in trail.authorized for each in _masks(query)), *_kept_masks(trail)])
        ),
    )


def _tables(trail: Trail, statement: Statement) -> tuple[TableRead, ...]:
    """Return what the statement reads: as PostgreSQL resolved it, else as the text names it."""
    bounds = [query.query for query in trail.authorized] or ([trail.bound] if trail.bound is not None else [])
    if trail.derived:
        read = [table for bound in bounds for table in _read(bound)]
        return tuple(dict.fromkeys([*read, *(table for each in trail.derived for table in _derived(each))]))
    if not bounds:
        named = (f"{each.schema}.{each.name}" if each.schema else each.name for each in statement.references)
        return tuple(TableRead(server="", table="", relation=name) for name in dict.fromkeys(named))
    if len(bounds) == 1:
        return _read(bounds[0])
    return tuple(dict.fromkeys(table for bound in bounds for table in _read(bound)))


def _derived(read: DerivedRead) -> Iterator[TableRead]:
    """Say what a derived relation was written from, as if that were read by its name."""
    columns: dict[tuple[str, str], list[str]] = {}
    for fact in read.facts:
        columns.setdefault((fact.server, f"{fact.connector}.{fact.table}"), []).append(fact.column)
    for (server, table), names in columns.items():
        known = tuple(sorted({name for name in names if name}))
        yield TableRead(server=server, table=table, relation=f"{read.schema}.{read.name}", columns=known)


def _kept_masks(trail: Trail) -> Iterator[MaskApplied]:
    for fact in (fact for read in trail.derived for fact in read.facts if fact.mask):
        table = f"{fact.connector}.{fact.table}"
        yield MaskApplied(table=table, column=fact.column, policy=fact.policy, kind=fact.mask)


def _read(bound: BoundQuery) -> tuple[TableRead, ...]:
    return tuple(_table(each) for each in _api(bound))


def _api(bound: BoundQuery) -> list[Occurrence]:
    return [each for each in bound.occurrences if each.relation.kind is RelationKind.API]


def _table(occurrence: Occurrence) -> TableRead:
    relation = occurrence.relation
    attributes = [relation.attribute(name) for name in occurrence.columns]
    return TableRead(
        server=relation.server,
        table=f"{relation.wrapper}.{relation.api_table}",
        relation=relation.qualified_name,
        columns=tuple(each.api_column or each.name for each in attributes if each is not None),
    )


def _filters(query: AuthorizedQuery) -> list[FilterApplied]:
    return [
        FilterApplied(table=f"{each.relation.wrapper}.{each.relation.api_table}", policy=applied.policy)
        for each in _api(query.query)
        for applied in query.filters.get(each.scan_name, ())
    ]


def _masks(query: AuthorizedQuery) -> list[MaskApplied]:
    found = []
    for each in _api(query.query):
        masks = query.masks.get(each.scan_name)
        if not masks:
            continue
        read = _table(each)
        found += [
            MaskApplied(table=read.table, column=column, policy=mask.policy, kind=mask.kind)
            for column, mask in masks.items()
            if column in read.columns
        ]
    return found
