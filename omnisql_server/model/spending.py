"""What requests took of the rate limits of their source, by kind of request. Frozen values and sums of them; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from connectors.sdk.connector import RequestRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Points of one rate limit that some requests took; `told` of them by their own answers, others as is declared."""

    points: int = 0
    calls: int = 0
    told: int = 0

    def __add__(self, other: Taken) -> Taken:
        """Sum what two sets of requests took."""
        return Taken(points=self.points + other.points, calls=self.calls + other.calls, told=self.told + other.told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Requests of one kind that were made, as method and path without values, and what they took, by rate limit."""

    request: str
    calls: int
    limits: Mapping[str, Taken] = field(default_factory=dict)


class Spending:
    """Sums requests as they are made."""

    def __init__(self) -> None:
        """Begin with none."""
        self._spent: dict[str, Spent] = {}

    def request(self, record: RequestRecord) -> None:
        """Count a request."""
        name = f"{record.method} {record.template}"
        limits = {
            charge.limit: Taken(points=charge.points, calls=1, told=int(charge.told)) for charge in record.charges
        }
        one = Spent(request=name, calls=1, limits=limits)
        self._spent[name] = _sum(self._spent[name], one) if name in self._spent else one

    @property
    def spent(self) -> tuple[Spent, ...]:
        """Return what was spent so far, by kind of request."""
        return tuple(self._spent.values())


def spent_together(spent: Iterable[Spent]) -> tuple[Spent, ...]:
    """Sum what was spent in several places by kind of request."""
    found: dict[str, Spent] = {}
    for each in spent:
        found[each.request] = _sum(found[each.request], each) if each.request in found else each
    return tuple(found.values())


def limits_together(spent: Iterable[Spent]) -> dict[str, Taken]:
    """Sum what requests took by rate limit."""
    found: dict[str, Taken] = {}
    for each in spent:
        found = _limits(found, each.limits)
    return found


def _sum(one: Spent, other: Spent) -> Spent:
    return Spent(request=one.request, calls=one.calls + other.calls, limits=_limits(one.limits, other.limits))


def _limits(one: Mapping[str, Taken], other: Mapping[str, Taken]) -> dict[str, Taken]:
    return {name: one.get(name, Taken()) + other.get(name, Taken()) for name in dict.fromkeys((*one, *other))}
