"""EXECUTE of a prepared statement, written out: the prepared query stands where its name and arguments stood. Pure.

What was prepared is read from the text that PostgreSQL keeps of it (`pg_prepared_statements.statement`), which is the
whole message in which PREPARE came.
"""

from __future__ import annotations

from dataclasses import dataclass

import postgast

from omnisql_server.model.statement import Statement
from omnisql_server.parse.grammar import parse_statements
from omnisql_server.parse.tokens import closing_of, tokens_of


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenOut:
    """The statement with the query in it; `arguments` as written, with their parentheses, at a byte of the original."""

    statement: Statement
    arguments: str
    arguments_position: int
    count: int


def prepared_query(source: str, name: str, *, from_sql: bool) -> str | None:
    """Return the query that was prepared under a name, None where the text does not tell which it was."""
    if not from_sql:
        return source
    found = []
    encoded = source.encode()
    for raw in postgast.parse(source).stmts:
        if raw.stmt.WhichOneof("node") == "prepare_stmt" and raw.stmt.prepare_stmt.name == name:
            end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(encoded)
            found.append(encoded[raw.stmt_location : end])
    return _after_as(found[0]) if len(found) == 1 else None


def written_out(statement: Statement, query: str) -> WrittenOut:
    """Put a prepared query in the place of EXECUTE, in a statement that is or contains one."""
    body = statement.text.encode()
    tokens = tokens_of(body)
    first = next(index for index, token in enumerate(tokens) if token[0] == b"execute" and _is_keyword(tokens, index))
    last = first + 1
    if tokens[last + 1 : last + 2] and tokens[last + 1][0] == b"(":
        last = closing_of(tokens, last + 1)
    start, name_end, end = tokens[first][1], tokens[first + 1][2], tokens[last][2]
    (written,) = parse_statements((body[:start] + query.encode() + body[end:]).decode())
    arguments = body[name_end:end]
    return WrittenOut(
        statement=written, arguments=arguments.decode(), arguments_position=name_end, count=_count(statement.text)
    )


def _is_keyword(tokens: list[tuple[bytes, int, int]], index: int) -> bool:
    """Tell EXECUTE from a table of that name: it comes first, or after AS or EXPLAIN with its options."""
    return index == 0 or tokens[index - 1][0] in (b"as", b"explain", b"analyze", b"analyse", b"verbose", b")")


def _after_as(prepare: bytes) -> str:
    """Return what follows PREPARE name [(types)] AS, without a comment at its end, which would hide what follows."""
    tokens = tokens_of(prepare)
    place = 2
    if tokens[place][0] == b"(":
        place = closing_of(tokens, place) + 1
    return prepare[tokens[place + 1][1] : tokens[-1][2]].decode()


def _count(text: str) -> int:
    node = postgast.parse(text).stmts[0].stmt
    while (kind := node.WhichOneof("node")) != "execute_stmt":
        node = getattr(node, kind).query
    return len(node.execute_stmt.params)
