"""Which parts of a statement sources are asked for, what is left of it, and what goes to no source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from api_model import COLUMNS, RELATIONS, api_relation, bound, exact

from connectors.sdk.scan import Operator
from connectors.sdk.table import AccessPath, Column, Table
from connectors.sdk.whole import WholeStatement
from omnisql_server.model.mask import Mask
from omnisql_server.model.plan import QueryPlan
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.row_filter import RowFilter
from omnisql_server.parts import plan_by_parts
from omnisql_server.plan.planner import plan
from wire.backend import Field

INT8 = 20


@pytest.fixture(autouse=True)
def _sources(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have t and u at one server that takes statements, w at another one, v at an API and `here` nowhere."""
    monkeypatch.setitem(RELATIONS, "v", replace(RELATIONS["v"], server="api"))
    monkeypatch.setitem(RELATIONS, "w", replace(api_relation(4, "w"), server="other"))
    local = replace(api_relation(5, "here"), kind=RelationKind.LOCAL, server="", wrapper="")
    monkeypatch.setitem(RELATIONS, "here", local)


def table_of(relation: Relation) -> Table:
    """Declare a table of a PostgreSQL, or one of an API."""
    operators = {name: exact(Operator.EQ, Operator.IN, Operator.GT) for name in COLUMNS}
    paths = (
        AccessPath(name="scan", request="SELECT", operators=operators, page_rows_max=10_000),
        AccessPath(name="by_id", request="SELECT", keys=("id",), batch="id", batch_keys_max=10_000, single=True),
    )
    is_api = relation.server == "api"
    return Table(
        name=relation.name,
        description="",
        columns=tuple(Column(name=name, type_name=kind, path=name) for name, kind in COLUMNS.items()),
        primary_key=("id",),
        access_paths=(AccessPath(name="all", request="GET /v"),) if is_api else paths,
        takes_statements=not is_api,
    )


def by_parts(
    text: str,
    *,
    kept: frozenset[str] = frozenset(),
    filters: Mapping[str, tuple[RowFilter, ...]] | None = None,
    masks: Mapping[str, Mapping[str, Mask]] | None = None,
    **settings: Any,
) -> tuple[QueryPlan, str] | None:
    """Plan a statement by parts, but for scans that are `kept`; return it with the engine for the rest."""
    query = bound(text)
    fields = tuple(Field(name=f"f{place}", type_oid=INT8) for place in range(len(query.tree.selects)))
    query = replace(query, fields=fields, settings=replace(query.settings, **settings))
    principal = Principal(tenant="t", name="p")
    authorized = AuthorizedQuery(query=query, principal=principal, filters=filters or {}, masks=masks or {})

    def planned(asked: AuthorizedQuery, known: Any = lambda _: None) -> QueryPlan:
        return plan(asked, lambda relation: known(relation) or table_of(relation), combinations_max=10)

    by_scans = planned(authorized)
    takes = {scan.scan_name for scan in by_scans.scans if scan.table.takes_statements}
    found = plan_by_parts(by_scans, frozenset(takes - kept), planned)
    return None if found is None else (found[0], found[1].name)


def sent(text: str, **options: Any) -> list[str]:
    """Return the SQL of every part of a statement."""
    found = by_parts(text, **options)
    return [] if found is None else [whole.sql for whole in wholes(found[0])]


def wholes(found: QueryPlan) -> list[WholeStatement]:
    return [scan.scans[0].whole for scan in found.scans if scan.scans and scan.scans[0].whole is not None]


def left(text: str, **options: Any) -> str:
    """Return the SQL of what is left of a statement."""
    found = by_parts(text, **options)
    assert found is not None
    assert found[0].authorized.query.tree is not None
    return found[0].authorized.query.tree.sql("postgres").replace('"', "")


def test_tables_of_a_source_in_a_longer_join_are_one_relation() -> None:
    text = "SELECT v.big, u.name FROM v JOIN t ON t.id = v.id JOIN u ON u.id = t.big AND u.done WHERE t.name = 'x'"
    assert sent(text) == [
        'SELECT "u"."name" AS "c1", "t"."id" AS "c2" FROM "scan_1" AS "t" CROSS JOIN "scan_2" AS "u"'
        ' WHERE ("t"."name" = CAST($1 AS TEXT)) AND ("u"."id" = "t"."big") AND ("u"."done")'
    ]
    assert left(text) == (
        "SELECT v.big AS big, part_0.c1 AS name FROM part_0 AS part_0 CROSS JOIN scan_0 AS v WHERE (part_0.c2 = v.id)"
    )


TAKEN = {
    "a derived table": "SELECT v.id, d.n FROM v JOIN (SELECT id, count(*) AS n FROM t GROUP BY id) AS d ON d.id = v.id",
    "a WITH query": "WITH w AS (SELECT id, max(name) AS m FROM t GROUP BY id) SELECT w.m FROM w, w AS x, v",
    "a branch": "SELECT name, id FROM v UNION ALL SELECT name, count(*) FROM t GROUP BY name",
    "a subquery": "SELECT id FROM v WHERE big IN (SELECT max(big) FROM t GROUP BY name)",
    "a value": "SELECT id, (SELECT max(big) FROM t) FROM v",
    "the first tables of outer joins": "SELECT t.id FROM t LEFT JOIN u ON u.id = t.big LEFT JOIN v ON v.id = t.id",
    "tables beside a local one": "SELECT h.id, u.big FROM here AS h JOIN t ON t.id = h.id JOIN u ON u.id = t.big",
    "what LIMIT has left": "SELECT v.id FROM v JOIN (SELECT id FROM t ORDER BY id LIMIT 3) AS d ON d.id = v.id",
    "with what it names": "WITH a AS (SELECT id FROM t), b AS (SELECT a.id, count(*) AS n FROM a JOIN u ON u.id = a.id"
    " GROUP BY a.id) SELECT b.n FROM b JOIN v ON v.id = b.id",
    "conditions with subqueries": "SELECT v.id FROM v JOIN t ON t.id = v.id JOIN u ON u.id = t.big"
    " WHERE EXISTS (SELECT 1 FROM u AS x WHERE x.id = t.id)",
}  # fmt: skip


@pytest.mark.parametrize("text", TAKEN.values(), ids=TAKEN)
def test_one_part_is_sent(text: str) -> None:
    found = by_parts(text)
    assert found is not None
    assert len(wholes(found[0])) == 1
    assert {scan.relation.name for scan in found[0].scans if not scan.relation.is_sent} <= {"v"}


LEFT_ALONE = {
    "a single table gains nothing": "SELECT v.id FROM v JOIN t ON t.id = v.id WHERE t.name = 'x'",
    "a correlated subquery": "SELECT id, (SELECT max(big) FROM t WHERE t.id = v.id) FROM v",
    "tables that only an API joins": "SELECT v.id FROM v JOIN t ON t.id = v.id JOIN u ON u.id = v.big",
    "a join that multiplies rows": "SELECT v.id FROM v JOIN t ON t.id = v.id JOIN u ON u.name = t.name",
    "null-supplied tables of others": "SELECT v.id FROM v LEFT JOIN t ON t.id = v.id LEFT JOIN u ON u.id = t.big",
    "tables of two servers": "SELECT v.id FROM v, (SELECT t.id FROM t JOIN w ON w.id = t.id) AS d WHERE d.id = v.id",
    "letters' case": "SELECT v.id FROM v JOIN (SELECT lower(name) AS n, max(id) AS c FROM t GROUP BY 1) AS d"
    " ON d.c = v.id",
    "sums of floats": "SELECT v.id FROM v JOIN (SELECT id, sum(score) AS s FROM t GROUP BY 1) AS d ON d.id = v.id",
    "columns that are not carried": "SELECT v.id FROM v JOIN (SELECT labels AS l, max(id) AS m FROM t GROUP BY 1) AS d"
    " ON d.m = v.id",
    "recursion": "WITH RECURSIVE r AS (SELECT count(*) AS n FROM t) SELECT v.id FROM v, r",
}  # fmt: skip


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_no_part_is_sent(text: str) -> None:
    assert sent(text) == []
