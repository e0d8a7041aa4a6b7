"""Queries that run on users' own backends name everything in full: no object of a user takes part in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import postgast
import pytest

from omnisql_server.manage import facts


def nodes(message: Any) -> Iterator[Any]:
    """Walk a parse tree."""
    yield message
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None:
            for child in value if descriptor.is_repeated else (value,):
                yield from nodes(child)


def unqualified(sql: str) -> list[str]:
    """Name the functions, operators, relations and types of a query that a search_path decides about."""
    found: list[str] = []
    for node in nodes(postgast.parse(sql)):
        kind = node.DESCRIPTOR.name
        parts = {"FuncCall": "funcname", "A_Expr": "name", "TypeName": "names"}.get(kind)
        if parts is not None:
            names = [part.string.sval for part in getattr(node, parts)]
            if len(names) < 2:
                found.append(f"{kind} {'.'.join(names)}")
        elif kind == "RangeVar" and not node.schemaname:
            found.append(f"RangeVar {node.relname}")
    return found


@pytest.mark.parametrize("name", facts.CONSTANTS)
def test_every_name_is_qualified(name: str) -> None:
    assert unqualified(facts.CONSTANTS[name]) == []


def test_what_is_not_qualified_is_found() -> None:
    assert unqualified("SELECT lower(a) FROM t WHERE a = 'x'::text") == [
        "FuncCall lower",
        "RangeVar t",
        "A_Expr =",
        "TypeName text",
    ]
