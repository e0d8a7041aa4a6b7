"""Which conditions rows can be told by before calls are made for each of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from api_model import api_table, bound, exact
from authorized import authorize

from connectors.sdk.scan import Operator
from connectors.sdk.table import AccessPath, Table
from omnisql_server.execute.key_values import may_evaluate
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.principal import Principal
from omnisql_server.plan.planner import plan
from omnisql_server.policy.rules import Rules, parse_rules

ANA = Principal(tenant="acme", name="ana", attributes={})
ALL = AccessPath(name="all", request="GET /t", operators={"done": exact(Operator.EQ)})
TABLE = api_table(ALL)
DETAILED = replace(
    TABLE, columns=tuple(replace(one, hydrate="details" if one.name == "score" else None) for one in TABLE.columns)
)


def scan(text: str, rules: Rules | None = None, table: Table = DETAILED) -> ScanPlan:
    """Plan a statement whose table t has a column that costs a call for each row."""
    authorized = authorize(bound(text), ANA, rules or Rules())
    planned = plan(authorized, lambda r: table if r.name == "t" else TABLE, 100, evaluable=may_evaluate)
    return next(one for one in planned.scans if one.relation.name == "t")


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("SELECT score FROM t WHERE upper(name) = 'A' AND id > 3", ["UPPER(\"name\") = 'A'", '"id" > 3']),
        ("SELECT score FROM t WHERE upper(name) = 'A' AND score > 3", ["UPPER(\"name\") = 'A'"]),
        ("SELECT t.score FROM t JOIN u ON u.id = t.id AND t.big > 5 WHERE u.name = 'x'", ['"big" > 5']),
        ("SELECT t.score FROM u LEFT JOIN t ON u.id = t.id AND t.big > 5", ['"big" > 5']),
        ("SELECT t.score FROM t LEFT JOIN u ON u.id = t.id AND t.big > 5 WHERE t.id > 1", ['"id" > 1']),
        ("SELECT s.score FROM (SELECT score, id FROM t WHERE name LIKE '%x%') s", ["\"name\" LIKE '%x%'"]),
        # A row of nulls in the place of one that is left out might pass.
        ("SELECT t.score FROM u LEFT JOIN t ON u.id = t.id WHERE t.name IS NULL", []),
        ("SELECT score FROM t WHERE id IN (SELECT id FROM u)", []),
        ("SELECT score FROM t WHERE score > 3", []),
        ("SELECT score FROM t WHERE random() < 0.5", []),
        ("SELECT name FROM t WHERE id > 3", []),
    ],
)
def test_conditions_that_need_no_call_choose_the_rows(text: str, conditions: list[str]) -> None:
    planned = scan(text)
    assert [one.sql("postgres") for one in planned.survival] == conditions
    assert planned.hydrates_late is bool(conditions)


def test_a_pushed_limit_leaves_nothing_to_choose() -> None:
    ordered = replace(DETAILED, access_paths=(ALL,))
    assert scan("SELECT score FROM t WHERE done LIMIT 3", table=ordered).limit == 3
    assert not scan("SELECT score FROM t WHERE done LIMIT 3", table=ordered).hydrates_late


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("SELECT count(*) FROM (SELECT * FROM t) AS s", True),
        ("WITH c AS (SELECT id, score FROM t) SELECT c.id FROM c, c AS d WHERE c.id < d.id", True),
        ("SELECT s.score FROM (SELECT * FROM t) AS s", False),
        ("SELECT s.id FROM (SELECT * FROM t) AS s WHERE s.score > 3", False),
        ("SELECT s.id FROM (SELECT * FROM t WHERE score > 3) AS s", False),
        ("SELECT count(*) FROM (SELECT DISTINCT id, score FROM t) AS s", False),
        ("SELECT count(*) FROM (SELECT DISTINCT ON (score) id FROM t) AS s", False),
        ("SELECT s.id FROM (SELECT id, score FROM t ORDER BY score LIMIT 3) AS s", False),
        ("SELECT s.id FROM (SELECT id, score FROM t) AS s ORDER BY s.score", False),
        ("SELECT s.id FROM (SELECT id, score FROM t) AS s JOIN u USING (score)", False),
        ("SELECT s.id FROM (SELECT id, score FROM t UNION SELECT id, score FROM u) AS s", False),
        ("SELECT u.id, l.id FROM u, LATERAL (SELECT t.id FROM t WHERE t.score > u.score) AS l", False),
        ("SELECT s.id FROM (SELECT id, score FROM t) AS s, LATERAL (SELECT 1 AS x WHERE s.score > 3) AS l", False),
        ("SELECT id FROM u WHERE EXISTS (SELECT 1 FROM t WHERE t.score = u.score)", False),
        ("SELECT s.id, (SELECT count(*) FROM u WHERE u.score > s.score) FROM (SELECT * FROM t) AS s", False),
    ],
)
def test_a_column_that_is_named_alone_is_not_fetched(text: str, unused: bool) -> None:
    planned = scan(text)
    assert (planned.unused == ("score",)) is unused
    assert ("score" in planned.columns) is not unused


def test_policy_chooses_before_conditions_do_and_its_masks_are_not_looked_behind() -> None:
    document: dict[str, Any] = {
        "version": 1,
        "row_filters": [{"name": "f", "tables": ["hub.t"], "rows": {"column": "name", "equals": "a"}}],
        "masks": [{"name": "m", "tables": ["hub.t"], "column": "big", "mask": "null"}],
    }
    planned = scan("SELECT score FROM t WHERE big > 3 AND id > 3", parse_rules(document, "test"))
    assert [one.sql("postgres") for one in planned.survival] == ['"id" > 3']
    assert planned.hydrates_late
    # Without a condition of the statement, hidden rows still need no call.
    assert scan("SELECT score FROM t", parse_rules(document, "test")).hydrates_late
    document["row_filters"][0]["rows"] = {"column": "score", "at_least": 1}
    needing = scan("SELECT score FROM t WHERE id > 3", parse_rules(document, "test"))
    # A condition must not be evaluated on a row that may be hidden.
    assert not needing.hydrates_late
