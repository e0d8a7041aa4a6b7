"""Objects as tables: names, types, grades and paths from what `describe` says."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connectors.salesforce.objects import column_names, object_model, table_names
from connectors.sdk.grades import grade_of
from connectors.sdk.scan import Operator, Predicate, Value
from connectors.sdk.table import AccessPath, Grade


def field(name: str, kind: str, **said: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "nillable": True, "filterable": True, "sortable": True, **said}


DESCRIBED = {
    "name": "Invoice__c",
    "label": "Invoice",
    "fields": [
        field("Id", "id", nillable=False),
        field("Name", "string"),
        field("Account__c", "reference"),
        field("Total__c", "currency"),
        field("Ratio__c", "double", calculated=True),
        field("Weight__c", "double"),
        field("Note__c", "textarea", filterable=False, sortable=False),
        field("Tags__c", "multipicklist", sortable=False),
        field("File__c", "base64"),
        field("New__c", "hologram"),
        field("Name FROM User--", "string"),
        {"name": 5, "type": "string"},
    ],
}
MODEL = object_model(DESCRIBED, "invoice__c")
PATHS = {path.name: path for path in MODEL.table.access_paths}


def grade(path: AccessPath, column: str, operator: Operator, value: Value) -> Grade:
    return grade_of(path, Predicate(column=column, operator=operator, value=value))


def test_columns_are_fields_of_types_that_are_known() -> None:
    assert {column.name: column.type_name for column in MODEL.table.columns} == {
        "id": "text",
        "name": "text",
        "account__c": "text",
        "total__c": "numeric",
        "ratio__c": "numeric",
        "weight__c": "numeric",
        "note__c": "text",
        "tags__c": "text[]",
    }


def test_paths_are_by_identifier_by_query_by_count_and_by_reference() -> None:
    assert list(PATHS) == ["by_id", "query", "count", "bulk", "by_account__c"]
    assert PATHS["by_account__c"].batch == "account__c"
    assert PATHS["by_id"].single
    assert "account__c" not in PATHS["by_account__c"].operators
    # Currencies are sorted by what they are worth.
    assert set(PATHS["query"].order) == {"ratio__c", "weight__c"}


def test_fields_that_records_are_known_by_are_keys() -> None:
    fields = [
        field("Id", "id", nillable=False),
        field("Name", "string", idLookup=True),
        field("Erp__c", "string", externalId=True),
        field("Email__c", "email"),
        field("Hidden__c", "email", filterable=False),
        field("City", "string"),
        field("Number__c", "double", externalId=True),
    ]
    paths = object_model({"name": "Thing__c", "fields": fields}, "thing__c").table.access_paths
    assert [(path.name, path.batch_keys_max) for path in paths[4:]] == [
        ("by_name", 100),
        ("by_erp__c", 100),
        ("by_email__c", 100),
    ]


def test_grades_follow_from_types_and_properties() -> None:
    query = PATHS["query"]
    assert grade(query, "name", Operator.EQ, "Acme") is Grade.SUPERSET
    assert grade(query, "name", Operator.EQ, "") is Grade.NONE
    # 'ACME' is not 'Acme' here and is there, so that what is unequal there would be too little.
    assert grade(query, "name", Operator.NE, "Acme") is Grade.NONE
    assert grade(query, "name", Operator.LIKE, "Ac%") is Grade.SUPERSET
    assert grade(query, "name", Operator.LT, "Acme") is Grade.NONE
    assert grade(query, "name", Operator.IS_NULL, None) is Grade.EXACT
    assert grade(query, "account__c", Operator.EQ, "0015Y00002Zb1AQQAZ") is Grade.EXACT
    assert grade(query, "account__c", Operator.EQ, "0015Y00002Zb1AQ") is Grade.NONE
    # What is unequal there may be null.
    assert grade(query, "account__c", Operator.NE, "0015Y00002Zb1AQQAZ") is Grade.SUPERSET
    assert grade(query, "total__c", Operator.GE, 5) is Grade.EXACT
    assert grade(query, "ratio__c", Operator.GE, 5) is Grade.NONE
    assert grade(query, "note__c", Operator.EQ, "x") is Grade.NONE
    assert grade(query, "tags__c", Operator.CONTAINS, ("a", "b")) is Grade.SUPERSET
    assert grade(query, "tags__c", Operator.CONTAINS, ("a;b",)) is Grade.NONE
    assert grade(query, "name", Operator.IN, ("x" * 900,) * 30) is Grade.NONE


def test_names_are_snake_case_and_keep_their_suffix() -> None:
    names = ["AccountId", "SystemModstamp", "My_Field__c", "npe01__SYSTEMIsIndividual__c", "Is2FAUser", "URL__c"]
    assert column_names(names) == [
        "account_id",
        "system_modstamp",
        "my_field__c",
        "npe01__system_is_individual__c",
        "is2_fa_user",
        "url__c",
    ]
    assert table_names(["Case", "Invoice__c", "OrderItem"]) == {
        "Case": "cases",
        "Invoice__c": "invoice__c",
        "OrderItem": "order_item",
    }
    assert len(column_names(["A1" * 30 + "__c"])[0]) <= 63


@given(st.lists(st.text(alphabet="aAbB_1", min_size=1, max_size=6), unique_by=str.lower, max_size=8))
def test_names_of_columns_are_distinct(names: list[str]) -> None:
    assert len(set(column_names(names))) == len(names)
