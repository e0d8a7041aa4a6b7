"""A meter and a limiter that let everything pass and remember what they were told."""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.sdk.connector import QuotaObserved, RequestRecord


@dataclass
class Recorder:
    """A meter and a limiter that remember what they were told."""

    requests: list[RequestRecord] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    acquired: list[tuple[str, float]] = field(default_factory=list)
    charged: list[tuple[str, float]] = field(default_factory=list)
    observed: list[QuotaObserved] = field(default_factory=list)
    blocked: list[tuple[str, float]] = field(default_factory=list)

    def request(self, record: RequestRecord) -> None:
        self.requests.append(record)

    def page(self, row_count: int) -> None:
        self.pages.append(row_count)

    async def acquire(self, bucket: str, cost: float = 1.0) -> None:
        self.acquired.append((bucket, cost))

    async def charge(self, bucket: str, cost: float) -> None:
        self.charged.append((bucket, cost))

    async def observe(self, quota: QuotaObserved) -> None:
        self.observed.append(quota)

    async def block(self, bucket: str, retry_after_s: float) -> None:
        self.blocked.append((bucket, retry_after_s))
