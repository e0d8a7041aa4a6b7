"""Every test that a page of the documentation names is there, so that a promise is not shown by one that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
NAMED = re.compile(r"`(?=[\w/]*?test_\w+\.py|::test_)(?:[\w/]*?(test_\w+\.py))?(?:::(test_\w+))?`")
FILES = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}


@pytest.mark.parametrize("page", [path for path in PAGES if "test_" in path.read_text(encoding="utf-8")], ids=str)
def test_the_tests_that_a_page_names_are_there(page: Path) -> None:
    gone, file = [], ""
    for given, name in NAMED.findall(page.read_text(encoding="utf-8")):
        file = given or file
        if file not in FILES or (name and f"def {name}(" not in FILES[file].read_text(encoding="utf-8")):
            gone.append(f"{file}::{name}")
    assert gone == []
