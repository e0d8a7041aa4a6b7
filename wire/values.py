"""Parameters of a Bind message turned into PostgreSQL's text form, whatever format the client chose.

Text passes through; binary is decoded by the receive functions' layouts (PostgreSQL 18, src/backend/utils/adt).
Timestamps with time zone come out in UTC. Pure.
"""

import struct
from collections.abc import Callable

from wire import oids, sqlstate
from wire.errors import ParameterInvalid, ProtocolViolation
from wire.payload import PayloadReader
from wire.scalar_text import (
    MICROSECONDS_PER_DAY,
    array_element_text,
    bool_text,
    bytea_text,
    date_text,
    decimal_text,
    float4_text,
    float8_text,
    interval_text,
    offset_text,
    time_text,
    timestamp_text,
    uuid_text,
)
from wire.values_numeric import decode_numeric

_POSTGRES_EPOCH_DAYS = 10_957
_INT32_MAX = (1 << 31) - 1
_INT64_MAX = (1 << 63) - 1
_DATE_RANGE = range(-2_451_545, 2_145_031_949)
_TIMESTAMP_RANGE = range(-211_813_488_000_000_000, 9_223_371_331_200_000_000)
_ZONE_SECONDS_MAX = 16 * 3600 - 1
_DIMENSIONS_MAX = 6


def decode_parameter(type_oid: int, format_code: int, data: bytes | None) -> str | None:
    """Return the text form of a parameter, None for NULL.

    Raises:
        ParameterInvalid: 22P03, binary data that is no value of the type, or a type without a decoder here;
            22021, text that is not UTF-8; 42804, an array of another element type; 22008, a date out of range.
    """
    if data is None:
        return None
    if format_code == 0:
        return _decode_characters(data)
    try:
        return _decode_binary(type_oid, data)
    except (ProtocolViolation, struct.error, OverflowError):
        raise _invalid(f"The data is no binary value of the type with OID {type_oid}.") from None


def _decode_binary(type_oid: int, data: bytes) -> str:
    element_oid = oids.ARRAY_ELEMENTS.get(type_oid)
    if element_oid is not None:
        return _decode_array(element_oid, data)
    decoder = _SCALARS.get(type_oid)
    if decoder is None:
        raise ParameterInvalid(
            message=f"binary parameters of the type with OID {type_oid} are not supported",
            hint="Send the parameter in text format.",
        )
    return decoder(data)


def _decode_characters(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ParameterInvalid(
            message='invalid byte sequence for encoding "UTF8"', sqlstate=sqlstate.CHARACTER_NOT_IN_REPERTOIRE
        ) from None
    if "\0" in text:
        raise ParameterInvalid(
            message='invalid byte sequence for encoding "UTF8": 0x00', sqlstate=sqlstate.CHARACTER_NOT_IN_REPERTOIRE
        )
    return text


def _integer(layout: str) -> Callable[[bytes], str]:
    return lambda data: str(struct.unpack(layout, data)[0])


def _decode_char(data: bytes) -> str:
    (code,) = struct.unpack(">B", data)
    if code >= 0x80:
        return f"\\{code:03o}"
    return chr(code) if code else ""


def _decode_jsonb(data: bytes) -> str:
    if data[:1] != b"\x01":
        raise _invalid("The jsonb version is not 1.")
    return _decode_characters(data[1:])


def _decode_uuid(data: bytes) -> str:
    if len(data) != 16:
        raise _invalid("A uuid has 16 bytes.")
    return uuid_text(data)


def _decode_date(data: bytes) -> str:
    (days,) = struct.unpack(">i", data)
    if days in (_INT32_MAX, -_INT32_MAX - 1):
        return "infinity" if days > 0 else "-infinity"
    if days not in _DATE_RANGE:
        raise _out_of_range("date")
    return date_text(days + _POSTGRES_EPOCH_DAYS)


def _decode_time(data: bytes) -> str:
    (microseconds,) = struct.unpack(">q", data)
    if not 0 <= microseconds <= MICROSECONDS_PER_DAY:
        raise _out_of_range("time")
    return time_text(microseconds)


def _decode_timetz(data: bytes) -> str:
    microseconds, zone_west_s = struct.unpack(">qi", data)
    if not 0 <= microseconds <= MICROSECONDS_PER_DAY or abs(zone_west_s) > _ZONE_SECONDS_MAX:
        raise _out_of_range("time with time zone")
    return time_text(microseconds) + offset_text(-zone_west_s)


def _timestamp(offset_s: int | None) -> Callable[[bytes], str]:
    def decode(data: bytes) -> str:
        (microseconds,) = struct.unpack(">q", data)
        if microseconds in (_INT64_MAX, -_INT64_MAX - 1):
            return "infinity" if microseconds > 0 else "-infinity"
        if microseconds not in _TIMESTAMP_RANGE:
            raise _out_of_range("timestamp")
        return timestamp_text(microseconds + _POSTGRES_EPOCH_DAYS * MICROSECONDS_PER_DAY, offset_s)

    return decode


def _decode_interval(data: bytes) -> str:
    microseconds, days, months = struct.unpack(">qii", data)
    if (months, days, microseconds) == (_INT32_MAX, _INT32_MAX, _INT64_MAX):
        return "infinity"
    if (months, days, microseconds) == (-_INT32_MAX - 1, -_INT32_MAX - 1, -_INT64_MAX - 1):
        return "-infinity"
    return interval_text(months, days, microseconds)


_SCALARS: dict[int, Callable[[bytes], str]] = {
    oids.BOOL: lambda data: bool_text(struct.unpack(">B", data)[0]),
    oids.INT2: _integer(">h"),
    oids.INT4: _integer(">i"),
    oids.INT8: _integer(">q"),
    oids.OID: _integer(">I"),
    oids.FLOAT4: lambda data: float4_text(struct.unpack(">f", data)[0]),
    oids.FLOAT8: lambda data: float8_text(struct.unpack(">d", data)[0]),
    oids.NUMERIC: lambda data: decimal_text(decode_numeric(data)),
    oids.CHAR: _decode_char,
    oids.BYTEA: bytea_text,
    oids.JSONB: _decode_jsonb,
    oids.UUID: _decode_uuid,
    oids.DATE: _decode_date,
    oids.TIME: _decode_time,
    oids.TIMETZ: _decode_timetz,
    oids.TIMESTAMP: _timestamp(None),
    oids.TIMESTAMPTZ: _timestamp(0),
    oids.INTERVAL: _decode_interval,
    **dict.fromkeys(oids.CHARACTER_TYPES - {oids.CHAR}, _decode_characters),
}


def _decode_array(element_oid: int, data: bytes) -> str:
    reader = PayloadReader(data)
    dimension_count = reader.int32()
    if not 0 <= dimension_count <= _DIMENSIONS_MAX:
        raise _invalid("An array has at most 6 dimensions.")
    if reader.int32() not in (0, 1):
        raise _invalid("The array flags are neither 0 nor 1.")
    received_oid = reader.uint32()
    if received_oid != element_oid:
        raise ParameterInvalid(
            message=f"binary data has array element type {received_oid} instead of expected {element_oid}",
            sqlstate=sqlstate.DATATYPE_MISMATCH,
        )
    sizes, bounds = [], []
    element_count = 1 if dimension_count else 0
    for _ in range(dimension_count):
        size, lower_bound = reader.int32(), reader.int32()
        element_count *= size
        if size < 0 or lower_bound + size > _INT32_MAX or element_count * 4 > reader.remaining_bytes:
            raise _invalid("The array dimensions do not fit the data.")
        sizes.append(size)
        bounds.append(lower_bound)
    elements = [_decode_element(element_oid, reader.sized()) for _ in range(element_count)]
    reader.finish()
    if not elements:
        return "{}"
    prefix = "".join(f"[{low}:{low + size - 1}]" for low, size in zip(bounds, sizes, strict=True))
    literal = _nest(elements, sizes)
    return literal if all(low == 1 for low in bounds) else f"{prefix}={literal}"


def _decode_element(element_oid: int, data: bytes | None) -> str:
    return array_element_text(None if data is None else _decode_binary(element_oid, data))


def _nest(elements: list[str], sizes: list[int]) -> str:
    for size in reversed(sizes):
        elements = ["{" + ",".join(elements[i : i + size]) + "}" for i in range(0, len(elements), size)]
    return elements[0]


def _invalid(detail: str) -> ParameterInvalid:
    return ParameterInvalid(message="incorrect binary data format in bind parameter", detail=detail)


def _out_of_range(type_name: str) -> ParameterInvalid:
    return ParameterInvalid(message=f"{type_name} out of range", sqlstate=sqlstate.DATETIME_FIELD_OVERFLOW)
