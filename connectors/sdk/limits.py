"""The rate limits of a source as data, and what a request takes of them: as declared, or as its answer tells. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Protocol, runtime_checkable

from connectors.sdk.connector import QuotaObserved
from connectors.sdk.quota import QuotaReader
from connectors.sdk.request import Charge, Request, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """One rate limit: so many `points`, whole again after `every_s` seconds, until the source says otherwise.

    `points` are None where that is not documented, or not the same for all accounts.
    `quota` reads what answers tell of it, None where the source tells of its limits by the same headers. `told` gives
    the points that an answer says it took. Each request that pays one of the limits `beside` takes a point of it, too.
    An answer that confirms an earlier one (304) takes none where `free_unchanged`.
    """

    points: int | None = None
    every_s: float = 3600.0
    quota: QuotaReader | None = None
    told: Callable[[Response], int | None] | None = None
    beside: frozenset[str] = frozenset()
    free_unchanged: bool = False


@runtime_checkable
class WithLimits(Protocol):
    """A connector that declares the rate limits of its sources."""

    @property
    def limits(self) -> Mapping[str, RateLimit]:
        """Return the rate limits by name."""


def charges_beside(limits: Mapping[str, RateLimit], request: Request) -> tuple[Charge, ...]:
    """Return what a request takes of other limits than the one that it pays."""
    each = (Charge(limit=name, points=1) for name, limit in limits.items() if request.bucket in limit.beside)
    return (*request.also, *each)


def charges_made(
    limits: Mapping[str, RateLimit], request: Request, status: int, response: Response | None
) -> tuple[Charge, ...]:
    """Return what a request took: `status` is that of its answer, `response` None where that cannot be read."""
    own = Charge(limit=request.bucket, points=ceil(request.cost))
    return tuple(
        _made(limits.get(each.limit), each, status, response) for each in (own, *charges_beside(limits, request))
    )


def quotas_told(
    main: QuotaReader | None, limits: Mapping[str, RateLimit], request: Request, response: Response, now_s: float
) -> Iterator[QuotaObserved]:
    """Yield what an answer tells of rate limits: of the one that its request pays, by the headers common to most, and
    of those that have headers of their own.
    """
    readers = [(request.bucket, main), *((name, limit.quota) for name, limit in limits.items())]
    for name, reader in readers:
        told = None if reader is None else reader.read(response.headers, bucket=name, now_s=now_s)
        if told is not None:
            yield told


def is_short(told: QuotaObserved, request: Request) -> bool:
    """Say whether less is left of a limit than a request takes of it."""
    needed = next((each.points for each in request.also if each.limit == told.bucket), 1)
    return told.remaining is not None and told.remaining < needed


def _made(limit: RateLimit | None, declared: Charge, status: int, response: Response | None) -> Charge:
    if limit is None:
        return declared
    if limit.free_unchanged and status == 304:
        return Charge(limit=declared.limit, points=0)
    told = limit.told(response) if limit.told is not None and response is not None else None
    return declared if told is None else Charge(limit=declared.limit, points=told, told=True)
