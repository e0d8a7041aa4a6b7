"""Row filters, masks and denials of every kind, as a client meets them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from demo_server import DemoServer

REPOS = "owner = 'acme' AND repo IN ('web', 'api')"
Rows = list[tuple[Any, ...]]


def read(session: psycopg.Connection, columns: str, more: str = "") -> Rows:
    return session.execute(f"SELECT {columns} FROM github.issues WHERE {REPOS} {more} ORDER BY id".encode()).fetchall()


def visible(session: psycopg.Connection, columns: str) -> Rows:
    """Return columns of the rows that the policy shows, by another's session and PostgreSQL's own conditions."""
    shown = "AND repo = 'web' AND NOT labels @> ARRAY['bug'] AND (comments >= 1 OR state = 'open')"
    rows = read(session, columns, shown)
    assert rows
    return rows


def test_the_tree_of_a_row_filter_decides_which_rows_are_seen(ana: psycopg.Connection, eve: psycopg.Connection) -> None:
    assert read(eve, "id, repo, labels, comments") == visible(ana, "id, repo, labels, comments")
    assert len(visible(ana, "id")) < len(read(ana, "id", "AND repo = 'web'"))


def test_masks_show_values_of_the_columns_own_types(ana: psycopg.Connection, eve: psycopg.Connection) -> None:
    truth = visible(ana, "title, number, created_at, state_reason")
    shown = read(eve, "title, number, created_at, state_reason, body, html_url")
    assert shown == [
        (
            title[:3] + "*" * (len(title) - 3),
            number // 10 * 10,
            datetime(created.astimezone(UTC).year, created.astimezone(UTC).month, 1, tzinfo=UTC),
            None if reason is None else "***",
            None,
            "https://hidden",
        )
        for title, number, created, reason in truth
    ]


def test_a_hash_is_equal_where_values_are(ana: psycopg.Connection, eve: psycopg.Connection) -> None:
    codes: dict[str, set[str]] = {}
    for (login,), (code,) in zip(visible(ana, "user_login"), read(eve, "user_login"), strict=True):
        assert (login is None) is (code is None)
        if login is not None:
            codes.setdefault(login, set()).add(code)
    assert all(len(found) == 1 for found in codes.values())
    assert len(set.union(*codes.values())) == len(codes)
    assert all(len(code) == 64 and login not in code for login, (code,) in codes.items())


def test_a_condition_sees_the_masked_value(eve: psycopg.Connection, ana: psycopg.Connection) -> None:
    ((title, number),) = ana.execute(
        f"SELECT title, number FROM github.issues WHERE {REPOS} AND repo = 'web' ORDER BY id LIMIT 1".encode()
    ).fetchall()
    assert read(eve, "id", f"AND title = '{title}'") == []
    assert read(eve, "id", f"AND number = {number // 10 * 10 + 7}") == []
    assert len(read(eve, "id", "AND number % 10 = 0")) == len(read(eve, "id"))
    assert len(read(eve, "id", "AND body IS NULL AND html_url = 'https://hidden'")) == len(read(eve, "id"))


def test_a_denied_table_is_named_by_its_policy(eve: psycopg.Connection, ana: psycopg.Connection) -> None:
    sql = b"SELECT count(*) FROM github.releases WHERE owner = 'acme' AND repo = 'web'"
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        eve.execute(sql)
    assert caught.value.diag.message_detail == "policy no-releases"
    assert ana.execute(sql).fetchone() is not None


def test_what_is_never_shown_is_never_fetched_and_masked_conditions_are_not_sent(
    guarded: DemoServer, eve: psycopg.Connection
) -> None:
    plan = "\n".join(
        line for (line,) in eve.execute(f"EXPLAIN SELECT body, title FROM github.issues WHERE {REPOS}".encode())
    )
    assert "Row Filter: policy issues-of-the-team" in plan
    assert "Masked: body by policy no-body" in plan
    (columns,) = [line for line in plan.splitlines() if "Columns:" in line]
    assert "title" in columns
    assert "body" not in columns
