"""ANALYZE of API tables: they are left out of its list, and the client is told why; PostgreSQL does the rest.

Without a list, ANALYZE and VACUUM pass foreign tables over, and VACUUM of one is a warning: those are PostgreSQL's.
"""

from __future__ import annotations

from collections.abc import Callable

from omnisql_server.bind.questions import ask_detail, ask_resolve, read_relation, rows_of, text_array
from omnisql_server.errors import BackendError, UndefinedColumn
from omnisql_server.model.backend import Ask, Command
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.run import SessionView
from omnisql_server.model.statement import Statement
from omnisql_server.parse.analyze_list import AnalyzeList, read_analyze

MAY_MAINTAIN = """
SELECT pg_catalog.has_table_privilege(u.oid, 'MAINTAIN')
  FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS u(oid, place)
 ORDER BY u.place
"""
"""Whether the session's current user may analyze each of some relations, in order."""

DETAIL = "Nothing of an API table is stored. Statements over it are planned by what its connector declares."


class AnalyzeManager:
    """Carries out ANALYZE with a list in which there are API tables; implements `manage.managed.Manage`."""

    def __init__(self, api_wrappers: Callable[[], frozenset[str]]) -> None:
        self._api_wrappers = api_wrappers

    async def claims(self, statement: Statement, view: SessionView) -> bool:
        """Say whether the statement names an API table, and nothing that PostgreSQL alone can judge."""
        listed = read_analyze(statement.text)
        return listed is not None and bool(await self._api_tables(listed, view))

    async def run(self, statement: Statement, view: SessionView) -> str:
        """Analyze what is no API table and tell the client of those that are.

        Raises:
            BackendError: PostgreSQL refuses the rest.
            UndefinedColumn: an API table has no column of a name (42703).
        """
        listed = read_analyze(statement.text)
        if listed is None:
            raise AssertionError(statement.kind)
        found = await self._api_tables(listed, view)
        rest = listed.of_others(frozenset(found))
        if rest is not None:
            await _command(rest, view)
        oids = text_array(str(relation.oid) for relation in found.values())
        allowed = rows_of((await view.backend.ask(Ask(sql=MAY_MAINTAIN, parameters=(oids,))))[0])
        for (place, relation), (may,) in zip(found.items(), allowed, strict=True):
            if may != "t":
                _warn(relation, view)
                continue
            known = {attribute.name for attribute in relation.attributes}
            for column in listed.relations[place].columns:
                if column not in known:
                    raise UndefinedColumn(message=f'column "{column}" of relation "{relation.name}" does not exist')
            _notify(relation, view)
        return "ANALYZE"

    async def _api_tables(self, listed: AnalyzeList, view: SessionView) -> dict[int, Relation]:
        """Find the API tables of a list, by their places in it."""
        names = [(entry.schema, entry.name) for entry in listed.relations]
        resolved = [row[0] for row in rows_of((await view.backend.ask(ask_resolve(names)))[0])]
        answer = (await view.backend.ask(ask_detail(int(oid) for oid in resolved if oid)))[0]
        relations = (read_relation(row, self._api_wrappers()) for row in rows_of(answer))
        known = {str(relation.oid): relation for relation in relations if relation.kind is RelationKind.API}
        return {place: known[oid] for place, oid in enumerate(resolved) if oid in known}


async def _command(sql: str, view: SessionView) -> None:
    try:
        await view.backend.ask(Command(sql=sql))
    except BackendError as error:
        # A position in the shortened text is none in the client's.
        raise BackendError({key: value for key, value in error.fields.items() if key != "P"}) from error


def _notify(relation: Relation, view: SessionView) -> None:
    message = f"API table {relation.qualified_name} has nothing to analyze"
    view.notice({"S": "NOTICE", "V": "NOTICE", "C": "00000", "M": message, "D": DETAIL})


def _warn(relation: Relation, view: SessionView) -> None:
    message = f'permission denied to analyze "{relation.name}", skipping it'
    view.notice({"S": "WARNING", "V": "WARNING", "C": "01000", "M": message})
