"""Why a source was asked more often than it must be: each reading beyond the fewest, and its cause. Pure.

The fewest are a bound from below that nobody reaches who does not know the future.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from connectors.sdk.scan import Scan
from omnisql_server.freshness.domains import Request, covers, request_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A scan that a statement asked for, or that a source was asked for, at a second of the day.

    `calls` is how many calls it takes to read then.
    """

    at_s: int
    credential: str
    scan: Scan
    calls: int = 1

    @property
    def name(self) -> str:
        """Return what tells requests apart."""
        return f"{self.credential} {self.scan!r}"


@dataclass(slots=True, kw_only=True)
class _Group:
    """Requests of which one covers another, and when each was asked for."""

    requests: dict[str, Request] = field(default_factory=dict)
    moments: list[tuple[int, str]] = field(default_factory=list)
    calls: dict[int, int] = field(default_factory=dict)
    """The most calls that one of the statements of a moment takes."""


def fewest_readings(asked: Sequence[Asked], bound_s: int) -> int:
    """Return a number of readings, of requests that somebody asked, below which no cache within the bound can get.

    Every statement needs a reading that covers it and is at most as old as the bound. Requests are put together that
    one widest request covers, and those widest ones that cover a request together: that can only lower the number. For
    such a group the fewest readings are those at the first statement that the last reading is too old for.
    """
    return sum(len(_stabs(group, bound_s)) for group in _groups(asked))


def fewest_calls(asked: Sequence[Asked], bound_s: int) -> int:
    """Return a number of calls below which no cache within the bound can get, if its source confirms nothing.

    Each of the fewest readings takes at least the calls of what was asked for at its moment.
    """
    return sum(group.calls[at_s] for group in _groups(asked) for at_s in _stabs(group, bound_s))


def causes(asked: Sequence[Asked], upstream: Sequence[Asked], bound_s: int) -> Counter[str]:
    """Count the readings and confirmations beyond the fewest by cause."""
    found: Counter[str] = Counter()
    groups = _groups(asked)
    group_of = {name: group for group in groups for name in group.requests}
    stabs = {id(group): _stabs(group, bound_s) for group in groups}
    latest: dict[tuple[int, int], list[Asked]] = {}
    for one in upstream:
        group = group_of[one.name]
        interval = bisect_right(stabs[id(group)], one.at_s) - 1
        before = latest.setdefault((id(group), interval), [])
        if before:
            found[_cause(group, before, one, bound_s)] += 1
        before.append(one)
    return found


def _cause(group: _Group, before: Sequence[Asked], one: Asked, bound_s: int) -> str:
    request = group.requests[one.name]
    earlier = [group.requests[each.name] for each in before]
    if any(covers(each, request) for each in earlier):
        return "what was kept did not answer"
    first = before[0]
    kind = "the whole after a part of it" if any(covers(request, each) for each in earlier) else "another part"
    if first.at_s == one.at_s:
        return f"{kind}, at the same moment"
    wider = [name for name, each in group.requests.items() if covers(each, request) and covers(each, earlier[0])]
    since_s = first.at_s - 2 * bound_s
    is_foreseen = any(since_s <= at_s < first.at_s and name in wider for at_s, name in group.moments)
    return f"{kind}, asked for within two bounds before" if is_foreseen else f"{kind}, not asked for lately"


def _groups(asked: Sequence[Asked]) -> list[_Group]:
    families: dict[tuple[str, str], dict[str, Request]] = {}
    moments: dict[str, list[Asked]] = {}
    for one in asked:
        moments.setdefault(one.name, []).append(one)
        families.setdefault((one.credential, str(one.scan.keys["repo"])), {}).setdefault(one.name, request_of(one.scan))
    groups = []
    for family in families.values():
        for names in _together(family):
            group = _Group(requests={name: family[name] for name in names})
            for one in (one for name in names for one in moments[name]):
                group.moments.append((one.at_s, one.name))
                group.calls[one.at_s] = max(one.calls, group.calls.get(one.at_s, 0))
            group.moments.sort()
            groups.append(group)
    return groups


def _together(family: dict[str, Request]) -> list[list[str]]:
    """Put requests together of which one covers another."""
    leader = {name: name for name in family}

    def first(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for name, request in family.items():
        for other, wider in family.items():
            if name != other and covers(wider, request):
                leader[first(name)] = first(other)
    groups: dict[str, list[str]] = {}
    for name in family:
        groups.setdefault(first(name), []).append(name)
    return list(groups.values())


def _stabs(group: _Group, bound_s: int) -> list[int]:
    """Return the fewest moments such that each statement has one at most the bound before it."""
    found: list[int] = []
    for at_s, _ in group.moments:
        if not found or at_s - found[-1] > bound_s:
            found.append(at_s)
    return found
