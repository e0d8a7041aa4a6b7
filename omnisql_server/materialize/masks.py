"""Masks of policy over fetched columns: the same type, other values. Pure; Arrow to Arrow.

A mask that its column's type cannot carry shows NULL. NULL stays NULL, except that a constant is shown for all.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from catalog.types import PgType
from omnisql_server.model.mask import Mask, MaskKind

REDACTED = "***"
_TEXTS = frozenset({"text", "varchar", "bpchar", "name"})
_INTEGERS = {"int2": 16, "int4": 32, "int8": 64}
_PERIODIC = frozenset({"date", "timestamp", "timestamptz"})
_DIGITS_MAX = 2000
"""A number of more digits than PostgreSQL reads back is shown as NULL."""

Shown = Callable[[Any], Any]


def masked(column: pa.ChunkedArray, of_type: PgType, mask: Mask, salt: bytes) -> pa.ChunkedArray:
    """Show a column as a mask has it; `salt` keys the codes of HASH, so that no other tenant has the same."""
    if mask.kind is MaskKind.TRUNCATE_DATE and of_type.name in _PERIODIC:
        return pc.floor_temporal(column, unit=mask.unit).cast(column.type)
    show = _shower(of_type, mask, salt)
    return nothing(len(column), of_type) if show is None else _by_value(column, of_type, show)


def shown_without_value(rows: int, of_type: PgType, mask: Mask) -> pa.ChunkedArray:
    """Return a masked column whose values need not be known."""
    if mask.kind is not MaskKind.CONST:
        return nothing(rows, of_type)
    value = _decimal_text(mask.value) if isinstance(mask.value, Decimal) else mask.value
    return pa.chunked_array([pa.repeat(pa.scalar(value, of_type.arrow), rows)])


def nothing(rows: int, of_type: PgType) -> pa.ChunkedArray:
    """Return a column of NULLs."""
    return pa.chunked_array([pa.nulls(rows, of_type.arrow)])


def _shower(of_type: PgType, mask: Mask, salt: bytes) -> Shown | None:
    """Return what shows one value, None for a type that the mask does not know."""
    if mask.kind is MaskKind.HASH:
        return _hasher(of_type, salt)
    if mask.kind is MaskKind.BUCKET:
        return _bucket(of_type, mask.width)
    if of_type.name not in _TEXTS:
        return None
    if mask.kind is MaskKind.REDACT:
        return lambda _: REDACTED
    if mask.kind is MaskKind.PARTIAL:
        return lambda text: _partial(text, mask)
    return None


def _by_value(column: pa.ChunkedArray, of_type: PgType, show: Shown) -> pa.ChunkedArray:
    """Show every distinct value once."""
    encoded = column.dictionary_encode().unify_dictionaries()
    chunks = []
    for chunk in encoded.chunks:
        values = pa.array([show(value) for value in chunk.dictionary.to_pylist()], of_type.arrow)
        chunks.append(values.take(chunk.indices))
    return pa.chunked_array(chunks, of_type.arrow)


def _partial(text: str, mask: Mask) -> str:
    hidden = len(text) - mask.first - mask.last
    if hidden <= 0:
        return mask.character * len(text)
    return text[: mask.first] + mask.character * hidden + text[len(text) - mask.last :]


def _hasher(of_type: PgType, salt: bytes) -> Shown | None:
    """Return a keyed code (HMAC-SHA-256, RFC 2104) of a value in its own type."""

    def digest(value: bytes) -> bytes:
        return hmac.new(salt, value, hashlib.sha256).digest()

    if of_type.name in _TEXTS:
        return lambda text: digest(text.encode()).hex()
    if of_type.name == "uuid":
        return lambda text: str(UUID(bytes=digest(text.lower().encode())[:16]))
    if of_type.name == "int8":
        return lambda number: int.from_bytes(digest(str(number).encode())[:8]) >> 1
    if of_type.name == "bytea":
        return digest
    return None


def _bucket(of_type: PgType, width: float) -> Shown | None:
    """Return what rounds a number down to a multiple of the width."""
    bits = _INTEGERS.get(of_type.name)
    if bits is not None:
        if width != int(width):
            return None
        step, least = int(width), -(2 ** (bits - 1))
        return lambda number: rounded if (rounded := number // step * step) >= least else None
    if of_type.name in ("float4", "float8"):
        return lambda number: math.floor(number / width) * float(width) if math.isfinite(number / width) else None
    if of_type.name == "numeric":
        return lambda text: _numeric_bucket(Decimal(text), Decimal(str(width)))
    return None


def _numeric_bucket(number: Decimal, width: Decimal) -> str | None:
    if not number.is_finite() or number.adjusted() > _DIGITS_MAX:
        return None
    with localcontext() as context:
        context.prec = 2 * _DIGITS_MAX
        return _decimal_text((number / width).to_integral_value(ROUND_FLOOR) * width)


def _decimal_text(number: Decimal) -> str:
    return format(number, "f")
