"""Who gives keys to whom: the order with the least calls, found, compared with all others, and given up at run time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations, product
from random import Random

import pyarrow as pa
import pytest
from api_model import api_table, bound, exact
from authorized import authorize
from scan_plans import keys_of

from connectors.sdk.scan import Operator
from connectors.sdk.table import AccessPath, Table
from omnisql_server.model.plan import DeferredKey, QueryPlan, ScanPlan
from omnisql_server.model.principal import Principal
from omnisql_server.model.relation import Relation
from omnisql_server.model.statistics import NO_STATISTICS, Observation, TableStatistics, shape_of, smoothed
from omnisql_server.plan import joins
from omnisql_server.plan.joins import EXHAUSTIVE_MAX, Choice, JoinScan, order_scans
from omnisql_server.plan.keys import bind_keys
from omnisql_server.plan.paths import ChosenPath
from omnisql_server.plan.planner import check_calls, plan
from omnisql_server.policy.rules import Rules, parse_rules

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALL = AccessPath(name="all", request="GET /t", operators={"done": exact(Operator.EQ)})
BY_ID = AccessPath(name="by_id", request="GET /t?ids=", keys=("id",), batch="id", batch_keys_max=50, single=True)
BOTH = api_table(BY_ID, ALL)
JOINED = "SELECT t.name FROM u JOIN t ON t.id = u.id WHERE u.done"


def known(rows: float) -> TableStatistics:
    seen = Observation(rows=rows, pages=1, calls=1, latency_ms=1, seen_at=NOW)
    shape = shape_of((), ())
    assert shape is not None
    return TableStatistics(shapes={shape: smoothed(None, seen)})


def planned(text: str, rows: dict[str, float], tables: dict[str, Table], rules: Rules | None = None) -> QueryPlan:
    ana = Principal(tenant="acme", name="ana", attributes={})
    statistics = {name: known(count) for name, count in rows.items()}

    def of(relation: Relation) -> TableStatistics:
        return statistics.get(relation.name, NO_STATISTICS)

    return plan(authorize(bound(text), ana, rules or Rules()), lambda r: tables.get(r.name, BOTH), 100, of)


def scan_of(query_plan: QueryPlan, name: str) -> ScanPlan:
    return next(scan for scan in query_plan.scans if scan.relation.name == name)


def test_few_driving_rows_are_looked_up_and_many_are_not() -> None:
    few = planned(JOINED, {"t": 5000, "u": 100}, {"u": api_table(ALL)})
    assert [key.relation_name for key in scan_of(few, "t").deferred] == ["app.u"]
    assert scan_of(few, "t").calls_expected == 1
    other = scan_of(few, "t").otherwise
    assert other is not None
    assert (other.path.name, other.calls_expected, other.deferred) == ("all", 50, ())
    many = planned(JOINED, {"t": 5000, "u": 500_000}, {"u": api_table(ALL)})
    assert (scan_of(many, "t").path.name, scan_of(many, "t").deferred) == ("all", ())


def test_the_smaller_of_two_tables_drives_the_other() -> None:
    sql = "SELECT t.name FROM u JOIN t ON t.id = u.id"
    for rows, waits in (({"t": 9000.0, "u": 40.0}, "t"), ({"t": 40.0, "u": 9000.0}, "u")):
        query_plan = planned(sql, rows, {})
        assert [scan.relation.name for scan in query_plan.scans if scan.deferred] == [waits]


def test_a_masked_column_takes_no_keys() -> None:
    rules = parse_rules(
        {"version": 1, "masks": [{"name": "m", "tables": ["hub.t"], "column": "id", "mask": "null"}]}, "test"
    )
    query_plan = planned(JOINED, {"t": 5000, "u": 1}, {"u": api_table(ALL)}, rules)
    assert scan_of(query_plan, "t").deferred == ()


def test_once_the_keys_are_known_the_cheaper_way_is_taken() -> None:
    scan = scan_of(planned(JOINED, {"t": 450, "u": 100}, {"u": api_table(ALL)}), "t")
    assert scan.otherwise is not None
    assert scan.otherwise.calls_expected == 5
    (key,) = scan.deferred

    def rows(count: int) -> dict[str, pa.Table]:
        return {key.scan_name: pa.table({key.attribute: list(range(count))})}

    taken = bind_keys(scan, rows(250), 1000)
    assert [len(one["id"]) for one in keys_of(taken)] == [50] * 5  # type: ignore[arg-type]
    assert bind_keys(scan, rows(251), 1000) is scan.otherwise
    # Nor does a budget stop what another way can do within it.
    assert bind_keys(scan, rows(10_000), 6) is scan.otherwise


def test_a_guess_of_keys_refuses_nothing() -> None:
    single = api_table(replace(BY_ID, batch=None))
    query_plan = planned("SELECT t.name FROM u JOIN t ON t.id = u.id", {}, {"t": single, "u": api_table(ALL)})
    assert query_plan.calls_expected > 200
    check_calls(query_plan, 20)


def path(name: str, rows: float, calls: int, deferred: tuple[str, ...] = ()) -> ChosenPath:
    return ChosenPath(
        path=AccessPath(name=name, request="GET /", keys=deferred, single=bool(deferred)),
        keys=({},),
        pushed=(),
        not_pushed=(),
        calls_min=1,
        calls_expected=calls,
        calls_max=None,
        rows_expected=rows,
        deferred=deferred,
    )


def key(column: str, scan_name: str) -> DeferredKey:
    return DeferredKey(column=column, scan_name=scan_name, attribute="id", relation_name=scan_name)


def random_graph(random: Random, size: int) -> list[JoinScan]:
    scans = []
    for number in range(size):
        rows = random.choice([1, 5, 30, 200, 4000])
        others = [name for name in range(size) if name != number and random.random() < 0.6]
        candidates = [path("all", rows, -(-rows // random.choice([10, 100])))] if random.random() < 0.7 else []
        if others:
            candidates.append(path("by_id", 1, 1, ("id",)))
        scans.append(
            JoinScan(
                scan_name=f"s{number}",
                candidates=tuple(candidates) or (path("all", rows, rows),),
                links={"id": tuple(key("id", f"s{name}") for name in others)} if others else {},
                unique=frozenset({"id"}),
            )
        )
    return scans


def total(choices: dict[str, Choice]) -> int:
    return sum(choice.calls for choice in choices.values())


def brute_force(scans: list[JoinScan]) -> tuple[int, int]:
    """Return the most scans that can be read, and the least calls for them: all orders with all ways to read."""
    best = (0, 0)
    for order in permutations(scans):
        for ways in product(*(range(len(scan.candidates)) for scan in order)):
            picked = [replace(scan, candidates=(scan.candidates[way],)) for scan, way in zip(order, ways, strict=True)]
            known_scans: dict[str, Choice] = {}
            for scan in picked:
                links = {
                    column: tuple(one for one in keys if one.scan_name in known_scans)
                    for column, keys in scan.links.items()
                }
                found = order_scans(
                    [*(replace(choice.scan) for choice in known_scans.values()), replace(scan, links=links)]
                )
                if scan.scan_name in found:
                    known_scans = found
            best = min(best, (-len(known_scans), total(known_scans)))
    return -best[0], best[1]


@pytest.mark.parametrize("seed", range(20))
def test_no_order_needs_fewer_calls(seed: int) -> None:
    scans = random_graph(Random(seed), 3)
    choices = order_scans(scans)
    assert (len(choices), total(choices)) == brute_force(scans)


def test_more_scans_than_can_be_compared_are_ordered_too() -> None:
    chain = [
        JoinScan(scan_name=f"s{number}", candidates=(path("all", 900, 9), path("by_id", 1, 1, ("id",))),
                 links={"id": (key("id", f"s{number - 1}"),)}, unique=frozenset({"id"}))
        for number in range(1, EXHAUSTIVE_MAX + 3)
    ]  # fmt: skip
    first = JoinScan(scan_name="s0", candidates=(path("all", 2, 1),), unique=frozenset({"id"}))
    choices = order_scans([*chain, first])
    assert total(choices) == 1 + 2 * len(chain)


def test_what_cannot_be_read_is_left_out() -> None:
    circle = [
        JoinScan(scan_name=a, candidates=(path("by_id", 1, 1, ("id",)),), links={"id": (key("id", b),)})
        for a, b in (("a", "b"), ("b", "a"))
    ]
    assert order_scans(circle) == {}


def all_linked(random: Random, size: int) -> list[JoinScan]:
    """Scans that may each take their keys from every other one."""
    scans = []
    for number in range(size):
        others = [key("k", f"s{other}") for other in range(size) if other != number]
        listing = path("all", random.choice((10, 300, 5000)), random.randint(1, 200))
        taking = path("by_k", random.choice((0.5, 1, 20)), 1, ("k",))
        scans.append(JoinScan(scan_name=f"s{number}", candidates=(listing, taking), links={"k": tuple(others)}))
    return scans


@pytest.mark.parametrize("seed", range(6))
def test_where_all_give_keys_to_all_the_cheapest_sets_are_enough(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scans = all_linked(Random(seed), 9)
    assert joins._is_dense(scans)
    bounded = order_scans(scans)
    monkeypatch.setattr(joins, "WORK_MAX", 1 << 30)
    every = order_scans(scans)
    assert len(bounded) == len(every) == 9
    assert total(every) <= total(bounded) <= 1.02 * total(every)
