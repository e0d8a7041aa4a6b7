"""What may end the read-only mode of a session."""

from __future__ import annotations

import pytest

from omnisql_server.parse.read_only import leaves_read_only


@pytest.mark.parametrize(
    "sql",
    [
        "begin read write",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
        "SET TRANSACTION READ WRITE",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        "set Default_Transaction_Read_Only = off",
        "SET LOCAL transaction_read_only TO off",
        "RESET transaction_read_only",
        "DO $$BEGIN END$$",
        "CALL p()",
        "LOAD 'x'",
        "SELECT 1; SELECT set_config(name, 'off', false) FROM t",
        "SELECT pg_catalog.U&\"set\\005fconfig\"('Transaction_Read_Only', 'off', false)",
        "EXPLAIN ANALYZE SELECT set_config('default_' || 'transaction_read_only', 'off', false)",
        "SELECT set_config(E'transaction\\x5fread_only', 'off', false)",
        "SELECT set_config('a'::text, 'b', false), set_config('search_path', '', false)",
        "SELECT set_config(value => 'off', setting_name => 'transaction_read_only', is_local => false)",
        "SELECT set_config('search_path', set_config('transaction_read_only', 'off', false), false)",
        "SELECT set_config(name, 'off', false) FROM pg_settings WHERE name = 'transaction_read_only'",
        "SELECT set_config(name, '', false) FROM pg_settings WHERE name = 'restrict_nonsystem_relation_kind' OR true",
        "DECLARE c CURSOR FOR SELECT query_to_xml('x', true, true, '')",
        "SELECT * FROM ts_stat('x')",
        "SELECT ts_rewrite('a'::tsquery, 'x')",
    ],
)
def test_it_is_found(sql: str) -> None:
    assert leaves_read_only(sql.encode())


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN",
        "BEGIN READ ONLY",
        "SET work_mem = '8MB'",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SET TRANSACTION READ ONLY",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT set_config FROM t",
        "SELECT 'set_config(1)', 'DO', 'CALL x()'",
        "SELECT pg_catalog.set_config('search_path', '', false)",
        "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings"
        " WHERE name = 'restrict_nonsystem_relation_kind'",
        "COMMIT; SELECT do_it(1)",
        "not SQL: SET CALL DO",
    ],
)
def test_nothing_else_is(sql: str) -> None:
    assert not leaves_read_only(sql.encode())
