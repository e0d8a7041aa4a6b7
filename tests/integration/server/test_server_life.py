"""Starting and stopping whole servers on one directory: what stays, what goes, and what comes after a crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from demo_server import DemoServer, demo_directory, start_demo
from sessions import open_session, rows_of, value_of

ISSUES = 50
VIEW = "SELECT count(*) FROM public.open_issues"
NOTES = "SELECT text FROM public.notes ORDER BY id"


@pytest.fixture
def directory() -> Iterator[Path]:
    with demo_directory() as made:
        yield made


def write(server: DemoServer) -> int:
    """Create a table and a view as a user, and return what the view counts."""
    with closing(open_session(server, "ana")) as session:
        session.execute("CREATE TABLE public.notes (id int PRIMARY KEY, text text)")
        session.execute("INSERT INTO public.notes VALUES (1, 'kept'), (2, 'as well')")
        session.execute(
            "CREATE VIEW public.open_issues AS SELECT number FROM github.issues"
            " WHERE owner = 'acme' AND repo = 'web' AND state = 'open'"
        )
        return int(value_of(session, VIEW))


def read(server: DemoServer) -> tuple[list[tuple[object, ...]], int]:
    """Read what `write` wrote."""
    with closing(open_session(server, "ana")) as session:
        return rows_of(session, NOTES), int(value_of(session, VIEW))


def ended(processes: list[psutil.Process]) -> bool:
    """Wait for processes to end, and say whether all did."""
    _, alive = psutil.wait_procs(processes, timeout=10)
    return not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_users_objects_outlive_a_crash_and_a_stop_leaves_nothing(directory: Path) -> None:
    first = start_demo(directory, issues=ISSUES)
    children = first.children()
    count = write(first)
    assert len(children) >= 5
    first.process.kill()
    first.process.wait(10)
    assert ended(children)

    second = start_demo(directory, issues=ISSUES)
    children = second.children()
    assert read(second) == ([("kept",), ("as well",)], count)
    busy = open_session(second, "ana")
    busy.execute("BEGIN")
    assert second.stop() == 0
    assert ended(children)
    # What the crash left behind went with the start after it.
    assert second.left_over() == []
    # A session in a transaction is told so when the time to drain is over.
    with pytest.raises(psycopg.OperationalError):
        busy.execute("SELECT 1")
    busy.close()
