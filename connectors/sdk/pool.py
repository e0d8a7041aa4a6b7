"""Several tokens of one source as one credential: whichever has most left is sent, and of each a reserve is kept.

All of them must see the same: rows of one reading may come by several.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from connectors.sdk.connector import QuotaObserved
from connectors.sdk.errors import RateLimited

TOKENS_MAX = 50
RESET_DEFAULT_S = 60.0
"""How long a token rests whose source does not say when it may be used again."""


@runtime_checkable
class Pooled(Protocol):
    """An authenticator that can send another token instead of one that is used up."""

    @property
    def size(self) -> int:
        """Return how many tokens there are, one at least."""

    def observed(self, sent: Mapping[str, str], quota: QuotaObserved) -> QuotaObserved:
        """Note what an answer said of the token that was sent, and return what that comes to for all tokens."""

    def rest(self, sent: Mapping[str, str], bucket: str, wait_s: float) -> bool:
        """Send the token no more for some seconds; False when there is no other that may be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """What a token had left of a bucket when it was last told, and until when that holds."""

    limit: int | None
    remaining: int | None
    until_s: float


class TokenPool:
    """Tokens in a header, after a prefix; implements the SDK's Authenticator and Pooled.

    A token with `reserve` requests left, or fewer, in any bucket is not sent before that is reset. `clock_s` counts
    seconds.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        *,
        server: str,
        clock_s: Callable[[], float],
        reserve: int = 0,
        header: str = "Authorization",
        prefix: str = "Bearer ",
    ) -> None:
        self._headers = {number: {header: f"{prefix}{token}"} for number, token in enumerate(dict.fromkeys(tokens))}
        self._server = server
        self._clock_s = clock_s
        self._reserve = reserve
        self._left: dict[tuple[int, str], _Left] = {}

    @property
    def size(self) -> int:
        """Return how many tokens are not given up, one at least."""
        return max(1, len(self._headers))

    async def headers(self) -> Mapping[str, str]:
        """Return the header with the token that has most left; one of which nothing is known has most of all.

        Raises:
            RateLimited: SQLSTATE 53400, all of them have their reserve left or less.
        """
        free = [number for number in self._headers if self._resting_s(number) == 0.0]
        if free:
            return self._headers[max(free, key=lambda number: (self._remaining(number), -number))]
        if not self._headers:
            return {}
        wait_s = min(self._resting_s(number) for number in self._headers)
        raise RateLimited(
            message=f'RATE_LIMIT_EXHAUSTED: the {len(self._headers)} tokens of server "{self._server}" are used up',
            retry_after_s=wait_s,
            detail=f"Of each, {self._reserve} requests are kept in reserve; the next is free in {wait_s:.0f} seconds.",
            hint="Run the statement again after that, or add a token.",
        )

    async def renew(self, rejected: Mapping[str, str]) -> bool:
        """Give up a token that was rejected; False when there is no other."""
        number = self._number(rejected)
        if number is not None and len(self._headers) > 1:
            del self._headers[number]
            return True
        # Another request may have given it up already.
        return number is None and bool(self._headers)

    def forget(self) -> None:
        """Forget every token."""
        self._headers = {}
        self._left.clear()

    def observed(self, sent: Mapping[str, str], quota: QuotaObserved) -> QuotaObserved:
        """Note what is left of a token's bucket, and return what is left of all, less the reserves."""
        number = self._number(sent)
        if number is None:
            return quota
        until_s = self._clock_s() + (RESET_DEFAULT_S if quota.reset_s is None else quota.reset_s)
        self._left[number, quota.bucket] = _Left(limit=quota.limit, remaining=quota.remaining, until_s=until_s)
        if quota.remaining is None or quota.limit is None:
            return quota
        known = [self._current(other, quota.bucket) for other in self._headers]
        # Of a token that was not sent yet, all is left.
        lefts = [quota.limit if one is None or one.remaining is None else one.remaining for one in known]
        limits = [quota.limit if one is None or one.limit is None else one.limit for one in known]
        kept = [max(0, left - self._reserve) for left in lefts]
        return replace(quota, limit=sum(limits), remaining=sum(kept))

    def rest(self, sent: Mapping[str, str], bucket: str, wait_s: float) -> bool:
        """Let a token rest that the source refused for some seconds."""
        number = self._number(sent)
        if number is not None:
            self._left[number, bucket] = _Left(limit=None, remaining=-1, until_s=self._clock_s() + wait_s)
        return any(self._resting_s(other) == 0.0 for other in self._headers)

    def _number(self, sent: Mapping[str, str]) -> int | None:
        return next((number for number, headers in self._headers.items() if headers == sent), None)

    def _current(self, number: int, bucket: str) -> _Left | None:
        left = self._left.get((number, bucket))
        return left if left is not None and left.until_s > self._clock_s() else None

    def _remaining(self, number: int) -> float:
        known = (self._current(number, bucket) for other, bucket in self._left if other == number)
        return min((left.remaining for left in known if left and left.remaining is not None), default=float("inf"))

    def _resting_s(self, number: int) -> float:
        """Return for how many seconds a token is not sent, 0 for one that may be."""
        known = [self._current(number, bucket) for other, bucket in self._left if other == number]
        used_up = [left for left in known if left and left.remaining is not None and left.remaining <= self._reserve]
        return max((left.until_s - self._clock_s() for left in used_up), default=0.0)


def tokens_of(text: str) -> tuple[str, ...]:
    """Read the tokens of a pool, which blanks, line ends or commas stand between."""
    return tuple(text.replace(",", " ").split())
