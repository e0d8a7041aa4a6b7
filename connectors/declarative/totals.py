"""The nouns of a manifest by which an API tells how many rows there are. Frozen values."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from msgspec import field as defaulting

from connectors.declarative.pages import Declared


class CountDeclared(Declared, frozen=True, kw_only=True):
    """The total of a listing that the API tells with a page of it, exact at that moment; else the rows are listed."""

    header: Annotated[str | None, Meta(description="The header that tells it.")] = None
    at: Annotated[str | None, Meta(description="Path of it in the body.")] = None
    inputs: Annotated[dict[str, Any], Meta(description="What is sent besides, to be told.")] = defaulting(
        default_factory=dict
    )
    by: Annotated[
        str | None,
        Meta(description="A column whose values are counted one by one: its = is exact and accepts all there are."),
    ] = None


class CountsDeclared(Declared, frozen=True, kw_only=True):
    """Rows that one request counts by kind, as a hook says, exactly and at that moment."""

    hook: Annotated[str, Meta(description="The name of a hook.")]
    columns: Annotated[tuple[str, ...], Meta(description="The columns, besides keys, whose values a kind has.")] = ()
