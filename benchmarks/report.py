"""Tables of results: printed, and put into the section of their subject in RESULTS.md."""

from __future__ import annotations

import os
import platform
import re
import shlex
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS_FILE = Path(__file__).with_name("RESULTS.md")
_TITLE = "# Results\n\nEach section is written by its benchmark; the peers of a figure ran beside it in the same run.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One subject's results: `rows` are cells of a Markdown table, `notes` paragraphs below it."""

    subject: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    peers: Sequence[str] = ()


def publish(section: Section) -> None:
    """Print a section and replace it in RESULTS.md."""
    text = _render(section)
    sys.stdout.write(text)
    known = RESULTS_FILE.read_text(encoding="utf-8") if RESULTS_FILE.exists() else _TITLE
    pattern = re.compile(rf"^## {re.escape(section.subject)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    is_known = pattern.search(known) is not None
    known = pattern.sub(lambda _: text, known) if is_known else f"{known.rstrip()}\n\n{text}"
    RESULTS_FILE.write_text(known.rstrip() + "\n", encoding="utf-8")


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _render(section: Section) -> str:
    lines = [f"## {section.subject}", ""]
    lines.append(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, `{_command()}`, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        + ", ".join((f"DuckDB {version('duckdb')}", f"pyarrow {version('pyarrow')}", *section.peers))
        + "."
    )
    lines += ["", "| " + " | ".join(section.header) + " |", "|" + "---|" * len(section.header)]
    lines += ["| " + " | ".join(row) + " |" for row in section.rows]
    for note in section.notes:
        lines += ["", note]
    return "\n".join(lines) + "\n\n"


def _command() -> str:
    module = getattr(sys.modules["__main__"], "__spec__", None)
    name = module.name if module is not None else Path(sys.argv[0]).name
    return shlex.join(["python", "-m", name.removesuffix(".__main__"), *sys.argv[1:]])
