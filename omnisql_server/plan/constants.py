"""Literals of a bound tree as Python values of a column's type. Pure.

A constant is taken only when comparing it with the column means the same as comparing the converted value: `1.5` is no
value of an integer column, so a predicate on it is not pushed.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import TypeVar

from sqlglot import exp

from catalog.types import BY_OID
from connectors.sdk.scan import Value

_TEXT = frozenset({"text", "varchar", "name"})
_INTEGER = frozenset({"int2", "int4", "int8"})
_INSTANT = frozenset({"timestamptz", "timestamp", "date"})


class Unknown(str):
    """A parameter whose value is not known, by its name: what EXPLAIN (GENERIC_PLAN) plans with."""

    __slots__ = ()


class NotConstant(Exception):
    """The expression is not a constant of the column's type."""


def constant_value(node: exp.Expr, type_oid: int) -> Value:
    """Convert a constant node for a column of a type; a parameter without a value is `Unknown`.

    Raises:
        NotConstant: it is not constant, is NULL, or has no exact counterpart in that type.
    """
    if isinstance(node, exp.Parameter):
        return Unknown(f"${node.name}")
    text, literal_type = _text_of(node)
    known = BY_OID.get(type_oid)
    if known is None:
        raise NotConstant
    if known.element is not None:
        return _array(node, text, literal_type)
    try:
        return _convert(text, literal_type, known.name)
    except (ValueError, InvalidOperation) as error:
        raise NotConstant from error


def _text_of(node: exp.Expr) -> tuple[str, str | None]:
    """Return a constant's text and its type's name, None for an untyped literal, `number` for a bare number."""
    if isinstance(node, exp.Paren):
        return _text_of(node.this)
    if isinstance(node, exp.Neg):
        text, literal_type = _text_of(node.this)
        if literal_type != "number":
            raise NotConstant
        return f"-{text}", literal_type
    if isinstance(node, exp.Literal):
        return node.name, None if node.is_string else "number"
    if isinstance(node, exp.Boolean):
        return ("t" if node.this else "f"), "bool"
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal):
        return node.this.name, _type_name(node.to)
    if isinstance(node, exp.Array):
        return "", "array"
    raise NotConstant


_TYPE_NAMES = {
    "TEXT": "text",
    "VARCHAR": "varchar",
    "BPCHAR": "bpchar",
    "NAME": "name",
    "SMALLINT": "int2",
    "INT": "int4",
    "BIGINT": "int8",
    "DECIMAL": "numeric",
    "FLOAT": "float4",
    "DOUBLE": "float8",
    "BOOLEAN": "bool",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
    "TIMESTAMPTZ": "timestamptz",
    "UUID": "uuid",
    "ARRAY": "array",
}


def _type_name(data_type: exp.DataType) -> str:
    name = _TYPE_NAMES.get(data_type.this.name if isinstance(data_type.this, exp.DataType.Type) else "")
    if name is None:
        raise NotConstant
    return name


def _convert(text: str, literal_type: str | None, column_type: str) -> Value:
    if column_type in _TEXT:
        if literal_type is not None and literal_type not in ("text", "varchar", "name"):
            raise NotConstant
        return text
    if column_type in _INTEGER:
        return _integer(text, literal_type)
    if column_type == "float8":
        if literal_type in (*_INTEGER, "numeric", "number", "float8", None):
            return _finite(float(text))
        raise NotConstant
    if column_type == "numeric":
        if literal_type in (*_INTEGER, "numeric", "number", None):
            return _finite(Decimal(text))
        raise NotConstant
    if column_type == "bool":
        if text in ("t", "f", "true", "false") and literal_type in ("bool", None):
            return text in ("t", "true")
        raise NotConstant
    return _moment(text, literal_type, column_type)


_Number = TypeVar("_Number", float, Decimal)


def _finite(number: _Number) -> _Number:
    """Return a number that compares as it does in PostgreSQL, where NaN equals itself and is above all others."""
    if not isfinite(number):
        raise NotConstant
    return number


def _integer(text: str, literal_type: str | None) -> int:
    if literal_type not in (*_INTEGER, "numeric", "number", None):
        raise NotConstant
    number = _finite(Decimal(text))
    if number != number.to_integral_value():
        raise NotConstant
    return int(number)


def _moment(text: str, literal_type: str | None, column_type: str) -> Value:
    if column_type == "timestamptz" and literal_type == "timestamptz":
        return datetime.fromisoformat(text).astimezone(UTC)
    if column_type == "date" and literal_type == "date":
        return date.fromisoformat(text)
    if column_type == "uuid" and literal_type in ("uuid", None):
        return text.lower()
    raise NotConstant


def _array(node: exp.Expr, text: str, literal_type: str | None) -> Value:
    if isinstance(node, exp.Array):
        return tuple(_convert(*_text_of(item), "text") for item in node.expressions)
    if literal_type not in ("array", None):
        raise NotConstant
    return parse_text_array(text)


def parse_text_array(text: str) -> tuple[str, ...]:
    """Read the elements of a one-dimensional text array literal.

    Raises:
        NotConstant: it has NULL elements, more dimensions, or a spelling that PostgreSQL's own output never has.
    """
    if not _ARRAY.fullmatch(text):
        raise NotConstant
    items = _ELEMENT.findall(text[1:-1])
    if any(item.upper() == "NULL" for item in items):
        raise NotConstant
    return tuple(_ESCAPED.sub(r"\1", item[1:-1]) if item.startswith('"') else item for item in items)


_QUOTED_OR_PLAIN = r"""(?:"(?:[^"\\]|\\.)*"|[^\s"\\{},]+)"""
_ELEMENT = re.compile(_QUOTED_OR_PLAIN, re.DOTALL)
_ARRAY = re.compile(rf"\{{(?:{_QUOTED_OR_PLAIN}(?:,{_QUOTED_OR_PLAIN})*)?\}}", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
"""PostgreSQL writes an element in quotes, or plain where it holds no space, quote, brace, comma or backslash."""
