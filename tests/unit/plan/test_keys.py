"""Keys of a scan from the rows of others: which requests follow, and when there are too many."""

from __future__ import annotations

import pyarrow as pa
import pytest
from scan_plans import key, keys_of, lacking

from omnisql_server.errors import LimitExceeded
from omnisql_server.plan.keys import bind_keys

CALLS_MAX = 100
ORDERS = pa.table({"item": ["b", "a", None, "b", "c"], "shop": ["x", "x", "y", "y", None]})


def test_values_are_used_once_in_the_order_they_were_seen_and_nulls_not_at_all() -> None:
    bound = bind_keys(lacking(key("id", "item")), {"scan_0": ORDERS}, CALLS_MAX)
    assert keys_of(bound) == [{"id": "b"}, {"id": "a"}, {"id": "c"}]
    assert bound.deferred == ()
    assert bound.empty is None


def test_columns_of_one_driver_stay_together() -> None:
    bound = bind_keys(lacking(key("id", "item"), key("shop", "shop")), {"scan_0": ORDERS}, CALLS_MAX)
    assert keys_of(bound) == [{"id": "b", "shop": "x"}, {"id": "a", "shop": "x"}, {"id": "b", "shop": "y"}]


def test_columns_of_two_drivers_are_combined() -> None:
    plan = lacking(key("id", "item"), key("year", "year", "scan_1"))
    years = pa.table({"year": pa.array([2024, 2025, 2024], pa.int32())})
    bound = bind_keys(plan, {"scan_0": ORDERS, "scan_1": years}, CALLS_MAX)
    assert [tuple(keys.values()) for keys in keys_of(bound)] == [
        ("b", 2024), ("b", 2025), ("a", 2024), ("a", 2025), ("c", 2024), ("c", 2025),
    ]  # fmt: skip


def test_given_keys_are_kept_for_every_value() -> None:
    plan = lacking(key("id", "item"), given=({"shop": "x"}, {"shop": "y"}))
    bound = bind_keys(plan, {"scan_0": ORDERS.slice(0, 2)}, CALLS_MAX)
    assert keys_of(bound) == [
        {"shop": "x", "id": "b"},
        {"shop": "x", "id": "a"},
        {"shop": "y", "id": "b"},
        {"shop": "y", "id": "a"},
    ]


def test_no_value_means_no_request() -> None:
    bound = bind_keys(lacking(key("id", "item")), {"scan_0": ORDERS.slice(2, 1)}, CALLS_MAX)
    assert bound.scans == ()
    assert bound.empty == "no value of id was found"


def test_a_scan_that_is_proved_empty_stays_so_for_its_own_reason() -> None:
    plan = lacking(key("id", "item"), given=(), empty="no state has that value")
    bound = bind_keys(plan, {"scan_0": ORDERS}, CALLS_MAX)
    assert bound.scans == ()
    assert bound.empty == "no state has that value"


def test_a_plan_with_all_its_keys_is_left_alone() -> None:
    plan = lacking(given=({"id": "a"},))
    assert bind_keys(plan, {}, 0) is plan


def test_a_batched_key_takes_many_values_in_one_request() -> None:
    plan = lacking(key("id", "item"), batch="id", batch_keys_max=2)
    bound = bind_keys(plan, {"scan_0": ORDERS}, calls_max=2)
    assert keys_of(bound) == [{"id": ("b", "a")}, {"id": ("c",)}]


def test_more_keys_than_calls_are_refused_with_their_number() -> None:
    with pytest.raises(LimitExceeded) as refused:
        bind_keys(lacking(key("id", "item"), given=({"shop": "x"}, {"shop": "y"})), {"scan_0": ORDERS}, calls_max=5)
    assert refused.value.sqlstate == "54000"
    assert refused.value.message == "shop.items would need 6 API calls for the keys that were found"
    assert refused.value.detail == "5 more are allowed"


def test_a_huge_product_is_refused_before_it_is_made() -> None:
    many = pa.table({"n": pa.array(range(200_000), pa.int64())})
    plan = lacking(key("id", "n"), key("other", "n", "scan_1"))
    with pytest.raises(LimitExceeded, match="would need 40000000000 API calls"):
        bind_keys(plan, {"scan_0": many, "scan_1": many}, CALLS_MAX)
