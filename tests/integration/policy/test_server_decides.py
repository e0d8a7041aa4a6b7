"""A server that asks OPA: the bundle's rules hold, and without OPA nothing is read."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
import yaml
from demo_server import DATABASE, DemoServer, demo_directory, start_demo
from guarded import GUARD
from opa_server import OpaServer, running_opa
from served import Served, served_directory, start_served, until

from omnisql_server.policy.rules import Rules, load_rules, parse_rules

WEB = "FROM github.issues WHERE owner = 'acme' AND repo = 'web'"


@pytest.fixture(scope="module")
def opa(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpaServer]:
    with running_opa(tmp_path_factory.mktemp("opa")) as server:
        server.put(load_rules(GUARD))
        yield server


@pytest.fixture(scope="module")
def asking(opa: OpaServer) -> Iterator[DemoServer]:
    settings = {"OMNISQL_POLICY_SERVER_URL": opa.url, "OMNISQL_POLICY_SERVER_TIMEOUT_S": "0.5"}
    with demo_directory() as directory:
        server = start_demo(directory, issues=50, settings={**settings, "OMNISQL_POLICY_DECISIONS_KEPT_S": "0"})
        try:
            yield server
        finally:
            assert server.stop() == 0


DENIAL = parse_rules({"version": 1, "denials": [{"name": "closed", "tables": ["github.issues"]}]}, "test")
MASK = {"name": "m", "tables": ["github.issues"], "column": "title", "mask": "redact"}
MASKED = parse_rules({"version": 1, "masks": [MASK]}, "test")


def test_prepared_statements_and_cursors_obey_the_policy_of_the_moment(asking: DemoServer, opa: OpaServer) -> None:
    with psycopg.connect(**asking.arguments("eve"), dbname=DATABASE, autocommit=True) as eve:
        text = f"SELECT title {WEB} AND number >= %s"
        eve.execute(f"PREPARE by_name AS SELECT title {WEB}".encode())

        def everything() -> list[set[Any]]:
            """Ask by a statement that the driver prepared, by one of a name, and by a cursor."""
            answers = [eve.execute(text.encode(), (1,), prepare=True).fetchall()]
            answers.append(eve.execute("EXECUTE by_name").fetchall())
            with eve.transaction():
                eve.execute(f"DECLARE k CURSOR FOR SELECT title {WEB}".encode())
                answers.append(eve.execute("FETCH ALL FROM k").fetchall())
            return [{row[0] for row in rows} for rows in answers]

        opa.put(Rules())
        first, by_name, by_cursor = everything()
        assert len(first) > 1
        assert first == by_name == by_cursor
        opa.put(MASKED)
        assert everything() == [{"***"}] * 3
        opa.put(DENIAL)
        for sql in (text % 1, "EXECUTE by_name", f"DECLARE k CURSOR WITH HOLD FOR SELECT title {WEB}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="ENTITLEMENT_DENIED"):
                eve.execute(sql.encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            eve.execute(text.encode(), (1,), prepare=True)
        opa.put(Rules())
        assert everything() == [first] * 3
    opa.put(load_rules(GUARD))


def test_opa_decides_and_its_silence_denies(asking: DemoServer, opa: OpaServer) -> None:
    with psycopg.connect(**asking.arguments("eve"), dbname=DATABASE, autocommit=True) as eve:
        rows = eve.execute(f"SELECT body, html_url, number % 10 {WEB}".encode()).fetchall()
        assert rows
        assert set(rows) == {(None, "https://hidden", 0)}
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="ENTITLEMENT_DENIED"):
            eve.execute("SELECT id FROM github.releases WHERE owner = 'acme' AND repo = 'web'")

        opa.process.send_signal(signal.SIGSTOP)
        until(lambda: psutil.Process(opa.process.pid).status() == psutil.STATUS_STOPPED)
        try:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="POLICY_UNDECIDED") as caught:
                eve.execute(f"SELECT id {WEB}".encode())
        finally:
            opa.process.send_signal(signal.SIGCONT)
        assert caught.value.diag.message_detail == "the policy server gave no answer within 0.5 s"
        assert len(eve.execute(f"SELECT id {WEB}".encode()).fetchall()) == len(rows)

        opa.process.kill()
        opa.process.wait()
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="POLICY_UNDECIDED"):
            eve.execute(f"SELECT id {WEB}".encode())
        assert eve.execute("SELECT 1").fetchone() == (1,)


def test_another_server_decides_once_the_configuration_is_read_again(tmp_path: Path) -> None:
    denial = {"name": "closed", "tables": ["omnisql.sources"]}
    with running_opa(tmp_path) as opa, served_directory() as directory:
        opa.put(parse_rules({"version": 1, "denials": [denial]}, "test"))
        server = start_served(directory)
        try:
            server.create_tenant("acme")
            with server.connect("acme") as session:
                assert session.execute("SELECT * FROM omnisql.sources").fetchall() == []
                for url, word in ((opa.url, "ENTITLEMENT_DENIED"), ("http://127.0.0.1:1", "POLICY_UNDECIDED")):
                    _configure(server, {"server_url": url, "server_timeout_s": 0.5, "decisions_kept_s": 0})
                    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=word):
                        session.execute("SELECT * FROM omnisql.sources")
                _configure(server, {})
                assert session.execute("SELECT * FROM omnisql.sources").fetchall() == []
        finally:
            assert server.stop() == 0


def _configure(server: Served, policy: dict[str, object]) -> None:
    """Write another policy into a server's configuration, and have it read."""
    file = server.directory / "omnisql.yaml"
    sections = {**yaml.safe_load(file.read_text()), "policy": policy}
    file.write_text(yaml.safe_dump(sections), encoding="utf-8")
    before = len([event for event in server.events() if event.get("event") == "configuration_reloaded"])
    server.process.send_signal(signal.SIGHUP)
    until(lambda: [event.get("event") for event in server.events()].count("configuration_reloaded") > before)
