"""The project's own Python files, parsed once."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("omnisql_server", "wire", "catalog", "connectors")


@cache
def parsed(path: Path) -> ast.Module:
    """Parse one module."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def modules(*folders: str) -> dict[str, ast.Module]:
    """Parse every module below the folders, by its path from the root."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    # Millions of nodes that all stay: looking through them for garbage takes longer than parsing does.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return {str(path.relative_to(ROOT)): parsed(path) for path in paths}
    finally:
        if was_enabled:
            gc.enable()


@cache
def functions_of(path: str) -> frozenset[str]:
    """Name the functions of a module, and those inside them; none where there is no such module."""
    file = ROOT / path
    if not file.exists():
        return frozenset()
    walked = ast.walk(parsed(file))
    return frozenset(node.name for node in walked if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def nodes(*folders: str) -> Iterator[tuple[str, ast.AST]]:
    """Walk every node of every module, with the path of its module and its line."""
    for path, tree in modules(*folders).items():
        for node in ast.walk(tree):
            yield f"{path}:{getattr(node, 'lineno', 1)}", node


def forget() -> None:
    """Let the trees go, so that the tests that follow do not carry them along."""
    modules.cache_clear()
    parsed.cache_clear()
