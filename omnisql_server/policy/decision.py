"""The answer to a question, taken only if all of it is understood: no condition must be left out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.sdk.scan import Value
from omnisql_server.errors import PolicyUndecided
from omnisql_server.model.mask import DATE_UNITS, Mask, MaskKind
from omnisql_server.model.row_filter import (
    SETS,
    TEXT_PARTS,
    Comparison,
    Condition,
    Connective,
    FilterOperator,
    Junction,
    RowFilter,
)

_CONNECTIVES = {each.value: each for each in Connective}
_OPERATORS = {each.value: each for each in FilterOperator}
_KINDS = {each.value: each for each in MaskKind}
_LISTED = SETS | TEXT_PARTS
_STRENGTH = {kind: place for place, kind in enumerate(MaskKind)}
_DEPTH_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """A policy that does not let a resource be read; empty where the decision names none."""

    index: int | None
    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What policy says to a question; filters and masks are by the index of its resource."""

    revision: str
    denials: tuple[Denial, ...]
    filters: tuple[tuple[RowFilter, ...], ...]
    masks: tuple[Mapping[str, Mask], ...]


def read_decision(answer: Any, resources: int) -> Decision:
    """Take a decision document about a number of resources.

    Raises:
        PolicyUndecided: 42501, it is undefined, lacks a part, or has one that is unknown.
    """
    answer = _mapping(answer, "the decision")
    allow = answer.get("allow")
    denials = [
        Denial(index=_index(item, resources), policy=_text(item, "policy")) for item in _list(answer, "denyReasons")
    ]
    if not isinstance(allow, bool):
        raise _undecided("allow is undefined")
    if not allow and not denials:
        denials = [Denial(index=None, policy="")]
    filters_read: dict[tuple[str, str], RowFilter] = {}
    masks_read: dict[tuple[str, str], Mask] = {}
    filters: list[list[RowFilter]] = [[] for _ in range(resources)]
    for item in _list(answer, "rowFilters"):
        # A policy says the same of many tables. Equal values are not enough: 1 equals true.
        said = (_text(item, "policy"), repr(item.get("filter")))
        found = filters_read.get(said)
        if found is None:
            found = filters_read[said] = RowFilter(policy=said[0], condition=_condition(item.get("filter"), 0))
        index = _index(item, resources)
        if found.conjuncts:
            filters[index].append(found)
    masks: list[dict[str, Mask]] = [{} for _ in range(resources)]
    for item in _list(answer, "columnMasks"):
        of_resource, column = masks[_index(item, resources)], _text(item, "column")
        said = (_text(item, "policy"), repr(item.get("mask")))
        mask = masks_read.get(said)
        if mask is None:
            mask = masks_read[said] = _mask(item)
        other = of_resource.get(column)
        if other is None or _STRENGTH[mask.kind] < _STRENGTH[other.kind]:
            of_resource[column] = mask
    return Decision(
        revision=_text(answer, "revision"),
        denials=tuple(denials),
        filters=tuple(tuple(of_resource) for of_resource in filters),
        masks=tuple(masks),
    )


def _condition(node: Any, depth: int) -> Condition:
    """Read a UCAST node (https://github.com/stalniy/ucast)."""
    node = _mapping(node, "a condition")
    if depth > _DEPTH_MAX:
        raise _undecided("a condition has too many levels")
    kind, operator, value = node.get("type"), node.get("operator"), node.get("value")
    if not isinstance(operator, str):
        raise _undecided("a condition without an operator")
    if kind == "compound" and operator in _CONNECTIVES and isinstance(value, list):
        if operator == Connective.NOT and len(value) != 1:
            raise _undecided("not has one part")
        return Junction(connective=_CONNECTIVES[operator], parts=tuple(_condition(part, depth + 1) for part in value))
    if kind == "field" and operator in _OPERATORS and "value" in node:
        known = _OPERATORS[operator]
        return Comparison(column=_text(node, "field"), operator=known, value=_value(known, value))
    raise _undecided(f"a condition of type {kind!r} with operator {operator!r} is unknown")


def _value(operator: FilterOperator, value: Any) -> Value:
    if value is None:
        return None
    if operator in _LISTED:
        given = value if isinstance(value, list) else [value]
        if not all(_is_literal(entry) for entry in given):
            raise _undecided("a condition compares with what is no literal")
        return tuple(given)
    if not _is_literal(value) or (operator is FilterOperator.EXISTS and not isinstance(value, bool)):
        raise _undecided("a condition compares with what is no literal")
    known: Value = value
    return known


def _mask(item: Mapping[str, Any]) -> Mask:
    given = _mapping(item.get("mask"), "a mask")
    kind = given.get("kind")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise _undecided(f"a mask of kind {kind!r} is unknown")
    mask = Mask(
        policy=_text(item, "policy"),
        kind=_KINDS[kind],
        value=given.get("value"),
        width=given.get("width", 1),
        unit=given.get("unit", DATE_UNITS[0]),
        first=given.get("first", 0),
        last=given.get("last", 0),
        character=given.get("character", "*"),
    )
    whole = all(isinstance(count, int) and count >= 0 for count in (mask.first, mask.last))
    wide = isinstance(mask.width, int | float) and not isinstance(mask.width, bool) and mask.width > 0
    plain = mask.value is None or _is_literal(mask.value)
    signs = isinstance(mask.character, str) and len(mask.character) == 1
    if not (whole and wide and plain and signs and mask.unit in DATE_UNITS):
        raise _undecided(f"a mask of kind {kind} has an argument that it cannot have")
    return mask


def _is_literal(value: Any) -> bool:
    return isinstance(value, str | bool | int | float)


def _index(item: Mapping[str, Any], resources: int) -> int:
    index = item.get("index")
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < resources:
        raise _undecided("it speaks of a table that was not asked about")
    return index


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _undecided(f"{what} is undefined")
    return value


def _list(answer: Mapping[str, Any], key: str) -> Iterable[Mapping[str, Any]]:
    value = answer.get(key)
    if not isinstance(value, list):
        raise _undecided(f"{key} is undefined")
    return [_mapping(item, key) for item in value]


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str):
        raise _undecided(f"{key} is undefined")
    return value


def _undecided(reason: str) -> PolicyUndecided:
    return PolicyUndecided(
        message="POLICY_UNDECIDED: policy gives no decision that can be followed, so the statement is denied",
        detail=reason,
        hint="tell the operator of the server",
    )
