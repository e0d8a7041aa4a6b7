"""Relations, tables and bound queries for the planner's tests, built without a backend."""

from __future__ import annotations

from collections.abc import Mapping

from plain_settings import SETTINGS

from connectors.sdk.scan import Operator
from connectors.sdk.table import AccessPath, Column, Grade, Pushdown, Table
from omnisql_server.bind.fold import extract_constants, fill_constants
from omnisql_server.bind.resolve import Closure
from omnisql_server.bind.tree import qualify_query
from omnisql_server.model.meaning import meaning_of
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import Attribute, Relation, RelationKind
from omnisql_server.parse.tree import parse_query

TYPES = {
    "int4": (23, "integer"),
    "int8": (20, "bigint"),
    "text": (25, "text"),
    "bool": (16, "boolean"),
    "timestamptz": (1184, "timestamp with time zone"),
    "float8": (701, "double precision"),
    "text[]": (1009, "text[]"),
}
COLUMNS = {
    "id": "int4",
    "big": "int8",
    "name": "text",
    "done": "bool",
    "at": "timestamptz",
    "score": "float8",
    "labels": "text[]",
}


def api_relation(oid: int, name: str, columns: Mapping[str, str] = COLUMNS) -> Relation:
    """Make a foreign table over the API table of the same name."""
    return Relation(
        oid=oid,
        schema="app",
        name=name,
        kind=RelationKind.API,
        owner="admin",
        attributes=tuple(
            Attribute(number=n, name=c, type_oid=TYPES[t][0], type_sql=TYPES[t][1], api_column=c)
            for n, (c, t) in enumerate(columns.items(), 1)
        ),
        server="s",
        wrapper="hub",
        api_table=name,
    )


RELATIONS = {name: api_relation(oid, name) for oid, name in enumerate(("t", "u", "v"), 1)}


def api_table(*paths: AccessPath, rows_expected: int = 1000) -> Table:
    """Declare the API table behind the relations."""
    return Table(
        name="t",
        description="",
        columns=tuple(Column(name=c, type_name=t, path=c) for c, t in COLUMNS.items()),
        primary_key=("id",),
        access_paths=paths or (AccessPath(name="all", request="GET /t"),),
        rows_expected=rows_expected,
    )


def exact(*operators: Operator) -> dict[Operator, Pushdown]:
    """Declare operators that the API evaluates exactly."""
    return dict.fromkeys(operators, Pushdown(grade=Grade.EXACT))


def bound(text: str, constants: Mapping[str, tuple[str, str | None]] | None = None) -> BoundQuery:
    """Bind a statement; `constants` answers for PostgreSQL what each constant expression is."""
    parsed = parse_query(text)
    closure = Closure(by_name={(schema, n): r for n, r in RELATIONS.items() for schema in (None, "app")})
    qualified = qualify_query(parsed, closure)
    folded = extract_constants(qualified.tree)
    asked = [constant.sql("postgres") for constant in folded.constants]
    tree = fill_constants(folded.tree, [(constants or {})[sql] for sql in asked])
    return BoundQuery(
        parsed=parsed,
        meaning=meaning_of(tree),
        reason="",
        occurrences=qualified.occurrences,
        relations=closure.by_name,
        views={},
        parameter_oids=(),
        fields=(),
        settings=SETTINGS,
        catalog_sequence=1,
    )
