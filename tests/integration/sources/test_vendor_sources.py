"""Sources of the vendors whose connector is a manifest: made by SQL, read, refused, and seen from the vendor's side."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from source_world import GOOD_TOKEN, refusal


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """What to ask of a vendor: the secret and options it takes, a table, a condition, and what that is sent as."""

    name: str
    secret: str
    table: str
    columns: str
    condition: str
    sent: tuple[str, str]
    options: str = ""


VENDORS = (
    Vendor(
        name="gitlab",
        secret="token",
        table="issues i JOIN s.projects p ON p.id = i.project_id",
        columns="i.id, i.state, i.title",
        condition="p.path_with_namespace = 'acme/web' AND i.state = 'closed'",
        sent=("state", "closed"),
    ),
    Vendor(
        name="hubspot",
        secret="access_token",
        table="deals",
        columns="id, name, stage_id",
        condition="amount >= 3000 AND stage_id = 'closedwon'",
        sent=("filterGroups", "closedwon"),
    ),
    Vendor(
        name="notion",
        secret="token",
        table="database_rows r JOIN s.databases d ON d.id = r.database_id",
        columns="r.id, r.title",
        condition="d.title = 'Board 1' AND r.created_at >= '2025-06-01T00:00:00Z'",
        sent=("on_or_after", "2025-06-01T00:00:00Z"),
    ),
    Vendor(
        name="pagerduty",
        secret="api_key",
        table="incidents",
        columns="id, status, title",
        condition="status = 'triggered'",
        sent=("statuses[]", "triggered"),
    ),
    Vendor(
        name="slack",
        secret="token",
        table="messages m JOIN s.channels c ON c.id = m.channel_id",
        columns="m.ts, m.text",
        condition="c.name = 'general' AND m.created_at > '2025-12-30T00:00:00Z'",
        sent=("oldest", "1767052800"),
    ),
    Vendor(
        name="stripe",
        secret="secret_key",
        table="invoices",
        columns="id, status, total",
        condition="status = 'paid' AND created_at >= '2025-12-20'",
        sent=("created[gte]", "1766188800"),
    ),
    Vendor(
        name="zendesk",
        options=", email 'demo@acme.example'",
        secret="api_token",
        table="tickets",
        columns="id, status, subject",
        condition="status = 'pending'",
        sent=("query", "status:pending"),
    ),
)


@contextmanager
def simulated(name: str) -> Iterator[str]:
    """Run a vendor's simulator as a process of its own."""
    command = [sys.executable, "-m", "connectors.simulators", "--connector", name, "--issues", "400"]
    child = subprocess.Popen([*command, "--token", GOOD_TOKEN], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        yield json.loads(child.stdout.readline())["base_url"]
    finally:
        child.terminate()
        child.wait(timeout=30)
        child.stdout.close()


def requests_at(base_url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{base_url}/_sim/requests", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


def run(session: psycopg.Connection, sql: str) -> list[Any]:
    cursor = session.execute(sql.encode())
    return cursor.fetchall() if cursor.description else []


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_a_vendor_is_read_by_sql_alone(owner: psycopg.Connection, vendor: Vendor) -> None:
    with simulated(vendor.name) as url:
        options = f"base_url '{url}'{vendor.options}"
        run(owner, f"CREATE SERVER desk FOREIGN DATA WRAPPER {vendor.name} OPTIONS ({options})")
        run(owner, f"CREATE USER MAPPING FOR PUBLIC SERVER desk OPTIONS ({vendor.secret} '{GOOD_TOKEN}')")
        run(owner, "CALL omnisql.check_source('desk')")
        run(owner, f"IMPORT FOREIGN SCHEMA {vendor.name} FROM SERVER desk INTO s")
        every = run(owner, f"SELECT {vendor.columns} FROM s.{vendor.table}")
        assert every
        before = len(requests_at(url))
        found = run(owner, f"SELECT {vendor.columns} FROM s.{vendor.table} WHERE {vendor.condition}")
        assert 0 < len(found) < len(every)
        assert set(found) < set(every)
        name, text = vendor.sent
        asked = [json.dumps([each["query"], each["body"]]) for each in requests_at(url)[before:]]
        assert any(name in each and text in each for each in asked), asked
        run(owner, "DROP USER MAPPING FOR PUBLIC SERVER desk")
        run(owner, f"CREATE USER MAPPING FOR PUBLIC SERVER desk OPTIONS ({vendor.secret} 'wrong')")
        said = refusal(owner, f"SELECT {vendor.columns} FROM s.{vendor.table}")
        assert said.sqlstate == "28000"
        assert "CREDENTIALS_REJECTED" in (said.message_primary or "")


WAYS = (
    ("id IN (2, 3)", "by_id"),
    ("true", "all"),
    ("updated_at >= '2025-12-20'", "changed"),
    ("status = 'pending' AND priority = 'high'", "search"),
    ("updated_at >= '2025-12-20' AND status = 'pending'", "search"),
)


@pytest.fixture(scope="module")
def zendesk() -> Iterator[str]:
    with simulated("zendesk") as url:
        yield url


@pytest.fixture
def desk(owner: psycopg.Connection, zendesk: str) -> psycopg.Connection:
    options = f"base_url '{zendesk}', email 'demo@acme.example'"
    run(owner, f"CREATE SERVER desk FOREIGN DATA WRAPPER zendesk OPTIONS ({options})")
    run(owner, f"CREATE USER MAPPING FOR PUBLIC SERVER desk OPTIONS (api_token '{GOOD_TOKEN}')")
    run(owner, "IMPORT FOREIGN SCHEMA zendesk FROM SERVER desk INTO s")
    return owner


def test_tickets_of_zendesk_are_read_in_the_way_that_the_question_asks_for(desk: psycopg.Connection) -> None:
    for condition, way in WAYS:
        plan = "\n".join(row[0] for row in run(desk, f"EXPLAIN SELECT id, status FROM s.tickets WHERE {condition}"))
        assert f"Access Path: {way}," in plan, plan
    changed = run(desk, "SELECT id FROM s.tickets WHERE updated_at >= '2025-12-20' ORDER BY id")
    assert changed == run(desk, "SELECT id FROM s.tickets WHERE updated_at + interval '0' >= '2025-12-20' ORDER BY id")
    assert 0 < len(changed) < 400


def test_a_call_for_each_row_is_made_only_where_its_column_is_read(desk: psycopg.Connection, zendesk: str) -> None:
    run(desk, "SELECT id, subject FROM s.tickets WHERE id IN (2, 3, 4)")
    assert not [each for each in requests_at(zendesk) if each["path"].endswith("/metrics")]
    found = run(desk, "SELECT id, replies FROM s.tickets WHERE id IN (1, 2, 3, 4) ORDER BY id")
    called = [each["path"] for each in requests_at(zendesk) if each["path"].endswith("/metrics")]
    assert sorted(called) == [f"/api/v2/tickets/{number}/metrics" for number in (1, 2, 3, 4)]
    # The first of four tickets has nobody, so no metrics.
    assert found == [(1, None), (2, 1), (3, 2), (4, 3)]
