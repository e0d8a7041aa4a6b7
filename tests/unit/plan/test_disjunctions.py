"""OR between columns in a plan: sent whole, by the grade of its lowest part, or not at all and for what reason."""

from __future__ import annotations

from dataclasses import replace

import pytest
from api_model import api_table, bound, exact
from authorized import authorize

from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.scan import Disjunction, Operator, Predicate
from connectors.sdk.table import AccessPath, Disjunctions, Grade, Pushdown, Table
from omnisql_server.model.plan import Pushed, ScanPlan
from omnisql_server.model.principal import Principal
from omnisql_server.plan.explain import explain_text
from omnisql_server.plan.planner import plan
from omnisql_server.plan.predicate_texts import predicate_text
from omnisql_server.policy.rules import Rules, parse_rules

SUPERSET = Pushdown(grade=Grade.SUPERSET)
SEARCH = AccessPath(
    name="search",
    request="GET /search",
    operators={
        "id": exact(Operator.EQ, Operator.IN, Operator.LT, Operator.GT),
        "name": {Operator.EQ: SUPERSET, Operator.IN: SUPERSET, Operator.NE: SUPERSET},
        "done": exact(Operator.EQ),
        "big": {Operator.EQ: Pushdown(grade=Grade.EXACT, accepts=lambda v: Grade.NONE if v == 13 else Grade.EXACT)},
        "score": exact(Operator.GT),
        "labels": {Operator.CONTAINS: SUPERSET},
    },
    disjunctions=Disjunctions(columns=frozenset({"id", "name", "done", "big"})),
)
GROUPS = replace(
    SEARCH,
    disjunctions=Disjunctions(
        columns=frozenset(SEARCH.operators), alone=True, branches_max=3, branch_predicates_max=3, predicates_max=7
    ),
)
ANA = Principal(tenant="acme", name="ana", attributes={"teams": ("web",)})


def only(where: str, *paths: AccessPath, policy: Rules | None = None, columns: str = "id", tail: str = "") -> ScanPlan:
    query = bound(f"SELECT {columns} FROM t WHERE {where} {tail}")
    table = api_table(*(paths or (SEARCH,)))
    (scan,) = plan(authorize(query, ANA, policy or Rules()), lambda _: table, 100).scans
    return scan


def pushed(scan: ScanPlan) -> list[tuple[str, str]]:
    return [(predicate_text(each.predicate), each.grade.value) for each in scan.pushed]


@pytest.mark.parametrize(
    ("where", "text", "grade"),
    [
        ("id = 5 OR done", "id = 5 OR done = true", "exact"),
        ("id = 5 OR name = 'x'", "id = 5 OR name = 'x'", "superset"),
        ("(id < 3 AND name <> 'x') OR id > 7", "(id < 3 AND name <> 'x') OR id > 7", "superset"),
        ("id = 1 OR id = 2 OR done", "id IN (1, 2) OR done = true", "exact"),
        ("(id = 5 AND big = 7) OR NOT done", "(id = 5 AND big = 7) OR done = false", "exact"),
    ],
)
def test_an_or_is_sent_by_the_grade_of_its_lowest_part(where: str, text: str, grade: str) -> None:
    scan = only(where)
    assert pushed(scan) == [(text, grade)]
    assert scan.not_pushed == ()
    (sent,) = scan.scans
    assert sent.predicates == ()
    assert [predicate_text(each) for each in sent.disjunctions] == [text]


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("id = 5 OR at > big", "has a form that no API evaluates"),
        ("id = 5 OR (score > 1 AND labels @> '{x}')", 'its part "t"."score" > 1 cannot be sent'),
        ("id = 5 OR lower(name) = 'x'", 'its part LOWER("t"."name") = \'x\' has a form that no API evaluates'),
        ("id = 5 OR name LIKE 'x%'", 'its part "t"."name" LIKE \'x%\' cannot be sent: GET /search has no parameter'),
        ("id = 5 OR big = 13", 'its part "t"."big" = 13 cannot be sent: the API cannot evaluate this literal'),
        ("id = 5 OR score > 1", 'its part "t"."score" > 1 cannot be sent: GET /search has no OR with score'),
    ],
)
def test_if_nothing_of_a_side_can_be_sent_nothing_is_and_that_part_is_named(where: str, reason: str) -> None:
    scan = only(f"name = 'y' AND ({where})")
    assert pushed(scan) == [("name = 'y'", "superset")]
    assert scan.scans[0].disjunctions == ()
    (kept,) = scan.not_pushed
    assert reason in kept.reason


@pytest.mark.parametrize(
    ("where", "text", "reason"),
    [
        ("id = 5 OR (done AND score > 1)", "id = 5 OR done = true", 'its part "t"."score" > 1 cannot be sent'),
        ("id = 5 OR (done AND big = 13)", "id = 5 OR done = true", 'its part "t"."big" = 13 cannot be sent'),
        ("id = 5 OR (done AND at > big)", "id = 5 OR done = true", 'its part "t"."at" > "t"."big" has a form'),
        ("(id = 5 AND score > 1) OR (id = 5 AND at > big)", "id = 5", 'its part "t"."score" > 1 cannot be sent'),
    ],
)
def test_a_side_is_sent_as_far_as_it_can_be(where: str, text: str, reason: str) -> None:
    scan = only(where, tail="LIMIT 3")
    assert pushed(scan) == [(text, "exact")]
    (kept,) = scan.not_pushed
    assert kept.reason.startswith(reason)
    assert kept.reason.endswith("; what is sent is wider")
    assert scan.limit is None


def test_what_all_sides_say_of_one_column_is_sent_where_or_is_not() -> None:
    plain = replace(SEARCH, disjunctions=None)
    where = "(id = 5 AND at > big) OR (id IN (6, 7) AND done)"
    scan = only(where, plain, tail="LIMIT 3")
    assert pushed(scan) == [("id IN (5, 6, 7)", "exact")]
    assert len(scan.not_pushed) == 1
    assert scan.limit is None
    assert pushed(only(f"id < 9 AND id IN (3, 5, 6) AND ({where})", plain)) == [
        ("id IN (5, 6)", "exact"),
        ("id < 9", "exact"),
    ]
    assert only(f"id = 4 AND ({where})", plain).empty is not None
    # An OR that is sent says as much.
    assert pushed(only("(id = 5 AND big = 1) OR (id = 6 AND done)")) == [
        ("(id = 5 AND big = 1) OR (id = 6 AND done = true)", "exact")
    ]


def test_what_all_sides_say_of_a_key_is_its_values() -> None:
    by_name = AccessPath(name="by_name", request="GET /{name}", keys=("name",))
    scan = only("(name = 'x' AND done) OR (name IN ('y', 'x') AND at > big)", by_name)
    assert [each.keys for each in scan.scans] == [{"name": "x"}, {"name": "y"}]
    assert len(scan.not_pushed) == 1


def test_a_path_without_or_says_so_and_what_to_write_instead() -> None:
    plain = replace(SEARCH, disjunctions=None)
    (kept,) = only("id = 5 OR done", plain).not_pushed
    assert kept.reason == "GET /search has no OR between conditions"
    by_id, by_big = (AccessPath(name=key, request="GET /{x}", keys=(key,), single=True) for key in ("id", "big"))
    many = api_table(plain, by_id, by_big, rows_expected=9000)
    query = bound("SELECT id FROM t WHERE id = 5 OR big = 1")
    (scan,) = plan(authorize(query, ANA, Rules()), lambda _: many, 100).scans
    assert scan.not_pushed[0].rewrite.startswith(
        "a query for each side of the OR, with UNION between them: 2 API calls"
    )


@pytest.mark.parametrize(
    ("where", "limit"),
    [
        ("id = 5 OR done", 3),
        ("(id = 5 OR done) AND (big = 1 OR id < 9)", 3),
        ("id = 5 OR name = 'x'", None),
        ("id = 5 OR score > 1", None),
    ],
)
def test_a_limit_goes_along_with_exact_sides_alone(where: str, limit: int | None) -> None:
    assert only(where, tail="LIMIT 3").limit == limit


def test_sides_that_no_row_can_meet_are_left_out() -> None:
    known = Pushdown(grade=Grade.EXACT, values=frozenset({"a", "b"}))
    closed = {Operator.EQ: known, Operator.IN: known}
    path = replace(SEARCH, operators={**SEARCH.operators, "name": closed})
    assert pushed(only("name = 'zz' OR id = 5 OR done", path)) == [("id = 5 OR done = true", "exact")]
    assert pushed(only("name = 'zz' OR id = 5", path)) == [("id = 5", "exact")]
    none = only("name = 'zz' OR name = 'yy' OR (name = 'xx' AND done)", path)
    assert (none.scans, none.calls_expected) == ((), 0)
    assert none.empty is not None
    assert pushed(only("(id = 5 AND id = 6) OR done OR big = 1")) == [("done = true OR big = 1", "exact")]
    assert pushed(only("(id = 5 AND id = 6) OR done")) == [("done = true", "exact")]
    assert only("(id = 5 AND id = 6) OR (done AND NOT done)").empty is not None


def test_a_request_that_is_one_or_counts_what_stands_beside_it_in_every_side() -> None:
    assert pushed(only("done AND (id = 5 OR name = 'x')", GROUPS))[1] == ("id = 5 OR name = 'x'", "superset")
    for where, reason in (
        ("id = 5 OR name = 'x' OR done OR big = 1", "GET /search takes 3 alternatives at most"),
        ("done AND big = 1 AND ((id = 5 AND name = 'x') OR id > 9)", "takes 3 conditions in one alternative at most"),
        ("done AND (id = 5 OR name = 'x' OR (big = 1 AND id > 9))", None),
        ("done AND big = 1 AND (id = 5 OR name = 'x' OR id > 9)", "takes 7 conditions in all alternatives at most"),
        ("(id = 5 OR name = 'x') AND (done OR big = 1)", "takes one OR at most, and has another"),
    ):
        told = [kept.reason for kept in only(where, GROUPS).not_pushed]
        assert len(told) == (reason is not None), where
        assert reason is None or reason in told[0]


def test_several_ors_go_together_where_the_language_joins_them() -> None:
    scan = only("(id = 5 OR name = 'x') AND (done OR big = 1) AND score > 2")
    assert pushed(scan) == [
        ("score > 2.0", "exact"),
        ("id = 5 OR name = 'x'", "superset"),
        ("done = true OR big = 1", "exact"),
    ]
    assert len(scan.scans[0].disjunctions) == 2


def test_the_keys_of_a_path_are_no_part_of_an_or() -> None:
    by_name = replace(
        SEARCH,
        name="by_name",
        keys=("name",),
        operators={name: taken for name, taken in SEARCH.operators.items() if name != "name"},
        disjunctions=Disjunctions(columns=frozenset({"id", "done"})),
    )
    scan = only("name = 'x' AND (id = 5 OR done)", by_name)
    assert pushed(scan) == [("id = 5 OR done = true", "exact")]
    (kept,) = only("name = 'x' AND (name = 'y' OR done)", by_name).not_pushed
    assert "GET /search has no parameter for name =" in kept.reason


def test_what_is_counted_needs_no_or_of_the_source() -> None:
    counted = AccessPath(name="counted", request="GET /counts", counts=True, columns=frozenset({"done", "big"}))
    scan = only("done OR big = 1", SEARCH, counted, columns="count(*)")
    assert scan.path.name == "counted"
    assert [(kept.reason, kept.costs) for kept in scan.not_pushed] == [
        ("it is evaluated over what was counted, which costs no request", False)
    ]
    # A column that is not counted by leaves listing its rows.
    assert only("done OR id = 1", SEARCH, counted, columns="count(*)").path.name == "search"


def policy(condition: object) -> Rules:
    rule = {"name": "rows", "tables": ["hub.t"], "rows": condition}
    return parse_rules({"version": 1, "row_filters": [rule]}, "test")


OTHER_SIDE = {"all": [{"column": "done", "equals": True}, {"column": "big", "equals": 7}]}
EITHER = {"any": [{"column": "id", "equals": 5}, OTHER_SIDE]}


def test_either_side_of_a_policy_is_sent_and_its_values_are_not_told() -> None:
    scan = only("score > 1", policy=policy(EITHER))
    assert [(each.policy, each.grade.value) for each in scan.pushed] == [(None, "exact"), ("rows", "exact")]
    assert scan.pushed[1].predicate == Disjunction(
        branches=(
            (Predicate(column="id", operator=Operator.EQ, value=5),),
            (
                Predicate(column="done", operator=Operator.EQ, value=True),
                Predicate(column="big", operator=Operator.EQ, value=7),
            ),
        )
    )
    assert [rule.policy for rule in scan.filters] == ["rows"]
    query = bound("SELECT id FROM t")
    table = api_table(SEARCH)
    lines = "\n".join(
        explain_text(plan(authorize(query, ANA, policy(EITHER)), lambda _: table, 100), "duckdb", "", None)
    )
    assert "Pushed: policy rows (exact)" in lines
    assert "= 7" not in lines


def test_a_policy_whose_side_cannot_be_sent_is_applied_here_and_tells_the_column_alone() -> None:
    unsent = {"any": [{"column": "id", "equals": 5}, {"column": "labels", "contains": "secret"}]}
    scan = only("score > 1", policy=policy(unsent), tail="LIMIT 3")
    (kept,) = scan.not_pushed
    assert kept.condition == "policy rows"
    assert kept.reason == "a part of it on labels cannot be sent: GET /search has no OR with labels"
    assert scan.limit is None


def test_of_a_side_of_a_policy_what_cannot_be_sent_is_applied_here() -> None:
    below = {"all": [{"column": "done", "equals": True}, {"not": {"column": "big", "equals": 7}}]}
    scan = only("score > 1", policy=policy({"any": [{"column": "id", "equals": 5}, below]}), tail="LIMIT 3")
    assert pushed(scan)[1] == ("id = 5 OR done = true", "exact")
    assert scan.limit is None
    sides = [{"all": [{"column": "id", "equals": n}, {"column": "labels", "contains": "x"}]} for n in (5, 6)]
    scan = only("score > 1", replace(SEARCH, disjunctions=None), policy=policy({"any": sides}), tail="LIMIT 3")
    assert (pushed(scan)[1:], scan.pushed[1].policy, scan.limit) == ([("id IN (5, 6)", "exact")], "rows", None)


def test_what_stands_below_not_in_a_policy_is_not_sent() -> None:
    scan = only("score > 1", policy=policy({"not": EITHER}), tail="LIMIT 3")
    assert [each.policy for each in scan.pushed] == [None]
    assert scan.limit is None


def test_of_a_side_what_compares_a_masked_column_is_not_sent() -> None:
    hide = {"name": "hide", "tables": ["hub.t"], "column": "name", "mask": "null"}
    masked = parse_rules({"version": 1, "masks": [hide]}, "test")
    scan = only("id = 5 OR name = 'x'", policy=masked)
    assert scan.pushed == ()
    (kept,) = scan.not_pushed
    assert kept.reason == 'its part "t"."name" = \'x\' is on a column masked by policy'
    scan = only("id = 5 OR (done AND name = 'x')", policy=masked, tail="LIMIT 3")
    assert pushed(scan) == [("id = 5 OR done = true", "exact")]
    (kept,) = scan.not_pushed
    assert kept.reason == 'its part "t"."name" = \'x\' is on a column masked by policy; what is sent is wider'
    assert scan.limit is None


def test_a_path_takes_below_or_what_it_takes_at_all() -> None:
    with pytest.raises(ManifestInvalid, match=r"takes nothing on \['at'\], nor below OR"):
        table_of(replace(SEARCH, disjunctions=Disjunctions(columns=frozenset({"id", "at"}))))


def table_of(path: AccessPath) -> Table:
    return api_table(path)


def test_what_is_pushed_is_one_thing() -> None:
    (one,) = only("id = 5 OR done").pushed
    assert isinstance(one, Pushed)
    assert isinstance(one.predicate, Disjunction)
