"""What EXPLAIN tells of rate limits of which a request takes more than a point, or which are not the source's own."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from explained import ISSUES, PATH, TABLE, api_scan, query_plan

from connectors.sdk.complexity import Complexity
from connectors.sdk.table import AccessPath, Column, Hydration
from omnisql_server.model.plan import DeferredKey, ScanPlan
from omnisql_server.plan.explain import explain_json, explain_text
from omnisql_server.plan.paths import choose_path
from omnisql_server.plan.points import Points, points_of

DEAR = replace(PATH, cost=3)
APART = replace(PATH, pays="search")
DETAILED = replace(
    TABLE,
    columns=(
        *TABLE.columns,
        Column(name="additions", type_name="int4", path="additions", hydrate="detail"),
        Column(name="reviews", type_name="int4", path="reviews", hydrate="reviews"),
    ),
    hydrations={"detail": Hydration(inputs=("owner",), rows_max=50, pays="graphql")},
)
HYDRATED = replace(
    ISSUES, table=DETAILED, columns=("title", "additions"), calls_per_row=0.02, calls_expected=9 + 18, rows_expected=900
)
"""900 rows: nine pages, and a query for 50 of them."""


def points(limit: str, least: int, expected: int, most: int | None) -> Points:
    return Points(limit=limit, points_min=least, points_expected=expected, points_max=most)


def on(path: AccessPath, **changes: Any) -> ScanPlan:
    return replace(ISSUES, path=path, **changes)


@pytest.mark.parametrize(
    ("scan", "expected"),
    [
        (ISSUES, ()),
        (on(replace(PATH, pays="requests")), ()),
        (on(DEAR), (points("requests", 3, 30, None),)),
        (on(APART, calls_max=10), (points("search", 1, 10, 10),)),
        (on(replace(PATH, cost=2, pays="graphql"), calls_max=1, calls_expected=1), (points("graphql", 2, 2, 2),)),
        (on(DEAR, calls_min=0, calls_expected=0, calls_max=0), (points("requests", 0, 0, 0),)),
        (HYDRATED, (points("graphql", 0, 18, None),)),
        # A limit that is pushed bounds both.
        (
            replace(HYDRATED, scans=api_scan(("web",), limit=50), limit=50, calls_expected=2, calls_max=2, path=DEAR),
            (points("requests", 3, 3, 3), points("graphql", 0, 1, 1)),
        ),
        # What is listed and what is filled in may count against one limit.
        (replace(HYDRATED, path=replace(PATH, pays="graphql")), (points("graphql", 1, 27, None),)),
        # One column is filled for 50 rows at once, the other for each row by the source's own limit.
        (
            replace(HYDRATED, columns=("additions", "reviews"), calls_per_row=1.02, calls_expected=9 + 918),
            (points("graphql", 0, 18, None),),
        ),
        # How many keys there will be is expected; of their calls the same part is for single rows.
        (
            replace(
                HYDRATED,
                scans=(),
                deferred=(DeferredKey(column="repo", scan_name="s", attribute="a", relation_name="r"),),
                calls_min=0,
                calls_expected=10 * 27,
            ),
            (points("graphql", 0, 180, None),),
        ),
    ],
)
def test_points_are_told_where_calls_do_not_tell_them(scan: ScanPlan, expected: tuple[Points, ...]) -> None:
    assert points_of(scan) == expected


COUNTED = replace(
    PATH,
    batch="repo",
    batch_keys_max=20,
    complexity=Complexity(
        limit="complexity",
        always={"row": 1.0, "repo": 0.1},
        fields={"title": {"title": 0.1}, "state": {"state": 1.0, "state/name": 0.1}, "repo": {"repo": 0.1}},
        points_max=200,
    ),
)
"""1.2 points for a title, 2.3 with its state: 86 rows of that fit into one request."""


@pytest.mark.parametrize(
    ("scan", "expected"),
    [
        (on(COUNTED, columns=("title",)), points("complexity", 120, 1200, None)),
        (on(COUNTED, columns=("title", "repo"), calls_max=10), points("complexity", 120, 1200, 1200)),
        (on(replace(COUNTED, page_rows_max=86), columns=("title", "state")), points("complexity", 198, 1980, None)),
        # A limit makes pages small.
        (
            on(COUNTED, columns=("title",), scans=api_scan(("web",), limit=5), calls_expected=1, calls_max=1, limit=5),
            points("complexity", 6, 6, 6),
        ),
        # One row at most for each key: the first reading asks for two of them, the other for one.
        (
            on(
                replace(COUNTED, single=True),
                columns=("title",),
                scans=api_scan((("web", "api"), "docs")),
                calls_min=2,
                calls_expected=2,
                calls_max=2,
            ),
            points("complexity", 3 + 2, 3 + 2, 3 + 2),
        ),
        # Keys that are not known yet come in full batches.
        (
            on(
                replace(COUNTED, single=True),
                columns=("title",),
                scans=(),
                deferred=(DeferredKey(column="repo", scan_name="s", attribute="a", relation_name="r"),),
                calls_min=0,
                calls_expected=3,
            ),
            points("complexity", 0, 3 * 24, None),
        ),
        (on(COUNTED, scans=(), calls_min=0, calls_expected=0, calls_max=0), points("complexity", 0, 0, 0)),
    ],
)
def test_points_follow_from_what_is_asked_for(scan: ScanPlan, expected: Points) -> None:
    assert points_of(scan) == (expected,)


def test_pages_are_made_to_fit_what_a_request_may_take() -> None:
    table = replace(TABLE, access_paths=(replace(COUNTED, keys=(), batch=None),), rows_expected=860)
    chosen = {
        columns: choose_path(table, "t", (), frozenset(columns), 10) for columns in (("title",), ("title", "state"))
    }
    assert {columns: (each.path.page_rows_max, each.calls_expected) for columns, each in chosen.items()} == {
        ("title",): (100, 9),
        ("title", "state"): (86, 10),
    }


def test_explain_shows_them_below_the_calls() -> None:
    plan = query_plan(on(replace(PATH, cost=2, pays="graphql"), calls_max=12))
    lines = explain_text(plan, "duckdb", "proved", None)
    assert lines[-2:] == (
        "        API Calls: minimum 1, expected 10, maximum 12",
        "        Quota Points: minimum 2, expected 20, maximum 24 of limit graphql",
    )
    shown = json.loads(explain_json(plan, "duckdb", "proved", None))[0]["Plan"]["Plans"][0]
    assert shown["Quota Points"] == [
        {"Limit": "graphql", "Minimum Points": 2, "Expected Points": 20, "Maximum Points": 24}
    ]
    assert "Quota Points" not in explain_json(query_plan(ISSUES), "duckdb", "proved", None)
    assert not [line for line in explain_text(plan, "d", "p", None, costs_shown=False) if "Points" in line]
