"""pgjdbc's DatabaseMetaData in full, paging by fetch size with binary transfer, and autosave."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from client_programs import pgjdbc_jar
from client_script import Seen
from demo_server import DATABASE, PASSWORD, DemoServer
from installed_programs import require_program
from pgjdbc_client import COMMAND

from connectors.simulators.company import Company

pytestmark = pytest.mark.clients

SOURCE = Path(__file__).with_name("PgjdbcMetaData.java")
OPTIONS = (
    "sslmode=require&sslfactory=org.postgresql.ssl.NonValidatingFactory&channelBinding=require"
    "&prepareThreshold=-1&autosave=always"
)


def test_every_method_of_the_metadata_answers(demo: DemoServer, company: Company) -> None:
    require_program("java")
    url = f"jdbc:postgresql://127.0.0.1:{demo.port}/{DATABASE}?{OPTIONS}"
    done = subprocess.run(
        [*COMMAND, "-cp", str(pgjdbc_jar()), str(SOURCE), url, "ana", PASSWORD],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = dict(line.split("\t", 1) for line in done.stdout.splitlines() if "\t" in line)
    calls = {name.removeprefix("call "): answer for name, answer in said.items() if name.startswith("call ")}
    refused = {name: answer for name, answer in calls.items() if answer.startswith("E ")}
    assert len(calls) > 150
    # The driver itself has not written these methods; no statement reaches the server.
    assert set(refused.values()) <= {"E 0A000"}, refused
    assert int(calls["getTables/4"].split()[1]) > 100
    assert int(calls["getColumns/4"].split()[1]) > 1000
    assert calls["getDatabaseProductName/0"] == "PostgreSQL"
    assert said["table boards"] == "Scrum and kanban boards."
    assert (said["column id"], said["column labels"], said["column raw"]) == ("int8", "_text", "jsonb")
    items = [item for name, item in Seen(company, ("web",)).items() if name == "web" and item.number <= 9]
    for time in range(3):
        assert said[f"sum {time}"] == str(sum(item.number for item in items))
        assert said[f"labels {time}"] == str(sum(len(item.labels) for item in items))
        assert said[f"source {time}"] == "issues.number"
    assert (said["refused"], said["kept"]) == ("22012", str(len(items)))
