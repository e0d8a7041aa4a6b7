"""Renews the tables at the end of compatibility.md, and the share of the corpus, from `tests/differential/corpus`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGE = Path(__file__).with_name("compatibility.md")
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "differential"))

from compatibility_page import START, page_tables  # noqa: E402
from corpus import shares  # noqa: E402


def renewed(page: str) -> str:
    """Return the page with its tables and the share of the corpus as they are now."""
    text, _, _ = page.partition(START)
    on_duckdb, answered = shares()
    text = re.sub(r"\| corpus \| \d+ of \d+ \|", f"| corpus | {on_duckdb} of {answered} |", text)
    return f"{text.rstrip()}\n\n{page_tables()}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
