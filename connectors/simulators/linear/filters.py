"""What Linear's filters, orders and cursors mean, evaluated over nodes. Pure.

Where the documentation is silent, the reading that returns more was taken: neq and nin hold for null.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

Filter = Mapping[str, Any]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def matches(node: Any, condition: Filter) -> bool:
    """Tell whether a node, or a value, satisfies every part of a filter."""
    return all(_holds(node, name, wanted) for name, wanted in condition.items())


def ordered(nodes: Sequence[Mapping[str, Any]], order_by: str | None) -> list[Mapping[str, Any]]:
    """Return nodes newest first, by creation unless asked otherwise."""
    return sorted(nodes, key=lambda node: (node[order_by or "createdAt"], node["id"]), reverse=True)


def _holds(node: Any, name: str, wanted: Any) -> bool:
    if name == "and":
        return all(matches(node, each) for each in wanted)
    if name == "or":
        return any(matches(node, each) for each in wanted)
    if name == "null":
        return (node is None) is wanted
    if name == "some":
        return any(matches(each, wanted) for each in node or ())
    if name == "every":
        return all(matches(each, wanted) for each in node or ())
    if name in _COMPARATORS:
        return _COMPARATORS[name](node, wanted)
    return matches(node.get(name) if isinstance(node, Mapping) else None, wanted)


def _compared(act: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: value is not None and act(_comparable(value), _comparable(wanted))


def _comparable(value: Any) -> Any:
    if isinstance(value, str) and _TIME.fullmatch(value):
        return datetime.fromisoformat(value)
    return value


def _texts(act: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, wanted: isinstance(value, str) and act(value, wanted)


_COMPARATORS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _compared(lambda a, b: a == b),
    "neq": lambda value, wanted: value is None or _comparable(value) != _comparable(wanted),
    "in": lambda value, wanted: value is not None and _comparable(value) in [_comparable(each) for each in wanted],
    "nin": lambda value, wanted: value is None or _comparable(value) not in [_comparable(each) for each in wanted],
    "gt": _compared(lambda a, b: a > b),
    "gte": _compared(lambda a, b: a >= b),
    "lt": _compared(lambda a, b: a < b),
    "lte": _compared(lambda a, b: a <= b),
    "contains": _texts(lambda a, b: b in a),
    "containsIgnoreCase": _texts(lambda a, b: b.lower() in a.lower()),
    "startsWith": _texts(lambda a, b: a.startswith(b)),
    "startsWithIgnoreCase": _texts(lambda a, b: a.lower().startswith(b.lower())),
    "endsWith": _texts(lambda a, b: a.endswith(b)),
    "eqIgnoreCase": _texts(lambda a, b: a.lower() == b.lower()),
}
