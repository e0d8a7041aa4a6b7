"""COPY of a query over API tables is byte for byte that of a table with the same rows, by both protocols."""

from __future__ import annotations

import psycopg
import pytest
from demo_server import DemoServer
from psycopg import pq
from writing import WEB, paths, refused

COLUMNS = "number, title, labels, created_at, body, comments / 7.0 AS share"
QUERY = f"SELECT {COLUMNS} FROM {WEB} AND number <= 40 ORDER BY number"
COPIED = "SELECT * FROM kept ORDER BY number"
FORMS = (
    "",
    "(FORMAT csv, HEADER, FORCE_QUOTE *)",
    "(FORMAT csv, DELIMITER ';', NULL 'none', QUOTE '''')",
    "(FORMAT binary)",
    "(DELIMITER '|', NULL '<>', HEADER)",
    "(FORMAT csv, ESCAPE '~', FORCE_QUOTE (title, number), HEADER true)",
    "WITH CSV HEADER DELIMITER AS E'\\t' NULL AS '-' QUOTE AS '*' ESCAPE AS '!' FORCE QUOTE title",
    "WITH DELIMITER ',' NULL 'n'",
    "WITH BINARY",
    "(ENCODING 'UTF8')",
)


def copied(session: psycopg.Connection, sql: str, *, extended: bool) -> tuple[bytes, bytes | None]:
    """Return what COPY sends, and its command tag."""
    connection = session.pgconn
    result = connection.exec_params(sql.encode(), None) if extended else connection.exec_(sql.encode())
    assert result.status == pq.ExecStatus.COPY_OUT, result.error_message
    parts = []
    while True:
        size, data = connection.get_copy_data(0)
        if size < 0:
            break
        parts.append(bytes(data))
    finished = connection.get_result()
    assert finished is not None
    while connection.get_result() is not None:
        pass
    return b"".join(parts), finished.command_status


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("engine", ["auto", "postgres"])
@pytest.mark.parametrize("form", FORMS)
def test_copy_to_stdout_is_that_of_a_table(ana: psycopg.Connection, form: str, engine: str, extended: bool) -> None:
    ana.execute(f"SET omnisql.engine = '{engine}'".encode())
    ana.execute(f"CREATE TEMP TABLE kept AS {QUERY}".encode())
    truth = copied(ana, f"COPY ({COPIED}) TO STDOUT {form}", extended=extended)
    assert truth[1] == b"COPY 40"
    assert copied(ana, f"COPY ({QUERY}) TO STDOUT {form}", extended=extended) == truth
    ana.execute("DROP TABLE kept")
    ana.execute("RESET omnisql.engine")


def test_a_failing_copy_leaves_the_session_usable(ana: psycopg.Connection) -> None:
    result = ana.pgconn.exec_(f"COPY (SELECT 1 / (number - number) FROM {WEB}) TO STDOUT".encode())
    while result is not None and result.status == pq.ExecStatus.COPY_OUT:
        while ana.pgconn.get_copy_data(0)[0] >= 0:
            pass
        result = ana.pgconn.get_result() or result
    assert result is not None
    assert result.error_field(pq.DiagnosticField.SQLSTATE) == b"22012"
    while ana.pgconn.get_result() is not None:
        pass
    assert ana.execute("SELECT 1").fetchone() == (1,)


WRONG_OPTIONS = (
    "(FORMAT foo)",
    "(nope)",
    "(FORMAT csv, FORMAT text)",
    "(FORMAT)",
    "(DELIMITER)",
    "(FORMAT csv, FORCE_QUOTE number)",
    "(FORMAT csv, FORCE_QUOTE (title, number, title))",
    "(FORMAT csv, FORCE_QUOTE (title, nope))",
    "(FORCE_QUOTE (title))",
    "(ON_ERROR stop)",
    "(ENCODING 'nope')",
    "WITH CSV HEADER CSV",
)


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("form", WRONG_OPTIONS)
def test_wrong_options_are_refused_as_by_postgresql(
    demo: DemoServer, ana: psycopg.Connection, form: str, extended: bool
) -> None:
    ana.execute("CREATE TEMP TABLE kept (number int, title text)")
    said = []
    for query in (f"SELECT number, title FROM {WEB}", "SELECT number, title FROM kept"):
        text = f"COPY ({query}) TO STDOUT {form}"
        result = ana.pgconn.exec_params(text.encode(), None) if extended else ana.pgconn.exec_(text.encode())
        place = result.error_field(pq.DiagnosticField.STATEMENT_POSITION)
        fields = (pq.DiagnosticField.SQLSTATE, pq.DiagnosticField.MESSAGE_PRIMARY)
        said.append((place and int(place) - len(query), *map(result.error_field, fields)))
    assert said[0] == said[1]
    assert said[0][1] is not None
    assert paths(demo.github) == []
    ana.execute("DROP TABLE kept")


def test_options_are_judged_before_the_query(ana: psycopg.Connection) -> None:
    assert refused(ana, f"COPY (SELECT nope FROM {WEB}) TO STDOUT (FORMAT foo)").sqlstate == "22023"
