"""Decisions for statements: asked of an engine once, and kept for a short while for those that ask the same."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery, BoundQuery
from omnisql_server.model.trail import DerivedRead
from omnisql_server.policy.authorize import authorize, check_derived, check_sources
from omnisql_server.policy.decision import Decision, read_decision
from omnisql_server.policy.question import (
    Question,
    derived_question,
    question_of,
    share_question,
    tables_question,
)

DECISIONS_MAX = 4096
KEPT_MAX_S = 60.0


class DecisionEngine(Protocol):
    """What evaluates `data.omnisql.decision`."""

    async def evaluate(self, document: Mapping[str, Any]) -> Any:
        """Return the decision document for an input.

        Raises:
            PolicyUndecided: 42501, there is none.
        """

    async def close(self) -> None:
        """Give up what the engine holds."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A decision that is kept, and until when; `era` is that of the rules it came from."""

    decision: Decision
    until_s: float
    era: object


class Policy:
    """Authorizes queries by an engine's decisions. Errors are never kept.

    The engine may be replaced, and a server's rules change while it is used: a decision of another revision than the
    last puts away all others.
    """

    def __init__(
        self, engine: DecisionEngine, *, kept_s: float = KEPT_MAX_S, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._kept_s = min(kept_s, KEPT_MAX_S)
        self._now_s = now_s
        self._kept: OrderedDict[Question, Standing] = OrderedDict()
        self._revision = ""
        self._era = object()
        self._retired: list[DecisionEngine] = []

    def replace(self, engine: DecisionEngine, *, kept_s: float = KEPT_MAX_S) -> None:
        """Decide by another engine from now on."""
        self._retired.append(self._engine)
        self._engine = engine
        self._kept_s = min(kept_s, KEPT_MAX_S)
        self._forget()

    async def authorize(self, query: BoundQuery, principal: Principal) -> AuthorizedQuery:
        """Decide on a query for its principal.

        Raises:
            EntitlementDenied: policy forbids one of its tables (42501).
            PolicyUndecided: there is no decision (42501).
        """
        question = question_of(query, principal)
        if principal.sources is not None:
            check_sources(question, principal.sources)
        if not question.resources:
            return AuthorizedQuery(query=query, principal=principal)
        return authorize(query, principal, question, await self.decide(question))

    def standing(self, question: Question) -> Standing | None:
        """Return the decision on a question if it is kept and young enough."""
        kept = self._kept.get(question)
        return kept if kept is not None and self.stands(kept) else None

    def stands(self, standing: Standing) -> bool:
        """Say whether a decision may still be followed without asking again."""
        return standing.era is self._era and self._now_s() < standing.until_s

    async def may_share(self, columns: Iterable[tuple[str, str, str, str]], principal: Principal) -> bool:
        """Say whether a principal may share what it wrote from columns, each with its connector, server and API table.

        Raises:
            PolicyUndecided: there is no decision (42501).
        """
        question = share_question(columns, principal)
        return bool(question.resources) and not (await self.decide(question)).denials

    async def seen_whole(
        self, tables: Iterable[tuple[str, str, str]], principal: Principal, purpose: str
    ) -> frozenset[tuple[str, str, str]]:
        """Return of which API tables, by connector, server and API table, a principal may see all rows.

        Raises:
            PolicyUndecided: there is no decision (42501).
        """
        question = tables_question(tables, principal, purpose)
        if not question.resources:
            return frozenset()
        decision = await self.decide(question)
        denied = {denial.index for denial in decision.denials}
        found = enumerate(zip(question.resources, decision.filters, strict=True))
        whole = [each for index, (each, filters) in found if not (filters or denied & {index, None})]
        read = principal.sources
        return frozenset(
            (each.connector, each.server, each.table) for each in whole if read is None or each.server in read
        )

    async def let_read(self, derived: Sequence[DerivedRead], purpose: str, principal: Principal) -> None:
        """Let a principal read for a purpose what was written from API tables, as far as policy does.

        Raises:
            EntitlementDenied: 42501, a rule wants another purpose, or the principal's token is for other sources.
            PolicyUndecided: 42501, there is no decision.
        """
        question = derived_question(derived, principal, purpose)
        if principal.sources is not None:
            check_sources(question, principal.sources)
        if question.resources:
            check_derived(derived, question, await self.decide(question))

    async def decide(self, question: Question) -> Decision:
        """Return the decision on a question, a kept one if it is young enough.

        Raises:
            PolicyUndecided: there is none (42501).
        """
        known = self.standing(question)
        if known is not None:
            return known.decision
        while self._retired:
            await self._retired.pop().close()
        engine, asked_s = self._engine, self._now_s()
        decision = read_decision(await engine.evaluate(question.document), len(question.resources))
        if engine is not self._engine:
            # The rules changed meanwhile; they are asked for the next statement.
            return decision
        if decision.revision != self._revision:
            self._forget()
            self._revision = decision.revision
        self._kept[question] = Standing(decision, asked_s + self._kept_s, self._era)
        self._kept.move_to_end(question)
        while len(self._kept) > DECISIONS_MAX:
            self._kept.popitem(last=False)
        return decision

    def _forget(self) -> None:
        self._kept.clear()
        self._era = object()

    async def close(self) -> None:
        """Close the engines."""
        for engine in (*self._retired, self._engine):
            await engine.close()
