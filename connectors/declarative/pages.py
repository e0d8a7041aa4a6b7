"""The nouns of a manifest that say how a listing goes on from page to page."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class Declared(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something a manifest declares; unknown keys are refused."""


PageSize = Annotated[str | None, Meta(description="The input that takes the page size.")]
PageRows = Annotated[int, Meta(description="The largest page.", ge=1)]


class CursorPages(Declared, frozen=True, kw_only=True, tag_field="kind", tag="cursor"):
    """A cursor in the body leads to the next page."""

    send: Annotated[str, Meta(description="The input that takes the cursor.")]
    next: Annotated[str | None, Meta(description="Path of the next cursor; absent or empty at the end.")] = None
    last: Annotated[str | None, Meta(description="Instead of next: path of the cursor in the last row.")] = None
    more: Annotated[str | None, Meta(description="Path of a flag that is false on the last page.")] = None
    ends: Annotated[str | None, Meta(description="Path of a flag that is true on the last page.")] = None
    size: Annotated[str | None, Meta(description="The input that takes the page size.")] = None
    rows_max: Annotated[int, Meta(description="The largest page.", ge=1)] = 100
    cap: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="The rows that the API gives of one listing at most; more is reported."),
    ] = None
    resumes: Annotated[
        bool,
        Meta(description="A cursor is kept, or is a row's place in an order that rows keep: go on after a failure."),
    ] = False


class OffsetPages(Declared, frozen=True, kw_only=True, tag_field="kind", tag="offset"):
    """The number of rows to pass over is sent."""

    send: Annotated[str, Meta(description="The input that takes the number of rows.")]
    size: PageSize = None
    rows_max: PageRows = 100
    more: Annotated[str | None, Meta(description="Path of a flag that is false on the last page.")] = None
    ends: Annotated[str | None, Meta(description="Path of a flag that is true on the last page.")] = None
    total: Annotated[str | None, Meta(description="Path of the number of all rows; pages are read in parallel.")] = None
    hides_rows: Annotated[
        bool, Meta(description="Rows are left out after a page was cut: a short or empty page is not the end.")
    ] = False
    cap: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="The rows that the API gives of one listing at most; more is reported."),
    ] = None


class NumberedPages(Declared, frozen=True, kw_only=True, tag_field="kind", tag="page"):
    """The page's number is sent; an empty page is the end."""

    send: Annotated[str, Meta(description="The input that takes the number of the page.")]
    size: PageSize = None
    rows_max: PageRows = 100
    first: Annotated[int, Meta(description="The number of the first page.")] = 1


class LinkPages(Declared, frozen=True, kw_only=True, tag_field="kind", tag="link"):
    """A Link header (RFC 8288) leads to the next page; rel="last" lets pages be read in parallel."""

    size: PageSize = None
    rows_max: PageRows = 100
    more: Annotated[
        str | None, Meta(description='Parameter of the next link that is "false" on the last page, which has one too.')
    ] = None
    total: Annotated[str | None, Meta(description="Path of the number of all rows, where the API caps them.")] = None


class NextUrlPages(Declared, frozen=True, kw_only=True, tag_field="kind", tag="next_url"):
    """A URL in the body leads to the next page; it must be on the source's own host."""

    next: Annotated[str, Meta(description="Path of the next URL; absent or empty at the end.")]
    more: Annotated[str | None, Meta(description="Path of a flag that is false on the last page.")] = None
    size: PageSize = None
    rows_max: PageRows = 100


class NoPages(Declared, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """One answer holds all rows."""

    size: PageSize = None
    rows_max: PageRows = 100


Pagination = CursorPages | OffsetPages | NumberedPages | LinkPages | NextUrlPages | NoPages
