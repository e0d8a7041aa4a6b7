"""Log in to a tenant's PostgreSQL as the principal's role, with what the client asked for and settings of ours.

PostgreSQL's ParameterStatus messages go to the client as they come, its process id too, its cancel key never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from catalog.clusters import ClusterAddress
from omnisql_server.errors import OmniSQLError
from omnisql_server.session.client import ClientConnection
from omnisql_server.session.ending import SessionEnd
from omnisql_server.session.link import BackendLink
from omnisql_server.session.replies import READY_ENDS, Reply
from wire.backend_decode import decode_authentication, decode_backend_key_data
from wire.framing import Frame
from wire.startup import encode_startup, parse_options

OWN_PARAMETERS = frozenset({"user", "database", "options", "replication"})
_SPECIAL = frozenset("\\ \t\n\r\f\v")


class ClusterRefused(OmniSQLError):
    """The tenant's PostgreSQL cannot be reached or does not let us in."""

    sqlstate = "57P03"
    severity = "FATAL"


class LoginReply(Reply):
    """Everything up to the first ReadyForQuery; `done` is set then, or to the reason why it never comes."""

    __slots__ = ("_link", "done")

    def __init__(self, link: BackendLink) -> None:
        super().__init__(READY_ENDS)
        self._link = link
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, frame: Frame, _out: list[bytes]) -> None:
        """Keep process id and key; refuse to answer a request for a password."""
        if frame.kind == b"K":
            self._link.process_id, self._link.secret_key = decode_backend_key_data(frame.payload)
        elif frame.kind == b"R" and decode_authentication(frame.payload).kind != "ok":
            self.drop(ClusterRefused(message="the tenant's PostgreSQL asks for a password"))
        elif frame.kind == b"Z" and not self.done.done():
            self.done.set_result(None)

    def drop(self, error: OmniSQLError) -> None:
        """Fail the log-in."""
        if not self.done.done():
            self.done.set_exception(error)


async def connect_backend(
    client: ClientConnection, address: ClusterAddress, parameters: Mapping[str, str], *, timeout_s: float
) -> BackendLink:
    """Connect and log in; `parameters` are those of the start-up packet.

    Raises:
        SessionEnd: PostgreSQL refused, and the client has its own error already, or 57P03.
    """
    link = BackendLink(client, address)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            if address.socket_path is not None:
                await loop.create_unix_connection(lambda: link, str(address.socket_path))
            else:
                await loop.create_connection(lambda: link, address.host or "localhost", address.port)
            reply = LoginReply(link)
            link.send(encode_startup(parameters), reply)
            link.flush()
            await reply.done
    except (OSError, TimeoutError) as error:
        await link.terminate(0.0)
        raise SessionEnd(ClusterRefused(message="the tenant's PostgreSQL cannot be reached")) from error
    except OmniSQLError as error:
        await link.terminate(0.0)
        raise SessionEnd(None if link.fatal_shown else error) from error
    return link


def backend_parameters(
    asked: Mapping[str, str], *, role: str, database: str, settings: Mapping[str, str]
) -> dict[str, str]:
    """Make the start-up parameters of the backend from the client's; `settings` are defaults that a client may change.

    Raises:
        ProtocolViolation: 42601, the client's `options` are malformed.
    """
    options = {**settings, **parse_options(asked.get("options", ""))}
    parameters = {name: value for name, value in asked.items() if name not in OWN_PARAMETERS}
    if options:
        words = (f"-c {_escaped(f'{name}={value}')}" for name, value in options.items())
        parameters["options"] = " ".join(words)
    return {"user": role, "database": database, **parameters}


def _escaped(word: str) -> str:
    return "".join(f"\\{character}" if character in _SPECIAL else character for character in word)
