"""Webhooks put together: where they are taken, whose secrets they are signed with, and what they mark."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from catalog.webhooks import Webhook, find_webhook
from omnisql_server.freshness.changes import note_change
from omnisql_server.model.freshness import Change
from omnisql_server.services import Services
from omnisql_server.webhooks.receiver import Receiver, listening


@asynccontextmanager
async def receiving(services: Services) -> AsyncIterator[int | None]:
    """Take webhooks for the time of the block, and give the port; None where they are off."""
    settings = services.settings.webhooks
    if settings.port is None:
        yield None
        return
    kept_us = int(services.settings.freshness.kept_s * 1_000_000)

    async def find(tenant: str, server: str) -> Webhook | None:
        async with services.control_connection() as connection:
            return await find_webhook(connection, services.credentials, tenant, server)

    async def note(webhook: Webhook, server: str, change: Change, delivery: str) -> bool:
        return await note_change(
            services.valkey.client,
            tenant=webhook.tenant,
            data_key=await services.data_key(webhook.tenant),
            server=server,
            change=change,
            delivery=delivery,
            kept_us=kept_us,
        )

    receiver = Receiver(find=find, note=note, body_bytes_max=settings.body_bytes_max)
    async with listening(receiver, settings.host, settings.port) as port:
        yield port
