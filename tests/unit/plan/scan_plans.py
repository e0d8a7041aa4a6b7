"""Scan plans built by hand that lack keys."""

from __future__ import annotations

from connectors.sdk.scan import Scan, Value
from connectors.sdk.table import AccessPath, Column, Table
from omnisql_server.model.plan import DeferredKey, ScanPlan
from omnisql_server.model.relation import Relation, RelationKind

RELATION = Relation(
    oid=16501,
    schema="shop",
    name="items",
    kind=RelationKind.API,
    owner="admin",
    attributes=(),
    server="shop",
    wrapper="shop",
    api_table="items",
)


def key(column: str, attribute: str, scan_name: str = "scan_0") -> DeferredKey:
    """Build a key whose values are those of an attribute of another scan."""
    return DeferredKey(column=column, scan_name=scan_name, attribute=attribute, relation_name="shop.orders")


def lacking(
    *deferred: DeferredKey,
    given: tuple[dict[str, Value], ...] = ({},),
    batch: str | None = None,
    batch_keys_max: int = 1,
    empty: str | None = None,
) -> ScanPlan:
    """Build the plan of a scan with one template for each of the `given` keys, to be read by the deferred ones too."""
    names = tuple(dict.fromkeys([*(name for keys in given for name in keys), *(one.column for one in deferred)]))
    path = AccessPath(name="by_key", request="GET /items", keys=names, batch=batch, batch_keys_max=batch_keys_max)
    table = Table(
        name="items",
        description="Items.",
        columns=tuple(Column(name=name, type_name="text", path=name) for name in names or ("id",)),
        primary_key=names[:1] or ("id",),
        access_paths=(path,),
    )
    return ScanPlan(
        scan_name="scan_9",
        relation=RELATION,
        table=table,
        path=path,
        columns=names,
        scans=tuple(Scan(table="items", access_path="by_key", columns=names, keys=keys) for keys in given),
        deferred=deferred,
        empty=empty,
    )


def keys_of(plan: ScanPlan) -> list[dict[str, Value]]:
    """Return the keys of a plan's scans, in order."""
    return [dict(scan.keys) for scan in plan.scans]
