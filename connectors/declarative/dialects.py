"""Query languages of APIs that filter by one text or one object: conditions in, what is sent out. Pure.

HubSpot's groups and Notion's filters are one OR of conjunctions; a search of Zendesk has none between its words, and
SCIM has brackets.

`hubspot`: filter groups of the CRM search (https://developers.hubspot.com/docs/api/crm/search). `notion`: conditions on
timestamps (https://developers.notion.com/reference/post-database-query-filter). `zendesk`: words of the search
(https://developer.zendesk.com/documentation/api-basics, "understanding search query syntax"). `scim`: the filters of
RFC 7644, section 3.4.2.2, whose values are JSON.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

import msgspec

from connectors.declarative.hooks import Condition, Dialect, Either
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.scan import Operator, Value

HUBSPOT_FILTERS_MAX = 6
"""Of one group; what is beyond is not sent. The search is by an index that lags, so that all of it is checked again."""

_COMPARATORS = {
    "hubspot": "EQ NEQ LT LTE GT GTE BETWEEN IN NOT_IN HAS_PROPERTY NOT_HAS_PROPERTY CONTAINS_TOKEN NOT_CONTAINS_TOKEN",
    "notion": "equals before after on_or_before on_or_after is_empty is_not_empty",
    "scim": "eq ne co sw ew pr gt ge lt le",
}
"""Of languages that have a closed set."""
_WORD = re.compile(r"[\w.@+:-]+")


def check_comparator(dialect: str | None, comparator: str) -> None:
    """Refuse what a language has no such comparator for.

    Raises:
        ManifestInvalid: it has others.
    """
    known = _COMPARATORS.get(dialect or "", "").split()
    if known and comparator not in known:
        raise ManifestInvalid(
            message=f"{dialect} has no comparator {comparator}",
            hint=f"Allowed: {', '.join(known)}. A column with an input of its own is named in filter.beside.",
        )


def can_say(dialect: str, value: Value) -> bool:
    """Tell whether a language can hold a value without reading it otherwise."""
    if isinstance(value, tuple):
        return all(can_say(dialect, each) for each in value)
    if dialect == "zendesk" and isinstance(value, str):
        # A search has no way to write a quote within quotes, and takes * and a leading - as its own.
        return not any(character in value for character in '"*\\\r\n') and not value.startswith("-")
    return True


def filter_input(dialect: str, always: str, conditions: Sequence[Condition | Either]) -> object:
    """Return what is sent for conditions that must all hold; None when nothing need be sent."""
    plain = [each for each in conditions if isinstance(each, Condition)]
    if dialect == "zendesk":
        words = " ".join(filter(None, [always, *map(_searched, plain)]))
        return words or None
    if not conditions:
        return None
    if dialect == "scim":
        return " and ".join(filter(None, [always, *map(_attribute, conditions)]))
    (branches,) = [each.branches for each in conditions if isinstance(each, Either)] or [()]
    if dialect == "notion":
        # Filters nest two levels deep, so that OR is the outer one.
        joined: list[dict[str, object]] = [{"and": list(map(_timed, [*plain, *branch]))} for branch in branches]
        return {"or": joined} if joined else {"and": list(map(_timed, plain))}
    # A manifest says how large OR may be with what stands beside it; without OR, what is too much is left out.
    groups = [[*plain, *branch] for branch in branches] or [plain[:HUBSPOT_FILTERS_MAX]]
    return [{"filters": list(map(_grouped, group))} for group in groups]


def _timed(condition: Condition) -> dict[str, object]:
    return {"timestamp": condition.place, condition.place: {condition.comparator: condition.value}}


def _searched(condition: Condition) -> str:
    values = condition.value if isinstance(condition.value, list) else [condition.value]
    # A keyword that is repeated means any of its values.
    return " ".join(f"{condition.place}{condition.comparator}{_word(each)}" for each in values)


def _word(value: object) -> str:
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return text if _WORD.fullmatch(text) else f'"{text}"'


def _attribute(condition: Condition | Either) -> str:
    """Write an attribute expression of SCIM, or several in brackets, which bind closer than `and` does."""
    if isinstance(condition, Either):
        branches = (" and ".join(map(_attribute, branch)) for branch in condition.branches)
        return f"({' or '.join(branches)})"
    start = f"{condition.place} {condition.comparator}"
    if condition.operator is Operator.IS_NULL:
        return f"not ({start})"
    if condition.operator is Operator.IS_NOT_NULL:
        return start
    if not isinstance(condition.value, list):
        return f"{start} {_json(condition.value)}"
    joint = " and " if condition.operator is Operator.NOT_IN else " or "
    return f"({joint.join(f'{start} {_json(each)}' for each in condition.value)})"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _grouped(condition: Condition) -> dict[str, object]:
    found: dict[str, object] = {"propertyName": condition.place, "operator": condition.comparator}
    if condition.comparator in {"HAS_PROPERTY", "NOT_HAS_PROPERTY"}:
        return found
    if isinstance(condition.value, list):
        return {**found, "values": [_text(each) for each in condition.value]}
    return {**found, "value": _text(condition.value)}


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _dialect(name: str) -> Dialect:
    return Dialect(
        can_say=partial(can_say, name),
        written=lambda always, conditions, _order: filter_input(name, always, conditions),
        disjoins=name != "zendesk",
        disjoins_alone=name in {"hubspot", "notion"},
    )


DIALECTS = {name: _dialect(name) for name in ("hubspot", "notion", "scim", "zendesk")}
