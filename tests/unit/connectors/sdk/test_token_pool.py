"""Several tokens as one credential: which is sent, what is kept in reserve, and what is told of all together."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from connectors.sdk.connector import QuotaObserved
from connectors.sdk.errors import RateLimited
from connectors.sdk.pool import TokenPool, tokens_of


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def pool(clock: Clock, *, reserve: int = 0) -> TokenPool:
    return TokenPool(("a", "b", "a"), server="forge", clock_s=clock, reserve=reserve)


def sent(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


def left(remaining: int, *, bucket: str = "core", reset_s: float = 60) -> QuotaObserved:
    return QuotaObserved(bucket=bucket, limit=100, remaining=remaining, reset_s=reset_s)


async def test_the_token_with_most_left_is_sent() -> None:
    tokens = pool(Clock())
    assert await tokens.headers() == sent("a")
    assert tokens.observed(sent("a"), left(40)).remaining == 140
    assert await tokens.headers() == sent("b")
    told = tokens.observed(sent("b"), left(30))
    assert (told.limit, told.remaining) == (200, 70)
    assert await tokens.headers() == sent("a")


async def test_of_each_token_a_reserve_is_kept_until_its_limit_is_reset() -> None:
    clock = Clock()
    tokens = pool(clock, reserve=10)
    assert tokens.observed(sent("a"), left(10)).remaining == 90
    assert await tokens.headers() == sent("b")
    assert tokens.observed(sent("b"), left(4, reset_s=30)).remaining == 0
    with pytest.raises(RateLimited, match="2 tokens of server") as used_up:
        await tokens.headers()
    assert used_up.value.retry_after_s == 30
    clock.now_s += 31
    assert await tokens.headers() == sent("b")


async def test_a_token_that_is_refused_rests_while_there_is_another() -> None:
    clock = Clock()
    tokens = pool(clock)
    assert tokens.rest(sent("a"), "core", 60) is True
    assert await tokens.headers() == sent("b")
    assert tokens.rest(sent("b"), "core", 20) is False
    clock.now_s += 21
    assert await tokens.headers() == sent("b")


async def test_a_token_that_is_rejected_is_given_up_and_the_last_one_is_not() -> None:
    tokens = pool(Clock())
    assert await tokens.renew(sent("a")) is True
    assert await tokens.headers() == sent("b")
    assert await tokens.renew(sent("b")) is False
    tokens.forget()
    assert await tokens.headers() == {}


def test_tokens_stand_with_blanks_commas_or_line_ends_between() -> None:
    assert tokens_of(" a,b\n c ") == ("a", "b", "c")
