"""psql, psycopg, asyncpg and pgjdbc run the same script, as a user who sees everything and as one who sees one team."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from answers import Client, StatementFailed
from client_programs import pgjdbc_jar
from client_script import Act, Seen, Step, script
from demo_server import DemoServer
from installed_programs import require_program
from pgjdbc_client import PgjdbcClient
from psql_client import PsqlClient
from python_clients import AsyncpgClient, PsycopgClient

from connectors.simulators.company import Company

pytestmark = pytest.mark.clients

TEAMS = {"ana": ("web", "api", "data", "mobile"), "eve": ("web",)}
LATENCY_MS = 30_000
PAGE_ROWS = 2


def open_psql(demo: DemoServer, user: str) -> Client:
    require_program("psql")
    return PsqlClient(demo, user)


def open_pgjdbc(demo: DemoServer, user: str) -> Client:
    require_program("java")
    return PgjdbcClient(demo, user, pgjdbc_jar())


CLIENTS: dict[str, Callable[[DemoServer, str], Client]] = {
    "psql": open_psql,
    "psycopg": PsycopgClient,
    "asyncpg": AsyncpgClient,
    "pgjdbc": open_pgjdbc,
}


@pytest.mark.parametrize("user", TEAMS)
@pytest.mark.parametrize("program", CLIENTS)
def test_every_client_gets_the_same_answers(demo: DemoServer, company: Company, program: str, user: str) -> None:
    steps = script(Seen(company, TEAMS[user]), user)
    client = CLIENTS[program](demo, user)
    try:
        answers = {step.name: answer(client, program, step, demo) for step in steps}
    finally:
        client.close()
    assert answers == {step.name: step.sqlstate or list(step.rows) for step in steps} | known_differences(program)


def answer(client: Client, program: str, step: Step, demo: DemoServer) -> object:
    """Have a client do a step; return the rows, or the SQLSTATE of a refusal."""
    try:
        match step.act:
            case Act.PREPARED:
                return client.prepared(step.sql, step.parameter_sets)
            case Act.COPIED:
                return client.copied(step.sql)
            case Act.PAGED:
                return client.paged(step.sql, PAGE_ROWS)
            case Act.CANCELED:
                return cancel(client, step, demo)
        return client.rows(step.sql, step.parameter_sets[0])
    except StatementFailed as failure:
        return failure.sqlstate


def cancel(client: Client, step: Step, demo: DemoServer) -> str | None:
    """Cancel a statement while its source takes its time."""
    demo.jira.reset()
    demo.jira.configure(latency_ms=LATENCY_MS)
    sqlstate = client.canceled(step.sql, lambda: bool(demo.jira.requests()))
    demo.jira.reset()
    return sqlstate


def known_differences(program: str) -> dict[str, object]:
    """Return what a client does not show: asyncpg keeps the error of a canceled statement to itself."""
    return {"cancel": None} if program == "asyncpg" else {}
