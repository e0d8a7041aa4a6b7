"""The server under fuzz, a plain connection to its tenant's PostgreSQL, and a bystander that must not notice."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from demo_server import DATABASE, PASSWORD, DemoServer
from hypothesis import settings
from sockets import RawSession, kinds, through_server, to_postgres
from streams import API_TABLE, COPY

from wire import frontend
from wire.backend_decode import decode_data_row
from wire.framing import Frame

USER = "ana"
MEMORY_GROWTH_MAX_BYTES = 64 * 1024 * 1024
WARM_UP_STREAMS = 40

settings.register_profile("fuzz", max_examples=25_000, print_blob=True)


@dataclass(kw_only=True, repr=False)
class Target:
    """A server that is sent anything, and how it fares."""

    demo: DemoServer
    socket_directory: Path
    backend_port: int
    streams: int = 0
    messages: int = 0
    memory_bytes: int = 0
    sessions: dict[str, RawSession] = field(default_factory=dict)

    def session(self) -> RawSession:
        """Open a session at the server."""
        return through_server(self.demo.port, USER, PASSWORD, DATABASE)

    def pair(self) -> tuple[RawSession, RawSession]:
        """Return a clean session at the server and one at PostgreSQL, kept while they live."""
        for name, make in (("ours", self.session), ("theirs", self._backend)):
            kept = self.sessions.get(name)
            if kept is None or not _cleaned(kept):
                self.sessions[name] = make()
                assert _cleaned(self.sessions[name])
        return self.sessions["ours"], self.sessions["theirs"]

    def forget(self) -> None:
        """Close the kept sessions."""
        while self.sessions:
            self.sessions.popitem()[1].close()

    def count(self, messages: int) -> None:
        """Count a stream; memory is remembered once the server has seen some."""
        self.streams += 1
        self.messages += messages
        if self.streams == WARM_UP_STREAMS:
            self.memory_bytes = self.resident_bytes()

    def resident_bytes(self) -> int:
        """Return the resident memory of the server's process."""
        return int(psutil.Process(self.demo.process.pid).memory_info().rss)

    def _backend(self) -> RawSession:
        return to_postgres(self.socket_directory, self.backend_port, USER, DATABASE)


@pytest.fixture(scope="session")
def target(demo: DemoServer) -> Iterator[Target]:
    """Give the server a copy of the API table, watch a bystander, and look at memory at the end."""
    postmaster = (demo.cluster / "postmaster.pid").read_text().splitlines()
    made = Target(demo=demo, socket_directory=Path(postmaster[4].strip()), backend_port=int(postmaster[3]))
    with psycopg.connect(**demo.arguments(USER), dbname=DATABASE, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {COPY} AS SELECT * FROM {API_TABLE}")
        connection.execute(f"ANALYZE {COPY}")
        yield made
        made.forget()
        assert demo.process.poll() is None
        if made.memory_bytes:
            grown = made.resident_bytes() - made.memory_bytes
            assert grown < MEMORY_GROWTH_MAX_BYTES, f"{grown} bytes more after {made.messages} messages"
        connection.execute(f"DROP TABLE {COPY}")


@pytest.fixture
def bystander(demo: DemoServer) -> Iterator[psycopg.Connection]:
    """Keep a transaction open meanwhile, and look at its end whether it is as it was."""
    with psycopg.connect(**demo.arguments(USER), dbname=DATABASE) as connection:
        connection.execute("CREATE TEMP TABLE mine AS SELECT 42 AS n")
        connection.execute("SET LOCAL work_mem = '5MB'")
        yield connection
        assert connection.execute("SELECT n, current_setting('work_mem') FROM mine").fetchone() == (42, "5MB")
        connection.rollback()


def say(session: RawSession, messages: bytes) -> tuple[list[Frame], bool]:
    """Send messages, end whatever they left open, and return the answers and whether the session lives."""
    marker = secrets.token_hex(8).encode()
    end = (
        frontend.CopyFail(message=b"over"),
        frontend.Sync(),
        frontend.Query(text=b"ROLLBACK"),
        frontend.Query(text=b"SELECT '" + marker + b"'"),
    )
    session.send(messages + b"".join(each.encode() for each in end))
    found: list[Frame] = []
    marked = False
    while (frame := session.frame()) is not None:
        found.append(frame)
        marked = marked or (frame.kind == b"D" and decode_data_row(frame.payload) == (marker,))
        if marked and frame.kind == b"Z":
            # The marker is T, D, C and Z.
            return found[:-4], True
    return found, False


def _cleaned(session: RawSession) -> bool:
    for text in ("ROLLBACK", "DISCARD ALL", "SET statement_timeout = '30s'", "CREATE TEMP TABLE scratch (n int4)"):
        answered = session.run(text)
        if "E" in kinds(answered) or not kinds(answered).endswith("Z"):
            session.close()
            return False
    return True
