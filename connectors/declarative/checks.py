"""Rules that parts of a manifest are checked by, each refusing without saying where. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TypeVar

from msgspec import structs

from connectors.declarative.filters import Filter
from connectors.declarative.manifest import Direction, PathDeclared, Push, Window
from connectors.declarative.pages import (
    CursorPages,
    LinkPages,
    NextUrlPages,
    NoPages,
    NumberedPages,
    OffsetPages,
    Pagination,
)
from connectors.declarative.pushdown import Sents
from connectors.declarative.values import SHAPED
from connectors.sdk.errors import ManifestInvalid
from connectors.sdk.extract import path

Result = TypeVar("Result")
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def placeholders(text: str) -> set[str]:
    """Return the names in braces."""
    return set(PLACEHOLDER.findall(text))


def listed(names: Iterable[str]) -> str:
    """Return names for people."""
    return ", ".join(sorted(names))


def hook_named(known: Mapping[str, Result], name: str, refuse: Callable[[str, str], ManifestInvalid]) -> Result:
    """Return the hook that a manifest names.

    Raises:
        ManifestInvalid: the connector's package has none of that name at that place, or it is no package.
    """
    if name not in known:
        allowed = f"Allowed: {listed(known)}." if known else "Only a connector that is a Python package has hooks."
        raise refuse(f"there is no hook {name}", allowed)
    return known[name]


def checked_operator(name: str, push: Push, column_type: str) -> None:
    """Refuse a pushdown that cannot mean what it says.

    Raises:
        ManifestInvalid: APIs do not evaluate the operator on that type as PostgreSQL does, or a part is missing.
    """
    is_bound = push.value is None
    if name in {"like", "ilike"} and (push.takes is None or push.grade == "exact"):
        raise ManifestInvalid(
            message="patterns of any form are pushed as a hook takes them, and as a superset",
            hint=f"Without hooks: {name}_prefix, {name}_suffix, {name}_contains.",
        )
    if name in SHAPED and (push.grade == "exact" or column_type != "text"):
        raise ManifestInvalid(message="patterns are pushed on text and as a superset only")
    if column_type == "timestamptz" and is_bound and name not in {"<", "<=", ">", ">="}:
        raise ManifestInvalid(message="times are pushed as bounds only: APIs keep them coarser than PostgreSQL")
    if column_type == "timestamptz" and is_bound and push.grade == "exact":
        raise ManifestInvalid(message="a bound that is rounded is a superset")
    if column_type == "text" and name in {"<", "<=", ">", ">="}:
        raise ManifestInvalid(message="no API is known to order texts as PostgreSQL does")
    if name in {"is_null", "is_not_null"} and push.value is None:
        raise ManifestInvalid(
            message="value says what is sent", hint="Like value: true; hubspot and scim send the comparator alone."
        )
    if push.pattern is not None:
        checked_pattern(push.pattern)


def checked_pattern(text: str) -> re.Pattern[str]:
    """Return a regular expression.

    Raises:
        ManifestInvalid: the text is none.
    """
    try:
        return re.compile(text)
    except re.error:
        raise ManifestInvalid(message="this is no regular expression") from None


def checked_pages(found: Pagination | None, field: str | None, *, single_max: int, posted: bool) -> Pagination:
    """Return how a path goes on, given the GraphQL field it reads, if it reads one, and whether it is posted.

    `single_max` is the number of rows of a path that gives one for each value of its keys, 0 for any other.

    Raises:
        ManifestInvalid: it does not say how, or says it in two ways.
    """
    if single_max:
        return NoPages(rows_max=single_max)
    if found is None:
        raise ManifestInvalid(
            message="pagination is missing here, in the table and in the manifest", hint="Say kind: none."
        )
    if field is not None and isinstance(found, OffsetPages | NumberedPages | LinkPages | NextUrlPages):
        raise ManifestInvalid(message="a GraphQL query is read with a cursor, or in one answer")
    if posted and not isinstance(found, CursorPages | NoPages):
        raise ManifestInvalid(message="what is posted is read with a cursor, or in one answer")
    if isinstance(found, CursorPages):
        if (found.next is None) is (found.last is None):
            raise ManifestInvalid(message="one of next and last says where the cursor is")
        if found.last is not None and found.more is None:
            raise ManifestInvalid(message="with last, more says whether there is another page")
        if field is not None:
            found = structs.replace(found, next=_for_field(found.next, field), more=_for_field(found.more, field))
    for text in (getattr(found, name, None) for name in ("next", "last", "more", "ends", "total")):
        if text is not None:
            path(text)
    return found


def check_filter(found: Filter | None, *, posted: bool, is_graphql: bool) -> None:
    """Refuse a filter that its path cannot send.

    Raises:
        ManifestInvalid: it is an object where only a text can be sent, or a query has its own.
    """
    if found is None:
        return
    if is_graphql:
        raise ManifestInvalid(message="a GraphQL query has a filter of its own: graphql.filter")
    if (found.dialect is None) is (found.hook is None):
        raise ManifestInvalid(message="one of dialect and hook says in which language")
    if not posted and found.dialect not in {"scim", "zendesk", None}:
        raise ManifestInvalid(message=f"a filter of {found.dialect} is an object, which only a POST can send")


def check_members(
    method: str,
    inputs: Mapping[str, object],
    pages: Pagination,
    path: PathDeclared,
    order: Mapping[str, Direction],
    sents: Sents,
) -> None:
    """Refuse inputs of a POST one of which is to be a value and, by the dots of another's name, an object as well.

    Raises:
        ManifestInvalid: there are such.
    """
    parts = (path.filter, path.projection)
    ways = (way for each in order.values() for way in (each.asc, each.desc) if way is not None)
    used = {
        *inputs,
        *(name for name in (getattr(pages, "size", None), getattr(pages, "send", None)) if name),
        *(part.send for part in parts if part is not None),
        *(name for way in ways for name in way),
        *(sent.push.send for operators in sents.values() for each in operators.values() for sent in each),
    }
    values = {name for name in used if not isinstance(inputs.get(name), dict)}
    for name in sorted(used) if method == "POST" else ():
        steps = name.split(".")
        for whole in {".".join(steps[:count]) for count in range(1, len(steps))} & values:
            raise ManifestInvalid(message=f"{whole} is sent as a value, and by {name} as an object")


def checked_window(window: Window | None, sents: Sents, *, posted: bool) -> Window | None:
    """Return a window whose inputs are sent as ISO 8601.

    Raises:
        ManifestInvalid: nothing sends one of its inputs so.
    """
    if window is not None and posted:
        raise ManifestInvalid(message="a window is for parameters, not for what is posted")
    if window is not None:
        pushes = [sent.push for operators in sents.values() for each in operators.values() for sent in each]
        for name in (window.start, window.end):
            if not any(push.send == name and push.format.startswith("iso") for push in pushes):
                raise ManifestInvalid(message=f"no pushdown sends {name} as ISO 8601")
    return window


def _for_field(text: str | None, field: str) -> str | None:
    return None if text is None else text.replace("{field}", field)


def check_arguments(
    known: Collection[str],
    filtered: str | None,
    inputs: Iterable[str],
    order: Mapping[str, Direction],
    pages: Pagination,
) -> None:
    """Refuse what is sent to a GraphQL query that does not declare it.

    Raises:
        ManifestInvalid: an input, an order, a page or the filter has no argument of the query.
    """
    ordering = {name for each in order.values() for way in (each.asc, each.desc) if way is not None for name in way}
    paging = {name for name in (getattr(pages, "size", None), getattr(pages, "send", None)) if name}
    used = {*inputs, *ordering, *paging, *([filtered] if filtered else [])}
    if unknown := sorted(used - set(known)):
        raise ManifestInvalid(message=f"the query has no argument {unknown[0]}", hint=f"Allowed: {listed(known)}.")
