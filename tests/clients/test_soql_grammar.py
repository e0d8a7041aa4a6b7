"""Every query that the Salesforce connector can write, read by a parser of SOQL that others wrote."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from client_programs import soql_parser

from connectors.salesforce import soql
from connectors.salesforce.objects import ObjectModel, object_model
from connectors.salesforce.requests import count, rows
from connectors.salesforce.standard import MODELS
from connectors.sdk.grades import grade_of
from connectors.sdk.request import Request
from connectors.sdk.scan import Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import AccessPath, Grade

pytestmark = pytest.mark.clients

ID = "00500000012ShBMAA0"
CUSTOM = object_model(
    {
        "name": "Invoice__c",
        "fields": [
            {"name": "Id", "type": "id", "nillable": False, "filterable": True, "sortable": True},
            *(
                {"name": f"F_{kind}__c", "type": kind, "filterable": True, "sortable": True}
                for kind in ("string", "textarea", "picklist", "multipicklist", "double", "int", "date", "datetime")
            ),
        ],
    },
    "invoice__c",
)
SAMPLES: dict[str, list[Value]] = {
    "text": [ID, "Acme", "% two words", "a_c%", "' OR Name != '", "\\", "\\' --", 'quote " and \n and \x07 \U0001f600'],
    "text[]": [("red",), ("it's", 'a "b"')],
    "bool": [True, False],
    "int4": [0, -3, 2**31 - 1],
    "numeric": [Decimal("1E+3"), Decimal("-0.005"), 7, 1e-7, 123456789.25],
    "timestamptz": [datetime(2026, 1, 2, 3, 4, 5, 600_700, tzinfo=UTC)],
    "date": [date(2026, 1, 2)],
}


def scans(model: ObjectModel) -> Iterator[Scan]:
    """Every access path but counting, alone, with each pushdown, each order and a limit."""
    columns = tuple(column.name for column in model.table.columns)
    for path in model.table.access_paths:
        if path.counts:
            continue
        bare = Scan(
            table=model.table.name, access_path=path.name, columns=columns, keys=dict.fromkeys(path.keys, (ID, ID))
        )
        yield bare
        yield replace(bare, limit=3)
        yield from (replace(bare, predicates=(predicate,)) for predicate in predicates(model, path))
        for column, directions in path.order.items():
            yield from (replace(bare, order=(SortKey(column=column, direction=each),)) for each in sorted(directions))


def predicates(model: ObjectModel, path: AccessPath) -> Iterator[Predicate]:
    for name, operators in path.operators.items():
        for operator in operators:
            for sample in SAMPLES[model.table.column(name).type_name]:
                value: Value = (sample, sample) if operator in {Operator.IN, Operator.NOT_IN} else sample
                value = None if operator in {Operator.IS_NULL, Operator.IS_NOT_NULL} else value
                predicate = Predicate(column=name, operator=operator, value=value)
                if grade_of(path, predicate) is not Grade.NONE:
                    yield predicate


def text_of(request: Request) -> str:
    return dict(request.parameters)["q"]


def parsed(texts: list[str]) -> list[dict[str, Any]]:
    program = Path(__file__).with_name("soql_parser.mjs")
    done = subprocess.run(
        ["node", str(program)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        cwd=soql_parser(),
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return answers


def test_every_query_is_read_as_the_one_that_was_meant() -> None:
    expected: dict[str, tuple[str, int]] = {}
    for model in (*MODELS.values(), CUSTOM):
        expected[text_of(count(model, "66.0"))] = (model.name, 0)
        for scan in scans(model):
            clauses = sum(
                2
                if predicate.operator is Operator.EQ and model.fields[predicate.column].kind is soql.Kind.INSTANT
                else 1
                for predicate in scan.predicates
            )
            expected[text_of(rows(model, scan, "66.0"))] = (model.name, clauses + len(scan.keys))
    assert len(expected) > 1000
    wrong = [
        (text, answer)
        for (text, meant), answer in zip(expected.items(), parsed(list(expected)), strict=True)
        if (answer.get("object"), len(answer.get("conditions", ()))) != meant
    ]
    assert wrong == []


def test_the_parser_refuses_what_is_no_soql() -> None:
    answers = parsed(["SELECT * FROM Account", "SELECT Id FROM Account WHERE Amount BETWEEN 1 AND 2", "SELECT Id"])
    assert all("error" in answer for answer in answers)
