"""A text without the literals that only say which value a column is compared with: one shape for many texts. Pure.

PostgreSQL's scanner finds literals, its grammar says what they are for. What a parser makes of a text depends on a
literal's value in some places (a typmod, `GROUP BY 1`, an interval): only those listed in `_find` are taken for values,
all others belong to the shape. A mark is of the same kind as its literal, so that it has the same type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import postgast

from omnisql_server.model.literals import Shape, TextLiteral

TEXT_BYTES_MAX = 16_384
LITERALS_MAX = 200
_TOKEN = postgast.pg_query_pb2.Token
_STRING, _WHOLE, _OTHER = (_TOKEN.Value(name) for name in ("SCONST", "ICONST", "FCONST"))
_INT8_MAX = (1 << 63) - 1

_PLAIN_STRING = re.compile(r"'(?:[^'\\\x00-\x1f\x7f]|'')*'")
"""Means the same to everybody: no escapes, no continuation on another line."""
_PLAIN_WHOLE = re.compile(r"0|[1-9][0-9]*")
_PLAIN_DECIMAL = re.compile(r"(?:0|[1-9][0-9]*)\.[0-9]+")
_MOVING = re.compile("now|today|tomorrow|yesterday", re.IGNORECASE)
"""What PostgreSQL reads as a time of the moment inside a string."""

_MARK_SIGNS = ("omnisql literal", "20707", "90707", "70707")
"""What every mark has and no text with a shape may have: marks are found by it again."""

_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
_LISTS = frozenset({"AEXPR_IN", "AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN"})
_PATTERNS = frozenset({"AEXPR_LIKE", "AEXPR_ILIKE"})
_CAST_TYPES = frozenset(
    {"date", "timestamp", "timestamptz", "text", "uuid", "int2", "int4", "int8", "numeric", "float8", "bool"}
)
_QUERIES = ("select_stmt", "explain_stmt", "copy_stmt")


def shape_of(text: str) -> Shape | None:
    """Return the shape of a text that is one query, None where all of its literals belong to what it means."""
    if len(text) > TEXT_BYTES_MAX or any(sign in text for sign in _MARK_SIGNS):
        return None
    encoded = text.encode()
    try:
        found = _candidates(encoded, text)
    except postgast.PgQueryError:
        return None
    if not found or len(found) > LITERALS_MAX or len(encoded) > TEXT_BYTES_MAX:
        return None
    values = _values(_marked(encoded, found).text)
    kept = [candidate for candidate in found if candidate[2].mark in values]
    return _marked(encoded, kept) if kept else None


_Candidate = tuple[int, int, TextLiteral]


def _candidates(encoded: bytes, text: str) -> list[_Candidate]:
    """List the literals that could be others of their kind: where they start and end, and what they say."""
    found: list[_Candidate] = []
    for token in postgast.scan(text).tokens:
        if token.token in (_STRING, _WHOLE, _OTHER):
            literal = _literal(token.token, encoded[token.start : token.end].decode(), len(found))
            if literal is not None:
                found.append((token.start, token.end, literal))
    return found


def _literal(kind: int, written: str, place: int) -> TextLiteral | None:
    if kind == _STRING:
        if not _PLAIN_STRING.fullmatch(written) or _MOVING.search(written):
            return None
        return TextLiteral(mark=f"omnisql literal {place}", value=written[1:-1].replace("''", "'"), is_string=True)
    if _PLAIN_WHOLE.fullmatch(written):
        # A number that int4 holds, one that int8 holds, and a numeric are of different types.
        if kind == _WHOLE:
            return TextLiteral(mark=f"20707{place:05}", value=written, is_string=False)
        small = int(written) <= _INT8_MAX
        return TextLiteral(mark=f"90707{place:014}", value=written, is_string=False) if small else None
    if kind == _OTHER and _PLAIN_DECIMAL.fullmatch(written):
        return TextLiteral(mark=f"70707{place:03}.5", value=written, is_string=False)
    return None


def _marked(encoded: bytes, found: Sequence[_Candidate]) -> Shape:
    parts: list[bytes] = []
    ends: list[int] = []
    shifts: list[int] = []
    done = written = 0
    for start, end, literal in found:
        mark = f"'{literal.mark}'".encode() if literal.is_string else literal.mark.encode()
        parts += (encoded[done:start], mark)
        written += start - done + len(mark)
        done = end
        ends.append(written)
        shifts.append(end - written)
    parts.append(encoded[done:])
    return Shape(
        text=b"".join(parts).decode(),
        literals=tuple(literal for _, _, literal in found),
        ends=tuple(ends),
        shifts=tuple(shifts),
    )


@lru_cache(maxsize=4096)
def _values(marked: str) -> frozenset[str]:
    """Return the marks of a text that stand for values, and for nothing that shapes what it means."""
    try:
        tree = postgast.parse(marked)
    except postgast.PgQueryError:
        return frozenset()
    if len(tree.stmts) != 1 or tree.stmts[0].stmt.WhichOneof("node") not in _QUERIES:
        return frozenset()
    encoded = marked.encode()
    places = {start: literal.mark for start, _, literal in _candidates_again(encoded, marked)}
    node_name = tree.stmts[0].stmt.WhichOneof("node")
    node = getattr(tree.stmts[0].stmt, node_name)
    query = node if node_name == "select_stmt" else node.query.select_stmt
    return frozenset(places[place] for place in _find(query) if place in places)


def _candidates_again(encoded: bytes, marked: str) -> Iterator[_Candidate]:
    for token in postgast.scan(marked).tokens:
        written = encoded[token.start : token.end].decode().strip("'")
        if any(written.startswith(sign) for sign in _MARK_SIGNS):
            yield token.start, token.end, TextLiteral(mark=written, value="", is_string=token.token == _STRING)


def _find(select: Any) -> Iterator[int]:
    """Yield the places of constants that a query's conditions compare something with, and of LIMIT and OFFSET.

    What stands among outputs, in GROUP BY, ORDER BY or HAVING is left out: there two expressions may have to be alike.
    """
    for cte in select.with_clause.ctes:
        yield from _find(cte.common_table_expr.ctequery.select_stmt)
    if select.HasField("larg"):
        yield from _find(select.larg)
        yield from _find(select.rarg)
    for item in select.from_clause:
        yield from _find_source(item)
    yield from _find_condition(select.where_clause)
    for count in (select.limit_count, select.limit_offset):
        if count.a_const.HasField("ival"):
            yield count.a_const.location


def _find_source(node: Any) -> Iterator[int]:
    if node.HasField("join_expr"):
        yield from _find_source(node.join_expr.larg)
        yield from _find_source(node.join_expr.rarg)
        yield from _find_condition(node.join_expr.quals)
    elif node.HasField("range_subselect"):
        yield from _find(node.range_subselect.subquery.select_stmt)


def _find_condition(node: Any) -> Iterator[int]:
    if node.HasField("bool_expr"):
        for part in node.bool_expr.args:
            yield from _find_condition(part)
    elif node.HasField("sub_link"):
        yield from _find(node.sub_link.subselect.select_stmt)
    elif node.HasField("a_expr"):
        yield from _find_compared(node.a_expr)


def _find_compared(node: Any) -> Iterator[int]:
    kind = node.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_number[node.kind].name
    if kind in _LISTS:
        if node.lexpr.HasField("column_ref"):
            yield from (place for item in node.rexpr.list.items for place in _constant(item))
    elif kind in _PATTERNS:
        if node.lexpr.HasField("column_ref"):
            yield from _constant(node.rexpr)
    elif kind == "AEXPR_OP" and len(node.name) == 1 and node.name[0].string.sval in _COMPARISONS:
        for one, other in ((node.lexpr, node.rexpr), (node.rexpr, node.lexpr)):
            if _is_computed(one):
                yield from _constant(other)


def _is_computed(node: Any) -> bool:
    """Say whether a node is a column, a cast of one or a function: what is compared with values."""
    return bool(
        node.HasField("column_ref")
        or (node.HasField("func_call") and len(node.func_call.args))
        or (node.HasField("type_cast") and node.type_cast.arg.HasField("column_ref"))
    )


def _constant(node: Any) -> Iterator[int]:
    """Yield the place of a constant, also of a string that is cast to a type without further words."""
    if node.HasField("a_const"):
        yield node.a_const.location
    elif node.HasField("type_cast") and node.type_cast.arg.a_const.HasField("sval"):
        kind = node.type_cast.type_name
        plain = not (len(kind.typmods) or len(kind.array_bounds) or kind.setof or kind.pct_type)
        if plain and kind.names[-1].string.sval in _CAST_TYPES:
            yield node.type_cast.arg.a_const.location
