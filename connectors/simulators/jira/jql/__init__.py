"""JQL, the query language of Jira: tokens, syntax, and an evaluator over the company's issues."""

from connectors.simulators.jira.jql.compile import CompiledQuery, compile_query
from connectors.simulators.jira.jql.errors import JqlError
from connectors.simulators.jira.jql.fields import Context
from connectors.simulators.jira.jql.syntax import Query, parse

__all__ = ["CompiledQuery", "Context", "JqlError", "Query", "compile_query", "parse"]
