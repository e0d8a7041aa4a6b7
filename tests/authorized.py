"""Authorized queries for tests of later stages, made by the policy stage itself."""

from __future__ import annotations

from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery, BoundQuery
from omnisql_server.model.row_filter import Comparison, FilterOperator, RowFilter
from omnisql_server.policy import authorize as stage
from omnisql_server.policy.decision import Decision, read_decision
from omnisql_server.policy.embedded import EmbeddedEngine
from omnisql_server.policy.question import question_of
from omnisql_server.policy.rules import Rules


def authorize(query: BoundQuery, principal: Principal, rules: Rules) -> AuthorizedQuery:
    """Authorize a query by rules, in this process."""
    question = question_of(query, principal)
    if not question.resources:
        return stage.authorize(query, principal, question, Decision(revision="", denials=(), filters=(), masks=()))
    answer = EmbeddedEngine(rules.data).evaluate_now(question.document)
    return stage.authorize(query, principal, question, read_decision(answer, len(question.resources)))


def shown_by(column: str, *values: str, policy: str = "p", prefix: bool = False) -> RowFilter:
    """Return the filter that shows rows by values of a column, or by how it begins."""
    operator = FilterOperator.STARTS_WITH if prefix else FilterOperator.IN
    return RowFilter(policy=policy, condition=Comparison(column=column, operator=operator, value=values or None))
