"""Whatever is not hydrated, the answer is PostgreSQL's over every row in full; no more is hydrated than it needs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from hydrated import PULLS, REPOSITORY, hydrated_statements
from hypothesis import Phase, event, given, note, settings
from hypothesis import strategies as st
from legal_requests import Sent, problems
from plain_tables import PlainTable, Requirement, copied, copy_of, create_copies, plainly
from profiles import FUZZING, as_profiled

pytestmark = pytest.mark.slow

EXAMPLES = 50
# A smaller seed makes no simpler statement.
bounded = settings(as_profiled, phases=[Phase.generate], max_examples=as_profiled.max_examples if FUZZING else EXAMPLES)
REQUIREMENTS = {
    PULLS: Requirement(required=REPOSITORY, identity=("number",)),
    "github.issues": Requirement(required=REPOSITORY, identity=("number",)),
    "github.org_members": Requirement(required="org = 'acme'", identity=("id",)),
    "jira.issues": Requirement(identity=("id",)),
}


class World:
    """A session and what it can ask; a class without a long description in reports."""

    def __init__(self, session: psycopg.Connection, tables: dict[str, PlainTable]) -> None:
        self.session = session
        self.tables = tables
        self.queries: set[str] = set()


@pytest.fixture(scope="module")
def world(demo: DemoServer) -> Iterator[World]:
    """Open a session with a copy of the tables, in full."""
    demo.reset()
    with psycopg.connect(**demo.arguments("ana"), dbname=DATABASE, autocommit=True) as session:
        create_copies(session, dict.fromkeys(REQUIREMENTS, ()))
        tables = {name: copied(session, name, requirement) for name, requirement in REQUIREMENTS.items()}
        yield World(session, tables)
        for name in REQUIREMENTS:
            session.execute(f"DROP TABLE {copy_of(name)}".encode())
        demo.reset()


@bounded
@given(seed=st.integers(0, 1 << 40))
def test_a_hydrated_plan_has_the_answer_of_a_full_scan(world: World, demo: DemoServer, seed: int) -> None:
    session, random = world.session, Random(seed)
    statement = hydrated_statements(random, world.tables)
    note(statement.text)
    truth = _rows(session, plainly(statement.text))
    world.queries |= _queries(demo)
    demo.reset()
    found = _rows(session, statement.text)
    if statement.order:
        assert [row[: statement.order] for row in found] == [row[: statement.order] for row in truth]
        assert not Counter(found) - Counter(_rows(session, plainly(statement.whole)))
    else:
        assert Counter(found) == Counter(truth)
    # Rows cannot be told apart by what DuckDB is not proved to evaluate.
    if statement.needed and "Engine: duckdb" in str(_rows(session, f"EXPLAIN {statement.needed}")):
        asked, by_key = _asked(demo)
        needed = {number for (number,) in _rows(session, plainly(statement.needed))}
        note(f"hydrated {sorted(asked)}, needed {sorted(needed)}, by key {sorted(by_key)}")
        event("by key" if by_key - needed else "hydrated" if asked else "not hydrated")
        assert asked <= needed or by_key


@pytest.mark.clients
def test_every_query_that_was_sent_is_legal_in_githubs_schema(world: World, demo: DemoServer) -> None:
    world.queries |= _queries(demo)
    assert len(world.queries) > 1
    bodies = map(json.loads, world.queries)
    asked = [Sent(vendor="github", method="POST", path="/graphql", body=each) for each in bodies]
    assert {problem for each in asked for problem in problems(each)} == set()


def _queries(demo: DemoServer) -> set[str]:
    posted = [record["body"] for record in demo.github.requests() if record["path"] == "/graphql"]
    return {json.dumps(body, sort_keys=True) for body in posted}


def _rows(session: psycopg.Connection, sql: str) -> list[tuple[Any, ...]]:
    return session.execute(sql.encode()).fetchall()


def _asked(demo: DemoServer) -> tuple[set[int], set[int]]:
    """Return the pull requests whose details were asked for, and those that were asked for by their number."""
    asked: set[int] = set()
    by_key: set[int] = set()
    for record in demo.github.requests():
        path = str(record["path"])
        if found := re.search(r"/pulls/(\d+)$", path):
            by_key.add(int(found[1]))
        elif path == "/graphql":
            asked |= {int(number) for number in re.findall(r"pullRequest\(number: (\d+)\)", record["body"]["query"])}
    return asked, by_key if len(by_key) > 1 else set()
