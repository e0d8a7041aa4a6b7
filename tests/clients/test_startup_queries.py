"""DBeaver, Metabase, Tableau, Power BI and Grafana, as far as their statements: each is answered, none refused."""

from __future__ import annotations

import psycopg
import pytest
from demo_server import DATABASE, DemoServer
from startup_queries import TOOLS

from connectors.simulators.company import Company

pytestmark = pytest.mark.clients

EMPTY = ("typname = 'lo'", "pg_enum")
"""Parts of the statements that find nothing in a tenant, nor in a new PostgreSQL."""


@pytest.mark.parametrize("tool", TOOLS)
def test_every_statement_of_a_tool_is_answered(demo: DemoServer, tool: str) -> None:
    with psycopg.connect(**demo.arguments("ana"), dbname=DATABASE, sslmode="require", autocommit=True) as session:
        for statement in TOOLS[tool]:
            cursor = session.execute(statement.encode())
            more: bool | None = True
            while more:
                returned = cursor.fetchall() if cursor.description else [()]
                assert returned or any(part in statement for part in EMPTY), statement
                more = cursor.nextset()


def test_browsing_finds_the_api_tables_and_makes_no_request(demo: DemoServer, company: Company) -> None:
    with psycopg.connect(**demo.arguments("ana"), dbname=DATABASE, sslmode="require", autocommit=True) as session:
        listed = {row[1] for row in session.execute(TOOLS["Metabase"][2].encode()) if row[0] == "jira"}
        columns = {row[0] for row in session.execute(TOOLS["Metabase"][4].encode()) if row[4] == "issues"}
        tables = session.execute(TOOLS["Power BI"][1].encode()).fetchall()
    assert {"boards", "issues", "projects"} <= listed
    assert {"key", "raw", "labels"} <= columns
    assert ("jira", "issues", "FOREIGN") in tables
    assert demo.jira.requests() == demo.github.requests() == []
