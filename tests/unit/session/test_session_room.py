"""Without room on disk, refusals are told as such, and a session that writes all the same is found."""

from __future__ import annotations

from dataclasses import dataclass, field

from omnisql_server.live_settings import LiveSettings
from omnisql_server.model.room import DiskQuotaExceeded
from omnisql_server.session.client import ClientConnection
from omnisql_server.session.link import BackendLink
from omnisql_server.session.login import READ_ONLY
from omnisql_server.session.room import SessionRoom
from omnisql_server.settings import Settings
from wire.backend import error_response, parameter_status
from wire.backend_decode import decode_report
from wire.framing import Frame

BACKEND = 42
LIVE = LiveSettings(Settings())


@dataclass
class _Room:
    refusal: DiskQuotaExceeded | None = None
    is_settled: bool = False
    stopped: set[int] = field(default_factory=set)

    def has_stopped(self, process_id: int) -> bool:
        return process_id in self.stopped


def _link() -> BackendLink:
    link = BackendLink(ClientConnection(message_bytes_max=65_536, buffer_bytes_max=65_536))
    link.process_id = BACKEND
    return link


def _error(sqlstate: str) -> Frame:
    return Frame(b"E", error_response({"S": "ERROR", "V": "ERROR", "C": sqlstate, "M": "as PostgreSQL says"}))


def _told(room: _Room, sqlstate: str, *, timed_out: bool = False) -> dict[str, str]:
    return decode_report(SessionRoom(room, _link(), LIVE).retold(_error(sqlstate), timed_out).payload)


def test_a_read_only_refusal_is_told_as_a_lack_of_room_while_there_is_none() -> None:
    full = _Room(refusal=DiskQuotaExceeded(message="no room", detail="used", hint="drop"))
    assert {key: _told(full, "25006")[key] for key in "CMDH"} == {
        "C": "53100",
        "M": "no room",
        "D": "used",
        "H": "drop",
    }
    assert _told(_Room(), "25006")["C"] == "25006"
    assert _told(full, "23505")["C"] == "23505"


def test_a_cancel_is_told_as_a_lack_of_room_only_where_it_was_one() -> None:
    full = _Room(refusal=DiskQuotaExceeded(message="no room"), stopped={BACKEND})
    assert _told(full, "57014")["C"] == "53100"
    assert _told(full, "57014", timed_out=True)["M"] == "canceling statement due to statement timeout"
    full.stopped.clear()
    assert _told(full, "57014")["C"] == "57014"


def test_a_session_has_left_when_it_says_so_twice_after_all_have_heard() -> None:
    room, link = _Room(), _link()
    session = SessionRoom(room, link, LIVE)
    link.parameters[READ_ONLY.encode()] = parameter_status(READ_ONLY, "off")
    assert [session.is_left(), session.is_left()] == [False, False]
    room.is_settled = True
    assert [session.is_left(), session.is_left()] == [False, True]
    link.parameters[READ_ONLY.encode()] = parameter_status(READ_ONLY, "on")
    assert [session.is_left(), session.is_left()] == [False, False]
