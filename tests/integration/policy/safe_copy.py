"""What the policy of this folder shows, worked out beside the server: local tables with the rows and values left.

Whoever asks these tables cannot learn anything that is hidden, for it is not in them. Hashes cannot be worked out
without the tenant's key: the codes are read once, and proved to stand for names one by one.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb, set_json_loads

HASHED = tuple(f"{who}_{what}" for who in ("reporter", "assignee", "creator") for what in ("name", "account_id"))
NEVER_SHOWN = ("raw", "description", "description_adf")
INSTANTS = ("created", "updated", "resolved")
Row = dict[str, Any]


def make_copies(ana: psycopg.Connection, eve: psycopg.Connection, admin: psycopg.Connection) -> list[str]:
    """Fill `safe.issues` and `safe.projects`, and return texts that nobody else may see."""
    issues = rows_of(ana, "issues")
    codes = codes_of(ana, eve)
    shown = [masked(row, codes) for row in issues if is_shown(row)]
    assert 0 < len(shown) < len(issues)
    admin.execute("CREATE SCHEMA safe; GRANT USAGE ON SCHEMA safe TO eve")
    fill(admin, "issues", shown)
    fill(admin, "projects", rows_of(ana, "projects"))
    seen = {str(value) for row in shown for value in row.values()}
    texts = {row[name] for row in issues for name in ("summary", "description") if row[name]}
    return sorted(text for text in texts if len(text) > 8 and text not in seen)


def is_shown(row: Row) -> bool:
    """Say whether the row filter of issues leaves a row to the web team."""
    if row["project_key"] not in ("WEB", "MOB") or row["labels"] is None or "regression" in row["labels"]:
        return False
    if row["votes"] is not None and row["votes"] >= 1:
        return True
    return row["status_category"] not in (None, "Done")


def masked(row: Row, codes: dict[str, str]) -> Row:
    """Show a row as the masks of issues do."""
    summary, spent, due = row["summary"], row["time_spent_s"], row["due_date"]
    return {
        **row,
        **dict.fromkeys(NEVER_SHOWN),
        **{name: None if row[name] is None else month_of(row[name]) for name in INSTANTS},
        **{name: None if row[name] is None else codes[row[name]] for name in HASHED},
        "summary": None if summary is None else partial(summary),
        "time_spent_s": None if spent is None else spent - spent % 5000,
        "due_date": None if due is None else date(due.year, (due.month - 1) // 3 * 3 + 1, 1),
        "priority": "hidden",
        "resolution": None if row["resolution"] is None else "***",
    }


def partial(text: str) -> str:
    """Show three characters of a text that has more."""
    return text[:3] + "*" * (len(text) - 3) if len(text) > 3 else "*" * len(text)


def month_of(value: datetime) -> datetime:
    """Return when an instant's month began, in UTC."""
    day = value.astimezone(UTC)
    return datetime(day.year, day.month, 1, tzinfo=UTC)


def rows_of(session: psycopg.Connection, table: str) -> list[Row]:
    """Read a table whole."""
    set_json_loads(lambda text: Jsonb(json.loads(text)), session)
    cursor = session.execute(f"SELECT * FROM jira.{table}".encode())
    assert cursor.description is not None
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def codes_of(ana: psycopg.Connection, eve: psycopg.Connection) -> dict[str, str]:
    """Return which code stands for which name, in every column the same and for no two names."""
    sql = f"SELECT id, {', '.join(HASHED)} FROM jira.issues".encode()
    truth = {row[0]: row[1:] for row in ana.execute(sql).fetchall()}
    codes: dict[str, str] = {}
    for identity, *found in eve.execute(sql).fetchall():
        for name, code in zip(truth[identity], found, strict=True):
            assert (name is None) is (code is None)
            if name is not None:
                assert codes.setdefault(name, code) == code
                assert len(code) == 64
    assert len(set(codes.values())) == len(codes)
    return codes


def fill(admin: psycopg.Connection, table: str, rows: list[Row]) -> None:
    """Make a local table of the same shape and put rows into it."""
    admin.execute(f"CREATE TABLE safe.{table} (LIKE jira.{table}); GRANT SELECT ON safe.{table} TO eve".encode())
    insert = f"INSERT INTO safe.{table} VALUES ({', '.join(['%s'] * len(rows[0]))})".encode()
    with admin.cursor() as cursor:
        cursor.executemany(insert, [tuple(row.values()) for row in rows])
