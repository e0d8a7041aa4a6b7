"""Whatever is pushed to any vendor, for the owner and for a user under a policy, the answer is that of every row."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from random import Random
from typing import Any

import psycopg
import pytest
from demo_server import DATABASE, DemoServer, Simulator, demo_directory, start_demo
from hypothesis import Phase, event, given, note, settings
from hypothesis import strategies as st
from legality import Seen, problems
from plain_tables import plainly
from profiles import FUZZING, as_profiled
from pushed import either, statements
from query_grammars import grammar_problems
from shown_rows import PREFIX, USER, make_views, policy
from vendor_sources import Vendors, copy_vendors, make_sources, simulators

pytestmark = pytest.mark.slow

EXAMPLES = 100
SEED = 7
DISJOINED = ("linear", "notion", "salesforce")
"""Vendors that have OR between columns, beside Jira; HubSpot lists so few rows for as many calls as a search takes."""
STATEMENTS_OF_EACH = 12
OWNER = "admin"
# A smaller seed makes no simpler statement.
bounded = settings(as_profiled, phases=[Phase.generate], max_examples=as_profiled.max_examples if FUZZING else EXAMPLES)


class World:
    """Sessions of the owner and of a user under a policy, and what they can ask; a class without a long description."""

    def __init__(
        self,
        demo: DemoServer,
        owner: psycopg.Connection,
        reader: psycopg.Connection,
        made: Vendors,
        addresses: Mapping[str, str],
    ) -> None:
        self.demo = demo
        self.addresses = addresses
        self.owner = owner
        self.reader = reader
        self.vendors = made
        self.seen = Seen()

    def rest(self) -> None:
        """Open every rate limit of the demo again, and remember what was asked by then."""
        self.seen.take("github", self.demo.github)
        self.seen.take("jira", self.demo.jira)
        self.demo.reset()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Serve every vendor under a policy."""
    document, shown = policy(SEED)
    with ExitStack() as stack:
        directory = stack.enter_context(demo_directory())
        file = directory / "policy.yaml"
        file.write_text(json.dumps(document), encoding="utf-8")
        addresses = stack.enter_context(simulators())
        demo = start_demo(directory, issues=60, settings={"OMNISQL_POLICY_FILE": str(file)})
        stack.callback(demo.stop)
        owner, reader = (
            stack.enter_context(psycopg.connect(**demo.arguments(user), dbname=DATABASE, autocommit=True))
            for user in (OWNER, USER)
        )
        make_sources(owner, addresses, USER)
        found = copy_vendors(owner, demo.reset)
        make_views(owner, tuple(found.tables.values()), shown)
        yield World(demo, owner, reader, found, addresses)


@pytest.fixture
def asked(world: World) -> Seen:
    """Return what was asked of every vendor so far."""
    world.rest()
    for vendor, address in world.addresses.items():
        world.seen.take(vendor, Simulator(base_url=address))
    return world.seen


@bounded
@given(seed=st.integers(0, 1 << 40))
def test_a_plan_pushed_to_any_vendor_has_the_answer_of_a_full_scan(world: World, seed: int) -> None:
    _compare(world, seed, world.owner, "plain")


@bounded
@given(seed=st.integers(0, 1 << 40))
def test_a_plan_under_a_policy_has_the_answer_over_what_that_shows(world: World, seed: int) -> None:
    _compare(world, seed, world.reader, PREFIX)


@pytest.mark.parametrize("vendor", DISJOINED)
def test_a_vendor_that_has_or_is_sent_it(world: World, vendor: str) -> None:
    simulator = Simulator(base_url=world.addresses[vendor])
    tables = [
        table
        for name, table in sorted(world.vendors.tables.items())
        if name.startswith(f"{vendor}.") and any(column.below_or for column in table.columns.values())
    ]
    for seed in range(STATEMENTS_OF_EACH):
        random = Random(f"{vendor} {seed}")
        statement = either(random, random.choice(tables))
        assert Counter(_rows(world.owner, statement.sql)) == Counter(_rows(world.owner, plainly(statement.sql)))
    world.seen.take(vendor, simulator)
    assert world.seen.has_or(vendor)


def _compare(world: World, seed: int, session: psycopg.Connection, prefix: str) -> None:
    random = Random(seed)
    statement = statements(random, world.vendors.tables, world.vendors.joins)
    note(statement.sql)
    truth = _rows(session, plainly(statement.sql, prefix))
    try:
        try:
            found = _rows(session, statement.sql)
        except psycopg.errors.ConfigurationLimitExceeded:
            # Statements before it have used up what a vendor takes in a moment.
            world.rest()
            found = _rows(session, statement.sql)
    except psycopg.Error as error:
        # A key that is masked is taken from nobody.
        if prefix == "plain" or error.sqlstate != "HV00L":
            raise
        event("no key")
        return
    if statement.limit:
        event("first rows")
        assert [row[: statement.order] for row in found] == [row[: statement.order] for row in truth]
        assert not Counter(found) - Counter(_rows(session, plainly(statement.text, prefix)))
    else:
        event("rows" if truth else "no row")
        assert Counter(found) == Counter(truth)
    if random.randint(0, 9) == 0:
        world.rest()


def test_every_request_that_was_made_is_known_to_its_vendor(asked: Seen) -> None:
    assert len(asked.requests) > min(EXAMPLES, bounded.max_examples)
    assert problems(asked) == set()


@pytest.mark.clients
def test_every_query_that_was_sent_is_one_to_the_parsers_of_others(asked: Seen) -> None:
    soql = asked.parameters("salesforce", "q")
    assert soql
    assert grammar_problems((), soql) == []


def _rows(session: psycopg.Connection, sql: str) -> list[tuple[Any, ...]]:
    rows = session.execute(sql.encode()).fetchall()
    return [tuple(tuple(value) if isinstance(value, list) else value for value in row) for row in rows]
