"""Sessions of the demo's users in which statements are transactions of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from demo_server import DATABASE, DemoServer

Connect = Callable[..., psycopg.Connection]


@contextmanager
def demo_sessions(demo: DemoServer, who: str) -> Iterator[Connect]:
    """Give what opens a session of a user (of `who` where none is named) by psycopg; all are closed at the end."""
    with ExitStack() as opened:

        def connect(user: str = who, **options: Any) -> psycopg.Connection:
            known: dict[str, Any] = {**demo.arguments(user), "dbname": DATABASE, "autocommit": True, **options}
            session = psycopg.connect(**known)
            opened.callback(session.close)
            return session

        yield connect
