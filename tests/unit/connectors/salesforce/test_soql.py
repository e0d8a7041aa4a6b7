"""SOQL as it is written: literals of every type, patterns, and what is not sent."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.salesforce import soql
from connectors.salesforce.soql import Kind, SoqlField
from connectors.sdk.errors import Fatal
from connectors.sdk.scan import Direction, Disjunction, Operator, Predicate, Value
from connectors.simulators.salesforce.soql import parse
from connectors.simulators.salesforce.soql.syntax import Comparison
from connectors.simulators.salesforce.soql.tokens import unescaped

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
ID = "0015Y00002Zb1AQQAZ"
CLAUSES: tuple[tuple[Kind, Operator, Value, str], ...] = (
    (Kind.TEXT, Operator.EQ, "O'Hara \\ Co", "F = 'O\\'Hara \\\\ Co'"),
    (Kind.TEXT, Operator.IN, ("a", 'b"'), "F IN ('a', 'b\"')"),
    (Kind.TEXT, Operator.LIKE, "50\\% of_%", "F LIKE '50\\% of%'"),
    (Kind.TEXT, Operator.ILIKE, "a\\_b\\c%", "F LIKE 'a\\_bc%'"),
    (Kind.TEXT, Operator.IS_NULL, None, "F = null"),
    (Kind.CHOICES, Operator.CONTAINS, ("a", "b'"), "F INCLUDES ('a;b\\'')"),
    (Kind.ID, Operator.NOT_IN, (ID,), f"F NOT IN ('{ID}')"),
    (Kind.BOOLEAN, Operator.EQ, True, "F = TRUE"),
    (Kind.BOOLEAN, Operator.NE, False, "F != FALSE"),
    (Kind.INTEGER, Operator.GE, -3, "F >= -3"),
    (Kind.NUMBER, Operator.LT, Decimal("1E+3"), "F < 1000"),
    (Kind.NUMBER, Operator.EQ, 1e-7, "F = 0.0000001"),
    (Kind.DAY, Operator.LE, date(2026, 1, 2), "F <= 2026-01-02"),
    (Kind.INSTANT, Operator.GT, MOMENT, "F >= 2026-01-02T03:04:05Z"),
    (Kind.INSTANT, Operator.LT, MOMENT, "F <= 2026-01-02T03:04:06Z"),
    (Kind.INSTANT, Operator.EQ, MOMENT, "F >= 2026-01-02T03:04:05Z AND F <= 2026-01-02T03:04:06Z"),
)


@pytest.mark.parametrize(("kind", "operator", "value", "written"), CLAUSES)
def test_predicates_have_one_form(kind: Kind, operator: Operator, value: Value, written: str) -> None:
    predicate = Predicate(column="f", operator=operator, value=value)
    assert soql.clause(SoqlField(name="F", kind=kind), predicate) == written


def test_a_query_says_where_nulls_go() -> None:
    field = SoqlField(name="Amount", kind=Kind.NUMBER)
    wanted = (Predicate(column="amount", operator=Operator.GT, value=5),)
    order = (("Amount", Direction.DESC), ("CloseDate", Direction.ASC))
    assert soql.query("Opportunity", ("Id", "Amount"), {"amount": field}, wanted, order, 3) == (
        "SELECT Id, Amount FROM Opportunity WHERE Amount > 5"
        " ORDER BY Amount DESC NULLS FIRST, CloseDate ASC NULLS LAST LIMIT 3"
    )


def test_or_is_in_parentheses_and_so_is_and_within_it() -> None:
    fields = {"a": SoqlField(name="A", kind=Kind.NUMBER), "at": SoqlField(name="At", kind=Kind.INSTANT)}
    one = Predicate(column="a", operator=Operator.NE, value=1)
    none = Predicate(column="a", operator=Operator.IS_NULL, value=None)
    at = Predicate(column="at", operator=Operator.EQ, value=MOMENT)
    text = soql.query("Thing", ("Id",), fields, (one, Disjunction(branches=((none,), (at,), (one, none)))))
    assert text == (
        "SELECT Id FROM Thing WHERE A != 1 AND (A = null"
        " OR (At >= 2026-01-02T03:04:05Z AND At <= 2026-01-02T03:04:06Z) OR (A != 1 AND A = null))"
    )
    assert parse(text).where is not None


@pytest.mark.parametrize(
    ("kind", "operator", "value"),
    [
        (Kind.TEXT, Operator.LT, 5),
        (Kind.TEXT, Operator.LIKE, "%"),
        (Kind.BOOLEAN, Operator.EQ, "true"),
        (Kind.NUMBER, Operator.EQ, "5 OR Id != null"),
        (Kind.DAY, Operator.EQ, MOMENT),
        (Kind.INSTANT, Operator.NE, MOMENT),
        (Kind.INSTANT, Operator.GT, "2026"),
    ],
)
def test_what_has_no_form_is_refused(kind: Kind, operator: Operator, value: Value) -> None:
    with pytest.raises(Fatal):
        soql.clause(SoqlField(name="F", kind=kind), Predicate(column="f", operator=operator, value=value))


@given(st.text())
def test_every_text_is_read_as_itself(text: str) -> None:
    found = parse(f"SELECT Id FROM A WHERE F = {soql.quoted(text)}").where
    assert isinstance(found, Comparison)
    assert unescaped(found.values[0].text) == text


@given(st.text(alphabet=st.sampled_from("ab%_\\'\"\n😀")), st.text(alphabet=st.sampled_from("ab%_\\'\"\n😀")))
def test_a_pattern_matches_whatever_postgresql_matches_by_it(pattern: str, text: str) -> None:
    written = soql.pattern(pattern)
    if written is None or not _matches(text, pattern):
        return
    pieces = re.findall(r"\\.|.", unescaped(written, in_pattern=True), re.DOTALL)
    sent = "".join(".*" if piece == "%" else re.escape(piece[-1]) for piece in pieces)
    assert re.fullmatch(sent, text, re.DOTALL)


def _matches(text: str, pattern: str) -> bool:
    """Match as PostgreSQL does."""
    pieces = re.findall(r"\\.|.", pattern, re.DOTALL)
    parts = {"%": ".*", "_": "."}
    return bool(re.fullmatch("".join(parts.get(each) or re.escape(each[-1]) for each in pieces), text, re.DOTALL))


@pytest.mark.parametrize("pattern", ["", "%", "%%", "_", "a\\\\b", "a\\", "x" * 1001])
def test_patterns_that_say_nothing_or_cannot_be_said_are_not_sent(pattern: str) -> None:
    assert soql.pattern(pattern) is None


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (ID, True),
        (ID.lower(), False),
        (ID[:15], False),
        (ID[:17] + "0", False),
        ("", False),
        (f"{ID}\n", False),
        ("001" + "0" * 12 + "AAA", True),
        (5, False),
    ],
)
def test_identifiers_are_known_by_their_check(value: Value, taken: bool) -> None:
    assert soql.is_id(value) is taken


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        (0, True),
        (Decimal("123456789012.345"), True),
        (Decimal("1234567890123.4567"), False),
        (10**15, False),
        (float("nan"), False),
        (True, False),
        (Decimal("NaN"), False),
        (Decimal("1E-19"), False),
        ("5", False),
    ],
)
def test_numbers_are_sent_if_they_read_alike(value: Value, taken: bool) -> None:
    assert soql.is_number(value) is taken


@pytest.mark.parametrize("year", [1, 1969, 1970, 4001, 9999])
def test_years_that_are_read_otherwise_are_not_sent(year: int) -> None:
    assert not soql.is_day(date(year, 1, 2))
    assert not soql.is_instant(datetime(year, 1, 2, tzinfo=UTC))
    assert soql.is_day(date(2026, 1, 2))
    assert soql.is_instant(MOMENT)
