"""The ways that the planner takes into vendors' own tables: which one, and from how many rows on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.declarative.asking import read_query
from connectors.registry import manifest_named, manifest_names
from connectors.salesforce.standard import MODELS
from connectors.sdk.scan import Operator, Predicate, Value
from connectors.sdk.table import Grade, Table
from omnisql_server.model.statistics import NO_STATISTICS, Observation, TableStatistics, shape_of, smoothed
from omnisql_server.plan.disjunctions import WantedAny
from omnisql_server.plan.domains import Wanted
from omnisql_server.plan.paths import ChosenPath, calls_expected, choose_path

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPPORTUNITIES = MODELS["opportunities"].table
WITH_QUERIES = [
    name for name in manifest_names() if any(each.tests for each in manifest_named(name).manifest.tables.values())
]
TICKETS = manifest_named("zendesk").tables["tickets"].table


def chosen(
    table: Table,
    *conditions: tuple[str, Operator, Value],
    columns: tuple[str, ...] = ("id",),
    known: TableStatistics = NO_STATISTICS,
) -> ChosenPath:
    wanted = tuple(
        Wanted(predicate=Predicate(column=column, operator=operator, value=value), sql=f"{column} {operator} {value}")
        for column, operator, value in conditions
    )
    return choose_path(table, f"s.{table.name}", wanted, frozenset(columns), 10, known=known)


def with_rows(count: int) -> TableStatistics:
    """Return what is known of a table that had so many rows when it was read whole."""
    shape = shape_of((), ())
    assert shape is not None
    seen = Observation(rows=count, pages=1, calls=1, latency_ms=1, seen_at=NOW)
    return TableStatistics(shapes={shape: smoothed(None, seen)})


@pytest.mark.parametrize(
    ("rows", "path"), [(0, "query"), (2_000, "query"), (26_000, "query"), (30_000, "bulk"), (200_000, "bulk")]
)
def test_a_long_reading_of_salesforce_is_a_job_and_a_short_one_is_not(rows: int, path: str) -> None:
    assert chosen(OPPORTUNITIES, known=with_rows(rows)).path.name == path


def test_a_job_takes_fewer_calls_than_the_pages_that_it_stands_for() -> None:
    job = chosen(OPPORTUNITIES, known=with_rows(1_000_000))
    assert (job.path.name, job.calls_expected) == ("bulk", 12 + 40)
    # Addresses are not in what a job gives.
    paged = chosen(MODELS["accounts"].table, columns=("id", "billing_address"), known=with_rows(1_000_000))
    assert (paged.path.name, paged.calls_expected) == ("query", 500)


def test_a_condition_that_leaves_few_rows_of_a_large_table_is_a_query() -> None:
    few = chosen(OPPORTUNITIES, ("name", Operator.EQ, "Acme"), known=with_rows(200_000))
    assert (few.path.name, few.rows_expected) == ("query", 20_000)


LATE = ("updated_at", Operator.GE, NOW)


def test_changed_tickets_are_reckoned_in_pages_of_a_thousand_and_only_below_a_bound() -> None:
    changed = chosen(TICKETS, LATE)
    assert (changed.path.name, changed.calls_expected) == ("changed", 6)
    everything = chosen(TICKETS)
    assert (everything.path.name, everything.calls_expected) == ("all", 200)
    before = chosen(TICKETS, ("updated_at", Operator.LT, NOW))
    assert before.path.name == "search"


def test_the_search_is_preferred_where_it_takes_as_few_calls() -> None:
    assert chosen(TICKETS, LATE, ("status", Operator.EQ, "open")).path.name == "search"


def test_a_path_that_needs_a_condition_is_taken_without_it_where_there_is_no_other() -> None:
    (path,) = (each for each in TICKETS.access_paths if each.name == "changed")
    alone = Table(name="tickets", description="", columns=TICKETS.columns, primary_key=("id",), access_paths=(path,))
    assert chosen(alone).path.name == "changed"


@pytest.mark.parametrize("name", WITH_QUERIES)
def test_the_planner_takes_a_way_that_answers_every_test_query_within_its_calls(name: str) -> None:
    loaded = manifest_named(name)
    for table_name, declared in loaded.manifest.tables.items():
        found = loaded.tables[table_name]
        for query in declared.tests:
            asked = read_query(query.sql, found.table)
            wanted = tuple(Wanted(predicate=each, sql=str(each)) for each in asked.predicates)
            used = {*asked.columns, *(each.column for each in asked.predicates)}
            # Keys that the query does not give come from a row of the table that they refer to.
            way = choose_path(found.table, table_name, wanted, frozenset(used), 10, frozenset(found.references))
            assert [each.condition for each in way.not_pushed] == [], query.sql
            assert asked.order is None or asked.order.direction in way.path.order[asked.order.column], query.sql
            assert query.calls_max is None or calls_expected(way, asked.limit) <= query.calls_max, query.sql


@pytest.mark.parametrize(
    ("vendor", "table", "either", "path", "grade"),
    [
        ("hubspot", "contacts", ("email", "owner_id"), "search", Grade.SUPERSET),
        ("jira", "issues", ("status", "priority"), "search", Grade.SUPERSET),
        ("linear", "issues", ("state_name", "team_key"), "all", Grade.EXACT),
    ],
)
def test_an_or_is_sent_where_that_saves_calls(
    vendor: str, table: str, either: tuple[str, ...], path: str, grade: Grade
) -> None:
    found = manifest_named(vendor).tables[table].table
    sides = tuple(
        (Wanted(predicate=Predicate(column=name, operator=Operator.EQ, value="a"), sql=name),) for name in either
    )
    asked = (found, f"s.{table}", (), frozenset({"id"}), 10)
    way = choose_path(*asked, alternatives=(WantedAny(branches=sides, sql="or"),))
    assert (way.path.name, way.not_pushed) == (path, ())
    assert [pushed.grade for pushed in way.pushed] == [grade]
    assert way.calls_expected < choose_path(*asked).calls_expected
