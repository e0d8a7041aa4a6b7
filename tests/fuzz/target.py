"""The server under fuzz, and conversations with it that always end."""

from __future__ import annotations

import secrets
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from demo_server import DATABASE, PASSWORD, DemoServer
from sockets import RawSession, kinds, through_server, to_postgres

from wire import frontend
from wire.backend_decode import decode_data_row
from wire.framing import Frame

USER = "ana"
WARM_UP_STREAMS = 40


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
    opener: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    opening: Future[RawSession] | None = None

    def session(self) -> RawSession:
        """Return a new session at the server; the one after it is opened meanwhile."""
        opening, self.opening = self.opening, None
        opened = self._opened() if opening is None else opening.result()
        self.opening = self.opener.submit(self._opened)
        return opened

    def pair(self) -> tuple[RawSession, RawSession]:
        """Return a clean session at the server and one at PostgreSQL, kept while they live."""
        for session in self.sessions.values():
            session.send(_CLEANING)
        for name, make in (("ours", self._opened), ("theirs", self._backend)):
            kept = self.sessions.get(name)
            if kept is None or not _is_cleaned(kept):
                self.sessions[name] = made = make()
                made.send(_CLEANING)
                assert _is_cleaned(made)
        return self.sessions["ours"], self.sessions["theirs"]

    def forget(self) -> None:
        """Close the kept sessions, and the one that waits."""
        while self.sessions:
            self.sessions.popitem()[1].close()
        opening, self.opening = self.opening, None
        if opening is not None:
            opening.result().close()
        self.opener.shutdown()

    def count(self, messages: int) -> None:
        """Count a stream; memory is remembered once the server has seen some."""
        self.streams += 1
        self.messages += messages
        if self.streams == WARM_UP_STREAMS:
            self.memory_bytes = self.resident_bytes()

    def resident_bytes(self) -> int:
        """Return the resident memory of the server's process."""
        return int(psutil.Process(self.demo.process.pid).memory_info().rss)

    def _opened(self) -> RawSession:
        return through_server(self.demo.port, USER, PASSWORD, DATABASE)

    def _backend(self) -> RawSession:
        return to_postgres(self.socket_directory, self.backend_port, USER, DATABASE)


_CLEANING = b"".join(
    frontend.Query(text=text).encode()
    for text in (b"ROLLBACK", b"DISCARD ALL", b"SET statement_timeout = '30s'", b"CREATE TEMP TABLE scratch (n int4)")
)


def say(session: RawSession, messages: bytes) -> tuple[list[Frame], bool]:
    """Send messages, end whatever they left open, and return the answers and whether the session lives."""
    ((answered, lives),) = say_each((session, messages))
    return answered, lives


def say_each(*said: tuple[RawSession, bytes]) -> list[tuple[list[Frame], bool]]:
    """Do as `say` does with several sessions at once, so that their servers work at the same time."""
    marker = secrets.token_hex(8).encode()
    end = (
        frontend.CopyFail(message=b"over"),
        frontend.Sync(),
        frontend.Query(text=b"ROLLBACK"),
        frontend.Query(text=b"SELECT '" + marker + b"'"),
    )
    ending = b"".join(each.encode() for each in end)
    for session, messages in said:
        session.send(messages + ending)
    return [_up_to(session, marker) for session, _ in said]


def _up_to(session: RawSession, marker: bytes) -> tuple[list[Frame], bool]:
    """Read up to the answer of the query that gives the marker, which is none of what is returned."""
    found: list[Frame] = []
    marked = False
    while (frame := session.frame()) is not None:
        found.append(frame)
        marked = marked or (frame.kind == b"D" and decode_data_row(frame.payload) == (marker,))
        if marked and frame.kind == b"Z":
            # The marker is T, D, C and Z.
            return found[:-4], True
    return found, False


def _is_cleaned(session: RawSession) -> bool:
    answered = kinds(session.until_ready(4))
    if "E" in answered or answered.count("Z") != 4:
        session.close()
        return False
    return True
