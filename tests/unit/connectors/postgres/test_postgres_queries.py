"""The queries of scans: names quoted, literals as parameters, comparisons by bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from connectors.postgres.kinds import Kind, RemoteType, kind_of
from connectors.postgres.queries import RemoteTable, as_text, count_query, rows_query
from connectors.sdk.scan import Direction, Disjunction, Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import AccessPath, Column, Table

TEXT, INT4, UUID, TEXTS = 25, 23, 2950, 1009


def remote(**kinds: Kind) -> RemoteTable:
    table = Table(
        name="public.t",
        description="",
        columns=tuple(Column(name=name, type_name=kind.type_name, path=name) for name, kind in kinds.items()),
        primary_key=(),
        access_paths=(AccessPath(name="scan", request=""),),
    )
    return RemoteTable(schema="public", name="t", table=table, kinds=kinds)


ALL = remote(
    name=kind_of(RemoteType(oid=TEXT), is_utf8=True),
    nick=kind_of(RemoteType(oid=TEXT, is_deterministic=False), is_utf8=True),
    latin=kind_of(RemoteType(oid=TEXT), is_utf8=False),
    number=kind_of(RemoteType(oid=INT4), is_utf8=True),
    key=kind_of(RemoteType(oid=UUID), is_utf8=True),
    tags=kind_of(RemoteType(oid=TEXTS), is_utf8=True),
    state=kind_of(RemoteType(oid=99_999, category="e"), is_utf8=True),
    span=kind_of(RemoteType(oid=3904, category="r"), is_utf8=True),
)
SCAN = Scan(table="public.t", access_path="scan", columns=("number",))
BY_BYTES = 'COLLATE pg_catalog."C"'
T = "pg_catalog.text"
CONDITIONS: tuple[tuple[str, Operator, Value, str], ...] = (
    ("name", Operator.EQ, "x'; --", f'r."name" OPERATOR(pg_catalog.=) ($1::{T})::{T}'),
    ("name", Operator.LT, "x", f'r."name" {BY_BYTES} OPERATOR(pg_catalog.<) ($1::{T})::{T}'),
    ("name", Operator.LIKE, "x%", f'r."name" OPERATOR(pg_catalog.~~) ($1::{T})::{T}'),
    ("nick", Operator.NE, "x", f'r."nick" {BY_BYTES} OPERATOR(pg_catalog.<>) ($1::{T})::{T}'),
    ("number", Operator.IN, (1, None), 'r."number" OPERATOR(pg_catalog.=) ANY (($1::T[])::pg_catalog.int8[])'),
    ("number", Operator.NOT_IN, (1,), 'r."number" OPERATOR(pg_catalog.<>) ALL (($1::T[])::pg_catalog.int8[])'),
    ("tags", Operator.CONTAINS, ("a",), 'r."tags" OPERATOR(pg_catalog.@>) ($1::T[])::T[]'),
    ("state", Operator.EQ, "open", f'r."state"::{T} OPERATOR(pg_catalog.=) ($1::{T})::{T}'),
    ("span", Operator.IS_NULL, None, 'r."span" IS NULL'),
)


@pytest.mark.parametrize(("column", "operator", "value", "written"), CONDITIONS)
def test_conditions_are_written_with_parameters(column: str, operator: Operator, value: Value, written: str) -> None:
    scan = replace(SCAN, predicates=(Predicate(column=column, operator=operator, value=value),))
    query = rows_query(ALL, scan)
    assert query.sql == f'SELECT r."number" FROM "public"."t" AS r WHERE {written.replace("T[]", f"{T}[]")}'
    assert len(query.parameters) == ("$1" in written)


def test_alternatives_stand_in_parentheses_beside_other_conditions() -> None:
    def on(column: str, operator: Operator, value: Value) -> Predicate:
        return Predicate(column=column, operator=operator, value=value)

    branches = ((on("name", Operator.LT, "x"), on("state", Operator.EQ, "open")), (on("number", Operator.IN, (1, 2)),))
    either = Disjunction(branches=branches)
    other = Disjunction(branches=((on("span", Operator.IS_NULL, None),), (on("name", Operator.EQ, "y"),)))
    scan = replace(SCAN, predicates=(on("number", Operator.GT, 0),), disjunctions=(either, other))
    query = rows_query(ALL, scan)
    assert query.sql.partition(" WHERE ")[2] == (
        f'r."number" OPERATOR(pg_catalog.>) ($1::{T})::pg_catalog.int8'
        f' AND ((r."name" {BY_BYTES} OPERATOR(pg_catalog.<) ($2::{T})::{T}'
        f' AND r."state"::{T} OPERATOR(pg_catalog.=) ($3::{T})::{T})'
        f' OR (r."number" OPERATOR(pg_catalog.=) ANY (($4::{T}[])::pg_catalog.int8[])))'
        f' AND ((r."span" IS NULL) OR (r."name" OPERATOR(pg_catalog.=) ($5::{T})::{T}))'
    )
    assert query.parameters == ("0", "x", "open", ["1", "2"], "y")


def test_texts_are_sorted_by_bytes_where_those_are_known() -> None:
    keys = (SortKey(column="name", direction=Direction.DESC), SortKey(column="number", direction=Direction.ASC))
    sql = rows_query(ALL, replace(SCAN, order=keys, limit=3)).sql
    assert sql.endswith(f'ORDER BY r."name" {BY_BYTES} DESC, r."number" ASC LIMIT 3')
    assert ALL.kinds["latin"].sorted_as is None
    assert Operator.LT not in ALL.kinds["latin"].operators
    assert Operator.EQ in ALL.kinds["latin"].operators


def test_keys_that_no_value_can_equal_are_left_out() -> None:
    found = "6f1c1d5e-0000-4000-8000-000000000001"
    query = rows_query(ALL, replace(SCAN, keys={"key": ("mistyped", found)}))
    assert query.parameters == ([found],)
    assert rows_query(ALL, replace(SCAN, keys={"number": 2**70})).parameters == ([],)


def test_counting_groups_by_the_columns_that_are_wanted() -> None:
    assert count_query(ALL, replace(SCAN, columns=())).sql == 'SELECT pg_catalog.count(*) FROM "public"."t" AS r'
    grouped = count_query(ALL, replace(SCAN, columns=("number",))).sql
    assert grouped == 'SELECT r."number", pg_catalog.count(*) FROM "public"."t" AS r GROUP BY 1'


LITERALS: tuple[tuple[Value, str], ...] = (
    (True, "true"),
    (Decimal("1E+3"), "1000"),
    (Decimal("NaN"), "NaN"),
    (1e300, "1e+300"),
    (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02T03:04:05.000006+00:00"),
)


@pytest.mark.parametrize(("value", "text"), LITERALS)
def test_literals_are_texts_that_every_server_reads_alike(value: Value, text: str) -> None:
    assert as_text(value) == text
