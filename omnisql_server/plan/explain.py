"""A query plan for people and programs: the answer of EXPLAIN and EXPLAIN (ANALYZE). Pure; plan and reports to text.

Literals of the user's own conditions are shown as PostgreSQL shows them. What policy compares with is never shown, only
the policy's name: neither where its filter is pushed nor where it chose the keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from sqlglot import exp

from connectors.sdk.scan import Scan, Value
from connectors.sdk.whole import PART, WHOLE
from omnisql_server.model.plan import NO_NOTES, DeferredKey, Pushed, QueryPlan, ScanNotes, ScanPlan, Streaming
from omnisql_server.model.report import SourceReport
from omnisql_server.model.statistics import Origin
from omnisql_server.plan.explain_owners import owner_facts, owner_lines
from omnisql_server.plan.explain_reports import actual, report_facts, report_lines, total_facts, total_lines
from omnisql_server.plan.points import point_facts, point_lines
from omnisql_server.plan.predicate_texts import literal_text, name_text, predicate_text

KEYS_SHOWN_MAX = 5
"""How many key combinations, and how many values of a batched key, are written out."""

_INDENT = " " * 8
_STREAMING_ENGINE = "duckdb"
_SENT = {WHOLE: "Whole Statement", PART: "Part of the Statement"}
_Facts = dict[str, object]


def explain_text(
    plan: QueryPlan,
    engine: str,
    engine_reason: str,
    reports: Mapping[str, SourceReport] | None,
    *,
    costs_shown: bool = True,
    notes: Mapping[str, ScanNotes] = MappingProxyType({}),
) -> tuple[str, ...]:
    """Return the lines of the QUERY PLAN column; `reports`, by scan name, are what really happened.

    `notes`, by scan name, say what earlier fetches would answer and what is left of limits.
    """
    lines = ["Query", f"  Engine: {engine} ({engine_reason})"]
    if plan.streaming is not None and engine == _STREAMING_ENGINE:
        lines.append(f"  Streamed: {_streamed_text(plan.streaming, plan)}")
    if costs_shown:
        lines.append(f"  API Calls: {_calls_text(*_total_calls(plan))}")
    lines += [f"  {line}" for line in total_lines(reports)]
    for scan in plan.scans:
        report = (reports or {}).get(scan.scan_name)
        lines.append(f"  ->  {_title(scan, plan)}{actual(report)}")
        lines += [_INDENT + line for line in _scan_lines(scan, costs_shown=costs_shown)]
        lines += [_INDENT + line for line in (report_lines(report, scan) if report is not None else ())]
        lines += [_INDENT + line for line in _note_lines(notes.get(scan.scan_name, NO_NOTES))]
    for owned in plan.owner_scans:
        lines += owner_lines(owned, name_text, predicate_text)
    return tuple(lines)


def explain_json(
    plan: QueryPlan,
    engine: str,
    engine_reason: str,
    reports: Mapping[str, SourceReport] | None,
    *,
    costs_shown: bool = True,
    notes: Mapping[str, ScanNotes] = MappingProxyType({}),
) -> str:
    """Return the plan as PostgreSQL's EXPLAIN (FORMAT JSON) would: a list with one object."""
    root: _Facts = {"Node Type": "Query", "Engine": engine, "Engine Reason": engine_reason}
    root["Streamed"] = plan.streaming is not None and engine == _STREAMING_ENGINE
    if costs_shown:
        root |= _calls_facts(*_total_calls(plan))
    root |= total_facts(reports)
    scans = []
    for scan in plan.scans:
        facts = _scan_facts(scan, plan)
        if costs_shown:
            facts |= _calls_facts(scan.calls_min, scan.calls_expected, scan.calls_max)
            facts |= point_facts(scan) | _rows_facts(scan)
        note = notes.get(scan.scan_name, NO_NOTES)
        if note.cache is not None:
            facts["Cache"] = note.cache
        if note.quota:
            facts["Quota"] = list(note.quota)
        report = (reports or {}).get(scan.scan_name)
        scans.append(facts | (report_facts(report) if report is not None else {}))
    root["Plans"] = scans + [owner_facts(owned, predicate_text) for owned in plan.owner_scans]
    return json.dumps([{"Plan": root}], indent=2, ensure_ascii=False)


def _streamed_text(streaming: Streaming, plan: QueryPlan) -> str:
    streamed = [_alias(scan, plan) for scan in plan.scans if scan.scan_name in streaming.scans]
    whose = f" of {' and '.join(map(name_text, streamed))}" if len(plan.scans) > 1 else ""
    if streaming.in_turn:
        return f"page by page{whose}, until there are {(streaming.rows_max or 0) + streaming.skipped} rows"
    return f"rows are sent as pages{whose} come" if whose else "rows are sent as their pages come"


def _title(scan: ScanPlan, plan: QueryPlan) -> str:
    if scan.relation.is_sent:
        return f"{_SENT[scan.relation.api_table]} on {scan.relation.qualified_name}"
    alias = _alias(scan, plan)
    name = f"{name_text(scan.relation.schema)}.{name_text(scan.relation.name)}"
    return f"API Scan on {name}" + (f" {name_text(alias)}" if alias != scan.relation.name else "")


def _alias(scan: ScanPlan, plan: QueryPlan) -> str:
    """Return the alias of a scan in the query, the relation's name where the query has no tree."""
    tree = plan.authorized.query.tree
    tables = tree.find_all(exp.Table) if tree is not None else ()
    return next((table.alias_or_name for table in tables if table.name == scan.scan_name), scan.relation.name)


def _scan_lines(scan: ScanPlan, *, costs_shown: bool) -> Iterator[str]:
    yield f"Source: {scan.relation.server} (connector {scan.relation.wrapper})"
    if scan.empty is not None:
        yield f"No Request: {scan.empty}"
    else:
        yield f"Access Path: {scan.path.name}, {scan.path.request}"
        yield f"Columns: {', '.join(map(name_text, scan.columns)) or 'none, rows are counted'}"
        yield from _key_lines(scan)
        if scan.calls_per_row:
            yield f"Hydrated: {_hydrated_text(scan)}"
    for pushed in scan.pushed:
        yield f"Pushed: {_pushed_text(pushed)} ({pushed.grade.value})"
    for kept in scan.not_pushed:
        yield f"Not Pushed: {kept.condition}: {kept.reason}{f'; write {kept.rewrite}' if kept.rewrite else ''}"
    for rule in scan.filters:
        yield f"Row Filter: policy {rule.policy}"
    for column, mask in scan.masks.items():
        yield f"Masked: {name_text(column)} by policy {mask.policy}"
    if order := _order(scan):
        yield f"Order: {', '.join(order)} (pushed)"
    if scan.limit is not None:
        yield f"Limit: {scan.limit} (pushed)"
    elif scan.limit_reason:
        yield f"Limit: not pushed: {scan.limit_reason}"
    if costs_shown:
        if scan.empty is None:
            yield f"Rows: {_rows_text(scan)}"
        yield f"API Calls: {_calls_text(scan.calls_min, scan.calls_expected, scan.calls_max)}"
        yield from point_lines(scan)


def _hydrated_text(scan: ScanPlan) -> str:
    names = ", ".join(name_text(name) for name in scan.columns if scan.table.column(name).hydrate is not None)
    left = _rows_left(scan)
    if scan.calls_per_row < 1:
        return f"{names}, one more request for every {1 / scan.calls_per_row:.0f} rows{left}"
    calls = "one more request" if scan.calls_per_row == 1 else f"{scan.calls_per_row:.0f} more requests"
    return f"{names}, {calls} for each row{left}"


def _rows_left(scan: ScanPlan) -> str:
    if scan.awaited:
        first = f", for the first {scan.awaited_rows_max} of them" if scan.awaited_rows_max is not None else ""
        return f" that the rest of the statement leaves{first}"
    return " that the conditions on other columns leave" if scan.hydrates_late else ""


def _note_lines(note: ScanNotes) -> Iterator[str]:
    if note.cache is not None:
        yield f"Cache: {note.cache}"
    for text in note.quota:
        yield f"Quota: {text}"


def _key_lines(scan: ScanPlan) -> Iterator[str]:
    combinations = _combinations(scan)
    for key in scan.deferred:
        yield f"Keys: {_key_source(key)}, once that is read"
    if scan.otherwise is not None:
        other = scan.otherwise
        yield (
            f"Otherwise: {other.path.name}, {other.path.request}, "
            f"if the keys need more than {other.calls_expected} API calls"
        )
    if len(scan.scans) == 1 and combinations:
        yield f"Keys: {combinations[0]}"
    elif combinations:
        yield f"Key Combinations: {len(scan.scans)}"
        yield from (f"  {text}" for text in combinations[:KEYS_SHOWN_MAX])
        if len(combinations) > KEYS_SHOWN_MAX:
            yield f"  and {len(combinations) - KEYS_SHOWN_MAX} more"


def _key_source(key: DeferredKey) -> str:
    if key.expression is None:
        return f"{name_text(key.column)} from {key.relation_name}.{name_text(key.attribute)}"
    return f"{name_text(key.column)} from {key.attribute} of {key.relation_name}"


def _combinations(scan: ScanPlan) -> list[str]:
    """Write the key combinations; those that differ only in what policy gave look the same and are written once."""
    given = {column: rule.policy for rule in scan.filters for column in rule.columns}
    return list(dict.fromkeys(_keys_text(one, given) for one in scan.scans if one.keys))


def _keys_text(scan: Scan, given: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name_text(column)} by policy {given[column]}"
        if column in given
        else f"{name_text(column)} {_key_value(value)}"
        for column, value in scan.keys.items()
    )


def _key_value(value: Value) -> str:
    if not isinstance(value, tuple):
        return f"= {literal_text(value)}"
    shown = ", ".join(map(literal_text, value[:KEYS_SHOWN_MAX]))
    more = len(value) - KEYS_SHOWN_MAX
    return f"IN ({shown}{f' and {more} more' if more > 0 else ''})"


def _pushed_text(pushed: Pushed) -> str:
    return f"policy {pushed.policy}" if pushed.policy is not None else predicate_text(pushed.predicate)


def _order(scan: ScanPlan) -> list[str]:
    keys = scan.scans[0].order if scan.scans else ()
    return [f"{name_text(key.column)} {key.direction.value.upper()}" for key in keys]


def _total_calls(plan: QueryPlan) -> tuple[int, int, int | None]:
    bounds = [scan.calls_max for scan in plan.scans]
    known = [bound for bound in bounds if bound is not None]
    calls_max = sum(known) if len(known) == len(bounds) else None
    return sum(scan.calls_min for scan in plan.scans), plan.calls_expected, calls_max


def _rows_text(scan: ScanPlan) -> str:
    if scan.filters:
        return "not told, for policy may hide some"
    keyed = " for each combination of keys" if scan.path.keys else ""
    expected = f"expected {_rounded(scan.rows_expected)}{keyed}"
    known = scan.statistic
    if known is None:
        return f"{expected} (a guess, nothing was observed)"
    seen = "once" if known.sightings == 1 else f"{known.sightings} times"
    source = "the source's total" if known.origin is Origin.SOURCE else f"observed {seen}"
    return f"{expected} ({source}, last at {known.seen_at:%Y-%m-%d %H:%M}{', stale' if known.stale else ''})"


def _rounded(rows: float) -> str:
    return f"{rows:.0f}" if rows >= 10 else f"{rows:.1f}".removesuffix(".0")


def _calls_text(calls_min: int, calls_expected: int, calls_max: int | None) -> str:
    return f"minimum {calls_min}, expected {calls_expected}, maximum {'?' if calls_max is None else calls_max}"


def _calls_facts(calls_min: int, calls_expected: int, calls_max: int | None) -> _Facts:
    return {"Minimum API Calls": calls_min, "Expected API Calls": calls_expected, "Maximum API Calls": calls_max}


def _rows_facts(scan: ScanPlan) -> _Facts:
    known = scan.statistic
    if scan.filters:
        return {"Expected Rows": None, "Statistic": None}
    return {
        "Expected Rows": round(scan.rows_expected, 1),
        "Statistic": None
        if known is None
        else {
            "Origin": known.origin.value,
            "Sightings": known.sightings,
            "Seen At": known.seen_at.isoformat(),
            "Stale": known.stale,
        },
    }


def _scan_facts(scan: ScanPlan, plan: QueryPlan) -> _Facts:
    facts: _Facts = {
        "Node Type": "API Scan",
        "Schema": scan.relation.schema,
        "Relation Name": scan.relation.name,
        "Alias": _alias(scan, plan),
        "Source": scan.relation.server,
        "Connector": scan.relation.wrapper,
    }
    if scan.empty is not None:
        facts["No Request"] = scan.empty
    else:
        facts |= {
            "Access Path": scan.path.name,
            "Request": scan.path.request,
            "Columns": list(scan.columns),
            "Key Combinations": len(scan.scans) if scan.path.keys else 0,
            "Keys": _combinations(scan)[:KEYS_SHOWN_MAX],
        }
        if scan.otherwise is not None:
            facts["Otherwise"] = {
                "Access Path": scan.otherwise.path.name,
                "Expected API Calls": scan.otherwise.calls_expected,
            }
        if scan.deferred:
            facts["Keys From"] = [_key_source(key) for key in scan.deferred]
        if scan.calls_per_row:
            facts["Hydrated"] = _hydrated_text(scan)
    facts["Pushed"] = [
        {"Condition": _pushed_text(pushed), "Grade": pushed.grade.value, "Policy": pushed.policy}
        for pushed in scan.pushed
    ]
    facts["Not Pushed"] = [
        {"Condition": kept.condition, "Reason": kept.reason} | ({"Rewrite": kept.rewrite} if kept.rewrite else {})
        for kept in scan.not_pushed
    ]
    facts["Row Filters"] = [rule.policy for rule in scan.filters]
    facts["Masked"] = {column: mask.policy for column, mask in scan.masks.items()}
    facts["Order"] = _order(scan)
    facts["Limit"] = scan.limit
    if scan.limit is None and scan.limit_reason:
        facts["Limit Not Pushed"] = scan.limit_reason
    return facts
