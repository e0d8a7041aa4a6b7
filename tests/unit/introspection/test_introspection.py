"""The tables of schema `omnisql`: what they show of a state, as batches of the declared types."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from catalog.snapshot import ApiColumn, ApiServer, ApiTable
from connectors.sdk.connector import FetchContext, RequestRecord, Source
from connectors.sdk.errors import OptionInvalid
from connectors.sdk.grades import SUPERSET, equals, exact_among, ranges
from connectors.sdk.misfits import Misfit
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Direction, Operator, Scan
from connectors.sdk.table import AccessPath, Column, Delta, Disjunctions, Hydration, Table
from omnisql_server.introspection.connection import IntrospectionConnection, IntrospectionState
from omnisql_server.introspection.connector import INTROSPECTION
from omnisql_server.introspection.tables import INTROSPECTION_TABLES
from omnisql_server.model.report import SourceReport

ISSUES = Table(
    name="issues",
    description="Issues of a repository.",
    columns=(
        Column(name="owner", type_name="text", path="owner"),
        Column(name="number", type_name="int4", path="number"),
        Column(name="state", type_name="text", path="state", description="open or closed"),
        Column(name="updated_at", type_name="timestamptz", path="updated_at"),
        Column(name="files", type_name="text[]", path="files", hydrate="detail"),
    ),
    primary_key=("number",),
    revalidates=True,
    hydrations={"detail": Hydration(inputs=("number",), rows_max=50)},
    access_paths=(
        AccessPath(name="by_number", request="GET /issues/{number}", keys=("owner", "number"), single=True),
        AccessPath(
            name="by_owner",
            request="GET /issues",
            keys=("owner",),
            operators={"state": equals(SUPERSET), "updated_at": ranges()},
            order={"updated_at": frozenset({Direction.DESC, Direction.ASC})},
            rows_max=1000,
            parallel=True,
        ),
        AccessPath(
            name="search",
            request="GET /search",
            keys=("owner",),
            operators={"state": {Operator.EQ: exact_among("open"), Operator.IN: SUPERSET}},
            disjunctions=Disjunctions(columns=frozenset({"state"}), alone=True, branches_max=5),
            batch="number",
            batch_keys_max=40,
            single=True,
            cost=5,
            pays="search",
            requests_fixed=2,
            delta=Delta(column="updated_at"),
            resumes=True,
        ),
    ),
)


def catalog_column(number: int, name: str, api_name: str, type_oid: int = 25) -> ApiColumn:
    return ApiColumn(
        attnum=number, name=name, type_oid=type_oid, typmod=-1, not_null=False, options={"column": api_name}
    )


RELATION = ApiTable(
    oid=16500,
    schema="github",
    name="tickets",
    server="acme_github",
    wrapper="github",
    options={"table": "issues"},
    columns=(
        catalog_column(1, "owner", "owner"),
        catalog_column(2, "ticket", "number", 23),
        catalog_column(3, "state", "state"),
        catalog_column(4, "updated_at", "updated_at", 1184),
        catalog_column(6, "files", "files", 1009),
        catalog_column(7, "gone", "dropped_by_vendor", 1009),
    ),
)
REPORT = SourceReport(
    scan_name="scan_0",
    source="acme_github",
    connector="github",
    table="github.tickets",
    access_path="by_owner",
    requests=3,
    pages=2,
    revalidated=1,
    rows_fetched=250,
    rows_returned=200,
    bytes_received=5_000_000_000,
    pushed=("state = (superset)",),
    not_pushed=(("title LIKE 'a%'", "the API has no parameter for it"),),
    complete=False,
    incomplete_reason="only 1000 results",
    fetched_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    duration_ms=41.5,
    cache_hits=2,
    calls_saved=5,
    age_ms=1500.0,
    stale="the source failed",
    cache_note="another statement's fetch was shared",
    misfits=(Misfit(column="title", count=3, example="title, row 2 of its page"),),
)
STATE = IntrospectionState(
    relations=[(RELATION, ISSUES)],
    servers=[
        ApiServer(oid=1, name="acme_github", wrapper="github", options={"base_url": "https://x", "token": "hush"}),
    ],
    reports=[REPORT],
)


class CountingMeter:
    """Counts what a fetch reports."""

    def __init__(self) -> None:
        self.requests = 0
        self.pages: list[int] = []

    def request(self, record: RequestRecord) -> None:
        self.requests += 1

    def page(self, row_count: int) -> None:
        self.pages.append(row_count)


async def read(table: str, *columns: str, state: IntrospectionState = STATE, limit: int | None = None) -> Any:
    scan = Scan(table=table, access_path="all", columns=columns, limit=limit)
    pages = [page async for page in IntrospectionConnection(state).fetch(scan, QUIET_CONTEXT)]
    assert [page.truncated for page in pages] == [None]
    return pages[0].rows


async def every(table: Table) -> list[dict[str, Any]]:
    rows = (await read(table.name, *(column.name for column in table.columns))).to_pylist()
    jsonb = [column.name for column in table.columns if column.type_name == "jsonb"]
    return [row | {name: json.loads(row[name]) for name in jsonb} for row in rows]


def declared(name: str) -> Table:
    return next(table for table in INTROSPECTION.tables if table.name == name)


async def test_sources_show_options_without_secrets() -> None:
    assert await every(declared("sources")) == [
        {"source": "acme_github", "connector": "github", "options": {"base_url": "https://x"}, "table_count": 1}
    ]


async def test_tables_name_keys_as_the_catalog_does() -> None:
    assert await every(declared("tables")) == [
        {
            "source": "acme_github",
            "schema_name": "github",
            "table_name": "tickets",
            "api_table": "issues",
            "description": "Issues of a repository.",
            "primary_key": ["ticket"],
            "key_columns": ["owner"],
            "size_request": None,
        }
    ]


async def test_columns_merge_access_paths_by_best_grade() -> None:
    rows = {row.pop("column_name"): row for row in await every(declared("columns"))}
    plain: dict[str, Any] = {
        "schema_name": "github",
        "table_name": "tickets",
        "type": "text",
        "description": None,
        "operators": {},
        "below_or": False,
        "sortable": [],
        "key": False,
        "hydrated": False,
        "rows_per_call": None,
    }
    assert rows == {
        "owner": plain | {"key": True},
        "ticket": plain | {"type": "int4", "key": True},
        "state": plain
        | {"description": "open or closed", "operators": {"=": "exact", "in": "superset"}, "below_or": True},
        "updated_at": plain
        | {
            "type": "timestamptz",
            "operators": {"<": "superset", "<=": "superset", ">": "superset", ">=": "superset"},
            "sortable": ["asc", "desc"],
        },
        "files": plain | {"type": "text[]", "hydrated": True, "rows_per_call": 50},
        "gone": plain | {"type": "text[]"},
    }


async def test_access_paths_show_limits_and_pushdown() -> None:
    rows = await every(declared("access_paths"))
    assert [row["access_path"] for row in rows] == ["by_number", "by_owner", "search"]
    assert rows[0]["keys"] == ["owner", "ticket"]
    assert rows[1] == {
        "schema_name": "github",
        "table_name": "tickets",
        "access_path": "by_owner",
        "request": "GET /issues",
        "keys": ["owner"],
        "page_rows_max": 100,
        "rows_max": 1000,
        "single": False,
        "parallel": True,
        "batch": None,
        "batch_keys_max": None,
        "sortable": {"updated_at": ["asc", "desc"]},
        "calls": "1 for every 100 rows",
        "pays": "requests",
        "points_per_call": 1,
        "complexity": None,
        "changed_by": None,
        "revalidates": True,
        "resumes": False,
        "pushdown": {
            "state": {"=": "superset"},
            "updated_at": {"<": "superset", "<=": "superset", ">": "superset", ">=": "superset"},
        },
        "below_or": None,
        "or_bounds": {},
    }
    assert rows[0]["calls"] == "1"
    names = ("batch", "batch_keys_max", "calls", "pays", "points_per_call", "changed_by", "resumes")
    told = {name: rows[2][name] for name in names}
    assert told == {
        "batch": "ticket",
        "batch_keys_max": 40,
        "calls": "1 for every 40 values of ticket, and 2 more",
        "pays": "search",
        "points_per_call": 5,
        "changed_by": "updated_at",
        "resumes": True,
    }
    assert rows[2]["pushdown"] == {"state": {"=": "exact", "in": "superset"}}
    assert rows[2]["below_or"] == ["state"]
    assert rows[2]["or_bounds"] == {"alternatives": 5, "in_a_request": 1}


async def test_last_query_sources_tell_the_truth() -> None:
    assert await every(declared("last_query_sources")) == [
        {
            "source": "acme_github",
            "table": "github.tickets",
            "access_path": "by_owner",
            "requests": 3,
            "pages": 2,
            "revalidated": 1,
            "rows_fetched": 250,
            "rows_returned": 200,
            "bytes_received": 5_000_000_000,
            "pushed": ["state = (superset)"],
            "not_pushed": ["title LIKE 'a%': the API has no parameter for it"],
            "complete": False,
            "incomplete_reason": "only 1000 results",
            "fetched_at": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
            "duration_ms": 41.5,
            "cache_hits": 2,
            "calls_saved": 5,
            "age_ms": 1500.0,
            "stale": "the source failed",
            "cache_note": "another statement's fetch was shared",
            "resets_at": None,
            "misfits": {"title": 3},
        }
    ]


@pytest.mark.parametrize("table", INTROSPECTION_TABLES, ids=lambda table: table.name)
async def test_empty_state_has_no_rows_but_the_declared_types(table: Table) -> None:
    rows = await read(table.name, *(column.name for column in table.columns), state=IntrospectionState())
    assert rows.num_rows == 0
    assert rows.schema.types == [column.type.arrow for column in table.columns]


async def test_only_wanted_columns_come_in_their_order_and_the_limit_holds() -> None:
    rows = await read("columns", "table_name", "column_name", limit=2)
    assert rows.schema.names == ["table_name", "column_name"]
    assert rows.to_pylist() == [
        {"table_name": "tickets", "column_name": "owner"},
        {"table_name": "tickets", "column_name": "ticket"},
    ]


async def test_no_column_still_counts_rows() -> None:
    assert (await read("columns")).num_rows == 6


async def test_fetch_meters_a_page_and_no_request() -> None:
    meter = CountingMeter()
    context = FetchContext(meter=meter, limiter=QUIET_CONTEXT.limiter)
    connection = IntrospectionConnection(STATE)
    async for _ in connection.fetch(Scan(table="columns", access_path="all", columns=("type",)), context):
        pass
    assert (meter.requests, meter.pages) == (0, [6])


async def test_connector_opens_an_empty_state_and_takes_no_options() -> None:
    assert (INTROSPECTION.name, INTROSPECTION.options) == ("omnisql", ())
    connection = await INTROSPECTION.connect(Source(tenant="acme", server="omnisql", connector="omnisql"))
    assert await INTROSPECTION.discover(connection) == INTROSPECTION_TABLES
    assert await connection.check() == "this server"
    scan = Scan(table="sources", access_path="all", columns=("source",))
    assert [page.rows.num_rows async for page in connection.fetch(scan, QUIET_CONTEXT)] == [0]
    await connection.disconnect()
    with pytest.raises(OptionInvalid):
        await INTROSPECTION.connect(Source(tenant="a", server="o", connector="omnisql", options={"x": "y"}))
