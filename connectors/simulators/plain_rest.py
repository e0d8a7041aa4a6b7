"""What simulators of plain REST APIs share: rules made of a few facts, strict parameters, identifiers, times, pages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from connectors.simulators.rate_limit import RateLimit, WindowState
from connectors.simulators.vendor import ApiError

Node = dict[str, Any]
ErrorBody = Callable[[int, str], Any]
LimitHeaders = Callable[[WindowState, float], dict[str, str]]
REQUESTS = "requests"


class PlainRules:
    """One credential, or none where nothing is `accepted`, and one limit.

    `error` writes the body of a status and message, `told` the headers of the limit.
    """

    main_bucket = REQUESTS

    def __init__(
        self,
        *,
        accepted: frozenset[tuple[str, str]],
        limit: RateLimit,
        error: ErrorBody,
        told: LimitHeaders,
        clock: Callable[[], float],
        limited_status: int = 429,
        unauthorized_status: int = 401,
        has_entity_tags: bool = False,
    ) -> None:
        self.has_entity_tags = has_entity_tags
        self.limits: Mapping[str, RateLimit] = {REQUESTS: limit}
        self._accepted = accepted
        self._error = error
        self._told = told
        self._clock = clock
        self._limited_status = limited_status
        self._unauthorized_status = unauthorized_status

    def check_access(self, request: web.Request) -> None:
        """Require one of the accepted headers, where there are any."""
        if self._accepted and not any(request.headers.get(name) == value for name, value in self._accepted):
            raise self.refusal(self._unauthorized_status, "unauthorized")

    def bucket(self, request: web.Request) -> str | None:  # noqa: ARG002 - shared signature
        """Count every request in one bucket."""
        return REQUESTS

    def limit_headers(self, bucket: str, state: WindowState) -> dict[str, str]:  # noqa: ARG002 - shared signature
        """Return the headers that tell the limit."""
        return self._told(state, self._clock())

    def limited(self, bucket: str, state: WindowState, now_s: float) -> ApiError:  # noqa: ARG002 - shared signature
        """Return the refusal beyond the limit."""
        wait = {"Retry-After": str(max(1, round(state.reset_s - now_s)))}
        return ApiError(self._limited_status, self._error(self._limited_status, "rate limited"), wait)

    def limited_secondarily(self, retry_after_s: int) -> ApiError:
        """Return the refusal beyond a second limit."""
        return ApiError(
            self._limited_status, self._error(self._limited_status, "rate limited"), {"Retry-After": str(retry_after_s)}
        )

    def fault_body(self, status: int) -> Any:
        """Return the body of an injected error."""
        return self._error(status, "injected")

    def not_found(self) -> ApiError:
        """Return the answer to what does not exist."""
        return self.refusal(404, "not found")

    def refusal(self, status: int, message: str) -> ApiError:
        """Return an error in the vendor's shape."""
        return ApiError(status, self._error(status, message))


def checked_query(request: web.Request, known: Iterable[str], refuse: Callable[[int, str], ApiError]) -> None:
    """Refuse parameters that the documentation does not name, and empty values: most vendors would ignore them.

    Raises:
        ApiError: status 400.
    """
    allowed = set(known)
    for name, text in request.query.items():
        if name not in allowed or not text:
            raise refuse(400, f"parameter {name} is not known here or empty")


def made_id(
    kind: str, *key: object, length: int = 7, start: str = "P", alphabet: str = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
) -> str:
    """Return an identifier that is the same for the same thing, as vendors' opaque ones look."""
    digest = hashlib.sha256(repr((kind, *key)).encode()).digest()
    number = int.from_bytes(digest[:16], "big")
    text = ""
    while len(text) < length - len(start):
        number, rest = divmod(number, len(alphabet))
        text += alphabet[rest]
    return start + text


def made_number(kind: str, *key: object, digits: int = 12) -> int:
    """Return a number that is the same for the same thing; no two things of a company collide in practice."""
    digest = hashlib.sha256(repr((kind, *key)).encode()).digest()
    least = int("1" + "0" * (digits - 1))
    return least + int.from_bytes(digest[:8], "big") % (9 * least)


def iso(epoch_ms: float | None, *, milliseconds: bool = False) -> str | None:
    """Return a time as ISO 8601 in UTC with a Z."""
    if epoch_ms is None:
        return None
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds" if milliseconds else "seconds").replace("+00:00", "Z")


def moment_of(text: str, refuse: Callable[[int, str], ApiError]) -> datetime:
    """Read a time of a request.

    Raises:
        ApiError: status 400, it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise refuse(400, f"{text} is no time") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def whole(request: web.Request, name: str, default: int, refuse: Callable[[int, str], ApiError]) -> int:
    """Read a whole number of a request.

    Raises:
        ApiError: status 400, it is none.
    """
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 13):
        raise refuse(400, f"{name} is no number")
    return int(text)


def sorted_by(rows: Sequence[Node], field: str, descending: bool) -> list[Node]:
    """Return rows by a field; nulls are last both ways."""
    known = sorted((row for row in rows if row[field] is not None), key=lambda row: row[field], reverse=descending)
    return [*known, *(row for row in rows if row[field] is None)]
