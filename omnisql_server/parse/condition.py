"""A condition that was given as a text of its own, made into the query that reads what meets it. Pure.

Nothing is taken from the text but one expression: what it would add to the query beside that is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import postgast

from catalog.quoting import qualified
from omnisql_server.errors import NotSupported, OmniSQLError
from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.parse.grammar import NotParsed, parse_statements

_PLAIN = {"target_list", "from_clause", "where_clause", "limit_option", "op"}
"""What a query has that is one table and one condition; the last two are always there."""
_COMMENTS = frozenset(postgast.pg_query_pb2.Token.Value(name) for name in ("SQL_COMMENT", "C_COMMENT"))
_HINT = "Write it as after WHERE, such as 'state = ''open'''."


class ConditionInvalid(OmniSQLError):
    """A text is not one condition in PostgreSQL's grammar."""

    sqlstate = "42601"


class ParameterUnknown(OmniSQLError):
    """A condition names a parameter, and nobody gives it one."""

    sqlstate = "42P02"


def query_with(schema: str, name: str, condition: str) -> Statement:
    """Return the query of all columns of a relation's rows that meet a condition.

    Raises:
        ConditionInvalid: 42601, the text is no condition, or more than one.
        NotSupported: 0A000, it has a subquery. ParameterUnknown: 42P02.
    """
    if not condition.strip():
        raise ConditionInvalid(message="the condition is empty", hint=_HINT)
    if "\0" in condition:
        # The grammar would read no further.
        raise ConditionInvalid(message="the condition has a zero byte")
    text = f"SELECT * FROM {qualified(schema, name)} WHERE (\n{condition}\n)"
    try:
        statements = parse_statements(text)
        comments = any(token.token in _COMMENTS for token in postgast.scan(text).tokens)
    except NotParsed as error:
        raise ConditionInvalid(message=f"the condition is not grammatical: {error.message}", hint=_HINT) from error
    if comments:
        # One of them might be a hint, or take away what stands after it.
        raise ConditionInvalid(message="the condition has a comment", hint="Leave it out.")
    if len(statements) != 1 or statements[0].kind is not StatementKind.SELECT:
        raise ConditionInvalid(message="the condition is more than one expression", hint=_HINT)
    (raw,) = postgast.parse(text).stmts
    query = raw.stmt.select_stmt
    if {field.name for field, _ in query.ListFields()} - _PLAIN or not query.HasField("where_clause"):
        raise ConditionInvalid(message="the condition is more than one expression", hint=_HINT)
    kinds = {node.DESCRIPTOR.name for node in _nodes(query.where_clause)}
    if "SubLink" in kinds:
        raise NotSupported(message="the condition has a subquery", hint="Give the values that it would find.")
    if "ParamRef" in kinds:
        raise ParameterUnknown(message="the condition has a parameter", hint="Write its value.")
    return replace(statements[0], renews=True)


def _nodes(node: Any) -> Iterator[Any]:
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        for descriptor, value in node.ListFields():
            if descriptor.message_type is not None:
                waiting += value if descriptor.is_repeated else (value,)
