"""What EXPLAIN tells to write instead of a condition that no API evaluates, and what that would save."""

from __future__ import annotations

import pytest
from api_model import api_table, bound, exact
from authorized import authorize

from connectors.sdk.scan import Operator
from connectors.sdk.table import AccessPath
from omnisql_server.errors import KeyColumnRequired
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.principal import Principal
from omnisql_server.plan.explain import explain_text
from omnisql_server.plan.planner import plan
from omnisql_server.policy.rules import Rules, parse_rules

ANA = Principal(tenant="acme", name="ana", attributes={})
LISTED = AccessPath(
    name="all",
    request="GET /t",
    operators={"name": exact(Operator.EQ), "id": exact(Operator.EQ, Operator.IN), "done": exact(Operator.EQ)},
)
TABLE = api_table(LISTED)


def planned(where: str, table: object = TABLE, policy: Rules | None = None) -> ScanPlan:
    authorized = authorize(bound(f"SELECT t.big FROM t WHERE {where}"), ANA, policy or Rules())
    (scan,) = plan(authorized, lambda _: table, 100).scans  # type: ignore[arg-type,return-value]
    return scan


@pytest.mark.parametrize(
    ("where", "rewrite"),
    [
        ("lower(name) = 'x'", "name = 'x' if that is how it is spelled: 1 API call instead of 10"),
        ("'x' = upper(name)", "name = 'x' if that is how it is spelled: 1 API call instead of 10"),
        ("id::text = '5'", "id = '5' with a constant of its own type: 1 API call instead of 10"),
        ("name LIKE 'x'", "name = 'x': 1 API call instead of 10"),
        ("name ILIKE 'x'", "name = 'x' if that is how it is spelled: 1 API call instead of 10"),
        (
            "name = 'x' OR id = 5",
            "a query for each side of the OR, with UNION between them: 2 API calls instead of 10",
        ),
        ("(name = 'x' AND done) OR id IN (5, 6)", None),
        ("name LIKE 'x%'", ""),
        ("lower(name) = 'x' OR score > 5", ""),
        ("score::text = '5'", ""),
        ("length(name) = 5", ""),
        ("id::text = 'five'", ""),
    ],
)
def test_the_commonest_forms_have_a_rewrite_where_it_saves_calls(where: str, rewrite: str | None) -> None:
    (entry,) = planned(where).not_pushed
    if rewrite is None:
        assert "UNION" in entry.rewrite
    else:
        assert entry.rewrite == rewrite


def test_explain_shows_the_rewrite_after_the_reason() -> None:
    authorized = authorize(bound("SELECT t.big FROM t WHERE lower(name) = 'x'"), ANA, Rules())
    lines = explain_text(plan(authorized, lambda _: TABLE, 100), "duckdb", "proved", None)
    assert [line.strip() for line in lines if "Not Pushed" in line] == [
        'Not Pushed: LOWER("t"."name") = \'x\': its form is not one an API can evaluate; '
        "write name = 'x' if that is how it is spelled: 1 API call instead of 10"
    ]


def test_a_masked_column_has_no_rewrite() -> None:
    masks = parse_rules(
        {"version": 1, "masks": [{"name": "hide", "tables": ["hub.t"], "column": "name", "mask": "null"}]}, "test"
    )
    assert [entry.rewrite for entry in planned("lower(name) = 'x'", policy=masks).not_pushed] == [""]


def test_a_key_that_is_hidden_in_a_function_is_named() -> None:
    keyed = api_table(AccessPath(name="by_name", request="GET /t/{name}", keys=("name",)))
    with pytest.raises(KeyColumnRequired) as caught:
        planned("lower(name) = 'x'", keyed)
    assert caught.value.hint == (
        "add name = '...' to the WHERE clause: write name = 'x' in the place of LOWER(\"t\".\"name\") = 'x'"
    )
