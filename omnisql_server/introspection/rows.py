"""The rows of the introspection tables, as JSON-like values by column name. Pure.

Names are the catalog's: where a foreign table renames an API column, its own name is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from catalog.snapshot import ApiColumn, ApiTable
from catalog.types import BY_OID
from connectors.registry import all_connectors
from connectors.sdk.complexity import Complexity
from connectors.sdk.decode import Row
from connectors.sdk.scan import Direction, Operator
from connectors.sdk.table import AccessPath, Column, Grade, Pushdown, Table
from omnisql_server.audit.record import Record, decoded
from omnisql_server.introspection.state import IntrospectionState
from omnisql_server.model.statistics import StatisticRow

_GRADES = (Grade.EXACT, Grade.SUPERSET, Grade.NONE)


def introspection_rows(table_name: str, state: IntrospectionState) -> list[Row]:
    """Return the rows of one introspection table, in the order of the state."""
    return _ROWS[table_name](state)


def _source_rows(state: IntrospectionState) -> list[Row]:
    # No server has such an option; should one be given there by mistake, it is still not shown.
    secret = {option.name for connector in all_connectors() for option in connector.options if option.secret}
    return [
        {
            "source": server.name,
            "connector": server.wrapper,
            "options": {name: value for name, value in server.options.items() if name not in secret},
            "table_count": sum(relation.server == server.name for relation, _ in state.relations),
        }
        for server in state.servers
    ]


def _table_rows(state: IntrospectionState) -> list[Row]:
    rows: list[Row] = []
    for relation, table in state.relations:
        names = _names(relation)
        fewest = min((path.keys for path in table.access_paths), key=len, default=())
        rows.append(
            {
                "source": relation.server,
                "schema_name": relation.schema,
                "table_name": relation.name,
                "api_table": table.name,
                "description": table.description or None,
                "primary_key": [names.get(name, name) for name in table.primary_key],
                "key_columns": [names.get(name, name) for name in fewest],
                "size_request": table.size_request or None,
            }
        )
    return rows


def _column_rows(state: IntrospectionState) -> list[Row]:
    return [
        {
            "schema_name": relation.schema,
            "table_name": relation.name,
            "column_name": column.name,
            **_column_facts(column, table),
        }
        for relation, table in state.relations
        for column in relation.columns
    ]


def _column_facts(column: ApiColumn, table: Table) -> Row:
    api_name = column.options.get("column", column.name)
    declared = _declared(table, api_name)
    sortable = {direction for path in table.access_paths for direction in path.order.get(api_name, ())}
    return {
        "type": declared.type_name if declared is not None else _type_name(column.type_oid),
        "description": (declared.description or None) if declared is not None else None,
        "operators": _best_grades(table, api_name),
        "below_or": any(path.disjunctions and api_name in path.disjunctions.columns for path in table.access_paths),
        "sortable": _directions(sortable),
        "key": any(api_name in path.keys for path in table.access_paths),
        "hydrated": declared is not None and declared.hydrate is not None,
        "rows_per_call": _rows_per_call(declared, table),
    }


def _directions(found: Iterable[Direction]) -> list[str]:
    known = set(found)
    return [direction.value for direction in Direction if direction in known]


def _rows_per_call(column: Column | None, table: Table) -> int | None:
    if column is None or column.hydrate is None:
        return None
    known = table.hydrations.get(column.hydrate)
    return known.rows_max if known is not None else 1


def _calls(path: AccessPath, names: Mapping[str, str]) -> str:
    if path.counts:
        return str(path.count_requests)
    each = "1" if path.single else f"1 for every {path.page_rows_max} rows"
    if path.single and path.batch is not None:
        each = f"1 for every {path.batch_keys_max} values of {names.get(path.batch, path.batch)}"
    return f"{each}, and {path.requests_fixed} more" if path.requests_fixed else each


def _complexity(complexity: Complexity, table: Table) -> str:
    least, most = (complexity.row_points(names) for names in ((), [column.name for column in table.columns]))
    each = f"{least:.3g} to {most:.3g} points of {complexity.limit}"
    sized = " for each row of a page" if complexity.sized else ""
    return f"{each}{sized}" + (f", {complexity.points_max} a request" if complexity.points_max is not None else "")


def _access_path_rows(state: IntrospectionState) -> list[Row]:
    rows: list[Row] = []
    for relation, table in state.relations:
        names = _names(relation)
        rows += [
            {
                "schema_name": relation.schema,
                "table_name": relation.name,
                "access_path": path.name,
                "request": path.request,
                "keys": [names.get(name, name) for name in path.keys],
                "page_rows_max": path.page_rows_max,
                "rows_max": path.rows_max,
                "single": path.single,
                "parallel": path.parallel,
                "batch": names.get(path.batch, path.batch) if path.batch is not None else None,
                "batch_keys_max": path.batch_keys_max if path.batch is not None else None,
                "sortable": {names.get(name, name): _directions(found) for name, found in path.order.items()},
                "calls": _calls(path, names),
                "pays": path.pays or table.pays,
                "points_per_call": path.cost,
                "complexity": None if path.complexity is None else _complexity(path.complexity, table),
                "changed_by": names.get(path.delta.column, path.delta.column) if path.delta is not None else None,
                "revalidates": table.revalidates,
                "resumes": path.resumes,
                "pushdown": _pushdown(path, names),
                **_disjunctions(path, names),
            }
            for path in table.access_paths
        ]
    return rows


def _report_rows(state: IntrospectionState) -> list[Row]:
    return [
        {
            "source": report.source,
            "table": report.table,
            "access_path": report.access_path,
            "requests": report.requests,
            "pages": report.pages,
            "revalidated": report.revalidated,
            "rows_fetched": None if report.hides_rows else report.rows_fetched,
            "rows_returned": report.rows_returned,
            "bytes_received": None if report.hides_rows else report.bytes_received,
            "pushed": list(report.pushed),
            "not_pushed": [f"{condition}: {reason}" for condition, reason in report.not_pushed],
            "complete": report.complete,
            "incomplete_reason": report.incomplete_reason,
            "fetched_at": report.fetched_at.isoformat(),
            "duration_ms": report.duration_ms,
            "cache_hits": report.cache_hits,
            "calls_saved": report.calls_saved,
            "age_ms": report.age_ms,
            "stale": report.stale,
            "cache_note": report.cache_note,
            "resets_at": report.resets_at,
            "misfits": {each.column: each.count for each in report.misfits},
        }
        for report in state.reports
    ]


def _cache_rows(state: IntrospectionState) -> list[Row]:
    rows: list[Row] = []
    for relation, kept in state.kept:
        entry, scan = kept.entry, kept.entry.request.scan
        rows.append(
            {
                "source": relation.server,
                "schema_name": relation.schema,
                "table_name": relation.name,
                "access_path": scan.access_path,
                "domain": sorted(f"{c.column} {c.operator.value}" for c in entry.request.conditions),
                "columns": list(scan.columns),
                "row_limit": scan.limit,
                "rows": entry.row_count,
                "bytes": entry.size_bytes,
                "age_ms": kept.age_us / 1000,
                "hits": kept.hits,
                "calls_saved": kept.hits * entry.cost,
            }
        )
    return rows


def _statistic_rows(state: IntrospectionState) -> list[Row]:
    oids = {server.name: server.oid for server in state.servers}
    by_table: dict[tuple[int | None, str], list[StatisticRow]] = {}
    for row in state.statistics:
        by_table.setdefault((row.server_oid, row.api_table), []).append(row)
    return [
        _statistic_row(relation, row)
        for relation, table in state.relations
        for row in by_table.get((oids.get(relation.server), table.name), ())
    ]


def _statistic_row(relation: ApiTable, row: StatisticRow) -> Row:
    names, known = _names(relation), row.statistic
    return {
        "source": relation.server,
        "schema_name": relation.schema,
        "table_name": relation.name,
        "shape": [replace(part, column=names.get(part.column, part.column)).text for part in row.shape],
        "rows": known.rows,
        "pages": known.pages,
        "calls": known.calls,
        "latency_ms": known.latency_ms,
        "sightings": known.sightings,
        "seen_at": known.seen_at.isoformat(),
        "origin": known.origin.value,
        "stale": known.stale,
    }


def _audit_rows(state: IntrospectionState) -> list[Row]:
    return [_audit_row(stored.number, decoded(stored.record)) for stored in state.records]


def _audit_row(number: int, record: Record) -> Row:
    return {
        "number": number,
        "at": record.at,
        "id": record.id,
        "phase": record.phase,
        "kind": record.kind,
        "principal": record.principal,
        "roles": list(record.roles),
        "client": record.client,
        "fingerprint": record.fingerprint,
        "text": record.text,
        "sources": list(record.sources),
        "tables": [read.table or read.relation for read in record.tables],
        "columns": [f"{read.table}.{column}" for read in record.tables for column in read.columns],
        "filters": [f"{each.table} by {each.policy}" for each in record.filters],
        "masks": [f"{each.table}.{each.column} by {each.policy}" for each in record.masks],
        "policy_revision": record.policy_revision,
        "outcome": record.outcome,
        "rows": record.rows,
        "rows_read": record.rows_read,
        "calls": record.calls,
        "detail": record.detail,
    }


def _miss_rows(state: IntrospectionState) -> list[Row]:
    relations = {relation.oid: relation for relation, _ in state.relations}
    return [
        {
            "source": relation.server,
            "schema_name": relation.schema,
            "table_name": relation.name,
            "condition": miss.condition,
            "reason": miss.reason,
            "rewrite": miss.rewrite or None,
            "statements": miss.statements,
            "calls": miss.calls,
            "rows_fetched": miss.rows_fetched,
            "seen_at": miss.seen_at.isoformat(),
        }
        for miss in state.misses
        if (relation := relations.get(miss.relation_oid)) is not None
    ]


def _names(relation: ApiTable) -> dict[str, str]:
    """Map API columns to the foreign table's names for them."""
    return {column.options.get("column", column.name): column.name for column in relation.columns}


def _declared(table: Table, api_name: str) -> Column | None:
    return next((column for column in table.columns if column.name == api_name), None)


def _type_name(type_oid: int) -> str | None:
    known = BY_OID.get(type_oid)
    if known is None:
        return None
    return known.name if known.element is None else f"{known.element}[]"


def _best_grades(table: Table, api_name: str) -> dict[str, str]:
    best: dict[Operator, Grade] = {}
    for path in table.access_paths:
        for operator, pushdown in path.operators.get(api_name, {}).items():
            best[operator] = min(best.get(operator, Grade.NONE), pushdown.grade, key=_GRADES.index)
    return {operator.value: best[operator].value for operator in Operator if operator in best}


def _pushdown(path: AccessPath, names: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {names.get(column, column): _grades(operators) for column, operators in path.operators.items()}


def _disjunctions(path: AccessPath, names: Mapping[str, str]) -> Row:
    taken = path.disjunctions
    if taken is None:
        return {"below_or": None, "or_bounds": {}}
    bounds = {
        "alternatives": taken.branches_max,
        "conditions_of_one": taken.branch_predicates_max,
        "conditions": taken.predicates_max,
        "in_a_request": 1 if taken.alone else None,
    }
    known = {name: bound for name, bound in bounds.items() if bound is not None}
    return {"below_or": sorted(names.get(name, name) for name in taken.columns), "or_bounds": known}


def _grades(operators: Mapping[Operator, Pushdown]) -> dict[str, str]:
    return {operator.value: operators[operator].grade.value for operator in Operator if operator in operators}


_ROWS: Mapping[str, Callable[[IntrospectionState], list[Row]]] = {
    "sources": _source_rows,
    "tables": _table_rows,
    "columns": _column_rows,
    "access_paths": _access_path_rows,
    "last_query_sources": _report_rows,
    "cache": _cache_rows,
    "statistics": _statistic_rows,
    "audit": _audit_rows,
    "pushdown_misses": _miss_rows,
}
