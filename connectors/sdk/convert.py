"""JSON values of one column to an Arrow array of its PostgreSQL type. Pure.

Strict on purpose: what Arrow would bend (1.5 to 1, true to 1, text to a list of characters) does not fit here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from catalog.types import BY_SQL_NAME, PgType

Values = Sequence[object]
_ENCODER = msgspec.json.Encoder()
# An escaped NUL: an odd number of backslashes before u0000. PostgreSQL's jsonb refuses it, as text refuses the byte.
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Unfit(ValueError):
    """A value does not fit the type of its column; says nothing of the value."""


def convert(values: Values, target: PgType) -> pa.Array[Any]:
    """Convert the values of one column.

    Raises:
        Unfit: a value is not one of the type.
    """
    if target.element is not None:
        return _arrays(values, BY_SQL_NAME[target.element])
    convert_scalars = _SCALARS.get(target.name)
    if convert_scalars is None:
        raise Unfit
    try:
        return convert_scalars(values, target)
    except (pa.ArrowException, OverflowError, ValueError, TypeError):
        # Arrow's message quotes the value.
        raise Unfit from None


def _arrays(values: Values, element: PgType) -> pa.Array[Any]:
    flat: list[object] = []
    offsets: list[int | None] = []
    for value in values:
        if value is None:
            offsets.append(None)
            continue
        if not isinstance(value, list | tuple):
            raise Unfit
        offsets.append(len(flat))
        flat.extend(value)
    offsets.append(len(flat))
    elements = convert(flat, element)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements)


def _texts(values: Values, target: PgType) -> pa.Array[Any]:
    array: pa.Array[Any] = pa.array(values, target.arrow)
    if pc.any(pc.match_substring(array, "\0")).as_py():
        raise Unfit
    return array


def _booleans(values: Values, target: PgType) -> pa.Array[Any]:
    return pa.array(values, target.arrow)


def _integers(values: Values, target: PgType) -> pa.Array[Any]:
    return pa.array([_integer(value) for value in values], target.arrow)


def _integer(value: object) -> int | None:
    if value is None or type(value) is int:
        return value
    # 3.0 is the integer three in JSON (RFC 8259, section 6), 3.5 is none.
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    raise Unfit


def _floats(values: Values, target: PgType) -> pa.Array[Any]:
    if any(value is not None and type(value) not in {int, float} for value in values):
        raise Unfit
    return pa.array([None if value is None else float(value) for value in values], target.arrow)  # type: ignore[arg-type]


def _numerics(values: Values, target: PgType) -> pa.Array[Any]:
    return pa.array([None if value is None else _numeric(value) for value in values], target.arrow)


def _numeric(value: object) -> str:
    if type(value) not in {int, float, str}:
        raise Unfit
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        raise Unfit from None
    return format(exact, "f") if exact.is_finite() else str(exact)


def _timestamps(values: Values, target: PgType) -> pa.Array[Any]:
    if any(value is not None and type(value) is not str for value in values):
        raise Unfit
    texts = pa.array(values, pa.string())
    try:
        return texts.cast(target.arrow)
    except pa.ArrowInvalid:
        # More digits than microseconds, or another ISO 8601 form than Arrow's own.
        return pa.array([None if value is None else _moment(str(value)) for value in values], target.arrow)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise Unfit
    return moment.astimezone(UTC)


def _dates(values: Values, target: PgType) -> pa.Array[Any]:
    if any(value is not None and (type(value) is not str or len(value) != 10) for value in values):
        raise Unfit
    return pa.array([None if value is None else date.fromisoformat(str(value)) for value in values], target.arrow)


def _documents(values: Values, target: PgType) -> pa.Array[Any]:
    return pa.array([None if value is None else _document(value) for value in values], target.arrow)


def _document(value: object) -> str:
    encoded = _ENCODER.encode(value)
    if b"\\u0000" in encoded and _ESCAPED_NUL.search(encoded):
        raise Unfit
    return encoded.decode()


def _uuids(values: Values, target: PgType) -> pa.Array[Any]:
    return pa.array([None if value is None else str(UUID(str(value))) for value in values], target.arrow)


_SCALARS: dict[str, Callable[[Values, PgType], pa.Array[Any]]] = {
    "bool": _booleans,
    "int2": _integers,
    "int4": _integers,
    "int8": _integers,
    "float4": _floats,
    "float8": _floats,
    "numeric": _numerics,
    "text": _texts,
    "varchar": _texts,
    "timestamptz": _timestamps,
    "date": _dates,
    "json": _documents,
    "jsonb": _documents,
    "uuid": _uuids,
}
