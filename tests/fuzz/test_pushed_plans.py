"""Whatever the planner pushes to the APIs, the answer is PostgreSQL's over every row of every table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from hypothesis import Phase, event, given, note, settings
from hypothesis import strategies as st
from legality import Seen, problems
from other_literals import with_other_literals
from plain_tables import PlainTable, plain_tables, plainly
from profiles import FUZZING, as_profiled
from pushed import Pushable, statements
from query_grammars import grammar_problems

from omnisql_server.parse.shape import TEXT_BYTES_MAX
from omnisql_server.repeats.repeats import KEPT

pytestmark = pytest.mark.slow

EXAMPLES = 200
TEMPLATE_EXAMPLES, VARIANTS = 3, 3
# A smaller seed makes no simpler statement.
bounded = settings(as_profiled, phases=[Phase.generate], max_examples=as_profiled.max_examples if FUZZING else EXAMPLES)
sampled = settings(bounded, max_examples=as_profiled.max_examples if FUZZING else TEMPLATE_EXAMPLES)


class World:
    """A session and what it can ask; a class without a long description in reports."""

    def __init__(self, session: psycopg.Connection, tables: dict[str, PlainTable]) -> None:
        self.session = session
        self.tables = tables
        self.blanks = count(TEXT_BYTES_MAX)
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
    assert len(world.seen.requests) > min(EXAMPLES, bounded.max_examples) // 2
    assert problems(world.seen) == set()
    # Few statements may hold none that Jira is sent.
    assert world.seen.has_or("jira") or bounded.max_examples < EXAMPLES


@pytest.mark.clients
def test_every_query_that_was_sent_is_one_to_atlassians_own_parser(world: World, demo: DemoServer) -> None:
    world.rest(demo)
    jql = world.seen.parameters("jira", "jql")
    assert jql
    assert grammar_problems(jql, ()) == []


def _rows(session: psycopg.Connection, sql: str) -> list[tuple[Any, ...]]:
    rows = session.execute(sql.encode()).fetchall()
    return [tuple(tuple(value) if isinstance(value, list) else value for value in row) for row in rows]


@sampled
@given(seed=st.integers(0, 1 << 40))
def test_a_statement_by_a_template_is_answered_as_one_that_is_new(world: World, demo: DemoServer, seed: int) -> None:
    """The control has so many blanks at its end that it has no shape, each time others, so that nothing knows it."""
    random = Random(seed)
    statement = statements(random, world.tables)
    literals = sorted({literal for table in world.tables.values() for literal in _literals(table)})
    others = (with_other_literals(statement.sql, random, 0.5, literals) for _ in range(VARIANTS))
    demo.reset()
    for sql in (statement.sql, *others, statement.sql):
        note(sql)
        # What a statement tells of sizes must be known before, or the control is planned by more.
        _outcome(world.session, sql + " " * next(world.blanks), statement)
        _requests(demo)
        for asked in (f"EXPLAIN {sql}", sql):
            found = _outcome(world.session, asked, statement)
            made = _requests(demo)
            blanks = next(world.blanks)
            assert found == _outcome(world.session, asked + " " * blanks, statement), blanks
            again = _requests(demo)
            # What turns out to fail or to be empty stops what is read beside it, wherever that has come to.
            assert made == again or found[1] == "SELECT 0" or not isinstance(found[0], list)
        event("an answer" if isinstance(found[0], list) else f"refused: {found[0]}")


def _outcome(session: psycopg.Connection, sql: str, statement: Pushable) -> tuple[object, ...]:
    """Return what a client sees of an answer: columns and rows, or the error with its place.

    Of first rows only the order is fixed. What EXPLAIN says of quota depends on the second, and what it says of answers
    that are kept on whether just that text was asked.
    """
    cursor = psycopg.ClientCursor(session)
    try:
        cursor.execute(sql.encode())
    except psycopg.Error as error:
        told = error.diag
        return (told.sqlstate, told.message_primary, told.message_detail, told.message_hint, told.statement_position)
    columns, rows = [(column.name, column.type_code) for column in cursor.description or ()], cursor.fetchall()
    if statement.limit and columns[0][0] != "QUERY PLAN":
        return (columns, cursor.statusmessage, [row[: statement.order] for row in rows])
    shown = [repr(row).replace(f"; not asked: {KEPT}", "") for row in rows if "  Quota: " not in str(row[0])]
    return (columns, cursor.statusmessage, sorted(shown))


def _requests(demo: DemoServer) -> list[str]:
    """List the requests that were made since they were last asked for, in any order."""
    made: list[str] = []
    for simulator in (demo.github, demo.jira):
        made += (f"{one['method']} {one['path']} {one['query']}" for one in simulator.requests())
        simulator.reset()
    return sorted(made)


def _literals(table: PlainTable) -> list[str]:
    """List the plain literals that conditions on a table are made of."""
    return [found for column in table.columns.values() for one in column.literals for found in _LITERAL.findall(one)]


_LITERAL = re.compile(r"'(?:[^']|'')*'|\b[0-9]+\b")
