"""Looks at what statements read that was derived from API tables before, in front of a tenant's pipeline.

Such a statement is relayed if it reaches no API table, but not before PostgreSQL was asked what it reads and the trail
says so: the audit puts it on record. Who is not the owner may read it only if it was shared (`catalog.sharing`), and
everybody only for a purpose that policy lets its API tables be read for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from catalog.carriers import ANYTHING, COMMITS, commits, makes_sql
from omnisql_server.bind.questions import RESOLVE, resolvable, rows_of, text_array
from omnisql_server.errors import InsufficientPrivilege, RelayInstead
from omnisql_server.lineage import DERIVES, follow, note_late, note_relayed
from omnisql_server.model.backend import Ask
from omnisql_server.model.custom_settings import checked
from omnisql_server.model.principal import Principal
from omnisql_server.model.run import BoundParameters, Description, ForwardingRunner, RunResult, SessionView
from omnisql_server.model.statement import READING_KINDS, Statement, StatementKind
from omnisql_server.model.trail import DerivedRead, Fact, note_derived
from omnisql_server.pipeline import Pipeline
from omnisql_server.prepared import look_up
from omnisql_server.tenant import Tenant

READS = f"""
SELECT DISTINCT ON (l.root) l.root, l.schema, l.name, l.api, l.open, l.facts
  FROM ({RESOLVE}) AS r(oid) CROSS JOIN LATERAL omnisql_catalog.lineage_read(r.oid) AS l
 WHERE r.oid IS NOT NULL
 ORDER BY l.root
"""
"""What relations read, by name: derived ones, with where they come from, and API tables."""


CALLED = """
SELECT l.root, l.schema, l.name, l.api, l.open, l.facts
  FROM omnisql_catalog.lineage_called($1::pg_catalog.oid[]) AS l
"""
"""The same of derived relations that functions may read, by OID."""

PURPOSE = "SELECT pg_catalog.current_setting('omnisql.purpose', true)"

OWNED = "SELECT o.root, o.facts FROM omnisql_catalog.lineage_owned() AS o"
"""What the session's principal has written from API tables, and from which columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reads:
    derived: tuple[DerivedRead, ...] = ()
    api: bool = False
    called: bool = False
    commits: bool = False
    purpose: str | None = None


class ReadingPolicy(Protocol):
    """What decides."""

    async def let_read(self, derived: Sequence[DerivedRead], purpose: str, principal: Principal) -> None:
        """Let a principal read for a purpose what was written from API tables, or raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedRunner(ForwardingRunner[Pipeline]):
    """One session's way to its tenant's pipeline; implements `model.run.StatementRunner`."""

    tenant: Tenant
    policy: ReadingPolicy

    async def describe(
        self, statement: Statement, type_oids: tuple[int, ...], view: SessionView, *, twin: str
    ) -> Description:
        """Describe a statement; one that is to be relayed and watched is not described.

        Raises:
            RelayInstead: it reaches no API table. Else as the pipeline does.
        """
        if statement.kind is StatementKind.RIGHTS:
            await self._let(view)
            raise RelayInstead
        reads = await self._reads(statement, view)
        if reads.derived and not reads.api:
            raise RelayInstead(watched=True)
        return await self.runner.describe(statement, type_oids, view, twin=twin)

    async def watch(self, statement: Statement, view: SessionView) -> None:
        """Note what a statement reads that was derived, before it is relayed.

        Raises:
            InsufficientPrivilege: 42501, what it reads belongs to somebody else and was not shared.
            EntitlementDenied: 42501, policy wants it read for another purpose.
        """
        await self._note(statement, await self._reads(statement, view), view)

    async def run(
        self, statement: Statement, parameters: BoundParameters, view: SessionView, *, twin: str | None = None
    ) -> RunResult:
        """Run a statement up to its first rows.

        Raises:
            RelayInstead: it reaches no API table. Else as `watch` and the pipeline do.
        """
        if statement.kind is StatementKind.RIGHTS:
            await self._let(view)
            raise RelayInstead
        reads = await self._reads(statement, view)
        await self._note(statement, reads, view)
        if reads.derived and not reads.api:
            raise RelayInstead(watched=True)
        return await self.runner.run(statement, parameters, view, twin=twin)

    async def _let(self, view: SessionView) -> None:
        """Let rights to what the session's principal wrote from API tables be given away, as far as policy does."""
        if not (self.tenant.snapshot.derived or DERIVES in view.state):
            return
        rows = rows_of((await view.backend.ask(Ask(sql=OWNED)))[0])
        owned = {int(oid or 0): [tuple(fact) for fact in json.loads(facts or "[]")] for oid, facts in rows}
        await self.runner.sharing.let(owned, view.principal)

    async def _note(self, statement: Statement, reads: _Reads, view: SessionView) -> None:
        purpose = checked("omnisql.purpose", reads.purpose) if reads.derived else ""
        note_derived(reads.derived, purpose)
        if reads.derived:
            await self.policy.let_read(reads.derived, purpose, view.principal)
        if reads.derived and not reads.api:
            await note_relayed(statement, reads.derived, view, self.runner.sharing)
        if reads.commits:
            await view.backend.leave()
        elif reads.derived and (reads.called or (statement.within is not None and statement.creates)):
            # No event trigger learns of what EXPLAIN ANALYZE makes.
            await follow(view)

    async def _reads(self, statement: Statement, view: SessionView) -> _Reads:
        snapshot = self.tenant.snapshot
        if statement.kind not in READING_KINDS or not (snapshot.derived or DERIVES in view.state):
            return _Reads()
        await note_late(view)
        executes = statement.executes is not None
        if executes:
            statement = (await look_up(statement, view.backend, relayable=True)).statement
        found = self._called(statement)
        called, names = found - {COMMITS}, self._named(statement)
        if not called and all(name in snapshot.api_names - snapshot.derived_names for _, name in names):
            return _Reads()
        asked = sorted(names, key=repr)
        questions = [Ask(sql=PURPOSE), Ask(sql=READS, parameters=resolvable(asked))]
        if called:
            questions.append(Ask(sql=CALLED, parameters=(text_array(map(str, called)),)))
        said, *answers = await view.backend.ask(*questions)
        rows = [row for answer in answers for row in rows_of(answer)]
        closed = next((row for row in rows if row[4] != "t"), None)
        if closed is not None:
            raise InsufficientPrivilege(
                message=f"permission denied for table {closed[2]}",
                detail="Its rows were written from API tables: they are for its owner alone until policy lets them be"
                " shared.",
                hint="ask the owner of the table to share it, or read the API tables yourself",
            )
        derived = {row[0]: _derived(row) for row in rows if row[3] != "t"}
        block = statement.kind is StatementKind.BLOCK
        return _Reads(
            derived=tuple(derived.values()),
            api=any(row[3] == "t" for row in rows),
            # What an EXECUTE writes is in no text of its own.
            called=block or bool(called) or (executes and statement.writes),
            commits=COMMITS in found or (block and commits(statement.text)),
            purpose=rows_of(said)[0][0],
        )

    def _called(self, statement: Statement) -> frozenset[int]:
        """Return what a statement may read by functions, by OID, `ANYTHING` among them where that cannot be told."""
        text = statement.text
        unseen = statement.reads_unseen or (statement.kind is StatementKind.BLOCK and makes_sql(text))
        return self.tenant.snapshot.carriers.roots(text.encode()) | (frozenset({ANYTHING}) if unseen else frozenset())

    def _named(self, statement: Statement) -> set[tuple[str | None, str]]:
        if statement.kind is StatementKind.BLOCK:
            text = statement.text.lower().replace('""', '"')
            found = [each for each in self.tenant.snapshot.derived.values() if each.name.lower() in text]
            return {(each.schema, each.name) for each in found}
        return {(each.schema, each.name) for each in statement.references if not each.target or _looks(statement)}


def _looks(statement: Statement) -> bool:
    """Say whether a statement may read what it writes to; a plain INSERT does not."""
    text = statement.text.lower()
    return not text.startswith("insert") or "returning" in text or "conflict" in text


def _derived(row: tuple[str | None, ...]) -> DerivedRead:
    facts = json.loads(row[5]) if row[5] else []
    return DerivedRead(
        oid=int(row[0] or 0),
        schema=row[1] or "",
        name=row[2] or "",
        facts=tuple(
            Fact(connector=connector, server=server, table=table, column=column, mask=mask, policy=policy)
            for connector, server, table, column, mask, policy in facts
        ),
    )
