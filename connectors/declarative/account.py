"""The nouns of a manifest that say what an account is: options, limits, what answers mean, what proves a credential."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from connectors.declarative.pages import Declared

Requested = Annotated[str, Meta(pattern="^(GET|POST) /")]


class OptionDeclared(Declared, frozen=True, kw_only=True):
    """An option of the server, or a secret of the user mapping."""

    description: Annotated[str, Meta(description="One sentence for people.")]
    required: Annotated[bool, Meta(description="Without it a source is refused.")] = False
    default: Annotated[str | None, Meta(description="Value when none is given; not for secrets.")] = None


def always_given(options: Mapping[str, OptionDeclared]) -> set[str]:
    """Return the options that every source has a value of: what a request is made of must be one of them."""
    return {name for name, option in options.items() if option.required or option.default}


class QuotaTold(Declared, frozen=True, kw_only=True):
    """The headers that tell a rate limit."""

    limit: Annotated[str, Meta(description="The header that tells how many requests there are in all.")]
    remaining: Annotated[str, Meta(description="The header that tells how many are left.")]
    reset: Annotated[str, Meta(description="The header that tells when it ends, if there is one.")] = ""
    reset_format: Annotated[
        Literal["epoch_s", "epoch_ms", "seconds", "milliseconds", "iso"],
        Meta(description="How that time is written: since 1970, from now on, or as ISO 8601."),
    ] = "seconds"


class QuotaDeclared(QuotaTold, frozen=True, kw_only=True):
    """The headers that tell the rate limit that a request counts against."""

    bucket: Annotated[str | None, Meta(description="The header that names the limit, if there is one.")] = None
    pays: Annotated[str, Meta(description="The limit that requests count against, by its name there.")] = "requests"


class ComplexityDeclared(Declared, frozen=True, kw_only=True):
    """How the points of a GraphQL query follow from what it selects; the sum is rounded up."""

    value: Annotated[float, Meta(description="Points of a field that has none of its own.", ge=0)]
    object: Annotated[float, Meta(description="Points of a field that has fields, if it is no list.", ge=0)]
    lists: Annotated[
        tuple[str, ...],
        Meta(description="A field that has one of these is a list: all below it counts as often as it has rows."),
    ]
    size: Annotated[str, Meta(description="The argument that tells how many rows a list has.")]
    size_default: Annotated[int, Meta(description="How many it has without.", ge=1)]
    maximum: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Points of one query at most; pages are made to fit.")
    ] = None


class LimitDeclared(Declared, frozen=True, kw_only=True):
    """A rate limit as it is documented, which holds until the source says otherwise."""

    points: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="How many there are, if that is the same for all.")
    ] = None
    every_s: Annotated[int, Meta(description="Seconds after which all of them are there again.", ge=1)] = 3600
    headers: Annotated[QuotaTold | None, Meta(description="Headers that tell of it beside those of rate_limit.")] = None
    cost_header: Annotated[str | None, Meta(description="The header that tells what an answer took of it.")] = None
    cost_at: Annotated[str | None, Meta(description="Path in the body of an answer that tells it.")] = None
    beside: Annotated[
        tuple[str, ...], Meta(description="Limits of which each request takes a point of this one, too.")
    ] = ()
    free_unchanged: Annotated[bool, Meta(description="A 304 takes nothing of it.")] = False
    complexity: Annotated[
        ComplexityDeclared | None, Meta(description="What each GraphQL query takes of it, besides what it pays.")
    ] = None


class ErrorRule(Declared, frozen=True, kw_only=True):
    """What an answer means; the first rule that fits wins, before the meaning of the status alone (RFC 9110)."""

    action: Annotated[
        Literal["retry", "rate_limited", "credentials", "denied", "empty", "fail"],
        Meta(
            description="retry: soon; rate_limited: after Retry-After, else after a minute; credentials: they are not "
            "accepted; denied: they may not read this; empty: no row matches; fail: trying again will not help."
        ),
    ]
    status: Annotated[tuple[int, ...], Meta(description="Statuses it is for; any without it.")] = ()
    at: Annotated[str | None, Meta(description="Path in the body whose value decides.")] = None
    equals: Annotated[tuple[str | bool, ...], Meta(description="Values at that path; any but null without it.")] = ()
    contains: Annotated[str | None, Meta(description="Text within the value at that path, in lower case.")] = None


class ApiVersion(Declared, frozen=True, kw_only=True):
    """The version of the API that is asked for; option api_version of the server changes it."""

    header: Annotated[str, Meta(description="The header that takes it.")]
    default: Annotated[str, Meta(description="What is sent without that option.")]


class CheckOtherwise(Declared, frozen=True, kw_only=True):
    """What proves a credential that belongs to nobody."""

    request: Annotated[Requested, Meta(description="Like GET /rate_limit, options in braces.")]
    says: Annotated[str, Meta(description="What it is, for people.")]


class Check(Declared, frozen=True, kw_only=True):
    """The request that proves a credential."""

    request: Annotated[Requested | None, Meta(description="Like GET /me, options in braces.")] = None
    graphql: Annotated[str | None, Meta(description="A whole document, instead of a request.")] = None
    shows: Annotated[str | None, Meta(description="Path of the name of whose credential it is, if it is told.")] = None
    denied: Annotated[CheckOtherwise | None, Meta(description="Where the credential may not ask that.")] = None
