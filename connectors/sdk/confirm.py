"""Ask a source whether every answer of an earlier reading still stands, by conditional requests (RFC 9110, 13.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Protocol, runtime_checkable

from connectors.sdk.connector import FetchContext
from connectors.sdk.ordered import in_order
from connectors.sdk.request import Request
from connectors.sdk.trail import Step, digest_of
from connectors.sdk.transport import Transport


@runtime_checkable
class Confirming(Protocol):
    """A connection that can confirm the readings of tables that declare `revalidates`."""

    async def confirm(self, steps: Sequence[Step], context: FetchContext) -> bool:
        """Say whether an earlier reading would give the same rows now.

        Raises:
            ConnectorError: by recovery, see `connectors.sdk.errors`.
        """


async def confirm(transport: Transport, steps: Sequence[Step], context: FetchContext) -> bool:
    """Send the requests of a trail again, conditionally; the first answer that differs ends it.

    What has changed comes in full and is kept by the transport, so that a reading that follows is told 304.

    Raises:
        ConnectorError: a request failed.
    """
    if not steps:
        return False
    deadline_s = asyncio.get_running_loop().time() + context.timeout_s

    async def stands(step: Step) -> bool:
        response = await transport.send(_request(step), context, deadline_s=deadline_s)
        return response.status == 304 or digest_of(response) == step.digest

    # The first one alone: when it has changed, nothing was sent in vain.
    if not await stands(steps[0]):
        return False
    async with aclosing(in_order(stands, iter(steps[1:]), transport.settings.concurrency_max)) as verdicts:
        async for verdict in verdicts:
            if not verdict:
                return False
    return True


def _request(step: Step) -> Request:
    return Request(
        template=step.template,
        path="",
        url=step.url,
        accept=step.accept,
        bucket=step.bucket,
        cost=step.cost,
        etag="" if step.is_open else step.etag,
        modified="" if step.is_open else step.modified,
        conditional=not step.is_open,
    )
