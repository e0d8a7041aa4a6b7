"""The query inside a statement that writes or declares a cursor, found by tokens, checked by the grammar. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import postgast

from omnisql_server.model.statement import Load, Statement, StatementKind
from omnisql_server.parse.canonical import canonical, canonical_node
from omnisql_server.parse.grammar import NotParsed
from omnisql_server.parse.tokens import tokens_of

Token = tuple[bytes, int, int]
_QUERY_STARTS = (b"select", b"with", b"values", b"table")
_OVERRIDING_NOT_SET = 1
"""PostgreSQL's `OverridingKind` of an INSERT without OVERRIDING."""
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


def load_of(statement: Statement) -> Load | None:
    """Return how a statement's rows may be loaded instead of being written by PostgreSQL's executor; None if not.

    That takes CREATE TABLE AS, SELECT INTO, or an INSERT that does no more than put a query's rows into a table.
    """
    if statement.kind is not StatementKind.WRITE:
        return None
    query, position = query_within(statement)
    node = postgast.parse(statement.text).stmts[0].stmt
    kind = node.WhichOneof("node")
    if not query:
        return None
    if kind == "insert_stmt":
        return _insert_load(node.insert_stmt, query)
    made = node.create_table_as_stmt.into if kind == "create_table_as_stmt" else node.select_stmt.into_clause
    if made.skip_data or (kind == "create_table_as_stmt" and node.create_table_as_stmt.if_not_exists):
        return None
    body = statement.text.encode()
    head = body[:position] if kind == "create_table_as_stmt" else _creation_head(body)
    # Without what may follow it: a comment, or the end of the statement.
    end = next(end for token, _, end in reversed(tokens_of(query.encode())) if token != b";")
    return Load(
        query=query,
        schema=made.rel.schemaname or None,
        name=made.rel.relname,
        temporary=made.rel.relpersistence == "t",
        creation=f"{head.decode()}{query.encode()[:end].decode()} WITH NO DATA",
        moved=kind != "create_table_as_stmt",
    )


def _creation_head(body: bytes) -> bytes:
    """Say in the words of CREATE TABLE AS what the INTO of a SELECT makes."""
    start, end = _into_clause(tokens_of(body))
    words = body[start + len(b"into") : end]
    how = list(takewhile(lambda token: token[0] in _INTO_WORDS, tokens_of(words)))
    name = words[how[-1][2] if how else 0 :]
    return b" ".join([b"CREATE", *(word for word, _, _ in how if word != b"table"), b"TABLE", name, b"AS "])


def _insert_load(insert: Any, query: str) -> Load | None:
    if insert.override != _OVERRIDING_NOT_SET or any(map(insert.HasField, ("on_conflict_clause", "returning_clause"))):
        return None
    targets = [column.res_target for column in insert.cols]
    if any(len(target.indirection) for target in targets):
        return None
    return Load(
        query=query,
        schema=insert.relation.schemaname or None,
        name=insert.relation.relname,
        columns=tuple(target.name for target in targets),
    )


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
