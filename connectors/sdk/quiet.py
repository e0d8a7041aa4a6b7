"""A context for requests that belong to no scan: nothing is metered, and only the source's own limits hold."""

from __future__ import annotations

from connectors.sdk.connector import FetchContext, QuotaObserved, RequestRecord


class _Quiet:
    def request(self, record: RequestRecord) -> None:
        """Ignore a request."""

    def page(self, row_count: int) -> None:
        """Ignore a page."""

    async def acquire(self, bucket: str, cost: float = 1.0) -> None:
        """Grant everything."""

    async def charge(self, bucket: str, cost: float) -> None:
        """Grant everything."""

    async def observe(self, quota: QuotaObserved) -> None:
        """Ignore what a source said."""

    async def block(self, bucket: str, retry_after_s: float) -> None:
        """Ignore a refusal."""


QUIET_CONTEXT = FetchContext(meter=_Quiet(), limiter=_Quiet(), timeout_s=30.0)
"""For checking credentials and describing a source."""
