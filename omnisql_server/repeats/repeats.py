"""Answers statements of one tenant again from bytes, as long as everything that their answers depend on stands.

What is asked each time: the tenant's catalog (objects, privileges, roles) and the shelves that the rows came from, both
read once for all statements that wait. What is known here: the decision of policy, the tenant's key, the settings.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from catalog.connection import OwnConnection
from catalog.version import Version
from omnisql_server.execute.run import Engine
from omnisql_server.freshness.cache import TenantCache
from omnisql_server.freshness.shelf import Shelf
from omnisql_server.introspection.connector import INTROSPECTION
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.model.query import AuthorizedQuery, BoundQuery
from omnisql_server.model.relation import RelationKind
from omnisql_server.model.report import SourceReport
from omnisql_server.model.run import BoundParameters, Repeatable, Repeated, RunResult, SessionView
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.model.trail import note_reports
from omnisql_server.observability.metrics import INSTRUMENTS
from omnisql_server.policy.decide import Policy
from omnisql_server.policy.question import Question, question_of
from omnisql_server.repeats.grouped import Grouped
from omnisql_server.repeats.keeping import Keeping
from omnisql_server.repeats.store import AnswerStore, Kept, Place, Slot, repeated, written
from omnisql_server.repeats.watch import CatalogWatch
from omnisql_server.session_reports import remember_reports
from wire.rows import EncodedRows

KEPT = "the answer is kept as it was sent"
LOOKS_MAX = 1024
"""Shelves of one tenant of which this process remembers how they are looked at together."""
_MOVING_WORDS = re.compile(rb"now|today|tomorrow|yesterday", re.IGNORECASE)
"""What PostgreSQL reads as a time of the moment inside a parameter."""


class Repeats:
    """The kept answers of one tenant, in a store that all tenants share; `connect` is to the tenant's catalog."""

    def __init__(
        self,
        store: AnswerStore,
        connect: Callable[[], Awaitable[OwnConnection]],
        policy: Policy,
        cache: TenantCache,
    ) -> None:
        self._store = store
        self.watch = CatalogWatch(connect)
        self._policy = policy
        self._cache = cache
        self._looks: dict[str, tuple[Shelf, Grouped[int | None]]] = {}

    @property
    def version(self) -> Version | None:
        """Return what the catalog was at when it was last looked at, to be taken before a statement is bound."""
        return self.watch.last

    def keeping(
        self, statement: Statement, query: AuthorizedQuery, parameters: BoundParameters, version: Version | None
    ) -> Keeping | None:
        """Begin to note what a statement's answer depends on; None where it must be run each time."""
        bound = query.query
        if statement.kind is not StatementKind.SELECT or not _repeats(bound, parameters):
            return None
        question = question_of(bound, query.principal)
        standing = self._policy.standing(question)
        if standing is None:
            return None
        return Keeping(
            key=self._key(statement, query, parameters, question),
            origin=bound.origin,
            statement=statement,
            query=query,
            standing=standing,
            version=version,
            bytes_max=self._store.answer_bytes_max,
        )

    async def explained(
        self, engine: Engine, statement: Statement, query: AuthorizedQuery, parameters: BoundParameters
    ) -> Engine:
        """Tell EXPLAIN whether a statement would be answered without its engine."""
        if statement.kind is not StatementKind.EXPLAIN or not _repeats(query.query, parameters):
            return engine
        key = self._key(statement, query, parameters, question_of(query.query, query.principal))
        slot = self._store.find(key)
        if slot is None or slot.kept is None or await self._ages_us(slot.kept) is None:
            return engine
        return replace(engine, reason=f"{engine.reason}; not asked: {KEPT}")

    async def find(self, keeping: Keeping, view: SessionView) -> RunResult | None:
        """Answer a statement that has just been bound and authorized, if its answer is kept and stands."""
        slot = self._store.find(keeping.key)
        kept = slot.kept if slot is not None else None
        if slot is None or kept is None or await self._checked(slot, kept, view) is None:
            return None
        note_reports(kept.reports)
        rows = _chunk(kept.rows)
        return RunResult(
            fields=kept.query.query.fields, rows=rows, command="SELECT", close=rows.aclose, repeatable=lambda: slot
        )

    async def repeat(self, repeatable: Repeatable, view: SessionView) -> Repeated | None:
        """Answer a statement whose session has proved that nothing of its own has changed."""
        if not isinstance(repeatable, Slot) or repeatable.kept is None:
            return None
        kept = await self._checked(repeatable, repeatable.kept, view)
        return None if kept is None else repeated(kept)

    def kept(
        self, keeping: Keeping, reports: tuple[SourceReport, ...], result: RunResult, tags: Sequence[str]
    ) -> RunResult:
        """Have an answer kept once it has been read to its end, unless PostgreSQL gave it, which `tags` tells."""
        slots: list[Slot | None] = []

        async def rows() -> AsyncGenerator[EncodedRows, None]:
            async with aclosing(keeping.collected(result.rows)) as chunks:
                async for chunk in chunks:
                    yield chunk
            if not tags:
                slots.append(await self._keep(keeping, reports))

        closing = rows()

        async def close() -> None:
            await closing.aclose()
            await result.close()

        return replace(result, rows=closing, close=close, repeatable=lambda: slots[-1] if slots else None)

    async def _keep(self, keeping: Keeping, reports: tuple[SourceReport, ...]) -> Slot | None:
        """Keep an answer that has been read to its end, if all it depends on still stands."""
        if not keeping.is_pure(reports):
            return None
        # Later than everything that the answer was made of.
        version = await self.watch.read()
        places = tuple(keeping.places.values())
        stands = version is not None and version.settled and version == keeping.version
        known = keeping.version is not None and keeping.version.sequence == keeping.query.query.catalog_sequence
        if not (stands and known and version is not None and all(place.stands for place in places)):
            return None
        if not self._policy.stands(keeping.standing):
            return None
        messages, rows = written(keeping.query.query.fields, keeping.joined())
        kept = Kept(
            statement=keeping.statement,
            query=keeping.query,
            standing=keeping.standing,
            version=version,
            places=places,
            reports=reports,
            rows=rows,
            messages=messages,
        )
        return self._store.put(keeping.key, keeping.origin, kept)

    def _key(
        self, statement: Statement, query: AuthorizedQuery, parameters: BoundParameters, question: Question
    ) -> Hashable:
        bound = query.query
        return (self, statement.query, parameters, id(bound.origin), bound.settings, query.principal.role, question)

    def clear(self) -> None:
        """Forget all answers of the tenant."""
        self._store.drop_all(self)

    def close(self) -> None:
        """Forget all answers, and stop looking."""
        self.clear()
        self.watch.close()
        for _, look in self._looks.values():
            look.close()
        self._looks.clear()

    async def _checked(self, slot: Slot, kept: Kept, view: SessionView) -> Kept | None:
        """Return an answer that stands, and remember what it got from its sources; another is forgotten."""
        ages_us = await self._ages_us(kept)
        if ages_us is None:
            if slot.kept is kept:
                self._store.drop(slot)
            return None
        self._store.touch(slot)
        self._count(kept)
        remember_reports(view, partial(_aged, kept.reports, ages_us, datetime.now(UTC)))
        return kept

    async def _ages_us(self, kept: Kept) -> Mapping[str, int] | None:
        """Return the age of each scan's oldest row; None where the answer does not stand any more."""
        read = self.watch.read()
        looks = [self._look(place.shelf) for place in kept.places]
        ages_us: dict[str, int] = {}
        stands = await read == kept.version
        for place, look in zip(kept.places, looks, strict=True):
            now_us = await look
            age_us = 0 if now_us is None else max(0, now_us - place.fetched_us)
            stands = stands and now_us is not None and age_us <= place.max_us
            place.note_asked(now_us or 0)
            ages_us[place.scan_name] = age_us
        stands = stands and await self._may_read(kept.places)
        # What may have changed while the last of them was waited for.
        stands = stands and all(place.stands for place in kept.places)
        return ages_us if stands and self._policy.stands(kept.standing) else None

    async def _may_read(self, places: Sequence[Place]) -> bool:
        for place in places:
            if not await self._cache.may_read(place.shelf):
                return False
        return True

    def _count(self, kept: Kept) -> None:
        """Count as the long way does: rows, scans, and uses of what is kept."""
        for report in kept.reports:
            INSTRUMENTS.rows_fetched(report.connector, report.rows_fetched)
        for place in kept.places:
            INSTRUMENTS.cache_asked("hit")
            hits = place.shelf.hits
            for entry in place.entries:
                hits[entry] = hits.get(entry, 0) + 1
        INSTRUMENTS.answer_repeated()

    def _look(self, shelf: Shelf) -> asyncio.Future[int | None]:
        known = self._looks.get(shelf.name)
        if known is None or known[0] is not shelf:
            if len(self._looks) >= LOOKS_MAX:
                self._looks.pop(next(iter(self._looks)))

            async def look() -> int | None:
                try:
                    return await shelf.look()
                except VALKEY_ERRORS:
                    # The long way tells what is wrong.
                    return None

            known = self._looks[shelf.name] = (shelf, Grouped(look))
        return known[1].ask()


def _repeats(bound: BoundQuery, parameters: BoundParameters) -> bool:
    """Say whether a query means the same at every moment and reads nothing but API tables of sources."""
    if bound.origin is None or any(value is not None and _MOVING_WORDS.search(value) for value in parameters.values):
        return False
    relations = [occurrence.relation for occurrence in bound.occurrences]
    return all(each.kind is RelationKind.API and each.wrapper != INTROSPECTION.name for each in relations)


async def _chunk(rows: EncodedRows) -> AsyncGenerator[EncodedRows, None]:
    yield rows


def _aged(reports: tuple[SourceReport, ...], ages_us: Mapping[str, int], now: datetime) -> tuple[SourceReport, ...]:
    """Say what a repeated statement got from each source."""
    return tuple(
        replace(
            report,
            age_ms=ages_us.get(report.scan_name, 0) / 1000,
            fetched_at=now - timedelta(microseconds=ages_us.get(report.scan_name, 0)),
            duration_ms=0.0,
        )
        for report in reports
    )
