"""Ranges of a column that follow from a comparison with a day or a truncated time of it. Pure.

`date_trunc('month', x) = c` and `x::date >= d` are nothing an API can evaluate, but both keep x within a range that it
can: neither function ever decreases when x grows. What is returned is wider than the truth, never narrower: the
comparison itself is still evaluated over what was fetched.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlglot import exp

from connectors.sdk.scan import Operator
from omnisql_server.plan.constants import NotConstant, constant_value
from omnisql_server.plan.recognize import Condition, TypeOf
from omnisql_server.plan.texts import text_of

TIMESTAMPTZ_OID, DATE_OID = 1184, 1082

_LONGEST = {
    "SECOND": timedelta(seconds=1),
    "MINUTE": timedelta(minutes=1),
    "HOUR": timedelta(hours=1),
    "DAY": timedelta(days=1),
    "WEEK": timedelta(days=7),
    "MONTH": timedelta(days=31),
    "QUARTER": timedelta(days=92),
    "YEAR": timedelta(days=366),
}
_SHIFT = timedelta(hours=3)
"""More than any change of a zone's clock: a day with one is longer or shorter by that, a midnight may not exist."""

_OFFSET_MAX = timedelta(hours=16)
"""More than PostgreSQL lets any zone be away from UTC (15:59:59)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """The moments at which a function has some value: from the first one up to before the last one, or fewer."""

    first: datetime
    last: datetime


_LOWER = (exp.EQ, exp.GT, exp.GTE)
_UPPER = (exp.EQ, exp.LT, exp.LTE)
_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {exp.LT: exp.GT, exp.LTE: exp.GTE, exp.GT: exp.LT, exp.GTE: exp.LTE}


def implied(conjunct: exp.Expr, type_of: TypeOf, time_zone: str) -> list[Condition]:
    """Return conditions that hold wherever a conjunct does; it has to be evaluated beside them."""
    node = conjunct.unnest()
    compared: list[tuple[exp.Expr, type[exp.Expr], exp.Expr]] = []
    if isinstance(node, exp.Between) and not node.args.get("symmetric"):
        compared = [(node.this, exp.GTE, node.args["low"]), (node.this, exp.LTE, node.args["high"])]
    elif isinstance(node, exp.Binary) and type(node) in (*_LOWER, *_UPPER):
        mirrored = _MIRRORED.get(type(node), type(node))
        compared = [(node.left, type(node), node.right), (node.right, mirrored, node.left)]
    return [found for one in compared for found in _bounds(*one, node, type_of, time_zone)]


def _bounds(
    function: exp.Expr, sign: type[exp.Expr], constant: exp.Expr, whole: exp.Expr, type_of: TypeOf, time_zone: str
) -> list[Condition]:
    try:
        return _bounds_of_constant(function, sign, constant, whole, type_of, time_zone)
    except (NotConstant, OverflowError):
        return []


def _bounds_of_constant(
    function: exp.Expr, sign: type[exp.Expr], constant: exp.Expr, whole: exp.Expr, type_of: TypeOf, time_zone: str
) -> list[Condition]:
    function, constant = function.unnest(), constant.unnest()
    if isinstance(function, exp.TimestampTrunc):
        column, stretch = function.this.unnest(), _truncated(function, constant)
    elif isinstance(function, exp.Cast) and function.to.is_type(exp.DataType.Type.DATE):
        column = function.this.unnest()
        if isinstance(column, exp.AtTimeZone):
            zone = column.args["zone"]
            column, time_zone = column.this.unnest(), zone.name if isinstance(zone, exp.Literal) else ""
        stretch = _day(constant, time_zone)
    else:
        return []
    if not isinstance(column, exp.Column) or type_of(column) != TIMESTAMPTZ_OID or stretch is None:
        return []
    ends = []
    if sign in _LOWER:
        ends.append((Operator.GE, stretch.first))
    if sign in _UPPER:
        ends.append((Operator.LT, stretch.last))
    return [
        Condition(
            source=column.table,
            column=column.name,
            operator=operator,
            value=moment,
            type_oid=TIMESTAMPTZ_OID,
            sql=text_of(whole),
        )
        for operator, moment in ends
    ]


def _truncated(function: exp.TimestampTrunc, constant: exp.Expr) -> _Stretch | None:
    """A moment is at or after what it is truncated to, and less than the unit after that."""
    longest = _LONGEST.get(function.text("unit").upper())
    moment = constant_value(constant, TIMESTAMPTZ_OID)
    if longest is None or not isinstance(moment, datetime):
        return None
    return _Stretch(first=moment - _SHIFT, last=moment + longest + _SHIFT)


def _day(constant: exp.Expr, time_zone: str) -> _Stretch | None:
    day = constant_value(constant, DATE_OID)
    if not isinstance(day, date):
        return None
    begins, ends = (datetime(d.year, d.month, d.day, tzinfo=UTC) for d in (day, day + timedelta(days=1)))
    zone = _zone(time_zone)
    if zone is None:
        return _Stretch(first=begins - _OFFSET_MAX, last=ends + _OFFSET_MAX)
    first, last = (moment.replace(tzinfo=zone).astimezone(UTC) for moment in (begins, ends))
    return _Stretch(first=first - _SHIFT, last=last + _SHIFT)


def _zone(name: str) -> ZoneInfo | None:
    """Return a time zone of PostgreSQL's by its name; one that only PostgreSQL knows may be anywhere."""
    if "/" not in name and name not in ("UTC", "GMT"):
        # PostgreSQL has abbreviations of its own: a name without a place may mean another zone there.
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):
        return None
