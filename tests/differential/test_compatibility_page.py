"""docs/compatibility.md is what the corpus says today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from compatibility_page import BOTH, page_tables

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_of_today() -> None:
    spec = importlib.util.spec_from_file_location("compatibility", DOCS / "compatibility.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (DOCS / "compatibility.md").read_text(encoding="utf-8")
    assert module.renewed(page) == page, "run python docs/compatibility.py"


def test_the_tables_tell_the_engines_apart() -> None:
    lines = page_tables().splitlines()
    (sums,) = [line for line in lines if line.startswith("| `sum` |")]
    (searches,) = [line for line in lines if line.startswith("| `to_tsvector` |")]
    assert BOTH in sums
    assert BOTH not in searches
