"""Decoded rows in memory: never more than the bound, and what saves least per byte makes room."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnisql_server.freshness.tier import Tier

BYTES_MAX = 100_000


def rows(size_bytes: int) -> tuple[pa.RecordBatch, ...]:
    """Make rows that take about as much memory."""
    return (pa.RecordBatch.from_arrays([pa.array([0] * (size_bytes // 8), pa.int64())], names=["n"]),)


def put(tier: Tier, name: str, *, size_bytes: int = 20_000, cost: int = 1) -> None:
    tier.put(("shelf", name), rows(size_bytes), cost)


def held(tier: Tier, *names: str) -> list[str]:
    """Name those of some entries that are there, without using them."""
    return [name for name in names if ("shelf", name) in tier._kept]


def test_what_took_the_fewest_requests_for_its_bytes_makes_room() -> None:
    tier = Tier(BYTES_MAX)
    put(tier, "dear", cost=10)
    put(tier, "cheap", cost=1)
    put(tier, "small", size_bytes=2_000, cost=1)
    for number in range(3):
        put(tier, f"other{number}", cost=5)
    assert held(tier, "dear", "cheap", "small") == ["dear", "small"]


def test_a_use_saves_as_much_again() -> None:
    tier = Tier(BYTES_MAX)
    put(tier, "used", cost=2)
    put(tier, "unused", cost=3)
    for _ in range(2):
        assert tier.get(("shelf", "used")) is not None
    for number in range(3):
        put(tier, f"other{number}", cost=9)
    assert held(tier, "used", "unused") == ["used"]


def test_what_nobody_uses_any_more_makes_room_at_last() -> None:
    tier = Tier(BYTES_MAX)
    put(tier, "once dear", cost=20)
    for number in range(200):
        put(tier, f"other{number}", cost=1)
    assert held(tier, "once dear") == []


def test_what_alone_takes_more_than_a_quarter_is_not_held() -> None:
    tier = Tier(BYTES_MAX)
    put(tier, "large", size_bytes=BYTES_MAX // 4 + 8)
    assert (held(tier, "large"), tier.used_bytes) == ([], 0)


@pytest.mark.parametrize("whole", [True, False])
def test_what_is_dropped_gives_its_bytes_back(whole: bool) -> None:
    tier = Tier(BYTES_MAX)
    put(tier, "one")
    tier.drop_shelf("another")
    assert tier.used_bytes > 20_000
    if whole:
        tier.drop_shelf("shelf")
    else:
        tier.drop(("shelf", "one"))
        tier.drop(("shelf", "one"))
    assert tier.used_bytes == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(8, 60_000), st.integers(1, 9), st.booleans()), max_size=40))
def test_it_never_holds_more_than_the_bound(steps: list[tuple[int, int, int, bool]]) -> None:
    tier = Tier(BYTES_MAX)
    for number, size_bytes, cost, used in steps:
        put(tier, str(number), size_bytes=size_bytes, cost=cost)
        if used:
            tier.get(("shelf", str(number)))
        assert tier.used_bytes == sum(kept.size_bytes for kept in tier._kept.values()) <= BYTES_MAX
