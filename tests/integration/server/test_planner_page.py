"""What docs/planner.md shows of EXPLAIN is what the demo says, line by line, but for what depends on the day."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from sessions import rows_of

PAGE = (Path(__file__).parents[3] / "docs" / "planner.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```\n(EXPLAIN [^;]+);\n\n(.+?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def plain(line: str) -> str:
    """Leave out figures, and where they come from."""
    without_origin = re.sub(r" \((observed|a guess|the source).*\)$", "", line.strip())
    return re.sub(r"\d+(\.\d+)?", "#", without_origin)


def lines_of(shown: str) -> list[str]:
    """Return the lines of an example; one that is broken goes on further in."""
    lines: list[str] = []
    for line in shown.splitlines():
        if lines and line.startswith(" " * 12) and not line.strip().startswith("->"):
            lines[-1] += f" {line.strip()}"
        elif line.strip():
            lines.append(line.strip())
    return lines


@pytest.mark.parametrize(("statement", "shown"), SHOWN, ids=range(len(SHOWN)))
def test_the_page_shows_what_explain_says(ana: psycopg.Connection, statement: str, shown: str) -> None:
    said = [plain(line) for (line,) in rows_of(ana, statement)]
    place = 0
    is_gap = "Query" not in shown
    for line in map(plain, lines_of(shown)):
        if line == "..":
            is_gap = True
            continue
        assert line in said[place:], f"{line}\nis not said in\n" + "\n".join(said[place:])
        found = said.index(line, place)
        assert is_gap or found == place or said[place].startswith(("Quota", "Source")), f"{said[place]} is not shown"
        place, is_gap = found + 1, "Query" not in shown


def test_the_page_has_the_examples_that_this_compares() -> None:
    assert len(SHOWN) == PAGE.count("\nEXPLAIN ") == 5
