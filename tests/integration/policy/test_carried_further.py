"""What is written on by partitions, cascades, prepared statements and blocks stays its owner's, as do new columns."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DemoServer
from guarded import log_in, undone

ALONE = "rows from API tables are for the owner of their table alone"
BOARDS = "jira.boards"
"""Of which ana may share nothing, other than of jira.projects."""

CARRIED = {
    "CREATE TABLE parts (a text) PARTITION BY LIST (a); CREATE TABLE open PARTITION OF parts DEFAULT": (
        f"INSERT INTO parts SELECT name FROM {BOARDS}"
    ),
    "CREATE TABLE parts (a text); CREATE TABLE open () INHERITS (parts); INSERT INTO open VALUES ('x')": (
        f"UPDATE parts SET a = b.name FROM {BOARDS} b"
    ),
    "CREATE TABLE parts (a text PRIMARY KEY); CREATE TABLE open (a text REFERENCES parts ON UPDATE CASCADE);"
    " INSERT INTO parts VALUES ('x'); INSERT INTO open VALUES ('x')": (
        f"UPDATE parts SET a = b.name FROM (SELECT min(name) AS name FROM {BOARDS}) b"
    ),
    f"CREATE TABLE open (a text); CREATE TEMP TABLE held AS SELECT name FROM {BOARDS}": (
        "DO $$ BEGIN INSERT INTO further.open SELECT name FROM held; END $$"
    ),
    f"CREATE TABLE open (a text); CREATE TABLE parts AS SELECT name FROM {BOARDS}": (
        "DO $$ BEGIN INSERT INTO FURTHER.OPEN SELECT name FROM FURTHER.PARTS; END $$"
    ),
    "CREATE TABLE open (a text); CREATE TABLE parts (a text); PREPARE copying AS INSERT INTO open SELECT a FROM parts;"
    f" INSERT INTO parts SELECT name FROM {BOARDS}": "EXECUTE copying",
    f"CREATE TABLE open (a text); CREATE TABLE parts AS SELECT name AS a FROM {BOARDS}": (
        "DO $$ DECLARE w text; BEGIN SELECT a INTO w FROM further.parts; SET CONSTRAINTS ALL IMMEDIATE;"
        " INSERT INTO further.open VALUES (w); END $$"
    ),
    "CREATE TABLE open AS SELECT key AS a FROM jira.projects": f"INSERT INTO open SELECT name FROM {BOARDS}",
    f"CREATE TABLE open AS SELECT key AS a FROM jira.projects; CREATE TABLE parts AS SELECT name AS a FROM {BOARDS}": (
        "INSERT INTO open SELECT a FROM parts"
    ),
}
"""What stands there, with a table that is open to eve, and what would carry rows of an API into that."""


@pytest.fixture
def further(guarded: DemoServer) -> Iterator[psycopg.Connection]:
    """Give ana a schema that everybody may use."""
    with log_in(guarded, "admin") as admin, log_in(guarded, "ana") as session:
        admin.execute("CREATE SCHEMA further; GRANT ALL ON SCHEMA further TO ana, eve")
        session.execute("SET search_path = further")
        yield session
        session.execute("ROLLBACK")
        session.close()
        admin.execute("DROP SCHEMA further CASCADE")


def refused(session: psycopg.Connection, sql: str) -> None:
    """Run a statement that must not show rows to anybody."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=ALONE):
        session.execute(sql.encode())


@pytest.mark.parametrize("way", CARRIED)
def test_nothing_is_carried_to_where_others_read(
    further: psycopg.Connection, eve: psycopg.Connection, way: str
) -> None:
    for statement in way.split("; "):
        further.execute(statement.encode())
    further.execute("GRANT SELECT ON open TO eve")
    before = eve.execute("SELECT a FROM further.open ORDER BY a").fetchall()
    refused(further, CARRIED[way])
    assert eve.execute("SELECT a FROM further.open ORDER BY a").fetchall() == before


def test_a_permit_is_for_the_columns_that_policy_was_asked_about(further: psycopg.Connection) -> None:
    further.execute("CREATE TABLE open AS SELECT key AS a FROM jira.projects")
    further.execute(f"CREATE TABLE parts AS SELECT name AS a FROM {BOARDS}".encode())
    with undone(further):
        further.execute("SAVEPOINT before")
        further.execute("GRANT SELECT ON open TO eve")
        further.execute("ROLLBACK TO before")
        further.execute("DO $$ BEGIN INSERT INTO further.open SELECT a FROM further.parts; END $$")
        refused(
            further, "DO $$ BEGIN EXECUTE 'GRANT SELECT ON further.open TO eve'; SET CONSTRAINTS ALL IMMEDIATE; END $$"
        )


def test_more_columns_are_shared_where_policy_lets_them(further: psycopg.Connection, eve: psycopg.Connection) -> None:
    further.execute("CREATE TABLE open AS SELECT key AS a FROM jira.projects; GRANT SELECT ON open TO eve")
    further.execute("CREATE TABLE more AS SELECT name AS a FROM jira.projects")
    further.execute("INSERT INTO open SELECT a FROM more")
    further.execute("INSERT INTO open SELECT key || id FROM jira.projects")
    assert eve.execute("SELECT count(*) FROM further.open").fetchone() == (12,)


def test_what_was_prepared_before_is_followed_all_the_same(further: psycopg.Connection) -> None:
    """Drivers prepare by Parse, under a name."""
    further.execute("CREATE TABLE parts (a text); CREATE TABLE open (a text)")
    further.execute("INSERT INTO open SELECT a FROM parts WHERE a <> %s", ("",), prepare=True)
    further.execute(f"INSERT INTO parts SELECT name FROM {BOARDS}".encode())
    further.execute("GRANT SELECT ON open TO eve")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=ALONE):
        further.execute("INSERT INTO open SELECT a FROM parts WHERE a <> %s", ("",), prepare=True)
