"""Random changes between repeated statements: no answer that running them could not have given.

The reference knows what every user may see at every moment: the states that the rows had since they were invalidated,
the privileges, policy, settings and definitions that hold now. It does not know what is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import psycopg
import pytest
from changing_source import ChangingServer, Row, changing_server
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from psycopg.types.string import TextLoader
from served import served_directory

from omnisql_server.observability.metrics import INSTRUMENTS

EXAMPLES, STEPS = 6, 25
USERS = {"ana": ("web", "api"), "eve": ("web",)}
"""The teams whose rows each sees while policy filters."""
QUERIES = {
    "table": "SELECT id, team, at FROM changing.items WHERE id > 1 ORDER BY id",
    "view": "SELECT id, team, at FROM public.shown ORDER BY id",
    "name": "SELECT id, team, at FROM items WHERE id > 1 ORDER BY id",
}
POLICIES = {
    "open": "version: 1\n",
    "filtered": """
version: 1
row_filters:
  - {name: teams, tables: [changing.items], column: team, attribute: teams, values: {web: [web]}}
""",
    "denied": "version: 1\ndenials:\n  - {name: nobody, tables: [changing.items]}\n",
}
ZONES = ("UTC", "Asia/Tokyo")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
user = st.sampled_from(sorted(USERS))
OFTEN = st.sampled_from([True, True, False])


class Repeated(RuleBasedStateMachine):
    """Two users who ask again and again, an owner who changes everything, and what each answer may be."""

    server: ClassVar[ChangingServer]
    directory: ClassVar[Path]
    repeats: ClassVar[int] = 0

    @initialize()
    def begin(self) -> None:
        self.admin = self.server.connect("admin")
        self.sessions = {name: self._session(name) for name in USERS}
        self.versions: list[tuple[Row, ...]] = [()]
        self.zones = dict.fromkeys(USERS, "UTC")
        self.granted, self.member = dict.fromkeys(USERS, True), dict.fromkeys(USERS, False)
        self.guests, self.shadowed = dict.fromkeys(USERS, False), dict.fromkeys(USERS, False)
        self.policy, self.least = "open", 0
        self.asked = {"ana": "table", "eve": "view"}
        self.server.decide_by(self.directory / "open")
        self._do("CREATE OR REPLACE VIEW public.shown AS SELECT * FROM changing.items WHERE id > 0")
        for name in USERS:
            self._do(f"GRANT SELECT ON changing.items, public.shown TO {name}")
            self._do(f"REVOKE readers FROM {name}")
        self.change(3, "web")
        self.invalidate("ana")

    @rule(name=user, query=st.sampled_from(sorted(QUERIES)))
    def look_at(self, name: str, query: str) -> None:
        self.asked[name] = query

    @invariant()
    def ask_the_same_again(self) -> None:
        for name, query in self.asked.items():
            for _ in range(3):
                self._check(name, query, QUERIES[query], self.versions)

    @rule(name=user, query=st.sampled_from(sorted(QUERIES)))
    def ask_the_source(self, name: str, query: str) -> None:
        text = QUERIES[query].replace("SELECT", "SELECT /*+ max_staleness(0) */")
        self._check(name, query, text, self.versions[-1:])

    @rule(name=user, query=st.sampled_from(sorted(QUERIES)))
    def ask_in_a_block(self, name: str, query: str) -> None:
        self.sessions[name].execute("BEGIN")
        try:
            self._check(name, query, QUERIES[query], self.versions)
        finally:
            self.sessions[name].execute("ROLLBACK")

    @rule(number=st.integers(0, 5), team=st.sampled_from(["web", "api"]))
    def change(self, number: int, team: str) -> None:
        changed = (number, team, BEGIN + timedelta(hours=len(self.versions)))
        kept = tuple(row for row in self.versions[-1] if row[0] != number)
        self.server.source.rows = tuple(sorted((*kept, changed)))
        self.versions.append(self.server.source.rows)

    @rule(name=user)
    def invalidate(self, name: str) -> None:
        if not self.guests[name]:
            self._do("CALL omnisql.invalidate('changing.items')")
            self.versions = self.versions[-1:]

    @rule(name=user, zone=st.sampled_from(ZONES))
    def move(self, name: str, zone: str) -> None:
        self.sessions[name].execute(f"SET TimeZone = '{zone}'".encode())
        self.zones[name] = zone

    @rule(name=user, held=OFTEN)
    def grant(self, name: str, held: bool) -> None:
        self._do(f"{'GRANT' if held else 'REVOKE'} SELECT ON changing.items {'TO' if held else 'FROM'} {name}")
        self.granted[name] = held

    @rule(name=user, held=OFTEN)
    def enlist(self, name: str, held: bool) -> None:
        self._do(f"{'GRANT' if held else 'REVOKE'} readers {'TO' if held else 'FROM'} {name}")
        self.member[name] = held

    @rule(policy=st.sampled_from(["open", "open", "filtered", "filtered", "denied"]))
    def decide(self, policy: str) -> None:
        self.server.decide_by(self.directory / policy)
        self.policy = policy

    @rule(name=user, guest=st.sampled_from([False, False, True]))
    def become(self, name: str, guest: bool) -> None:
        self.sessions[name].execute(b"SET ROLE guest" if guest else b"RESET ROLE")
        self.guests[name] = guest

    @rule(least=st.integers(0, 3), block=st.sampled_from(["", "COMMIT", "ROLLBACK"]))
    def define(self, least: int, block: str) -> None:
        if block:
            self._do("BEGIN")
        self._do(f"CREATE OR REPLACE VIEW public.shown AS SELECT * FROM changing.items WHERE id > {least}")
        if block:
            self._do(block)
        if block != "ROLLBACK":
            self.least = least

    @rule(name=user)
    def shadow(self, name: str) -> None:
        if self.guests[name]:
            return
        made = (
            "DROP TABLE pg_temp.items"
            if self.shadowed[name]
            else "CREATE TEMP TABLE items (id int, team text, at text)"
        )
        self.sessions[name].execute(made.encode())
        self.shadowed[name] = not self.shadowed[name]

    @rule(name=user)
    def log_in_again(self, name: str) -> None:
        self.sessions[name].close()
        self.sessions[name] = self._session(name)
        self.zones[name], self.guests[name], self.shadowed[name] = "UTC", False, False

    def teardown(self) -> None:
        for session in (self.admin, *self.sessions.values()):
            session.close()

    def _session(self, name: str) -> psycopg.Connection:
        session = self.server.connect(name)
        session.adapters.register_loader("timestamptz", TextLoader)
        session.execute("SET omnisql.max_staleness = '1h'")
        session.execute("SET TimeZone = 'UTC'")
        session.execute("SET search_path = public, changing")
        return session

    def _do(self, sql: str) -> None:
        self.admin.execute(sql.encode())

    def _check(self, name: str, query: str, text: str, versions: list[tuple[Row, ...]]) -> None:
        try:
            answer: Any = self.sessions[name].execute(text.encode()).fetchall()
        except psycopg.errors.InsufficientPrivilege:
            answer = "denied"
        expected = [self._expected(name, query, rows) for rows in versions]
        assert answer in expected, (name, query, answer, expected)

    def _expected(self, name: str, query: str, rows: tuple[Row, ...]) -> Any:
        """Answer a query as if nothing were ever kept."""
        if self.guests[name]:
            return "denied"
        if query == "name" and self.shadowed[name]:
            return []
        may_read = query == "view" or self.granted[name] or self.member[name]
        if not may_read or self.policy == "denied":
            return "denied"
        teams = USERS[name] if self.policy == "filtered" else ("web", "api")
        least = self.least if query == "view" else 1
        zone = ZoneInfo(self.zones[name])
        return [
            (number, team, f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}{at.astimezone(zone):%z}"[:-2])
            for number, team, at in rows
            if number > least and team in teams
        ]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve a source that changes, and count the answers that are repeated."""

    def count() -> None:
        Repeated.repeats += 1

    monkeypatch.setattr(INSTRUMENTS, "answer_repeated", count)
    with served_directory() as directory:
        for name, text in POLICIES.items():
            (directory / name).write_text(text, encoding="utf-8")
        with changing_server(directory, monkeypatch) as server:
            with server.connect("admin") as admin:
                admin.execute("CREATE ROLE readers")
                admin.execute("CREATE ROLE guest")
                admin.execute("GRANT SELECT ON changing.items TO readers")
                admin.execute("GRANT USAGE ON SCHEMA changing TO guest")
                admin.execute("GRANT guest TO ana, eve")
            Repeated.server, Repeated.directory = server, directory
            yield


@pytest.mark.usefixtures("served")
def test_no_answer_is_repeated_that_running_the_statement_could_not_have_given() -> None:
    # A failure is not made smaller: each try is a session of statements over a whole server.
    bounded = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate,),
    )
    run_state_machine_as_test(Repeated, settings=bounded)
    # A model that never meets a repeated answer would prove nothing.
    assert Repeated.repeats > 50
