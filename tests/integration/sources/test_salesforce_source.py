"""A Salesforce source made and read by SQL: discovery, joins by keys, what is pushed, what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from source_world import GOOD_TOKEN, Said, refusal

from connectors.simulators.salesforce.oauth import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """The simulator, in a process of its own."""

    base_url: str

    def control(self, path: str, body: bytes | None = None) -> Any:
        """Ask its control endpoints."""
        with urllib.request.urlopen(f"{self.base_url}/_sim/{path}", data=body, timeout=30) as answer:
            return json.load(answer)

    def asked(self) -> list[str]:
        """Return the queries that it was asked since the last reset."""
        return [text for record in self.control("requests") for text in record["query"].get("q", [])]


@pytest.fixture(scope="module")
def running() -> Iterator[Organization]:
    """Run the simulator."""
    command = [sys.executable, "-m", "connectors.simulators", "--connector", "salesforce", "--issues", "300"]
    child = subprocess.Popen([*command, "--token", GOOD_TOKEN], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    yield Organization(base_url=json.loads(child.stdout.readline())["base_url"])
    child.terminate()
    child.wait(timeout=30)
    child.stdout.close()


@pytest.fixture
def organization(running: Organization, owner: psycopg.Connection) -> Organization:
    """Make a server `sf` whose account is that of an app with a refresh token, and import its tables into schema s."""
    run(
        owner,
        f"CREATE SERVER sf FOREIGN DATA WRAPPER salesforce"
        f" OPTIONS (base_url '{running.base_url}', client_id '{CLIENT_ID}')",
    )
    run(
        owner,
        "CREATE USER MAPPING FOR PUBLIC SERVER sf"
        f" OPTIONS (client_secret '{CLIENT_SECRET}', refresh_token '{REFRESH_TOKEN}')",
    )
    run(owner, "IMPORT FOREIGN SCHEMA salesforce FROM SERVER sf INTO s")
    run(owner, "SELECT id FROM s.users LIMIT 1")
    running.control("reset", b"{}")
    return running


def run(session: psycopg.Connection, sql: str) -> list[Any]:
    cursor = session.execute(sql.encode())
    return cursor.fetchall() if cursor.description else []


def test_custom_objects_and_fields_are_tables_and_columns(
    owner: psycopg.Connection, organization: Organization
) -> None:
    tables = run(
        owner, "SELECT foreign_table_name FROM information_schema.foreign_tables WHERE foreign_table_schema = 's'"
    )
    assert {name for (name,) in tables} == {
        "accounts", "contacts", "leads", "opportunities", "cases", "users", "tasks", "events", "campaigns",
        "opportunity_line_items", "invoice__c",
    }  # fmt: skip
    columns = dict(
        run(
            owner,
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = 's.invoice__c'::regclass AND attnum > 0",
        )
    )
    assert columns["total__c"] == "numeric"
    assert columns["channels__c"] == "text[]"
    assert columns["sent_at__c"] == "timestamp with time zone"
    assert columns["place__c"] == "jsonb"
    assert "document__c" not in columns
    assert organization.asked() == []


def test_a_join_by_keys_asks_for_the_records_that_are_needed(
    owner: psycopg.Connection, organization: Organization
) -> None:
    sql = (
        "SELECT o.id, o.stage_name, a.name, o.amount FROM s.opportunities o JOIN s.accounts a ON a.id = o.account_id"
        " WHERE o.stage_name = 'Closed Won' AND o.amount > 250000.5 AND a.name LIKE 'North%'"
    )
    joined = run(owner, sql)
    asked = organization.asked()
    opportunities = run(owner, "SELECT id, account_id, stage_name, amount FROM s.opportunities")
    accounts = dict(run(owner, "SELECT id, name FROM s.accounts"))
    expected = [
        (id_, stage, accounts[account], amount)
        for id_, account, stage, amount in opportunities
        if stage == "Closed Won" and (amount or 0) > 250000.5 and accounts.get(account, "").startswith("North")
    ]
    assert Counter(joined) == Counter(expected)
    assert joined
    # One side is read by its own conditions, the other by the keys that it gave and its own conditions.
    first, second = asked
    sides = {text.split(" FROM ")[1].split(" ")[0]: text for text in asked}
    assert "Name LIKE 'North%'" in sides["Account"]
    assert "StageName = 'Closed Won'" in sides["Opportunity"]
    assert "Amount > 250000.5" in sides["Opportunity"]
    assert "Id IN ('001" not in first
    assert "Id IN ('001" in second


def test_order_limit_and_count_are_the_sources_work(owner: psycopg.Connection, organization: Organization) -> None:
    every = run(owner, "SELECT id, close_date FROM s.opportunities WHERE NOT is_deleted")
    organization.control("reset", b"{}")
    newest = run(owner, "SELECT close_date FROM s.opportunities ORDER BY close_date DESC LIMIT 3")
    assert newest == [(day,) for day in sorted((day for _, day in every), reverse=True)[:3]]
    assert run(owner, "SELECT count(*) FROM s.opportunities") == [(len(every),)]
    first, second = organization.asked()
    assert first.endswith("ORDER BY CloseDate DESC NULLS FIRST LIMIT 3")
    assert second == "SELECT COUNT() FROM Opportunity"


def test_a_session_that_ended_is_opened_again_unnoticed(owner: psycopg.Connection, organization: Organization) -> None:
    before = run(owner, "SELECT id FROM s.leads")
    organization.control("sessions/end", b"")
    organization.control("reset", b"{}")
    assert run(owner, "SELECT id FROM s.leads") == before
    statuses = [(record["path"].rpartition("/")[2], record["status"]) for record in organization.control("requests")]
    assert statuses == [("query", 401), ("token", 200), ("query", 200)]


def test_what_is_wrong_with_a_source_is_said(
    owner: psycopg.Connection, running: Organization, notices: list[Said]
) -> None:
    make = "CREATE SERVER sf FOREIGN DATA WRAPPER salesforce OPTIONS "
    run(owner, f"{make}(base_url '{running.base_url}', client_id '{CLIENT_ID}')")
    run(owner, "CREATE USER MAPPING FOR PUBLIC SERVER sf OPTIONS (refresh_token 'mistyped')")
    said = refusal(owner, "CALL omnisql.check_source('sf')")
    assert (said.sqlstate, said.message_primary) == (
        "28000",
        'CREDENTIALS_REJECTED: server "sf" does not renew its credentials',
    )
    run(owner, f"ALTER USER MAPPING FOR PUBLIC SERVER sf OPTIONS (SET refresh_token '{REFRESH_TOKEN}')")
    run(owner, "CALL omnisql.check_source('sf')")
    assert "accepts the credential of " in notices[-1].message
    run(owner, "ALTER SERVER sf OPTIONS (ADD objects 'Account,Nothing__c')")
    said = refusal(owner, "IMPORT FOREIGN SCHEMA salesforce FROM SERVER sf INTO s")
    assert said.sqlstate == "HV00D"
    assert "Nothing__c" in str(said.message_primary)
    run(owner, "ALTER SERVER sf OPTIONS (SET objects 'Account')")
    run(owner, "IMPORT FOREIGN SCHEMA salesforce FROM SERVER sf INTO s")
    assert len(run(owner, "SELECT id FROM s.accounts")) > 10
