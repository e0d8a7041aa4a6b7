"""Relations, views and columns of a query as the later stages see them."""

from __future__ import annotations

import pytest

from omnisql_server.bind.resolve import Closure, Name
from omnisql_server.bind.tree import NotQualified, QualifiedTree, coarse_occurrences, qualify_query
from omnisql_server.model.query import ParsedQuery
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.parse.tree import parse_query

INT, TEXT, ENUM = (23, "integer"), (25, "text"), (99999, "mood")


def relation(oid: int, name: str, kind: RelationKind = RelationKind.API, **more: object) -> Relation:
    columns = {"id": INT, "Name": TEXT, "mood": ENUM, "tid": INT}
    attributes = tuple(
        Attribute(number=number, name=column, type_oid=type_oid, type_sql=type_sql, api_column=column)
        for number, (column, (type_oid, type_sql)) in enumerate(columns.items(), 1)
    )
    values = {"schema": "app", "owner": "admin", "attributes": attributes} | more
    return Relation(oid=oid, name=name, kind=kind, **values)  # type: ignore[arg-type]


def view(oid: int, name: str, definition: str, owner: str, *, invoker: bool = False) -> Relation:
    return relation(
        oid, name, RelationKind.VIEW, definition=definition, owner=owner, security_invoker=invoker,
        attributes=(Attribute(number=1, name="id", type_oid=23, type_sql="integer"),
                    Attribute(number=2, name="n", type_oid=25, type_sql="text")),
    )  # fmt: skip


RELATIONS = (
    relation(1, "t"),
    relation(2, "u"),
    relation(3, "local", RelationKind.LOCAL),
    view(10, "v", 'SELECT t.id, t."Name" AS n FROM app.t WHERE t.tid > 0', "olga"),
    view(11, "w", "SELECT v.id, v.n FROM app.v JOIN app.u ON u.id = v.id", "walter"),
    view(12, "inv", 'SELECT t.id, t."Name" AS n FROM app.t', "olga", invoker=True),
)
BY_NAME: dict[Name, Relation] = {(schema, found.name): found for found in RELATIONS for schema in (None, "app")}
VIEWS = {found.oid: parse_query(found.definition) for found in RELATIONS if found.kind is RelationKind.VIEW}


def closure(parsed: ParsedQuery) -> Closure:
    """Take exactly what a text reaches, as bind does."""
    by_name: dict[Name, Relation] = {}
    pending = [parsed]
    while pending:
        for reference in pending.pop().references:
            name = (reference.schema, reference.name)
            if name not in by_name:
                by_name[name] = BY_NAME[name]
                pending += [VIEWS[by_name[name].oid]] if by_name[name].kind is RelationKind.VIEW else []
    return Closure(by_name=by_name, views=VIEWS)


def qualified(text: str) -> QualifiedTree:
    parsed = parse_query(text)
    return qualify_query(parsed, closure(parsed))


def places(text: str) -> list[tuple[str, tuple[str, ...], tuple[int, ...] | None]]:
    return [(o.relation.name, o.columns, o.place) for o in qualified(text).occurrences]


def test_every_place_is_an_occurrence_with_the_columns_used_there() -> None:
    assert places('SELECT a.id, b."Name" FROM t a, t AS b WHERE a.tid = 1') == [
        ("t", ("id", "tid"), (27,)),
        ("t", ("Name",), (32,)),
    ]


def test_positions_count_bytes_and_start_at_the_first_part_of_the_name() -> None:
    assert places("SELECT 'é😀', id FROM db.app.t") == [("t", ("id",), (25,))]
    assert places('SELECT 1 FROM "t"') == [("t", (), (14,))]


def test_views_are_expanded_and_their_places_follow_the_path() -> None:
    assert places("SELECT n FROM v") == [("t", ("id", "Name", "tid"), (14, 32))]
    outer, inner = places("SELECT w.id FROM w WHERE EXISTS (SELECT 1 FROM u WHERE u.tid = w.id)")[:2]
    assert (outer[0], len(outer[2] or ())) == ("u", 1)
    assert (inner[0], len(inner[2] or ())) == ("t", 3)


def test_correlated_columns_count_for_the_outer_relation() -> None:
    assert places("SELECT 1 FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.tid)") == [
        ("u", ("id",), (44,)),
        ("t", ("tid",), (14,)),
    ]


def test_a_star_is_every_column_in_order() -> None:
    assert places("SELECT * FROM t")[0][1] == ("id", "Name", "mood", "tid")


def test_in_an_order_by_expression_a_name_is_the_input_column() -> None:
    assert places("SELECT id FROM t ORDER BY id + 1, abs(tid)") == [("t", ("id", "tid"), (15,))]
    assert places('SELECT DISTINCT ON ("Name") "Name", id FROM t') == [("t", ("id", "Name"), (44,))]
    assert places("SELECT id AS tid FROM t ORDER BY tid") == [("t", ("id",), (22,))]


def test_names_that_postgresql_folds_are_found() -> None:
    assert places('SELECT ID, T."Name" FROM T') == [("t", ("id", "Name"), (25,))]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT t FROM t",
        "SELECT count(x) FROM t AS x",
        "SELECT a FROM t AS x(a, b)",
        "SELECT j.a FROM (t JOIN u ON t.id = u.id) AS j(a, b)",
        "SELECT id AS tid FROM t ORDER BY tid + 1",
        "WITH scan_0 AS (SELECT 1 AS id) SELECT t.id FROM t, scan_0",
        "SELECT id FROM ONLY t",
        "SELECT nowhere FROM t",
        "SELECT g FROM t, json_array_elements(t.j) AS g",
        "SELECT 1_000 FROM t",
        "SELECT app.t.id FROM app.t WHERE EXISTS (SELECT 1 FROM u AS t WHERE t.id = app.t.id)",
        "SELECT 1 FROM app.t, t",
    ],
)
def test_what_could_mean_something_else_is_left_to_postgresql(text: str) -> None:
    with pytest.raises(NotQualified):
        qualified(text)


def test_without_a_tree_every_named_column_counts_everywhere() -> None:
    parsed = parse_query('SELECT a.id, b."Name", 1_000 FROM t a, t b, v')
    assert parsed.tree is None
    found = coarse_occurrences(parsed, closure(parsed))
    assert [(o.relation.name, o.columns, o.place) for o in found] == [("t", ("id", "Name", "tid"), None)]


def test_without_a_tree_a_whole_row_is_every_column() -> None:
    parsed = parse_query("SELECT x, 1_000 FROM t AS x")
    assert coarse_occurrences(parsed, closure(parsed))[0].columns == ("id", "Name", "mood", "tid")


def test_without_a_tree_a_function_written_as_a_column_needs_the_whole_row() -> None:
    parsed = parse_query("SELECT t.row_to_json FROM t")
    assert coarse_occurrences(parsed, closure(parsed))[0].columns == ("id", "Name", "mood", "tid")
