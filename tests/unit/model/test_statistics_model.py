"""Shapes hold no literal; a mean follows what is observed, by how much is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connectors.sdk.scan import Operator, Predicate, Value
from omnisql_server.model.statistics import PARTS_MAX, Observation, Origin, Statistic, part_of, shape_of, smoothed

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def seen(rows: float, origin: Origin = Origin.OBSERVED) -> Observation:
    return Observation(rows=rows, pages=rows / 100, calls=rows / 50, latency_ms=rows / 10, seen_at=NOW, origin=origin)


def after(*rows: float, start: Statistic | None = None) -> Statistic:
    statistic = start
    for count in rows:
        statistic = smoothed(statistic, seen(count))
    assert statistic is not None
    return statistic


@pytest.mark.parametrize(
    ("operator", "value", "text"),
    [
        (Operator.EQ, "secret", "c = 1"),
        (Operator.IN, ("secret",), "c = 1"),
        (Operator.IN, ("a", "b"), "c in 2-3"),
        (Operator.IN, tuple("abcdefghij"), "c in 4-10"),
        (Operator.NOT_IN, ("a",), "c not in 1"),
        (Operator.IN, tuple(range(31)), "c in 31+"),
        (Operator.CONTAINS, ("a", "b"), "c @> 2-3"),
        (Operator.IS_NULL, None, "c is null"),
    ],
)
def test_a_part_has_a_column_an_operator_and_a_class_of_counts(operator: Operator, value: Value, text: str) -> None:
    assert part_of(Predicate(column="c", operator=operator, value=value)).text == text


def test_a_shape_is_in_order_and_bounded() -> None:
    late, early = (Predicate(column=name, operator=Operator.GT, value=1) for name in ("z", "b"))
    shape = shape_of(["k"], [late, early, late])
    assert shape is not None
    assert [part.text for part in shape] == ["b > 1", "k = 1", "z > 1"]
    many = [Predicate(column=f"c{number}", operator=Operator.EQ, value=1) for number in range(PARTS_MAX + 1)]
    assert shape_of([], many) is None


def test_the_first_sightings_count_alike_and_later_ones_a_fifth() -> None:
    assert after(10).rows == 10
    assert after(10, 20, 30, 40, 50).rows == pytest.approx(30)
    assert after(10, 20, 30, 40, 50, 130).rows == pytest.approx(50)
    assert after(100, 200).pages == pytest.approx(1.5)
    assert after(10, 20, 30).sightings == 3


def test_after_growth_the_mean_is_near_the_truth_as_promised() -> None:
    settled = after(*[0.0] * 10)
    assert after(*[100.0] * 5, start=settled).rows > 100 * 2 / 3
    assert after(*[100.0] * 11, start=settled).rows > 100 * 0.9


def test_a_total_of_the_source_replaces_and_is_then_moved_slowly() -> None:
    total = smoothed(after(10, 10), seen(1000, Origin.SOURCE))
    assert (total.rows, total.sightings, total.origin) == (1000, 1, Origin.SOURCE)
    moved = smoothed(total, seen(500))
    assert (moved.rows, moved.sightings, moved.origin) == (900, 2, Origin.SOURCE)


def test_what_is_stale_is_replaced() -> None:
    fresh = smoothed(replace(after(10, 10, 10), stale=True), seen(50))
    assert (fresh.rows, fresh.sightings, fresh.stale) == (50, 1, False)


def test_only_a_tenth_or_staleness_may_change_a_plan() -> None:
    known = after(100)
    assert not replace(known, rows=109, sightings=7).differs_from(known)
    assert replace(known, rows=112).differs_from(known)
    assert replace(known, stale=True).differs_from(known)
    assert known.differs_from(None)
