"""What the tests of writing ask, and the rows they write."""

from __future__ import annotations

from typing import Any

import psycopg
from demo_server import Simulator

WEB = "github.issues WHERE owner = 'acme' AND repo = 'web'"
FIRST = f"SELECT number, title FROM {WEB} AND number <= 5"


def rows(session: psycopg.Connection, sql: str) -> list[tuple[Any, ...]]:
    """Run a query and return its rows, sorted."""
    return sorted(session.execute(sql.encode()).fetchall(), key=repr)


def tag(session: psycopg.Connection, sql: str) -> str | None:
    """Run a statement and return its command tag."""
    return session.execute(sql.encode()).statusmessage


def refused(session: psycopg.Connection, sql: str) -> psycopg.errors.Diagnostic:
    """Run a statement that has to fail, and return what PostgreSQL's fields say."""
    try:
        session.execute(sql.encode())
    except psycopg.Error as error:
        return error.diag
    raise AssertionError(f"it was not refused: {sql}")


def paths(simulator: Simulator) -> list[str]:
    """Return the paths of the requests that a simulator saw, sorted; metadata of fields excepted."""
    return sorted(r["path"] for r in simulator.requests() if r["path"] != "/rest/api/3/field")
