"""The nouns of a manifest that say how conditions are sent together: one filter, and OR between them within it."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from connectors.declarative.pages import Declared

Several = Annotated[int, Meta(ge=2)]


class Filter(Declared, frozen=True, kw_only=True):
    """One input that takes all predicates, in a query language; `at` of a pushdown is its place in there."""

    send: Annotated[str, Meta(description="The input that takes the filter.")]
    dialect: Annotated[
        Literal["hubspot", "notion", "scim", "zendesk"] | None,
        Meta(
            description="hubspot: filter groups; notion: timestamps of a database query; scim: like "
            'status eq "ACTIVE" and not (name pr); zendesk: words of a search, like is:open. '
            "The comparator is what is sent."
        ),
    ] = None
    hook: Annotated[str | None, Meta(description="Instead: a hook that writes a language, order included.")] = None
    always: Annotated[str, Meta(description="What a text of that language begins with.")] = ""
    beside: Annotated[
        tuple[str, ...], Meta(description="Columns of the pushdown that are sent by inputs of their own instead.")
    ] = ()


class DisjunctionsDeclared(Declared, frozen=True, kw_only=True):
    """OR between conditions, which the filter takes: alternatives, each of conditions that are joined by AND."""

    columns: Annotated[
        tuple[str, ...] | None, Meta(description="Columns of the pushdown that may stand below OR; all without it.")
    ] = None
    branches_max: Annotated[Several | None, Meta(description="The most alternatives that the API takes.")] = None
    branch_max: Annotated[Several | None, Meta(description="The most conditions in one of them.")] = None
    conditions_max: Annotated[Several | None, Meta(description="The most conditions in all of them together.")] = None
