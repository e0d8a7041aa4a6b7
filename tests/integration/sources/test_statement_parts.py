"""Parts of statements that one PostgreSQL carries out, beside APIs, local tables and another PostgreSQL."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from external_postgres import PASSWORD, ExternalPostgres
from source_world import refusal

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


HERE = "i.owner = 'acme' AND i.repo = 'web'"
USED = 'SELECT source, "table", access_path FROM omnisql.last_query_sources ORDER BY 1, 2'
PART = ("erp", "s.orders", "part")
ANSWERED: dict[str, tuple[str, list[tuple[str, str, str]]]] = {
    "a join in a longer one": (
        "SELECT i.number, c.name, o.total FROM s.issues i JOIN s.customers c ON c.id = i.number"
        f" JOIN s.orders o ON o.customer_id = c.id AND o.total < 50 WHERE {HERE} ORDER BY 1, 3 LIMIT 9",
        [("erp", "s.orders, s.customers", "part_by_c3"), ("gh", "s.issues", "by_repository")],
    ),
    "groups, of the keys that an API gives": (
        "SELECT i.number, d.n, d.t FROM s.issues i JOIN (SELECT customer_id AS k, count(*) AS n, sum(total) AS t,"
        " max(placed) AS p FROM s.orders GROUP BY 1) d ON d.k = i.number"
        f" WHERE {HERE} AND d.t > 110000 ORDER BY 1 LIMIT 9",
        [("erp", "s.orders", "part_by_c3"), ("gh", "s.issues", "by_repository")],
    ),
    "a WITH query that is named twice": (
        "WITH w AS (SELECT c.region, count(*) AS n FROM s.orders o JOIN s.customers c ON c.id = o.customer_id"
        f" GROUP BY 1) SELECT a.region, b.n, (SELECT count(*) FROM s.issues i WHERE {HERE})"
        " FROM w a LEFT JOIN w b ON a.region = b.region ORDER BY 1",
        [("erp", "s.orders, s.customers", "part"), ("gh", "s.issues", "counted")],
    ),
    "a subquery": (
        f"SELECT i.number FROM s.issues i WHERE {HERE} AND i.number NOT IN (SELECT customer_id FROM s.orders"
        " WHERE customer_id IS NOT NULL GROUP BY 1 HAVING sum(total) > 110300) ORDER BY 1",
        [PART, ("gh", "s.issues", "by_repository")],
    ),
    "a branch": (
        f"SELECT 'api' AS kind, count(*) FROM s.issues i WHERE {HERE}"
        " UNION ALL SELECT region, count(*) FROM s.customers GROUP BY 1 ORDER BY 1",
        [("erp", "s.customers", "part"), ("gh", "s.issues", "counted")],
    ),
    "a value": (
        f"SELECT i.number, (SELECT max(o.total) FROM s.orders o) FROM s.issues i WHERE {HERE} ORDER BY 1 LIMIT 3",
        [PART, ("gh", "s.issues", "by_repository")],
    ),
    "a join beside a local table": (
        "SELECT h.word, count(o.total), sum(o.total) FROM s.chosen h JOIN s.customers c ON c.id = h.id"
        " JOIN s.orders o ON o.customer_id = c.id AND o.placed > '2026-02-01' GROUP BY 1 ORDER BY 1 LIMIT 5",
        [("erp", "s.orders, s.customers", "part")],
    ),
    "outer joins, and a table of another server": (
        "SELECT c.name, t.label, count(*) FROM s.customers c LEFT JOIN s.orders o ON o.customer_id = c.id"
        " LEFT JOIN s.items t ON t.id = o.id WHERE c.id < 20 GROUP BY 1, 2 ORDER BY 1, 2 LIMIT 5",
        [("depot", "s.items", "by_id"), ("erp", "s.orders, s.customers", "part")],
    ),
    "parts of two servers": (
        "SELECT a.n, b.n FROM (SELECT count(*) AS n, min(id) AS id FROM s.items) a"
        " FULL JOIN (SELECT count(*) AS n, min(customer_id) AS id FROM s.orders) b ON a.id = b.id",
        [("depot", "s.items", "part"), PART],
    ),
    "first rows": (
        "SELECT i.number, d.total FROM s.issues i JOIN (SELECT id, total FROM s.orders ORDER BY total DESC, id LIMIT"
        f" 29950 OFFSET 29900) d ON d.id = i.number WHERE {HERE} ORDER BY 1",
        [PART, ("gh", "s.issues", "by_repository")],
    ),
    "letters' case, which is left here": (
        "SELECT upper(c.region), count(*), sum(o.total) FROM s.orders o JOIN s.customers c ON c.id = o.customer_id"
        " GROUP BY 1 ORDER BY 1",
        [("erp", "s.customers, s.orders", "part")],
    ),
}


@pytest.mark.parametrize(("sql", "used"), ANSWERED.values(), ids=ANSWERED)
def test_a_part_has_the_answer_of_scans(
    owner: psycopg.Connection, erp: ExternalPostgres, sql: str, used: list[tuple[str, str, str]]
) -> None:
    found = run(owner, sql)
    assert run(owner, USED) == used
    run(owner, "SET omnisql.engine = 'postgres'")
    assert run(owner, sql) == found
    assert found
    assert "part" not in str(run(owner, USED))


KEYED = (
    "SELECT i.number, d.n FROM s.issues i JOIN (SELECT customer_id AS k, count(*) AS n FROM s.orders GROUP BY 1) d"
    f" ON d.k = i.number WHERE {HERE} ORDER BY 1"
)


def test_explain_shows_what_each_part_is(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    shown = plan(owner, KEYED)
    assert "Part of the Statement on s.orders" in shown
    assert 'WITH "scan_0" AS (SELECT .. FROM sales.orders) SELECT' in shown
    assert 'GROUP BY "orders"."customer_id"' in shown
    assert "Keys: c2 from s.issues.number, once that is read" in shown
    analyzed = "\n".join(line for (line,) in run(owner, f"EXPLAIN (ANALYZE) {KEYED}"))
    assert "rows=83 requests=1" in analyzed
    ((facts,),) = run(owner, f"EXPLAIN (FORMAT JSON) {KEYED}")
    scans = facts[0]["Plan"]["Plans"]
    assert [scan["Access Path"] for scan in scans] == ["by_repository", "part_by_c2"]


def test_only_the_keys_that_are_needed_come(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    run(owner, KEYED)
    fetched = run(owner, "SELECT rows_fetched FROM omnisql.last_query_sources WHERE source = 'erp'")
    assert fetched == [(83,)]


def test_what_a_source_refuses_is_read_by_scans(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    sql = f"SELECT d.n, (SELECT count(*) FROM s.issues i WHERE {HERE}) FROM (SELECT count(total) AS n FROM s.orders) d"
    truth = run(owner, sql)
    assert PART in run(owner, USED)
    # It has no cast to numeric, and a text that is one.
    erp.execute("ALTER TABLE sales.orders ADD was numeric(10, 2); UPDATE sales.orders SET was = total")
    erp.execute("ALTER TABLE sales.orders ALTER total TYPE bit(8) USING B'00000001'")
    try:
        assert "Part of the Statement" in plan(owner, sql)
        assert run(owner, sql) == truth
        assert run(owner, USED) == [("erp", "s.orders", "scan"), ("gh", "s.issues", "counted")]
    finally:
        erp.execute(
            "ALTER TABLE sales.orders ALTER total TYPE numeric(10, 2) USING was; ALTER TABLE sales.orders DROP was"
        )
    failing = sql.replace("count(total)", "sum(1 / (id - 5))")
    assert "Part of the Statement" in plan(owner, failing)
    assert refusal(owner, failing).message_primary == "division by zero"


def test_an_error_of_what_is_left_has_no_place_in_a_text_of_ours(
    owner: psycopg.Connection, erp: ExternalPostgres
) -> None:
    sql = "SELECT 1 / (count(*) - count(*)) FROM s.chosen h, (SELECT max(total) AS m FROM s.orders) d"
    assert "Part of the Statement" in plan(owner, sql)
    told = refusal(owner, sql)
    assert (told.sqlstate, told.statement_position) == ("22012", None)


def test_values_of_parameters_and_copies_go_the_same_way(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    sql = (
        "SELECT i.number, d.n FROM s.issues i JOIN (SELECT customer_id AS k, count(*) AS n FROM s.orders"
        f" WHERE total > %s GROUP BY 1) d ON d.k = i.number WHERE {HERE} AND i.number < %s ORDER BY 1"
    )
    found = owner.execute(sql.encode(), (14000, 9)).fetchall()
    assert ("erp", "s.orders", "part_by_c2") in run(owner, USED)
    literal = sql.replace("%s", "{}").format(14000, 9)
    assert run(owner, literal) == found
    assert found
    with owner.cursor().copy(f"COPY ({literal}) TO STDOUT".encode()) as copied:
        lines = b"".join(bytes(each) for each in copied).decode().splitlines()
    assert lines == ["\t".join(map(str, row)) for row in found]


def test_who_allows_older_rows_reads_by_scans(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    assert "Part of the Statement" in plan(owner, KEYED)
    for setting in ("omnisql.max_staleness = '1 h'", "omnisql.on_source_error = 'partial'"):
        run(owner, f"SET {setting}")
        assert "Part of the Statement" not in plan(owner, KEYED), setting
        run(owner, f"RESET {setting.partition(' ')[0]}")


def test_the_tables_of_a_part_are_on_record(owner: psycopg.Connection, erp: ExternalPostgres) -> None:
    run(owner, KEYED)
    asked = "SELECT sources, tables, columns FROM omnisql.audit WHERE text LIKE '%JOIN (SELECT customer_id%'"
    sources, tables, columns = run(owner, f"{asked} ORDER BY number DESC LIMIT 1")[0]
    assert sorted(sources) == ["erp", "gh"]
    assert sorted(tables) == ["github.issues", "postgres.sales.orders"]
    assert "postgres.sales.orders.customer_id" in columns
