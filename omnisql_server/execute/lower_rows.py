"""Comparisons of rows, and with every element of an array or row of a subquery, by comparisons of values. Pure.

PostgreSQL 18, 9.25: rows are equal where all their fields are, and smaller where the first that differs is; ANY and ALL
are an OR and an AND with their nulls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqlglot import exp

from omnisql_server.execute.lowered import Rule, conjunction, disjunction, is_proved, typed
from omnisql_server.execute.output_types import output_type

ELEMENTS_MAX = 1_000
"""An array of more elements is compared by PostgreSQL."""

_BOOLEAN = exp.DType.BOOLEAN
_SOURCE = "omnisql_rows"
_STRICT: Mapping[type[exp.Expr], type[exp.Expr]] = {exp.LT: exp.LT, exp.LTE: exp.LT, exp.GT: exp.GT, exp.GTE: exp.GT}
_PLAIN_ARRAY = re.compile(r"\{([^\"\\{}]*)\}")
_COLLATIONS = frozenset({"C", "POSIX", "ucs_basic", "pg_c_utf8", "default"})
"""Collations that order texts by their bytes; the clusters' own default is one too."""


def _fields(node: exp.Expr | None) -> list[exp.Expr] | None:
    node = node.unnest() if node is not None else None
    row = isinstance(node, exp.Tuple) or (isinstance(node, exp.Anonymous) and node.name.upper() == "ROW")
    return list(node.expressions) if row and node is not None else None


def _compare(kind: type[exp.Expr], left: exp.Expr, right: exp.Expr) -> exp.Expr:
    return typed(kind(this=left.copy(), expression=right.copy()), _BOOLEAN)


def _compare_rows(kind: type[exp.Expr], left: list[exp.Expr], right: list[exp.Expr]) -> exp.Expr | None:
    if len(left) != len(right) or not left:
        return None
    pairs = list(zip(left, right, strict=True))
    if kind in (exp.EQ, exp.NullSafeEQ):
        return conjunction([_compare(kind, one, other) for one, other in pairs])
    if kind in (exp.NEQ, exp.NullSafeNEQ):
        return disjunction([_compare(kind, one, other) for one, other in pairs])
    if kind not in _STRICT:
        return None
    whole = _compare(kind, *pairs[-1])
    for one, other in reversed(pairs[:-1]):
        later = conjunction([_compare(exp.EQ, one, other), whole])
        whole = disjunction([_compare(_STRICT[kind], one, other), later])
    return whole


def _comparison(node: exp.Expr, _zone: str) -> exp.Expr | None:
    left, right = node.this, node.expression
    if isinstance(right, exp.Any | exp.All):
        return _quantified(type(node), left, right.this, every=isinstance(right, exp.All))
    if isinstance(right, exp.Anonymous) and right.name.upper() == "ALL" and len(right.expressions) == 1:
        return _quantified(type(node), left, right.expressions[0], every=True)
    row, other = _fields(left), _fields(right)
    return _compare_rows(type(node), row, other) if row is not None and other is not None else None


def _quantified(kind: type[exp.Expr], value: exp.Expr, over: exp.Expr, *, every: bool) -> exp.Expr | None:
    over = over.unnest()
    if isinstance(over, exp.Query):
        fields = _fields(value)
        if fields is None and not every and kind is exp.EQ:
            return None
        return _over_query(kind, fields or [value], over, every=every)
    elements = array_elements(over)
    if elements is None or len(elements) > ELEMENTS_MAX:
        return None
    row = _fields(value)
    parts = [_one(kind, value, row, element) for element in elements]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return conjunction(known) if every else disjunction(known)


def _one(kind: type[exp.Expr], value: exp.Expr, row: list[exp.Expr] | None, element: exp.Expr) -> exp.Expr | None:
    if row is None:
        return _compare(kind, value, element)
    fields = _fields(element)
    return _compare_rows(kind, row, fields) if fields is not None else None


def array_elements(node: exp.Expr) -> list[exp.Expr] | None:
    """Return the elements of an array that is written down, None where it is not, or has more dimensions."""
    if isinstance(node, exp.Array):
        return (
            None
            if any(isinstance(one.unnest(), exp.Array | exp.Query) for one in node.expressions)
            else list(node.expressions)
        )
    if isinstance(node, exp.Anonymous) and is_proved(node) and node.name == "list_value":
        return list(node.expressions)
    if not isinstance(node, exp.Cast) or not node.to.is_type(exp.DType.ARRAY) or not node.this.is_string:
        return None
    found = _PLAIN_ARRAY.fullmatch(node.this.name)
    kind = node.to.expressions[0] if node.to.expressions else None
    if found is None or not isinstance(kind, exp.DataType) or kind.expressions:
        return None
    words = [word.strip() for word in found[1].split(",")] if found[1].strip() else []
    return [_element(word, kind) for word in words]


def _element(word: str, kind: exp.DataType) -> exp.Expr:
    value: exp.Expr = exp.Null() if word.upper() == "NULL" else exp.Literal.string(word)
    return typed(exp.Cast(this=value, to=kind.copy()), kind.this)


def _over_query(kind: type[exp.Expr], fields: list[exp.Expr], query: exp.Query, *, every: bool) -> exp.Expr | None:
    """Compare with each row of a query: what decides first, then whether a null is among them."""
    if len(query.selects) != len(fields):
        return None
    columns = []
    for place, output in enumerate(query.selects):
        found = output_type(output.unalias())
        if found is None:
            return None
        columns.append(typed(exp.column(f"c{place}", table=_SOURCE, quoted=True), found))
    compared = _compare_rows(kind, fields, columns) if len(fields) > 1 else _compare(kind, fields[0], columns[0])
    if compared is None:
        return None
    deciding = typed(exp.Not(this=typed(exp.Paren(this=compared.copy()), _BOOLEAN)), _BOOLEAN) if every else compared
    unknown = typed(exp.Is(this=typed(exp.Paren(this=compared.copy()), _BOOLEAN), expression=exp.Null()), _BOOLEAN)
    truth = typed(exp.Boolean(this=not every), _BOOLEAN)
    branches = [
        exp.If(this=_exists(query, len(fields), deciding), true=truth),
        exp.If(this=_exists(query, len(fields), unknown), true=exp.Null()),
    ]
    whole = exp.Case(ifs=branches, default=typed(exp.Boolean(this=every), _BOOLEAN))
    return typed(exp.Paren(this=typed(whole, _BOOLEAN)), _BOOLEAN)


def _exists(query: exp.Query, width: int, condition: exp.Expr) -> exp.Expr:
    names = [exp.to_identifier(f"c{place}", quoted=True) for place in range(width)]
    alias = exp.TableAlias(this=exp.to_identifier(_SOURCE, quoted=True), columns=names)
    source = exp.Subquery(this=query.copy(), alias=alias)
    one = typed(exp.Literal.number(1), exp.DType.INT)
    select = exp.Select(expressions=[one]).from_(source).where(condition)
    return typed(exp.Exists(this=select), _BOOLEAN)


def _membership(node: exp.Expr, _zone: str) -> exp.Expr | None:
    fields = _fields(node.this)
    query = node.args.get("query")
    inner = query.unnest() if query is not None else node.expressions[0] if len(node.expressions) == 1 else None
    if isinstance(inner, exp.Values):
        return _among(node.this, fields, inner)
    if fields is None:
        return None
    if query is not None:
        return _over_query(exp.EQ, fields, inner, every=False) if isinstance(inner, exp.Query) else None
    rows = [_fields(one) for one in node.expressions]
    parts = [_compare_rows(exp.EQ, fields, row) for row in rows if row is not None]
    known = [part for part in parts if part is not None]
    return disjunction(known) if known and len(known) == len(node.expressions) else None


def _among(value: exp.Expr, fields: list[exp.Expr] | None, values: exp.Values) -> exp.Expr | None:
    """`IN (VALUES ..)` is an OR."""
    rows = [_fields(row) for row in values.expressions]
    parts = []
    for row in rows:
        if row is None or len(row) != len(fields or [value]):
            return None
        part = _compare_rows(exp.EQ, fields, row) if fields is not None else _compare(exp.EQ, value, row[0])
        if part is not None:
            parts.append(part)
    return disjunction(parts) if parts and len(parts) == len(rows) else None


def _like(node: exp.Expr, _zone: str) -> exp.Expr | None:
    over = node.expression
    if node.args.get("negate") or not isinstance(over, exp.Any):
        return None
    elements = array_elements(over.this.unnest())
    return disjunction([_compare(type(node), node.this, one) for one in elements]) if elements else None


def _between(node: exp.Expr, _zone: str) -> exp.Expr | None:
    rows = [_fields(part) for part in (node.this, node.args["low"], node.args["high"])]
    if rows[0] is None or rows[1] is None or rows[2] is None or node.args.get("symmetric"):
        return None
    ends = [_compare_rows(exp.GTE, rows[0], rows[1]), _compare_rows(exp.LTE, rows[0], rows[2])]
    known = [end for end in ends if end is not None]
    return conjunction(known) if len(known) == 2 else None


def _collated(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """Leave out a collation that is the order of bytes, where nothing but the order depends on it."""
    ordered = isinstance(node.parent, exp.Ordered | exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE)
    text = output_type(node.this) in (exp.DType.TEXT, exp.DType.VARCHAR)
    return node.this.copy() if ordered and text and node.expression.name in _COLLATIONS else None


def _empty_select(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """Give EXISTS (SELECT FROM ..) a column: there is none in DuckDB's grammar without."""
    inner = node.this
    if isinstance(inner, exp.Select) and not inner.expressions and not inner.args.get("group"):
        made = node.copy()
        made.this.set("expressions", [typed(exp.Literal.number(1), exp.DType.INT)])
        return made
    return None


ROW_RULES: Mapping[type[exp.Expr], Rule] = {
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ), _comparison),
    exp.In: _membership,
    exp.Between: _between,
    **dict.fromkeys((exp.Like, exp.ILike), _like),
    exp.Collate: _collated,
    exp.Exists: _empty_select,
}
"""The rule of each kind of node."""
