"""A corpus of ways round a policy: each answers as PostgreSQL does over a copy that holds only what may be seen.

Every line of `bypass.sql` is asked through every kind of relation that leads to the API tables, by both engines, with
rows from the source and with rows that a privileged user has left in the cache.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from demo_server import DemoServer
from guarded import log_in
from safe_copy import make_copies

TEMPLATES = [
    line
    for line in Path(__file__).with_name("bypass.sql").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith(("--", "#"))
]
ISSUES = {
    "the API table": "jira.issues",
    "a view of a privileged user": "shared.issues",
    "a second foreign table": "shared.second_issues",
    "a table that was written from it": "shared.written_issues",
    "quoted names and comments": '(SELECT /*+ x(0) */ * FROM "jira" . U&"iss\\0075es" /* - */ WHERE votes < 99)',
}
STATEMENTS = [(template, name) for template in TEMPLATES for name in ISSUES]
SESSIONS = 3
DERIVED = "a table that was written from it"
"""It is read by PostgreSQL whatever the engine is, and nothing of it is kept: asked once with each engine."""
MODES = [(engine, staleness) for engine in ("auto", "postgres") for staleness in ("0", "10 min")]
EXPLAINS = (
    "EXPLAIN",
    "EXPLAIN (ANALYZE)",
    "EXPLAIN (ANALYZE, COSTS OFF, FORMAT JSON)",
    "EXPLAIN (VERBOSE, FORMAT JSON)",
    "EXPLAIN ANALYZE VERBOSE",
)
EXPLAINED = (
    "SELECT id, summary, description, raw FROM {i} AS x WHERE summary LIKE '%a%'",
    "SELECT x.id FROM {i} AS x JOIN {i} AS y ON y.description = x.description WHERE x.time_spent_s = 3600",
    "SELECT project_key, min(summary), max(description) FROM {i} AS x GROUP BY 1 HAVING max(reporter_name) > 'a'",
    "SELECT id FROM {i} AS x WHERE description IN (SELECT description FROM {i} AS y WHERE project_key = 'API')",
)
CODE = (
    "DO $$ BEGIN RAISE '%', (SELECT max(summary) FROM {i}); END $$",
    "DO $$ BEGIN EXECUTE 'SELECT summary FROM {i}'; END $$",
    "SELECT * FROM ts_stat('SELECT to_tsvector(summary) FROM {i}')",
    "CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE sql AS 'SELECT max(summary) FROM {i}' ;; SELECT pg_temp.f()",
    "CREATE FUNCTION pg_temp.f() RETURNS text BEGIN ATOMIC SELECT max(summary) FROM {i}; END ;; SELECT pg_temp.f()",
    "CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS"
    " 'BEGIN RETURN (SELECT max(summary) FROM {i}); END' ;; SELECT pg_temp.f()",
)
"""What runs SQL where only PostgreSQL sees it."""
PREPARATION = b"""
CREATE SCHEMA shared; GRANT USAGE ON SCHEMA shared TO eve;
GRANT CREATE ON SCHEMA shared TO eve;
CREATE VIEW shared.issues AS SELECT * FROM jira.issues;
GRANT SELECT ON shared.issues TO eve
"""
COLUMNS = """
SELECT string_agg(format('%I %s OPTIONS ("column" %L)', attname, format_type(atttypid, atttypmod), attname), ', '
                  ORDER BY attnum)
  FROM pg_attribute WHERE attrelid = 'jira.issues'::regclass AND attnum > 0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of a statement: rows in no order, or a SQLSTATE; an error may tell of any row that is seen."""

    rows: tuple[str, ...]
    error: str
    told: str = field(default="", compare=False)


@pytest.fixture(scope="module")
def prepared(guarded: DemoServer) -> Iterator[tuple[DemoServer, list[str]]]:
    """Make views, a second foreign table and the copy; give them with the texts that are hidden."""
    with log_in(guarded, "ana") as ana, log_in(guarded, "eve") as eve, log_in(guarded, "admin") as admin:
        secrets = make_copies(ana, eve, admin)
        columns = admin.execute(COLUMNS).fetchone()
        assert columns is not None
        admin.execute(PREPARATION)
        admin.execute(
            f"CREATE FOREIGN TABLE shared.second_issues ({columns[0]}) SERVER jira OPTIONS (\"table\" 'issues');"
            " GRANT SELECT ON shared.second_issues TO eve".encode()
        )
        eve.execute("CREATE TABLE shared.written_issues AS SELECT * FROM jira.issues")
        yield guarded, secrets
        admin.execute("DROP SCHEMA shared, safe CASCADE")


def written(template: str, issues: str, comments: str) -> str:
    """Put relations into a line of the corpus."""
    return template.replace("{i}", issues).replace("{c}", comments)


def ask(session: psycopg.Connection, script: str, settings: tuple[str, ...]) -> Asked:
    """Run a script, put away what it leaves, and say what its last statement answered."""
    try:
        return answered(session.cursor(), script.split(" ;; "))
    except psycopg.Error as error:
        return Asked(
            rows=(), error=str(error.sqlstate), told=f"{error} {error.diag.message_detail} {error.diag.context}"
        )
    finally:
        if " ;; " in script:
            begin(session, ("ROLLBACK", "DISCARD ALL", *settings))


def answered(cursor: psycopg.Cursor, statements: list[str]) -> Asked:
    """Run statements and return the rows of the last."""
    for statement in statements:
        if statement.startswith("COPY"):
            with cursor.copy(statement.encode()) as copy:
                lines = b"".join(bytes(block) for block in copy).decode().splitlines()
            return Asked(rows=tuple(sorted(lines)), error="")
        cursor.execute(statement.encode())
    return Asked(rows=tuple(sorted(map(repr, cursor.fetchall()))), error="")


def begin(session: psycopg.Connection, statements: tuple[str, ...]) -> None:
    """Bring a session into the state that statements make."""
    for statement in statements:
        session.execute(statement.encode())


def in_sessions(
    server: DemoServer,
    work: list[Any],
    run: Callable[[psycopg.Connection, Any], None],
    settings: tuple[str, ...] = (),
) -> None:
    """Share work among a few sessions of eve at a time."""
    remaining = list(work)
    failures: list[Exception] = []

    def serve() -> None:
        with log_in(server, "eve") as session:
            session.prepare_threshold = None
            begin(session, settings)
            while remaining and not failures:
                try:
                    run(session, remaining.pop())
                except (AssertionError, psycopg.Error, IndexError) as error:
                    failures.append(error)

    threads = [threading.Thread(target=serve) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        raise failure


@pytest.fixture(scope="module")
def truth(prepared: tuple[DemoServer, list[str]]) -> dict[str, Asked]:
    """Ask every line of the copy."""
    answers: dict[str, Asked] = {}

    def run(session: psycopg.Connection, template: str) -> None:
        script = written(template, "safe.issues", "safe.projects")
        answers[template] = ask(session, script, ())

    in_sessions(prepared[0], TEMPLATES, run)
    return answers


def test_the_corpus_is_large_and_its_answers_are_not_empty(truth: dict[str, Asked]) -> None:
    assert len(STATEMENTS) >= 500
    assert sum(1 for answer in truth.values() if answer.rows) > 100
    assert sum(1 for answer in truth.values() if answer.error) > 2
    unexpected = {t: a.error for t, a in truth.items() if a.error and not re.match("22|23|42501", a.error)}
    assert unexpected == {}
    assert not Path("/tmp/omnisql-never-written").exists()


@pytest.mark.parametrize(("engine", "staleness"), MODES)
def test_no_way_leads_round_the_policy(
    prepared: tuple[DemoServer, list[str]], truth: dict[str, Asked], engine: str, staleness: str
) -> None:
    server, secrets = prepared
    hidden = re.compile("|".join(map(re.escape, secrets)))
    if staleness != "0":
        with log_in(server, "ana") as ana:
            ana.execute(f"SET omnisql.max_staleness = '{staleness}'".encode())
            for table in ("issues", "projects"):
                ana.execute(f"SELECT * FROM jira.{table}".encode())
    settings = (
        f"SET omnisql.engine = '{engine}'",
        f"SET omnisql.max_staleness = '{staleness}'",
    )
    wrong: list[str] = []

    def run(session: psycopg.Connection, statement: tuple[str, str]) -> None:
        template, name = statement
        found = ask(session, written(template, ISSUES[name], "jira.projects"), settings)
        if found != truth[template]:
            wrong.append(f"{name}: {template}\n  allowed {truth[template]}\n  found   {found}"[:900])
        if leak := hidden.search(" ".join((*found.rows, found.told))):
            wrong.append(f"{name}: {template}\n  shows {leak.group()}")

    work = [each for each in STATEMENTS if each[1] != DERIVED or (engine == "auto") == (staleness == "0")]
    in_sessions(server, work, run, settings)
    assert wrong == [], "\n".join([f"{len(wrong)} of {len(STATEMENTS)}", *sorted(wrong)[:12]])


@pytest.mark.parametrize("relation", ["jira.issues", "shared.issues"])
def test_no_function_or_block_reads_a_row(prepared: tuple[DemoServer, list[str]], relation: str) -> None:
    with log_in(prepared[0], "eve") as eve:
        for statement in CODE:
            found = ask(eve, statement.replace("{i}", relation), ())
            assert (found.rows, found.error in ("0A000", "55000", "42501")) == ((), True), f"{statement}: {found.error}"


def test_what_is_told_of_the_server_tells_of_nobody_else(prepared: tuple[DemoServer, list[str]]) -> None:
    server, secrets = prepared
    hidden = re.compile("|".join(map(re.escape, secrets)))
    with log_in(server, "ana") as ana, log_in(server, "eve") as eve:
        ana.execute("CREATE TEMP TABLE of_ana AS SELECT summary AS of_ana FROM jira.issues")
        names = eve.execute("SELECT relname FROM pg_class WHERE relnamespace = 'omnisql'::regnamespace").fetchall()
        assert len(names) > 8
        for (name,) in names:
            told = " ".join(ask(eve, f"SELECT * FROM omnisql.{name}", ()).rows)
            assert hidden.search(told) is None, name
            assert "of_ana" not in told, name
        assert eve.execute("SELECT count(*) FROM omnisql.audit WHERE principal <> 'eve'").fetchone() == (0,)


@pytest.mark.parametrize("engine", ["auto", "postgres"])
def test_no_plan_tells_of_what_is_hidden(prepared: tuple[DemoServer, list[str]], engine: str) -> None:
    server, secrets = prepared
    hidden = re.compile("|".join(map(re.escape, secrets)))
    with log_in(server, "eve") as eve:
        eve.execute(f"SET omnisql.engine = '{engine}'".encode())
        for words in EXPLAINS:
            for statement in EXPLAINED:
                for issues in ("jira.issues", "shared.issues"):
                    found = ask(eve, f"{words} {written(statement, issues, '')}", ())
                    assert (found.error, hidden.search(" ".join(found.rows))) == ("", None), statement
                    assert "policy" in " ".join(found.rows)
