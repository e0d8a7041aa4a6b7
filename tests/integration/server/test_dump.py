"""A tenant dumped by pg_dump through the server, and restored into a PostgreSQL that knows nothing of it."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psycopg
import pytest
from demo_server import DATABASE, PASSWORD, DemoServer
from sessions import rows_of

from catalog.clusters import EmbeddedCluster, EmbeddedSettings
from catalog.clusters.processes import program
from omnisql_server.demo import SIMULATED_TOKEN

SETUP = (
    "CREATE SCHEMA du",
    "CREATE TABLE du.\"Own rows\" (id int PRIMARY KEY, note text NOT NULL DEFAULT 'none', at timestamptz)",
    "INSERT INTO du.\"Own rows\" SELECT g, E'line\\n' || g, '2026-01-01'::timestamptz + g * interval '1 hour'"
    " FROM generate_series(1, 50) g",
    "CREATE TABLE du.parts (a int) PARTITION BY RANGE (a)",
    "CREATE TABLE du.part PARTITION OF du.parts FOR VALUES FROM (0) TO (10)",
    "INSERT INTO du.parts VALUES (1), (2)",
    "CREATE SEQUENCE du.numbers START 7",
    "CREATE TYPE du.mood AS ENUM ('good', 'bad')",
    "CREATE VIEW du.over_api AS SELECT key, name FROM jira.projects WHERE key < 'M'",
    "CREATE VIEW du.over_both WITH (security_invoker) AS SELECT v.key, o.note FROM du.over_api v"
    ' LEFT JOIN du."Own rows" o ON o.id = length(v.key)',
    "CREATE FOREIGN TABLE du.projects (k text OPTIONS (\"column\" 'key')) SERVER jira OPTIONS (\"table\" 'projects')",
    "COMMENT ON FOREIGN TABLE du.projects IS 'Projects, by another name.'",
    "CREATE FUNCTION du.twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2'",
    "CREATE FUNCTION du.count_projects() RETURNS bigint LANGUAGE plpgsql AS"
    " 'BEGIN RETURN (SELECT count(*) FROM jira.projects); END'",
    'CREATE MATERIALIZED VIEW du.stored AS SELECT count(*) AS n FROM du."Own rows"',
    "CREATE MATERIALIZED VIEW du.fetched AS SELECT key, name FROM jira.projects WHERE key < 'M'",
    "CREATE UNIQUE INDEX fetched_key ON du.fetched (key)",
    'ALTER TABLE du."Own rows" ENABLE ROW LEVEL SECURITY',
    'CREATE POLICY few ON du."Own rows" TO eve USING (id < 5)',
    "GRANT USAGE ON SCHEMA du TO eve",
    'GRANT SELECT (id), UPDATE (note) ON du."Own rows" TO eve',
    "GRANT SELECT ON du.over_api TO eve, ana",
    "GRANT SELECT (k) ON du.projects TO PUBLIC",
)
RELATIONS = """
SELECT n.nspname::text, c.relname::text, c.relkind::text, pg_get_userbyid(c.relowner)::text, c.reloptions::text,
       (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(c.relacl) a)::text,
       (SELECT array_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || coalesce(a.attacl::text, '')
               || coalesce(a.attfdwoptions::text, '') ORDER BY a.attnum)
          FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::text,
       CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END, obj_description(c.oid, 'pg_class')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname IN ('du', 'github', 'jira', 'omnisql', 'omnisql_data') ORDER BY 1, 2
"""
REST = """
SELECT p.oid::regprocedure::text, p.prosrc FROM pg_proc p WHERE p.pronamespace = 'du'::regnamespace
UNION ALL SELECT polname::text, pg_get_expr(polqual, polrelid) FROM pg_policy
UNION ALL SELECT srvname::text, srvoptions::text FROM pg_foreign_server
UNION ALL SELECT evtname::text, evtenabled::text FROM pg_event_trigger
UNION ALL SELECT t.typname::text, NULL FROM pg_type t WHERE t.typname = 'mood' ORDER BY 1
"""
ROWS = (
    'SELECT * FROM du."Own rows" ORDER BY id',
    "SELECT a FROM du.part ORDER BY a",
    "SELECT n FROM du.stored",
    "SELECT key, name FROM du.fetched ORDER BY key",
    "SELECT matviewname, definition FROM omnisql.matviews",
)


@pytest.fixture
def dump(demo: DemoServer, admin: psycopg.Connection) -> Iterator[tuple[str, str]]:
    """Dump the roles and the database as the tenant's owner, by the commands of docs/operations-on-api-tables.md."""
    for sql in SETUP:
        admin.execute(sql.encode())
    address = ["-h", "127.0.0.1", "-p", str(demo.port), "-U", "admin"]
    roles = ["pg_dumpall", *address, "--roles-only", "--no-role-passwords", "-l", DATABASE]
    memberships = re.sub(r" GRANTED BY [^;]*;", ";", run(*roles, PGPASSWORD=PASSWORD))
    yield memberships, run("pg_dump", *address, DATABASE, PGPASSWORD=PASSWORD)
    admin.execute("DROP SCHEMA du CASCADE")


@pytest.fixture
async def plain() -> AsyncIterator[EmbeddedCluster]:
    """Start a PostgreSQL of its own."""
    with tempfile.TemporaryDirectory(prefix="omnisql-dump-", ignore_cleanup_errors=True) as root:
        cluster = EmbeddedCluster("plain", EmbeddedSettings(data_root=Path(root), max_connections=5))
        await cluster.start()
        yield cluster
        await cluster.stop()


def run(command: str, *arguments: str, text: str | None = None, **environment: str) -> str:
    """Run one of PostgreSQL's programs, which must succeed and say nothing."""
    done = subprocess.run(
        [str(program(command)), *arguments],
        input=text,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


async def test_a_tenant_is_dumped_and_restored_elsewhere(
    admin: psycopg.Connection, dump: tuple[str, str], plain: EmbeddedCluster
) -> None:
    roles, database = dump
    for text in dump:
        assert SIMULATED_TOKEN not in text
        assert "SCRAM" not in text
    arguments = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(plain.socket_directory), "-U", plain.superuser]
    run("psql", *arguments, "-d", "postgres", "-c", "CREATE DATABASE copy")
    run("psql", *arguments, "-d", "postgres", "-o", "/dev/null", text=roles)
    run("psql", *arguments, "-d", "copy", "-o", "/dev/null", text=database)
    copy = await plain.connect(plain.superuser, "copy")
    try:
        # Names are shown with their schemas, whatever a role's search_path is.
        admin.execute("SET search_path = ''")
        await copy.execute("SET search_path = ''")
        for sql in (RELATIONS, REST, *ROWS):
            assert [tuple(row) for row in await copy.fetch(sql)] == rows_of(admin, sql)
        assert await copy.fetchval("SELECT nextval('du.numbers')") == 7
        assert await copy.fetchval("SELECT du.twice(21)") == 42
        for sql in ("SELECT k FROM du.projects", "SELECT key FROM du.over_api", "SELECT du.count_projects()"):
            with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="has no handler"):
                await copy.fetch(sql)
    finally:
        await copy.close()
