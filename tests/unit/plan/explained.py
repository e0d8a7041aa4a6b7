"""Plans and reports built by hand, to be explained."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import sqlglot
from plain_settings import SETTINGS

from connectors.sdk.scan import Operator, Predicate, Scan, SortKey, Value
from connectors.sdk.table import AccessPath, Column, Grade, Table
from omnisql_server.model.meaning import meaning_of
from omnisql_server.model.plan import NotPushed, Pushed, QueryPlan, ScanPlan
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import AuthorizedQuery, BoundQuery, ParsedQuery
from omnisql_server.model.relation import Relation, RelationKind
from omnisql_server.model.report import SourceReport
from omnisql_server.model.spending import Spent, Taken

PATH = AccessPath(name="by_repository", request="GET /repos/{owner}/{repo}/issues", keys=("owner", "repo"))
TABLE = Table(
    name="issues",
    description="Issues.",
    columns=tuple(Column(name=name, type_name="text", path=name) for name in ("owner", "repo", "state", "title")),
    primary_key=("owner",),
    access_paths=(PATH,),
)
RELATION = Relation(
    oid=16500,
    schema="github",
    name="issues",
    kind=RelationKind.API,
    owner="admin",
    attributes=(),
    server="acme_github",
    wrapper="github",
    api_table="issues",
)
OPEN = Pushed(
    predicate=Predicate(column="state", operator=Operator.EQ, value="open"),
    grade=Grade.EXACT,
)


def api_scan(repos: tuple[Value, ...], order: tuple[SortKey, ...] = (), limit: int | None = None) -> tuple[Scan, ...]:
    return tuple(
        Scan(
            table="issues",
            access_path="by_repository",
            columns=("title",),
            keys={"owner": "acme", "repo": repo},
            order=order,
            limit=limit,
        )
        for repo in repos
    )


ISSUES = ScanPlan(
    scan_name="scan_0",
    relation=RELATION,
    table=TABLE,
    path=PATH,
    columns=("title", "created_at"),
    scans=api_scan(("web",)),
    pushed=(OPEN,),
    not_pushed=(NotPushed(condition='"i"."title" LIKE \'%x%\'', reason="the API cannot evaluate this literal"),),
    limit_reason="a condition has to be evaluated after the fetch",
    calls_expected=10,
    rows_expected=900,
)


def query_plan(
    *scans: ScanPlan, sql: str | None = "SELECT 1 FROM scan_0 AS i JOIN scan_1 AS issues ON true"
) -> QueryPlan:
    tree = sqlglot.parse_one(sql, dialect="postgres") if sql else None
    query = BoundQuery(
        parsed=ParsedQuery(text="", references=(), named_columns=frozenset(), tree=tree),
        meaning=meaning_of(tree),
        reason="",
        occurrences=(),
        relations={},
        views={},
        parameter_oids=(),
        fields=(),
        settings=SETTINGS,
        catalog_sequence=1,
    )
    authorized = AuthorizedQuery(query=query, principal=Principal(tenant="acme", name="ana"))
    return QueryPlan(authorized=authorized, scans=scans)


def report(**changes: object) -> SourceReport:
    ran = SourceReport(
        scan_name="scan_0",
        source="acme_github",
        connector="github",
        table="github.issues",
        access_path="by_repository",
        requests=3,
        pages=3,
        revalidated=1,
        rows_fetched=250,
        rows_returned=200,
        bytes_received=12345,
        pushed=(),
        not_pushed=(),
        complete=True,
        incomplete_reason=None,
        fetched_at=datetime(2026, 1, 1, tzinfo=UTC),
        duration_ms=41.5,
        spent=(Spent(request="GET /repos/{owner}/{repo}/issues", calls=3, limits={"core": Taken(points=2, calls=3)}),),
    )
    return replace(ran, **changes)  # type: ignore[arg-type]
