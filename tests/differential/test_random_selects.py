"""Random statements have PostgreSQL's answer by both engines, and what the planner leaves out never changes it."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
from arena import DUCKDB, POSTGRES, Answered, Arena, fetched
from arena_rows import COLUMNS
from authorized import authorize
from hypothesis import HealthCheck, event, given, seed, settings
from hypothesis import strategies as st
from statements import Select, selects

from connectors.sdk.scan import Direction, Operator, Predicate, Scan
from connectors.sdk.table import AccessPath, Column, Grade, Pushdown, Table
from connectors.sdk.testing.reference import holds
from omnisql_server.errors import KeyColumnRequired
from omnisql_server.model.plan import ScanPlan
from omnisql_server.model.principal import Principal
from omnisql_server.model.query import BoundQuery
from omnisql_server.plan.keys import bind_keys
from omnisql_server.plan.planner import plan
from omnisql_server.policy.rules import Rules

FUZZING = settings.get_current_profile_name() == "fuzz"
SEED = random.SystemRandom().randrange(1 << 32) if FUZZING else 20_261_127
BOUNDS = settings(
    max_examples=settings().max_examples // 5 if FUZZING else 100,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
Rows = list[dict[str, Any]]
PAGE_ROWS = 4


def is_answer(truth: Answered, whole: Answered, found: Answered, select: Select) -> bool:
    """Tell whether rows are an answer: a LIMIT may choose among rows that its order leaves equal."""
    if (found.columns, found.error, len(found.rows)) != (truth.columns, truth.error, len(truth.rows)):
        return False
    if select.key is not None and [r[select.key] for r in found.rows] != [r[select.key] for r in truth.rows]:
        return False
    return Counter(found.rows) <= Counter(whole.rows) if select.limited else Counter(found.rows) == Counter(truth.rows)


@seed(SEED)
@BOUNDS
@given(select=selects())
def test_both_engines_answer_random_statements_as_postgresql_does(arena: Arena, select: Select) -> None:
    print(f"seed {SEED}: {select.text}")
    truth, whole = arena.by_postgres(select.text), arena.by_postgres(select.unlimited)
    query = arena.bind(select.text)
    assert is_answer(truth, whole, arena.by_engine(query, POSTGRES), select)
    reason = arena.duckdb_reason(query)
    event("DuckDB" if reason is None else "splice")
    if reason is None:
        assert is_answer(truth, whole, arena.by_engine(query, DUCKDB, fallback=truth.error is not None), select)


@st.composite
def api_tables(draw: Any) -> dict[str, Table]:
    """Declare each table as an API might: random grades, keys, batches and orders."""
    return {name: draw(_api_table(name, columns)) for name, columns in COLUMNS.items()}


@st.composite
def _api_table(draw: Any, name: str, columns: Mapping[str, str]) -> Table:
    plain = [column for column, type_name in columns.items() if type_name not in ("text[]", "jsonb", "numeric")]
    paths = [draw(_path(f"by_{index}", list(columns), plain)) for index in range(draw(st.integers(0, 2)))]
    if not paths or draw(st.booleans()):
        paths.append(draw(_path("all", list(columns), [])))
    return Table(
        name=name,
        description="",
        columns=tuple(Column(name=c, type_name=t, path=c) for c, t in columns.items()),
        primary_key=("id",),
        access_paths=tuple(paths),
        rows_expected=draw(st.sampled_from((10, 5000))),
    )


@st.composite
def _path(draw: Any, name: str, columns: list[str], keys: list[str]) -> AccessPath:
    chosen = tuple(draw(st.lists(st.sampled_from(keys), min_size=1, max_size=2, unique=True))) if keys else ()
    grades = {
        column: {operator: Pushdown(grade=grade) for operator in Operator if (grade := draw(_GRADES)) is not None}
        for column in columns
    }
    order = {
        column: frozenset(Direction) if column != "f" else frozenset[Direction]()
        for column in columns
        if draw(st.booleans())
    }
    batch = chosen[0] if chosen and draw(st.booleans()) else None
    return AccessPath(
        name=name, request="GET /", keys=chosen, operators=grades, order=order, batch=batch, batch_keys_max=2
    )


_GRADES = st.sampled_from((None, Grade.EXACT, Grade.EXACT, Grade.SUPERSET, Grade.NONE))


@seed(SEED)
@BOUNDS
@given(select=selects(), tables=api_tables())
def test_rows_that_a_plan_leaves_out_never_change_the_answer(
    arena: Arena, select: Select, tables: dict[str, Table]
) -> None:
    print(f"seed {SEED}: {select.text}")
    truth, whole = arena.by_postgres(select.text), arena.by_postgres(select.unlimited)
    if truth.error is not None:
        return
    query = arena.bind(select.text)
    authorized = authorize(query, Principal(tenant="acme", name="ana"), Rules())
    try:
        planned = plan(authorized, lambda relation: tables[relation.name], 1000)
    except KeyColumnRequired:
        event("no usable path")
        return
    event("pushed" if any(scan.pushed or scan.path.keys for scan in planned.scans) else "read whole")
    event("limited" if any(scan.limit is not None for scan in planned.scans) else "not limited")
    relations = read(arena, query, planned.scans)
    answer = arena.by_relations(query, relations)
    assert is_answer(truth, whole, answer, select), [(s.scan_name, s.scans, s.empty) for s in planned.scans]
    if planned.streaming is not None:
        event(f"streamed {len(planned.streaming.scans)} of {len(planned.scans)}")
        streamed = [scan for scan in planned.scans if scan.scan_name in planned.streaming.scans]
        pages = {scan.scan_name: pages_of(arena, query, bind_keys(scan, relations, 100_000)) for scan in streamed}
        none = {name: relations[name].slice(0, 0) for name in pages}
        inputs = [{**relations, **none, name: page} for name in planned.streaming.scans for page in pages[name]]
        assert is_answer(truth, whole, arena.by_pages(query, inputs, planned.streaming.rows_max), select)


def pages_of(arena: Arena, query: BoundQuery, scan_plan: ScanPlan) -> list[pa.Table]:
    """Read a scan page by page, in the order in which an API gives its rows."""
    (occurrence,) = (one for one in query.occurrences if one.scan_name == scan_plan.scan_name)
    table = arena.tables[scan_plan.relation.name]
    rows = compared_rows(scan_plan.relation.name, table)
    scans = () if scan_plan.empty else scan_plan.scans
    kept = list(dict.fromkeys(place for scan in scans for place in _places(rows, scan)))
    return [
        fetched(occurrence, table.take(pa.array(kept[at : at + PAGE_ROWS], pa.int64())))
        for at in range(0, len(kept), PAGE_ROWS)
    ]


def read(arena: Arena, query: BoundQuery, scans: tuple[ScanPlan, ...]) -> dict[str, pa.Table]:
    """Read what a plan asks for and nothing else, drivers before the scans that take their keys."""
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
            relations[bound.scan_name] = fetched(occurrences[bound.scan_name], table.take(pa.array(kept, pa.int64())))
        waiting = [scan for scan in waiting if scan not in ready]
    return relations


def kept_places(name: str, table: pa.Table, bound: ScanPlan) -> list[int]:
    """Return which rows of a table the scans of a plan give, in the table's order."""
    if bound.empty:
        return []
    rows = compared_rows(name, table)
    return sorted({place for scan in bound.scans for place in _places(rows, scan)})


def compared_rows(name: str, table: pa.Table) -> Rows:
    """Return rows as values that compare: a numeric travels as text."""
    numerics = [column for column, kind in COLUMNS[name].items() if kind == "numeric"]
    return [
        row | {column: Decimal(row[column]) for column in numerics if row[column] is not None}
        for row in table.to_pylist()
    ]


def _places(rows: Rows, scan: Scan) -> list[int]:
    """Return which rows an API gives that evaluates every predicate exactly and stops at the limit."""
    found = [
        place
        for place, row in enumerate(rows)
        if all(_is_key(row[column], value) for column, value in scan.keys.items())
        and all(_holds(row, predicate) for predicate in scan.predicates)
    ]
    for key in reversed(scan.order):
        descending = key.direction is Direction.DESC
        found.sort(key=lambda place: _sort_key(rows[place][key.column]), reverse=descending)
    return found if scan.limit is None else found[: scan.limit]


def _is_key(value: Any, wanted: Any) -> bool:
    return value in wanted if isinstance(wanted, tuple) else bool(value == wanted)


def _sort_key(value: Any) -> tuple[bool, bool, Any]:
    return (value is None, _is_nan(value), 0 if value is None or _is_nan(value) else value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | Decimal) and math.isnan(value)


def _holds(row: Mapping[str, Any], predicate: Predicate) -> bool:
    """Evaluate a predicate as PostgreSQL does, for which NaN is above every other number."""
    value = row[predicate.column]
    if _is_nan(value):
        return predicate.operator in (Operator.GT, Operator.GE, Operator.NE, Operator.NOT_IN, Operator.IS_NOT_NULL)
    return holds(row, predicate)
