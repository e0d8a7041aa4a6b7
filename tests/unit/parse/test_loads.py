"""Which writing statements may be loaded, and the text that makes their table without rows."""

from __future__ import annotations

import pytest

from omnisql_server.model.statement import Load
from omnisql_server.parse.grammar import parse_statements
from omnisql_server.parse.within import load_of


def loaded(text: str) -> Load | None:
    (statement,) = parse_statements(text)
    return load_of(statement)


@pytest.mark.parametrize(
    ("text", "creation"),
    [
        (
            "CREATE TABLE t (a) WITH (fillfactor = 50) AS SELECT 'é' FROM x -- no;\n WITH DATA;",
            "CREATE TABLE t (a) WITH (fillfactor = 50) AS SELECT 'é' FROM x WITH NO DATA",
        ),
        ("CREATE TEMP TABLE t AS (SELECT 1 FROM x) ; -- é", "CREATE TEMP TABLE t AS (SELECT 1 FROM x) WITH NO DATA"),
        ("SELECT a INTO t FROM x;", "CREATE TABLE t AS SELECT a        FROM x WITH NO DATA"),
        ("SELECT a INTO/**/t FROM x", "CREATE TABLE /**/t AS SELECT a            FROM x WITH NO DATA"),
        (
            'WITH q AS (SELECT 1 AS a) SELECT a INTO UNLOGGED TABLE s."T" FROM q, x',
            'CREATE unlogged TABLE  s."T" AS WITH q AS (SELECT 1 AS a) SELECT a'
            "                           FROM q, x WITH NO DATA",
        ),
    ],
)
def test_a_new_table_is_made_by_its_own_statement_without_rows(text: str, creation: str) -> None:
    found = loaded(text)
    assert found is not None
    assert " ".join(str(found.creation).split()) == " ".join(creation.split())
    assert found.moved == text.startswith(("SELECT", "WITH"))
    (made,) = parse_statements(creation)
    assert made.makes is not None
    assert (found.schema, found.name, found.temporary) == (made.makes.schema, made.makes.name, made.makes.temporary)


def test_an_insert_names_its_table_and_columns() -> None:
    found = loaded('INSERT INTO s.t AS k (a, "B") WITH q AS (SELECT 1, 2) SELECT * FROM q, x')
    assert found == Load(query="WITH q AS (SELECT 1, 2) SELECT * FROM q, x", schema="s", name="t", columns=("a", "B"))
    assert loaded("INSERT INTO t SELECT 1 FROM x") == Load(query="SELECT 1 FROM x", schema=None, name="t")


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE IF NOT EXISTS t AS SELECT 1 FROM x",
        "INSERT INTO t SELECT 1 FROM x RETURNING a",
        "INSERT INTO t SELECT 1 FROM x ON CONFLICT DO NOTHING",
        "INSERT INTO t OVERRIDING SYSTEM VALUE SELECT 1 FROM x",
        "INSERT INTO t OVERRIDING USER VALUE SELECT 1 FROM x",
        "INSERT INTO t (a.b) SELECT 1 FROM x",
        "INSERT INTO t (a[1]) SELECT 1 FROM x",
        "WITH gone AS (DELETE FROM u RETURNING a) INSERT INTO t SELECT a FROM gone, x",
        "UPDATE t SET a = 1 FROM x",
        "SELECT 1 FROM x",
        "COPY (SELECT 1 FROM x) TO STDOUT",
    ],
)
def test_all_else_is_postgresqls(text: str) -> None:
    assert loaded(text) is None
