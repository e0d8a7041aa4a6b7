"""PostgreSQL's numeric in DuckDB: functions over its text form, so that the scale travels with the value. Pure.

They are Python over Arrow batches: exact at any number of digits. The scales of results are those of numeric.c of
PostgreSQL 18. What PostgreSQL answers with an error is one here too: the statement is then executed by PostgreSQL.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from functools import reduce

from wire.scalar_text import float8_text

_EXACT = Context(prec=20_000, Emax=999_999, Emin=-999_999, traps=[])
_SIGNIFICANT_DIGITS_MIN = 16
_SCALE_MAX = 1_000
_GROUP = 4
"""Decimal digits in a digit of numeric.c."""

_ONE = Decimal(1)
_DIGITS = re.compile(r"[+-]?[0-9]{1,1000}(\.[0-9]{1,1000})?")
_KEY_DIGITS = str.maketrans("0123456789", "9876543210")


class NumericFailure(ArithmeticError):
    """PostgreSQL reports an error here, or has a result of its own."""


def _read(text: str) -> Decimal:
    value = Decimal(text)
    if value.is_infinite():
        raise NumericFailure(text)
    return value


def _scale(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


def show(value: Decimal) -> str:
    """Write a number as PostgreSQL does."""
    if value.is_nan():
        return "NaN"
    shown = format(value, "f")
    return shown[1:] if shown.startswith("-") and not value else shown


def _at_scale(value: Decimal, scale: int, rounding: str) -> Decimal:
    return value.quantize(_ONE.scaleb(-scale), rounding=rounding, context=_EXACT) if not value.is_nan() else value


def _leading(value: Decimal) -> tuple[int, int]:
    """Return the place to base 10000 of the first digit that is not 0, and that digit."""
    if not value:
        return 0, 0
    weight = value.adjusted() // _GROUP
    return weight, int(value.copy_abs().scaleb(-_GROUP * weight, context=_EXACT))


def quotient_scale(left: Decimal, right: Decimal) -> int:
    """Return how many digits a quotient has after its point: `select_div_scale`."""
    (left_weight, left_digit), (right_weight, right_digit) = _leading(left), _leading(right)
    weight = left_weight - right_weight - (1 if left_digit <= right_digit else 0)
    scale = max(_SIGNIFICANT_DIGITS_MIN - weight * _GROUP, _scale(left), _scale(right), 0)
    return min(scale, _SCALE_MAX)


def _divide(left: Decimal, right: Decimal) -> Decimal:
    if left.is_nan() or right.is_nan():
        return Decimal("NaN")
    if not right:
        raise NumericFailure("division by zero")
    scale = quotient_scale(left, right)
    shift = scale + _scale(right) - _scale(left)
    top = int(left.scaleb(_scale(left), context=_EXACT)) * 10 ** max(shift, 0)
    bottom = int(right.scaleb(_scale(right), context=_EXACT)) * 10 ** max(-shift, 0)
    whole = (2 * abs(top) + abs(bottom)) // (2 * abs(bottom))
    return Decimal(-whole if (top < 0) != (bottom < 0) else whole).scaleb(-scale, context=_EXACT)


def _remainder(left: Decimal, right: Decimal) -> Decimal:
    if left.is_nan() or right.is_nan():
        return Decimal("NaN")
    if not right:
        raise NumericFailure("division by zero")
    return _at_scale(_EXACT.remainder(left, right), max(_scale(left), _scale(right)), ROUND_DOWN)


def _rounded(value: Decimal, places: int, rounding: str) -> Decimal:
    if value.is_nan():
        return value
    if places >= 0:
        return _at_scale(value, places, rounding)
    return _at_scale(value.quantize(_ONE.scaleb(-places), rounding=rounding, context=_EXACT), 0, rounding)


def _limited(value: Decimal, digits: int, places: int) -> Decimal:
    found = _rounded(value, places, ROUND_HALF_UP)
    if not found.is_nan() and found.copy_abs() >= _ONE.scaleb(digits - places):
        raise NumericFailure("numeric field overflow")
    return found


def _root(value: Decimal, scale: int) -> Decimal:
    """Return a square root with so many digits, rounded to the nearest: `sqrt_var`."""
    shifted = int(value.scaleb(2 * scale, context=_EXACT))
    root = math.isqrt(shifted)
    return Decimal(root + (shifted - root * root > root)).scaleb(-scale, context=_EXACT)


def _square_root(value: Decimal) -> Decimal:
    if value.is_nan():
        return value
    if value < 0:
        raise NumericFailure("square root of a negative number")
    weight = _leading(value)[0] * _GROUP
    half = weight // 2 + 1 if weight >= 0 else 1 - (1 - weight) // 2
    return _root(value, min(max(_SIGNIFICANT_DIGITS_MIN - half, _scale(value)), _SCALE_MAX))


def _spread(parts: list[str], sample: int) -> tuple[Decimal, int] | None:
    """Give the variance of integers by count, sum and sum of squares, and its scale: `numeric_stddev_internal`."""
    count, total, squares = map(int, parts)
    if count <= sample:
        return None
    top, bottom = Decimal(count * squares - total * total), Decimal(count * (count - 1 if sample else count))
    if top <= 0:
        return Decimal(0), 0
    return _divide(top, bottom), quotient_scale(top, bottom)


def _variance(parts: list[str | None], sample: int) -> str | None:
    found = _spread([part for part in parts if part is not None], sample) if None not in parts else None
    return show(found[0]) if found is not None else None


def _deviation(parts: list[str | None], sample: int) -> str | None:
    found = _spread([part for part in parts if part is not None], sample) if None not in parts else None
    return show(_root(*found)) if found is not None else None


def _factorial(number: int) -> str:
    if not 0 <= number <= 1_000:
        raise NumericFailure("factorial of such a number")
    return str(math.factorial(number))


def _shortest(value: Decimal) -> Decimal:
    """Leave out zeros at the end of the fraction: `trim_scale`."""
    return value if value.is_nan() else _at_scale(value, max(_scale(value.normalize(_EXACT)), 0), ROUND_DOWN)


def _digits_after(text: str) -> str | None:
    value = _read(text)
    return None if value.is_nan() else str(_scale(value))


def _sign(value: Decimal) -> Decimal:
    return value if value.is_nan() else Decimal((value > 0) - (value < 0))


def _total(texts: list[str | None]) -> str | None:
    values = [_read(text) for text in texts if text is not None]
    return show(reduce(_EXACT.add, values)) if values else None


def key(text: str) -> str:
    """Return a text whose order of bytes is the order of numbers; equal numbers of any scale have the same."""
    special = {"-Infinity": "/", "Infinity": "2", "NaN": "3"}.get(text)
    if special is not None:
        return special
    whole, _, fraction = text.lstrip("-").partition(".")
    whole, fraction = whole.lstrip("0"), fraction.rstrip("0")
    magnitude = f"{len(whole):06}{whole}{fraction}"
    negative = text.startswith("-") and (whole or fraction)
    return f"0{magnitude.translate(_KEY_DIGITS)}~" if negative else f"1{magnitude}"


def _extreme(texts: list[str | None], sign: int) -> str | None:
    """Return the least or greatest; of equal ones the last, as PostgreSQL does."""
    found: tuple[str, str] | None = None
    for text in texts:
        if text is None:
            continue
        place = key(text)
        if found is None or place == found[0] or (place < found[0]) == (sign < 0):
            found = place, text
    return found[1] if found is not None else None


def _from_text(text: str) -> str:
    if _DIGITS.fullmatch(text) is None:
        raise NumericFailure(text)
    return show(Decimal(text))


def _from_float(value: float) -> str:
    """Return what the cast of a float8 gives: 15 significant digits."""
    return show(Decimal(f"{value:.15g}")) if math.isfinite(value) else float8_text(value)


def _unary(work: Callable[[Decimal], Decimal]) -> Callable[[str], str]:
    return lambda text: show(work(_read(text)))


def _binary(work: Callable[[Decimal, Decimal], Decimal]) -> Callable[[str, str], str]:
    return lambda left, right: show(work(_read(left), _read(right)))


FUNCTIONS: dict[str, tuple[Callable[..., str | None], tuple[str, ...]]] = {
    "omnisql_n_add": (_binary(_EXACT.add), ("VARCHAR", "VARCHAR")),
    "omnisql_n_sub": (_binary(_EXACT.subtract), ("VARCHAR", "VARCHAR")),
    "omnisql_n_mul": (_binary(_EXACT.multiply), ("VARCHAR", "VARCHAR")),
    "omnisql_n_div": (_binary(_divide), ("VARCHAR", "VARCHAR")),
    "omnisql_n_mod": (_binary(_remainder), ("VARCHAR", "VARCHAR")),
    "omnisql_n_neg": (_unary(Decimal.copy_negate), ("VARCHAR",)),
    "omnisql_n_abs": (_unary(Decimal.copy_abs), ("VARCHAR",)),
    "omnisql_n_sign": (_unary(_sign), ("VARCHAR",)),
    "omnisql_n_floor": (_unary(lambda a: _at_scale(a, 0, ROUND_FLOOR)), ("VARCHAR",)),
    "omnisql_n_ceil": (_unary(lambda a: _at_scale(a, 0, ROUND_CEILING)), ("VARCHAR",)),
    "omnisql_n_round": (lambda a, n: show(_rounded(_read(a), n, ROUND_HALF_UP)), ("VARCHAR", "INTEGER")),
    "omnisql_n_trunc": (lambda a, n: show(_rounded(_read(a), n, ROUND_DOWN)), ("VARCHAR", "INTEGER")),
    "omnisql_n_limited": (lambda a, n, s: show(_limited(_read(a), n, s)), ("VARCHAR", "INTEGER", "INTEGER")),
    "omnisql_n_key": (key, ("VARCHAR",)),
    "omnisql_n_min": (lambda texts: _extreme(texts, -1), ("VARCHAR[]",)),
    "omnisql_n_max": (lambda texts: _extreme(texts, 1), ("VARCHAR[]",)),
    "omnisql_n_quot": (_binary(lambda a, b: _at_scale(_divide(a, b), 0, ROUND_DOWN)), ("VARCHAR", "VARCHAR")),
    "omnisql_n_read": (_from_text, ("VARCHAR",)),
    "omnisql_f_numeric": (_from_float, ("DOUBLE",)),
    "omnisql_f_text": (float8_text, ("DOUBLE",)),
    "omnisql_n_sqrt": (_unary(_square_root), ("VARCHAR",)),
    "omnisql_n_variance": (_variance, ("VARCHAR[]", "INTEGER")),
    "omnisql_n_deviation": (_deviation, ("VARCHAR[]", "INTEGER")),
    "omnisql_n_factorial": (_factorial, ("BIGINT",)),
    "omnisql_n_trim": (_unary(_shortest), ("VARCHAR",)),
    "omnisql_n_scale": (_digits_after, ("VARCHAR",)),
    "omnisql_n_min_scale": (lambda text: _digits_after(show(_shortest(_read(text)))), ("VARCHAR",)),
    "omnisql_n_total": (_total, ("VARCHAR[]",)),
}
"""Each function over values that are not null, and the types of its arguments; all give a text."""
