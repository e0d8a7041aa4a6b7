"""Parts of statements that one PostgreSQL carries out, beside APIs, local tables and another PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from external_postgres import PASSWORD, ExternalPostgres, external_postgres
from source_world import GOOD_TOKEN
from demo_server import DemoServer

SCHEMA = """
CREATE ROLE reader LOGIN PASSWORD 'a secret of the source''s';
CREATE SCHEMA sales;
CREATE TABLE sales.customers (id int PRIMARY KEY, name text NOT NULL, region varchar(5));
INSERT INTO sales.customers SELECT n, 'customer ' || n, (ARRAY['eu', 'us', NULL])[1 + n % 3]
    FROM generate_series(1, 2000) AS n;
CREATE TABLE sales.orders (id int PRIMARY KEY, customer_id int, total numeric(10, 2), placed date);
INSERT INTO sales.orders SELECT n, nullif(1 + n % 2100, 77), n * 0.5, date '2026-01-01' + n % 300
    FROM generate_series(1, 30000) AS n;
CREATE INDEX ON sales.orders (customer_id);
CREATE SCHEMA stock;
CREATE TABLE stock.items (id int PRIMARY KEY, label text);
INSERT INTO stock.items SELECT n, 'item ' || n FROM generate_series(1, 500) AS n;
GRANT USAGE ON SCHEMA sales, stock TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA sales, stock TO reader;
ANALYZE;
"""


@pytest.fixture(scope="module")
def running() -> Iterator[ExternalPostgres]:
    """Run the external database."""
    with external_postgres() as running:
        running.execute(SCHEMA)
        yield running


@pytest.fixture
def erp(running: ExternalPostgres, owner: psycopg.Connection, source: str) -> ExternalPostgres:
    """Make servers `erp` and `depot` beside `gh`, their tables and a local one in schema s."""
    for server, schema in (("erp", "sales"), ("depot", "stock")):
        run(
            owner,
            f"CREATE SERVER {server} FOREIGN DATA WRAPPER postgres"
            f" OPTIONS (host '127.0.0.1', port '{running.port}', dbname 'postgres', sslmode 'disable')",
        )
        password = PASSWORD.replace("'", "''")
        run(owner, f"CREATE USER MAPPING FOR PUBLIC SERVER {server} OPTIONS (user 'reader', password '{password}')")
        run(owner, f"IMPORT FOREIGN SCHEMA {schema} FROM SERVER {server} INTO s")
    run(owner, "CREATE TABLE s.chosen AS SELECT n AS id, 'chosen ' || n AS word FROM generate_series(5, 60, 5) AS n")
    return running


def run(session: psycopg.Connection, sql: str) -> list[Any]:
    cursor = session.execute(sql.encode())
    return cursor.fetchall() if cursor.description else []


def plan(session: psycopg.Connection, sql: str) -> str:
    return "\n".join(str(line) for (line,) in run(session, f"EXPLAIN {sql}"))


ISSUES = "s.issues i"
HERE = "i.owner = 'acme' AND i.repo = 'web'"
TRIED = [
    f"SELECT i.number, c.name, o.total FROM s.issues i JOIN s.customers c ON c.id = i.number JOIN s.orders o ON o.customer_id = c.id AND o.total < 50 WHERE {HERE} ORDER BY 1, 3 LIMIT 9",
    f"SELECT i.number, d.n, d.t FROM s.issues i JOIN (SELECT customer_id AS k, count(*) AS n, sum(total) AS t, max(placed) AS p FROM s.orders GROUP BY 1) d ON d.k = i.number WHERE {HERE} AND d.t > 50000 ORDER BY 1 LIMIT 9",
    f"WITH w AS (SELECT c.region, count(*) AS n FROM s.orders o JOIN s.customers c ON c.id = o.customer_id GROUP BY 1) SELECT a.region, b.n, (SELECT count(*) FROM s.issues i WHERE {HERE}) FROM w a JOIN w b ON a.region = b.region ORDER BY 1",
    f"SELECT i.number FROM s.issues i WHERE {HERE} AND i.number IN (SELECT customer_id FROM s.orders GROUP BY 1 HAVING sum(total) > 120000) ORDER BY 1",
    f"SELECT 'api' AS kind, count(*) FROM s.issues i WHERE {HERE} UNION ALL SELECT region, count(*) FROM s.customers GROUP BY 1 ORDER BY 1",
    "SELECT h.word, sum(o.total) FROM s.chosen h JOIN s.customers c ON c.id = h.id JOIN s.orders o ON o.customer_id = c.id GROUP BY 1 ORDER BY 1 LIMIT 5",
    "SELECT c.name, t.label, count(*) FROM s.customers c LEFT JOIN s.orders o ON o.customer_id = c.id LEFT JOIN s.items t ON t.id = o.id WHERE c.id < 20 GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 5",
    f"SELECT i.number, (SELECT max(o.total) FROM s.orders o) FROM s.issues i WHERE {HERE} ORDER BY 1 LIMIT 3",
]


@pytest.mark.parametrize("place", range(len(TRIED)))
def test_try(owner: psycopg.Connection, erp: ExternalPostgres, place: int) -> None:
    sql = TRIED[place]
    shown = plan(owner, sql)
    print(shown)
    found = run(owner, sql)
    print(found[:5], run(owner, 'SELECT source, "table", access_path, requests, rows_fetched FROM omnisql.last_query_sources'))
    run(owner, "SET omnisql.engine = 'postgres'")
    told = run(owner, sql)
    print(run(owner, 'SELECT source, "table", access_path, requests, rows_fetched FROM omnisql.last_query_sources'))
    assert found == told
    assert "Part of" in shown
