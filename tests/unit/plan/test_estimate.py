"""Expected rows: of the very shape, derived from a wider one with selectivities that were seen, or guessed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from api_model import api_table

from connectors.sdk.scan import Operator, Predicate
from omnisql_server.model.statistics import (
    NO_STATISTICS,
    Observation,
    Shape,
    TableStatistics,
    literal_shapes,
    shape_of,
    smoothed,
)
from omnisql_server.plan.estimate import Estimate, estimate_rows

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = api_table(rows_expected=1000)
DONE = Predicate(column="done", operator=Operator.EQ, value=True)
LATE = Predicate(column="at", operator=Operator.GT, value=1)


def shape(keys: tuple[str, ...], *predicates: Predicate) -> Shape:
    found = shape_of(keys, predicates)
    assert found is not None
    return found


def known(**rows: float) -> TableStatistics:
    shapes = {"all": shape(()), "key": shape(("id",)), "done": shape(("id",), DONE), "late": shape(("id",), LATE)}
    return TableStatistics(
        shapes={
            shapes[name]: smoothed(None, Observation(rows=count, pages=1, calls=1, latency_ms=1, seen_at=NOW))
            for name, count in rows.items()
        }
    )


def estimated(statistics: TableStatistics, keys: tuple[str, ...], *predicates: Predicate) -> Estimate:
    return estimate_rows(TABLE, statistics, keys, shape(keys, *predicates))


def test_the_shape_itself_is_believed() -> None:
    estimate = estimated(known(key=40, done=7), ("id",), DONE)
    assert (estimate.rows, estimate.exact_shape) == (7, True)


def test_a_wider_shape_is_narrowed_by_what_a_predicate_was_seen_to_keep() -> None:
    assert estimated(known(key=40, done=10), ("id",), DONE, LATE).rows == pytest.approx(10 * 0.3)
    assert estimated(known(key=40, done=10, late=20), ("id",), DONE, LATE).rows == pytest.approx(5)


def test_other_keys_say_nothing_of_the_rows_for_one() -> None:
    estimate = estimated(known(all=5), ("id",), DONE)
    assert (estimate.rows, estimate.statistic) == (100, None)


def test_without_statistics_priors_are_used() -> None:
    assert estimated(NO_STATISTICS, ("id",)).rows == 1000
    assert estimated(NO_STATISTICS, ("id",), DONE, LATE).rows == pytest.approx(30)
    assert estimate_rows(TABLE, known(key=1), ("id",), None).rows == 1000


def test_what_a_literal_gave_is_believed_before_the_mean_of_its_shape() -> None:
    salt = b"salt"
    mean = known(key=40, done=20)
    gave = smoothed(None, Observation(rows=2, pages=1, calls=1, latency_ms=1, seen_at=NOW))
    (alone,) = literal_shapes(salt, ("id",), None, (DONE,))
    statistics = replace(mean, literals={alone: gave}, salt=salt)
    same = literal_shapes(salt, ("id",), {"id": 3}, (DONE,))
    assert estimate_rows(TABLE, statistics, ("id",), shape(("id",), DONE), same).rows == 2
    other = literal_shapes(salt, ("id",), {"id": 3}, (replace(DONE, value=False),))
    assert estimate_rows(TABLE, statistics, ("id",), shape(("id",), DONE), other).rows == 20
