"""Who is not let in costs the same work whatever is wrong: every step of the exchange is counted, no clock is read."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from types import CodeType, FrameType, SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from scramp import ScramClient

from omnisql_server.audit.record import Record
from omnisql_server.identity.log_ins import TenantLogIns
from omnisql_server.session import authenticate as authenticating
from omnisql_server.session.authenticate import Channel, PasswordRefused, authenticate
from omnisql_server.session.client import ClientConnection
from omnisql_server.session.entrance import LogIns, Proof
from omnisql_server.session.lockout import USER_AT_ADDRESS, Lockout
from wire import auth
from wire.auth import SCRAM_SHA_256, make_verifier
from wire.framing import Frame
from wire.startup import StartupMessage

TENANT = UUID(int=7)
ROLE = {
    "id": TENANT, "name": "acme", "owner": "ana", "ready": True, "rules": None, "verifier": make_verifier("right"),
    "attributes": "{}", "roles": [], "counts": True, "may_log_in": True,
}  # fmt: skip
STRANGERS: Mapping[str, Mapping[str, Any] | None] = {
    "wrong password": ROLE,
    "no password": {**ROLE, "verifier": None},
    "expired": {**ROLE, "counts": False},
    "no such user": {**ROLE, "verifier": None, "attributes": None, "roles": None, "counts": False, "may_log_in": None},
    "a tenant that is being made": {**ROLE, "ready": False},
    "no such tenant": None,
}
"""What the control database knows of who asks."""
WATCHED = {auth.__file__, authenticating.__file__}


class Client:
    """Sends what libpq does for a password, and keeps what it is told."""

    def __init__(self, password: str) -> None:
        self.scram = ScramClient([SCRAM_SHA_256], "ana", password)
        self.told: list[bytes] = []
        self._answers = self._sent()

    def write(self, data: bytes) -> None:
        self.told.append(bytes(data))

    async def next_frame(self) -> Frame | None:
        return Frame(b"p", b"p" + bytes(4) + next(self._answers))

    def _sent(self) -> Iterator[bytes]:
        first = self.scram.get_client_first().encode()
        yield SCRAM_SHA_256.encode() + b"\0" + len(first).to_bytes(4, "big") + first
        self.scram.set_server_first(self.told[-1][9:].decode())
        yield self.scram.get_client_final().encode()


class Control:
    """A control database that knows one answer, and counts questions."""

    def __init__(self, row: Mapping[str, Any] | None) -> None:
        self.row = row
        self.asked: list[str] = []

    async def fetchrow(self, sql: str, *_: str) -> Mapping[str, Any] | None:
        self.asked.append(sql)
        return self.row


def log_ins_over(control: Control) -> LogIns:
    """Make the real thing over a control database."""

    @asynccontextmanager
    async def connected() -> AsyncIterator[Any]:
        yield control

    async def nothing(_name: str) -> None: ...

    def noted(_tenant: UUID, _record: Record) -> Awaitable[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    settings: Any = SimpleNamespace(ask=Proof.PASSWORD, session_max_s=3600.0)
    return TenantLogIns(connected, catch_up=nothing, keys=cast("Any", None), settings=lambda: settings, write=noted)


@contextmanager
def steps() -> Iterator[list[str]]:
    """Note each call that the exchange makes, in order: functions of Python and of C."""
    found: list[str] = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and frame.f_code.co_filename in WATCHED:
            found.append(argument.__qualname__)
        elif event == "call" and _called_here(frame):
            found.append(frame.f_code.co_qualname)

    before = sys.getprofile()
    # What is collected in between may call anything.
    gc.disable()
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(before)
        gc.enable()


def _called_here(frame: FrameType) -> bool:
    codes: list[CodeType] = [frame.f_code, *([frame.f_back.f_code] if frame.f_back is not None else [])]
    return any(code.co_filename in WATCHED for code in codes)


async def refused(row: Mapping[str, Any] | None, lockout: Lockout) -> tuple[list[str], list[int], int]:
    """Have a log-in fail; return its steps, the lengths of what the client is told, and how often control was asked."""
    client, control = Client("wrong"), Control(row)
    startup = StartupMessage(minor_version=0, parameters={"user": "ana", "database": "acme"})
    with pytest.raises(PasswordRefused), steps() as found:
        await authenticate(
            cast("ClientConnection", client),
            startup,
            log_ins_over(control),
            channel=Channel(address="192.0.2.1"),
            mock_seed=b"seed",
            lockout=lockout,
        )
    return found, [len(each) for each in client.told], len(control.asked)


async def test_every_stranger_costs_the_same_steps() -> None:
    found = {name: await refused(row, Lockout(lambda: 0.0)) for name, row in STRANGERS.items()}
    done, _, asked = expected = found["wrong password"]
    assert asked == 1
    assert done.count("_hmac") == 2
    assert {"parse_verifier", "ScramExchange.first", "ScramExchange.final", "compare_digest"} <= set(done)
    assert {name: each for name, each in found.items() if each != expected} == {}


async def test_who_is_kept_out_costs_the_same_hashes_as_who_is_not() -> None:
    lockout = Lockout(lambda: 0.0)
    for _ in range(USER_AT_ADDRESS.free):
        lockout.failed("acme", "ana", "192.0.2.1")
    open_, closed = await refused(ROLE, Lockout(lambda: 0.0)), await refused(ROLE, lockout)
    done = len(closed[0])
    assert (open_[0][:done], open_[1:]) == (closed[0], closed[1:])
    # But for the record, which is not made of those who are kept out.
    assert open_[0][done] == "_note"


def test_the_steps_of_another_exchange_are_others() -> None:
    with steps() as found:
        auth.parse_verifier(str(ROLE["verifier"]))
    with steps() as twice:
        auth.parse_verifier(str(ROLE["verifier"]))
        auth.parse_verifier(str(ROLE["verifier"]))
    assert len(twice) > len(found) > 3
