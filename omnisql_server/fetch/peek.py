"""What earlier fetches would answer of a scan plan, and what is left of its limits, for EXPLAIN; no request is made."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from omnisql_server.fetch.scheduler import OpenSource
from omnisql_server.model.plan import ScanPlan


@runtime_checkable
class Telling(Protocol):
    """Limits that can tell how they stand."""

    async def standing(self) -> tuple[str, ...]:
        """Say of each limit what is left of it; nothing is taken."""


async def quota(source: OpenSource) -> tuple[str, ...]:
    """Say what is known to be left of the limits of a source."""
    return await source.limiter.standing() if isinstance(source.limiter, Telling) else ()


async def peek(plan: ScanPlan, source: OpenSource) -> str | None:
    """Say how much of a plan is answered within the bound; None where every request goes to the source."""
    bound_us = source.staleness.max_us
    if source.cache is None or (bound_us == 0 and not plan.table.revalidates) or not plan.scans:
        return None
    within = f"within max_staleness {bound_us / 1_000_000:g} s"
    if plan.deferred:
        return f"depends on the keys, {within}" if bound_us else None
    reading = await source.cache.begin(plan.table, source.staleness)
    found = [answer for scan in plan.scans if (answer := reading.peek(scan)) is not None]
    confirmed = sum(answer.confirmed > 0 for answer in found)
    asks = f"the source is asked whether what is kept of {confirmed} of {len(plan.scans)} requests has changed"
    if bound_us == 0:
        return asks if confirmed else None
    found = [answer for answer in found if not answer.confirmed]
    if not found:
        return f"answers nothing {within}" + (f"; {asks}" if confirmed else "")
    whole = sum(answer.not_kept is None for answer in found)
    parts = len(found) - whole
    age_s = max(answer.age_us for answer in found) / 1_000_000
    more = f" and a part of {parts}" if parts else ""
    return f"answers {whole} of {len(plan.scans)} requests{more} {within}, age {age_s:.1f} s"


async def calls_answered(plan: ScanPlan, source: OpenSource) -> int:
    """Return how many of the calls that a plan expects are those of requests that are answered as a whole."""
    if source.cache is None or source.staleness.max_us == 0 or plan.deferred or not plan.scans:
        return 0
    reading = await source.cache.begin(plan.table, source.staleness)
    found = [answer for scan in plan.scans if (answer := reading.peek(scan)) is not None]
    whole = sum(answer.not_kept is None and not answer.confirmed for answer in found)
    return plan.calls_expected * whole // len(plan.scans)
