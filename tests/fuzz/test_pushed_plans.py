"""Whatever the planner pushes to the APIs, the answer is PostgreSQL's over every row of every table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from hypothesis import Phase, event, given, note, settings
from hypothesis import strategies as st
from legality import Seen, problems
from plain_tables import PlainTable, plain_tables, plainly
from profiles import FUZZING, as_profiled
from pushed import statements
from query_grammars import grammar_problems

pytestmark = pytest.mark.slow

EXAMPLES = 200
# A smaller seed makes no simpler statement.
bounded = settings(as_profiled, phases=[Phase.generate], max_examples=as_profiled.max_examples if FUZZING else EXAMPLES)


class World:
    """A session and what it can ask; a class without a long description in reports."""

    def __init__(self, session: psycopg.Connection, tables: dict[str, PlainTable]) -> None:
        self.session = session
        self.tables = tables
        self.seen = Seen()

    def rest(self, demo: DemoServer) -> None:
        """Open every rate limit again, and remember what was asked by then."""
        self.seen.take("github", demo.github)
        self.seen.take("jira", demo.jira)
        demo.reset()


@pytest.fixture(scope="module")
def world(demo: DemoServer) -> Iterator[World]:
    """Open a session with a copy of every API table."""
    demo.reset()
    with (
        psycopg.connect(**demo.arguments("ana"), dbname=DATABASE, autocommit=True) as session,
        plain_tables(session) as tables,
    ):
        yield World(session, tables)
        demo.reset()


@bounded
@given(seed=st.integers(0, 1 << 40))
def test_a_pushed_plan_has_the_answer_of_a_full_scan(world: World, demo: DemoServer, seed: int) -> None:
    session, random = world.session, Random(seed)
    statement = statements(random, world.tables)
    note(statement.sql)
    truth = _rows(session, plainly(statement.sql))
    found = _rows(session, statement.sql)
    if statement.limit:
        event("first rows")
        assert [row[: statement.order] for row in found] == [row[: statement.order] for row in truth]
        assert not Counter(found) - Counter(_rows(session, plainly(statement.text)))
    else:
        event("rows" if truth else "no row")
        assert Counter(found) == Counter(truth)
    if random.randint(0, 40) == 0:
        # The simulators count requests against a limit, and keep a log of them.
        world.rest(demo)


def test_every_request_that_was_made_is_known_to_its_vendor(world: World, demo: DemoServer) -> None:
    world.rest(demo)
    assert len(world.seen.requests) > EXAMPLES // 2
    assert problems(world.seen) == set()


@pytest.mark.clients
def test_every_query_that_was_sent_is_one_to_atlassians_own_parser(world: World, demo: DemoServer) -> None:
    world.rest(demo)
    jql = world.seen.parameters("jira", "jql")
    assert jql
    assert grammar_problems(jql, ()) == []


def _rows(session: psycopg.Connection, sql: str) -> list[tuple[Any, ...]]:
    rows = session.execute(sql.encode()).fetchall()
    return [tuple(tuple(value) if isinstance(value, list) else value for value in row) for row in rows]
