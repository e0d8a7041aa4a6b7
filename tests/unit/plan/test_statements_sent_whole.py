"""Which statements a source is asked whole, and what it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from api_model import RELATIONS, api_table, bound, exact
from authorized import shown_by

from connectors.sdk.scan import Operator
from connectors.sdk.table import AccessPath
from connectors.sdk.whole import WholeStatement
from omnisql_server.model.mask import Mask, MaskKind
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery
from omnisql_server.model.relation import Relation
from omnisql_server.model.row_filter import Comparison, FilterOperator, RowFilter
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.plan.planner import plan
from omnisql_server.whole import may_send, whole_plan
from wire.backend import Field

BOOL, INT4, INT8, TEXT, NUMERIC, FLOAT8, TEXTS = 16, 23, 20, 25, 1700, 701, 1009
NOTHING: Mapping[str, Any] = MappingProxyType({})
JOINED = "SELECT t.name, sum(u.big) FROM t JOIN u ON u.id = t.id GROUP BY t.name"


def asked(
    text: str,
    *oids: int,
    kind: StatementKind = StatementKind.SELECT,
    filters: Mapping[str, tuple[RowFilter, ...]] = NOTHING,
    masks: Mapping[str, Mapping[str, Mask]] = NOTHING,
    paths: tuple[AccessPath, ...] = (),
    **settings: Any,
) -> WholeStatement | None:
    """Plan a statement whose outputs have these types, and return what the source is asked."""
    moment = ("timestamptz", "2020-01-01 00:00:00+00")
    query = bound(text, {"CAST('2020-01-01' AS TIMESTAMPTZ)": moment})
    fields = tuple(Field(name=f"f{place}", type_oid=oid) for place, oid in enumerate(oids))
    query = replace(query, fields=fields, settings=replace(query.settings, **settings))
    principal = Principal(tenant="t", name="p")
    authorized = AuthorizedQuery(query=query, principal=principal, filters=filters, masks=masks)
    by_scans = plan(authorized, lambda _: replace(api_table(*paths), takes_statements=True), combinations_max=10)
    wanted = may_send(by_scans, Statement(text="", kind=kind, references=()))
    found = whole_plan(by_scans) if wanted else None
    return None if found is None else found.scans[0].scans[0].whole


def test_a_join_is_written_over_the_tables_by_their_places() -> None:
    whole = asked(JOINED + " ORDER BY 2 DESC LIMIT 3", TEXT, NUMERIC)
    assert whole is not None
    assert whole.sql == (
        'SELECT "t"."name" AS "name", SUM("u"."big") AS "_col_1" FROM "scan_0" AS "t"'
        ' JOIN "scan_1" AS "u" ON "u"."id" = "t"."id" GROUP BY "t"."name" ORDER BY "_col_1" DESC LIMIT 3'
    )
    read = [(each.name, each.columns) for each in whole.relations]
    assert read == [
        ("scan_0", (("id", "id", "int4"), ("name", "name", "text"))),
        ("scan_1", (("id", "id", "int4"), ("big", "big", "int8"))),
    ]
    assert whole.type_oids == (TEXT, NUMERIC)


def test_strings_are_parameters_and_equal_ones_the_same() -> None:
    whole = asked("SELECT count(*) FROM t WHERE name IN ('x', 'it''s', 'x') AND at > '2020-01-01'", INT8)
    assert whole is not None
    assert "IN (CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($1 AS TEXT))" in whole.sql
    assert "> CAST(CAST($3 AS TEXT) AS TIMESTAMPTZ)" in whole.sql
    assert whole.parameters == ("x", "it's", "2020-01-01 00:00:00+00")


def test_queries_of_its_own_go_with_it() -> None:
    whole = asked("WITH w AS (SELECT id, max(name) AS m FROM t GROUP BY id) SELECT m FROM w ORDER BY m", TEXT)
    assert whole is not None
    assert whole.queries == (
        '"w" AS (SELECT "t"."id" AS "id", MAX("t"."name") AS "m" FROM "scan_0" AS "t" GROUP BY "t"."id")',
    )
    assert whole.sql == 'SELECT "w"."m" AS "m" FROM "w" AS "w" ORDER BY "m"'


STAY: tuple[tuple[str, str, tuple[int, ...]], ...] = (
    ("nothing is joined or counted", "SELECT name FROM t WHERE id = 1", (TEXT,)),
    ("rows of both are multiplied", "SELECT t.id FROM t, u", (INT4,)),
    ("a sum of floats depends on the order of rows", "SELECT sum(score) FROM t", (FLOAT8,)),
    ("letters' case is the source's locale's", "SELECT lower(name), count(*) FROM t GROUP BY 1", (TEXT, INT8)),
    ("so it is in patterns", "SELECT count(*) FROM t WHERE name ILIKE 'a%'", (INT8,)),
    ("constants sort by the source's collation", "SELECT max(CASE WHEN done THEN 'x' ELSE 'Y' END) FROM t", (TEXT,)),
    (
        "and so they do by another name",
        "SELECT k FROM (SELECT CASE WHEN done THEN 'x' ELSE 'Y' END AS k FROM t) AS d GROUP BY k ORDER BY k",
        (TEXT,),
    ),
    ("the type of an output is not carried", "SELECT labels, count(*) FROM t GROUP BY 1", (TEXTS, INT8)),
    ("recursion may go on for ever", "WITH RECURSIVE r AS (SELECT id FROM t) SELECT count(*) FROM r", (INT8,)),
)


@pytest.mark.parametrize(("text", "oids"), [each[1:] for each in STAY], ids=[each[0] for each in STAY])
def test_what_may_mean_something_else_there_is_read_by_scans(text: str, oids: tuple[int, ...]) -> None:
    assert asked(text, *oids) is None


NUMERIC_TOO = (
    "SELECT sum(big * 2 + 0.5), min(big % 3) FROM t WHERE id % 2 = 0",
    "SELECT sum(big), avg(id) FROM t GROUP BY id HAVING sum(big) > 2.5 ORDER BY sum(big) DESC, avg(id)",
    "SELECT sum(CASE WHEN done THEN big ELSE 0 END), coalesce(sum(big), 0) FROM t",
)


@pytest.mark.parametrize("text", NUMERIC_TOO)
def test_numbers_are_worked_on_there_as_in_any_postgresql(text: str) -> None:
    assert asked(text, NUMERIC, NUMERIC) is not None


def test_a_text_of_the_tables_sorts_by_bytes_wherever_it_comes_from() -> None:
    nested = "SELECT max(d.m) FROM (SELECT max(name) AS m FROM t GROUP BY id) AS d WHERE d.m > 'a'"
    assert asked(nested, TEXT) is not None


def test_a_table_with_hidden_rows_is_fenced_with_its_conditions() -> None:
    # The source of these tables evaluates no condition.
    assert asked(JOINED, TEXT, NUMERIC, filters={"scan_0": (shown_by("name", "a"),)}) is None
    path = AccessPath(name="all", request="", operators={"name": exact(Operator.IN), "id": exact(Operator.GT)})
    rows = {"scan_0": (shown_by("name", "a", "b"),)}
    asks = JOINED.replace("GROUP", "WHERE t.id > 4 AND t.big = 5 GROUP")
    whole = asked(asks, TEXT, NUMERIC, filters=rows, paths=(path,))
    assert whole is not None
    hidden, open_ = whole.relations
    assert hidden.shields
    assert [(each.column, each.operator.value, each.value) for each in hidden.conditions] == [
        ("name", "in", ("a", "b")),
        ("id", ">", 4),
    ]
    assert (open_.shields, open_.conditions) == (False, ())
    assert "'a'" not in whole.shown
    assert "WHERE .." in whole.shown


def test_numbers_that_policy_orders_are_read_by_scans_because_of_nan() -> None:
    path = AccessPath(name="all", request="", operators={"score": exact(Operator.GT), "id": exact(Operator.GT)})
    for column, is_sent in (("score", False), ("id", True)):
        condition = Comparison(column=column, operator=FilterOperator.GT, value=1)
        rows = {"scan_0": (RowFilter(policy="p", condition=condition),)}
        assert (asked(JOINED, TEXT, NUMERIC, filters=rows, paths=(path,)) is not None) is is_sent


MASKED = (
    (Mask(policy="p", kind=MaskKind.NULL), None),
    (Mask(policy="p", kind=MaskKind.CONST, value=7), 7),
)


@pytest.mark.parametrize(("mask", "shown"), MASKED)
def test_a_mask_that_shows_no_value_takes_the_place_of_the_column(mask: Mask, shown: int | None) -> None:
    whole = asked(JOINED, TEXT, NUMERIC, masks={"scan_1": {"big": mask}})
    assert whole is not None
    assert whole.relations[1].instead == {"big": shown}
    assert not whole.relations[1].shields


def test_a_mask_that_is_made_of_the_value_is_computed_here() -> None:
    bucket = Mask(policy="p", kind=MaskKind.BUCKET, width=10)
    assert asked(JOINED, TEXT, NUMERIC, masks={"scan_1": {"big": bucket}}) is None
    assert asked(JOINED, TEXT, NUMERIC, masks={"scan_1": {"at": bucket}}) is not None


def test_who_executes_and_what_the_session_wants_decide() -> None:
    assert asked(JOINED, TEXT, NUMERIC, engine="postgres") is None
    assert asked(JOINED, TEXT, NUMERIC, kind=StatementKind.WRITE) is None
    assert asked(JOINED, TEXT, NUMERIC, catalog_first=False) is None
    assert asked(JOINED, TEXT, NUMERIC, on_source_error="partial") is None


def test_days_of_moments_are_counted_in_utc_alone() -> None:
    days = "SELECT CAST(at AS date), count(*) FROM t GROUP BY 1"
    assert asked(days, 1082, INT8, time_zone="UTC") is not None
    assert asked(days, 1082, INT8, time_zone="Europe/Berlin") is None
    assert asked("SELECT count(at), max(at) FROM t", INT8, 1184, time_zone="Europe/Berlin") is not None


def test_tables_of_two_servers_are_read_by_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    other: Relation = replace(RELATIONS["u"], server="other")
    monkeypatch.setitem(RELATIONS, "u", other)
    assert asked(JOINED, TEXT, NUMERIC) is None
