"""Find out who the client is: by its certificate, SCRAM-SHA-256 against stored verifiers, or a token over TLS.

Nothing tells a stranger whether a user exists: what is asked follows from what the client says of itself, and without a
verifier or role the whole exchange runs all the same, and fails where a wrong secret fails (RFC 5802, RFC 7628;
PostgreSQL 18, chapter 54.3).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

import structlog

from omnisql_server.errors import NotSupported, OmniSQLError
from omnisql_server.session.client import ClientConnection
from omnisql_server.session.entrance import Attempt, Discovery, Entrance, LogIn, LogInRefused, LogIns, Proof
from omnisql_server.session.lockout import Lockout
from omnisql_server.session.login import wanted_log_in
from wire.auth import SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramExchange, parse_sasl_initial_response
from wire.backend import (
    AUTHENTICATION_CLEARTEXT,
    AUTHENTICATION_OK,
    authentication_sasl,
    authentication_sasl_continue,
    authentication_sasl_final,
)
from wire.errors import AuthenticationFailed, AuthorizationInvalid, ProtocolViolation
from wire.framing import Frame
from wire.oauth import OAUTHBEARER, bearer_refusal, parse_bearer_response
from wire.payload import PayloadReader
from wire.startup import StartupMessage, negotiate

REFUSAL_AFTER_S = 0.1
"""A token is refused no sooner than this after it came, so that the time tells nothing of what is wrong with it."""

SUCCEEDED = "00000"
_FALSE = frozenset({"false", "f", "off", "of", "no", "n", "0"})
_log = structlog.get_logger(__name__)


class PasswordRefused(OmniSQLError):
    """Who asks is not let in; the message is PostgreSQL's, whatever was wrong."""

    sqlstate = "28P01"
    severity = "FATAL"


class BearerRefused(OmniSQLError):
    """Who asks by OAUTHBEARER is not let in; the message is PostgreSQL's, whatever was wrong."""

    sqlstate = "28000"
    severity = "FATAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What is known of a client's connection: its address, and of its TLS the binding and the proved certificate."""

    address: str
    encrypted: bool = False
    binding: bytes | None = None
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asking:
    client: ClientConnection
    user: str
    database: str
    log_ins: LogIns
    channel: Channel
    closed: bool
    mock_seed: bytes


async def authenticate(
    client: ClientConnection,
    startup: StartupMessage,
    log_ins: LogIns,
    *,
    channel: Channel,
    mock_seed: bytes,
    lockout: Lockout,
) -> tuple[LogIn, Awaitable[None]]:
    """Negotiate the protocol, run the exchange, send AuthenticationOk and return who was let in.

    With it comes what ends when the log-in is on record, which the session has to wait for. After too many failures of
    the user or of the client's address it runs as for an unknown user.

    Raises:
        PasswordRefused: 28P01, unknown database, unknown user, wrong password or token.
        BearerRefused: 28000, the same by OAUTHBEARER. AuthorizationInvalid: 28000, a token without TLS.
        AuditUnavailable: 58030, it cannot be put on record.
        NotSupported: 0A000, a replication connection. SettingInvalid: 22023, a way to log in that is none.
        ProtocolViolation: 08P01, messages out of order.
    """
    if startup.parameters.get("replication", "false").lower() not in _FALSE:
        raise NotSupported(message="replication connections are not supported")
    user = startup.parameters["user"]
    database = startup.parameters.get("database") or user
    wanted = wanted_log_in(startup.parameters)
    answer = negotiate(startup)
    if answer is not None:
        client.write(answer)
    entrance = await log_ins.entrance(database, user)
    by_certificate = None
    if channel.certificate is not None and (wanted is None or entrance.second_factor):
        by_certificate = await log_ins.by_certificate(database, user, channel.certificate)
    lacking = entrance.second_factor and by_certificate is None
    locked = lockout.is_closed(database, user, channel.address)
    asking = _Asking(
        client=client,
        user=user,
        database=database,
        log_ins=log_ins,
        channel=channel,
        closed=locked or lacking,
        mock_seed=mock_seed,
    )
    try:
        proved = by_certificate if not entrance.second_factor else None
        log_in = proved or await _asked(asking, entrance, wanted or entrance.ask)
    except (PasswordRefused, BearerRefused) as error:
        lockout.failed(database, user, channel.address)
        if not locked:
            # Nobody waits for it, so that the time does not tell a tenant from one that does not exist. Who is kept
            # out fills no disk.
            _note(asking, entrance, wanted or entrance.ask, error.sqlstate)
        raise
    lockout.succeeded(database, user, channel.address)
    client.write(AUTHENTICATION_OK)
    return log_in, _note(asking, entrance, log_in.method, SUCCEEDED, log_in)


def _note(
    asking: _Asking, entrance: Entrance, method: str, outcome: str, log_in: LogIn | None = None
) -> Awaitable[None]:
    principal = log_in.principal if log_in is not None else None
    return asking.log_ins.note(
        Attempt(
            tenant=entrance.tenant,
            database=asking.database,
            user=principal.name if principal is not None else asking.user,
            method=method,
            outcome=outcome,
            address=asking.channel.address,
            roles=(principal.role,) if principal is not None else (),
        )
    )


async def _asked(asking: _Asking, entrance: Entrance, ask: Proof) -> LogIn:
    if ask is Proof.PASSWORD:
        return await _by_sasl(asking, entrance, _scram_mechanisms(asking.channel))
    if not asking.channel.encrypted:
        raise AuthorizationInvalid(
            message="a token is accepted over TLS only", hint="Connect with sslmode=require, better verify-full."
        )
    if ask is Proof.OAUTH:
        return await _by_sasl(asking, entrance, ())
    asking.client.write(AUTHENTICATION_CLEARTEXT)
    reader = PayloadReader((await _answer(asking.client)).payload)
    token = reader.cstring().decode("utf-8", "replace")
    reader.finish()
    try:
        return await _by_token(asking, token)
    except LogInRefused as error:
        raise _password_refused(asking.user) from error


async def _by_sasl(asking: _Asking, entrance: Entrance, scram: tuple[str, ...]) -> LogIn:
    """Offer SCRAM, and OAUTHBEARER where a provider is known or nothing else is offered."""
    bearer = asking.channel.encrypted and (entrance.discovery is not None or not scram)
    asking.client.write(authentication_sasl((*scram, OAUTHBEARER) if bearer else scram))
    initial = parse_sasl_initial_response((await _answer(asking.client)).payload)
    if bearer and initial.mechanism == OAUTHBEARER:
        return await _by_bearer(asking, initial.data, entrance.discovery)
    known = None if asking.closed else entrance.known
    exchange = ScramExchange(
        known[1] if known else None,
        scram,
        asking.channel.binding,
        asking.mock_seed,
        user=f"{asking.database}\0{asking.user}",
    )
    client = asking.client
    try:
        client.write(authentication_sasl_continue(exchange.first(initial.mechanism, initial.data or b"")))
        final = exchange.final((await _answer(client)).payload)
    except AuthenticationFailed as error:
        raise _password_refused(asking.user) from error
    if known is None:
        raise _password_refused(asking.user)
    # In one piece with AuthenticationOk, which is next.
    client.put(authentication_sasl_final(final))
    return LogIn(principal=known[0])


async def _by_bearer(asking: _Asking, data: bytes | None, discovery: Discovery | None) -> LogIn:
    response = parse_bearer_response(data)
    refusal: LogInRefused | None = None
    if response.token is not None:
        try:
            return await _by_token(asking, response.token)
        except LogInRefused as error:
            refusal = error
    told = bearer_refusal(
        discovery_url=discovery.url if discovery is not None else None,
        scope=discovery.scope if discovery is not None else None,
    )
    asking.client.write(authentication_sasl_continue(told))
    await _answer(asking.client)
    if response.token is None:
        # It only wanted to know where to get a token, and comes again with one.
        raise AuthorizationInvalid(message=f'bearer authentication failed for user "{asking.user}"')
    raise BearerRefused(message=f'bearer authentication failed for user "{asking.user}"') from refusal


async def _by_token(asking: _Asking, token: str) -> LogIn:
    """Let in who shows a token.

    Raises:
        LogInRefused: it opens nothing.
    """
    loop = asyncio.get_running_loop()
    came_s = loop.time()
    try:
        if asking.closed:
            raise LogInRefused("too many failures before, or no certificate")
        return await asking.log_ins.by_token(asking.database, asking.user, token)
    except LogInRefused as error:
        _log.warning("token_refused", tenant=asking.database, principal=asking.user, reason=error.reason)
        await asyncio.sleep(max(0.0, came_s + REFUSAL_AFTER_S - loop.time()))
        raise


def _scram_mechanisms(channel: Channel) -> tuple[str, ...]:
    return (SCRAM_SHA_256_PLUS, SCRAM_SHA_256) if channel.binding is not None else (SCRAM_SHA_256,)


def _password_refused(user: str) -> PasswordRefused:
    return PasswordRefused(message=f'password authentication failed for user "{user}"')


async def _answer(client: ClientConnection) -> Frame:
    frame = await client.next_frame()
    if frame is None or frame.kind != b"p":
        raise ProtocolViolation(message="expected an answer to the authentication request")
    return frame
