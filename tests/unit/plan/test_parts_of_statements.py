"""Which parts of a statement sources are asked for, what is left of it, and what goes to no source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from api_model import COLUMNS, RELATIONS, api_relation, bound, exact
from authorized import shown_by
from sqlglot import exp

from connectors.sdk.scan import Operator
from connectors.sdk.table import AccessPath, Column, Table
from connectors.sdk.whole import WholeStatement
from omnisql_server.model.mask import Mask, MaskKind
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
    assert isinstance(query.tree, exp.Query)
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


def test_a_condition_that_sees_nulls_of_a_later_join_stays_outside() -> None:
    joined = "SELECT t.id, v.id FROM t JOIN u ON u.id = t.big {} JOIN v ON v.id = t.id WHERE t.name IS NULL"
    assert "IS NULL" in sent(joined.format("LEFT"))[0]
    assert "IS NULL" not in sent(joined.format("RIGHT"))[0]
    assert "WHERE (part_0.c2 IS NULL)" in left(joined.format("FULL"))


def test_columns_are_those_that_the_rest_of_the_statement_uses() -> None:
    found = by_parts(
        "SELECT v.id FROM v JOIN (SELECT id, name, max(big) AS m, count(*) AS n FROM t GROUP BY id, name) AS d"
        " ON d.m = v.id LEFT JOIN u ON u.id = v.id"
    )
    assert found is not None
    (part,) = [scan for scan in found[0].scans if scan.relation.is_sent]
    assert part.columns == ("c3",)
    assert len(wholes(found[0])[0].names) == 4


def test_keys_go_to_a_part_by_columns_that_an_index_begins_with() -> None:
    grouped = "SELECT v.id, d.n FROM v JOIN (SELECT {0} AS k, count(*) AS n FROM t GROUP BY {0}) AS d ON d.k = v.{0}"
    for column, is_keyed in (("id", True), ("big", False), ("name", False)):
        found = by_parts(grouped.format(column))
        assert found is not None
        (part,) = [scan for scan in found[0].scans if scan.relation.is_sent]
        paths = [path.name for path in part.table.access_paths]
        assert paths == (["part", "part_by_c2"] if is_keyed else ["part"]), column


def test_a_query_that_is_named_on_both_sides_is_read_once() -> None:
    text = "WITH w AS (SELECT id, count(*) AS n FROM t GROUP BY id) SELECT v.id FROM v JOIN w ON w.id = v.id WHERE {}"
    inside = "v.big IN (SELECT max(u.big) FROM u JOIN w ON w.id = u.id GROUP BY u.id)"
    found = by_parts(text.format(inside))
    assert found is not None
    assert [len(each.queries) for each in wholes(found[0])] == [0]
    assert "WITH w AS (SELECT part_0.c1 AS id FROM part_0 AS part_0)" in left(text.format(inside))


def test_parts_of_several_servers_are_sent_to_each() -> None:
    text = "SELECT a.n FROM (SELECT max(id) AS n FROM t) AS a, (SELECT max(id) AS n FROM w) AS b, v WHERE a.n = b.n"
    found = by_parts(text)
    assert found is not None
    assert [scan.relation.server for scan in found[0].scans if scan.relation.is_sent] == ["s", "other"]


def test_what_is_left_is_executed_where_that_is_proved_and_else_by_postgresql() -> None:
    text = "SELECT v.name FROM v JOIN (SELECT max(id) AS m FROM t) AS d ON d.m = v.id"
    found = by_parts(text)
    assert found is not None
    assert found[1] == "duckdb"
    beside = by_parts(TAKEN["tables beside a local one"])
    assert beside is not None
    assert beside[1] == "postgres"
    assert '"app"."here" AS "h"' in beside[0].authorized.query.parsed.text
    assert by_parts(TAKEN["tables beside a local one"], engine="duckdb") is None
    unknown = "SELECT somebodys(v.name) FROM v JOIN (SELECT max(id) AS m FROM t) AS d ON d.m = v.id"
    assert by_parts(unknown) is None


def test_scans_that_are_to_be_read_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    text = TAKEN["a derived table"]
    assert by_parts(text) is not None
    assert by_parts(text, kept=frozenset({"scan_1", "scan_0"})) is None


def test_policy_goes_with_its_own_table_and_stays_with_others() -> None:
    text = TAKEN["a derived table"]
    by_name = {one.relation.name: one.scan_name for one in bound(text).occurrences}
    rows = {name: (shown_by("name", "a"),) for name in by_name.values()}
    found = by_parts(text, filters=rows)
    assert found is not None
    (relation,) = wholes(found[0])[0].relations
    assert relation.shields
    (api,) = [scan for scan in found[0].scans if not scan.relation.is_sent]
    assert [rule.policy for rule in api.filters] == ["p"]
    bucket = {by_name["t"]: {"id": Mask(policy="p", kind=MaskKind.BUCKET, width=10)}}
    assert by_parts(text, masks=bucket) is None


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
