"""A folder of one's own manifests: each is a wrapper like any other, and a wrong one keeps the server from starting."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import yaml
from served import PROGRAM, environment, served_directory, start_served

from connectors.simulators.company import build_company
from connectors.simulators.running import start_simulator
from connectors.starter import start
from connectors.trial import TOKEN, simulator_for


@contextmanager
def simulated(folder: Path) -> Iterator[str]:
    """Run the simulator of a connector that was just begun, on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    application = simulator_for("acme_crm", folder)(build_company(issues=60))
    running = asyncio.run_coroutine_threadsafe(start_simulator(application), loop).result(30)
    try:
        yield running.base_url
    finally:
        asyncio.run_coroutine_threadsafe(running.stop(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


def test_a_manifest_of_a_folder_is_read_by_sql(tmp_path: Path) -> None:
    start("acme_crm", tmp_path, ())
    with served_directory() as directory, simulated(tmp_path) as base_url:
        network = {"allowed_networks": "127.0.0.0/8"}
        served = start_served(directory, {"connectors": {"folder": str(tmp_path)}, "network": network})
        try:
            served.create_tenant("acme")
            with served.connect("acme") as session:
                session.execute(
                    f"CREATE SERVER crm FOREIGN DATA WRAPPER acme_crm OPTIONS (base_url '{base_url}')".encode()
                )
                session.execute(f"CREATE USER MAPPING FOR PUBLIC SERVER crm OPTIONS (token '{TOKEN}')".encode())
                session.execute("IMPORT FOREIGN SCHEMA acme_crm FROM SERVER crm INTO public")
                counted = session.execute("SELECT status, count(*) FROM tasks GROUP BY 1 ORDER BY 1").fetchall()
                joined = session.execute("SELECT c.id FROM tasks t JOIN comments c ON c.task_id = t.id").fetchall()
        finally:
            served.stop()
        served = start_served(directory)
        try:
            with served.connect("acme") as session:
                # What its server was made for is gone; everything else of the tenant goes on.
                with pytest.raises(psycopg.errors.FdwInvalidOptionName, match="there is no connector acme_crm"):
                    session.execute("SELECT status FROM tasks")
                assert session.execute("SELECT source FROM omnisql.sources").fetchall() == []
                assert session.execute("SELECT count(*) FROM pg_class WHERE relname = 'tasks'").fetchone() == (1,)
        finally:
            served.stop()
    assert counted == [("done", 30), ("open", 30)]
    assert len(joined) == 90


def test_a_manifest_that_is_refused_keeps_the_server_from_starting(tmp_path: Path) -> None:
    start("acme_crm", tmp_path, ())
    file = tmp_path / "acme_crm.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("primary_key", "primary_keys", 1), encoding="utf-8")
    with served_directory() as directory:
        configuration = directory / "omnisql.yaml"
        sections = {"connectors": {"folder": str(tmp_path)}, "data": {"directory": str(directory / "data")}}
        configuration.write_text(yaml.safe_dump(sections), encoding="utf-8")
        ended = subprocess.run(
            [PROGRAM, "serve", "--config", str(configuration)],
            env=environment(directory), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    assert "manifest acme_crm.yaml, line 23, column 5: key primary_keys is not known here" in ended.stderr
