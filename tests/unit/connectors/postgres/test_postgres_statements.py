"""Statements that are carried out whole: what their tables are at the source."""

from __future__ import annotations

from dataclasses import replace

import asyncpg
import pytest

from connectors.postgres.judge import refuses_statement
from connectors.postgres.kinds import RemoteType, kind_of
from connectors.postgres.queries import RemoteTable
from connectors.postgres.statements import output_types, statement_query
from connectors.sdk.errors import StatementRefused
from connectors.sdk.scan import Operator, Predicate, Scan
from connectors.sdk.table import AccessPath, Column, Table
from connectors.sdk.whole import WholeRelation, WholeStatement

KINDS = {
    "id": kind_of(RemoteType(oid=23), is_utf8=True),
    'na"me': kind_of(RemoteType(oid=25), is_utf8=True),
    "state": kind_of(RemoteType(oid=99_999, category="e"), is_utf8=True),
    "price": kind_of(RemoteType(oid=1700), is_utf8=True),
}
REMOTE = RemoteTable(
    schema="shop",
    name="t",
    table=Table(
        name="shop.t",
        description="",
        columns=tuple(Column(name=name, type_name=kind.type_name, path=name) for name, kind in KINDS.items()),
        primary_key=(),
        access_paths=(AccessPath(name="scan", request=""),),
    ),
    kinds=KINDS,
)
READ = WholeRelation(
    name="scan_0",
    table="shop.t",
    columns=(("id", "id", "int4"), ("n", 'na"me', "text"), ("state", "state", "text"), ("price", "price", "numeric")),
)
WHOLE = WholeStatement(
    sql="SELECT 1", relations=(READ,), type_oids=(23,), queries=('"w" AS (SELECT 2)',), parameters=("x",)
)
ASKED = Scan(table="whole", access_path="whole", columns=("c1",), whole=WHOLE)


def test_a_table_is_a_query_with_the_types_and_the_order_of_texts_known_here() -> None:
    query = statement_query(WHOLE, ASKED, {"shop.t": REMOTE})
    assert query.sql == (
        'WITH "scan_0" AS NOT MATERIALIZED (SELECT r."id"::pg_catalog.int4 AS "id",'
        ' (r."na""me"::pg_catalog.text) COLLATE pg_catalog."C" AS "n",'
        ' (r."state"::pg_catalog.text::pg_catalog.text) COLLATE pg_catalog."C" AS "state",'
        ' r."price"::pg_catalog.numeric AS "price" FROM "shop"."t" AS r), "w" AS (SELECT 2) SELECT 1'
    )
    assert query.parameters == ("x",)
    assert "SELECT 1" not in query.shown


def test_rows_that_policy_hides_are_left_out_behind_a_fence() -> None:
    """A condition of the statement is evaluated on no row that does not meet those of the table."""
    conditions = (
        Predicate(column="id", operator=Operator.IN, value=(1, 2)),
        Predicate(column="state", operator=Operator.EQ, value="it's"),
    )
    hidden = replace(READ, columns=(("id", "id", "int4"),), conditions=conditions, shields=True)
    query = statement_query(replace(WHOLE, relations=(hidden,)), ASKED, {"shop.t": REMOTE})
    assert query.sql.startswith(
        'WITH "scan_0" AS MATERIALIZED (SELECT r."id"::pg_catalog.int4 AS "id" FROM "shop"."t" AS r'
        ' WHERE r."id" OPERATOR(pg_catalog.=) ANY (($2::pg_catalog.text[])::pg_catalog.int8[])'
        ' AND r."state"::pg_catalog.text OPERATOR(pg_catalog.=)'
        " ($3::pg_catalog.text)::pg_catalog.text), "
    )
    assert query.parameters == ("x", ["1", "2"], "it's")


def test_what_a_mask_shows_is_a_parameter_in_the_place_of_the_column() -> None:
    columns = (("id", "id", "int4"), ("state", "state", "text"))
    shown = replace(READ, columns=columns, instead={"id": None, "state": "x"})
    query = statement_query(replace(WHOLE, relations=(shown,)), ASKED, {"shop.t": REMOTE})
    assert query.sql.startswith(
        'WITH "scan_0" AS NOT MATERIALIZED (SELECT $2::pg_catalog.text::pg_catalog.int4 AS "id",'
        ' ($3::pg_catalog.text::pg_catalog.text) COLLATE pg_catalog."C" AS "state" FROM "shop"."t" AS r), '
    )
    assert query.parameters == ("x", None, "x")


def test_a_part_gives_the_outputs_that_are_wanted_of_the_keys_that_are() -> None:
    part = replace(WHOLE, sql="SELECT a, b, c", type_oids=(23, 25, 1700), names=("c1", "c2", "c3"))
    wanted = Scan(table="part", access_path="part_by_c1", columns=("c3", "c2"), keys={"c1": (1, 2**70)}, limit=5)
    query = statement_query(part, wanted, {"shop.t": REMOTE})
    assert query.sql.endswith(
        'SELECT r."c3", r."c2"::pg_catalog.text FROM (SELECT a, b, c) AS r ("c1", "c2", "c3")'
        ' WHERE r."c1" OPERATOR(pg_catalog.=) ANY (($2::pg_catalog.text[])::pg_catalog.int8[]) LIMIT 5'
    )
    # No int4 is equal to the other key.
    assert query.parameters == ("x", ["1"])
    assert output_types(part, wanted) == {"c3": "numeric", "c2": "text"}


def test_a_column_that_has_another_type_by_now_refuses_the_statement() -> None:
    changed = replace(READ, columns=(("id", "id", "int8"),))
    with pytest.raises(StatementRefused, match="another type than its foreign table"):
        statement_query(replace(WHOLE, relations=(changed,)), ASKED, {"shop.t": REMOTE})


@pytest.mark.parametrize(
    ("error", "is_about_it"),
    [
        (asyncpg.DivisionByZeroError(""), True),
        (asyncpg.UndefinedFunctionError(""), True),
        (asyncpg.InsufficientPrivilegeError(""), True),
        (asyncpg.QueryCanceledError(""), False),
        (asyncpg.TooManyConnectionsError(""), False),
        (asyncpg.DeadlockDetectedError(""), False),
        (asyncpg.InvalidPasswordError(""), False),
    ],
)
def test_only_what_is_wrong_with_a_statement_refuses_it(error: asyncpg.PostgresError, is_about_it: bool) -> None:
    assert refuses_statement(error) is is_about_it
