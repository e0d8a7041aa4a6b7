"""EXPLAIN's answer, word for word, from plans built by hand."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from authorized import shown_by
from explained import ISSUES, PATH, api_scan, query_plan, report

from connectors.sdk.misfits import Misfit
from connectors.sdk.scan import Direction, Operator, Predicate, SortKey, Value
from connectors.sdk.table import Grade
from omnisql_server.model.mask import Mask, MaskKind
from omnisql_server.model.plan import Pushed, ScanNotes, ScanPlan
from omnisql_server.model.statistics import Origin, Statistic
from omnisql_server.plan.explain import explain_json, explain_text
from omnisql_server.plan.predicate_texts import predicate_text

ROOT = Path(__file__).parents[3]


def test_scan_shows_its_requests_and_why_conditions_stay_here() -> None:
    lines = explain_text(query_plan(ISSUES), "duckdb", "every part is proved", None)
    assert (
        "\n".join(lines)
        == """\
Query
  Engine: duckdb (every part is proved)
  API Calls: minimum 1, expected 10, maximum ?
  ->  API Scan on github.issues i
        Source: acme_github (connector github)
        Access Path: by_repository, GET /repos/{owner}/{repo}/issues
        Columns: title, created_at
        Keys: owner = 'acme', repo = 'web'
        Pushed: state = 'open' (exact)
        Not Pushed: "i"."title" LIKE '%x%': the API cannot evaluate this literal
        Limit: not pushed: a condition has to be evaluated after the fetch
        Rows: expected 900 for each combination of keys (a guess, nothing was observed)
        API Calls: minimum 1, expected 10, maximum ?"""
    )


def test_analyze_adds_what_happened() -> None:
    second = replace(ISSUES, scan_name="scan_1", pushed=(), not_pushed=(), limit_reason="", calls_max=4)
    reports = {
        "scan_0": report(),
        "scan_1": report(scan_name="scan_1", complete=False, incomplete_reason="only 1000 results", revalidated=0),
    }
    lines = explain_text(query_plan(ISSUES, second), "postgres", "a window", reports, costs_shown=False)
    assert (
        "\n".join(lines)
        == """\
Query
  Engine: postgres (a window)
  Spent: 6 API calls
  Spent: 4 points of limit core as declared (source acme_github)
  ->  API Scan on github.issues i  (actual time=41.500 ms rows=200 requests=3)
        Source: acme_github (connector github)
        Access Path: by_repository, GET /repos/{owner}/{repo}/issues
        Columns: title, created_at
        Keys: owner = 'acme', repo = 'web'
        Pushed: state = 'open' (exact)
        Not Pushed: "i"."title" LIKE '%x%': the API cannot evaluate this literal
        Limit: not pushed: a condition has to be evaluated after the fetch
        Requests: 3 made, 1 of them answered by 304
        Spent: 3 API calls of GET /repos/{owner}/{repo}/issues, 2 points of limit core as declared
        Pages: 3, 12345 bytes
        Rows: 250 fetched, 200 returned
        Complete: yes
  ->  API Scan on github.issues  (actual time=41.500 ms rows=200 requests=3)
        Source: acme_github (connector github)
        Access Path: by_repository, GET /repos/{owner}/{repo}/issues
        Columns: title, created_at
        Keys: owner = 'acme', repo = 'web'
        Requests: 3 made, 0 of them answered by 304
        Spent: 3 API calls of GET /repos/{owner}/{repo}/issues, 2 points of limit core as declared
        Pages: 3, 12345 bytes
        Rows: 250 fetched, 200 returned
        Complete: no: only 1000 results"""
    )


def test_scan_without_request_says_why() -> None:
    empty = replace(
        ISSUES, scans=(), pushed=(), not_pushed=(), limit_reason="", calls_min=0, calls_expected=0, calls_max=0,
        empty="no value of state satisfies every condition on it",
    )  # fmt: skip
    lines = explain_text(query_plan(empty, sql=None), "duckdb", "proved", None)
    assert lines[2:] == (
        "  API Calls: minimum 0, expected 0, maximum 0",
        "  ->  API Scan on github.issues",
        "        Source: acme_github (connector github)",
        "        No Request: no value of state satisfies every condition on it",
        "        API Calls: minimum 0, expected 0, maximum 0",
    )


def test_key_combinations_are_counted_and_the_first_shown() -> None:
    many = replace(ISSUES, columns=(), scans=api_scan(tuple(f"r{number}" for number in range(7))), pushed=())
    lines = explain_text(query_plan(many), "duckdb", "proved", None)
    assert lines[6:14] == (
        "        Columns: none, rows are counted",
        "        Key Combinations: 7",
        "          owner = 'acme', repo = 'r0'",
        "          owner = 'acme', repo = 'r1'",
        "          owner = 'acme', repo = 'r2'",
        "          owner = 'acme', repo = 'r3'",
        "          owner = 'acme', repo = 'r4'",
        "          and 2 more",
    )


def test_batched_key_shows_its_first_values() -> None:
    batch = replace(ISSUES, scans=api_scan((tuple(f"r{number}" for number in range(7)),)))
    lines = explain_text(query_plan(batch), "duckdb", "proved", None)
    assert lines[7] == "        Keys: owner = 'acme', repo IN ('r0', 'r1', 'r2', 'r3', 'r4' and 2 more)"


def test_pushed_order_and_limit_are_shown() -> None:
    order = (SortKey(column="created_at", direction=Direction.DESC),)
    top = replace(ISSUES, scans=api_scan(("web",), order, 10), limit=10, limit_reason="", not_pushed=(), calls_max=1)
    lines = explain_text(query_plan(top), "duckdb", "proved", None)
    assert lines[9:] == (
        "        Order: created_at DESC (pushed)",
        "        Limit: 10 (pushed)",
        "        Rows: expected 900 for each combination of keys (a guess, nothing was observed)",
        "        API Calls: minimum 1, expected 10, maximum 1",
    )


def filtered() -> ScanPlan:
    secret = Pushed(
        predicate=Predicate(column="state", operator=Operator.IN, value=("hidden-a", "hidden-b")),
        grade=Grade.SUPERSET,
        policy="rows-by-team",
    )
    return replace(
        ISSUES,
        scans=api_scan(("hidden-c", "hidden-d")),
        pushed=(secret,),
        not_pushed=(),
        limit_reason="",
        filters=(
            shown_by("state", "hidden-a", "hidden-b", policy="rows-by-team"),
            shown_by("repo", "hidden-c", "hidden-d", policy="own-repos"),
        ),
        masks={"title": Mask(policy="no-titles", kind=MaskKind.REDACT)},
    )


def test_policy_is_named_and_its_values_are_not_shown() -> None:
    lines = explain_text(query_plan(filtered()), "duckdb", "proved", None)
    assert lines[6:] == (
        "        Columns: title, created_at",
        "        Key Combinations: 2",
        "          owner = 'acme', repo by policy own-repos",
        "        Pushed: policy rows-by-team (superset)",
        "        Row Filter: policy rows-by-team",
        "        Row Filter: policy own-repos",
        "        Masked: title by policy no-titles",
        "        Rows: not told, for policy may hide some",
        "        API Calls: minimum 1, expected 10, maximum ?",
    )
    assert "hidden" not in explain_json(query_plan(filtered()), "duckdb", "proved", {"scan_0": report()})


ACTUAL = {
    "Actual Access Path": "by_repository",
    "Actual Requests": 3,
    "Actual Revalidated": 1,
    "Actual Spending": [
        {
            "Request": "GET /repos/{owner}/{repo}/issues",
            "Calls": 3,
            "Quota Points": [{"Limit": "core", "Points": 2, "Answers": 3, "Told By Answers": 0}],
        }
    ],
    "Actual Pages": 3,
    "Actual Bytes": 12345,
    "Actual Rows Fetched": 250,
    "Actual Rows Returned": 200,
    "Actual Rows Hydrated": None,
    "Actual Time (ms)": 41.5,
    "Actual Cache Hits": 0,
    "Actual Calls Saved": 0,
    "Actual Age (ms)": 0.0,
    "Cache Note": None,
    "Stale": None,
    "Complete": True,
    "Incomplete Reason": None,
    "Misfits": {},
}
"""What `report` says, as JSON."""


def test_json_is_one_document_with_a_plan() -> None:
    document = explain_json(query_plan(ISSUES), "duckdb", "proved", {"scan_0": report()})
    assert document.startswith('[\n  {\n    "Plan": {\n      "Node Type": "Query",')
    assert json.loads(document) == [
        {
            "Plan": {
                "Node Type": "Query",
                "Engine": "duckdb",
                "Engine Reason": "proved",
                "Streamed": False,
                "Minimum API Calls": 1,
                "Expected API Calls": 10,
                "Maximum API Calls": None,
                "Actual API Calls": 3,
                "Actual Quota Points": [
                    {"Source": "acme_github", "Limit": "core", "Points": 2, "Answers": 3, "Told By Answers": 0}
                ],
                "Plans": [
                    {
                        "Node Type": "API Scan",
                        "Schema": "github",
                        "Relation Name": "issues",
                        "Alias": "i",
                        "Source": "acme_github",
                        "Connector": "github",
                        "Access Path": "by_repository",
                        "Request": "GET /repos/{owner}/{repo}/issues",
                        "Columns": ["title", "created_at"],
                        "Key Combinations": 1,
                        "Keys": ["owner = 'acme', repo = 'web'"],
                        "Pushed": [{"Condition": "state = 'open'", "Grade": "exact", "Policy": None}],
                        "Not Pushed": [
                            {
                                "Condition": '"i"."title" LIKE \'%x%\'',
                                "Reason": "the API cannot evaluate this literal",
                            }
                        ],
                        "Row Filters": [],
                        "Masked": {},
                        "Order": [],
                        "Limit": None,
                        "Limit Not Pushed": "a condition has to be evaluated after the fetch",
                        "Minimum API Calls": 1,
                        "Expected API Calls": 10,
                        "Maximum API Calls": None,
                        "Expected Rows": 900,
                        "Statistic": None,
                        **ACTUAL,
                    }
                ],
            }
        }
    ]


def test_statistics_say_where_the_expected_rows_come_from() -> None:
    seen = Statistic(
        rows=7.25, pages=1, calls=1, latency_ms=50, sightings=3, seen_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    )

    def rows_line(statistic: Statistic) -> str:
        lines = explain_text(query_plan(replace(ISSUES, statistic=statistic, rows_expected=7.25)), "duckdb", "", None)
        return lines[-2].strip()

    expected = "Rows: expected 7.2 for each combination of keys"
    assert rows_line(seen) == f"{expected} (observed 3 times, last at 2026-01-02 03:04)"
    assert rows_line(replace(seen, sightings=1)) == f"{expected} (observed once, last at 2026-01-02 03:04)"
    assert rows_line(replace(seen, origin=Origin.SOURCE, stale=True)) == (
        f"{expected} (the source's total, last at 2026-01-02 03:04, stale)"
    )
    shown = json.loads(explain_json(query_plan(replace(ISSUES, statistic=seen)), "duckdb", "", None))
    assert shown[0]["Plan"]["Plans"][0]["Statistic"] == {
        "Origin": "observed",
        "Sightings": 3,
        "Seen At": "2026-01-02T03:04:00+00:00",
        "Stale": False,
    }


def test_a_key_join_shows_when_it_is_given_up_and_whether_it_was() -> None:
    full = replace(ISSUES, path=replace(PATH, name="all", request="GET /issues"), calls_expected=9)
    keyed = replace(ISSUES, otherwise=full)
    lines = explain_text(query_plan(keyed), "duckdb", "", {"scan_0": report(access_path="all")})
    assert "        Otherwise: all, GET /issues, if the keys need more than 9 API calls" in lines
    assert "        Read By: all, once the keys were known" in lines
    shown = json.loads(explain_json(query_plan(keyed), "duckdb", "", None))
    assert shown[0]["Plan"]["Plans"][0]["Otherwise"] == {"Access Path": "all", "Expected API Calls": 9}


def test_json_hides_costs_when_asked() -> None:
    assert "API Calls" not in explain_json(query_plan(ISSUES), "duckdb", "proved", None, costs_shown=False)


@pytest.mark.parametrize(
    ("column", "operator", "value", "text"),
    [
        ("state", Operator.EQ, "it's", "state = 'it''s'"),
        ("path", Operator.LIKE, "a\\_b%", "path LIKE E'a\\\\_b%'"),
        ("state", Operator.NOT_IN, ("a", "b"), "state NOT IN ('a', 'b')"),
        ("number", Operator.IN, (1, 2), "number IN (1, 2)"),
        ("labels", Operator.CONTAINS, ("bug", "ui"), "labels @> ARRAY['bug', 'ui']"),
        ("closed_at", Operator.IS_NOT_NULL, None, "closed_at IS NOT NULL"),
        ("locked", Operator.EQ, True, "locked = true"),
        ("Story Points", Operator.GE, Decimal("-1.5"), '"Story Points" >= -1.5'),
        ("score", Operator.LT, float("inf"), "score < 'inf'"),
        ("due", Operator.NE, date(2026, 2, 3), "due <> '2026-02-03'"),
        ("at", Operator.GT, datetime(2026, 2, 3, 4, 5, tzinfo=UTC), "at > '2026-02-03 04:05:00+00'"),
        ("at", Operator.LE, datetime(2026, 2, 3, 4, 0), "at <= '2026-02-03 04:00:00'"),  # noqa: DTZ001 - a timestamp
        ("state", Operator.EQ, None, "state = NULL"),
    ],
)
def test_predicate_reads_as_sql(column: str, operator: Operator, value: Value, text: str) -> None:
    assert predicate_text(Predicate(column=column, operator=operator, value=value)) == text


def test_what_earlier_fetches_answer_is_told() -> None:
    notes = {"scan_0": ScanNotes(cache="answers nothing", quota=("core: 4812 of 5000 left, no wait",))}
    lines = explain_text(query_plan(ISSUES), "duckdb", "proved", None, notes=notes)
    assert lines[-2:] == ("        Cache: answers nothing", "        Quota: core: 4812 of 5000 left, no wait")
    facts = json.loads(explain_json(query_plan(ISSUES), "duckdb", "proved", None, notes=notes))[0]["Plan"]["Plans"][0]
    assert (facts["Cache"], facts["Quota"]) == ("answers nothing", ["core: 4812 of 5000 left, no wait"])
    misfits = (Misfit(column="title", count=3, example="title, row 2 of its page"),)
    used = replace(report(), cache_hits=2, calls_saved=7, age_ms=1500.0, cache_note="shared", stale="it is down")
    used = replace(used, misfits=misfits)
    lines = explain_text(query_plan(ISSUES), "duckdb", "proved", {"scan_0": used})
    assert "        Cache: 2 earlier answers used, 7 requests saved, age 1.5 s (shared)" in lines
    assert "        Stale: it is down" in lines
    assert "        Misfits: 3 values of title are null, the first at title, row 2 of its page" in lines


def test_every_kind_of_line_is_explained_in_the_documentation() -> None:
    modules = (ROOT / "omnisql_server" / "plan").glob("explain*.py")
    written = "".join(module.read_text(encoding="utf-8") for module in sorted(modules))
    kinds = set(re.findall(r'(?:yield|lines.append\()\s*\(?\s*f?"(?:\{_INDENT\})?\s*([A-Z][A-Za-z ]+):', written))
    assert {"Source", "Keys", "Otherwise", "Hydrated", "Quota", "Spent", "Stale", "Complete"} <= kinds
    explained = (ROOT / "docs" / "planner.md").read_text(encoding="utf-8")
    told = {name for row in re.findall(r"^\| ([A-Z][^|]*) \|", explained, re.MULTILINE) for name in row.split(", ")}
    assert kinds - told == set()
