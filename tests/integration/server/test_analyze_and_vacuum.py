"""ANALYZE and VACUUM where there are API tables: they pass them over and do the rest as PostgreSQL does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DATABASE, PASSWORD, DemoServer
from psycopg.pq import TransactionStatus
from sessions import Connect, refused, value_of

from catalog.clusters.processes import program

PROJECTS = "API table jira.projects was analyzed: about 4 rows"


@pytest.fixture
def notices(admin: psycopg.Connection) -> Iterator[list[str]]:
    """Collect what the owner's session is told, and give it tables that have never been analyzed."""
    told: list[str] = []
    admin.add_notice_handler(lambda d: told.append(f"{d.severity}: {d.message_primary}"))
    admin.execute("CREATE SCHEMA av")
    for name in ("one", "two"):
        admin.execute(f"CREATE TABLE av.{name} AS SELECT g AS a FROM generate_series(1, 500) g".encode())
    admin.execute("CREATE TABLE av.parts (a int) PARTITION BY LIST (a)")
    admin.execute("CREATE TABLE av.part PARTITION OF av.parts DEFAULT")
    admin.execute("CREATE MATERIALIZED VIEW av.stored AS SELECT a FROM av.one")
    yield told
    if admin.info.transaction_status is not TransactionStatus.IDLE:
        admin.execute("ROLLBACK")
    admin.execute("DROP SCHEMA av CASCADE")


def analyzed(session: psycopg.Connection) -> list[str]:
    """Name the relations of the schema that have statistics."""
    sql = "SELECT array_agg(DISTINCT tablename::text ORDER BY tablename::text) FROM pg_stats WHERE schemaname = 'av'"
    found: list[str] | None = value_of(session, sql)
    return found or []


@pytest.mark.parametrize(
    ("sql", "tag"),
    [
        ("ANALYZE", "ANALYZE"),
        ("ANALYZE (VERBOSE off)", "ANALYZE"),
        ("VACUUM ANALYZE", "VACUUM"),
        ("VACUUM (ANALYZE, SKIP_LOCKED, SKIP_DATABASE_STATS)", "VACUUM"),
        ("VACUUM (FULL, ANALYZE)", "VACUUM"),
    ],
)
@pytest.mark.parametrize("prepare", [False, True])
def test_without_a_list_api_tables_are_passed_over(
    admin: psycopg.Connection, notices: list[str], sql: str, tag: str, prepare: bool
) -> None:
    admin.execute("CREATE TEMP TABLE own AS SELECT 1 AS a")
    assert admin.execute(sql.encode(), prepare=prepare).statusmessage == tag
    assert analyzed(admin) == ["one", "stored", "two"]
    assert value_of(admin, "SELECT count(*) FROM pg_stats WHERE tablename = 'own'") == 1
    # The system's own tables are PostgreSQL's to warn of; nothing is said of any API table.
    assert [line for line in notices if "projects" in line or "was analyzed" in line] == []
    assert any("permission denied" in line and "pg_class" in line for line in notices)


@pytest.mark.parametrize("sql", ["VACUUM", "VACUUM (FREEZE)", "VACUUM (ONLY_DATABASE_STATS)"])
def test_vacuum_alone_succeeds(admin: psycopg.Connection, sql: str) -> None:
    assert admin.execute(sql.encode()).statusmessage == "VACUUM"


@pytest.mark.parametrize("prepare", [False, True])
def test_analyze_of_an_api_table_asks_its_source_for_the_size(
    demo: DemoServer, admin: psycopg.Connection, notices: list[str], prepare: bool
) -> None:
    for sql in ("ANALYZE jira.projects", "ANALYZE VERBOSE ONLY jira.projects (key, name)"):
        assert admin.execute(sql.encode(), prepare=prepare).statusmessage == "ANALYZE"
    assert notices == [f"NOTICE: {PROJECTS}"] * 2
    asked = [(request["path"], request["query"]) for request in demo.jira.requests()]
    assert asked == [("/rest/api/3/project/search", {"maxResults": ["1"]})] * 2


def test_of_a_mixed_list_the_rest_is_analyzed(admin: psycopg.Connection, notices: list[str]) -> None:
    admin.execute("CREATE VIEW av.v AS SELECT key FROM jira.projects")
    admin.execute("ANALYZE av.one, jira.projects, av.v, av.two (a)")
    assert analyzed(admin) == ["one", "two"]
    assert notices == [
        'WARNING: skipping "v" --- cannot analyze non-tables or special system tables',
        f"NOTICE: {PROJECTS}",
    ]


def test_analyze_works_in_a_block_and_is_undone_with_it(admin: psycopg.Connection, notices: list[str]) -> None:
    with admin.transaction(force_rollback=True):
        admin.execute("ANALYZE av.one, jira.projects")
        assert analyzed(admin) == ["one"]
        admin.execute("ANALYZE")
        assert analyzed(admin) == ["one", "stored", "two"]
    assert analyzed(admin) == []
    assert notices[0] == f"NOTICE: {PROJECTS}"


def test_errors_are_postgresqls(admin: psycopg.Connection, notices: list[str]) -> None:
    for sql, sqlstate in (
        ("ANALYZE jira.projects (nothing)", "42703"),
        ("ANALYZE jira.projects, av.nothing", "42P01"),
        ("ANALYZE jira.projects, av.one (nothing)", "42703"),
        ("ANALYZE (nonsense) jira.projects", "42601"),
        ("ANALYZE jira.nothing", "42P01"),
    ):
        assert refused(admin, sql).sqlstate == sqlstate
    assert notices == []
    admin.execute("BEGIN")
    assert refused(admin, "ANALYZE jira.projects (nothing)").sqlstate == "42703"
    assert refused(admin, "ANALYZE jira.projects").sqlstate == "25P02"


def test_who_may_not_analyze_is_told_so(connect: Connect) -> None:
    eve, told = connect("eve"), list[str]()
    eve.add_notice_handler(lambda d: told.append(f"{d.severity}: {d.message_primary}"))
    assert eve.execute("ANALYZE jira.projects").statusmessage == "ANALYZE"
    assert told == ['WARNING: permission denied to analyze "projects", skipping it']


SKIPPED = 'WARNING: skipping "projects" --- cannot vacuum non-tables or special system tables'


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("VACUUM jira.projects", [SKIPPED]),
        ("VACUUM ANALYZE jira.projects", [SKIPPED, f"NOTICE: {PROJECTS}"]),
        ("VACUUM (ANALYZE) jira.projects", [SKIPPED, f"NOTICE: {PROJECTS}"]),
        ("VACUUM (ANALYZE off) jira.projects", [SKIPPED]),
        ("VACUUM ANALYZE av.one, jira.projects", [SKIPPED]),
    ],
)
@pytest.mark.parametrize("prepare", [False, True])
def test_vacuum_of_an_api_table_is_a_warning_and_may_analyze_it(
    admin: psycopg.Connection, notices: list[str], sql: str, told: list[str], prepare: bool
) -> None:
    assert admin.execute(sql.encode(), prepare=prepare).statusmessage == "VACUUM"
    assert notices == told


def test_vacuum_in_a_block_or_beside_another_statement_stays_refused(admin: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.ActiveSqlTransaction), admin.transaction():
        admin.execute("VACUUM")
    with pytest.raises(psycopg.errors.ActiveSqlTransaction), admin.transaction():
        admin.execute("VACUUM ANALYZE jira.projects")
    assert refused(admin, "SELECT key FROM jira.projects; VACUUM").sqlstate == "25001"
    # Right after a statement that was run, it is a statement of its own again.
    admin.execute("SELECT key FROM jira.projects")
    assert admin.execute("VACUUM", prepare=True).statusmessage == "VACUUM"


def test_vacuumdb_and_psql_run_clean(demo: DemoServer) -> None:
    address = ["-h", "127.0.0.1", "-p", str(demo.port), "-U", "admin"]
    commands = [
        [str(program("vacuumdb")), *address, "--analyze", "-d", DATABASE],
        [str(program("vacuumdb")), *address, "--analyze-only", "-d", DATABASE],
        [
            str(program("psql")),
            *address,
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            "ANALYZE jira.projects",
            "-c",
            "VACUUM",
            DATABASE,
        ],
    ]
    for command in commands:
        done = subprocess.run(
            command, env={"PGPASSWORD": PASSWORD}, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, "ERROR" in done.stderr) == (0, False), done.stderr
