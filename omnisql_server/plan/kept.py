"""What planning keeps with a form, for statements whose values leave it as it was: drafts, orders and plans of scans.

Keys hold everything that what is kept depends on; where that is an object, by its identity, and it is kept as well. The
figures of a statement decide about an order, not its values: other values with the same figures have the same order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from omnisql_server.model.meaning import Meaning
from omnisql_server.plan.found import ScanConditions
from omnisql_server.plan.joins import Choice, JoinScan, order_scans
from omnisql_server.plan.paths import batch_size
from omnisql_server.plan.readings import is_read_by_form

KEPT_MAX = 128
"""Things of one kind kept with a form: a few for each scan, and for each policy that binds somebody."""

_Kept = TypeVar("_Kept")
_Place = tuple[int | None, tuple[tuple[str, int], ...], int, float]
"""A choice by numbers: its candidate, by column the link that gives its key, its calls and rows."""


class Kept:
    """What is kept with one form; nothing is where the form cannot be read for all values."""

    def __init__(self, *, keeps: bool = True) -> None:
        self._keeps = keeps
        self._found: OrderedDict[Hashable, tuple[object, object]] = OrderedDict()

    def find(self, key: Hashable, make: Callable[[], _Kept], alive: object = None) -> _Kept:
        """Return what is kept under a key, or make and keep it; `alive` are the objects that the key names."""
        if not self._keeps:
            return make()
        known = self._found.get(key)
        if known is None:
            known = self._found[key] = (make(), alive)
            if len(self._found) > KEPT_MAX:
                self._found.popitem(last=False)
        else:
            self._found.move_to_end(key)
        return known[0]  # type: ignore[return-value]


def kept_with(meaning: Meaning | None) -> Kept:
    """Return what is kept with a statement's form."""
    if meaning is None or not is_read_by_form(meaning.form):
        return Kept(keeps=False)
    known = meaning.form.derived.get("kept")
    if not isinstance(known, Kept):
        known = meaning.form.derived["kept"] = Kept()
    return known


def key_of(found: ScanConditions) -> Hashable:
    """Return what stands for the conditions of a scan, as long as they live."""
    conditions = (tuple(found.conditions), tuple(found.alternatives))
    others = (tuple(found.residuals), tuple(found.beyond), found.ruled_out)
    return (*conditions, *others, tuple(found.advice), tuple(map(id, found.local)))


def ordered(scans: Sequence[JoinScan], kept: Kept, under: Hashable, alive: object) -> dict[str, Choice]:
    """Choose how each scan is read, as `order_scans`; `under` names what the scans' paths and links belong to."""
    figures = (under, tuple(_figures(scan) for scan in scans))
    made: list[dict[str, Choice]] = []

    def order() -> dict[str, _Place]:
        made.append(order_scans(scans))
        return {name: _place(choice) for name, choice in made[0].items()}

    places = kept.find(figures, order, alive)
    if made:
        return made[0]
    by_name = {scan.scan_name: scan for scan in scans}
    return {name: _choice(by_name[name], place) for name, place in places.items()}


def _figures(scan: JoinScan) -> Hashable:
    """Return all that an order depends on."""
    candidates = tuple(
        (
            chosen.path.name,
            chosen.path.page_rows_max,
            chosen.deferred,
            chosen.calls_expected,
            chosen.rows_expected,
            chosen.calls_per_row,
            chosen.empty is None,
            tuple(batch_size(chosen.path, keys) for keys in chosen.keys),
        )
        for chosen in scan.candidates
    )
    return (scan.scan_name, candidates, tuple(scan.distinct.items()), scan.unique)


def _place(choice: Choice) -> _Place:
    candidates = [id(candidate) for candidate in choice.scan.candidates]
    links = choice.scan.links
    keys = tuple((column, [id(one) for one in links[column]].index(id(key))) for column, key in choice.keys.items())
    return (
        candidates.index(id(choice.chosen)) if choice.chosen is not None else None,
        keys,
        choice.calls,
        choice.rows,
    )


def _choice(scan: JoinScan, place: _Place) -> Choice:
    candidate, keys, calls, rows = place
    return Choice(
        scan=scan,
        chosen=scan.candidates[candidate] if candidate is not None else None,
        keys={column: scan.links[column][at] for column, at in keys},
        calls=calls,
        rows=rows,
    )
