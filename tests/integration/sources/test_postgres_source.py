"""PostgreSQL as a source made and read by SQL: schemas, joins by keys, what is pushed, counts, what is refused."""

from __future__ import annotations

from random import Random
from typing import Any

import psycopg
import pytest
from external_postgres import PASSWORD, ExternalPostgres
from source_world import Said, refusal

SCHEMA = """
CREATE ROLE reader LOGIN PASSWORD 'a secret of the source''s';
CREATE SCHEMA sales;
CREATE TYPE sales.state AS ENUM ('open', 'paid');
CREATE TABLE sales.customers (id int PRIMARY KEY, name text NOT NULL);
INSERT INTO sales.customers SELECT n, 'customer ' || n FROM generate_series(1, 2000) AS n;
CREATE TABLE sales.orders (id int PRIMARY KEY, customer_id int, state sales.state, total numeric(10, 2), placed date);
INSERT INTO sales.orders SELECT n, 1 + n % 2000, CASE WHEN n % 100 = 0 THEN 'open' ELSE 'paid' END::sales.state,
    n * 0.5, date '2026-01-01' + n % 300 FROM generate_series(1, 30000) AS n;
CREATE INDEX ON sales.orders (customer_id);
CREATE TABLE public.notes (id int PRIMARY KEY, body text);
GRANT USAGE ON SCHEMA sales TO reader;
GRANT SELECT ON ALL TABLES IN SCHEMA sales, public TO reader;
ANALYZE;
"""


@pytest.fixture
def erp(running: ExternalPostgres, owner: psycopg.Connection) -> ExternalPostgres:
    """Make a server `erp` with a credential, and import its schema `sales` into schema s."""
    run(owner, server_statement(running))
    run(owner, f"CREATE USER MAPPING FOR PUBLIC SERVER erp OPTIONS (user 'reader', password '{quoted(PASSWORD)}')")
    run(owner, "IMPORT FOREIGN SCHEMA sales FROM SERVER erp INTO s")
    return running


def server_statement(running: ExternalPostgres, options: str = "sslmode 'disable'") -> str:
    return (
        "CREATE SERVER erp FOREIGN DATA WRAPPER postgres"
        f" OPTIONS (host '127.0.0.1', port '{running.port}', dbname 'postgres', {options})"
    )


def quoted(text: str) -> str:
    return text.replace("'", "''")


def run(session: psycopg.Connection, sql: str) -> list[Any]:
    cursor = session.execute(sql.encode())
    return cursor.fetchall() if cursor.description else []


def plan(session: psycopg.Connection, sql: str) -> str:
    return "\n".join(str(line) for (line,) in run(session, f"EXPLAIN {sql}"))


def test_a_schema_becomes_tables_under_their_own_names(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    assert run(owner, "SELECT count(*) FROM s.orders") == [(30_000,)]
    assert run(
        owner,
        "SELECT foreign_table_name FROM information_schema.foreign_tables WHERE foreign_table_schema = 's' ORDER BY 1",
    ) == [("customers",), ("orders",)]


def test_conditions_order_and_limit_are_carried_out_there(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    sql = "SELECT id, total FROM s.orders WHERE state = 'open' AND placed >= '2026-03-01' ORDER BY total DESC LIMIT 2"
    rows = run(owner, sql)
    assert [id_ for id_, _ in rows] == sorted((id_ for id_, _ in rows), reverse=True)
    assert all(id_ % 100 == 0 for id_, _ in rows)
    shown = plan(owner, sql)
    assert "Pushed: state = 'open' (exact)" in shown
    assert "Order: total DESC (pushed)" in shown
    assert "Limit: 2 (pushed)" in shown


def test_a_join_asks_for_the_keys_alone(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    sql = (
        "SELECT c.name, sum(o.total) FROM s.orders o JOIN s.customers c ON c.id = o.customer_id"
        " WHERE o.id IN (7, 8) GROUP BY c.name ORDER BY 1"
    )
    run(owner, "SET omnisql.engine = 'postgres'")
    assert [(name, str(total)) for name, total in run(owner, sql)] == [("customer 8", "3.50"), ("customer 9", "4.00")]
    assert "by_id" in plan(owner, sql)


def test_groups_of_few_values_are_counted_there(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    run(owner, "SET omnisql.engine = 'postgres'")
    assert "Access Path: count" in plan(owner, "SELECT count(*) FROM s.orders")
    assert run(owner, "SELECT state, count(*) FROM s.orders GROUP BY 1 ORDER BY 2") == [("open", 300), ("paid", 29_700)]


def test_what_is_wrong_is_refused_with_what_to_do(
    owner: psycopg.Connection, erp: ExternalPostgres, notices: list[Said]
) -> None:
    unknown = refusal(owner, "IMPORT FOREIGN SCHEMA postgres FROM SERVER erp INTO s")
    assert (unknown.sqlstate, unknown.message_detail) == ("HV00Q", "It has public, sales.")
    run(owner, "ALTER USER MAPPING FOR PUBLIC SERVER erp OPTIONS (SET password 'mistyped')")
    rejected = refusal(owner, "CALL omnisql.check_source('erp')")
    assert rejected.sqlstate == "28000"
    assert "mistyped" not in str(rejected.message_detail)
    for options in ("sslmode 'require'", "sslmode 'disable', root_certificates 'x'", "sslmode 'disable', base_url 'x'"):
        wrong = refusal(owner, server_statement(erp, options).replace("erp", "erp2"))
        assert wrong.sqlstate == "HV00D"


def test_a_password_follows_the_server_nowhere(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    for change, back in (("host 'localhost'", "host '127.0.0.1'"), ("sslmode 'verify-full'", "sslmode 'disable'")):
        run(owner, f"ALTER SERVER erp OPTIONS (SET {change})")
        assert refusal(owner, "SELECT count(*) FROM s.orders WHERE id = 1").sqlstate == "28000"
        run(owner, f"ALTER SERVER erp OPTIONS (SET {back})")
    assert run(owner, "SELECT count(*) FROM s.orders WHERE id = 1") == [(1,)]


def test_a_column_that_is_gone_is_named(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    assert run(owner, "SELECT count(body) FROM s.orders, (SELECT '' AS body) AS b WHERE id < 3") == [(2,)]
    erp.execute("ALTER TABLE sales.orders RENAME COLUMN placed TO placed_on")
    try:
        gone = refusal(owner, "SELECT placed FROM s.orders WHERE id = 1")
        assert gone.sqlstate in {"HV005", "HV00R"}
    finally:
        erp.execute("ALTER TABLE sales.orders RENAME COLUMN placed_on TO placed")


def test_a_statement_of_one_source_is_sent_whole(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    sql = (
        "SELECT c.name, o.state, sum(o.total), max(o.placed) FROM s.orders o JOIN s.customers c ON c.id = o.customer_id"
        " WHERE o.state = %s GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT 2"
    )
    asked = owner.execute(sql.encode(), ("open",)).fetchall()
    assert [(name, state, str(total)) for name, state, total, _ in asked] == [
        ("customer 1", "open", "120000.00"),
        ("customer 1901", "open", "119250.00"),
    ]
    used = run(owner, 'SELECT source, "table", access_path, requests, rows_fetched FROM omnisql.last_query_sources')
    assert used == [("erp", "s.orders, s.customers", "whole", 1, 2)]
    shown = plan(owner, sql.replace("%s", "'open'"))
    assert "Whole Statement on s.orders, s.customers" in shown
    assert 'WITH "scan_0" AS (SELECT .. FROM sales.orders), ' in shown
    assert 'WHERE "o"."state" = CAST($1 AS TEXT)' in shown


def test_rows_sent_whole_come_page_by_page_in_their_order(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    sql = (
        "SELECT o.id, c.name FROM s.orders o JOIN s.customers c ON c.id = o.customer_id WHERE o.id > 20 ORDER BY 1 DESC"
    )
    ids = [id_ for id_, _ in run(owner, sql)]
    assert ids == list(range(30_000, 20, -1))
    ((pages,),) = run(owner, "SELECT pages FROM omnisql.last_query_sources")
    assert pages == 3


def test_what_the_source_refuses_whole_is_read_by_scans(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    failing = "SELECT sum(100 / (customer_id - 1)) FROM s.orders WHERE id > 1998"
    assert "Whole Statement" in plan(owner, failing)
    assert refusal(owner, failing).message_primary == "division by zero"
    late = "SELECT o.id, 1 / (o.id - 15000) FROM s.orders o JOIN s.customers c ON c.id = o.customer_id ORDER BY o.id"
    assert refusal(owner, late).sqlstate == "22012"
    erp.execute("ALTER TABLE sales.orders ALTER COLUMN customer_id TYPE bigint")
    try:
        sql = "SELECT sum(customer_id) FROM s.orders WHERE id IN (1, 2)"
        assert "Whole Statement" in plan(owner, sql)
        assert run(owner, sql) == [(5,)]
    finally:
        erp.execute("ALTER TABLE sales.orders ALTER COLUMN customer_id TYPE int")


def test_who_allows_older_rows_reads_by_scans(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    sql = "SELECT state, sum(total) FROM s.orders GROUP BY 1"
    assert "Whole Statement" in plan(owner, sql)
    run(owner, "SET omnisql.max_staleness = '1 h'")
    assert "Whole Statement" not in plan(owner, sql)


ITEMS = ("c.name", "o.state", "o.customer_id % 7", "o.placed", "length(c.name)", "o.id % 3 = 0", "left(c.name, 10)")
GATHERED = (
    "count(*)", "count(DISTINCT o.customer_id)", "sum(o.total)", "min(o.total)", "max(o.placed)", "sum(o.id)",
    "min(c.name)", "max(o.state)", "count(o.state) FILTER (WHERE o.id % 2 = 0)", "bool_and(o.id > 5)",
)  # fmt: skip
TESTED = (
    "o.state = 'open'", "o.total > 14000.5", "o.placed BETWEEN '2026-02-01' AND '2026-05-31'", "c.name LIKE '%9'",
    "c.name < 'customer 5'", "o.customer_id IN (1, 5, 77)", "NOT o.id > 29000", "o.state IS NULL",
    "EXISTS (SELECT FROM s.orders p WHERE p.customer_id = c.id AND p.state = 'open')",
    "o.total > (SELECT max(q.total) / 2 FROM s.orders q)",
)  # fmt: skip
JOINS = ("JOIN", "LEFT JOIN", "RIGHT JOIN")
SEEDS = 8


def any_statement(random: Random) -> str:
    """Write a join with groups, every choice by chance; all outputs are sorted, so that answers can be compared."""
    keys = random.sample(ITEMS, random.randint(0, 2))
    outputs = [*keys, *random.sample(GATHERED, random.randint(1, 3))]
    tested = random.sample(TESTED, random.randint(0, 2))
    where = f" WHERE {random.choice((' AND ', ' OR ')).join(tested)}" if tested else ""
    groups = f" GROUP BY {', '.join(map(str, range(1, len(keys) + 1)))}" if keys else ""
    having = f" HAVING count(*) > {random.randint(0, 9)}" if random.random() < 0.3 else ""
    order = ", ".join(map(str, range(1, len(outputs) + 1)))
    join = f"s.orders o {random.choice(JOINS)} s.customers c ON c.id = o.customer_id"
    cut = f" LIMIT {random.randint(1, 50)}" if random.random() < 0.5 else ""
    return f"SELECT {', '.join(outputs)} FROM {join}{where}{groups}{having} ORDER BY {order}{cut}"


def test_the_answers_sent_whole_are_those_of_scans(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    statements = [any_statement(Random(seed)) for seed in range(SEEDS)]
    whole = []
    for sql in statements:
        whole.append([tuple(map(str, row)) for row in run(owner, sql)])
        used = run(owner, "SELECT access_path FROM omnisql.last_query_sources")
        assert used == [("whole",)], sql
    run(owner, "SET omnisql.engine = 'postgres'")
    for sql, told in zip(statements, whole, strict=True):
        assert [tuple(map(str, row)) for row in run(owner, sql)] == told, sql
    assert sum(map(len, whole)) > SEEDS
