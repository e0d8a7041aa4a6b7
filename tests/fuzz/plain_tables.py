"""Every API table in full as a table of PostgreSQL too, and the literals that conditions on it are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from demo_server import company

SAMPLED_VALUES = 12
TYPES = {
    "text": "text",
    "bool": "bool",
    "int2": "number",
    "int4": "number",
    "int8": "number",
    "float8": "number",
    "numeric": "number",
    "timestamptz": "instant",
    "date": "day",
    "_text": "texts",
}
"""The columns that take part, by the names of their types; documents stay out."""
HYDRATED = {
    "commits": ("additions", "deletions", "files"),
    "pull_requests": ("merged", "mergeable", "additions", "deletions", "changed_files", "commits"),
}
"""Columns that a request for each row would fill and that need not take part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainColumn:
    """A column: its kind of type, and literals as SQL that some rows have, nearly have, or do not have.

    It is `below_or` where some way to read its table takes conditions on it below OR.
    """

    kind: str
    literals: tuple[str, ...]
    words: tuple[str, ...] = ()
    below_or: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainTable:
    """A table: the condition without which it cannot be read, and what makes its rows unique.

    `driving` keeps the rows that give keys to another table to those for which that was copied.
    """

    name: str
    required: str
    identity: tuple[str, ...]
    driving: str
    columns: Mapping[str, PlainColumn]

    @property
    def copy(self) -> str:
        """Name the copy."""
        return copy_of(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What of a table is copied, what makes its rows unique (if it is told), and columns that stay out."""

    required: str = "true"
    identity: tuple[str, ...] = ()
    driving: str = ""
    left_out: tuple[str, ...] = ()


def plainly(statement: str, prefix: str = "plain") -> str:
    """Have a statement read PostgreSQL's own tables in the place of API tables."""
    return re.sub(r"\b(FROM|JOIN) (?!public\.)(\w+)\.(\w+)", rf"\1 public.{prefix}_\2_\3", statement)


def copy_of(name: str) -> str:
    """Name the copy of a table."""
    return f"public.plain_{name.replace('.', '_')}"


@contextmanager
def plain_tables(session: psycopg.Connection) -> Iterator[dict[str, PlainTable]]:
    """Read every API table into a table of its own, and drop them at the end."""
    requirements = _requirements()
    create_copies(session, {name: HYDRATED.get(name.partition(".")[2], ()) for name in requirements})
    found = {}
    for name, (required, identity, *driving) in requirements.items():
        requirement = Requirement(
            required=required,
            identity=identity,
            driving="".join(driving),
            left_out=HYDRATED.get(name.partition(".")[2], ()),
        )
        found[name] = copied(session, name, requirement)
    yield found
    for name in requirements:
        session.execute(f"DROP TABLE {copy_of(name)}".encode())


def _requirements() -> dict[str, tuple[str, tuple[str, ...]] | tuple[str, tuple[str, ...], str]]:
    forge, tracker = company().forge, company().tracker
    own = [found for found in forge.repositories if found.owner == "acme"]
    odd = [found.name for found in own if found.is_empty or not found.has_issues][:2]
    names = ", ".join(f"'{name}'" for name in ("web", "api", *odd))
    repository = f"owner = 'acme' AND repo IN ({names})"
    keys = ", ".join(f"'{ticket.key}'" for ticket in tracker.issues()[:8])
    boards = ", ".join(str(board.id) for board in tracker.boards)
    by_id = ("id",)
    return {
        "github.repositories": ("true", by_id, f"name IN ({names})"),
        "github.issues": (repository, by_id),
        "github.pull_requests": (repository, by_id),
        "github.issue_comments": (repository, by_id),
        "github.commits": (repository, ("repo", "sha")),
        "github.releases": (repository, by_id),
        "github.workflow_runs": (repository, by_id),
        "github.labels": (repository, by_id),
        "github.org_members": ("org = 'acme'", by_id),
        "jira.projects": ("true", by_id),
        "jira.issues": ("true", by_id, f"key IN ({keys})"),
        "jira.users": ("true", ("account_id",)),
        "jira.boards": ("true", by_id),
        "jira.sprints": (f"board_id IN ({boards})", ("board_id", "id")),
        "jira.issue_comments": (f"issue_key IN ({keys})", by_id),
        "jira.issue_worklogs": (f"issue_key IN ({keys})", by_id),
        "jira.issue_changelog": (f"issue_key IN ({keys})", ("id", "item")),
    }


def create_copies(session: psycopg.Connection, left_out: Mapping[str, tuple[str, ...]]) -> None:
    """Make an empty table of PostgreSQL for every API table that is named, without the columns that stay out."""
    made = []
    for name, hidden in left_out.items():
        listed = ", ".join(f'"{column}" {kind}' for column, kind in _described(session, name) if column not in hidden)
        made.append(f"CREATE TABLE {copy_of(name)} ({listed})")
    session.execute(";".join(made).encode())


def _described(session: psycopg.Connection, name: str) -> list[tuple[str, str]]:
    schema, _, table = name.partition(".")
    return [
        (column, kind)
        for column, kind in session.execute(
            "SELECT column_name, udt_name FROM information_schema.columns"
            " WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position",
            (schema, table),
        )
        if kind in TYPES
    ]


def _below_or(session: psycopg.Connection, name: str) -> set[str]:
    schema, _, table = name.partition(".")
    asked = "SELECT column_name FROM omnisql.columns WHERE schema_name = %s AND table_name = %s AND below_or"
    return {column for (column,) in session.execute(asked, (schema, table))}


def copied(session: psycopg.Connection, name: str, requirement: Requirement) -> PlainTable:
    """Read an API table in full into the empty table that was made for it."""
    kinds = {c: TYPES[kind] for c, kind in _described(session, name) if c not in requirement.left_out}
    listed = ", ".join(f'"{column}"' for column in kinds)
    rows = session.execute(f"SELECT {listed} FROM {name} WHERE {requirement.required}".encode()).fetchall()
    assert rows, name
    with session.cursor() as cursor, cursor.copy(f"COPY {copy_of(name)} ({listed}) FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)
    identity = requirement.identity or tuple(kinds)[:1]
    if requirement.identity:
        assert len({tuple(row[list(kinds).index(column)] for column in identity) for row in rows}) == len(rows), name
    taken = _below_or(session, name)
    columns = {
        column: replace(_column(kind, [row[at] for row in rows]), below_or=column in taken)
        for at, (column, kind) in enumerate(kinds.items())
    }
    return PlainTable(
        name=name, required=requirement.required, identity=identity, driving=requirement.driving, columns=columns
    )


def _column(kind: str, values: Sequence[Any]) -> PlainColumn:
    known = sorted({value for value in _flat(values) if value is not None}, key=str)
    step = max(1, len(known) // SAMPLED_VALUES)
    some = known[::step][:SAMPLED_VALUES]
    words = sorted({word for value in some if isinstance(value, str) for word in re.findall(r"[A-Za-z]{3,}", value)})
    return PlainColumn(
        kind=kind, literals=tuple(dict.fromkeys(_literals(kind, some))), words=tuple(words[:SAMPLED_VALUES]) or ("x",)
    )


def _flat(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def _literals(kind: str, some: Sequence[Any]) -> Iterator[str]:
    """Yield values of a column, and others beside them, as SQL."""
    if kind in ("text", "texts"):
        for value in some:
            yield _quoted(value)
        yield from (_quoted(some[0].upper()), _quoted(some[-1].lower())) if some else ()
        yield from ("'no such value'", "''", "'100% \"quoted\" \\ it''s'")
    elif kind == "number":
        yield from (str(value) for value in some)
        yield from ("0", "-1", "3")
    elif kind == "instant":
        for value in some:
            assert isinstance(value, datetime)
            yield f"'{value.isoformat()}'::timestamptz"
            yield f"'{(value + timedelta(milliseconds=500)).isoformat()}'::timestamptz"
        yield "'2001-01-01 00:00:00+00'::timestamptz"
    elif kind == "day":
        for value in some:
            assert isinstance(value, date)
            yield f"'{value.isoformat()}'::date"
        yield "'2001-01-01'::date"


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
