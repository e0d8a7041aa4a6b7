"""jsonb as PostgreSQL 18 reads, orders and shows it: values of Python's `json` whose numbers keep their digits. Pure.

Functions raise where PostgreSQL reports an error, or has an answer of its own: the statement is then executed by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from omnisql_server.execute.numeric_functions import key, show

_EXPONENT_MAX = 1_000
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPED = str.maketrans({**{chr(code): f"\\u{code:04x}" for code in range(32)}, **_ESCAPES})
_END = "\x01\x01"
"""What ends a text or number within a key: less than whatever may follow a beginning of it."""


class JsonFailure(ValueError):
    """PostgreSQL reports an error here."""


def read(text: str) -> Any:
    """Read a JSON text; a number is a Decimal, of equal keys the last counts.

    Raises:
        ValueError: PostgreSQL would not read it.
    """
    value = json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_refuse)
    if "\\u" in text and "\x00" in "".join(_texts(value)):
        raise JsonFailure("a text with a zero byte")
    text.encode()
    return value


def _number(text: str) -> Decimal:
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _EXPONENT_MAX:
        raise JsonFailure("a number with a large exponent")
    return value


def _refuse(word: str) -> Any:
    raise JsonFailure(word)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    for inner in value if isinstance(value, list) else value.items() if isinstance(value, dict) else ():
        for part in inner if isinstance(inner, tuple) else (inner,):
            yield from _texts(part)


def quote(text: str) -> str:
    """Write a text as a JSON string: `escape_json`."""
    text.encode()
    return f'"{text.translate(_ESCAPED)}"'


def _sorted(value: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(value.items(), key=lambda pair: (len(pair[0].encode()), pair[0].encode()))


def scalar_text(value: Any) -> str:
    """Write a value that holds no other."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return show(value) if isinstance(value, Decimal) else quote(value)


def write(value: Any) -> str:
    """Write a value as jsonb is shown."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quote(name)}: {write(inner)}" for name, inner in _sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write, value)) + "]"
    return scalar_text(value)


def pretty(value: Any, depth: int = 0) -> str:
    """Write a value over several lines: `jsonb_pretty`."""
    if not isinstance(value, dict | list):
        return scalar_text(value)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    margin = "\n" + "    " * depth
    if isinstance(value, dict):
        parts = [f"{quote(name)}: {pretty(inner, depth + 1)}" for name, inner in _sorted(value)]
    else:
        parts = [pretty(inner, depth + 1) for inner in value]
    return opening + ",".join(f"{margin}    {part}" for part in parts) + margin + closing


def order_key(value: Any) -> str:
    """Return a text whose order of bytes is the order of jsonb: `compareJsonbContainers`.

    An array comes after those with fewer elements, and a value that is none counts there as one of one element.
    """
    if isinstance(value, dict):
        return "B" + _nested_key(value)
    if isinstance(value, list):
        return f"A{len(value):08}1" + "".join(map(_nested_key, value))
    return "A000000010" + _nested_key(value)


def _nested_key(value: Any) -> str:
    if value is None:
        return "0"
    if isinstance(value, str):
        return "1" + value.replace("\x01", "\x01\x02") + _END
    if isinstance(value, bool):
        return "31" if value else "30"
    if isinstance(value, Decimal):
        return "2" + key(show(value)) + _END
    if isinstance(value, list):
        return f"4{len(value):08}" + "".join(map(_nested_key, value))
    pairs = ((_nested_key(name), _nested_key(inner)) for name, inner in _sorted(value))
    return f"5{len(value):08}" + "".join(name + inner for name, inner in pairs)


def is_plain(value: Any) -> bool:
    """Say whether equal values look alike: no number has a zero at the end of its fraction."""
    if isinstance(value, Decimal):
        shown = show(value)
        return "." not in shown or not shown.endswith("0")
    if isinstance(value, dict):
        return all(map(is_plain, value.values()))
    return all(map(is_plain, value)) if isinstance(value, list) else True


def equal(left: Any, right: Any) -> bool:
    """Say whether two values are the same to jsonb."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(inner, right[name]) for name, inner in left.items())
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


def contains(left: Any, right: Any, *, outermost: bool = True) -> bool:
    """Say whether a value contains another: `@>`. An array contains a value that is none, at the outermost alone."""
    if isinstance(right, dict):
        return isinstance(left, dict) and all(
            name in left and contains(left[name], inner, outermost=False) for name, inner in right.items()
        )
    if isinstance(right, list):
        return isinstance(left, list) and all(
            any(contains(found, inner, outermost=False) for found in left)
            if isinstance(inner, dict | list)
            else any(equal(found, inner) for found in left)
            for inner in right
        )
    if outermost and isinstance(left, list):
        return any(equal(found, right) for found in left)
    return equal(left, right)


def kind(value: Any) -> str:
    """Name the type of a value: `jsonb_typeof`."""
    if value is None:
        return "null"
    names = {dict: "object", list: "array", bool: "boolean", Decimal: "number", str: "string"}
    return names[type(value)]


def as_text(value: Any) -> str | None:
    """Give a value as `->>` does: a string without its quotes, null as null."""
    if value is None:
        return None
    return value if isinstance(value, str) else write(value)


MISSING = object()
"""What there is where a path leads nowhere."""


def at_key(value: Any, name: str) -> Any:
    """Take a field of an object."""
    return value.get(name, MISSING) if isinstance(value, dict) else MISSING


def at_place(value: Any, place: int) -> Any:
    """Take an element of an array, from the end if `place` is negative; a value that is none is one of one element."""
    if isinstance(value, dict):
        return MISSING
    elements = value if isinstance(value, list) else [value]
    return elements[place] if -len(elements) <= place < len(elements) else MISSING


def at_path(value: Any, path: list[str]) -> Any:
    """Follow a path of fields and places: `#>`."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list):
            place = _place(step)
            value = MISSING if place is None or not -len(value) <= place < len(value) else value[place]
        else:
            return MISSING
    return value


def _place(step: str) -> int | None:
    plain = step.removeprefix("-")
    if plain.isascii() and plain.isdigit() and len(plain) < 9:
        return int(step)
    if plain.isalpha() or not plain:
        return None
    raise JsonFailure("a place in another form")


def without_path(value: Any, path: list[str]) -> Any:
    """Leave out what a path leads to: `#-`."""
    if not isinstance(value, dict | list):
        raise JsonFailure("cannot delete path in scalar")
    return _without(value, path) if value else value


def _without(value: Any, path: list[str]) -> Any:
    if not path or not isinstance(value, dict | list):
        return value
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        if step not in value:
            return value
        changed = {} if not rest else {step: _without(value[step], rest)}
        return {**{name: inner for name, inner in value.items() if name != step}, **changed}
    place = _place(step)
    if place is None:
        raise JsonFailure("a path element that is no integer")
    if not -len(value) <= place < len(value):
        return value
    place %= len(value)
    return value[:place] + ([_without(value[place], rest)] if rest else []) + value[place + 1 :]


def joined(left: Any, right: Any) -> Any:
    """Join two values: `||`."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left | right
    return (left if isinstance(left, list) else [left]) + (right if isinstance(right, list) else [right])


def without_key(value: Any, name: str) -> Any:
    """Leave out a field, or the strings of an array that are the name: `-`."""
    if isinstance(value, dict):
        return {known: inner for known, inner in value.items() if known != name}
    if isinstance(value, list):
        return [inner for inner in value if inner != name]
    raise JsonFailure("cannot delete from scalar")


def without_place(value: Any, place: int) -> Any:
    """Leave out an element: `-` of an integer."""
    if not isinstance(value, list):
        raise JsonFailure("cannot delete from object using integer index")
    if not -len(value) <= place < len(value):
        return value
    return value[: place % len(value)] + value[place % len(value) + 1 :]


def has_key(value: Any, name: str) -> bool:
    """Say whether a text is a field, an element, or the value itself: `?`."""
    if isinstance(value, dict | list):
        return any(isinstance(found, str) and found == name for found in value)
    return isinstance(value, str) and value == name


def without_nulls(value: Any) -> Any:
    """Leave out fields that are null, at every depth: `jsonb_strip_nulls`."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value
