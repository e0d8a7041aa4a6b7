"""Row filters and GRANTs, seen by a user of one team, whatever way leads to an API table."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from demo_server import DemoServer, company
from sessions import refused, rows_of, value_of

BOTH = "owner = 'acme' AND repo IN ('web', 'api', 'billing')"
ISSUES = f"SELECT repo FROM github.issues WHERE {BOTH}"


@pytest.mark.parametrize(
    "table", ["issues", "pull_requests", "issue_comments", "commits", "releases", "workflow_runs", "labels"]
)
def test_every_github_table_shows_the_teams_rows(ana: psycopg.Connection, eve: psycopg.Connection, table: str) -> None:
    sql = f"SELECT repo, count(*) FROM github.{table} WHERE {BOTH} GROUP BY repo ORDER BY repo"
    everything = rows_of(ana, sql)
    assert {repo for repo, _ in everything} == {"api", "billing", "web"}
    assert rows_of(eve, sql) == [row for row in everything if row[0] == "web"]


def test_repositories_show_the_teams_rows(eve: psycopg.Connection) -> None:
    names = [name for (name,) in rows_of(eve, "SELECT name FROM github.repositories ORDER BY name")]
    assert names == ["design-system", "sandbox", "web"]
    by_name = "SELECT name FROM github.repositories WHERE owner = 'acme' AND name = 'api'"
    assert rows_of(eve, by_name) == []
    assert rows_of(eve, "SELECT name FROM github.repositories WHERE full_name = 'acme/api'") == []


@pytest.mark.parametrize("table", ["issue_comments", "issue_worklogs", "issue_changelog"])
def test_threads_of_jira_show_the_teams_rows(ana: psycopg.Connection, eve: psycopg.Connection, table: str) -> None:
    web, api = busiest("WEB"), busiest("API")
    sql = f"SELECT issue_key, count(*) FROM jira.{table} WHERE issue_key IN ('{web}', '{api}') GROUP BY 1 ORDER BY 1"
    everything = rows_of(ana, sql)
    assert {key for key, _ in everything} == {api, web}
    assert rows_of(eve, sql) == [row for row in everything if row[0] == web]


def busiest(project: str) -> str:
    """Return the key of an issue that has comments, worklogs and changes."""
    issues = company().tracker.project_issues(project)
    return next(i.key for i in issues if i.comments_count and i.worklogs_count and i.changes_count)


def test_projects_and_issues_of_jira_show_the_teams_rows(eve: psycopg.Connection) -> None:
    assert rows_of(eve, "SELECT key FROM jira.projects") == [("WEB",)]
    assert rows_of(eve, "SELECT DISTINCT project_key FROM jira.issues") == [("WEB",)]
    assert rows_of(eve, "SELECT key FROM jira.issues WHERE key IN ('WEB-1', 'API-1')") == [("WEB-1",)]


@pytest.mark.parametrize(
    "sql",
    [
        f"WITH found AS ({ISSUES}) SELECT DISTINCT repo FROM found",
        f"WITH found AS MATERIALIZED ({ISSUES}) SELECT DISTINCT repo FROM found",
        f"SELECT DISTINCT repo FROM ({ISSUES}) AS found",
        f"SELECT min(repo) FROM github.issues WHERE {BOTH}",
        f"SELECT DISTINCT a.repo FROM github.issues a LEFT JOIN github.issues b USING (id) WHERE a.{BOTH[:14]}"
        " AND a.repo IN ('web', 'api') AND b.owner = 'acme' AND b.repo IN ('web', 'api')",
        f"SELECT 'web' WHERE EXISTS ({ISSUES}) AND NOT EXISTS ({ISSUES.replace('web', 'warehouse')})",
        f"SELECT DISTINCT repo FROM ({ISSUES} UNION ALL {ISSUES}) AS twice",
        f"SELECT DISTINCT (SELECT max(repo) FROM github.issues WHERE {BOTH}) FROM github.issues WHERE {BOTH}",
        f"SELECT DISTINCT repo FROM github.issues WHERE {BOTH} AND (repo = 'api' OR repo = 'web' OR 1 = 1)",
    ],
)
def test_no_way_round_the_row_filter(eve: psycopg.Connection, sql: str) -> None:
    assert rows_of(eve, sql) == [("web",)]


def test_an_error_never_tells_of_a_hidden_row(ana: psycopg.Connection, eve: psycopg.Connection) -> None:
    # The division fails on rows of api alone, which one user may not see: no expression may meet them.
    sql = f"SELECT count(1 / (CASE WHEN repo = 'api' THEN 0 ELSE 1 END)) FROM github.issues WHERE {BOTH}"
    assert refused(ana, sql).sqlstate == "22012"
    assert value_of(eve, sql) > 0


@pytest.fixture
def shared_view(ana: psycopg.Connection) -> Iterator[str]:
    ana.execute(f"CREATE VIEW public.policy_view AS SELECT repo, number FROM github.issues WHERE {BOTH}")
    ana.execute("GRANT SELECT ON public.policy_view TO eve")
    yield "public.policy_view"
    ana.execute("DROP VIEW public.policy_view")


def test_anothers_view_shows_what_the_reader_may_see(
    ana: psycopg.Connection, eve: psycopg.Connection, shared_view: str
) -> None:
    sql = f"SELECT DISTINCT repo FROM {shared_view} ORDER BY repo"
    assert rows_of(ana, sql) == [("api",), ("billing",), ("web",)]
    assert rows_of(eve, sql) == [("web",)]


def test_a_view_of_ones_own_shows_what_one_may_see(eve: psycopg.Connection) -> None:
    eve.execute(f"CREATE TEMP VIEW mine AS {ISSUES}")
    assert rows_of(eve, "SELECT DISTINCT repo FROM mine") == [("web",)]


def test_a_foreign_table_of_another_name_is_filtered_too(admin: psycopg.Connection, eve: psycopg.Connection) -> None:
    admin.execute(
        """CREATE FOREIGN TABLE public.renamed (o text OPTIONS ("column" 'owner'), r text OPTIONS ("column" 'repo'))
           SERVER github OPTIONS ("table" 'issues')"""
    )
    try:
        admin.execute("GRANT SELECT ON public.renamed TO eve")
        sql = "SELECT DISTINCT r FROM public.renamed WHERE o = 'acme' AND r IN ('web', 'api')"
        assert rows_of(eve, sql) == [("web",)]
    finally:
        admin.execute("DROP FOREIGN TABLE public.renamed")


def test_a_revoked_table_is_refused_as_postgresql_does(
    demo: DemoServer, admin: psycopg.Connection, eve: psycopg.Connection
) -> None:
    sql = "SELECT name FROM github.labels WHERE owner = 'acme' AND repo = 'web'"
    admin.execute("REVOKE SELECT ON github.labels FROM eve")
    try:
        error = refused(eve, sql)
        assert error.sqlstate == "42501"
        assert error.diag.message_primary == "permission denied for foreign table labels"
        assert refused(eve, f"SELECT count(*) FROM ({sql}) AS hidden").sqlstate == "42501"
        assert demo.github.requests() == []
        admin.execute("GRANT SELECT (owner, repo, name) ON github.labels TO eve")
        assert len(rows_of(eve, sql)) > 0
        assert refused(eve, sql.replace("SELECT name", "SELECT color")).sqlstate == "42501"
        assert refused(eve, sql.replace("SELECT name", "SELECT *")).sqlstate == "42501"
        assert refused(eve, f"{sql} ORDER BY description").sqlstate == "42501"
    finally:
        admin.execute("REVOKE SELECT (owner, repo, name) ON github.labels FROM eve")
        admin.execute("GRANT SELECT ON github.labels TO eve")
    assert len(rows_of(eve, sql)) > 0


def test_memberships_count_as_they_are_at_the_moment(admin: psycopg.Connection, eve: psycopg.Connection) -> None:
    sql = "SELECT name FROM github.labels WHERE owner = 'acme' AND repo = 'web'"
    admin.execute("CREATE ROLE reader; GRANT USAGE ON SCHEMA github TO reader; GRANT SELECT ON github.labels TO reader")
    admin.execute("REVOKE SELECT ON github.labels FROM eve; GRANT reader TO eve")
    try:
        rows = rows_of(eve, sql)
        assert len(rows) > 0
        assert rows_of(eve, sql) == rows
        # Memberships are no objects of the database: the catalog's sequence does not tell of them.
        admin.execute("REVOKE reader FROM eve")
        assert refused(eve, sql).sqlstate == "42501"
        admin.execute("GRANT reader TO eve WITH INHERIT FALSE, SET TRUE")
        assert refused(eve, sql).sqlstate == "42501"
        eve.execute("SET ROLE reader")
        assert rows_of(eve, sql) == rows
        eve.execute("RESET ROLE")
        assert refused(eve, sql).sqlstate == "42501"
    finally:
        eve.execute("RESET ROLE")
        admin.execute("GRANT SELECT ON github.labels TO eve")
        admin.execute("REVOKE ALL ON github.labels FROM reader; REVOKE ALL ON SCHEMA github FROM reader")
        admin.execute("DROP ROLE reader")


def test_a_grant_made_in_an_open_transaction_counts_at_its_end(
    admin: psycopg.Connection, eve: psycopg.Connection
) -> None:
    sql = "SELECT count(*) FROM jira.boards"
    with admin.transaction(force_rollback=True):
        admin.execute("REVOKE SELECT ON jira.boards FROM eve")
        assert value_of(eve, sql) > 0
    assert value_of(eve, sql) > 0


def test_api_tables_cannot_be_written(ana: psycopg.Connection) -> None:
    error = refused(ana, "INSERT INTO github.labels (owner, repo, name) VALUES ('acme', 'web', 'x')")
    assert error.sqlstate == "0A000"
    assert refused(ana, "DELETE FROM github.labels").sqlstate == "0A000"


def test_secrets_are_not_in_the_catalog(admin: psycopg.Connection) -> None:
    mappings = rows_of(admin, "SELECT srvname, umoptions::text FROM pg_user_mappings ORDER BY srvname")
    servers = rows_of(admin, "SELECT srvname, srvoptions::text FROM pg_foreign_server")
    assert "simulated-token" not in repr([*mappings, *servers])
