"""Broken and hostile SQL: statements over an API table with tokens taken out, doubled, swapped and replaced."""

from __future__ import annotations

import random
import re

from hypothesis import strategies as st
from streams import RUN_TEXTS

SEEDS = (
    *RUN_TEXTS,
    "WITH a AS (SELECT * FROM {table}), b AS MATERIALIZED (SELECT key FROM a) SELECT count(*) FROM a, b LIMIT 1",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5)"
    " SELECT n, count(*) FROM r, {table} GROUP BY n ORDER BY n",
    "SELECT DISTINCT ON (table_name) table_name, column_name FROM {table} ORDER BY 1, 2",
    "SELECT table_name, rank() OVER (PARTITION BY schema_name ORDER BY table_name) FROM {table} ORDER BY 1, 2 LIMIT 5",
    "SELECT schema_name, grouping(schema_name), count(*) FROM {table} GROUP BY ROLLUP (schema_name) ORDER BY 1, 2",
    "SELECT operators -> '=' FROM {table} WHERE operators ? '=' ORDER BY 1 LIMIT 4",
    "SELECT t.column_name, x FROM {table} t, LATERAL unnest(t.sortable) AS x ORDER BY 1, 2 LIMIT 9",
    "SELECT column_name FROM {table} WHERE column_name LIKE 'a%' UNION SELECT type FROM {table} ORDER BY 1 LIMIT 9",
    "SELECT CASE WHEN key THEN column_name ELSE upper(type) END AS c FROM {table} ORDER BY c LIMIT 3",
    "SELECT count(*) FILTER (WHERE key), string_agg(DISTINCT type, ',' ORDER BY type) FROM {table}",
    "SELECT * FROM {table} WHERE (schema_name, table_name) IN (SELECT schema_name, table_name FROM {table} WHERE key)"
    " AND NOT hydrated ORDER BY 1, 2, 3 LIMIT 2",
    "VALUES (1), ((SELECT count(*)::int FROM {table}))",
    "TABLE {table} ORDER BY 1, 2, 3 LIMIT 1",
    "SELECT count(*) FROM {table} AS t (a, b, c) WHERE a > b",
    "EXPLAIN (COSTS OFF, FORMAT JSON, ANALYZE FALSE, NOTHING) SELECT 1 FROM {table}",
    "COPY (SELECT column_name FROM {table} ORDER BY 1 LIMIT 2) TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)",
    "CREATE TEMP VIEW v AS SELECT count(*) AS n FROM {table}; SELECT n > 0 FROM v; DROP VIEW v",
    "UPDATE scratch SET n = (SELECT count(*) FROM {table} WHERE n > 3) WHERE n IS NOT NULL",
    "DELETE FROM scratch USING {table} t WHERE t.column_name = scratch.n::text",
    "MERGE INTO scratch USING {table} t ON false WHEN NOT MATCHED AND t.key THEN INSERT VALUES (1)",
    "SELECT * FROM {table} FOR UPDATE",
    "SELECT * FROM {table} TABLESAMPLE SYSTEM (10)",
    "SELECT t FROM {table} t LIMIT 1",
    "SELECT (t).nothing FROM {table} t",
    'SELECT U&"column\\005fname" FROM {table} ORDER BY 1 LIMIT 1',
    "SELECT $tag$ {table} $tag$, E'\\'', 'a' 'b' /* /* */ */ -- {table}\n FROM {table} LIMIT 1",
    "DECLARE k CURSOR WITH HOLD FOR SELECT column_name FROM {table} ORDER BY 1, type; FETCH 3 FROM k; CLOSE k",
)
HOSTILE = (
    "(",
    ")",
    "((((((((((((((((((((((((((((((((",
    "'",
    '"',
    "$$",
    "/*",
    "--",
    ";",
    ",",
    ".",
    "::",
    ":",
    "$1",
    "$0",
    "$99999",
    "NULL",
    "DEFAULT",
    "*",
    "ALL",
    "ANY",
    "NOT",
    "FROM",
    "SELECT",
    "WITH",
    "RECURSIVE",
    "LATERAL",
    "1e999",
    "1e-999",
    "9223372036854775808",
    "-9223372036854775808",
    "0x",
    "1_0",
    "'\\000'",
    "E'\\x00'",
    "U&'\\d800'",
    'U&"\\0000"',
    "'infinity'::timestamptz",
    "'NaN'::numeric",
    "'{{1},{2,3}}'::int[]",
    "'{'::jsonb",
    "repeat('x', 100000)",
    "generate_series(1, 1000)",
    "pg_sleep(0)",
    "current_setting('omnisql.engine')",
    "set_config('omnisql.engine','x',false)",
    "pg_read_file('/etc/passwd')",
    "lo_import('/etc/passwd')",
    "read_csv('/etc/passwd')",
    "getenv('HOME')",
    "duckdb_settings()",
    "omnisql.nothing",
    "pg_catalog.pg_authid",
    "information_schema.tables",
    "pg_temp.scratch",
    "\xe9",
    "\U0001f600",
    "\u202e",
    "\x01",
    "\t",
    "\r\n",
    'COLLATE "C"',
    'COLLATE "en_US"',
    "AT TIME ZONE 'nowhere'",
    "INTERVAL '1' YEAR TO MONTH",
    "ROW()",
    "ARRAY[]",
    "XMLPARSE(DOCUMENT '<')",
    "JSON_TABLE('[1]', '$[*]' COLUMNS (a int PATH '$'))",
    "GROUP BY ()",
    "ORDER BY 0",
    "LIMIT -1",
    "FETCH FIRST 1 ROW WITH TIES",
    "INTO t",
    "WINDOW w AS ()",
    "TABLESAMPLE",
    "ONLY",
    "OPERATOR(pg_catalog.+)",
)
_TOKEN = re.compile(r"\{table\}|\s+|\w+|'[^']*'|\"[^\"]*\"|.", re.DOTALL)


@st.composite
def hostile_texts(draw: st.DrawFn) -> str:
    """Draw one text; `{table}` in it stands for the API table or its copy."""
    tokens = _TOKEN.findall(draw(st.sampled_from(SEEDS)))
    chance = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(0, 4))):
        _CHANGES[chance.randrange(len(_CHANGES))](tokens, chance)
    return "".join(tokens)


def over(text: str, table: str) -> str:
    """Name the table."""
    return text.replace("{table}", table)


def _drop(tokens: list[str], chance: random.Random) -> None:
    if tokens:
        del tokens[chance.randrange(len(tokens))]


def _double(tokens: list[str], chance: random.Random) -> None:
    if tokens:
        place = chance.randrange(len(tokens))
        tokens[place:place] = tokens[place : place + chance.randrange(1, 6)]


def _swap(tokens: list[str], chance: random.Random) -> None:
    if tokens:
        one, other = chance.randrange(len(tokens)), chance.randrange(len(tokens))
        tokens[one], tokens[other] = tokens[other], tokens[one]


def _insert(tokens: list[str], chance: random.Random) -> None:
    place = chance.randrange(len(tokens) + 1)
    tokens[place:place] = [" ", chance.choice(HOSTILE), " "]


def _replace(tokens: list[str], chance: random.Random) -> None:
    if tokens:
        tokens[chance.randrange(len(tokens))] = chance.choice(HOSTILE)


def _graft(tokens: list[str], chance: random.Random) -> None:
    other = _TOKEN.findall(chance.choice(SEEDS))
    cut = chance.randrange(len(other))
    tokens[chance.randrange(len(tokens) + 1) :] = other[cut:]


_CHANGES = (_drop, _drop, _double, _swap, _insert, _insert, _replace, _replace, _graft)
