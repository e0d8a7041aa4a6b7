"""Find out who the client is: SCRAM-SHA-256 against stored verifiers, over TLS with channel binding on offer.

Nothing tells a stranger whether a database or a user exists: without a verifier the whole exchange runs all the same,
and fails where a wrong password fails (RFC 5802; PostgreSQL 18, chapter 54.3).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from omnisql_server.errors import NotSupported, OmniSQLError
from omnisql_server.model.principal import Principal
from omnisql_server.session.client import ClientConnection
from omnisql_server.session.lockout import Lockout
from wire.auth import SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramExchange, parse_sasl_initial_response
from wire.backend import (
    AUTHENTICATION_OK,
    authentication_sasl,
    authentication_sasl_continue,
    authentication_sasl_final,
)
from wire.errors import AuthenticationFailed, ProtocolViolation
from wire.framing import Frame
from wire.startup import StartupMessage, negotiate

PrincipalLookup = Callable[[str, str], Awaitable[tuple[Principal, str] | None]]
"""Gives the principal and the verifier of (tenant's database name, user name), None if either is unknown."""

_FALSE = frozenset({"false", "f", "off", "of", "no", "n", "0"})


class PasswordRefused(OmniSQLError):
    """Who asks is not let in; the message is PostgreSQL's, whatever was wrong."""

    sqlstate = "28P01"
    severity = "FATAL"


async def authenticate(
    client: ClientConnection,
    startup: StartupMessage,
    lookup: PrincipalLookup,
    *,
    channel_binding: bytes | None,
    mock_seed: bytes,
    lockout: Lockout,
    address: str,
) -> Principal:
    """Negotiate the protocol, run the exchange, send AuthenticationOk and return the principal.

    After too many failures of the user or of the client's `address` it runs as for an unknown user.

    Raises:
        PasswordRefused: 28P01, unknown database, unknown user or wrong password.
        NotSupported: 0A000, a replication connection.
        ProtocolViolation: 08P01, messages out of order.
    """
    if startup.parameters.get("replication", "false").lower() not in _FALSE:
        raise NotSupported(message="replication connections are not supported")
    user = startup.parameters["user"]
    database = startup.parameters.get("database") or user
    answer = negotiate(startup)
    if answer is not None:
        client.write(answer)
    known = await lookup(database, user)
    if lockout.is_closed(database, user, address):
        known = None
    mechanisms = (SCRAM_SHA_256_PLUS, SCRAM_SHA_256) if channel_binding is not None else (SCRAM_SHA_256,)
    exchange = ScramExchange(
        known[1] if known else None, mechanisms, channel_binding, mock_seed, user=f"{database}\0{user}"
    )
    try:
        await _exchange(client, exchange, mechanisms)
    except AuthenticationFailed as error:
        lockout.failed(database, user, address)
        raise PasswordRefused(message=f'password authentication failed for user "{user}"') from error
    if known is None:
        lockout.failed(database, user, address)
        raise PasswordRefused(message=f'password authentication failed for user "{user}"')
    lockout.succeeded(database, user, address)
    client.write(AUTHENTICATION_OK)
    return known[0]


async def _exchange(client: ClientConnection, exchange: ScramExchange, mechanisms: tuple[str, ...]) -> None:
    client.write(authentication_sasl(mechanisms))
    initial = parse_sasl_initial_response((await _password(client)).payload)
    client.write(authentication_sasl_continue(exchange.first(initial.mechanism, initial.data or b"")))
    client.write(authentication_sasl_final(exchange.final((await _password(client)).payload)))


async def _password(client: ClientConnection) -> Frame:
    frame = await client.next_frame()
    if frame is None or frame.kind != b"p":
        raise ProtocolViolation(message="expected an answer to the authentication request")
    return frame
