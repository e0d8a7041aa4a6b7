"""The policy of this folder's demo, and sessions of its users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from demo_server import DATABASE, DemoServer

GUARD = Path(__file__).with_name("guard.yaml")


def log_in(server: DemoServer, user: str) -> psycopg.Connection:
    """Log a user in; statements are transactions of their own."""
    return psycopg.connect(**server.arguments(user), dbname=DATABASE, autocommit=True)


@contextmanager
def undone(session: psycopg.Connection) -> Iterator[None]:
    """Run statements in a transaction that leaves nothing behind."""
    session.execute("BEGIN")
    try:
        yield
    finally:
        session.execute("ROLLBACK")
