"""From CREATE SERVER to rows in psql, against a server that nobody here wrote."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from demo_server import DemoServer
from github_simulation import serve_github
from installed_programs import require_program
from psql_client import connection_string

pytestmark = pytest.mark.clients

HELLO = "owner = 'octocat' AND repo = 'Hello-World'"


@pytest.fixture(scope="module")
def github() -> Iterator[str]:
    """Serve GitHub's API by somebody else's program."""
    require_program("psql")
    with serve_github() as address:
        yield address


@pytest.fixture
def hub(demo: DemoServer, github: str) -> Iterator[str]:
    """Make the source `hub` in psql, and drop it afterwards; return what psql said."""
    yield psql(
        demo,
        f"CREATE SERVER hub FOREIGN DATA WRAPPER github OPTIONS (base_url '{github}');",
        "CREATE USER MAPPING FOR PUBLIC SERVER hub OPTIONS (token 'anything');",
        "CREATE SCHEMA hub;",
        "CALL omnisql.check_source('hub');",
        "IMPORT FOREIGN SCHEMA github FROM SERVER hub INTO hub;",
    )
    psql(demo, "DROP SERVER hub CASCADE;", "DROP SCHEMA hub;")


def psql(demo: DemoServer, *lines: str) -> str:
    """Run lines in one psql of the owner and return everything it says."""
    done = subprocess.run(
        ["psql", "-XAt", "-v", "ON_ERROR_STOP=1", connection_string(demo, "admin")],
        input="\n".join(lines) + "\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_from_create_server_to_the_first_row(demo: DemoServer, hub: str) -> None:
    assert hub.splitlines() == [
        "CREATE SERVER",
        "CREATE USER MAPPING",
        "CREATE SCHEMA",
        'NOTICE:  server "hub" accepts the credential of octocat',
        "CALL",
        "IMPORT FOREIGN SCHEMA",
    ]
    row = psql(demo, f"SELECT number, title, user_login, labels, state FROM hub.issues WHERE {HELLO};")
    assert row == "1347|Found a bug|octocat|{bug}|open\n"


def test_every_table_of_the_connector_reads_what_github_documents(demo: DemoServer, hub: str) -> None:
    said = psql(
        demo,
        f"SELECT number, head_ref, merged_at IS NULL, additions FROM hub.pull_requests WHERE {HELLO};",
        f"SELECT issue_number, body FROM hub.issue_comments WHERE {HELLO};",
        f"SELECT left(sha, 7), author_name FROM hub.commits WHERE {HELLO};",
        f"SELECT tag_name, draft FROM hub.releases WHERE {HELLO};",
        f"SELECT name, event, status FROM hub.workflow_runs WHERE {HELLO};",
        f"SELECT name, color FROM hub.labels WHERE {HELLO} ORDER BY name;",
        "SELECT login, type FROM hub.org_members WHERE org = 'github';",
        "SELECT full_name, topics FROM hub.repositories WHERE owner = 'octocat' AND name = 'Hello-World';",
    )
    assert said.splitlines() == [
        "1347|new-topic|f|100",
        "1347|Me too",
        "6dcb09b|Monalisa Octocat",
        "v1.0.0|f",
        "Build|push|queued",
        "bug|f29513",
        "enhancement|a2eeef",
        "octocat|User",
        "octocat/Hello-World|{octocat,atom,electron,api}",
    ]
