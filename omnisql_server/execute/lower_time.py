"""Moments in the session's time zone by moments without one, and intervals added part by part. Pure.

PostgreSQL 18, 9.9: days and months are added, and fields are read, in the session's time zone; hours are not. DuckDB's
ICU has the same zones; `tests/differential` compares them around every change of offset.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from omnisql_server.execute.lowered import Rule, call, cast, is_proved, native, text_literal, typed, whole_literal
from omnisql_server.execute.output_types import output_type
from omnisql_server.execute.zones import is_alike

_Type = exp.DType
_MOMENTS = (_Type.DATE, _Type.TIMESTAMP, _Type.TIMESTAMPTZ)
_DAYS = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY"})
_TIMES = frozenset({"HOUR", "MINUTE", "SECOND", "MILLISECONDS"})
_FIELDS = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "DOY", "DOW", "ISODOW", "ISOYEAR"})
_FINE: Mapping[str, tuple[str, int]] = {"SECOND": ("omnisql_second", 6), "MILLISECOND": ("omnisql_second", 3)}
_FAR: Mapping[str, str] = {"CENTURY": "omnisql_century", "DECADE": "omnisql_decade"}
_OFFSETS = {"TIMEZONE": 1, "TIMEZONE_HOUR": 3600}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_SHOWN = re.compile(r"(%[YmdHMSfb]|[-/ :.,])+")
_PART = re.compile(r"([+-]?[0-9]{1,5}) *(year|month|mon|week|day|hour|minute|min|second|sec)s?", re.IGNORECASE)
_CLOCK = re.compile(r"([+-]?)([0-9]{1,3}):([0-9]{2})(?::([0-9]{2}))?")
_MONTHS = {"year": 12, "month": 1, "mon": 1}
_WHOLE_DAYS = {"week": 7, "day": 1}
_SECONDS = {"hour": 3600, "minute": 60, "min": 60, "second": 1, "sec": 1}


def _local(moment: exp.Expr, zone: str) -> exp.Expr:
    """Give a moment as the clocks of the zone show it."""
    kind = output_type(moment)
    if kind is _Type.TIMESTAMPTZ:
        return native("timezone", _Type.TIMESTAMP, text_literal(zone), moment)
    return cast(moment, "TIMESTAMP", _Type.TIMESTAMP) if kind is _Type.DATE else moment.copy()


def _moment(local: exp.Expr, zone: str) -> exp.Expr:
    """Give the moment at which the clocks of the zone show a time."""
    return native("timezone", _Type.TIMESTAMPTZ, text_literal(zone), _local(local, zone))


def _zoned(node: exp.Expr, _zone: str) -> exp.Expr | None:
    named = node.args["zone"]
    known = isinstance(named, exp.Literal) and named.is_string and is_alike(named.name)
    if not known or output_type(node.this) is not _Type.TIMESTAMP:
        return None
    return _moment(node.this, named.name)


def _truncated(node: exp.Expr, zone: str) -> exp.Expr | None:
    unit = node.args["unit"].name.upper()
    named = node.args.get("zone")
    kind = output_type(node.this)
    if named is not None:
        if not isinstance(named, exp.Literal) or not is_alike(named.name):
            return None
        zone = named.name
    if kind is _Type.TIMESTAMPTZ and unit in _TIMES:
        return call("omnisql_trunc_time", kind, text_literal(unit.lower()), node.this, _local(node.this, zone))
    if kind not in (_Type.DATE, _Type.TIMESTAMPTZ) or unit not in _DAYS:
        return None
    local = native("date_trunc", _Type.TIMESTAMP, text_literal(unit.lower()), _local(node.this, zone))
    return _moment(local, zone)


def _extracted(node: exp.Expr, zone: str) -> exp.Expr | None:
    field, moment = node.name.upper(), node.expression
    if isinstance(moment, exp.Anonymous) and moment.name == "omnisql_passed":
        return call("omnisql_epoch_between", _Type.DECIMAL, *moment.expressions) if field == "EPOCH" else None
    kind = output_type(moment)
    if kind not in _MOMENTS:
        return None
    if field == "EPOCH":
        name = "omnisql_epoch_date" if kind is _Type.DATE else "omnisql_epoch"
        return call(name, _Type.INT128 if kind is _Type.DATE else _Type.DECIMAL, moment)
    if kind is _Type.DATE and field in (*_TIMES, *_FINE, "MICROSECOND"):
        return None
    if field == "JULIAN":
        return call("omnisql_julian", _Type.INT128, moment) if kind is _Type.DATE else None
    local = _local(moment, zone)
    if field in _OFFSETS:
        if kind is not _Type.TIMESTAMPTZ:
            return None
        return call("omnisql_offset", _Type.INT128, moment, local, whole_literal(_OFFSETS[field]))
    if field in _FINE:
        name, scale = _FINE[field]
        return call(name, _Type.DECIMAL, local, typed(exp.Literal.number(scale), _Type.INT))
    if field in _FAR:
        return call(_FAR[field], _Type.INT128, local)
    if field == "MICROSECOND":
        return call("omnisql_microsecond", _Type.INT128, local)
    if field not in _FIELDS:
        return None
    moment = moment if kind is _Type.DATE else local
    if field in ("YEAR", "ISOYEAR"):
        moment = _near(moment)
    return typed(exp.Extract(this=node.this.copy(), expression=moment.copy()), _Type.INT128)


def _near(moment: exp.Expr) -> exp.Expr:
    """Leave moments before the first year to PostgreSQL: it has no year 0."""
    return call("omnisql_near", output_type(moment) or _Type.TIMESTAMP, moment)


def _cast(node: exp.Expr, zone: str) -> exp.Expr | None:
    to, value = node.args["to"], node.this
    if is_proved(node) or isinstance(value, exp.Literal | exp.Null) or to.expressions:
        return None
    kind = output_type(value)
    if to.is_type(_Type.TIMESTAMPTZ) and kind in (_Type.DATE, _Type.TIMESTAMP):
        return _moment(value, zone)
    if to.is_type(_Type.TIME) and kind in (_Type.TIMESTAMP, _Type.TIMESTAMPTZ):
        return cast(_local(value, zone), "TIME", _Type.TIME)
    if to.is_type(_Type.TEXT, _Type.VARCHAR) and kind in (_Type.DATE, _Type.TIMESTAMP):
        return cast(_near(value), "VARCHAR", _Type.TEXT)
    if to.is_type(_Type.TEXT, _Type.VARCHAR) and kind is _Type.TIMESTAMPTZ:
        return call("omnisql_moment_text", _Type.TEXT, value, _local(value, zone))
    return None


def _comparison(node: exp.Expr, zone: str) -> exp.Expr | None:
    sides = (node.this, node.expression)
    kinds = [output_type(side) if not isinstance(side, exp.Any | exp.All | exp.Query) else None for side in sides]
    if kinds[0] is kinds[1] or any(kind not in _MOMENTS for kind in kinds):
        return None
    change = _moment if _Type.TIMESTAMPTZ in kinds else _local
    wanted = _Type.TIMESTAMPTZ if _Type.TIMESTAMPTZ in kinds else _Type.TIMESTAMP
    made = [side.copy() if kind is wanted else change(side, zone) for side, kind in zip(sides, kinds, strict=True)]
    return typed(type(node)(this=made[0], expression=made[1]), _Type.BOOLEAN)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interval:
    """An interval in the three parts that PostgreSQL keeps."""

    months: int = 0
    days: int = 0
    seconds: int = 0


def _interval(node: exp.Expr) -> _Interval | None:
    """Read a constant interval: `'1'` and a unit, or PostgreSQL's own text form."""
    if isinstance(node, exp.Interval):
        amount, unit = node.this, node.args.get("unit")
        text = amount.name if isinstance(amount, exp.Literal) else ""
        text = f"{text} {unit.name}" if unit is not None else text
    elif isinstance(node, exp.Cast) and node.to.is_type(_Type.INTERVAL) and node.this.is_string:
        text = node.this.name
    else:
        return None
    months = days = seconds = 0
    for found in _PART.finditer(text):
        amount, unit = int(found[1]), found[2].lower()
        months += amount * _MONTHS.get(unit, 0)
        days += amount * _WHOLE_DAYS.get(unit, 0)
        seconds += amount * _SECONDS.get(unit, 0)
    rest = _PART.sub("", text)
    clock = _CLOCK.search(rest)
    if clock is not None:
        amount = int(clock[2]) * 3600 + int(clock[3]) * 60 + int(clock[4] or 0)
        seconds += -amount if clock[1] == "-" else amount
        rest = _CLOCK.sub("", rest, count=1)
    return _Interval(months=months, days=days, seconds=seconds) if text and not rest.strip() else None


def _sum(node: exp.Expr, zone: str) -> exp.Expr | None:
    left, right = node.this, node.expression
    if isinstance(node, exp.Add) and _interval(left) is not None:
        left, right = right, left
    kind, interval = output_type(left), _interval(right)
    if kind not in _MOMENTS or interval is None:
        return None
    sign = -1 if isinstance(node, exp.Sub) else 1
    zoned = kind is _Type.TIMESTAMPTZ
    whole = left.copy() if zoned else _local(left, zone)
    for amount, make in ((interval.months, "to_months"), (interval.days, "to_days")):
        if amount:
            moved = call("omnisql_moved", _Type.TIMESTAMP, _local(whole, zone), _span(make, sign * amount))
            whole = _moment(moved, zone) if zoned else moved
    if interval.seconds:
        whole = call("omnisql_moved", output_type(whole) or kind, whole, _span("to_seconds", sign * interval.seconds))
    return whole


def _span(make: str, amount: int) -> exp.Expr:
    number: exp.Expr = typed(exp.Literal.number(abs(amount)), _Type.INT)
    return native(make, _Type.INTERVAL, number if amount >= 0 else typed(exp.Neg(this=number), _Type.INT))


def _difference(node: exp.Expr, zone: str) -> exp.Expr | None:
    kinds = {output_type(node.this), output_type(node.expression)}
    if kinds in ({_Type.TIMESTAMP}, {_Type.TIMESTAMPTZ}):
        return call("omnisql_passed", _Type.INTERVAL, node.this, node.expression)
    return _sum(node, zone)


def _shown(node: exp.Expr, zone: str) -> exp.Expr | None:
    form = node.args["format"]
    if output_type(node.this) not in _MOMENTS or not form.is_string or _SHOWN.fullmatch(form.name) is None:
        return None
    return native("strftime", _Type.TEXT, _near(_local(node.this, zone)), text_literal(form.name))


def _named_zone(node: exp.Expr, _zone: str) -> exp.Expr | None:
    """`timezone(zone, moment)` is the function behind AT TIME ZONE."""
    if is_proved(node) or node.name.upper() != "TIMEZONE" or len(node.expressions) != 2:
        return None
    named, moment = node.expressions
    known = isinstance(named, exp.Literal) and named.is_string and is_alike(named.name)
    kind = output_type(moment)
    if not known or kind not in (_Type.TIMESTAMP, _Type.TIMESTAMPTZ):
        return None
    return _local(moment, named.name) if kind is _Type.TIMESTAMPTZ else _moment(moment, named.name)


TIME_RULES: Mapping[type[exp.Expr], Rule] = {
    **dict.fromkeys(_COMPARISONS, _comparison),
    exp.AtTimeZone: _zoned,
    exp.TimestampTrunc: _truncated,
    exp.Extract: _extracted,
    exp.Cast: _cast,
    exp.Add: _sum,
    exp.Sub: _difference,
    exp.TimeToStr: _shown,
    exp.Anonymous: _named_zone,
}
"""The rule of each kind of node."""
