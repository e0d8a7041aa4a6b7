"""Random statements under random policies have the answer that the same statement has over a filtered, masked copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest
from arena import Arena, fetched
from authorized import authorize
from hypothesis import event, given, seed
from random_policies import SALT, USER, attributes, policies, shown
from statements import Select, selects
from test_random_selects import BOUNDS, SEED, api_tables, is_answer, kept_places

from connectors.sdk.table import Table
from omnisql_server.errors import KeyColumnRequired
from omnisql_server.materialize.relations import materialize
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.relation import RelationKind
from omnisql_server.plan.keys import bind_keys
from omnisql_server.plan.planner import plan
from omnisql_server.policy.rules import parse_rules


@seed(SEED)
@BOUNDS
@given(select=selects(), tables=api_tables(), document=policies(), held=attributes())
def test_a_policy_is_as_if_the_data_were_no_more_than_it_shows(
    arena: Arena,
    select: Select,
    tables: dict[str, Table],
    document: dict[str, Any],
    held: dict[str, tuple[str, ...]],
) -> None:
    print(f"seed {SEED}: {select.text}\n{document}\n{held}")
    safe = {name: shown(name, arena.tables[name], document, held) for name in tables}
    query = arena.bind(select.text)
    truth = over(arena, query, safe)
    if truth.error is not None:
        return
    principal = Principal(tenant="acme", name=USER, attributes=held)
    authorized = authorize(query, principal, parse_rules(document, "random"))
    try:
        planned = plan(authorized, lambda relation: tables[relation.name], 1000)
    except KeyColumnRequired:
        event("no usable path")
        return
    event("policy pushed" if any(p.policy for scan in planned.scans for p in scan.pushed) else "policy applied here")
    answer = arena.by_relations(query, read(arena, query, planned.scans))
    whole = over(arena, arena.bind(select.unlimited), safe)
    assert is_answer(truth, whole, answer, select), [(s.scan_name, s.scans, s.empty) for s in planned.scans]


def over(arena: Arena, query: BoundQuery, safe: Mapping[str, pa.Table]) -> Any:
    """Answer over a copy."""
    wanted = [o for o in query.occurrences if o.relation.kind is RelationKind.API]
    return arena.by_relations(query, {o.scan_name: fetched(o, safe[o.relation.name]) for o in wanted})


def read(arena: Arena, query: BoundQuery, scans: tuple[ScanPlan, ...]) -> dict[str, pa.Table]:
    """Read what a plan asks for and apply policy to it, drivers before the scans that take their keys."""
    occurrences = {occurrence.scan_name: occurrence for occurrence in query.occurrences}
    relations: dict[str, pa.Table] = {}
    waiting = list(scans)
    while waiting:
        ready = [s for s in waiting if all(key.scan_name in relations for key in s.deferred)]
        assert ready
        for scan_plan in ready:
            bound = bind_keys(scan_plan, relations, 100_000)
            table = arena.tables[scan_plan.relation.name]
            kept = kept_places(scan_plan.relation.name, table, bound)
            batches = table.take(pa.array(kept, pa.int64())).select(list(bound.columns)).to_batches()
            if not bound.columns:
                batches = [pa.record_batch({"row": pa.array(kept, pa.int64())}).select([])]
            relations[bound.scan_name] = materialize(bound, occurrences[bound.scan_name], batches, SALT).rows
        waiting = [scan for scan in waiting if scan not in ready]
    return relations


def test_the_copy_is_worked_out_as_written(arena: Arena) -> None:
    document = {
        "version": 1,
        "row_filters": [{"name": "t", "tables": ["arena.t"], "rows": {"not": {"column": "n4", "at_least": 3}}}],
        "masks": [{"name": "m", "tables": ["arena.t"], "column": "t", "mask": "redact"}],
    }
    rows = shown("t", arena.tables["t"], document, {}).to_pylist()
    assert 0 < len(rows) < arena.tables["t"].num_rows
    assert {row["t"] for row in rows} <= {"***", None}
    assert all(row["n4"] < 3 for row in rows)
    with pytest.raises(KeyError):
        shown("unknown", arena.tables["t"], document, {})
