"""Ranges that follow from comparisons with days and truncated times: never narrower than the truth."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.sdk.scan import Operator, Predicate
from connectors.sdk.testing.reference import holds
from omnisql_server.plan.monotone import implied

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
)
UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
SIGNS = ("=", "<", "<=", ">", ">=")
START = datetime(2011, 12, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 3 * 366 * 86_400).map(lambda s: START + timedelta(seconds=s, milliseconds=s % 997))


def ranges(sql: str, zone: str = "UTC", type_oid: int = 1184) -> list[tuple[str, object]]:
    found = implied(sqlglot.parse_one(sql, dialect="postgres"), lambda _: type_oid, zone)
    assert all((c.source, c.column) == ("a", "at") for c in found)
    return [(c.operator.value, c.value) for c in found]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        (
            "a.at::date = CAST('2026-03-01' AS DATE)",
            [(">=", moment("2026-02-28 21:00")), ("<", moment("2026-03-02 03:00"))],
        ),
        ("a.at::date >= CAST('2026-03-01' AS DATE)", [(">=", moment("2026-02-28 21:00"))]),
        ("CAST('2026-03-01' AS DATE) >= a.at::date", [("<", moment("2026-03-02 03:00"))]),
        (
            "a.at::date BETWEEN CAST('2026-03-01' AS DATE) AND CAST('2026-03-07' AS DATE)",
            [(">=", moment("2026-02-28 21:00")), ("<", moment("2026-03-08 03:00"))],
        ),
        (
            "date_trunc('month', a.at) = CAST('2026-03-01 00:00:00+00' AS TIMESTAMPTZ)",
            [(">=", moment("2026-02-28 21:00")), ("<", moment("2026-04-01 03:00"))],
        ),
        (
            "(a.at AT TIME ZONE 'Asia/Tokyo')::date < CAST('2026-03-01' AS DATE)",
            [("<", moment("2026-03-01 18:00"))],
        ),
        # A zone that only PostgreSQL knows may be anywhere.
        ("(a.at AT TIME ZONE 'EST')::date < CAST('2026-03-01' AS DATE)", [("<", moment("2026-03-02 16:00"))]),
    ],
)
def test_a_comparison_keeps_the_column_in_a_range(sql: str, found: list[tuple[str, object]]) -> None:
    assert ranges(sql) == found


@pytest.mark.parametrize(
    "sql",
    [
        "a.at::date <> CAST('2026-03-01' AS DATE)",
        "NOT a.at::date = CAST('2026-03-01' AS DATE)",
        "a.at::date = b.day",
        "a.at::date = CAST('infinity' AS DATE)",
        "a.at::date <= CAST('9999-12-31' AS DATE)",
        "date_trunc('decade', a.at) = CAST('2026-03-01 00:00:00+00' AS TIMESTAMPTZ)",
        "date_trunc('day', a.at) = '2026-03-01'",
        "a.at::text = '2026-03-01'",
        "a.at = CAST('2026-03-01 00:00:00+00' AS TIMESTAMPTZ)",
    ],
)
def test_nothing_follows_from_anything_else(sql: str) -> None:
    assert ranges(sql) == []


def test_nothing_follows_for_a_column_of_another_type() -> None:
    assert ranges("a.at::date = CAST('2026-03-01' AS DATE)", type_oid=1114) == []


def truncated(moment: datetime, unit: str, zone: ZoneInfo) -> datetime:
    """Truncate a moment in a zone as PostgreSQL does: its local time, which is then looked up again."""
    local = moment.astimezone(zone).replace(microsecond=0)
    if unit in ("second", "minute", "hour"):
        # These keep the offset, so that of two equal local times each stays where it is.
        return local - timedelta(
            seconds=local.second if unit != "second" else 0, minutes=local.minute * (unit == "hour")
        )
    local = local.replace(hour=0, minute=0, second=0)
    if unit == "week":
        return (local.replace(tzinfo=None) - timedelta(days=local.weekday())).replace(tzinfo=zone)
    month = {"day": local.month, "month": local.month, "quarter": (local.month - 1) // 3 * 3 + 1, "year": 1}[unit]
    return local.replace(month=month, day=local.day if unit == "day" else 1, fold=0)


@settings(max_examples=400, deadline=None)
@given(
    row=MOMENTS, other=MOMENTS, zone=st.sampled_from(ZONES), unit=st.sampled_from(UNITS), sign=st.sampled_from(SIGNS)
)
def test_a_row_that_meets_the_comparison_is_in_the_range(
    row: datetime, other: datetime, zone: str, unit: str, sign: str
) -> None:
    place = ZoneInfo(zone)
    near = row + (other - START) / 500
    constant = truncated(near, unit, place).astimezone(UTC)
    day = near.astimezone(place).date()
    for sql, value, limit in (
        (
            f"date_trunc('{unit}', a.at) {sign} CAST('{constant.isoformat()}' AS TIMESTAMPTZ)",
            truncated(row, unit, place).astimezone(UTC),
            constant,
        ),
        (f"a.at::date {sign} CAST('{day}' AS DATE)", row.astimezone(place).date(), day),
    ):
        found = ranges(sql, zone)
        assert found
        if not holds({"at": value}, Predicate(column="at", operator=Operator(sign), value=limit)):
            continue
        for operator, bound in found:
            assert isinstance(bound, datetime)
            assert holds({"at": row}, Predicate(column="at", operator=Operator(operator), value=bound)), (sql, bound)
