"""dbt over API tables as sources: everything it does, twice, with the rows that it has to leave."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from client_programs import dbt_python
from client_script import Seen
from demo_server import DATABASE, PASSWORD, DemoServer

from connectors.simulators.company import Company

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent
SCHEMA = "dbt_acme"
FIRST = ("debug", "seed", "run", "snapshot", "test", "docs generate", "source freshness")
SECOND = ("seed", "run", "snapshot", "test")
RUN_TIMEOUT_S = 400.0
RELATIONS = {
    ("changes", "r"),
    ("merged_changes", "r"),
    ("pull_request_history", "r"),
    ("statuses", "r"),
    ("stg_pull_requests", "v"),
    ("stg_tracker_issues", "v"),
    ("teams", "r"),
    ("work", "r"),
    ("work_by_state", "v"),
}


@pytest.fixture
def owner(demo: DemoServer) -> Iterator[psycopg.Connection]:
    """Open a session of the tenant's owner; what dbt made is dropped afterwards."""
    with psycopg.connect(**demo.arguments("admin"), dbname=DATABASE, autocommit=True) as session:
        yield session
        session.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE".encode())


def dbt(demo: DemoServer, folder: Path, *commands: str) -> list[dict[str, Any]]:
    """Run commands of dbt, one after the other, and return what each did."""
    environment = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}},
        "ACME_PORT": str(demo.port),
        "ACME_PASSWORD": PASSWORD,
        "ACME_DATABASE": DATABASE,
        "ACME_SCHEMA": SCHEMA,
        "ACME_SSLMODE": "require",
        "DBT_PROJECT_DIR": str(HERE / "dbt"),
        "DBT_PROFILES_DIR": str(HERE / "dbt"),
        "DBT_LOG_PATH": str(folder),
        "DBT_TARGET_PATH": str(folder),
    }
    done = subprocess.run(
        [str(dbt_python()), str(HERE / "dbt_commands.py"), str(folder / "done.json"), *commands],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    answered: list[dict[str, Any]] = json.loads((folder / "done.json").read_text())
    return answered


def count(session: psycopg.Connection, sql: str) -> int:
    """Return the one number that a query gives."""
    row = session.execute(sql.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_a_project_is_built_twice(
    demo: DemoServer, company: Company, owner: psycopg.Connection, tmp_path: Path
) -> None:
    first = dbt(demo, tmp_path, *FIRST)
    assert [(each["command"], each["success"], each["messages"]) for each in first] == [(c, True, []) for c in FIRST]
    did = {each["command"]: each["nodes"] for each in first}
    assert len(did["run"]) == 6
    assert len(did["test"]) == 11
    assert set(did["test"].values()) == {"pass"}
    assert set(did["source freshness"]) == {"source.acme.github.issues", "source.acme.jira.issues"}
    check_rows(owner, Seen(company, ("web", "api", "data", "mobile")))
    catalog = json.loads((tmp_path / "catalog.json").read_text())
    issues = catalog["sources"]["source.acme.jira.issues"]
    assert (issues["metadata"]["type"], issues["columns"]["labels"]["type"]) == ("BASE TABLE", "text[]")

    # What was changed in an issue since, and what was not there yet, is what the second run has to find.
    owner.execute(f"DELETE FROM {SCHEMA}.changes WHERE updated > (SELECT min(updated) FROM {SCHEMA}.changes)".encode())
    owner.execute(f"DELETE FROM {SCHEMA}.merged_changes WHERE number > 50".encode())
    owner.execute(f"UPDATE {SCHEMA}.statuses SET status = 'Elsewhere' WHERE key = 'API-1'".encode())
    second = dbt(demo, tmp_path, *SECOND)
    assert [(each["command"], each["success"], each["messages"]) for each in second] == [(c, True, []) for c in SECOND]
    check_rows(owner, Seen(company, ("web", "api", "data", "mobile")))
    history = owner.execute(
        f"SELECT status = 'Elsewhere', dbt_valid_to IS NULL FROM {SCHEMA}.statuses"
        f" WHERE key = 'API-1' ORDER BY dbt_valid_from".encode()
    ).fetchall()
    assert history == [(True, False), (False, True)]


def check_rows(owner: psycopg.Connection, seen: Seen) -> None:
    """Compare what dbt made with the company."""
    made = owner.execute(
        f"SELECT relname::text, relkind::text FROM pg_class WHERE relnamespace = '{SCHEMA}'::regnamespace"
        " AND relkind IN ('r', 'v')".encode()
    ).fetchall()
    assert set(made) == RELATIONS
    pairs = f"SELECT repo, number::text, key, status FROM {SCHEMA}.work w ORDER BY repo, w.number"
    assert owner.execute(pairs.encode()).fetchall() == seen.joined()
    tracked = {key.split("-")[0]: 0 for key in seen.statuses}
    for key in seen.statuses:
        tracked[key.split("-")[0]] += 1
    assert count(owner, f"SELECT count(*) FROM {SCHEMA}.changes") == tracked["WEB"]
    assert count(owner, f"SELECT count(*) FROM {SCHEMA}.statuses WHERE dbt_valid_to IS NULL") == tracked["API"]
    pulls = {name: sum(1 for n, item in seen.items() if n == name and item.pull_request) for name in ("api", "web")}
    assert count(owner, f"SELECT count(*) FROM {SCHEMA}.merged_changes") == pulls["api"]
    assert count(owner, f"SELECT count(*) FROM {SCHEMA}.pull_request_history") == pulls["web"]
    assert count(owner, f"SELECT sum(pull_requests) FROM {SCHEMA}.work_by_state") == len(seen.joined())
    assert count(owner, f"SELECT count(*) FROM {SCHEMA}.teams") == 2
    granted = owner.execute(f"SELECT has_table_privilege('ana', '{SCHEMA}.work', 'SELECT')".encode()).fetchone()
    assert granted == (True,)
