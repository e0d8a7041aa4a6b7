"""The types that PostgreSQL gives to expressions, where sqlglot thinks otherwise. Pure.

A numeric is DECIMAL; INT128 is a numeric that is a whole number: a sum of bigints, or a field that extract reads.
"""

from __future__ import annotations

from typing import Any

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.optimizer.annotate_types import TypeAnnotator

from omnisql_server.bind.row_sources import NUMBERS

_Type = exp.DType
_INTEGERS = (_Type.SMALLINT, _Type.INT, _Type.BIGINT)
_NUMERICS = (_Type.INT128, _Type.DECIMAL)
_INT4_MAX = (1 << 31) - 1
_INT8_MAX = (1 << 63) - 1
_FRACTIONS = frozenset({"EPOCH", "SECOND", "MILLISECOND", "JULIAN"})


def _kind(node: exp.Expr | None) -> Any:
    return node.type.this if node is not None and node.type is not None else None


def _literal(annotator: TypeAnnotator, node: exp.Literal) -> exp.Literal:
    """A number is the smallest of int4, int8 and numeric that holds it; a string has no type of its own yet."""
    if node.is_string:
        annotator._set_type(node, _Type.VARCHAR)
    elif node.name.isdigit() and int(node.name) <= _INT8_MAX:
        annotator._set_type(node, _Type.INT if int(node.name) <= _INT4_MAX else _Type.BIGINT)
    else:
        annotator._set_type(node, _Type.DECIMAL)
    return node


def _sum(annotator: TypeAnnotator, node: exp.Sum) -> exp.Sum:
    """Sum is bigint over smaller integers, float8 over float8, numeric over all else."""
    value = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    kinds: dict[Any, exp.DType] = {
        _Type.SMALLINT: _Type.BIGINT,
        _Type.INT: _Type.BIGINT,
        _Type.BIGINT: _Type.INT128,
        _Type.DOUBLE: _Type.DOUBLE,
        _Type.DECIMAL: _Type.DECIMAL,
        _Type.INT128: _Type.INT128,
    }
    annotator._set_type(node, kinds.get(_kind(value), _Type.UNKNOWN))
    return node


def _average(annotator: TypeAnnotator, node: exp.Avg) -> exp.Avg:
    value = node.this.expressions[0] if isinstance(node.this, exp.Distinct) else node.this
    kind = _kind(value)
    numeric = kind in (*_INTEGERS, *_NUMERICS)
    annotator._set_type(node, _Type.DECIMAL if numeric else kind if kind is _Type.DOUBLE else _Type.UNKNOWN)
    return node


def _arithmetic(annotator: TypeAnnotator, node: exp.Binary) -> exp.Binary:
    """Give the wider of two numbers, the moment an interval is added to, days between dates, time between moments."""
    left, right = _kind(node.this), _kind(node.expression)
    kinds = (left, right)
    if all(kind in _INTEGERS for kind in kinds):
        annotator._set_type(node, max(kinds, key=_INTEGERS.index))
    elif all(kind in (*_INTEGERS, *_NUMERICS, _Type.DOUBLE) for kind in kinds):
        whole = _Type.DECIMAL not in kinds and isinstance(node, exp.Add | exp.Sub | exp.Mul)
        annotator._set_type(node, _Type.DOUBLE if _Type.DOUBLE in kinds else _Type.INT128 if whole else _Type.DECIMAL)
    else:
        annotator._set_type(node, _moved(node, left, right))
    return node


def _moved(node: exp.Binary, left: Any, right: Any) -> exp.DType:
    moments = (_Type.TIMESTAMP, _Type.TIMESTAMPTZ)
    if left is _Type.DATE and right is _Type.DATE:
        return _Type.INT if isinstance(node, exp.Sub) else _Type.UNKNOWN
    if left in moments and right is left:
        return _Type.INTERVAL if isinstance(node, exp.Sub) else _Type.UNKNOWN
    if _Type.INTERVAL in (left, right):
        other = right if left is _Type.INTERVAL else left
        return _Type.TIMESTAMP if other is _Type.DATE else other if other in moments else _Type.UNKNOWN
    return _Type.DATE if left is _Type.DATE and right in _INTEGERS else _Type.UNKNOWN


def _extract(annotator: TypeAnnotator, node: exp.Extract) -> exp.Extract:
    annotator._set_type(node, _Type.DECIMAL if node.name.upper() in _FRACTIONS else _Type.INT128)
    return node


def _at_zone(annotator: TypeAnnotator, node: exp.AtTimeZone) -> exp.AtTimeZone:
    kinds = {_Type.TIMESTAMP: _Type.TIMESTAMPTZ, _Type.TIMESTAMPTZ: _Type.TIMESTAMP}
    annotator._set_type(node, kinds.get(_kind(node.this), _Type.UNKNOWN))
    return node


def _truncated(annotator: TypeAnnotator, node: exp.TimestampTrunc) -> exp.TimestampTrunc:
    """`date_trunc` of a date is that of the moment it begins at."""
    kind = _kind(node.this)
    known = kind if kind in (_Type.TIMESTAMP, _Type.TIMESTAMPTZ, _Type.INTERVAL) else _Type.UNKNOWN
    annotator._set_type(node, _Type.TIMESTAMPTZ if kind is _Type.DATE else known)
    return node


def _rounded(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    """Round, trunc, ceil and floor of an integer are float8's, with a number of places numeric's."""
    kind = _kind(node.this)
    placed = node.args.get("decimals") is not None
    if kind in _NUMERICS or (kind in _INTEGERS and placed):
        annotator._set_type(node, _Type.DECIMAL if placed else _Type.INT128)
    else:
        annotator._set_type(node, _Type.DOUBLE if kind in (*_INTEGERS, _Type.DOUBLE) else _Type.UNKNOWN)
    return node


def _same(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    annotator._set_type(node, _kind(node.this) or _Type.UNKNOWN)
    return node


def _element(annotator: TypeAnnotator, node: exp.Explode) -> exp.Explode:
    inner = node.this.type.expressions if node.this.type is not None else ()
    known = inner[0].this if inner and isinstance(inner[0], exp.DataType) else _Type.UNKNOWN
    annotator._set_type(node, known)
    return node


def _series(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
    kinds = {_kind(node.args.get(key)) for key in ("start", "end", "step") if node.args.get(key) is not None}
    small = kinds <= {_Type.SMALLINT, _Type.INT}
    whole = kinds <= set(_INTEGERS)
    annotator._set_type(node, _Type.INT if small else _Type.BIGINT if whole else _Type.UNKNOWN)
    return node


def _named_function(annotator: TypeAnnotator, node: exp.Anonymous) -> exp.Anonymous:
    known = _Type.BIGINT if node.name == NUMBERS else _NAMED.get(node.name.upper(), _Type.UNKNOWN)
    annotator._set_type(node, known)
    return node


_NAMED = {
    **dict.fromkeys(("JSONB_ARRAY_ELEMENTS", "JSONB_STRIP_NULLS", "JSONB_SET", "JSONB_INSERT"), _Type.JSONB),
    **dict.fromkeys(("JSONB_BUILD_OBJECT", "JSONB_BUILD_ARRAY", "JSONB_AGG", "TO_JSONB"), _Type.JSONB),
    **dict.fromkeys(("JSONB_ARRAY_ELEMENTS_TEXT", "JSONB_OBJECT_KEYS", "JSONB_TYPEOF", "JSONB_PRETTY"), _Type.TEXT),
    "JSONB_ARRAY_LENGTH": _Type.INT,
}
"""What functions that sqlglot does not know give, whatever their arguments are."""


def _constant_type(kind: exp.DType) -> Any:
    def annotate(annotator: TypeAnnotator, node: exp.Expr) -> exp.Expr:
        annotator._set_type(node, kind)
        return node

    return annotate


POSTGRES_TYPES: dict[Any, Any] = {
    **Postgres.EXPRESSION_METADATA,
    exp.Literal: {"annotator": _literal},
    exp.Sum: {"annotator": _sum},
    exp.Avg: {"annotator": _average},
    **{kind: {"annotator": _arithmetic} for kind in (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod)},
    exp.Extract: {"annotator": _extract},
    exp.AtTimeZone: {"annotator": _at_zone},
    exp.TimestampTrunc: {"annotator": _truncated},
    **{kind: {"annotator": _rounded} for kind in (exp.Round, exp.Trunc, exp.Ceil, exp.Floor)},
    **{kind: {"annotator": _same} for kind in (exp.Collate, exp.JSONExtract, exp.JSONBExtract, exp.JSONBDeleteAtPath)},
    **{kind: {"annotator": _constant_type(_Type.TEXT)} for kind in (exp.JSONExtractScalar, exp.JSONBExtractScalar)},
    exp.JSONBObjectAgg: {"annotator": _constant_type(_Type.JSONB)},
    exp.Explode: {"annotator": _element},
    exp.ExplodingGenerateSeries: {"annotator": _series},
    exp.Anonymous: {"annotator": _named_function},
    exp.Grouping: {"returns": _Type.INT},
}
"""What PostgreSQL gives, as `annotate_types` takes it."""
