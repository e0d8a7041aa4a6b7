"""From a scan to the listings whose rows together are the scan's: what is asked, and what rows do not tell. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from connectors.declarative.load import Loaded
from connectors.declarative.readable import ReadablePath
from connectors.declarative.requests import boundary_of, first_request
from connectors.declarative.windows import windowed
from connectors.sdk.request import Request
from connectors.sdk.scan import Direction, Operator, Predicate, Scan, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read one listing, or one row.

    `echo` holds values that rows lack because they were asked for. `boundary` ends a listing that is sorted newest
    first at the first older row. `rows_max` is how many rows the API gives at most.
    """

    request: Request
    echo: Mapping[str, Value] = field(default_factory=dict)
    boundary: datetime | None = None
    rows_max: int | None = None


def readings(loaded: Loaded, scan: Scan, options: Mapping[str, str], now_s: float = 0.0) -> tuple[Reading, ...]:
    """Return the readings of a scan, in the order of its rows.

    Raises:
        EmptyResult: nothing can match, no request is needed.
        Fatal: SQLSTATE HV000, the scan asks for what the table does not declare.
    """
    table = loaded.tables[scan.table]
    path = table.paths[scan.access_path]
    boundary = boundary_of(path, scan)
    found = []
    for asking, echo in _asked(path, scan):
        first = first_request(loaded.manifest, table, asking, options)
        descending = bool(scan.order) and scan.order[0].direction is Direction.DESC
        requests = [first] if path.window is None else windowed(first, path.window, now_s, descending=descending)
        found += [
            Reading(request=request, echo=echo, boundary=boundary, rows_max=path.rows_max) for request in requests
        ]
    return tuple(found)


def _asked(path: ReadablePath, scan: Scan) -> Iterator[tuple[Scan, dict[str, Value]]]:
    """Yield the scan once for each value of a column that only the question tells, with what rows are to be told."""
    keys = {name: scan.keys[name] for name in path.echo}
    name = path.asked
    if name is None:
        yield scan, keys
        return
    given = [each for each in scan.predicates if each.column == name and each.operator is Operator.EQ]
    others = tuple(each for each in scan.predicates if each.column != name)
    declared = [value for sent in path.sents[name][Operator.EQ] for value in sent.push.values]
    values = [each.value for each in given][:1] or (declared if name in scan.columns else [])
    if not values:
        yield replace(scan, predicates=others), keys
    for value in values:
        only = Predicate(column=name, operator=Operator.EQ, value=value)
        yield replace(scan, predicates=(*others, only)), {**keys, name: value}
