"""Names and bounds of buckets."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnisql_server.limits.bucket import BucketLimit, bucket_key

NAME = st.text(max_size=12)


def test_keys_of_one_source_share_a_hash_tag() -> None:
    core, search = bucket_key("acme", "hub", "core"), bucket_key("acme", "hub", "search")
    assert core == "omnisql:limit:{acme:hub}:core"
    assert core.split("}")[0] == search.split("}")[0]


@given(st.tuples(NAME, NAME, NAME), st.tuples(NAME, NAME, NAME))
def test_different_names_never_share_a_bucket(first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
    keys = [bucket_key(*names) for names in (first, second)]
    assert (keys[0] == keys[1]) == (first == second)
    for key in keys:
        # Redis Cluster hashes what stands between the first { and the first } after it.
        assert re.fullmatch(r"omnisql:limit:\{[^{}]*\}:[^{}]*", key)


@pytest.mark.parametrize("number", [0, -1, math.inf, math.nan])
def test_a_bucket_that_could_never_be_used_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        BucketLimit(capacity=number, refill_per_s=1)
    with pytest.raises(ValueError, match="positive and finite"):
        BucketLimit(capacity=1, refill_per_s=number)
