"""Connections to a PostgreSQL server: to addresses that the fence allows, encrypted, and kept for a while.

The name in the certificate is that of the option `host`, although the address that was checked is what is connected to.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
from asyncpg.connect_utils import SessionAttribute
from yarl import URL

from catalog.connection import Connection
from connectors.postgres.judge import judged
from connectors.postgres.options import Place
from connectors.sdk.errors import DestinationRefused, Retryable
from connectors.sdk.outbound import Way
from connectors.sdk.settings import Surroundings, TransportSettings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

IDLE_S_MAX = 60.0
"""How long a connection that nobody uses is kept."""

OPEN_MAX = 4
"""How many connections one credential has at most: a database counts them."""

APPLICATION = "omnisql"

SESSION = """
BEGIN READ ONLY;
SET LOCAL search_path = pg_catalog;
SET LOCAL timezone = 'UTC';
SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL intervalstyle = 'postgres';
SET LOCAL extra_float_digits = 1;
SET LOCAL bytea_output = 'hex';
SET LOCAL standard_conforming_strings = on;
SET LOCAL statement_timeout = {timeout_ms:d};
SET LOCAL idle_in_transaction_session_timeout = {timeout_ms:d};
"""
"""Texts come in one form, no name of a user's is taken for PostgreSQL's own, and the transaction only reads.

They hold for a transaction, so that a pooler between may give each to another of its connections.
"""

_Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
_Lent: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
_Own: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
_RAW_TIMES = ("date", "timestamp", "timestamptz")
_AS_WRITTEN = ("numeric", "uuid")


class Dial:
    """Opens connections to one place and keeps those that are free."""

    def __init__(
        self, place: Place, settings: TransportSettings | None = None, surroundings: Surroundings | None = None
    ) -> None:
        self._place = place
        self._settings = settings or TransportSettings()
        self._surroundings = surroundings or Surroundings()
        url = URL.build(scheme="postgresql", host=place.host, port=place.port)
        self._way = Way(place.server, url, self._settings, self._surroundings)
        self._pool: _Pool | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self, timeout_s: float) -> AsyncIterator[Connection]:
        """Give a connection in a transaction that only reads, whose statements end after a time.

        A connection that turns out to be broken is replaced; trying again is bounded by the settings.

        Raises:
            ConnectorError: by recovery, see `connectors.postgres.judge`.
        """
        pool = await self._opened()
        connection = await self._begun(pool, timeout_s)
        try:
            yield connection
        except _FAILURES as error:
            raise judged(error, self._place.server) from None
        finally:
            await self._give_back(pool, connection)

    async def close(self) -> None:
        """Close every connection."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()
        await self._way.close()

    async def _begun(self, pool: _Pool, timeout_s: float) -> _Lent:
        begin = SESSION.format(timeout_ms=max(1, int(timeout_s * 1000)))
        failures = 0
        while True:
            try:
                connection: _Lent = await pool.acquire(timeout=timeout_s)
                try:
                    await connection.execute(begin, timeout=self._settings.read_timeout_s)
                except BaseException:
                    connection.terminate()
                    await pool.release(connection)
                    raise
            except _FAILURES as error:
                failure = judged(error, self._place.server)
                failures += 1
                retry = self._settings.retry
                if not isinstance(failure, Retryable) or failures >= retry.attempts_for(failure):
                    raise failure from None
                await self._surroundings.sleep(retry.delay_s(failures, self._surroundings.random))
            else:
                return connection

    async def _give_back(self, pool: _Pool, connection: _Lent) -> None:
        """End the transaction and free the connection; one that does not answer is closed."""
        try:
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK", timeout=self._settings.connect_timeout_s)
        except _FAILURES:
            connection.terminate()
        finally:
            await pool.release(connection)

    async def _opened(self) -> _Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    min_size=0,
                    max_size=OPEN_MAX,
                    max_inactive_connection_lifetime=IDLE_S_MAX,
                    connect=self._connect,
                    reset=_nothing,
                )
            return self._pool

    async def _connect(self, *_arguments: Any, **_options: Any) -> _Own:
        """Connect to the first allowed address that answers; the pool's own options say nothing of it."""
        if self._settings.outbound.is_proxied(self._place.host):
            raise DestinationRefused(
                message=f'server "{self._place.server}" cannot be reached through the HTTP proxy',
                hint="An operator may name its host in the setting network.no_proxy.",
            )
        await self._way.admit()
        failure: OSError | TimeoutError | None = None
        for address in await self._way.allowed_addresses():
            try:
                return await self._connect_to(address)
            except (OSError, TimeoutError) as error:
                failure = error
        raise failure or OSError("no address")

    async def _connect_to(self, address: str) -> _Own:
        place = self._place
        connection = await asyncpg.connect(
            host=address,
            port=place.port,
            user=place.user,
            password=place.password,
            database=place.database,
            ssl=_trust(place, self._settings.outbound.tls) if place.is_encrypted else False,
            timeout=self._settings.connect_timeout_s,
            # Statements with names do not survive a pooler that changes connections between transactions.
            statement_cache_size=0,
            server_settings={"application_name": APPLICATION},
            direct_tls=False,
            target_session_attrs=SessionAttribute.any,
        )
        for name in _RAW_TIMES:
            # Numbers instead of Python's dates, which know neither all years nor infinity.
            await connection.set_type_codec(name, schema="pg_catalog", encoder=_refused, decoder=_first, format="tuple")
        await connection.set_type_codec(
            "interval", schema="pg_catalog", encoder=_refused, decoder=tuple, format="tuple"
        )
        for name in _AS_WRITTEN:
            # As PostgreSQL writes it: the digits of a number, or a key, are not to be made of parts again.
            await connection.set_type_codec(name, schema="pg_catalog", encoder=str, decoder=str, format="text")
        await connection.set_type_codec("time", schema="pg_catalog", encoder=_refused, decoder=_first, format="tuple")
        return connection


class _Named(ssl.SSLContext):
    """A context that expects one name in the certificate, whatever address the driver connected to."""

    expected_name: str

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,  # noqa: ARG002 - replaced
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self.expected_name, session)


def _trust(place: Place, tls: ssl.SSLContext | None) -> ssl.SSLContext:
    """Trust who signs the certificate: the source's own authorities, else the operator's and the system's."""
    context = _Named(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.expected_name = place.host
    if place.root_certificates is not None:
        context.load_verify_locations(cadata=place.root_certificates)
        return context
    context.load_default_certs()
    operators = b"" if tls is None else b"".join(tls.get_ca_certs(binary_form=True))
    if operators:
        context.load_verify_locations(cadata=operators)
    return context


async def _nothing(_connection: object) -> None:
    """Leave a connection as it is: all that was set has ended with its transaction."""


def _first(raw: tuple[int, ...]) -> int:
    return raw[0]


def _refused(_value: object) -> tuple[int, ...]:
    # Literals are sent as texts.
    raise TypeError
