"""The server under fuzz, and conversations with it that always end."""

from __future__ import annotations

import secrets
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
