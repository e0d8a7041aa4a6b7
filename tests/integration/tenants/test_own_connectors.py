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


def release(folder: Path) -> None:
    """Keep the manifest as version 1 and write a version 2 beside it, with another name and another type."""
    file = folder / "acme_crm.yaml"
    old = file.read_text(encoding="utf-8")
    (folder / "acme_crm.v1.yaml").write_text(old, encoding="utf-8")
    new = old.replace("\nname: acme_crm\n", "\nname: acme_crm\nversion: 2\n").replace("      title: text!\n", "")
    new = new.replace("      status: text!\n", "      status: text!\n      headline: text! title\n")
    file.write_text(new, encoding="utf-8")


def rows(session: psycopg.Connection, sql: str) -> list[tuple[object, ...]]:
    return session.execute(sql.encode()).fetchall()


TITLES, HEADLINES = "SELECT id, title FROM public.tasks ORDER BY id", "SELECT id, headline FROM fresh.tasks ORDER BY id"
HISTORY = "SELECT schema_name, version, change FROM omnisql.schema_versions WHERE table_name = 'tasks' ORDER BY since"


def test_a_server_keeps_the_shape_of_its_version_until_it_is_given_another(tmp_path: Path) -> None:
    start("acme_crm", tmp_path, ())
    release(tmp_path)
    with served_directory() as directory, simulated(tmp_path) as base_url:
        network = {"allowed_networks": "127.0.0.0/8"}
        served = start_served(directory, {"connectors": {"folder": str(tmp_path)}, "network": network})
        try:
            served.create_tenant("acme")
            with served.connect("acme") as session:
                told: list[tuple[str | None, str | None]] = []
                session.add_notice_handler(lambda said: told.append((said.severity, said.message_detail)))
                for name, version, schema in (("old", "VERSION '1' ", "public"), ("new", "", "fresh")):
                    rest = f"FOREIGN DATA WRAPPER acme_crm OPTIONS (base_url '{base_url}')"
                    session.execute(f"CREATE SERVER {name} {version}{rest}".encode())
                    session.execute(f"CREATE USER MAPPING FOR PUBLIC SERVER {name} OPTIONS (token '{TOKEN}')".encode())
                    session.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
                    session.execute(f"IMPORT FOREIGN SCHEMA acme_crm FROM SERVER {name} INTO {schema}".encode())
                with pytest.raises(psycopg.errors.FdwInvalidOptionName, match="has no version 3") as refused:
                    session.execute("ALTER SERVER old VERSION '3'")
                assert "There is 1, 2" in str(refused.value.diag.message_hint)
                servers = rows(session, "SELECT srvname, srvversion FROM pg_foreign_server WHERE srvname <> 'omnisql'")
                before = rows(session, TITLES)
                assert rows(session, HEADLINES) == before
                session.execute("ALTER SERVER old VERSION '2'")
                warned = [detail for severity, detail in told if severity == "WARNING"]
                with pytest.raises(psycopg.errors.FdwTableNotFound, match="has no column title in tasks"):
                    session.execute(TITLES.encode())
                session.execute("ALTER SERVER old VERSION '1'")
                assert rows(session, TITLES) == before
                session.execute("ALTER SERVER old VERSION '2'")
                session.execute("DROP FOREIGN TABLE public.tasks")
                session.execute("IMPORT FOREIGN SCHEMA acme_crm LIMIT TO (tasks) FROM SERVER old INTO public")
                assert rows(session, TITLES.replace("title", "headline")) == before
                history = rows(session, HISTORY)
                columns = rows(session, "SELECT columns FROM omnisql.schema_versions WHERE table_name = 'projects'")
        finally:
            served.stop()
    assert sorted(servers) == [("new", "2"), ("old", "1")]
    assert len(before) == 60
    assert warned == ["column tasks.title is gone."]
    assert history == [
        ("public", "1", "new"),
        ("fresh", "2", "new"),
        ("public", "2", "compatible"),
        ("public", "1", "compatible"),
        ("public", "2", "compatible"),
        ("public", "2", "breaking"),
    ]
    assert columns[0] == ({"id": "text", "name": "text", "created_at": "timestamp with time zone"},)


def declare_wrongly(folder: Path) -> None:
    """Declare a column of tasks as a number that is a text, and leave its values out with a warning."""
    file = folder / "acme_crm.yaml"
    text = file.read_text(encoding="utf-8")
    text = text.replace("    rows_expected: 1000\n", "    rows_expected: 1000\n    misfits: warn\n")
    file.write_text(
        text.replace("      title: text!\n", "      title: text!\n      size: int4 title\n"), encoding="utf-8"
    )


def test_a_manifest_of_a_folder_is_read_by_sql(tmp_path: Path) -> None:
    start("acme_crm", tmp_path, ())
    declare_wrongly(tmp_path)
    with served_directory() as directory, simulated(tmp_path) as base_url:
        network = {"allowed_networks": "127.0.0.0/8"}
        served = start_served(directory, {"connectors": {"folder": str(tmp_path)}, "network": network})
        try:
            served.create_tenant("acme")
            told: list[tuple[str | None, str | None]] = []
            with served.connect("acme") as session:
                session.execute(
                    f"CREATE SERVER crm FOREIGN DATA WRAPPER acme_crm OPTIONS (base_url '{base_url}')".encode()
                )
                session.execute(f"CREATE USER MAPPING FOR PUBLIC SERVER crm OPTIONS (token '{TOKEN}')".encode())
                session.execute("IMPORT FOREIGN SCHEMA acme_crm FROM SERVER crm INTO public")
                counted = session.execute("SELECT status, count(*) FROM tasks GROUP BY 1 ORDER BY 1").fetchall()
                session.add_notice_handler(lambda said: told.append((said.sqlstate, said.message_primary)))
                sized = rows(session, "SELECT count(*) FROM tasks WHERE size IS NULL")
                misfits = rows(session, "SELECT misfits, complete FROM omnisql.last_query_sources")
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
    assert (sized, misfits) == ([(60,)], [({"size": 60}, True)])
    assert told == [("01000", "60 values of public.tasks.size did not fit its type and are null")]


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
    line = file.read_text(encoding="utf-8").splitlines().index("    primary_keys: [id]") + 1
    assert f"manifest acme_crm.yaml, line {line}, column 5: key primary_keys is not known here" in ended.stderr
