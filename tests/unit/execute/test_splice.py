"""The text that goes to PostgreSQL: every byte the user's own but the relations that are replaced."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pytest
from plain_settings import SETTINGS

from omnisql_server.bind.resolve import Closure, Name
from omnisql_server.bind.tree import NotQualified, coarse_occurrences, qualify_query
from omnisql_server.errors import LimitExceeded, NotSupported
from omnisql_server.execute.splice import SplicedQuery, splice
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import ROW_NUMBER, Attribute, Relation, RelationKind
from omnisql_server.parse.tree import parse_query

VALUES = {"id": pa.array([1, 2], pa.int32()), "Na me": pa.array(["x", None]), "tags": pa.array([["a"], None])}


def relation(oid: int, name: str, kind: RelationKind, definition: str = "") -> Relation:
    types = {"id": (23, "integer"), "Na me": (25, "text"), "tags": (1009, "text[]")}
    attributes = tuple(
        Attribute(number=n, name=c, type_oid=o, type_sql=t, api_column=c)
        for n, (c, (o, t)) in enumerate(types.items(), 1)
    )
    return Relation(
        oid=oid, schema="app", name=name, kind=kind, owner="o", attributes=attributes, definition=definition
    )


RELATIONS = (
    relation(1, "t", RelationKind.API),
    relation(2, 'O"dd', RelationKind.API),
    relation(3, "local", RelationKind.LOCAL),
    relation(10, "v", RelationKind.VIEW, "SELECT t.id, local.id AS other FROM t JOIN local ON local.id = t.id"),
    relation(11, "w", RelationKind.VIEW, "SELECT v.id FROM app.v"),
    relation(12, "plain", RelationKind.VIEW, "SELECT local.id FROM app.local"),
)
BY_NAME: dict[Name, Relation] = {(schema, found.name): found for found in RELATIONS for schema in (None, "app")}
VIEWS = {found.oid: parse_query(found.definition) for found in RELATIONS if found.kind is RelationKind.VIEW}


def query_of(text: str, parameter_oids: tuple[int, ...] = ()) -> BoundQuery:
    parsed = parse_query(text)
    known = {(r.schema, r.name) for q in (parsed, *VIEWS.values()) for r in q.references}
    closure = Closure(by_name={name: found for name, found in BY_NAME.items() if name in known}, views=VIEWS)
    try:
        occurrences = qualify_query(parsed, closure).occurrences
    except NotQualified:
        occurrences = coarse_occurrences(parsed, closure)
    return BoundQuery(
        parsed=parsed,
        meaning=None,
        reason="",
        occurrences=occurrences,
        relations=closure.by_name,
        views=VIEWS,
        parameter_oids=parameter_oids,
        fields=(),
        settings=SETTINGS,
        catalog_sequence=1,
    )


def spliced(text: str, parameter_oids: tuple[int, ...] = (), bytes_max: int = 10_000) -> SplicedQuery:
    query = query_of(text, parameter_oids)
    relations: Mapping[str, pa.Table] = {
        o.scan_name: pa.table({c: VALUES[c] for c in o.columns} or {ROW_NUMBER: pa.array([0, 1], pa.int64())})
        for o in query.occurrences
    }
    return splice(query, relations, bytes_max)


def unnest(*columns: str, first: int = 1) -> str:
    types = {"id": "int4[]", "Na me": "text[]", "tags": "text[]"}
    casts = {"tags": "::text[]"}
    arrays = ", ".join(f"pg_catalog.unnest(${first + n}::pg_catalog.{types[c]})" for n, c in enumerate(columns))
    outputs = ", ".join(f'u.c{n}{casts.get(c, "")} AS "{c}"' for n, c in enumerate(columns))
    names = ", ".join(f"c{n}" for n in range(len(columns)))
    return f"(SELECT {outputs} FROM ROWS FROM ({arrays}) AS u({names}))"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("SELECT id FROM t", 'SELECT id FROM {id} AS "t"'),
        ("SELECT x.id FROM t x", "SELECT x.id FROM {id} x"),
        ("SELECT x.id FROM app.t AS x", "SELECT x.id FROM {id} AS x"),
        ("SELECT app.t.id FROM app.t", 'SELECT t.id FROM {id} AS "t"'),
        ('SELECT "app" . "t".id FROM app . t', 'SELECT "t".id FROM {id} AS "t"'),
        ("SELECT APP.T.id FROM APP.T", 'SELECT T.id FROM {id} AS "t"'),
        (
            "SELECT app.t.id FROM app.t, other.t WHERE app.t.id = other.t.id",
            'SELECT "app.t".id FROM {id} AS "app.t", other.t WHERE "app.t".id = other.t.id',
        ),
        (
            "SELECT app.t.id FROM app.t WHERE EXISTS (SELECT 1 FROM local AS t WHERE app.t.id = 1)",
            'SELECT "app.t".id FROM {id} AS "app.t" WHERE EXISTS (SELECT 1 FROM local AS t WHERE "app.t".id = 1)',
        ),
        ("SELECT id /* t */ FROM -- t\n t -- end", 'SELECT id /* t */ FROM -- t\n {id} AS "t" -- end'),
        ("SELECT 'ü😀 t', id FROM t", "SELECT 'ü😀 t', id FROM {id} AS \"t\""),
        ('SELECT id FROM U&"\\0074"', 'SELECT id FROM {id} AS "t"'),
        ("SELECT id FROM U&\"!0074\" UESCAPE '!' WHERE true", 'SELECT id FROM {id} AS "t" WHERE true'),
        ("WITH t AS (SELECT id FROM app.t) SELECT * FROM t", 'WITH t AS (SELECT id FROM {id} AS "t") SELECT * FROM t'),
        ("SELECT id, id FROM t WHERE id = $1", 'SELECT id, id FROM {id} AS "t" WHERE id = $1'),
        ("SELECT 1 FROM t, local", 'SELECT 1 FROM {none} AS "t", local'),
        ("SELECT p.id FROM t, plain p, app.plain", 'SELECT p.id FROM {none} AS "t", plain p, app.plain'),
    ],
)
def test_a_relation_becomes_its_rows_under_its_own_name(text: str, wanted: str) -> None:
    oids = (23,) if "$1" in text else ()
    none = "(SELECT  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.int8[])) AS u(c0))"
    first = 1 + len(oids)
    assert spliced(text, oids).text == wanted.replace("{id}", unnest("id", first=first)).replace("{none}", none)


def test_table_is_written_out() -> None:
    found = spliced("TABLE app.t ORDER BY 1")
    assert found.text == f'SELECT * FROM {unnest("id", "Na me", "tags")} AS "t" ORDER BY 1'
    assert [array.value for array in found.arrays] == [b"{1,2}", b'{"x",NULL}', b'{"{\\"a\\"}",NULL}']


def test_each_place_has_its_own_rows_and_columns() -> None:
    found = spliced("SELECT a.id, b.\"Na me\", to_char(a.id, '9') FROM t a, t b")
    assert found.text.endswith(f"FROM {unnest('id')} a, {unnest('Na me', first=2)} b")
    assert [array.value for array in found.arrays] == [b"{1,2}", b'{"x",NULL}']


def test_without_a_tree_the_places_share_their_rows() -> None:
    found = spliced("SELECT 1_000, a.id FROM t a, t b")
    assert found.text == f"SELECT 1_000, a.id FROM {unnest('id')} a, {unnest('id')} b"
    assert len(found.arrays) == 1


def test_a_view_that_reaches_an_api_table_becomes_its_definition() -> None:
    view = f'(SELECT t.id, local.id AS other FROM {unnest("id")} AS "t" JOIN "app"."local" ON local.id = t.id)'
    assert spliced("SELECT other FROM v").text == f'SELECT other FROM {view} AS "v"'
    assert spliced("SELECT x.id FROM app.w x").text == f'SELECT x.id FROM (SELECT v.id FROM {view} AS "v") x'


def test_a_with_query_is_not_taken_for_a_views_relation() -> None:
    text = "WITH local AS (SELECT 1 AS id) SELECT v.id FROM v, local"
    assert 'JOIN "app"."local" ON' in spliced(text).text
    assert spliced(text).text.endswith('AS "v", local')


def test_names_that_need_quotes_keep_them() -> None:
    assert spliced('SELECT id FROM "O""dd"').text == f'SELECT id FROM {unnest("id")} AS "O""dd"'


@pytest.mark.parametrize(
    "text", ["SELECT id FROM ONLY t", "SELECT id FROM ONLY (t)", "SELECT id FROM t *", "SELECT id FROM ONLY (app.t)"]
)
def test_only_asks_for_nothing_else(text: str) -> None:
    assert spliced(text).text == f'SELECT id FROM {unnest("id")} AS "t"'


@pytest.mark.parametrize("row", ["t", "t AS r", "t.*::app.t", "count(t)"])
def test_whole_rows_have_the_relations_own_type(row: str) -> None:
    found = spliced(f"SELECT {row} FROM t").text
    assert ' FROM pg_catalog.unnest(ARRAY(SELECT ROW("id", "Na me", "tags")::"app"."t" FROM (SELECT ' in found
    assert found.endswith(' AS omnisql_rows)) AS "t"')


@pytest.mark.parametrize("row", ["t.id", "t.*", "t.id AS t", "t(id)"])
def test_rows_that_are_not_read_whole_have_no_type(row: str) -> None:
    assert "omnisql_rows" not in spliced(f"SELECT {row} FROM t").text


def test_too_many_bytes_are_refused() -> None:
    assert spliced("SELECT id FROM t", bytes_max=5).arrays[0].value == b"{1,2}"
    with pytest.raises(LimitExceeded) as caught:
        spliced("SELECT id FROM t", bytes_max=4)
    assert caught.value.sqlstate == "54000"


@pytest.mark.parametrize("marked", ["éé», id", "app.t", "WHERE", "😀"])
def test_positions_are_mapped_back_to_the_users_text(marked: str) -> None:
    text = "SELECT 'éé», id', app.t.id FROM app.t WHERE app.t.id > 0 OR '😀' = 'x'"
    found = spliced(text)
    kept = marked if marked != "app.t" else "t.id >"
    place, original = found.text.index(kept), text.index(marked if marked != "app.t" else "t.id >")
    assert found.original_position(place + 1) == original + 1


def test_a_position_inside_what_was_spliced_in_is_none() -> None:
    found = spliced("SELECT id FROM t WHERE id > 0")
    assert found.original_position(found.text.index("unnest") + 1) is None
    assert found.original_position(1) == 1
    assert found.original_position(len(found.text)) == len("SELECT id FROM t WHERE id > 0")


def test_a_column_that_only_a_schema_would_tell_apart_is_refused() -> None:
    with pytest.raises(NotSupported, match="told apart by their schemas only"):
        spliced("SELECT 1 FROM app.t WHERE EXISTS (SELECT 1 FROM local AS t WHERE t.id = app.t.id)")
