"""What `omnisql.access_paths` and `omnisql.columns` tell of every connector is what its page tells: one declaration."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from catalog.snapshot import ApiColumn, ApiTable
from connectors.registry import connector_named, connector_names
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.scan import Scan
from connectors.sdk.table import Table
from omnisql_server.introspection.connection import IntrospectionConnection, IntrospectionState

PAGES = Path(__file__).parents[3] / "docs" / "sources"
ORDER = ("exact", "superset")


def relation(table: Table) -> ApiTable:
    columns = tuple(
        ApiColumn(
            attnum=number,
            name=column.name,
            type_oid=column.type.oid,
            typmod=-1,
            not_null=not column.nullable,
            options={"column": column.name},
        )
        for number, column in enumerate(table.columns, 1)
    )
    options = {"table": table.name}
    return ApiTable(oid=1, schema="public", name=table.name, server="s", wrapper="w", options=options, columns=columns)


async def told(name: str, *columns: str) -> list[dict[str, Any]]:
    """Return what the server tells of all tables of a connector."""
    tables = connector_named(name).tables
    state = IntrospectionState(relations=[(relation(table), table) for table in tables])
    wanted, *_ = columns
    scan = Scan(table=wanted, access_path="all", columns=columns[1:])
    pages = [page async for page in IntrospectionConnection(state).fetch(scan, QUIET_CONTEXT)]
    return [row for page in pages for row in page.rows.to_pylist()]


def on_page(name: str) -> dict[tuple[str, str], dict[str, dict[str, str]]]:
    """Return what a page says is pushed down, by table and access path: of each column the grades by operator."""
    found: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    table = ""
    for line in (PAGES / f"{name}.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("### "):
            table = line.removeprefix("### ")
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)]
        if len(cells) == 8 and cells[1].startswith("`"):
            found[table, cells[1].strip("`")] = _graded(cells[4])
    return found


def _graded(cell: str) -> dict[str, dict[str, str]]:
    return {
        column: {
            operator: grade
            for part in graded.split("; ")
            for grade, _, operators in [part.partition(": ")]
            for operator in operators.split(", ")
        }
        for column, graded in re.findall(r"`?(\w+)`? \(([^)]*)\)", cell)
    }


@pytest.mark.parametrize("name", connector_names())
async def test_a_page_and_the_schema_of_the_server_tell_the_same(name: str) -> None:
    rows = await told(name, "access_paths", "table_name", "access_path", "pushdown")
    shown = {
        (row["table_name"], row["access_path"]): {
            column: grades for column, grades in json.loads(row["pushdown"]).items() if grades
        }
        for row in rows
    }
    assert shown == on_page(name)
    best: dict[tuple[str, str], dict[str, str]] = {}
    for (table, _), columns in shown.items():
        for column, grades in columns.items():
            for operator, grade in grades.items():
                known = best.setdefault((table, column), {})
                known[operator] = min(known.get(operator, grade), grade, key=ORDER.index)
    columns_told = await told(name, "columns", "table_name", "column_name", "operators")
    of_columns = {(row["table_name"], row["column_name"]): json.loads(row["operators"]) for row in columns_told}
    assert {key: operators for key, operators in of_columns.items() if operators} == best
