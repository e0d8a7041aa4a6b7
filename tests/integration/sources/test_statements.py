"""Statements of SQL/MED: what they do, their tags, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from demo_server import DemoServer
from source_world import CONTROL, GOOD_TOKEN, Said, options_of, refusal, superuser, value

COUNT = "SELECT count(*) FROM s.issues WHERE owner = 'acme' AND repo = 'web'"
GIVE = f"CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '{GOOD_TOKEN}')"
NAMES = "SELECT array_agg(c.relname::text ORDER BY c.relname) FROM pg_class c WHERE c.relnamespace = 's'::regnamespace"


def tag(session: psycopg.Connection, sql: str) -> str | None:
    """Run a statement and return its command tag."""
    return session.execute(sql.encode()).statusmessage


def test_from_a_new_server_to_its_first_row(demo: DemoServer, owner: psycopg.Connection) -> None:
    address = demo.github.base_url
    assert tag(owner, f"CREATE SERVER gh FOREIGN DATA WRAPPER github OPTIONS (base_url '{address}')") == "CREATE SERVER"
    assert tag(owner, GIVE) == "CREATE USER MAPPING"
    assert tag(owner, "IMPORT FOREIGN SCHEMA github FROM SERVER gh INTO s") == "IMPORT FOREIGN SCHEMA"
    assert value(owner, COUNT) > 0
    assert tag(owner, "COMMENT ON SERVER gh IS 'ours'") == "COMMENT"
    assert tag(owner, "ALTER SERVER gh OPTIONS (ADD api_version '2022-11-28')") == "ALTER SERVER"
    assert tag(owner, "ALTER USER MAPPING FOR CURRENT_ROLE SERVER gh OPTIONS (DROP token)") == "ALTER USER MAPPING"
    assert tag(owner, "DROP USER MAPPING FOR admin SERVER gh") == "DROP USER MAPPING"
    assert refusal(owner, "DROP SERVER gh").sqlstate == "2BP01"
    assert tag(owner, "DROP SERVER gh CASCADE") == "DROP SERVER"


def test_everything_in_one_transaction(demo: DemoServer, owner: psycopg.Connection) -> None:
    with owner.transaction():
        address = demo.github.base_url
        tag(owner, f"CREATE SERVER gh FOREIGN DATA WRAPPER github OPTIONS (base_url '{address}')")
        tag(owner, GIVE)
        tag(owner, "CALL omnisql.check_source('gh')")
        tag(owner, "IMPORT FOREIGN SCHEMA github FROM SERVER gh INTO s")
        inside = value(owner, COUNT)
    assert inside == value(owner, COUNT) > 0


def test_names_that_only_an_import_has_made_known(demo: DemoServer, owner: psycopg.Connection, server: str) -> None:
    counted = "SELECT count(*) FROM {} WHERE owner = 'acme' AND repo = 'web'"
    tag(owner, GIVE)
    tag(owner, "ALTER FOREIGN TABLE github.labels RENAME TO tags")
    try:
        expected = value(owner, counted.format("github.tags"))
        with owner.transaction():
            tag(owner, "IMPORT FOREIGN SCHEMA github LIMIT TO (labels) FROM SERVER gh INTO s")
            assert value(owner, counted.format("s.labels")) == expected > 0
    finally:
        tag(owner, "ALTER FOREIGN TABLE github.tags RENAME TO labels")


def test_a_transaction_that_is_rolled_back_leaves_nothing(demo: DemoServer, owner: psycopg.Connection) -> None:
    with owner.transaction(force_rollback=True):
        address = demo.github.base_url
        tag(owner, f"CREATE SERVER gh FOREIGN DATA WRAPPER github OPTIONS (base_url '{address}')")
        tag(owner, GIVE)
        tag(owner, "IMPORT FOREIGN SCHEMA github FROM SERVER gh INTO s")
    assert refusal(owner, "CALL omnisql.check_source('gh')").sqlstate == "42704"
    assert value(owner, NAMES) is None


def test_one_message_of_several_statements(demo: DemoServer, owner: psycopg.Connection) -> None:
    owner.execute(
        f"CREATE SERVER gh FOREIGN DATA WRAPPER github OPTIONS (base_url '{demo.github.base_url}'); {GIVE};"
        "IMPORT FOREIGN SCHEMA github LIMIT TO (issues) FROM SERVER gh INTO s".encode()
    )
    assert value(owner, COUNT) > 0


def test_a_later_failure_undoes_what_one_message_did(owner: psycopg.Connection, server: str) -> None:
    refused = refusal(owner, f"{GIVE}; IMPORT FOREIGN SCHEMA github FROM SERVER gh INTO nosuch")
    assert refused.sqlstate == "3F000"
    assert owner.execute("SELECT 1 FROM pg_user_mappings WHERE srvname = 'gh'").fetchall() == []


def test_prepared_statements_of_every_kind(owner: psycopg.Connection, server: str) -> None:
    for sql in (
        GIVE,
        "ALTER SERVER gh OPTIONS (ADD api_version '2022-11-28')",
        "IMPORT FOREIGN SCHEMA github LIMIT TO (issues) FROM SERVER gh INTO s",
        """CREATE FOREIGN TABLE s.mine (number int) SERVER gh OPTIONS ("table" 'issues')""",
        "ALTER FOREIGN TABLE s.mine ADD COLUMN title text",
        "ALTER FOREIGN TABLE s.mine OWNER TO admin",
        "CALL omnisql.check_source('gh')",
        "DROP USER MAPPING FOR admin SERVER gh",
        "CREATE FOREIGN TABLE s.mine (number int) SERVER gh",
    ):
        try:
            owner.execute(sql.encode(), prepare=True)
        except psycopg.errors.DuplicateTable:
            assert sql.endswith("SERVER gh")
        described = owner.pgconn.describe_prepared(b"")
        assert described.nparams == 0


@pytest.mark.parametrize(
    ("clause", "names"),
    [
        ("LIMIT TO (issues, labels)", ["issues", "labels"]),
        ("LIMIT TO (issues, nosuch)", ["issues"]),
        (
            "EXCEPT (issues, commits, org_members, pull_requests, releases, workflow_runs, repositories)",
            ["issue_comments", "labels", "search_issues", "stargazers"],
        ),
    ],
)
def test_import_takes_what_is_asked_for(
    owner: psycopg.Connection,
    server: str,
    notices: list[Said],
    clause: str,
    names: list[str],
) -> None:
    tag(owner, GIVE)
    tag(owner, f"IMPORT FOREIGN SCHEMA github {clause} FROM SERVER gh INTO s")
    assert value(owner, NAMES) == names
    said = [notice.message for notice in notices]
    assert said == (['server "gh" has no table "nosuch"'] if "nosuch" in clause else [])


def test_imported_tables_are_those_of_the_connector(owner: psycopg.Connection, source: str) -> None:
    def columns(table: str) -> list[tuple[Any, ...]]:
        return owner.execute(
            "SELECT attname, atttypid, attfdwoptions, col_description(attrelid, attnum) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum",
            (table,),
        ).fetchall()

    assert columns("s.issues") == columns("github.issues")
    description = "SELECT obj_description('{}'::regclass)"
    assert value(owner, description.format("s.issues")) == value(owner, description.format("github.issues"))


def test_the_servers_own_tables_are_imported_too(owner: psycopg.Connection) -> None:
    tag(owner, "IMPORT FOREIGN SCHEMA omnisql LIMIT TO (sources) FROM SERVER omnisql INTO s")
    assert value(owner, "SELECT count(*) FROM s.sources") == value(owner, "SELECT count(*) FROM omnisql.sources")
    tag(owner, "DROP FOREIGN TABLE s.sources")


def test_import_is_all_or_nothing(owner: psycopg.Connection, server: str) -> None:
    tag(owner, GIVE)
    tag(owner, "CREATE TABLE s.releases (x int)")
    assert refusal(owner, "IMPORT FOREIGN SCHEMA github FROM SERVER gh INTO s").sqlstate == "42P07"
    assert value(owner, NAMES) == ["releases"]


def test_import_proves_the_credential(owner: psycopg.Connection, server: str) -> None:
    sql = "IMPORT FOREIGN SCHEMA github FROM SERVER gh INTO s"
    missing = refusal(owner, sql)
    assert (missing.sqlstate, missing.message_hint) == (
        "28000",
        "CREATE USER MAPPING FOR CURRENT_USER SERVER gh OPTIONS (token '...')",
    )
    tag(owner, "CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token 'ghp_wrong')")
    rejected = refusal(owner, sql)
    assert rejected.sqlstate == "28000"
    assert (rejected.message_primary or "").startswith("CREDENTIALS_REJECTED: ")
    assert "ghp_wrong" not in str([getattr(rejected, name) for name in dir(rejected) if name.startswith("message")])
    assert value(owner, NAMES) is None


def test_a_credential_for_everybody_serves_the_import(owner: psycopg.Connection, server: str) -> None:
    tag(owner, GIVE.replace("FOR admin", "FOR PUBLIC"))
    tag(owner, "IMPORT FOREIGN SCHEMA github LIMIT TO (issues) FROM SERVER gh INTO s")
    assert value(owner, COUNT) > 0


def test_check_source_tells_whose_credential_it_is(owner: psycopg.Connection, source: str, notices: list[Said]) -> None:
    assert tag(owner, "CALL omnisql.check_source('gh')") == "CALL"
    (said,) = notices
    assert said.severity == "NOTICE"
    assert said.message.startswith('server "gh" accepts the credential of ')


def test_check_source_is_a_procedure_that_only_calls_of_its_own_run(owner: psycopg.Connection, source: str) -> None:
    row = owner.execute("SELECT pronargs, prokind FROM pg_proc WHERE proname = 'check_source'").fetchone()
    assert row == (1, "p")
    for sql in (
        "DO $$ BEGIN CALL omnisql.check_source('gh'); END $$",
        "CALL omnisql.check_source('g' || 'h')",
    ):
        assert refusal(owner, sql).sqlstate == "0A000"
    assert refusal(owner, "CALL omnisql.check_source('nosuch')").sqlstate == "42704"
    assert refusal(owner, "CALL omnisql.check_source()").sqlstate == "42883"


REFUSED = [
    ("CREATE SERVER x FOREIGN DATA WRAPPER github OPTIONS (bse_url 'x')", "HV00D", 'invalid option "bse_url"'),
    (
        "CREATE SERVER x FOREIGN DATA WRAPPER github OPTIONS (token 'x')",
        "HV00D",
        'option "token" is a secret and cannot be an option of a server',
    ),
    (
        "CREATE SERVER x FOREIGN DATA WRAPPER github OPTIONS (base_url 'api.github.com')",
        "HV00D",
        'option base_url of server "x" is not an address',
    ),
    ("CREATE SERVER x FOREIGN DATA WRAPPER jira", "HV00D", 'server "x" lacks option base_url'),
    ("CREATE SERVER gh FOREIGN DATA WRAPPER github", "42710", 'server "gh" already exists'),
    ("CREATE SERVER x FOREIGN DATA WRAPPER nosuch", "42704", 'foreign-data wrapper "nosuch" does not exist'),
    ("ALTER SERVER nosuch OPTIONS (ADD base_url 'x')", "42704", 'server "nosuch" does not exist'),
    ("ALTER SERVER gh OPTIONS (SET base_url 'ftp://x')", "HV00D", 'option base_url of server "gh" is not an address'),
    ("ALTER SERVER gh OPTIONS (ADD tokn 'x')", "HV00D", 'invalid option "tokn"'),
    ("CREATE USER MAPPING FOR admin SERVER gh OPTIONS (tokn 'x')", "HV00D", 'invalid option "tokn"'),
    ("CREATE USER MAPPING FOR admin SERVER gh OPTIONS (base_url 'http://x')", "HV00D", 'invalid option "base_url"'),
    ("CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token '')", "HV00D", 'option "token" is empty'),
    ("CREATE USER MAPPING FOR admin SERVER nosuch OPTIONS (token 'x')", "42704", 'server "nosuch" does not exist'),
    ("CREATE USER MAPPING FOR nosuch SERVER gh OPTIONS (token 'x')", "42704", 'role "nosuch" does not exist'),
    ("ALTER USER MAPPING FOR admin SERVER gh OPTIONS (SET token 'x')", "42704", None),
    ("CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token 'x', token 'y')", "42710", None),
    ("CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token x)", "42601", 'syntax error at or near "x"'),
    (
        "IMPORT FOREIGN SCHEMA jira FROM SERVER gh INTO s",
        "HV00Q",
        'schema "jira" is not present on foreign server "gh"',
    ),
    ("IMPORT FOREIGN SCHEMA github FROM SERVER gh INTO s OPTIONS (a 'b')", "HV00D", 'invalid option "a"'),
    ("IMPORT FOREIGN SCHEMA github FROM SERVER nosuch INTO s", "42704", 'server "nosuch" does not exist'),
    ("CREATE FOREIGN TABLE s.t (number int) SERVER nosuch", "42704", 'server "nosuch" does not exist'),
]


@pytest.mark.parametrize(("sql", "sqlstate", "message"), REFUSED)
def test_what_is_refused(owner: psycopg.Connection, server: str, sql: str, sqlstate: str, message: str | None) -> None:
    refused = refusal(owner, sql)
    assert refused.sqlstate == sqlstate
    assert message in (None, refused.message_primary)


def test_unknown_options_are_answered_with_the_known_ones(owner: psycopg.Connection, server: str) -> None:
    hint = refusal(owner, "CREATE SERVER x FOREIGN DATA WRAPPER github OPTIONS (a 'b')").message_hint
    known = "base_url, api_version, app_id, installation_id, max_staleness, full_read, stale_while_revalidate, members"
    assert hint == f"Known options are: {known}."
    hint = refusal(owner, "CREATE USER MAPPING FOR admin SERVER gh OPTIONS (a 'b')").message_hint
    assert (
        hint == "Known options are: token, private_key, tokens, webhook_secret, api_version, app_id, installation_id."
    )
    hint = refusal(owner, "CREATE SERVER x FOREIGN DATA WRAPPER github OPTIONS (token 'b')").message_hint
    assert hint == "CREATE USER MAPPING FOR CURRENT_USER SERVER x OPTIONS (token '...')"


def test_a_syntax_error_points_into_the_clients_text(owner: psycopg.Connection) -> None:
    sql = "SELECT 'äöü'; CREATE USER MAPPING FOR ana SERVER gh OPTIONS (token x)"
    refused = refusal(owner, sql)
    assert (refused.sqlstate, refused.statement_position) == ("42601", str(sql.index("x)") + 1))


def test_a_failed_block_refuses_statements_about_sources(owner: psycopg.Connection, server: str) -> None:
    owner.execute("BEGIN")
    refusal(owner, "SELECT 1 / 0")
    for sql in (GIVE, "ALTER SERVER gh VERSION '2'", "CALL omnisql.check_source('gh')"):
        assert refusal(owner, sql).sqlstate == "25P02"
    owner.execute("ROLLBACK")


def test_an_existing_mapping_keeps_its_credential(owner: psycopg.Connection, source: str, notices: list[Said]) -> None:
    before = options_of(owner, "gh")
    tag(owner, "CREATE USER MAPPING IF NOT EXISTS FOR admin SERVER gh OPTIONS (token 'ghp_other')")
    assert options_of(owner, "gh") == before
    assert [notice.sqlstate for notice in notices] == ["42710"]
    assert value(owner, COUNT) > 0


def test_backslashes_are_refused_where_they_may_mean_something_else(owner: psycopg.Connection, server: str) -> None:
    tag(owner, "SET standard_conforming_strings = off")
    sql = r"CREATE USER MAPPING FOR admin SERVER gh OPTIONS (token 'a\\b')"
    assert refusal(owner, sql).sqlstate == "0A000"
    tag(owner, "SET standard_conforming_strings = on")
    tag(owner, sql)


EVES = [
    "CREATE SERVER e FOREIGN DATA WRAPPER github",
    "ALTER SERVER gh OPTIONS (SET base_url 'http://127.0.0.1:1')",
    "ALTER SERVER gh RENAME TO mine",
    "COMMENT ON SERVER gh IS 'mine'",
    "CREATE USER MAPPING FOR eve SERVER gh OPTIONS (token 'x')",
    "CREATE USER MAPPING FOR PUBLIC SERVER gh OPTIONS (token 'x')",
    "ALTER USER MAPPING FOR admin SERVER gh OPTIONS (SET token 'x')",
    "DROP USER MAPPING FOR admin SERVER gh",
    "IMPORT FOREIGN SCHEMA github FROM SERVER gh INTO public",
    "CALL omnisql.check_source('gh')",
    """CREATE FOREIGN TABLE public.t (number int) SERVER gh OPTIONS ("table" 'issues')""",
    "ALTER FOREIGN TABLE s.issues ADD COLUMN state text",
    "GRANT USAGE ON FOREIGN SERVER gh TO eve",
    "DROP SERVER gh CASCADE",
]


@pytest.mark.parametrize("sql", EVES)
def test_who_does_not_own_a_server_may_not_touch_it(
    demo: DemoServer, owner: psycopg.Connection, eve: psycopg.Connection, source: str, sql: str
) -> None:
    demo.github.reset()
    assert refusal(eve, sql).sqlstate == "42501"
    assert demo.github.requests() == []
    assert value(owner, COUNT) > 0


def test_usage_lets_another_user_import(
    connect: Callable[..., psycopg.Connection], owner: psycopg.Connection, eve: psycopg.Connection, source: str
) -> None:
    tag(owner, "GRANT USAGE ON FOREIGN SERVER gh TO eve")
    tag(owner, "GRANT USAGE ON SCHEMA s TO eve")
    tag(eve, f"CREATE USER MAPPING FOR CURRENT_USER SERVER gh OPTIONS (token '{GOOD_TOKEN}')")
    sql = "IMPORT FOREIGN SCHEMA github LIMIT TO (releases) FROM SERVER gh INTO s"
    denied = refusal(eve, sql)
    assert (denied.sqlstate, denied.message_primary) == ("42501", "permission denied for schema s")
    tag(owner, "GRANT CREATE ON SCHEMA s TO eve")
    tag(eve, sql)
    assert value(eve, "SELECT relowner::regrole::text FROM pg_class WHERE oid = 's.releases'::regclass") == "eve"


def test_a_procedure_that_may_not_be_called_is_not(demo: DemoServer, owner: psycopg.Connection, source: str) -> None:
    with superuser(demo) as connection:
        connection.execute("REVOKE EXECUTE ON PROCEDURE omnisql.check_source(text) FROM PUBLIC")
        try:
            assert refusal(owner, "CALL omnisql.check_source('gh')").sqlstate == "42501"
        finally:
            connection.execute("GRANT EXECUTE ON PROCEDURE omnisql.check_source(text) TO PUBLIC")


def test_a_credential_that_cannot_be_sealed_is_not_recorded(
    demo: DemoServer, owner: psycopg.Connection, server: str
) -> None:
    with superuser(demo, CONTROL) as control:
        control.execute("ALTER TABLE control.secrets RENAME TO elsewhere")
        try:
            assert refusal(owner, GIVE.replace(GOOD_TOKEN, "ghp_unsealed")).sqlstate == "XX000"
        finally:
            control.execute("ALTER TABLE control.elsewhere RENAME TO secrets")
    assert owner.execute("SELECT 1 FROM pg_user_mappings WHERE srvname = 'gh'").fetchall() == []
    assert "ghp_unsealed" not in (demo.directory / "log").read_text(errors="replace")


@pytest.fixture
def plain(demo: DemoServer) -> Iterator[str]:
    """Make a wrapper that is not one of OmniSQL's."""
    with superuser(demo) as connection:
        connection.execute("CREATE FOREIGN DATA WRAPPER plain NO HANDLER NO VALIDATOR")
        connection.execute("GRANT USAGE ON FOREIGN DATA WRAPPER plain TO admin")
        yield "plain"
        connection.execute("DROP FOREIGN DATA WRAPPER plain CASCADE")


@pytest.mark.parametrize("prepare", [False, True])
def test_other_wrappers_are_postgresqls_alone(owner: psycopg.Connection, plain: str, prepare: bool) -> None:
    for sql in (
        "CREATE SERVER p FOREIGN DATA WRAPPER plain OPTIONS (host 'x')",
        "ALTER SERVER p OPTIONS (SET host 'y', ADD token 'z')",
        "CREATE USER MAPPING FOR USER SERVER p OPTIONS (password 'it''s', \"Name\" E'a\\\\b')",
        "ALTER USER MAPPING FOR admin SERVER p OPTIONS (SET password 'q', DROP \"Name\")",
        "CREATE FOREIGN TABLE s.p (a int OPTIONS (b 'c')) SERVER p OPTIONS (d 'e')",
        "ALTER FOREIGN TABLE s.p OPTIONS (ADD f 'g')",
    ):
        owner.execute(sql.encode(), prepare=prepare)
    assert options_of(owner, "p") == {"password": "q"}
    assert value(owner, "SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'p'") == ["host=y", "token=z"]
    assert value(owner, "SELECT ftoptions FROM pg_foreign_table WHERE ftrelid = 's.p'::regclass") == ["d=e", "f=g"]
    assert refusal(owner, "IMPORT FOREIGN SCHEMA x FROM SERVER p INTO s").sqlstate == "55000"
    assert refusal(owner, "CALL omnisql.check_source('p')").sqlstate == "0A000"
    owner.execute(b"DROP SERVER p CASCADE", prepare=prepare)


@pytest.mark.parametrize("prepare", [False, True])
def test_other_procedures_are_postgresqls_alone(owner: psycopg.Connection, prepare: bool) -> None:
    owner.execute("CREATE TABLE s.made (x int)")
    owner.execute(
        "CREATE PROCEDURE s.twice(INOUT x int) LANGUAGE plpgsql AS $$ BEGIN INSERT INTO s.made VALUES (x); COMMIT;"
        " x := 2 * x; END $$"
    )
    assert owner.execute(b"CALL s.twice(21)", prepare=prepare).fetchall() == [(42,)]
    assert value(owner, "SELECT x FROM s.made") == 21
