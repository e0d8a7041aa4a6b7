"""What requests took of rate limits, as EXPLAIN (ANALYZE) tells it: by kind of request, in all, and who says so."""

from __future__ import annotations

import json
from dataclasses import replace

import yaml
from explained import ISSUES, query_plan, report

from connectors.sdk.connector import RequestRecord
from connectors.sdk.request import Charge
from omnisql_server.model.plan import ScanNotes
from omnisql_server.model.spending import Spending, Spent, spent_together
from omnisql_server.plan.explain import explain_json, explain_text
from omnisql_server.plan.explain_formats import ExplainFormat, in_format


def record(template: str, *charges: Charge, method: str = "GET") -> RequestRecord:
    return RequestRecord(
        method=method,
        template=template,
        status=200,
        duration_ms=1.0,
        bytes_received=1,
        attempt=1,
        revalidated=False,
        charges=charges,
    )


def spent(*records: RequestRecord) -> tuple[Spent, ...]:
    spending = Spending()
    for each in records:
        spending.request(each)
    return spending.spent


LISTED = spent(
    record("/repos/{owner}/{repo}/pulls", Charge(limit="core", points=1)),
    record("/repos/{owner}/{repo}/pulls", Charge(limit="core", points=0)),
    record("/graphql", Charge(limit="graphql", points=3, told=True), Charge(limit="pace", points=1), method="POST"),
    record("/graphql", Charge(limit="graphql", points=1, told=True), Charge(limit="pace", points=1), method="POST"),
)
ASKED = spent(
    record("/graphql", Charge(limit="graphql", points=1, told=True), method="POST"),
    record("/graphql", Charge(limit="graphql", points=2), method="POST"),
)
BY_STATEMENT = spent(record("SELECT id FROM t", method="SQL"))
ELSEWHERE = replace(ISSUES, scan_name="scan_1")
REPORTS = {
    "scan_0": report(requests=4, spent=LISTED),
    "scan_1": report(scan_name="scan_1", requests=2, spent=ASKED),
    "scan_2": report(scan_name="scan_2", source="books", requests=1, spent=BY_STATEMENT),
}
PLAN = query_plan(ISSUES, ELSEWHERE, replace(ISSUES, scan_name="scan_2"))


def test_each_kind_of_request_tells_its_calls_and_points_and_all_of_them_stand_above() -> None:
    lines = [line.strip() for line in explain_text(PLAN, "duckdb", "proved", REPORTS, costs_shown=False)]
    assert [line for line in lines if line.startswith("Spent:")] == [
        "Spent: 7 API calls",
        "Spent: 1 point of limit core as declared (source acme_github)",
        "Spent: 7 points of limit graphql, 3 of 4 answers told (source acme_github)",
        "Spent: 2 points of limit pace as declared (source acme_github)",
        "Spent: 2 API calls of GET /repos/{owner}/{repo}/pulls, 1 point of limit core as declared",
        "Spent: 2 API calls of POST /graphql, 4 points of limit graphql as told, 2 points of limit pace as declared",
        "Spent: 2 API calls of POST /graphql, 3 points of limit graphql, 1 of 2 answers told",
        "Spent: 1 API call of SQL SELECT id FROM t",
    ]


def test_before_it_has_run_nothing_is_spent() -> None:
    assert not [line for line in explain_text(PLAN, "duckdb", "proved", None) if "Spent" in line]
    assert "Actual" not in explain_json(PLAN, "duckdb", "proved", None)


def test_programs_are_told_the_same_in_every_format() -> None:
    document = explain_json(PLAN, "duckdb", "proved", REPORTS)
    root = json.loads(document)[0]["Plan"]
    assert root["Actual API Calls"] == 7
    points = [(each["Source"], each["Limit"], each["Points"], each["Told By Answers"], each["Answers"])
              for each in root["Actual Quota Points"]]  # fmt: skip
    assert points == [
        ("acme_github", "core", 1, 0, 2),
        ("acme_github", "graphql", 7, 3, 4),
        ("acme_github", "pace", 2, 0, 2),
    ]
    assert root["Plans"][1]["Actual Spending"] == [
        {
            "Request": "POST /graphql",
            "Calls": 2,
            "Quota Points": [{"Limit": "graphql", "Points": 3, "Answers": 2, "Told By Answers": 1}],
        }
    ]
    in_yaml = yaml.safe_load(in_format(document, ExplainFormat.YAML))[0]["Plan"]
    assert in_yaml["Actual Quota Points"] == root["Actual Quota Points"]
    assert in_yaml["Plans"][1]["Actual Spending"] == root["Plans"][1]["Actual Spending"]
    xml = in_format(document, ExplainFormat.XML)
    assert "<Actual-API-Calls>7</Actual-API-Calls>" in xml
    assert "<Told-By-Answers>3</Told-By-Answers>" in xml


def test_what_is_left_and_when_it_is_whole_again_stands_below_what_was_spent() -> None:
    notes = {"scan_0": ScanNotes(quota=("core: 4812 of 5000 left, reset in 60 s, no wait",))}
    lines = explain_text(query_plan(ISSUES), "duckdb", "proved", {"scan_0": report()}, notes=notes)
    assert lines[-2:] == (
        "        Complete: yes",
        "        Quota: core: 4812 of 5000 left, reset in 60 s, no wait",
    )


def test_what_was_spent_in_two_places_is_one_sum() -> None:
    (together,) = spent_together((*ASKED, *ASKED))
    assert (together.calls, together.limits["graphql"].points, together.limits["graphql"].told) == (4, 6, 2)
