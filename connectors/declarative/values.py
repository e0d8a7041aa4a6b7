"""Values of predicates as an API takes them, and whether it can take them at all. Pure.

What an API would read otherwise than PostgreSQL (an empty parameter, a separator within a text) is not sent.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from connectors.declarative.manifest import Push
from connectors.sdk.scan import Operator, Value

LISTED_MAX = 100
"""The longest list of an `in` that is sent when the manifest names no other; URLs are bounded in practice."""

SHAPED: dict[str, tuple[Operator, str]] = {
    f"{'i' if operator is Operator.ILIKE else ''}like_{shape}": (operator, shape)
    for operator in (Operator.LIKE, Operator.ILIKE)
    for shape in ("prefix", "suffix", "contains")
}
"""Operators of a manifest that take patterns of one shape."""

LOWER = frozenset({Operator.GT, Operator.GE})
UPPER = frozenset({Operator.LT, Operator.LE})
_SHAPES = {"prefix": r"([^%]+)%", "suffix": r"%([^%]+)", "contains": r"%([^%]+)%"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, tzinfo=UTC)


def operator_named(name: str) -> tuple[Operator, str | None]:
    """Return what an operator of a manifest is in a scan, and the shape of pattern it is for."""
    if name in SHAPED:
        return SHAPED[name]
    return Operator({"contains": "@>"}.get(name, name.replace("_", " "))), None


def text_within(pattern: Value, shape: str, *, ascii_only: bool) -> str | None:
    """Return the text of a pattern that has a shape, None for any other pattern."""
    if not isinstance(pattern, str) or "_" in pattern or "\\" in pattern or (ascii_only and not pattern.isascii()):
        return None
    found = re.fullmatch(_SHAPES[shape], pattern, re.DOTALL)
    return found.group(1) if found else None


def is_sendable(push: Push, operator: Operator, value: Value, *, as_json: bool) -> bool:
    """Tell whether a value can be sent with the meaning that it has in PostgreSQL."""
    if push.value is not None:
        return not push.accepts or _text(value) in push.accepts
    if value is None:
        return False
    if push.sends:
        return _text(value) in push.sends
    if isinstance(value, tuple):
        length_max = push.maximum or LISTED_MAX
        return 0 < len(value) <= length_max and all(_is_plain(push, each, as_json) for each in value)
    return operator not in {Operator.IN, Operator.NOT_IN, Operator.CONTAINS} and _is_plain(push, value, as_json)


def written(push: Push, operator: Operator, value: Value) -> object:
    """Return a value in JSON's terms; a list stays one unless the API wants it joined."""
    if push.value is not None:
        return push.value
    if push.sends:
        return push.sends[_text(value)]
    if isinstance(value, tuple):
        listed = [_single(push, operator, each) for each in value]
        return push.join.join(map(_text, listed)) if push.join is not None else listed
    return _single(push, operator, value)


def as_texts(value: object) -> list[str]:
    """Return an input as the values of a query parameter, which may be repeated."""
    return [_text(each) for each in value] if isinstance(value, list) else [_text(value)]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _is_plain(push: Push, value: Value, as_json: bool) -> bool:
    if value is None or isinstance(value, tuple) or (push.accepts and _text(value) not in push.accepts):
        return False
    if push.pattern is not None and isinstance(value, str | int) and re.fullmatch(push.pattern, _text(value)) is None:
        return False
    if not isinstance(value, str):
        return True
    # APIs ignore an empty parameter, trim others and split lists at commas.
    is_itself = as_json or value.strip() == value != ""
    return is_itself and (push.join is None or push.join not in value)


def _single(push: Push, operator: Operator, value: Value) -> object:
    if isinstance(value, datetime):
        return _moment(push, operator, value)
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _moment(push: Push, operator: Operator, moment: datetime) -> object:
    """Write a time rounded outward to the API's unit, so that no row within the bound is lost."""
    written_in = timedelta(milliseconds=1) if push.format.endswith("_ms") else timedelta(seconds=1)
    unit = written_in if push.rounded_s is None else timedelta(seconds=push.rounded_s)
    count, rest = divmod(min(max(moment.astimezone(UTC), _EPOCH + push.exclusive * unit), _END) - _EPOCH, unit)
    if operator in UPPER:
        count += (1 if rest else 0) + push.exclusive
    else:
        count -= push.exclusive
    if push.format.startswith("epoch"):
        return count * (unit // written_in)
    rounded = _EPOCH + count * unit
    return rounded.isoformat(timespec="milliseconds" if push.format == "iso_ms" else "seconds").replace("+00:00", "Z")
