"""Notes in the tenant's database what a statement writes from API tables: from which columns, under which masks.

It is done on the session's own backend, in the transaction of the write (`catalog.lineage`).
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Any

from omnisql_server.bind.questions import rows_of, text_array
from omnisql_server.introspection.connector import INTROSPECTION
from omnisql_server.model.backend import Ask
from omnisql_server.model.query import AuthorizedQuery, Occurrence
from omnisql_server.model.relation import RelationKind
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement, Written
from omnisql_server.model.trail import DerivedRead
from omnisql_server.origins import output_origins
from omnisql_server.parse.written import written_by
from omnisql_server.sharing import Sharing
from wire.rows import EncodedRows

NAMED = """
(SELECT k.oid FROM pg_catalog.pg_class AS k WHERE k.oid OPERATOR(pg_catalog.=) CASE
       WHEN $3::pg_catalog.bool OR $4::pg_catalog.bool OR $1::pg_catalog.text IS NOT NULL THEN
            (SELECT k.oid FROM pg_catalog.pg_class AS k
              WHERE k.relname OPERATOR(pg_catalog.=) $2::pg_catalog.name
                AND k.relnamespace OPERATOR(pg_catalog.=) CASE
                    WHEN $4::pg_catalog.bool OR $1::pg_catalog.text OPERATOR(pg_catalog.=) 'pg_temp'::pg_catalog.text
                    THEN pg_catalog.pg_my_temp_schema()
                    ELSE (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname OPERATOR(pg_catalog.=)
                          COALESCE($1::pg_catalog.name, pg_catalog.current_schema())) END)
       ELSE pg_catalog.to_regclass(pg_catalog.quote_ident($2::pg_catalog.text))::pg_catalog.oid END)
"""
"""The relation of a name, made by the statement or found by the search_path."""

NOTE = f"""
SELECT omnisql_catalog.note_derivation(c.oid::pg_catalog.regclass, $5::pg_catalog.jsonb, $6::pg_catalog.oid[])
  FROM {NAMED} AS c(oid)
"""
EXPOSED = f"""
SELECT c.oid, (SELECT l.facts FROM omnisql_catalog.lineage_read(c.oid) AS l WHERE l.root OPERATOR(pg_catalog.=) c.oid)
  FROM {NAMED} AS c(oid)
 WHERE EXISTS (SELECT FROM omnisql_catalog.exposures(c.oid::pg_catalog.regclass) AS e
                WHERE e.root OPERATOR(pg_catalog.=) c.oid)
"""
"""The relation if others can read it, and where its rows come from so far: then policy is asked about all of it."""


FOLLOW = "SELECT omnisql_catalog.follow()"
"""Has PostgreSQL look, when the transaction commits, at what it has written from derived relations since."""

DERIVES = "lineage.derives"
"""In a session's state: it has written from API tables, perhaps where nobody else can see it."""
LATE = "lineage.late"
"""In a session's state: what is still to be noted of its temporary tables."""


def noting(
    statement: Statement,
    query: AuthorizedQuery,
    view: SessionView,
    rows: AsyncGenerator[EncodedRows, None],
    sharing: Sharing,
) -> AsyncGenerator[EncodedRows, None]:
    """Have what a statement writes noted: before it runs where the relation exists, after it where it is made."""
    if not statement.writes:
        return rows
    written = written_by(statement)
    if not written:
        return rows
    view.state[DERIVES] = True
    view.remember(frozenset(each.name for each in written))
    return _noting(written, query, view, rows, sharing)


async def note_late(view: SessionView) -> None:
    """Note what could not be noted yet, because it went into temporary tables in a read-only transaction."""
    late = view.state.pop(LATE, None)
    if isinstance(late, list):
        await _noted(late, view)


async def follow(view: SessionView) -> None:
    """Have what functions and blocks of the statement that comes now write noted when its transaction commits."""
    view.state[DERIVES] = True
    await view.backend.ask(Ask(sql=FOLLOW))


async def note_relayed(
    statement: Statement, origins: Sequence[DerivedRead], view: SessionView, sharing: Sharing
) -> None:
    """Note what a statement that is about to be relayed writes from derived relations; what it makes notes itself."""
    if not statement.writes:
        return
    written = [each for each in written_by(statement) if not each.made]
    if not written:
        return
    view.state[DERIVES] = True
    view.remember(frozenset(each.name for each in written))
    facts = {fact for each in origins for fact in each.facts}
    await _let({(each.connector, each.server, each.table, each.column) for each in facts}, written, view, sharing)
    array = text_array(str(each.oid) for each in origins)
    await _noted([_ask(each, [], array) for each in written], view)


async def _noting(
    written: tuple[Written, ...],
    query: AuthorizedQuery,
    view: SessionView,
    rows: AsyncGenerator[EncodedRows, None],
    sharing: Sharing,
) -> AsyncGenerator[EncodedRows, None]:
    async with aclosing(rows):
        # A portal need not be read to its end: PostgreSQL has written all the same.
        await _note([each for each in written if not each.made], query, view, sharing)
        async for chunk in rows:
            yield chunk
        await _note([each for each in written if each.made], query, view, sharing)


async def _note(written: Sequence[Written], query: AuthorizedQuery, view: SessionView, sharing: Sharing) -> None:
    if not written:
        return
    api = {
        (fact["connector"], fact["server"], fact["api_table"], fact["api_column"])
        for each in _api(query)
        for fact in _of_columns(each, each.columns, query)
    }
    if api:
        await _let(api, written, view, sharing)
    origins = text_array(str(oid) for oid in _local_oids(query))
    await _noted([_ask(each, _facts(each, query), origins) for each in written], view)


async def _let(
    columns: set[tuple[str, str, str, str]], written: Iterable[Written], view: SessionView, sharing: Sharing
) -> None:
    """Ask policy whether relations that others read may get rows of some API columns, beside those that they have."""
    found = await view.backend.ask(*(Ask(sql=EXPOSED, parameters=_named(each)) for each in written))
    rows = [row for answer in found for row in rows_of(answer)]
    exposed = {
        int(oid or 0): sorted(columns | {tuple(fact[:4]) for fact in json.loads(facts or "[]")}) for oid, facts in rows
    }
    await sharing.let(exposed, view.principal)


async def _noted(asked: list[Ask], view: SessionView) -> None:
    answers = await view.backend.ask(*asked)
    late = [each for each, answer in zip(asked, answers, strict=True) if rows_of(answer) == (("f",),)]
    if late:
        view.state[LATE] = late


def _ask(written: Written, facts: list[dict[str, Any]], origins: str) -> Ask:
    return Ask(sql=NOTE, parameters=(*_named(written), json.dumps(facts), origins))


def _named(written: Written) -> tuple[str | None, ...]:
    return written.schema, written.name, "t" if written.made else "f", "t" if written.temporary else "f"


def _facts(written: Written, query: AuthorizedQuery) -> list[dict[str, Any]]:
    """Say where each column's values come from, and at attribute null what the statement reads at all."""
    occurrences = {each.scan_name: each for each in _api(query)}
    whole = [fact for each in occurrences.values() for fact in _of_columns(each, each.columns, query)]
    facts = [{**fact, "attribute": None, "place": None} for fact in whole]
    # Where the tree is only of what is read, its outputs are not what is written.
    tree = query.query.tree if written.by_place and not query.query.parsed.written else None
    outputs = output_origins(tree) if tree is not None else None
    for place, origins in enumerate(outputs or ()):
        name = written.columns[place] if place < len(written.columns) else None
        for scan_name in sorted({scan for scan, _ in origins} & set(occurrences)):
            columns = tuple(sorted(column for scan, column in origins if scan == scan_name))
            of_output = _of_columns(occurrences[scan_name], columns, query)
            facts += [{**fact, "attribute": name, "place": place + 1} for fact in of_output]
    return facts


def _of_columns(occurrence: Occurrence, columns: Iterable[str], query: AuthorizedQuery) -> list[dict[str, Any]]:
    relation, masks = occurrence.relation, query.masks.get(occurrence.scan_name, {})
    found = []
    for attribute in filter(None, map(relation.attribute, columns)):
        column = attribute.api_column or attribute.name
        mask = masks.get(column)
        found.append(
            {
                "connector": relation.wrapper,
                "server": relation.server,
                "api_table": relation.api_table,
                "api_column": column,
                "mask": mask.kind.value if mask is not None else "",
                "policy": mask.policy if mask is not None else "",
            }
        )
    if not found:
        names = {"connector": relation.wrapper, "server": relation.server, "api_table": relation.api_table}
        found.append({**names, "api_column": "", "mask": "", "policy": ""})
    return found


def _api(query: AuthorizedQuery) -> list[Occurrence]:
    api = [each for each in query.query.occurrences if each.relation.kind is RelationKind.API]
    # What this server tells of itself is of no source.
    return [each for each in api if each.relation.wrapper != INTROSPECTION.name]


def _local_oids(query: AuthorizedQuery) -> list[int]:
    return sorted({each.relation.oid for each in query.query.occurrences if each.relation.kind is not RelationKind.API})
