"""Requests and responses of an API as values: a template for people and logs, the target, and what came back. Pure.

Values enter a URL only here, each encoded for its position (RFC 3986, section 3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from connectors.sdk.errors import EmptyResult

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Points that a request takes of a rate limit: as is declared of it, or `told` by its own answer."""

    limit: str
    points: int
    told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One API request.

    `template` is the path with `{names}` in place of values; `path` is the same, filled and percent-encoded, relative
    to the base URL. `url` overrides path and parameters by an absolute URL that the API itself gave (a next link). A
    status in `empty_statuses` means that no row matches. `conditional` lets the answer be kept with its ETag. `bucket`
    names the rate limit that pays `cost` units; `also` is what it takes of others. `etag` or `modified`, if given, are
    the validators of an answer whose body is not wanted again: the answer is a 304 without one, or a new one. `is_json`
    says that a good answer is JSON; the body of any other is its `content` alone.
    """

    template: str
    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)
    accept: str = "application/json"
    url: str | None = None
    bucket: str = "core"
    cost: float = 1.0
    also: tuple[Charge, ...] = ()
    empty_statuses: frozenset[int] = frozenset()
    conditional: bool = True
    etag: str = ""
    modified: str = ""
    is_json: bool = True

    @property
    def confirms(self) -> bool:
        """Say whether a 304 is all that is hoped for."""
        return bool(self.etag or self.modified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An answer: `body` is decoded JSON, None when there was none; `headers` have lower-case names.

    `content` is the body as received. `revalidated` says that the source confirmed a kept body (304).
    """

    status: int
    headers: Mapping[str, str]
    body: object = field(repr=False)
    url: str
    content: bytes = field(default=b"", repr=False)
    revalidated: bool = False


def filled(template: str, **values: object) -> str:
    """Fill a path template, each value as one percent-encoded segment.

    Raises:
        EmptyResult: a value cannot be a path segment, so nothing on the source can have that name.
    """
    return _PLACEHOLDER.sub(lambda match: _segment(values[match.group(1)]), template)


def _segment(value: object) -> str:
    text = str(value)
    # RFC 3986, section 5.2.4 removes dot segments: they would address another resource.
    if text in {"", ".", ".."}:
        raise EmptyResult(message="an empty or dotted name cannot be looked up")
    return quote(text, safe="")
