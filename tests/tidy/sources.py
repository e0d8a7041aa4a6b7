"""The project's own Python files, parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("omnisql_server", "wire", "catalog", "connectors")


@cache
def modules(*folders: str) -> dict[str, ast.Module]:
    """Parse every module below the folders, by its path from the root."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def nodes(*folders: str) -> Iterator[tuple[str, ast.AST]]:
    """Walk every node of every module, with the path of its module and its line."""
    for path, tree in modules(*folders).items():
        for node in ast.walk(tree):
            yield f"{path}:{getattr(node, 'lineno', 1)}", node
