"""The policy of this folder's demo, and sessions of its users."""

from __future__ import annotations

from pathlib import Path

import psycopg
from demo_server import DATABASE, DemoServer

GUARD = Path(__file__).with_name("guard.yaml")


def log_in(server: DemoServer, user: str) -> psycopg.Connection:
    """Log a user in; statements are transactions of their own."""
    return psycopg.connect(**server.arguments(user), dbname=DATABASE, autocommit=True)
