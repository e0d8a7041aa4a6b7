"""What SQLAlchemy reflects of a tenant and selects by its ORM, and what pgcli completes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from client_script import LONG_STATEMENT, Seen
from demo_server import DATABASE, PASSWORD, DemoServer
from pgcli.completion_refresher import CompletionRefresher
from pgcli.pgexecute import PGExecute
from prompt_toolkit.document import Document
from served import until
from sqlalchemy import Column, MetaData, Table, Text, create_engine, inspect, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, registry

from connectors.simulators.company import Company

pytestmark = pytest.mark.clients

SETUP = (
    "DROP SCHEMA IF EXISTS rf CASCADE",
    "CREATE SCHEMA rf",
    "CREATE TABLE rf.teams (id int PRIMARY KEY, key text NOT NULL UNIQUE, weight numeric(4,2) DEFAULT 1.5,"
    " CHECK (weight > 0))",
    "CREATE TABLE rf.notes (team int REFERENCES rf.teams, note text)",
    "CREATE INDEX notes_note ON rf.notes (note)",
    "COMMENT ON TABLE rf.teams IS 'Teams of the company.'",
    "CREATE VIEW rf.projects AS SELECT key, name FROM jira.projects",
    "INSERT INTO rf.teams VALUES (1, 'WEB')",
)


@pytest.fixture
def owner(demo: DemoServer) -> Iterator[psycopg.Connection]:
    """Open a session of the owner with tables of every kind in the schema `rf`."""
    with psycopg.connect(**demo.arguments("admin"), dbname=DATABASE, autocommit=True) as session:
        for sql in SETUP:
            session.execute(sql.encode())
        yield session
        session.execute("DROP SCHEMA rf CASCADE")


@pytest.fixture(params=["psycopg", "psycopg2"])
def engine(demo: DemoServer, owner: psycopg.Connection, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Make an engine of SQLAlchemy over each driver."""
    url = f"postgresql+{request.param}://admin:{PASSWORD}@127.0.0.1:{demo.port}/{DATABASE}?sslmode=require"
    made = create_engine(url)
    yield made
    made.dispose()


def test_sqlalchemy_reflects_tables_of_every_kind(engine: Engine) -> None:
    seen = inspect(engine)
    assert {"github", "jira", "omnisql", "public", "rf"} <= set(seen.get_schema_names())
    assert sorted(seen.get_table_names("rf")) == ["notes", "teams"]
    assert seen.get_view_names("rf") == ["projects"]
    assert "key" in (seen.get_view_definition("projects", "rf") or "")
    foreign: Any = seen
    assert {"boards", "issues"} <= set(foreign.get_foreign_table_names("jira"))
    assert seen.get_pk_constraint("teams", "rf")["constrained_columns"] == ["id"]
    (reference,) = seen.get_foreign_keys("notes", "rf")
    assert (reference["referred_table"], reference["constrained_columns"]) == ("teams", ["team"])
    assert [index["name"] for index in seen.get_indexes("notes", "rf")] == ["notes_note"]
    assert [each["column_names"] for each in seen.get_unique_constraints("teams", "rf")] == [["key"]]
    assert len(seen.get_check_constraints("teams", "rf")) == 1
    assert seen.get_table_comment("teams", "rf")["text"] == "Teams of the company."
    assert seen.get_table_comment("boards", "jira")["text"] == "Scrum and kanban boards."
    columns = {column["name"]: str(column["type"]) for column in seen.get_columns("issues", "jira")}
    assert (columns["id"], columns["labels"], columns["raw"]) == ("BIGINT", "ARRAY", "JSONB")
    assert seen.has_table("issues", schema="jira")
    assert not seen.has_table("nothing", schema="jira")


def test_sqlalchemy_selects_over_reflected_api_tables(engine: Engine, company: Company) -> None:
    # An API table declares no key: the ORM has to be told one.
    issues = Table("issues", MetaData(), Column("key", primary_key=True), schema="jira", autoload_with=engine)
    teams = Table("teams", MetaData(), schema="rf", autoload_with=engine)
    mapped = type("Issue", (), {})
    registry().map_imperatively(mapped, issues)
    statuses = Seen(company, ("web", "api", "data", "mobile")).statuses
    with Session(engine) as session:
        joined: Any = select(mapped).join(teams, teams.c.key == issues.c.project_key).order_by(issues.c.key)
        found = {each.key: each.status for each in session.scalars(joined)}
        assert found == {key: status for key, status in statuses.items() if key.startswith("WEB-")}
        assert session.get(mapped, "WEB-1").status == statuses["WEB-1"]  # type: ignore[attr-defined]
        with session.begin_nested() as nested:
            session.execute(teams.insert().values(id=2, key="API"))
            nested.rollback()
        assert session.execute(select(teams.c.key)).scalars().all() == ["WEB"]


def test_sqlalchemy_streams_pages_of_an_api_table(engine: Engine) -> None:
    streaming = {"stream_results": True, "max_row_buffer": 2}
    with engine.connect().execution_options(**streaming) as connection:
        found = connection.exec_driver_sql("SELECT key FROM jira.projects ORDER BY key")
        pages = [[key for (key,) in page] for page in found.partitions(2)]
    assert [len(page) for page in pages] == [2, 2]
    assert [*pages[0], *pages[1]] == sorted([*pages[0], *pages[1]])


def test_sqlalchemy_writes_and_cancels(demo: DemoServer, engine: Engine) -> None:
    projects = Table("projects", MetaData(), Column("key", Text), Column("name", Text), schema="jira")
    kept = Table("kept", MetaData(), Column("key", Text), prefixes=["TEMPORARY"])

    def cancel() -> None:
        until(lambda: bool(demo.jira.requests()))
        session.connection.driver_connection.cancel()  # type: ignore[union-attr]

    with engine.connect() as session:
        kept.create(session)
        written = kept.insert().from_select(["key"], select(projects.c.key).where(projects.c.key == "WEB"))
        assert session.execute(written.returning(kept.c.key)).scalars().all() == ["WEB"]
        assert session.execute(kept.delete().where(kept.c.key == projects.c.key)).rowcount == 1
        demo.jira.reset()
        demo.jira.configure(latency_ms=30_000)
        canceling = threading.Thread(target=cancel)
        canceling.start()
        with pytest.raises(DBAPIError, match="canceling statement due to user request"):
            session.execute(text(LONG_STATEMENT))
        canceling.join()
        demo.jira.reset()
        session.rollback()
        assert session.execute(text("SELECT 1")).scalar() == 1


def test_sqlalchemy_reflects_the_whole_tenant_at_once(engine: Engine) -> None:
    everything = MetaData()
    everything.reflect(engine, schema="rf", views=True)
    assert set(everything.tables) == {"rf.notes", "rf.teams", "rf.projects"}


def test_pgcli_completes_names_of_api_tables(demo: DemoServer, owner: psycopg.Connection) -> None:
    execute = PGExecute(DATABASE, "ana", PASSWORD, "127.0.0.1", demo.port, notify_callback=None, sslmode="require")
    completers: list[Any] = []
    refresher = CompletionRefresher()
    refresher.refresh(execute, special(), [completers.append])
    refresher._completer_thread.join(60)
    (completer,) = completers

    def completed(text: str) -> set[str]:
        found = completer.get_completions(Document(text, len(text)), None, smart_completion=True)
        return {each.text for each in found}

    assert {"boards", "issues", "projects"} <= completed("SELECT * FROM jira.")
    assert {"assignee_name", "story_points"} <= completed("SELECT * FROM jira.issues i WHERE i.")
    assert {"jira", "github"} <= completed("SELECT * FROM ")
    assert DATABASE in execute.databases()
    ((_, shown, columns, status, *_),) = execute.run("SELECT key FROM jira.projects ORDER BY key LIMIT 1")
    assert ([tuple(row) for row in shown], list(columns), status) == ([("API",)], ["key"], "SELECT 1")
    assert [row[0] for row in execute.views() if row[0] == "rf"] == ["rf"]


def test_pgcli_cancels_and_writes(demo: DemoServer) -> None:
    execute = PGExecute(DATABASE, "ana", PASSWORD, "127.0.0.1", demo.port, notify_callback=None, sslmode="require")

    def run(sql: str) -> list[tuple[Any, ...]]:
        return [(list(rows) if rows else [], status) for _, rows, _, status, *_ in execute.run(sql)]

    def cancel() -> None:
        until(lambda: bool(demo.jira.requests()))
        execute.conn.cancel_safe(timeout=10)

    demo.jira.reset()
    demo.jira.configure(latency_ms=30_000)
    canceling = threading.Thread(target=cancel)
    canceling.start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        run(LONG_STATEMENT)
    canceling.join()
    demo.jira.reset()
    made = "CREATE TEMP TABLE kept AS SELECT key FROM jira.projects WHERE key = 'WEB'; SELECT key FROM kept"
    assert run(made) == [([], "SELECT 1"), ([("WEB",)], "SELECT 1")]
    execute.conn.close()


def special() -> Any:
    """Return pgcli's own commands."""
    from pgspecial.main import PGSpecial

    return PGSpecial()
