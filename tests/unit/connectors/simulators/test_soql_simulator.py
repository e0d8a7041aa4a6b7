"""SOQL in the simulator: what it takes, what it refuses with which code, and what it finds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.simulators.salesforce.identifiers import full_id, record_id
from connectors.simulators.salesforce.schema import schema
from connectors.simulators.salesforce.soql import SoqlError, chosen, parse

ACCOUNT = schema()["account"]
FIRST, SECOND, THIRD = (record_id("001", number) for number in range(3))


def record(identifier: str, **fields: Any) -> dict[str, Any]:
    return {**{field.name: None for field in ACCOUNT.fields.values()}, "Id": identifier, "IsDeleted": False, **fields}


RECORDS = [
    record(
        FIRST,
        Name="Acme",
        NumberOfEmployees=5,
        Regions__c="APAC;EMEA",
        Contract_End__c="2026-01-02",
        CreatedDate="2026-01-02T03:04:05.000+0000",
    ),
    record(SECOND, Name="ACME", NumberOfEmployees=50, Regions__c="EMEA", OwnerId=record_id("005", 1)),
    record(THIRD, Name="50% o'f", Score__c=0.5),
    record(record_id("001", 3), Name="deleted", IsDeleted=True),
]


def found(where: str, rest: str = "") -> list[int]:
    query = parse(f"SELECT Id FROM Account WHERE {where} {rest}")
    identifiers = [each["Id"] for each in chosen(query, ACCOUNT, RECORDS)]
    return [(FIRST, SECOND, THIRD).index(each) + 1 for each in identifiers]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("Name = 'acme'", [1, 2]),
        ("name != 'acme'", [3]),
        ("Name LIKE 'a_m%'", [1, 2]),
        ("Name LIKE '50\\%%'", [3]),
        ("Name = '50% o\\'f'", [3]),
        ("Name IN ('Acme', 'x') AND NumberOfEmployees > 5", [2]),
        ("NumberOfEmployees != 5", [2, 3]),
        ("NumberOfEmployees NOT IN (5)", [2, 3]),
        ("NumberOfEmployees < 50", [1]),
        ("NumberOfEmployees = null OR NumberOfEmployees = 5", [1, 3]),
        ("NOT (NumberOfEmployees = null OR NumberOfEmployees = 5)", [2]),
        ("Industry = ''", [1, 2, 3]),
        ("Regions__c INCLUDES ('apac;emea', 'AMER')", [1]),
        ("Regions__c EXCLUDES ('APAC')", [2, 3]),
        (f"Id = '{FIRST[:15]}'", [1]),
        (f"Id IN ('{FIRST.lower()}', '{THIRD}')", [1, 3]),
        ("Contract_End__c >= 2026-01-02", [1]),
        ("CreatedDate < 2026-01-02T04:04:06+01:00", [1]),
        ("IsDeleted = FALSE", [1, 2, 3]),
        ("Score__c = 0.50", [3]),
    ],
)
def test_conditions_find_what_the_reference_says(where: str, expected: list[int]) -> None:
    assert found(where) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("ORDER BY NumberOfEmployees", [3, 1, 2]),
        ("ORDER BY NumberOfEmployees DESC", [3, 2, 1]),
        ("ORDER BY NumberOfEmployees ASC NULLS LAST", [1, 2, 3]),
        ("ORDER BY NumberOfEmployees DESC NULLS LAST, Name", [2, 1, 3]),
        ("ORDER BY Name LIMIT 2 OFFSET 1", [1, 2]),
    ],
)
def test_nulls_come_first_unless_it_is_said_otherwise(order: str, expected: list[int]) -> None:
    assert found("Id != null", order) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT * FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'a' OR Name = 'b' AND Name = 'c'", "MALFORMED_QUERY"),
        ('SELECT Id FROM Account WHERE Name = "a"', "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'a\\qb'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Name = 'a", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE NumberOfEmployees BETWEEN 1 AND 2", "MALFORMED_QUERY"),
        ("SELECT Id, id FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account LIMIT -1", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("SELECT Nope FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE NumberOfEmployees = '5'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE CreatedDate > 2026-01-02", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Contract_End__c > 4001-01-02", "INVALID_FIELD"),
        ("SELECT Id FROM Account ORDER BY Regions__c", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id = 'nope'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE Id LIKE '001%'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE Industry LIKE 'B%'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account WHERE Name INCLUDES ('B')", "INVALID_QUERY_FILTER_OPERATOR"),
        (f"SELECT Id FROM Account WHERE Name IN ({', '.join(['1'] * 40_000)})", "MALFORMED_QUERY"),
    ],
)
def test_what_is_no_query_is_refused_with_its_code(text: str, code: str) -> None:
    with pytest.raises(SoqlError) as raised:
        chosen(parse(text), ACCOUNT, RECORDS)
    assert raised.value.code == code


@given(st.text(alphabet="SELECT idFROMWHER'\\(),=<>!1%_.-Z\n"))
def test_any_text_is_a_query_or_refused(text: str) -> None:
    for written in (text, f"SELECT Id FROM Account WHERE {text}"):
        try:
            parse(written)
        except SoqlError:
            continue


@given(st.integers(min_value=0, max_value=10**9))
def test_identifiers_are_told_by_either_form(number: int) -> None:
    identifier = record_id("001", number)
    assert full_id(identifier[:15]) == full_id(identifier.upper()) == identifier
    assert full_id(identifier[:14]) is None
