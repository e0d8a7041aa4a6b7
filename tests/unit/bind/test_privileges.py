"""The privileges that a text needs: whose, on which columns, in PostgreSQL's order."""

from __future__ import annotations

import pytest

from omnisql_server.bind.privileges import privilege_checks, readings_of
from omnisql_server.bind.resolve import Closure
from omnisql_server.model.query import ParsedQuery
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.parse.tree import parse_query

COLUMNS = {"t": "a b c", "u": "a d", "local": "a e"}
VIEWS = {
    "v": ("a b", "SELECT t.a, t.b FROM app.t WHERE t.c > 0", "olga", False),
    "w": ("a b", "SELECT v.a, v.b FROM app.v JOIN app.u ON u.a = v.a", "walter", False),
    "inv": ("a b", "SELECT t.a, t.b FROM app.t", "olga", True),
    "over_inv": ("a", "SELECT inv.a FROM app.inv", "walter", False),
}


def relation(oid: int, name: str, columns: str, **more: object) -> Relation:
    attributes = tuple(
        Attribute(number=number, name=column, type_oid=25, type_sql="text")
        for number, column in enumerate(columns.split(), 1)
    )
    values = {"kind": RelationKind.API, "owner": "admin"} | more
    return Relation(oid=oid, schema="app", name=name, attributes=attributes, **values)  # type: ignore[arg-type]


RELATIONS = [relation(oid, name, columns) for oid, (name, columns) in enumerate(COLUMNS.items(), 1)] + [
    relation(oid, name, columns, kind=RelationKind.VIEW, definition=text, owner=owner, security_invoker=invoker)
    for oid, (name, (columns, text, owner, invoker)) in enumerate(VIEWS.items(), 10)
]
CLOSURE = Closure(
    by_name={(schema, found.name): found for found in RELATIONS for schema in (None, "app")},
    views={found.oid: parse_query(found.definition) for found in RELATIONS if found.kind is RelationKind.VIEW},
)


def checks(text: str) -> list[str]:
    parsed: ParsedQuery = parse_query(text)
    by_oid = {found.oid: found for found in RELATIONS}
    found = []
    for check in privilege_checks(readings_of(parsed, CLOSURE, "ana")):
        needed = by_oid[check.relation_oid]
        columns = ",".join(needed.attributes[number - 1].name for number in check.attributes)
        found.append(f"{check.role} {needed.name}({columns})")
    return found


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("SELECT a FROM t", ["ana t(a)"]),
        ("SELECT count(*) FROM t", ["ana t()"]),
        ("SELECT * FROM t", ["ana t(a,b,c)"]),
        ("SELECT x.* FROM t x, u", ["ana t(a,b,c)", "ana u()"]),
        ("SELECT x FROM t x", ["ana t(a,b,c)"]),
        ("SELECT (x).a FROM t x", ["ana t(a,b,c)"]),
        ("SELECT x.row_to_json FROM t x", ["ana t(a,b,c)"]),
        ("SELECT app.t.a FROM app.t", ["ana t(a)"]),
        ("SELECT 1 FROM t WHERE b = '1' ORDER BY c", ["ana t(b,c)"]),
        ("SELECT a AS c FROM t ORDER BY c", ["ana t(a)"]),
        ("SELECT a AS c FROM t ORDER BY c || ''", ["ana t(a,c)"]),
        ("SELECT a AS c FROM t GROUP BY c", ["ana t(a,c)"]),
        ("SELECT upper(a) AS z FROM t GROUP BY z", ["ana t(a)"]),
        ("SELECT count(*) FROM t ORDER BY count", ["ana t()"]),
        ("SELECT t.b, u.d FROM t JOIN u USING (a)", ["ana t(a,b)", "ana u(a,d)"]),
        ("SELECT 1 FROM t NATURAL JOIN u", ["ana t(a)", "ana u(a)"]),
        ("SELECT d FROM t JOIN u ON t.a = u.a", ["ana t(a)", "ana u(a,d)"]),
        ("SELECT j.d FROM (t JOIN u USING (a)) AS j", ["ana t(a)", "ana u(a,d)"]),
        ("SELECT j.* FROM (t JOIN u USING (a)) AS j", ["ana t(a,b,c)", "ana u(a,d)"]),
        ("SELECT x.q FROM t AS x(p, q)", ["ana t(b)"]),
        ("SELECT 1 FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.a = b)", ["ana t(b)", "ana u(a)"]),
        ("SELECT 1 FROM t WHERE EXISTS (SELECT * FROM u)", ["ana t()", "ana u(a,d)"]),
        ("SELECT 1 FROM u WHERE a IN (SELECT a FROM t)", ["ana u(a)", "ana t(a)"]),
        ("SELECT (SELECT max(d) FROM u) FROM t", ["ana t()", "ana u(d)"]),
        ("SELECT s.a FROM (SELECT * FROM t) s", ["ana t(a,b,c)"]),
        ("SELECT 1 FROM t WHERE EXISTS (SELECT 1 FROM (SELECT * FROM u) s WHERE a = '')", ["ana t()", "ana u(a,d)"]),
        ("SELECT 1 FROM t, LATERAL (SELECT t.b, u.d FROM u) s", ["ana t(b)", "ana u(d)"]),
        ("SELECT g FROM t, generate_series(1, 2) AS g", ["ana t()"]),
        ("SELECT 1 FROM t, unnest(string_to_array(t.b, ',')) AS g", ["ana t(b)"]),
        ("WITH t AS (SELECT a FROM u) SELECT * FROM t", ["ana u(a)"]),
        ("WITH x(q) AS (SELECT a FROM u) SELECT q FROM x, t", ["ana t()", "ana u(a)"]),
        ("WITH x AS MATERIALIZED (SELECT a FROM u) SELECT 1 FROM t, local", ["ana t()", "ana local()", "ana u(a)"]),
        ("WITH RECURSIVE x AS (SELECT a FROM u UNION SELECT a FROM x) SELECT a FROM x", ["ana u(a)"]),
        ("SELECT a FROM t UNION ALL SELECT d FROM u ORDER BY a", ["ana t(a)", "ana u(d)"]),
        ("TABLE t", ["ana t(a,b,c)"]),
        ("SELECT rank() OVER (PARTITION BY b ORDER BY c) FROM t", ["ana t(b,c)"]),
        ("SELECT rank() OVER w FROM t WINDOW w AS (ORDER BY c)", ["ana t(c)"]),
        ("SELECT count(*) FILTER (WHERE b = '') FROM t GROUP BY GROUPING SETS ((a), ())", ["ana t(a,b)"]),
        ("SELECT nowhere FROM t", ["ana t(a,b,c)"]),
        ("SELECT 1 FROM app.t WHERE EXISTS (SELECT app.t.b FROM u t)", ["ana t(b)", "ana u()"]),
        ("SELECT 1 FROM t WHERE EXISTS (SELECT app.t.b FROM other.t, u)", ["ana t(b)", "ana u()"]),
        ("SELECT other.a FROM t", ["ana t(a,b,c)"]),
        ("SELECT generate_series.generate_series FROM t, generate_series(1, 2)", ["ana t()"]),
        ("SELECT 1 FROM t TABLESAMPLE system (10) WHERE a = ''", ["ana t(a)"]),
    ],
)
def test_a_text_needs_what_it_names(text: str, needed: list[str]) -> None:
    assert checks(text) == needed


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("INSERT INTO local SELECT a FROM t", ["ana t(a)"]),
        ("INSERT INTO local SELECT a FROM t ON CONFLICT (a) DO UPDATE SET e = excluded.e", ["ana t(a)"]),
        ("WITH x AS (SELECT a FROM t) INSERT INTO local SELECT a FROM x RETURNING a", ["ana t(a)"]),
        ("UPDATE local SET e = t.b FROM t WHERE local.a = t.a", ["ana t(a,b)"]),
        ("UPDATE local SET e = b FROM t WHERE e = c", ["ana t(b,c)"]),
        ("DELETE FROM local USING t WHERE e = t.c RETURNING t.b, local.a", ["ana t(b,c)"]),
        ("MERGE INTO local USING t ON e = t.a WHEN MATCHED THEN UPDATE SET e = t.b", ["ana t(a,b)"]),
        ("UPDATE local SET e = (SELECT max(b) FROM t WHERE t.a = local.a)", ["ana t(a,b)"]),
        ("CREATE TABLE x AS SELECT a FROM t", ["ana t(a)"]),
        ("DECLARE x CURSOR FOR SELECT a FROM t", ["ana t(a)"]),
    ],
)
def test_a_write_needs_what_it_reads(text: str, needed: list[str]) -> None:
    assert checks(text) == needed


def test_below_a_view_the_owners_privileges_count() -> None:
    assert checks("SELECT b FROM v") == ["ana v(b)", "olga t(a,b,c)"]
    assert checks("SELECT count(*) FROM v") == ["ana v()", "olga t(a,b,c)"]


def test_nested_views_change_the_role_at_each_step() -> None:
    assert checks("SELECT a FROM w") == ["ana w(a)", "walter v(a,b)", "walter u(a)", "olga t(a,b,c)"]


def test_a_security_invoker_view_asks_for_the_current_users_privileges_however_deep() -> None:
    assert checks("SELECT a FROM inv") == ["ana inv(a)", "ana t(a,b)"]
    assert checks("SELECT a FROM over_inv") == ["ana over_inv(a)", "walter inv(a)", "ana t(a,b)"]


def test_relations_of_a_query_come_before_what_its_views_read() -> None:
    assert checks("SELECT v.a FROM v, u WHERE EXISTS (SELECT 1 FROM local)") == [
        "ana v(a)",
        "ana u()",
        "ana local()",
        "olga t(a,b,c)",
    ]
