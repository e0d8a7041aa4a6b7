"""Statements that an external PostgreSQL carries out although policy hides rows and values of its tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from demo_server import DemoServer
from external_postgres import PASSWORD, ExternalPostgres, external_postgres
from guarded import log_in

SCHEMA = """
CREATE ROLE reader LOGIN PASSWORD 'a secret of the source''s';
CREATE SCHEMA sales;
CREATE TABLE sales.bills (id int PRIMARY KEY, payer int, region text, day date, amount int, note text);
INSERT INTO sales.bills SELECT n, n % 40, (ARRAY['eu', 'us', 'moon', NULL])[1 + n % 4], date '2026-01-01' + n % 9,
    CASE WHEN n % 4 = 2 THEN 0 ELSE n END, CASE WHEN n % 4 = 2 THEN 'hidden ' || n ELSE n::text END
    FROM generate_series(1, 400) AS n;
CREATE TABLE sales.payers (id int PRIMARY KEY, name text, city text, mail text, credit int);
INSERT INTO sales.payers SELECT n, 'payer ' || n, 'city ' || n % 3, n || '@example.com', n * 10
    FROM generate_series(0, 39) AS n;
CREATE TABLE sales.letters (id int PRIMARY KEY, word text);
INSERT INTO sales.letters SELECT n, chr(96 + n) FROM generate_series(1, 20) AS n;
GRANT USAGE ON SCHEMA sales TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA sales TO reader;
ANALYZE;
"""
# More regions than rows have: PostgreSQL evaluates what is cheaper than a long list before it.
SEEN = "b.region IN ('eu', 'us', 'asia') AND b.day >= '2026-01-05'"
USED = "SELECT access_path, rows_fetched FROM omnisql.last_query_sources ORDER BY 2"


@pytest.fixture(scope="module")
def external(guarded: DemoServer) -> Iterator[ExternalPostgres]:
    """Run an external database whose tables are in schema `far`, for everybody."""
    with external_postgres() as running, log_in(guarded, "admin") as admin:
        running.execute(SCHEMA)
        run(
            admin,
            "CREATE SERVER far FOREIGN DATA WRAPPER postgres"
            f" OPTIONS (host '127.0.0.1', port '{running.port}', dbname 'postgres', sslmode 'disable')",
        )
        password = PASSWORD.replace("'", "''")
        run(admin, f"CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'reader', password '{password}')")
        run(admin, "CREATE SCHEMA far")
        run(admin, "IMPORT FOREIGN SCHEMA sales FROM SERVER far INTO far")
        run(admin, "GRANT USAGE ON SCHEMA far TO PUBLIC")
        run(admin, "GRANT SELECT ON ALL TABLES IN SCHEMA far TO PUBLIC")
        yield running
        run(admin, "DROP SCHEMA far CASCADE")
        run(admin, "DROP SERVER far CASCADE")


def run(session: psycopg.Connection, sql: str) -> list[tuple[Any, ...]]:
    cursor = session.execute(sql.encode())
    return cursor.fetchall() if cursor.description else []


GATHERED = "SELECT p.name, count(*), sum(b.amount) FROM far.bills b JOIN far.payers p ON p.id = b.payer"


def test_groups_are_of_the_rows_that_policy_shows(
    external: ExternalPostgres, ana: psycopg.Connection, eve: psycopg.Connection
) -> None:
    rest = "GROUP BY 1 ORDER BY 1"
    truth = run(ana, f"{GATHERED} WHERE {SEEN} {rest}")
    assert run(eve, f"{GATHERED} {rest}") == truth
    assert run(eve, USED) == [("whole", len(truth))]
    assert len(truth) < len(run(ana, f"{GATHERED} {rest}"))


def test_a_condition_is_evaluated_on_no_hidden_row(external: ExternalPostgres, eve: psycopg.Connection) -> None:
    """Every row with the amount 0 is hidden: a division by it, at the source, would tell that there are such rows."""
    for text in ("{} WHERE 100 / b.amount >= 0 GROUP BY 1", "SELECT count(*), sum(100 / b.amount) FROM far.bills b"):
        assert len(run(eve, text.format(GATHERED))) > 0
        # Had the source failed, the tables would have been read by scans.
        assert [path for path, _ in run(eve, USED)] == ["whole"]


def test_parts_are_of_the_rows_that_policy_shows(
    external: ExternalPostgres, ana: psycopg.Connection, eve: psycopg.Connection
) -> None:
    by = "SELECT b.payer AS k, count(*) AS n FROM far.bills b{} GROUP BY 1"
    text = "SELECT i.comments, d.k, d.n FROM github.issues i JOIN ({}) d ON d.k = i.comments{}"
    here = " WHERE i.owner = 'acme' AND i.repo = 'web' ORDER BY 1, 2"
    shown = "AND NOT i.labels @> ARRAY['bug'] AND (i.comments >= 1 OR i.state = 'open')"
    truth = run(ana, text.format(by.format(f" WHERE {SEEN}"), here.replace("ORDER", f"{shown} ORDER")))
    assert run(eve, text.format(by.format(""), here)) == truth
    assert truth
    assert "part" in str(run(eve, USED))


def test_a_hidden_value_is_as_it_is_shown_at_the_source(external: ExternalPostgres, eve: psycopg.Connection) -> None:
    found = run(eve, "SELECT p.city, max(p.credit), count(*) FROM far.payers p WHERE p.credit IS NULL GROUP BY 1")
    assert found == [("somewhere", None, 40)]
    assert run(eve, USED) == [("whole", 1)]
    assert run(eve, "SELECT count(*) FROM far.payers p JOIN far.bills b ON b.id = p.credit") == [(0,)]
    # The code of a value is made here, of a key that no source gets.
    codes = run(eve, "SELECT p.mail, count(*) FROM far.payers p GROUP BY 1")
    assert len(codes) == 40
    assert all(len(code) == 64 for code, _ in codes)
    assert run(eve, USED) == [("scan", 40)]


def test_what_the_source_cannot_say_is_filtered_here(external: ExternalPostgres, eve: psycopg.Connection) -> None:
    assert run(eve, "SELECT count(*), max(word) FROM far.letters") == [(5, "e")]
    assert run(eve, USED) == [("scan", None)]


def test_explain_names_the_policy_and_not_what_it_compares_with(
    external: ExternalPostgres, eve: psycopg.Connection
) -> None:
    shown = "\n".join(line for (line,) in run(eve, f"EXPLAIN {GATHERED} WHERE b.id > 3 GROUP BY 1"))
    assert "Whole Statement on far.bills, far.payers" in shown
    assert "Pushed: policy bills-of-the-region (exact)" in shown
    assert "asia" not in shown
    assert "2026-01-05" not in shown


TESTED = ("b.amount > 100", "b.note < '2'", "b.region = 'eu'", "b.region IS NULL", "b.payer IN (1, 2, 3)", "p.id > 7")


@pytest.mark.parametrize("test", TESTED)
def test_scans_and_the_source_agree(external: ExternalPostgres, eve: psycopg.Connection, test: str) -> None:
    for join in ("JOIN", "LEFT JOIN", "FULL JOIN"):
        text = (
            f"SELECT p.name, b.region, count(b.id), sum(b.amount), max(p.credit) FROM far.bills b {join} far.payers p"
            f" ON p.id = b.payer WHERE {test} GROUP BY 1, 2 ORDER BY 1, 2"
        )
        run(eve, "SET omnisql.engine = 'auto'")
        whole = run(eve, text)
        assert [path for path, _ in run(eve, USED)] == ["whole"], text
        run(eve, "SET omnisql.engine = 'postgres'")
        assert run(eve, text) == whole, text
