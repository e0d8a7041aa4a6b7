"""What the tables of a connector can be asked for, as text: for `omnisql connector test` and the docs. Pure."""

from __future__ import annotations

from connectors.sdk.table import AccessPath, Table


def path_cells(path: AccessPath) -> tuple[str, str, str, str, str, str]:
    """Return an access path as cells: name, request, keys, what is pushed down, orders, pages."""
    keys = ", ".join(f"{key} (up to {path.batch_keys_max} a call)" if key == path.batch else key for key in path.keys)
    return (path.name, path.request, keys, pushed(path), ordered(path), paged(path))


def pushed(path: AccessPath) -> str:
    """Return the operators that a path takes, by column, with their grades."""
    found = []
    for column in path.operators:
        graded = [f"{grade}: {', '.join(names)}" for grade, names in sorted(_by_grade(path, column).items())]
        if graded:
            found.append(f"{column} ({'; '.join(graded)})")
    return ", ".join(found)


def ordered(path: AccessPath) -> str:
    """Return the orders that a path gives."""
    return "; ".join(f"{column} {', '.join(sorted(directions))}" for column, directions in path.order.items())


def paged(path: AccessPath) -> str:
    """Return how many rows a page and a listing of a path have."""
    if path.single:
        return "one row for each key" if path.batch else "one row"
    if path.counts:
        return "counted in one request" if path.count_requests == 1 else f"counted in {path.count_requests} requests"
    cap = f", {path.rows_max} in all" if path.rows_max else ""
    needs = f", for a condition on {' and '.join(path.needs)}" if path.needs else ""
    return f"{path.page_rows_max} a page{cap}{needs}"


def keys_required(table: Table) -> str:
    """Return what must be given to read a table, empty when nothing must."""
    if any(not path.keys for path in table.access_paths):
        return ""
    return " or ".join(dict.fromkeys(" and ".join(path.keys) for path in table.access_paths))


def _by_grade(path: AccessPath, column: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for operator, pushdown in path.operators[column].items():
        found.setdefault(pushdown.grade, []).append(operator)
    return found
