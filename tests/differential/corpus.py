"""The statements that are answered several ways, read from `corpus/*.sql`: an area each, one statement per line.

A line that begins with a blank continues the one before, `-- ` is a comment. `--: duckdb`, `--: postgres` and
`--: fails` begin the statements that DuckDB executes under `auto`, that only PostgreSQL may execute, and that fail;
`--: falls` those that DuckDB begins and leaves to PostgreSQL because of a value.
`--: set NAME = VALUE` holds until the next such line, `--: then QUERY` asks for the effect of the next statement.
An ORDER BY here is total, so that the order of rows is compared too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")
SECTIONS = ("duckdb", "postgres", "fails", "falls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A statement, what becomes of it (one of SECTIONS), the setting it runs under, and a query for its effect."""

    area: str
    section: str
    sql: str
    setting: str | None = None
    then: str | None = None


def read_area(path: Path) -> list[Case]:
    """Read the statements of one file."""
    cases: list[Case] = []
    section, setting, then = "", None, None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(" ") and cases:
            last = cases.pop()
            sql = f"{last.sql}\n{line}"
            cases.append(Case(area=last.area, section=last.section, sql=sql, setting=last.setting, then=last.then))
        elif line.startswith("--: "):
            word, _, rest = line.removeprefix("--: ").partition(" ")
            if word == "set":
                setting = rest
            elif word == "then":
                then = rest
            else:
                assert word in SECTIONS, line
                section, setting = word, None
        elif line and not line.startswith("--"):
            cases.append(Case(area=path.stem, section=section, sql=line, setting=setting, then=then))
            then = None
    return cases


CASES = [case for path in sorted(FOLDER.glob("*.sql")) for case in read_area(path)]
AREAS = tuple(dict.fromkeys(case.area for case in CASES))
"""The names of the areas; a test of an area has its name as parameter."""


def cases(area: str, *sections: str) -> list[Case]:
    """Return an area's statements that belong to some sections."""
    return [case for case in CASES if case.area == area and case.section in sections]


def shares() -> tuple[int, int]:
    """Return how many of the statements that have an answer DuckDB executes under `auto`, and how many they are."""
    answered = [case for case in CASES if case.section != "fails"]
    return sum(case.section == "duckdb" for case in answered), len(answered)


def is_ordered(sql: str) -> bool:
    """Say whether the statement's own ORDER BY fixes the order of its rows."""
    depth, found = 0, False
    for place, letter in enumerate(sql.upper()):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        found = found or (depth == 0 and sql.upper().startswith("ORDER BY", place))
    return found
