"""Sessions of the tenant's owner, and two schemas with the same relations: over API tables, and over local tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from demo_server import DemoServer
from demo_sessions import Connect, demo_sessions

API, LOCAL = "nm_api", "nm_local"
TABLES = {"p": "p", "spaced": '"Two Words"', "quoted": '"say ""hi"" ünï"', "upper": '"P"'}


@pytest.fixture(autouse=True)
def _clean_sources(demo: DemoServer) -> None:
    demo.reset()


@pytest.fixture
def connect(demo: DemoServer) -> Iterator[Connect]:
    """Open sessions that are closed after the test."""
    with demo_sessions(demo, "admin") as connect:
        yield connect


@pytest.fixture(params=["local", "api"])
def schema(request: pytest.FixtureRequest, connect: Connect) -> Iterator[str]:
    """Make a schema of relations for one test, over local or over API tables, and drop it afterwards."""
    name = API if request.param == "api" else LOCAL
    session = connect()
    session.execute(f"CREATE SCHEMA {name}".encode())
    for table in TABLES.values():
        if request.param == "api":
            session.execute(
                f"""CREATE FOREIGN TABLE {name}.{table} (k text OPTIONS ("column" 'key'), name text OPTIONS ("column"
                'name'), "Kind" text OPTIONS ("column" 'project_type_key')) SERVER jira OPTIONS ("table" 'projects')
                """.encode()
            )
        else:
            session.execute(
                f"""CREATE TABLE {name}.{table} AS SELECT key AS k, name, project_type_key AS "Kind" FROM jira.projects
                """.encode()
            )
    yield name
    session.execute("ROLLBACK") if session.info.transaction_status else None
    for made in (name, "nm_other", "nm_renamed"):
        session.execute(f"DROP SCHEMA IF EXISTS {made} CASCADE".encode())
