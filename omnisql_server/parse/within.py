"""The query inside a statement that writes or declares a cursor, found by tokens, checked by the grammar. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import postgast

from omnisql_server.model.statement import Statement, StatementKind
from omnisql_server.parse.canonical import canonical, canonical_node
from omnisql_server.parse.grammar import NotParsed, tokens_of

Token = tuple[bytes, int, int]
_QUERY_STARTS = (b"select", b"with", b"values", b"table")
_INTO_WORDS = (b"temp", b"temporary", b"local", b"global", b"unlogged", b"table")


def query_within(statement: Statement) -> tuple[str, int]:
    """Return the query that a statement reads by, and its byte position; empty where it cannot be told apart.

    A statement that only reads is its own query. What stands inside a query without being part of it is blanked, so
    that positions stay. PostgreSQL's grammar must read the same from the outcome as from the whole statement.
    """
    if statement.kind not in (StatementKind.WRITE, StatementKind.CURSOR, StatementKind.MATERIALIZED_VIEW):
        return statement.text, 0
    node = _query_node(statement.text)
    if node is None:
        return "", 0
    body = statement.text.encode()
    cut, start = _cut(body)
    text = cut.decode()
    try:
        same = canonical(text) == (canonical_node(node),)
    except NotParsed:
        same = False
    return (text, start) if same else ("", 0)


def _query_node(text: str) -> Any:
    statement = postgast.parse(text).stmts[0].stmt
    kind = statement.WhichOneof("node")
    node = getattr(statement, kind)
    if kind in ("create_table_as_stmt", "declare_cursor_stmt"):
        return node.query
    if any(cte.common_table_expr.ctequery.WhichOneof("node") != "select_stmt" for cte in node.with_clause.ctes):
        return None
    if kind == "select_stmt" and node.HasField("into_clause"):
        node.ClearField("into_clause")
        return node
    if kind != "insert_stmt" or not node.HasField("select_stmt"):
        return None
    query = node.select_stmt.select_stmt
    if node.HasField("with_clause"):
        if query.HasField("with_clause"):
            return None
        query.with_clause.CopyFrom(node.with_clause)
    return query


def _cut(body: bytes) -> tuple[bytes, int]:
    tokens = tokens_of(body)
    words = [tokens[index][0] for index in _outermost(tokens)]
    if words[0] in (b"insert", b"create", b"declare"):
        start, end = _extent(tokens)
        return body[start:end], start
    if words[0] == b"with" and b"insert" in words:
        first = _outermost(tokens)[words.index(b"insert")]
        start, end = _extent(tokens[first:])
        return _blanked(body[:end], tokens[first][1], start), 0
    return _blanked(body, *_into_clause(tokens)), 0


def _blanked(body: bytes, start: int, end: int) -> bytes:
    return body[:start] + b" " * (end - start) + body[end:]


def _into_clause(tokens: Sequence[Token]) -> tuple[int, int]:
    """Find INTO and the name of the table that is made."""
    outer = _outermost(tokens)
    words = [tokens[index][0] for index in outer]
    if b"into" not in words:
        return 0, 0
    first = last = words.index(b"into")
    while last + 1 < len(words) and words[last + 1] in _INTO_WORDS:
        last += 1
    last += 1
    while last + 2 < len(words) and words[last + 1] == b".":
        last += 2
    return tokens[outer[first]][1], tokens[outer[min(last, len(outer) - 1)]][2]


def _extent(tokens: Sequence[Token]) -> tuple[int, int]:
    """Find the first word of a query after the statement's own words, and what follows the query."""
    outer = _outermost(tokens)
    words = [tokens[index][0] for index in outer]
    if words[0] == b"insert":
        first = next((i for i in range(2, len(words)) if _begins_query(tokens, outer[i])), None)
    else:
        opener = b"for" if words[0] == b"declare" else b"as"
        first = words.index(opener) + 1 if opener in words else None
    if first is None or first >= len(outer):
        return 0, 0
    last = next((place for place in range(first, len(outer)) if _ends_query(words, place)), len(outer))
    end = tokens[outer[last]][1] if last < len(outer) else tokens[-1][2]
    return tokens[outer[first]][1], end


def _outermost(tokens: Sequence[Token]) -> list[int]:
    """Return the places of the tokens outside parentheses, an opening parenthesis standing for its content."""
    depth, places = 0, []
    for index, token in enumerate(tokens):
        depth -= token[0] == b")"
        if depth == 0 and token[0] != b")":
            places.append(index)
        depth += token[0] == b"("
    return places


def _begins_query(tokens: Sequence[Token], place: int) -> bool:
    while tokens[place][0] == b"(":
        place += 1
    return tokens[place][0] in _QUERY_STARTS


def _ends_query(words: Sequence[bytes], place: int) -> bool:
    following = tuple(words[place : place + 3])
    if words[0] == b"insert":
        return following[:2] == (b"on", b"conflict") or following[:1] == (b"returning",)
    return words[0] == b"create" and following[0] == b"with" and following[1:] in ((b"data",), (b"no", b"data"))
