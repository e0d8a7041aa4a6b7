"""Scans as the owners of views in EXPLAIN: what is read with whose rights, and which of its rows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from catalog.quoting import identifier
from connectors.sdk.scan import Predicate
from omnisql_server.model.plan import OwnerScan

INDENT = " " * 8


def owner_lines(scan: OwnerScan, name: Callable[[str], str], text: Callable[[Predicate], str]) -> Iterator[str]:
    """Write a scan as lines; `name` and `text` write names and predicates."""
    read = scan.read
    only = "only " if read.only else ""
    yield f"  ->  Owner Scan on {only}{name(read.relation.schema)}.{name(read.relation.name)}"
    yield f"{INDENT}Read As: {identifier(read.role)}, whose rights view {read.view} gives"
    yield f"{INDENT}Columns: {', '.join(map(name, read.columns)) or 'none, rows are counted'}"
    for predicate in scan.predicates:
        yield f"{INDENT}Pushed: {text(predicate)} (exact)"


def owner_facts(scan: OwnerScan, text: Callable[[Predicate], str]) -> dict[str, object]:
    """Write a scan as a node of a document."""
    read = scan.read
    return {
        "Node Type": "Owner Scan",
        "Schema": read.relation.schema,
        "Relation Name": read.relation.name,
        "Read As": read.role,
        "View": read.view,
        "Columns": list(read.columns),
        "Pushed": [{"Condition": text(each), "Grade": "exact", "Policy": None} for each in scan.predicates],
    }
