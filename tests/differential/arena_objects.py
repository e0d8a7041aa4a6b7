"""What the statements use besides the tables that exist twice: local tables, views, types, functions, a sequence."""

from __future__ import annotations

from arena_rows import ALL_COLUMNS

LOCAL_OBJECTS = (
    "CREATE TABLE app.lookup AS SELECT i AS id, 'w' || i AS word FROM generate_series(1, 9) i",
    "CREATE TABLE app.log (id int, note text)",
    "CREATE SEQUENCE app.counter",
    "CREATE TYPE app.pair AS (number int, word text)",
    "CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'happy')",
    "CREATE DOMAIN app.positive AS int CHECK (VALUE > 0)",
    "CREATE FUNCTION app.twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2'",
    "CREATE FUNCTION app.loud(text) RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN upper($1) || ''!''; END'",
    "CREATE FUNCTION app.make_pair(int, text) RETURNS app.pair LANGUAGE sql IMMUTABLE "
    "AS 'SELECT ROW($1, $2)::app.pair'",
    "CREATE FUNCTION app.add(a int, b int DEFAULT 10) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT a + b'",
    "CREATE FUNCTION app.total(VARIADIC int[]) RETURNS bigint LANGUAGE sql IMMUTABLE "
    "AS 'SELECT sum(x) FROM unnest($1) x'",
    "CREATE FUNCTION app.first_of(anyelement, anyelement) RETURNS anyelement LANGUAGE sql IMMUTABLE "
    "AS 'SELECT coalesce($1, $2)'",
    "CREATE FUNCTION app.upto(int) RETURNS SETOF int LANGUAGE plpgsql IMMUTABLE "
    "AS 'BEGIN FOR i IN 1..$1 LOOP RETURN NEXT i; END LOOP; END'",
    "CREATE FUNCTION app.noted(int) RETURNS int LANGUAGE plpgsql VOLATILE "
    "AS 'BEGIN INSERT INTO app.log VALUES ($1, NULL); RETURN $1; END'",
    "CREATE FUNCTION app.failing(int) RETURNS int LANGUAGE plpgsql "
    "AS 'BEGIN RAISE EXCEPTION USING ERRCODE = ''P0042'', MESSAGE = ''no '' || $1, DETAIL = ''d'', HINT = ''h''; END'",
    "CREATE FUNCTION app.checked(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1 / (45 - $1); END'",
    "CREATE FUNCTION app.same(int, int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 IS NOT DISTINCT FROM $2'",
    "CREATE OPERATOR app.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = app.same)",
    "CREATE AGGREGATE app.my_sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
)
VIEWS = (
    "CREATE VIEW app.small AS SELECT id, n4 AS number, t, labels FROM app.t WHERE n4 < 100",
    "CREATE VIEW app.nested AS SELECT s.id, s.number, u.name FROM app.small s LEFT JOIN app.u ON u.tid = s.id",
    'CREATE VIEW app.renamed("a b", "C") AS SELECT k, "Mixed" FROM app."Odd Name"',
    "CREATE VIEW app.with_local AS SELECT t.id, lookup.word FROM app.t JOIN app.lookup ON lookup.id = t.id",
)


def local_tables() -> list[str]:
    """Write the statements that make the tables as local ones."""
    return [
        f'CREATE TABLE app."{name}" ('
        + ", ".join(f'"{column}" {type_name}' for column, type_name in columns.items())
        + ")"
        for name, columns in ALL_COLUMNS.items()
    ]
