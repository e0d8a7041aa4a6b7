"""The binary form of numeric: base-10000 digits with weight, sign and display scale (PostgreSQL 18, numeric.c)."""

import struct
from decimal import Decimal

from wire.errors import ParameterInvalid

_HEADER = struct.Struct(">HhHH")
_NEGATIVE = 0x4000
_SPECIALS = {0xC000: Decimal("NaN"), 0xD000: Decimal("Infinity"), 0xF000: Decimal("-Infinity")}
_SPECIAL_HEADERS = {
    "NaN": _HEADER.pack(0, 0, 0xC000, 0),
    "Infinity": _HEADER.pack(0, 0, 0xD000, 0x20),
    "-Infinity": _HEADER.pack(0, 0, 0xF000, 0x20),
}
_SCALE_MAX = 0x3FFF


def decode_numeric(data: bytes) -> Decimal:
    """Decode a binary numeric; the exponent of the result is the display scale.

    Raises:
        ParameterInvalid: 22P03, a digit above 9999, an unknown sign or scale, a length that does not fit.
    """
    if len(data) < _HEADER.size:
        raise _invalid()
    digit_count, weight, sign, scale = _HEADER.unpack_from(data)
    if sign in _SPECIALS:
        return _SPECIALS[sign]
    if sign not in (0, _NEGATIVE) or scale > _SCALE_MAX or len(data) != _HEADER.size + 2 * digit_count:
        raise _invalid()
    digits = struct.unpack_from(f">{digit_count}H", data, _HEADER.size)
    if digits and max(digits) > 9999:
        raise _invalid()
    # One string of decimal digits with the decimal point behind `point` of them, cut or padded to the scale.
    text = "".join(f"{digit:04d}" for digit in digits)
    point = 4 * (weight + 1)
    if point < 0:
        text = "0" * -point + text
        point = 0
    text = text.ljust(point + scale, "0")[: point + scale] or "0"
    return Decimal((1 if sign else 0, tuple(map(int, text)), -scale))


def encode_numeric(value: Decimal) -> bytes:
    """Encode a numeric; the display scale is that of the value."""
    if not value.is_finite():
        return _SPECIAL_HEADERS["NaN" if value.is_nan() else "Infinity" if value > 0 else "-Infinity"]
    whole, _, fraction = format(value.copy_abs(), "f").partition(".")
    scale = len(fraction)
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    fraction = fraction.ljust(-(-scale // 4) * 4, "0")
    text = whole + fraction
    digits = [int(text[i : i + 4]) for i in range(0, len(text), 4)]
    weight = len(whole) // 4 - 1
    first = next((i for i, digit in enumerate(digits) if digit), len(digits))
    digits = digits[first:]
    weight -= first
    while digits and not digits[-1]:
        digits.pop()
    if not digits:
        return _HEADER.pack(0, 0, 0, scale)
    sign = _NEGATIVE if value < 0 else 0
    return _HEADER.pack(len(digits), weight, sign, scale) + struct.pack(f">{len(digits)}H", *digits)


def _invalid() -> ParameterInvalid:
    return ParameterInvalid(
        message="incorrect binary data format in bind parameter", detail="The data is no binary value of type numeric."
    )
