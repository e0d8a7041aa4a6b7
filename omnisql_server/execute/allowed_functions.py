"""Under which conditions functions, windows, casts and moments mean the same in DuckDB: a check per node type. Pure.

Checks are those of `allowed_conditions`, which gathers them; texts that differ are rewritten by `duckdb_text`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from sqlglot import exp

from omnisql_server.execute.output_types import INTEGERS, alike, output_type
from omnisql_server.execute.zones import is_alike

_Type = exp.DType
TEXTS = (_Type.TEXT, _Type.VARCHAR)
NUMBERS = (*INTEGERS, _Type.DOUBLE)
_LITERAL_TYPES = (
    *NUMBERS,
    *TEXTS,
    _Type.BOOLEAN,
    _Type.DATE,
    _Type.TIMESTAMPTZ,
    _Type.TIMESTAMP,
)
_CASTS: Mapping[exp.DType, tuple[exp.DType, ...]] = {
    **dict.fromkeys(TEXTS, (*INTEGERS, _Type.BOOLEAN, _Type.DATE, _Type.TIMESTAMP, *TEXTS)),
    **dict.fromkeys((_Type.SMALLINT, _Type.BIGINT), (*INTEGERS, _Type.DOUBLE)),
    _Type.INT: (*INTEGERS, _Type.DOUBLE, _Type.BOOLEAN),
    _Type.DOUBLE: NUMBERS,
    _Type.BOOLEAN: (_Type.INT, _Type.BOOLEAN),
    _Type.DATE: (_Type.DATE, _Type.TIMESTAMP, _Type.TIMESTAMPTZ),
    _Type.TIMESTAMP: (_Type.DATE, _Type.TIMESTAMP, _Type.TIMESTAMPTZ),
}
"""From which types a computed value is cast to a type alike."""
NEAR = re.compile(r"\d{4}-[-0-9 :.+]*")
"""Moments as PostgreSQL writes those of the years 1 to 9999; of others the engines have not the same."""
_TRUNCATED = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "DECADE"})
_EXTRACTED = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "DOY", "DOW", "ISODOW", "ISOYEAR"})
_UNITS = re.compile(r"(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND)S?", re.IGNORECASE)
_RANKED = (
    exp.RowNumber,
    exp.Rank,
    exp.DenseRank,
    exp.Count,
    exp.Sum,
    exp.Min,
    exp.Max,
    exp.Avg,
    exp.LogicalAnd,
    exp.LogicalOr,
    exp.Lag,
    exp.Lead,
    exp.FirstValue,
    exp.LastValue,
    exp.NthValue,
    exp.Ntile,
    exp.PercentRank,
    exp.CumeDist,
    exp.GroupConcat,
    exp.ArrayAgg,
)


def is_text(*nodes: exp.Expr | None) -> bool:
    """Say whether all of some expressions are there and are texts."""
    return all(node is not None and output_type(node) in TEXTS for node in nodes)


def integer_literal(node: exp.Expr | None, least: int = 0) -> bool:
    """Say whether an expression is a whole number that is written down, `least` or more."""
    sign = isinstance(node, exp.Neg)
    number = node.this if isinstance(node, exp.Neg) else node
    known = isinstance(number, exp.Literal) and not number.is_string and number.name.isdigit()
    return known and (-1 if sign else 1) * int(number.name if known and number is not None else 0) >= least


def cast(node: exp.Expr) -> str | None:
    """Constants are read alike as bind writes them, in PostgreSQL's own spelling; some computed values too."""
    to, value = node.args["to"], node.this
    if to.expressions or not to.is_type(*_LITERAL_TYPES):
        return "a cast whose text or rounding differs in DuckDB"
    if isinstance(value, exp.Null):
        return None
    if isinstance(value, exp.Literal) and value.is_string:
        moment = to.is_type(_Type.DATE, _Type.TIMESTAMP, _Type.TIMESTAMPTZ)
        return "a moment far off" if moment and NEAR.fullmatch(value.name) is None else None
    known = output_type(value)
    return None if known in _CASTS.get(to.this, ()) else "a cast whose text or rounding differs in DuckDB"


def _texts(*keys: str) -> Callable[[exp.Expr], str | None]:
    def check(node: exp.Expr) -> str | None:
        return None if is_text(*(node.args.get(key) for key in keys)) else f"{node.key} of other types than text"

    return check


def _concat(node: exp.Expr) -> str | None:
    return None if is_text(*node.expressions) else f"{node.key} of other types than text"


def concatenation(node: exp.Expr) -> str | None:
    """`||` joins texts, and a text with an integer."""
    sides = [output_type(side) for side in (node.this, node.expression)]
    known = any(side in TEXTS for side in sides) and all(side in (*TEXTS, *INTEGERS) for side in sides)
    return None if known else "|| of other types than text"


def _trim(node: exp.Expr) -> str | None:
    return None if is_text(node.this) and is_text(node.args.get("expression") or node.this) else "trim of another type"


def _pad(node: exp.Expr) -> str | None:
    fill = node.args.get("fill_pattern")
    filled = fill is None or (isinstance(fill, exp.Literal) and fill.is_string and fill.name != "")
    known = is_text(node.this) and filled and integer_literal(node.expression)
    return None if known else f"{node.key} with a computed length or fill"


def _repeat(node: exp.Expr) -> str | None:
    times = node.args.get("times")
    known = is_text(node.this) and integer_literal(times, -1000) and not integer_literal(times, 1001)
    return None if known else "repeat with a computed or large count"


def like(node: exp.Expr) -> str | None:
    """A pattern is any text; one that PostgreSQL refuses is refused by DuckDB."""
    if isinstance(node.expression, exp.Any | exp.All):
        return "LIKE over an array"
    return None if is_text(node.this, node.expression) else "LIKE of another type than text"


def _escape(node: exp.Expr) -> str | None:
    sign = node.expression
    known = isinstance(node.this, exp.Like) and isinstance(sign, exp.Literal) and len(sign.name) == 1
    return None if known and sign.name.isascii() and sign.name not in "%_" else "an escape sign of another form"


def _anonymous(node: exp.Expr) -> str | None:
    if node.name.upper() == "OCTET_LENGTH" and len(node.expressions) == 1:
        return None if is_text(node.expressions[0]) else "octet_length of another type"
    return f"{node.name.lower()}() is not proved to mean the same in DuckDB"


def moved(node: exp.Expr) -> bool:
    """Say whether a sum is of a date and days, or of a timestamp without time zone and one plain interval."""
    left, right = node.this, node.expression
    if isinstance(right, exp.Interval):
        amount, unit = right.this, right.args.get("unit")
        whole = isinstance(amount, exp.Literal) and amount.name.isdigit() and len(amount.name) < 6
        known = unit is not None and _UNITS.fullmatch(unit.name) is not None
        exact = unit is not None and unit.name.upper().rstrip("S") in ("HOUR", "MINUTE", "SECOND")
        moment = output_type(left)
        return whole and known and (moment is _Type.TIMESTAMP or (moment is _Type.TIMESTAMPTZ and exact))
    near = integer_literal(right) and not integer_literal(right, 1_000_000)
    return output_type(left) is _Type.DATE and near


def _interval(node: exp.Expr) -> str | None:
    parent = node.parent
    known = isinstance(parent, exp.Add | exp.Sub) and parent.expression is node and moved(parent)
    return None if known else "an interval of another form"


def _truncated(node: exp.Expr) -> str | None:
    known = output_type(node.this) is _Type.TIMESTAMP and not node.args.get("zone")
    unit = node.args.get("unit")
    near = unit is not None and unit.name.upper() in _TRUNCATED
    return None if known and near else "date_trunc of another type or unit"


def _extract(node: exp.Expr) -> str | None:
    """It is numeric in PostgreSQL; without a scale, its text is a whole number's."""
    known = output_type(node.expression) in (_Type.DATE, _Type.TIMESTAMP)
    dated = output_type(node.expression) is not _Type.DATE or node.name.upper() not in ("HOUR", "MINUTE")
    return None if known and dated and node.name.upper() in _EXTRACTED else "extract of another type or field"


def _zoned(node: exp.Expr) -> str | None:
    zone = node.args["zone"]
    known = isinstance(zone, exp.Literal) and zone.is_string and is_alike(zone.name)
    moment = output_type(node.this) is _Type.TIMESTAMPTZ
    return None if known and moment else "a time zone of another form"


def _grouped_texts(node: exp.Expr) -> str | None:
    """Without an order, or with one that is not total, the texts may come in any order: so they may in PostgreSQL."""
    value = node.this.this if isinstance(node.this, exp.Order) else node.this
    known = is_text(value) and isinstance(node.args.get("separator"), exp.Literal)
    return (
        None
        if known and (node.find(exp.Order) or isinstance(node.parent, exp.Window))
        else "string_agg of another type, or without an order"
    )


def _collected(node: exp.Expr) -> str | None:
    value = node.this.this if isinstance(node.this, exp.Order) else node.this
    ordered = isinstance(node.this, exp.Order) or isinstance(node.parent, exp.Window)
    if isinstance(value, exp.Distinct) and len(value.expressions) == 1 and isinstance(node.this, exp.Order):
        (value,), keys = value.expressions, node.this.expressions
        ordered = [key.this for key in keys] == [value]
    known = output_type(value) in (*TEXTS, _Type.INT, _Type.BIGINT, _Type.BOOLEAN)
    return None if known and ordered else "array_agg of another type, or without an order"


def window(node: exp.Expr) -> str | None:
    """A frame of rows or groups is the same; one of a range is, where it ends at peers."""
    if not node.args.get("over"):
        return None if node.arg_key == "windows" else "a window of another form"
    if any(output_type(key) is _Type.JSONB for key in node.args.get("partition_by") or ()):
        return "a window over parts by jsonb"
    function = node.this.this if isinstance(node.this, exp.Filter) else node.this
    return None if isinstance(function, _RANKED) else f"{function.key} over a window"


def _frame(node: exp.Expr) -> str | None:
    ends = [node.args.get("start"), node.args.get("end")]
    plain = all(end in ("UNBOUNDED", "CURRENT ROW", None) for end in ends)
    counted = all(end is None or isinstance(end, str) or integer_literal(end) for end in ends)
    if counted and node.text("kind") == "RANGE":
        order = node.parent.args.get("order") if isinstance(node.parent, exp.Window) else None
        keys = [output_type(key.this) for key in order.expressions] if order is not None else []
        counted = len(keys) == 1 and keys[0] in INTEGERS
    return None if plain or counted else "a window frame of another form"


def _shifted(node: exp.Expr) -> str | None:
    offset, default = node.args.get("offset"), node.args.get("default")
    if offset is not None and not integer_literal(offset, 1):
        return f"{node.key} by a computed number of rows"
    return alike((node.this, default))


def _placed(node: exp.Expr) -> str | None:
    return None if integer_literal(node.args.get("offset"), 1) else "nth_value of a computed place"


def _tiles(node: exp.Expr) -> str | None:
    return None if integer_literal(node.this, 1) else "ntile of a computed number"


def _bits(node: exp.Expr) -> str | None:
    sides = [side for side in (node.this, node.args.get("expression")) if side is not None]
    return None if all(output_type(side) in INTEGERS for side in sides) else f"{node.key} of other types than integers"


def _floats(node: exp.Expr) -> str | None:
    plain = not node.args.get("decimals") and not node.args.get("to")
    return None if plain and output_type(node.this) is _Type.DOUBLE else f"{node.key} of another type than float8"


def _root(node: exp.Expr) -> str | None:
    return None if output_type(node.this) in NUMBERS else "sqrt of another type"


def _lateral(node: exp.Expr) -> str | None:
    plain = isinstance(node.this, exp.Subquery) and not node.args.get("ordinality") and not node.args.get("view")
    alias = node.args.get("alias")
    return None if plain and alias is not None and not alias.columns else "LATERAL of another form"


def _fetch(node: exp.Expr) -> str | None:
    options = node.args.get("limit_options")
    ties = options is not None and (options.args.get("with_ties") or options.args.get("percent"))
    count = node.args.get("count")
    return None if not ties and (count is None or integer_literal(count)) else "FETCH of another form"


def _tuple(node: exp.Expr) -> str | None:
    parent = node.parent
    if isinstance(parent, exp.GroupingSets | exp.Values) or (isinstance(parent, exp.Distinct) and node.arg_key == "on"):
        return None
    return "a row as a value"


def _values(node: exp.Expr) -> str | None:
    """Each column of VALUES is of one family, and no numeric: its texts would have other scales."""
    rows = [row.expressions for row in node.expressions if isinstance(row, exp.Tuple)]
    named = isinstance(node.parent, exp.From | exp.Join) and isinstance(node.args.get("alias"), exp.TableAlias)
    if not named or len(rows) < len(node.expressions) or len({len(row) for row in rows}) != 1:
        return "VALUES of another form"
    columns = list(zip(*rows, strict=True))
    if any(all(isinstance(value, exp.Null) for value in column) for column in columns):
        return "VALUES with a column of nulls"
    return next((reason for column in columns if (reason := alike(column))), None)


FUNCTION_CONDITIONS: Mapping[type[exp.Expr], Callable[[exp.Expr], str | None]] = {
    exp.Cast: cast,
    exp.DPipe: concatenation,
    **dict.fromkeys((exp.Lower, exp.Upper, exp.MD5, exp.Ascii), _texts("this")),
    **dict.fromkeys((exp.StartsWith,), _texts("this", "expression")),
    exp.Replace: _texts("this", "expression", "replacement"),
    **dict.fromkeys((exp.Concat, exp.ConcatWs), _concat),
    exp.Trim: _trim,
    exp.Pad: _pad,
    exp.Repeat: _repeat,
    **dict.fromkeys((exp.Like, exp.ILike), like),
    exp.Escape: _escape,
    exp.Anonymous: _anonymous,
    exp.Interval: _interval,
    exp.TimestampTrunc: _truncated,
    exp.Extract: _extract,
    exp.AtTimeZone: _zoned,
    exp.GroupConcat: _grouped_texts,
    exp.ArrayAgg: _collected,
    exp.Window: window,
    exp.WindowSpec: _frame,
    **dict.fromkeys((exp.Lag, exp.Lead), _shifted),
    exp.NthValue: _placed,
    exp.Ntile: _tiles,
    **dict.fromkeys(
        (exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot, exp.BitwiseAndAgg, exp.BitwiseOrAgg), _bits
    ),
    **dict.fromkeys((exp.Ceil, exp.Floor), _floats),
    exp.Sqrt: _root,
    exp.Lateral: _lateral,
    exp.Fetch: _fetch,
    exp.Tuple: _tuple,
    exp.Values: _values,
}
"""The check of each of these node types."""
