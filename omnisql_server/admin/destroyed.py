"""Tells the other servers that a tenant is destroyed, so that they let go of its key, sessions and parts at once.

The word goes through Valkey. Whoever hears it asks the control database before believing it; after each connection to
Valkey all open tenants are asked for, because a word may have been missed. Without Valkey a key is held no longer than
`keys.held_s`.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

import msgspec
import structlog

from catalog import control
from catalog.errors import CatalogError, TenantUnknown
from omnisql_server.admin.tenants import EndSessions
from omnisql_server.limits.valkey import VALKEY_ERRORS
from omnisql_server.services import Services
from omnisql_server.tenancy import Tenancy

CHANNEL = "omnisql:{destroyed}"
RETRY_S = 1.0
TELLING_TIMEOUT_S = 5.0
LISTENING_S = 30.0

_log = structlog.get_logger(__name__)


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """That a tenant is destroyed."""

    id: str
    name: str


async def tell_destroyed(services: Services, record: control.Tenant) -> None:
    """Tell all servers; that it fails is logged, for the key is destroyed where it is kept."""
    try:
        async with asyncio.timeout(TELLING_TIMEOUT_S):
            word = Word(id=record.id.hex, name=record.name)
            await services.valkey.client.publish(CHANNEL, msgspec.json.encode(word))
    except VALKEY_ERRORS as error:
        _log.warning("destruction_not_told", tenant=record.name, error=type(error).__name__)


async def follow_destroyed(services: Services, tenancy: Tenancy, end_sessions: EndSessions) -> None:
    """Listen until canceled."""
    while True:
        try:
            await _listen(services, tenancy, end_sessions)
        except VALKEY_ERRORS as error:
            _log.debug("destructions_not_heard", error=type(error).__name__)
        await asyncio.sleep(RETRY_S)


async def _listen(services: Services, tenancy: Tenancy, end_sessions: EndSessions) -> None:
    async with services.valkey.client.pubsub(ignore_subscribe_messages=True) as listening:
        async with asyncio.timeout(TELLING_TIMEOUT_S):
            await listening.subscribe(CHANNEL)
        for name, tenant in tenancy.open_tenants():
            await _let_go(services, tenancy, end_sessions, Word(id=tenant.hex, name=name))
        while True:
            async with asyncio.timeout(2 * LISTENING_S):
                message = await listening.get_message(timeout=LISTENING_S)
            if message is None:
                continue
            try:
                word = msgspec.json.decode(message["data"], type=Word)
            except msgspec.DecodeError:
                _log.warning("word_of_a_destruction_not_read")
                continue
            await _let_go(services, tenancy, end_sessions, word)


async def _let_go(services: Services, tenancy: Tenancy, end_sessions: EndSessions, word: Word) -> None:
    """Let go of a tenant unless the control database still has it."""
    try:
        async with services.control_connection() as connection:
            known = await control.tenant_named(connection, word.name)
        if known.id.hex == word.id:
            return
    except TenantUnknown:
        pass
    except CatalogError as error:
        # The key goes all the same: it comes back from where it is kept, if it is there.
        _log.warning("destruction_not_confirmed", tenant=word.name, reason=error.message)
        services.keys.forget(UUID(word.id))
        return
    tenant = UUID(word.id)
    was_held = services.keys.held(tenant) is not None
    services.keys.forget(tenant)
    if any(each == tenant for _, each in tenancy.open_tenants()):
        async with tenancy.closed(word.name, end_sessions):
            services.keys.forget(tenant)
    held = services.keys.held(tenant) is not None
    _log.info("destroyed_tenant_let_go", tenant=word.name, key_was_held=was_held, key_held=held)
