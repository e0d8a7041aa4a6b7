"""Whatever parts of a statement an external PostgreSQL carries out, the answer is that over copies of all tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from external_postgres import PASSWORD, external_postgres
from hypothesis import Phase, event, given, note, settings
from hypothesis import strategies as st
from parted import COPIES, ISSUES, SCHEMA, Writer
from profiles import FUZZING, as_profiled

pytestmark = pytest.mark.slow

EXAMPLES = 150
# A smaller seed makes no simpler statement.
bounded = settings(as_profiled, phases=[Phase.generate], max_examples=as_profiled.max_examples if FUZZING else EXAMPLES)


class World:
    """A session, and how its statements were answered."""

    def __init__(self, session: psycopg.Connection) -> None:
        self.session = session
        self.ways: Counter[str] = Counter()


@pytest.fixture(scope="module")
def world(demo: DemoServer) -> Iterator[World]:
    """Make the external database a source, and copy all that statements read."""
    demo.reset()
    arguments = {**demo.arguments("admin"), "dbname": DATABASE, "autocommit": True}
    password = PASSWORD.replace("'", "''")
    with external_postgres() as running, psycopg.connect(**arguments) as session:
        running.execute(SCHEMA)
        for statement in (
            "CREATE SCHEMA far",
            "CREATE SCHEMA near",
            "CREATE SERVER far FOREIGN DATA WRAPPER postgres"
            f" OPTIONS (host '127.0.0.1', port '{running.port}', dbname 'postgres', sslmode 'disable')",
            f"CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'reader', password '{password}')",
            "IMPORT FOREIGN SCHEMA sales FROM SERVER far INTO far",
            "CREATE TABLE near.customers AS SELECT * FROM far.customers",
            "CREATE TABLE near.orders AS SELECT * FROM far.orders",
            f"CREATE TABLE near.issues AS SELECT i.*, 'acme' AS owner, 'web' AS repo FROM ({ISSUES}) AS i",
            "CREATE TABLE near.words AS SELECT n AS id, 'word ' || n AS word FROM generate_series(1, 50, 3) AS n",
        ):
            session.execute(statement.encode())
        yield World(session)
        session.execute("DROP SCHEMA near CASCADE")
        session.execute("DROP SCHEMA far CASCADE")
        session.execute("DROP SERVER far CASCADE")
        demo.reset()


@bounded
@given(seed=st.integers(0, 1 << 40))
def test_parts_have_the_answer_of_copies(world: World, demo: DemoServer, seed: int) -> None:
    sql = Writer(Random(seed)).statement()
    note(sql)
    copied = sql
    for far, near in COPIES.items():
        copied = copied.replace(far, near)
    truth, found = outcome(world.session, copied), outcome(world.session, sql)
    assert found == truth
    if isinstance(found, Counter) and sql != copied:
        used = world.session.execute("SELECT access_path FROM omnisql.last_query_sources").fetchall()
        ways = {path if path == "whole" else path.partition("_")[0] for (path,) in used}
        way = "whole" if "whole" in ways else "parts" if "part" in ways else "scans"
        world.ways[way] += 1
        event(way)
    if seed % 20 == 0:
        # The simulators count requests against a limit.
        demo.reset()


def test_many_statements_were_answered_by_parts(world: World) -> None:
    assert min(world.ways[way] for way in ("whole", "parts", "scans")) > 2
    # Few statements may by chance hold few parts.
    assert world.ways["parts"] > sum(world.ways.values()) // 4 or bounded.max_examples < EXAMPLES


def outcome(session: psycopg.Connection, sql: str) -> Counter[tuple[str, ...]] | str:
    """Return the rows of an answer in any order, or the SQLSTATE of an error."""
    try:
        rows = session.execute(sql.encode()).fetchall()
    except psycopg.Error as error:
        return str(error.sqlstate)
    return Counter(tuple(map(str, row)) for row in rows)
