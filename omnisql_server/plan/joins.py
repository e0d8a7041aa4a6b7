"""Who gives keys to whom: the order of scans with the least expected calls. Pure.

Dynamic programming over sets of scans up to `EXHAUSTIVE_MAX`, the cheapest sets alone where the scans have too many
links; beyond that the cheapest next scan is taken each time.
Only scans that may take keys are ordered; all others begin at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from omnisql_server.model.plan import DeferredKey
from omnisql_server.plan.cost import RequestCost
from omnisql_server.plan.paths import ChosenPath, batch_size

EXHAUSTIVE_MAX = 10
STATES_MAX = 64
"""States kept of all sets of one size class: eight of each set of three scans, one where there are more than five."""

WORK_MAX = 20_000
"""Sets of scans times their links that are all looked at, in 2 to 6 ms. Ten scans in a row have 18,432, eight that may
take keys from each other 14,336, ten 92,160."""

SETS_MAX = 16
"""Sets of one size that are looked at where there is more work: those with the least calls."""

DISTINCT_VALUES = 200
"""Distinct values of a column that is no key, when nothing is known; PostgreSQL's planner begins with the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinScan:
    """A scan with every way to read it; without any, no request is needed and there are no rows.

    `links` are by API column what its values may be taken from. `distinct` are the numbers of values of attributes that
    the statement itself restricts, `unique` the attributes that together identify a row,
    `waits` the sets of columns whose values some candidate waits for.
    """

    scan_name: str
    candidates: tuple[ChosenPath, ...]
    links: Mapping[str, tuple[DeferredKey, ...]] = field(default_factory=dict)
    distinct: Mapping[str, int] = field(default_factory=dict)
    unique: frozenset[str] = frozenset()
    waits: tuple[tuple[str, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        waits = dict.fromkeys(candidate.deferred for candidate in self.candidates if candidate.deferred)
        object.__setattr__(self, "waits", tuple(waits))

    @property
    def may_wait(self) -> bool:
        """Say whether it can take keys from other scans."""
        return bool(self.waits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How a scan is to be read: its path, who gives it keys, and what is expected of it."""

    scan: JoinScan
    chosen: ChosenPath | None
    keys: Mapping[str, DeferredKey] = field(default_factory=dict)
    calls: int = 0
    rows: float = 0.0

    def distinct(self, attributes: Sequence[str]) -> float:
        """Estimate the distinct combinations of some attributes among its rows."""
        if self.scan.unique and self.scan.unique <= set(attributes):
            return self.rows
        return min(self.rows, prod(self.scan.distinct.get(name, DISTINCT_VALUES) for name in attributes))


_Choices = dict[str, Choice]


def order_scans(scans: Sequence[JoinScan]) -> _Choices:
    """Choose how each scan is read; a scan that cannot be read by any of its paths is left out."""
    known: _Choices = {}
    for scan in scans:
        if not scan.may_wait:
            choice = _choose(scan, known)
            if choice is not None:
                known[scan.scan_name] = choice
    waiting = [scan for scan in scans if scan.may_wait]
    return _exhaustive(waiting, known) if len(waiting) <= EXHAUSTIVE_MAX else _greedy(waiting, known)


def _exhaustive(waiting: Sequence[JoinScan], known: _Choices) -> _Choices:
    """Find the best order of every set of scans from those of the sets that lack one.

    What costs more may leave fewer rows, and so fewer keys for the rest: a few states of each set are kept.
    """
    states_max = max(1, STATES_MAX >> len(waiting))
    cheap = _greedy(waiting, known)
    # No way to the best order is dearer than any order.
    ceiling = sum(choice.calls for name, choice in cheap.items() if name not in known)
    bound = ceiling if len(cheap) == len(known) + len(waiting) else None
    sets_max = SETS_MAX if _is_dense(waiting) else None
    ways = _Ways()
    sets: dict[int, list[_State]] = {0: [_State(calls=0, rows=0.0, choices=known)]}
    reachable = list(sets[0])
    while sets:
        larger: dict[int, list[_State]] = {}
        for done in sorted(sets):
            for state in sets[done]:
                for place, scan in enumerate(waiting):
                    if done & (1 << place):
                        continue
                    reached = larger.setdefault(done | (1 << place), [])
                    for choice in ways.choices(scan, state.choices):
                        if bound is None or state.calls + choice.calls <= bound:
                            _keep(reached, state, choice, states_max)
        sets = {done: states for done, states in larger.items() if states}
        if sets_max is not None and len(sets) > sets_max:
            cheapest = sorted(sets, key=lambda done: (sets[done][0].calls, done))[:sets_max]
            sets = {done: sets[done] for done in cheapest}
        reachable += (state for states in sets.values() for state in states)
    # Of sets as large, the cheapest: what none of them holds cannot be read at all.
    found = min(reachable, key=lambda state: (-len(state.choices), state.calls)).choices
    # The sets that were looked at may all end before the last scan.
    return cheap if len(found) < len(cheap) else found


def _is_dense(waiting: Sequence[JoinScan]) -> bool:
    """Say whether to look at every set of scans takes too long: so many sets, so many scans to take keys from."""
    links = sum(len(keys) for scan in waiting for keys in scan.links.values())
    return links << len(waiting) > WORK_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Scans in some order: the calls for all of them, and how many rows they give."""

    calls: int
    rows: float
    choices: _Choices

    def followed_by(self, choice: Choice) -> _State:
        return _State(
            calls=self.calls + choice.calls,
            rows=self.rows + choice.rows,
            choices={**self.choices, choice.scan.scan_name: choice},
        )


def _keep(states: list[_State], state: _State, choice: Choice, states_max: int) -> None:
    """Keep the state that follows another one, unless some state has no more calls and no more rows."""
    calls, rows = state.calls + choice.calls, state.rows + choice.rows
    if len(states) >= states_max and states[-1].calls < calls:
        return
    for other in states:
        if other.calls <= calls and other.rows <= rows:
            return
    states[:] = [other for other in states if other.calls < calls or other.rows < rows]
    states.append(state.followed_by(choice))
    states.sort(key=lambda one: one.calls)
    del states[states_max:]


def _greedy(waiting: Sequence[JoinScan], known: _Choices) -> _Choices:
    left, choices = list(waiting), dict(known)
    while left:
        found = [choice for scan in left if (choice := _choose(scan, choices)) is not None]
        if not found:
            break
        cheapest = min(found, key=lambda choice: choice.calls)
        choices[cheapest.scan.scan_name] = cheapest
        left.remove(cheapest.scan)
    return choices


def _choose(scan: JoinScan, known: Mapping[str, Choice]) -> Choice | None:
    return next(iter(_Ways().choices(scan, known)), None)


def _rank(choice: Choice) -> tuple[bool, int, bool]:
    chosen = choice.chosen
    return chosen is not None and chosen.empty is None, choice.calls, bool(choice.keys)


class _Ways:
    """How scans can be read after others, each way worked out once.

    It depends on the choices of those that give the keys, and on nothing else of a state. Choices are known by their
    identity: each is kept by the way or the state that it belongs to.
    """

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], list[Choice]] = {}
        self._distinct: dict[tuple[int, str], float] = {}

    def choices(self, scan: JoinScan, known: Mapping[str, Choice]) -> list[Choice]:
        """Return the ways to read a scan after those known, the cheapest first; of equal ones, one that waits last."""
        drivers = {columns: self._drivers(scan, columns, known) for columns in scan.waits}
        name: list[object] = [scan.scan_name]
        for given in drivers.values():
            if given is None:
                name.append(None)
            else:
                for key in given.values():
                    name += (id(key), id(known[key.scan_name]))
        found = self._found.get(tuple(name))
        if found is None:
            found = self._found[tuple(name)] = _choices(scan, drivers, known)
        return found

    def _drivers(
        self, scan: JoinScan, columns: Sequence[str], known: Mapping[str, Choice]
    ) -> dict[str, DeferredKey] | None:
        """Return who gives each key: one scan for all where that is possible, else the one with fewest values."""
        available = {
            column: [key for key in scan.links.get(column, ()) if key.scan_name in known] for column in columns
        }
        if not all(available.values()):
            return None
        apart = {column: self._fewest(keys, known) for column, keys in available.items()}
        if len(columns) == 1:
            return apart
        together = [
            {column: next(key for key in available[column] if key.scan_name == name) for column in columns}
            for name in dict.fromkeys(key.scan_name for key in available[columns[0]])
            if all(any(key.scan_name == name for key in available[column]) for column in columns)
        ]
        return min([*together, apart], key=lambda drivers: _combinations(drivers, known))

    def _fewest(self, keys: Sequence[DeferredKey], known: Mapping[str, Choice]) -> DeferredKey:
        fewest, found = None, keys[0]
        for key in keys:
            choice = known[key.scan_name]
            name = (id(choice), key.attribute)
            count = self._distinct.get(name)
            if count is None:
                count = self._distinct[name] = choice.distinct((key.attribute,))
            if fewest is None or count < fewest:
                fewest, found = count, key
        return found


_Drivers = Mapping[tuple[str, ...], Mapping[str, DeferredKey] | None]
"""Who gives the keys to each set of columns that some path waits for, None where nobody can."""


def _choices(scan: JoinScan, drivers: _Drivers, known: Mapping[str, Choice]) -> list[Choice]:
    if not scan.candidates:
        return [Choice(scan=scan, chosen=None)]
    given = ((chosen, drivers[chosen.deferred] if chosen.deferred else {}) for chosen in scan.candidates)
    return sorted((_choice(scan, chosen, keys, known) for chosen, keys in given if keys is not None), key=_rank)


def _choice(
    scan: JoinScan, chosen: ChosenPath, drivers: Mapping[str, DeferredKey], known: Mapping[str, Choice]
) -> Choice:
    if not chosen.deferred:
        rows = chosen.rows_expected * sum(batch_size(chosen.path, keys) for keys in chosen.keys)
        return Choice(scan=scan, chosen=chosen, calls=chosen.calls_expected, rows=rows)
    combinations = _combinations(drivers, known)
    cost = RequestCost(path=chosen.path, rows=chosen.rows_expected, calls_per_row=chosen.calls_per_row)
    return Choice(
        scan=scan,
        chosen=chosen,
        keys=drivers,
        calls=cost.calls_for_keys(chosen.deferred, combinations, len(chosen.keys)),
        rows=combinations * len(chosen.keys) * chosen.rows_expected,
    )


def _combinations(drivers: Mapping[str, DeferredKey], known: Mapping[str, Choice]) -> float:
    attributes: dict[str, list[str]] = {}
    for key in drivers.values():
        attributes.setdefault(key.scan_name, []).append(key.attribute)
    return prod(known[name].distinct(names) for name, names in attributes.items())
