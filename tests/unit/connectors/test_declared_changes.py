"""What tables declare of asking for changes is something that their paths take."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.registry import connector_named
from connectors.sdk.grades import grade_of
from connectors.sdk.scan import Operator, Predicate
from connectors.sdk.table import AccessPath, Grade, Table

DECLARED = [
    (table, path)
    for table in (*connector_named("github").tables, *connector_named("jira").tables)
    for path in table.access_paths
    if path.delta is not None
]


def test_some_tables_declare_it() -> None:
    assert {table.name for table, _ in DECLARED} == {"issues", "pull_requests", "issue_comments"}


@pytest.mark.parametrize(("table", "path"), DECLARED, ids=[f"{table.name}.{path.name}" for table, path in DECLARED])
def test_the_bound_is_pushed_and_rows_can_be_told_apart(table: Table, path: AccessPath) -> None:
    assert path.delta is not None
    assert table.column(path.delta.column).type_name == "timestamptz"
    bound = Predicate(column=path.delta.column, operator=Operator.GE, value=datetime(2026, 1, 1, tzinfo=UTC))
    assert grade_of(path, bound) is not Grade.NONE
    assert all(table.column(name).hydrate is None for name in table.primary_key)
    assert not any(pushdown.needs for pushdown in path.operators[path.delta.column].values())
