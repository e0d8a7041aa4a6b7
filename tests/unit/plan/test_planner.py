"""A whole plan: limits that are proved, policy that is never given away, and tables that are not what they seem."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from api_model import RELATIONS, api_table, bound, exact
from authorized import authorize, shown_by

from connectors.sdk.scan import Direction, Operator, Predicate, SortKey
from connectors.sdk.table import AccessPath, Grade, Pushdown, Table
from omnisql_server.errors import ConfigurationInvalid, KeyColumnRequired, LimitExceeded, NotSupported
from omnisql_server.model.plan import QueryPlan, ScanPlan
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.statistics import Observation, TableStatistics, literal_shapes, shape_of, smoothed
from omnisql_server.plan.explain import explain_json, explain_text
from omnisql_server.plan.planner import calls_max, check_calls, plan
from omnisql_server.plan.predicate_texts import predicate_text
from omnisql_server.policy.rules import Rules, parse_rules

SORTED = AccessPath(
    name="all",
    request="GET /t",
    operators={
        "id": exact(Operator.EQ, Operator.IN, Operator.GT),
        "name": {Operator.EQ: Pushdown(grade=Grade.SUPERSET), **exact(Operator.IN)},
    },
    order={"id": frozenset(Direction), "name": frozenset({Direction.ASC})},
)
ANA = Principal(tenant="acme", name="ana", attributes={"teams": ("web",)})


def rules(**parts: object) -> Rules:
    return parse_rules({"version": 1, **parts}, "test")


def filtered(column: str = "name", match: str = "equals", values: tuple[str, ...] = ("a", "b")) -> Rules:
    rule = {
        "name": "rows",
        "tables": ["hub.t"],
        "column": column,
        "attribute": "teams",
        "values": {"web": list(values)},
        "match": match,
    }
    return rules(row_filters=[rule])


def masked(column: str = "name", mask: str = "null") -> Rules:
    return rules(masks=[{"name": "hide", "tables": ["hub.t"], "column": column, "mask": mask}])


def planned(text: str, table: Table | None = None, policy: Rules | None = None) -> QueryPlan:
    return planned_query(bound(text), table, policy)


def planned_query(query: BoundQuery, table: Table | None = None, policy: Rules | None = None) -> QueryPlan:
    authorized = authorize(query, ANA, policy or Rules())
    return plan(authorized, lambda _: table or api_table(SORTED), 100)


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("SELECT c.name FROM (SELECT id FROM t ORDER BY id DESC LIMIT 10) i JOIN u c ON c.id = i.id", 10),
        ("SELECT name FROM u WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 3)", 3),
        ("SELECT id FROM (SELECT id, name FROM t ORDER BY id LIMIT 4 OFFSET 1) i WHERE length(name) > 2", 5),
        ("WITH i AS (SELECT id FROM t LIMIT 6) SELECT a.id FROM i a JOIN i b ON a.id = b.id", 6),
        ("SELECT i.id FROM (SELECT id FROM t WHERE length(name) > 2 LIMIT 4) i JOIN u ON u.id = i.id", None),
        ("SELECT u.id, x.name FROM u CROSS JOIN LATERAL (SELECT name FROM t WHERE t.id = u.id LIMIT 1) x", None),
        ("SELECT u.id, x.name FROM u CROSS JOIN LATERAL (SELECT name FROM t ORDER BY u.id LIMIT 1) x", None),
        ("WITH i AS (SELECT id FROM t) SELECT a.id FROM (SELECT id FROM i LIMIT 2) a JOIN i b ON a.id = b.id", None),
        ("SELECT i.id FROM (SELECT t.id FROM t JOIN v ON v.id = t.id LIMIT 4) i JOIN u ON u.id = i.id", None),
    ],
)
def test_a_limit_of_a_subquery_is_pushed_to_its_scan(text: str, limit: int | None) -> None:
    (scan,) = (scan for scan in planned(text).scans if scan.relation.name == "t")
    assert scan.limit == limit
    others = [other.limit for other in planned(text).scans if other.relation.name != "t"]
    assert others == [None] * len(others)


def only(text: str, table: Table | None = None, policy: Rules | None = None) -> ScanPlan:
    (scan,) = planned(text, table, policy).scans
    return scan


@pytest.mark.parametrize(
    ("text", "limit", "order"),
    [
        ("SELECT id FROM t LIMIT 5", 5, ()),
        ("SELECT id FROM t LIMIT 5 OFFSET 3", 8, ()),
        ("SELECT id FROM t WHERE id > 3 LIMIT 5", 5, ()),
        ("SELECT id FROM t WHERE 1 = 1 AND id > 3 LIMIT 5", 5, ()),
        ("SELECT id FROM t ORDER BY id LIMIT 5", 5, (("id", "asc"),)),
        ("SELECT id FROM t ORDER BY id DESC LIMIT 5", 5, (("id", "desc"),)),
        ("SELECT id AS k FROM t ORDER BY 1 LIMIT 5", 5, (("id", "asc"),)),
        ("SELECT k FROM (SELECT id AS k FROM t) s ORDER BY k LIMIT 5", 5, (("id", "asc"),)),
        ("SELECT upper(name), id + 1 FROM t LIMIT 5", 5, ()),
        ("SELECT id FROM t", None, ()),
        ("SELECT id FROM t ORDER BY id", None, ()),
        ("SELECT id FROM t ORDER BY id NULLS FIRST LIMIT 5", None, ()),
        ("SELECT id FROM t ORDER BY name DESC LIMIT 5", None, ()),
        ("SELECT id FROM t ORDER BY id, name LIMIT 5", None, ()),
        ("SELECT id FROM t ORDER BY id + 1 LIMIT 5", None, ()),
        ("SELECT id FROM t WHERE name = 'x' LIMIT 5", None, ()),
        ("SELECT id FROM t WHERE big = 5 LIMIT 5", None, ()),
        ("SELECT id FROM t WHERE random() < 0.5 LIMIT 5", None, ()),
        ("SELECT id FROM t WHERE EXISTS (SELECT 1 FROM t x WHERE x.id = t.id) LIMIT 5", None, ()),
        ("SELECT * FROM (SELECT id, name FROM t) s WHERE lower(name) = 'x' LIMIT 5", None, ()),
        ("SELECT * FROM (SELECT id + 1 AS id FROM t) s WHERE id = 7 LIMIT 5", None, ()),
        ("SELECT count(*) FROM t LIMIT 5", None, ()),
        ("SELECT my_aggregate(id) FROM t LIMIT 5", None, ()),
        ("SELECT generate_series(1, id) FROM t LIMIT 5", None, ()),
        ("SELECT unnest(labels) FROM t LIMIT 5", None, ()),
        ("SELECT l FROM t, unnest(labels) AS l LIMIT 5", None, ()),
        ("SELECT t.id FROM t, generate_series(1, 3) AS g LIMIT 5", None, ()),
        ("SELECT row_number() OVER () FROM t LIMIT 5", None, ()),
        ("SELECT DISTINCT id FROM t LIMIT 5", None, ()),
        ("SELECT id FROM t GROUP BY id LIMIT 5", None, ()),
        ("SELECT id FROM (SELECT id FROM t ORDER BY name) s ORDER BY id LIMIT 5", None, ()),
        ("SELECT id FROM ((SELECT id, name FROM t) ORDER BY name LIMIT 9) s ORDER BY id LIMIT 5", None, ()),
        ("SELECT id FROM t ORDER BY id FETCH FIRST 5 ROWS WITH TIES", None, ()),
        ("SELECT id FROM t LIMIT (SELECT 5)", None, ()),
    ],
)
def test_a_limit_is_pushed_only_where_it_is_proved(
    text: str, limit: int | None, order: tuple[tuple[str, str], ...]
) -> None:
    found = planned(text).scans[-1]
    assert (found.limit, tuple((k.column, k.direction.value) for k in found.scans[0].order)) == (limit, order)


def test_a_common_table_expression_read_twice_is_not_limited() -> None:
    text = "WITH c AS (SELECT id FROM t) SELECT id, EXISTS (SELECT 1 FROM c x WHERE x.id = c.id) FROM c LIMIT 5"
    assert only(text).limit is None
    assert only("WITH c AS (SELECT id FROM t) SELECT id FROM c WHERE id IN (SELECT id FROM c) LIMIT 5").limit is None


def test_joined_scans_are_not_limited() -> None:
    scans = planned("SELECT a.id FROM t a JOIN u b ON a.id = b.id LIMIT 5").scans
    assert [scan.limit for scan in scans] == [None, None]


def test_policy_joins_the_conditions_and_is_applied_again() -> None:
    scan = only("SELECT id FROM t WHERE name IN ('b', 'c') LIMIT 5", policy=filtered())
    assert [(predicate_text(p.predicate), p.policy) for p in scan.pushed] == [("name = 'b'", "rows")]
    assert scan.filters == (shown_by("name", "a", "b", policy="rows"),)
    assert scan.columns == ("id", "name")


def test_a_policy_that_shows_nothing_needs_no_call() -> None:
    nobody = replace(ANA, attributes={"teams": ("other",)})
    authorized = authorize(bound("SELECT id FROM t"), nobody, filtered())
    (scan,) = plan(authorized, lambda _: api_table(SORTED), 100).scans
    assert (scan.empty, scan.scans, scan.calls_max) == ("policy rows shows no row", (), 0)


def test_conditions_that_contradict_policy_need_no_call() -> None:
    scan = only("SELECT id FROM t WHERE name = 'c'", policy=filtered())
    assert (scan.scans, scan.calls_expected) == ((), 0)
    assert scan.empty == "no value of name satisfies every condition on it"


def test_a_prefix_filter_escapes_the_pattern_and_forbids_a_limit() -> None:
    table = api_table(AccessPath(name="all", request="GET /", operators={"name": exact(Operator.LIKE)}))
    one = only("SELECT id FROM t LIMIT 5", table, filtered(match="prefix", values=("50%_\\",)))
    assert one.scans[0].predicates[0].value == "50\\%\\_\\\\%"
    two = only("SELECT id FROM t LIMIT 5", table, filtered(match="prefix"))
    assert (two.pushed, two.limit) == ((), None)


@pytest.mark.parametrize("mask", ["null", "redact"])
def test_a_condition_on_a_masked_column_is_never_sent(mask: str) -> None:
    scan = only("SELECT id FROM t WHERE name IN ('a', 'b') AND id = 5 LIMIT 5", policy=masked(mask=mask))
    assert [predicate_text(p.predicate) for p in scan.pushed] == ["id = 5"]
    assert [n.reason for n in scan.not_pushed] == ["the column is masked by policy"]
    assert scan.limit is None
    assert scan.columns == (("id",) if mask == "null" else ("id", "name"))
    assert only("SELECT id FROM t ORDER BY name LIMIT 5", policy=masked(mask=mask)).limit is None


def test_a_masked_key_cannot_be_used_to_ask() -> None:
    keyed = api_table(AccessPath(name="by", request="GET /{name}", keys=("name",)))
    with pytest.raises(KeyColumnRequired):
        planned("SELECT id FROM t WHERE name = 'a'", keyed, masked())


def test_a_policy_about_a_column_that_is_not_there_closes_the_table() -> None:
    for policy in (masked("mail"), filtered("mail")):
        with pytest.raises(ConfigurationInvalid) as caught:
            planned("SELECT id FROM t", policy=policy)
        assert "names column mail, which t has not" in caught.value.message


def test_a_column_declared_otherwise_than_the_apis_is_refused() -> None:
    query = bound("SELECT id, name FROM t")
    for change, words in (
        ({"type_oid": 25, "type_sql": "text"}, "is declared as text, but has type int4"),
        ({"api_column": "nowhere"}, "has no counterpart"),
    ):
        first, *others = RELATIONS["t"].attributes
        relation = replace(RELATIONS["t"], attributes=(replace(first, **change), *others))
        occurrences = tuple(replace(o, relation=relation) for o in query.occurrences)
        with pytest.raises(NotSupported) as caught:
            planned_query(replace(query, occurrences=occurrences, derived={}))
        assert words in caught.value.message


def test_varchar_and_text_are_one_kind_of_column() -> None:
    query = bound("SELECT name FROM t")
    attributes = tuple(
        replace(a, type_oid=1043, type_sql="character varying(9)") if a.name == "name" else a
        for a in RELATIONS["t"].attributes
    )
    occurrences = tuple(replace(o, relation=replace(o.relation, attributes=attributes)) for o in query.occurrences)
    assert planned_query(replace(query, occurrences=occurrences, derived={})).scans[0].columns == ("name",)


def test_renamed_columns_are_asked_by_the_apis_names() -> None:
    relation = replace(
        RELATIONS["t"],
        attributes=tuple(
            replace(a, name="harmless", api_column="name") if a.name == "big" else a
            for a in RELATIONS["t"].attributes
            if a.name != "name"
        ),
    )
    query = bound("SELECT id FROM t WHERE id = 5 ORDER BY id LIMIT 1")
    scan = planned_query(
        replace(query, occurrences=tuple(replace(o, relation=relation) for o in query.occurrences)), policy=filtered()
    ).scans[0]
    assert (scan.filters[0].columns, scan.columns) == (("name",), ("id", "name"))
    assert scan.scans[0].order == (SortKey(column="id", direction=Direction.ASC),)


def test_expected_calls_are_bounded_by_session_and_server() -> None:
    found = planned("SELECT id FROM t")
    assert found.calls_expected == 10
    check_calls(found, calls_max(found, 10))
    for wanted_max, allowed_max in ((9, 10), (None, 9), (99, 9)):
        query = found.authorized.query
        settings = replace(query.settings, max_api_calls=wanted_max)
        asked = replace(found, authorized=replace(found.authorized, query=replace(query, settings=settings)))
        with pytest.raises(LimitExceeded) as caught:
            check_calls(asked, calls_max(asked, allowed_max))
        assert caught.value.message.endswith("more than 9")


BY_NAME = AccessPath(name="by_name", request="GET /t/{name}", keys=("name",))


@pytest.mark.parametrize(
    ("condition", "evaluable", "plain", "deferred"),
    [
        ("t.name = lower(u.name)", True, True, ["LOWER(name)"]),
        ("lower(u.name) = t.name", True, True, ["LOWER(name)"]),
        ("t.name = lower(u.name)", False, True, None),
        # Another schema may come first in the path, with a function of that name.
        ("t.name = lower(u.name)", True, False, None),
        ("t.name = u.name || u.id", True, True, None),
        ("t.name = coalesce(u.name, 'x')", True, True, None),
    ],
)
def test_a_key_may_be_computed_from_the_rows_of_another_scan(
    condition: str, evaluable: bool, plain: bool, deferred: list[str] | None
) -> None:
    query = bound(f"SELECT t.id FROM u JOIN t ON {condition}")
    query = replace(query, settings=replace(query.settings, catalog_first=plain))
    tables = {"t": api_table(BY_NAME), "u": api_table()}

    def found() -> QueryPlan:
        authorized = authorize(query, ANA, Rules())
        return plan(authorized, lambda r: tables[r.name], 100, evaluable=lambda _: evaluable)

    if deferred is None:
        with pytest.raises(KeyColumnRequired):
            found()
    else:
        (scan,) = (scan for scan in found().scans if scan.relation.name == "t")
        assert [key.attribute for key in scan.deferred] == deferred


@pytest.mark.parametrize(("policy", "rows"), [(None, 3), (filtered(column="done", values=("true",)), 500)])
def test_what_a_literal_gave_is_not_told_to_a_user_of_whom_rows_are_hidden(policy: Rules | None, rows: int) -> None:
    table = api_table(AccessPath(name="all", request="GET /t", operators={"id": exact(Operator.EQ)}))
    seen = Observation(rows=3, pages=1, calls=1, latency_ms=1, seen_at=datetime(2026, 1, 1, tzinfo=UTC))
    predicate = Predicate(column="id", operator=Operator.EQ, value=7)
    shape = shape_of((), (predicate,))
    assert shape is not None
    known = TableStatistics(
        shapes={shape: smoothed(None, replace(seen, rows=500))},
        literals={one: smoothed(None, seen) for one in literal_shapes(b"salt", (), None, (predicate,))},
        salt=b"salt",
    )
    authorized = authorize(bound("SELECT name FROM t WHERE id = 7"), ANA, policy or Rules())
    (scan,) = plan(authorized, lambda _: table, 100, lambda _: known).scans
    assert scan.rows_expected == rows


def test_explain_says_which_expression_gives_a_key() -> None:
    tables = {"t": api_table(BY_NAME), "u": api_table()}
    authorized = authorize(bound("SELECT t.id FROM u JOIN t ON t.name = split_part(u.name, ':', 1)"), ANA, Rules())
    planned = plan(authorized, lambda r: tables[r.name], 100, evaluable=lambda _: True)
    lines = [line.strip() for line in explain_text(planned, "duckdb", "proved", None)]
    assert "Keys: name from SPLIT_PART(name, ':', 1) of app.u, once that is read" in lines
    scans = json.loads(explain_json(planned, "duckdb", "", None))[0]["Plan"]["Plans"]
    assert [scan.get("Keys From") for scan in scans] == [None, ["name from SPLIT_PART(name, ':', 1) of app.u"]]


def test_first_rows_are_not_read_by_a_path_for_long_readings() -> None:
    by_job = AccessPath(name="by_job", request="POST /jobs", page_rows_max=10_000, requests_fixed=12)
    table = api_table(AccessPath(name="by_page", request="GET /t"), by_job, rows_expected=50_000)
    assert only("SELECT id FROM t", table).path.name == "by_job"
    first = only("SELECT id FROM t LIMIT 5", table)
    assert (first.path.name, first.limit, first.calls_expected) == ("by_page", 5, 1)


def test_a_search_that_is_cut_takes_no_keys_from_a_join() -> None:
    equal = {"id": exact(Operator.EQ)}
    search = AccessPath(name="search", request="GET /s", keys=("name",), rows_max=100, operators=equal)
    whole = AccessPath(name="whole", request="GET /w", keys=("name",))
    driver = api_table(AccessPath(name="all", request="GET /u"), rows_expected=3)

    def path_of(text: str, *paths: AccessPath) -> str:
        table = api_table(*paths, rows_expected=1000)
        made = plan(authorize(bound(text), ANA, Rules()), lambda r: table if r.name == "t" else driver, 100)
        return next(scan.path.name for scan in made.scans if scan.relation.name == "t")

    joined = "SELECT t.id FROM u JOIN t ON t.name = u.name WHERE t.id = 3"
    assert path_of(joined, search, whole) == "whole"
    assert path_of("SELECT id FROM t WHERE name = 'a' AND id = 3", search, whole) == "search"
    # Where there is no other way, what is cut is an error when it happens.
    assert path_of(joined, search) == "search"
