"""Conditions on the constants of a branch, against PostgreSQL's meaning of them."""

from __future__ import annotations

import pytest
import sqlglot

from connectors.sdk.scan import Operator, Value
from omnisql_server.plan.branches import constant_text, verdict_on_constant
from omnisql_server.plan.recognize import Condition

CASES: tuple[tuple[Operator, Value, bool | None], ...] = (
    (Operator.EQ, "eu", True),
    (Operator.EQ, "EU", False),
    (Operator.EQ, None, False),
    (Operator.NE, "us", True),
    (Operator.NE, "eu", False),
    (Operator.NE, None, False),
    (Operator.IN, ("us", "eu"), True),
    (Operator.IN, (), False),
    (Operator.NOT_IN, ("us",), True),
    (Operator.NOT_IN, ("eu",), False),
    (Operator.NOT_IN, ("us", None), False),
    (Operator.LIKE, "e%", None),
)


@pytest.mark.parametrize(("operator", "value", "verdict"), CASES)
def test_a_constant_meets_a_condition_always_or_never(operator: Operator, value: Value, verdict: bool | None) -> None:
    condition = Condition(source="v", column="_source", operator=operator, value=value, type_oid=25, sql="")
    assert verdict_on_constant(sqlglot.parse_one("'eu'::text", dialect="postgres"), condition) is verdict


@pytest.mark.parametrize(
    ("sql", "text"), [("'eu'", "eu"), ("'eu'::text", "eu"), ("1", None), ("'1'::int", None), ("lower('EU')", None)]
)
def test_only_texts_are_constants(sql: str, text: str | None) -> None:
    assert constant_text(sqlglot.parse_one(sql, dialect="postgres")) == text
