"""Foreign tables by hand: what they name must exist in the API, under the type it has there."""

from __future__ import annotations

import psycopg
import pytest
from source_world import refusal, value

NEW = "CREATE FOREIGN TABLE s.t ({}) SERVER gh OPTIONS (\"table\" '{}')"


def test_a_table_with_names_of_its_own_is_read(owner: psycopg.Connection, source: str) -> None:
    columns = "o text OPTIONS (\"column\" 'owner'), r text OPTIONS (\"column\" 'repo'), number int"
    owner.execute(NEW.format(columns, "issues").encode())
    assert value(owner, "SELECT count(*) FROM s.t WHERE o = 'acme' AND r = 'web' AND number <= 3") == 3


def test_a_table_named_as_the_apis_needs_no_option(owner: psycopg.Connection, source: str) -> None:
    owner.execute("SET search_path = s, public")
    owner.execute("CREATE FOREIGN TABLE releases (owner text, repo text, tag_name text) SERVER gh")
    assert value(owner, "SELECT count(tag_name) >= 0 FROM releases WHERE owner = 'acme' AND repo = 'web'") is True


@pytest.mark.parametrize(
    ("columns", "table", "sqlstate", "message"),
    [
        ("number int", "isues", "HV00R", 'server "gh" has no table "isues"'),
        ("nmber int", "issues", "HV005", 'table "issues" of server "gh" has no column "nmber"'),
        (
            "n int OPTIONS (\"column\" 'nmber')",
            "issues",
            "HV005",
            'table "issues" of server "gh" has no column "nmber"',
        ),
        ("number text", "issues", "42804", 'column "number" cannot have type text'),
        ("labels text", "issues", "42804", 'column "labels" cannot have type text'),
        ("title varchar(10)", "issues", "42804", 'column "title" cannot have type character varying(10)'),
        ("number int OPTIONS (colum 'x')", "issues", "HV00D", 'invalid option "colum"'),
    ],
)
@pytest.mark.parametrize("block", [False, True])
def test_a_new_table_that_does_not_fit_is_not_made(
    owner: psycopg.Connection, source: str, columns: str, table: str, sqlstate: str, message: str, block: bool
) -> None:
    if block:
        owner.execute("BEGIN")
    refused = refusal(owner, NEW.format(columns, table))
    assert (refused.sqlstate, refused.message_primary) == (sqlstate, message)
    if block:
        assert refusal(owner, "SELECT 1").sqlstate == "25P02"
        owner.execute("ROLLBACK")
    assert value(owner, "SELECT to_regclass('s.t') IS NULL") is True


@pytest.mark.parametrize(
    ("change", "sqlstate"),
    [
        ("OPTIONS (SET \"table\" 'nosuch')", "HV00R"),
        ("ADD COLUMN nosuch text", "HV005"),
        ("ALTER COLUMN number TYPE bigint", "42804"),
        ("ALTER COLUMN number OPTIONS (SET \"column\" 'title')", "42804"),
        ("OPTIONS (ADD token 'x')", "HV00D"),
        ("ALTER COLUMN number OPTIONS (ADD token 'x')", "HV00D"),
    ],
)
def test_a_change_that_does_not_fit_is_undone(
    owner: psycopg.Connection, source: str, change: str, sqlstate: str
) -> None:
    assert refusal(owner, f"ALTER FOREIGN TABLE s.issues {change}").sqlstate == sqlstate
    assert value(owner, "SELECT count(*) FROM s.issues WHERE owner = 'acme' AND repo = 'web' AND number = 1") == 1


def test_a_table_is_no_child_of_another(owner: psycopg.Connection, source: str) -> None:
    owner.execute("CREATE TABLE s.parent (number int)")
    owner.execute("CREATE TABLE s.parted (number int) PARTITION BY LIST (number)")
    for sql in (
        "CREATE FOREIGN TABLE s.t () INHERITS (s.parent) SERVER gh OPTIONS (\"table\" 'issues')",
        "CREATE FOREIGN TABLE s.t PARTITION OF s.parted FOR VALUES IN (1) SERVER gh OPTIONS (\"table\" 'issues')",
        "ALTER FOREIGN TABLE s.issues INHERIT s.parent",
    ):
        assert refusal(owner, sql).sqlstate == "0A000"


def test_columns_that_only_this_source_has_are_known(owner: psycopg.Connection) -> None:
    make = "CREATE FOREIGN TABLE s.t (key text, qa_owner {}) SERVER jira OPTIONS (\"table\" 'issues')"
    assert refusal(owner, make.format("int")).sqlstate == "42804"
    owner.execute(make.format("text").encode())
    assert value(owner, "SELECT key FROM s.t WHERE key = 'WEB-1'") == "WEB-1"


def test_what_a_block_makes_is_judged_when_it_is_read(owner: psycopg.Connection, source: str) -> None:
    owner.execute(f"DO $$ BEGIN {NEW.format('number int', 'isues')}; END $$".encode())
    assert refusal(owner, "SELECT * FROM s.t").sqlstate == "HV00R"
    owner.execute("ALTER FOREIGN TABLE s.t OWNER TO admin")
    owner.execute("DROP FOREIGN TABLE s.t")
