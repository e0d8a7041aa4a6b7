"""The server's socket for PostgreSQL clients: accepts, greets, authenticates, opens a session, ends it all in order.

Every connection is one task of one TaskGroup, which `serve` owns; nothing outlives `serve`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing
from functools import lru_cache

import structlog

from omnisql_server.errors import StatementCanceled, TooManyConnections, error_fields
from omnisql_server.listener.bounded import BoundedSessions
from omnisql_server.listener.drain import OpenSessions
from omnisql_server.listener.greeting import Greeting, greet
from omnisql_server.listener.plain import accepting
from omnisql_server.listener.proxied import is_balancer, read_client_address
from omnisql_server.listener.tls import TlsIdentity, trust_clients
from omnisql_server.live_settings import LiveSettings
from omnisql_server.networks import networks_of
from omnisql_server.session.authenticate import Channel, authenticate
from omnisql_server.session.cancel import CancelRegistry
from omnisql_server.session.client import ClientConnection
from omnisql_server.session.ending import AdminShutdown, SessionEnd, admin_shutdown
from omnisql_server.session.entrance import LogIn, LogIns
from omnisql_server.session.link import BackendLink
from omnisql_server.session.lockout import Lockout
from omnisql_server.session.login import backend_parameters
from omnisql_server.session.parking import Home
from omnisql_server.session.pool import BackendKey
from omnisql_server.session.session import Session
from omnisql_server.session.tenant import TenantAccess, TenantOpener
from omnisql_server.settings import ListenerSettings
from wire.backend import READY_IDLE, backend_key_data, error_response
from wire.errors import ProtocolViolation, WireError
from wire.startup import CancelRequest, StartupMessage

BACKLOG = 512
CONNECTIONS_IN_STARTUP_MAX = 64
WATCH_INTERVAL_MAX_S = 1.0
MOCK_SEED_BYTES = 32
FOLLOW_INTERVAL_S = 5.0
"""How often it is asked which API tokens of open sessions count still, and whose certificates."""

_log = structlog.get_logger(__name__)


@lru_cache(maxsize=1024)
def is_loopback(host: str) -> bool:
    """Say whether an address is this machine's own."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


class Listener:
    """Serves PostgreSQL clients until it is drained.

    `log_ins` knows who may log in, `open_tenant` their clusters. `tls` may be replaced at any time. `is_trusted` says
    which addresses may go without TLS. `mock_seed` should be the same in all servers of one address, so that unknown
    users look the same to everybody.
    """

    def __init__(
        self,
        live: LiveSettings,
        *,
        log_ins: LogIns,
        open_tenant: TenantOpener,
        tls: TlsIdentity | None = None,
        is_trusted: Callable[[str], bool] = is_loopback,
        mock_seed: bytes | None = None,
    ) -> None:
        self._live = live
        self._log_ins = log_ins
        self._open_tenant = open_tenant
        self._is_trusted = is_trusted
        self._mock_seed = mock_seed or secrets.token_bytes(MOCK_SEED_BYTES)
        self._lockout = Lockout()
        self._registry = CancelRegistry(lambda: self._settings.connections_max)
        self._sessions = OpenSessions()
        self._bounded = BoundedSessions()
        self._followed_s = -math.inf
        self._connections = 0
        self._clients = 0
        self._starting: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._drain_wanted = asyncio.Event()
        self._served = asyncio.Event()
        self.ready = asyncio.Event()
        self.tls = tls
        self.port = live.current.listener.port

    @property
    def _settings(self) -> ListenerSettings:
        return self._live.current.listener

    @property
    def session_count(self) -> int:
        """Return how many sessions are open."""
        return len(self._sessions)

    @property
    def connection_count(self) -> int:
        """Return how many sockets are open, sessions or not."""
        return self._connections

    async def serve(self) -> None:
        """Accept clients until `drain` is called; return when the last one is gone."""
        try:
            with closing(_listen(self._settings)) as listening:
                self.port = listening.getsockname()[1]
                async with asyncio.TaskGroup() as group:
                    watching = group.create_task(self._watch(group))
                    self._group = group
                    with accepting(listening, self._take):
                        self.ready.set()
                        await self._drain_wanted.wait()
                    self._group = None
                    listening.close()
                    for task in self._starting:
                        task.cancel()
                    await self._sessions.drain(self._settings.drain_timeout_s)
                    watching.cancel()
        finally:
            self._served.set()

    async def drain(self) -> None:
        """Stop accepting, end all sessions, and return when they are gone."""
        self._drain_wanted.set()
        await self._served.wait()

    async def end_tenant(self, tenant: str) -> None:
        """End the sessions of one tenant as a drain does, and return when they are gone."""
        await self._sessions.end_tenant(tenant, self._settings.drain_timeout_s)

    async def end_token(self, token: str) -> None:
        """End the sessions that an API token opened, now."""
        for session in self._bounded.of_tokens(frozenset({token})):
            session.stop()

    def admit(self, connection: socket.socket, host: str) -> None:
        """Attend to a client at the other end of a socket, who came over TLS by another door of this process.

        `host` is his address. The socket is owned from now on.

        Raises:
            TooManyConnections: 53300. AdminShutdown: 57P01, there is nobody to attend to him.
        """
        if self._group is None:
            raise AdminShutdown(message="the server is starting up or shutting down")
        if self._is_full():
            raise TooManyConnections(message="sorry, too many clients already")
        connection.setblocking(False)
        self._begin(self._group, self._attend(connection, host, inside=True))

    def _take(self, connection: socket.socket, host: str) -> None:
        if self._group is None or self._is_full():
            connection.close()
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._begin(self._group, self._attend(connection, host))

    def _is_full(self) -> bool:
        return self._connections >= self._settings.connections_max + CONNECTIONS_IN_STARTUP_MAX

    def _begin(self, group: asyncio.TaskGroup, attending: Coroutine[None, None, None]) -> None:
        self._connections += 1
        self._starting.add(group.create_task(attending))

    async def _watch(self, group: asyncio.TaskGroup) -> None:
        """Stop relayed statements that run for longer than any may, and have idle sessions give their backends away."""
        while True:
            await asyncio.sleep(self._watch_interval_s())
            now_s = time.monotonic()
            for session in self._sessions:
                if session.is_overdue(now_s):
                    group.create_task(session.cancel_overdue())
                session.consider_parking(now_s)
            for session in self._bounded.over(now_s):
                session.drain()
            if now_s - self._followed_s >= FOLLOW_INTERVAL_S:
                self._followed_s = now_s
                group.create_task(self._follow_log_ins())

    async def _follow_log_ins(self) -> None:
        """End the sessions of tokens that count no more, and trust new authorities of clients' certificates.

        Another server, or the command line, may have revoked or named them.
        """
        tokens = self._bounded.tokens
        try:
            counting = await self._log_ins.counting(tokens) if tokens else tokens
            if self.tls is not None:
                known = self.tls.context.get_ca_certs(binary_form=True)
                trust_clients(self.tls.context, (await self._log_ins.authorities()).difference(known))
        except Exception as error:  # noqa: BLE001  it is asked again soon, and must not end the sessions of others
            _log.warning("log_ins_not_followed", exc_info=error)
            return
        for session in self._bounded.of_tokens(tokens - counting):
            session.stop()

    def _watch_interval_s(self) -> float:
        park_after_s = self._live.current.sessions.park_after_s or WATCH_INTERVAL_MAX_S
        return min(WATCH_INTERVAL_MAX_S, self._settings.statement_timeout_max_s / 4, park_after_s / 4)

    async def _attend(self, connection: socket.socket, host: str, *, inside: bool = False) -> None:
        """Supervise one connection: whatever happens to it stays its own, the context of its log included.

        One from `inside` this process has no balancer before it, and its client's own way here is encrypted.
        """
        task = asyncio.current_task()
        structlog.contextvars.bind_contextvars(client_address=host)
        try:
            async with asyncio.timeout(self._settings.startup_timeout_s) as deadline:
                client_address = host if inside else await self._client_address(connection, host)
                if client_address is not None:
                    if client_address != host:
                        structlog.contextvars.bind_contextvars(client_address=client_address)
                    # Both legs count: a balancer of this machine speaks for clients of others, and a client that is
                    # loopback to its balancer may be far from here.
                    trusted = inside or (self._is_trusted(host) and self._is_trusted(client_address))
                    await self._greet(connection, deadline, trusted=trusted, inside=inside)
        except TimeoutError:
            _log.info("startup_timed_out")
        except (OSError, SessionEnd):
            _log.debug("connection_ended")
        except Exception as error:  # noqa: BLE001  one connection's failure must not end the others
            _log.error("connection_failed", exc_info=error)
        finally:
            connection.close()
            self._connections -= 1
            if task is not None:
                self._starting.discard(task)

    async def _client_address(self, connection: socket.socket, host: str) -> str | None:
        """Return who is at the other end, as told by a load balancer if one is; None where nobody is let in."""
        if not is_balancer(host, networks_of(self._settings.proxy_protocol_from)):
            return host
        try:
            return await read_client_address(connection, host)
        except ProtocolViolation as error:
            # It cannot be told by a message: who is there need not speak this protocol.
            _log.warning("proxy_header_refused", reason=error.message)
            return None

    async def _greet(
        self, connection: socket.socket, deadline: asyncio.Timeout, *, trusted: bool, inside: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            # One identity for the whole connection: it may be replaced meanwhile.
            tls = None if inside else self.tls
            greeting = await greet(connection, self._settings, tls, trusted=trusted)
        except WireError as error:
            await loop.sock_sendall(connection, error_response(error_fields(error, severity="FATAL")))
            return
        if greeting is None:
            return
        if isinstance(greeting.request, CancelRequest):
            await self._cancel(greeting.request, greeting.client)
        elif greeting.client is not None:
            self._clients += 1
            try:
                identity = tls if greeting.encrypted else None
                channel = self._channel(greeting, identity, inside=inside)
                await self._open(greeting.client, greeting.request, deadline, channel)
            finally:
                self._clients -= 1

    async def _cancel(self, request: CancelRequest, client: ClientConnection | None) -> None:
        """Pass a cancel request on; the end of its connection tells the client that it has been dealt with."""
        session = self._registry.find(request.process_id, request.secret_key)
        if session is not None:
            await session.cancel()
        if client is not None:
            await client.close(self._live.current.sessions.close_timeout_s)

    async def _open(
        self, client: ClientConnection, startup: StartupMessage, deadline: asyncio.Timeout, channel: Channel
    ) -> None:
        """Serve one client; every failure before its session begins is told to it as FATAL."""
        try:
            if self._clients > self._settings.connections_max:
                raise TooManyConnections(message="sorry, too many clients already")
            log_in, noted = await authenticate(
                client, startup, self._log_ins, channel=channel, mock_seed=self._mock_seed, lockout=self._lockout
            )
            principal = log_in.principal
            structlog.contextvars.bind_contextvars(tenant=principal.tenant, principal=principal.name)
            async with self._open_tenant(principal) as tenant:
                await self._serve_session(client, startup, log_in, tenant, deadline, noted)
        except SessionEnd as end:
            if end.error is not None:
                _tell(client, end.error)
        except asyncio.CancelledError:
            if deadline.expired():
                _tell(client, StatementCanceled(message="canceling authentication due to timeout"))
            elif self._drain_wanted.is_set():
                _tell(client, admin_shutdown().error)
            raise
        except Exception as error:  # noqa: BLE001  the one place where a failed start-up becomes an answer
            _tell(client, error)
        finally:
            await client.close(self._live.current.sessions.close_timeout_s)

    def _channel(self, greeting: Greeting, identity: TlsIdentity | None, *, inside: bool) -> Channel:
        return Channel(
            address=str(structlog.contextvars.get_contextvars().get("client_address", "")),
            encrypted=inside or identity is not None,
            binding=identity.channel_binding if identity is not None else None,
            certificate=greeting.certificate,
        )

    async def _serve_session(
        self,
        client: ClientConnection,
        startup: StartupMessage,
        log_in: LogIn,
        tenant: TenantAccess,
        deadline: asyncio.Timeout,
        noted: Awaitable[None],
    ) -> None:
        parameters = backend_parameters(
            startup.parameters,
            role=tenant.role,
            database=tenant.database,
            settings=tenant.settings,
            read_only=log_in.principal.read_only,
        )
        home = Home(pool=tenant.pool, key=BackendKey(address=tenant.address, parameters=tuple(parameters.items())))
        opening = asyncio.create_task(home.pool.open(home.key, self._live.current.sessions.backend_timeout_s))
        # PostgreSQL works on the log-in while what is ours of the session is made.
        await asyncio.sleep(0)
        link = BackendLink(client)
        principal = log_in.principal
        session = Session(
            client=client,
            link=link,
            home=home,
            runner=tenant.runner,
            principal=principal,
            live=tenant.live or self._live,
            room=tenant.room,
        )
        link.attach(await opening)
        key = self._registry.add(link.process_id, session, long_key=startup.minor_version >= 2)
        self._sessions.add(session, principal.tenant)
        self._bounded.add(session, log_in, time.monotonic())
        task, log = asyncio.current_task(), _log.bind(process_id=key.process_id)
        try:
            # It is written while the backend is opened; without it there is no session.
            await noted
            deadline.reschedule(None)
            if task is not None:
                self._starting.discard(task)
            client.write(backend_key_data(key.process_id, key.secret_key) + READY_IDLE)
            client.allow_long_messages()
            log.info("session_opened", method=log_in.method)
            await session.serve()
        finally:
            log.info("session_closed")
            self._sessions.remove(session)
            self._bounded.remove(session)
            self._registry.remove(key)
            if not link.lost:
                # It was not served, because its log-in could not be put on record.
                await link.terminate(self._live.current.sessions.backend_timeout_s)


def _tell(client: ClientConnection, error: BaseException | None) -> None:
    if error is not None:
        client.write(error_response(error_fields(error, severity="FATAL")))


def _listen(settings: ListenerSettings) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening
