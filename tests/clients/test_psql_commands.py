"""What people type in psql: its own commands over a demo, as far as their answers are stable."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from demo_server import PASSWORD, DemoServer
from installed_programs import require_program
from psql_client import connection_string

pytestmark = pytest.mark.clients

WEB = "FROM github.issues WHERE owner = 'acme' AND repo = 'web' AND number <= 3"


@pytest.fixture(autouse=True)
def _psql() -> None:
    require_program("psql")


def psql(demo: DemoServer, *lines: str, user: str = "ana") -> tuple[list[list[str]], str]:
    """Run lines in one psql; return its rows, split into fields, and what it said on stderr."""
    command = ["psql", "-XqtA", "-F", "\t", "-v", "VERBOSITY=verbose", connection_string(demo, user)]
    done = subprocess.run(
        command,
        input="\n".join(lines) + "\n",
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        start_new_session=True,
    )
    return [line.split("\t") for line in done.stdout.splitlines()], done.stderr


def test_conninfo_says_that_the_connection_is_encrypted(demo: DemoServer) -> None:
    rows, _ = psql(demo, "\\conninfo")
    said = " ".join(field for row in rows for field in row)
    assert "TLSv1.3" in said
    assert "acme" in said


def test_d_lists_the_foreign_tables_of_the_search_path(demo: DemoServer) -> None:
    rows, errors = psql(demo, "\\d")
    assert ["github", "issues", "foreign table", "admin"] in rows
    assert ["jira", "users", "foreign table", "admin"] in rows
    assert errors == ""


def test_de_plus_shows_descriptions(demo: DemoServer) -> None:
    rows, errors = psql(demo, "\\dE+ jira.boards")
    assert rows[0][:5] == ["jira", "boards", "foreign table", "admin", "permanent"]
    assert rows[0][-1] == "Scrum and kanban boards."
    assert errors == ""


def test_det_names_the_servers(demo: DemoServer) -> None:
    rows, errors = psql(demo, "\\det *.*")
    assert [row for row in rows if row[0] == "jira" and row[1] == "issues"] == [["jira", "issues", "jira"]]
    assert {row[2] for row in rows} == {"github", "jira", "omnisql"}
    assert errors == ""


def test_d_describes_a_table(demo: DemoServer) -> None:
    rows, errors = psql(demo, "\\d github.issues")
    columns = {row[0]: row[1] for row in rows if len(row) > 2}
    assert columns["id"] == "bigint"
    assert columns["labels"] == "text[]"
    assert columns["updated_at"] == "timestamp with time zone"
    assert rows[0][-1] == "(\"column\" 'owner')"
    assert errors == ""


def test_dn_and_du_answer(demo: DemoServer) -> None:
    schemas, schema_errors = psql(demo, "\\dn")
    roles, role_errors = psql(demo, "\\du")
    assert {"github", "jira", "omnisql", "public"} <= {row[0] for row in schemas}
    assert {"admin", "ana", "eve"} <= {row[0] for row in roles}
    assert schema_errors + role_errors == ""


def test_gdesc_describes_without_a_request(demo: DemoServer) -> None:
    rows, errors = psql(demo, f"SELECT number, state, created_at, count(*) OVER () AS n {WEB} \\gdesc")
    assert rows == [
        ["number", "integer"],
        ["state", "text"],
        ["created_at", "timestamp with time zone"],
        ["n", "bigint"],
    ]
    assert errors == ""
    assert demo.github.requests() == []


def test_copy_to_a_file_writes_csv(demo: DemoServer, tmp_path: Path) -> None:
    file = tmp_path / "issues.csv"
    _, errors = psql(demo, f"\\copy (SELECT number, repo {WEB} ORDER BY number) TO '{file}' CSV HEADER")
    assert file.read_text() == "number,repo\n1,web\n2,web\n3,web\n"
    assert errors == ""


def test_timing_changes_no_answer(demo: DemoServer) -> None:
    rows, errors = psql(demo, "\\timing off", f"SELECT count(*) {WEB};")
    assert rows[-1] == ["3"]
    assert errors == ""


def test_fetch_count_pages_what_is_relayed(demo: DemoServer) -> None:
    rows, errors = psql(demo, "\\set FETCH_COUNT 2", "SELECT generate_series(1, 5);")
    assert rows == [["1"], ["2"], ["3"], ["4"], ["5"]]
    assert errors == ""


def test_fetch_count_pages_an_api_table(demo: DemoServer) -> None:
    rows, errors = psql(demo, "\\set FETCH_COUNT 2", f"SELECT number {WEB} ORDER BY number;")
    assert rows == [["1"], ["2"], ["3"]]
    assert errors == ""


def test_error_position_points_into_the_users_text(demo: DemoServer) -> None:
    _, errors = psql(demo, f"SELECT nonsense {WEB};")
    assert 'ERROR:  42703: column "nonsense" does not exist' in errors
    assert errors.splitlines()[2].index("^") == errors.splitlines()[1].index("nonsense")


def test_a_script_stops_at_its_first_error(demo: DemoServer) -> None:
    rows, errors = psql(demo, f"SELECT count(*) {WEB} \\; SELECT 1 / 0 {WEB} \\; SELECT 2;")
    assert rows == [["3"]]
    assert "ERROR:  22012: division by zero" in errors


def test_wrong_password_is_refused(demo: DemoServer) -> None:
    wrong = connection_string(demo, "ana").replace("password=demo", "password=wrong")
    done = subprocess.run(["psql", "-Xc", "SELECT 1", wrong], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert 'password authentication failed for user "ana"' in done.stderr


@pytest.mark.parametrize(
    "command",
    [
        *(
            "\\d",
            "\\d+",
            "\\dS pg_class",
            "\\d jira.issues",
            "\\d+ jira.issues",
            "\\da",
            "\\dA",
            "\\db",
            "\\dc",
            "\\dC",
        ),
        *(
            "\\dd",
            "\\ddp",
            "\\dD",
            "\\des+",
            "\\det+ *.*",
            "\\deu",
            "\\dew+",
            "\\df omnisql.*",
            "\\dF",
            "\\dFd",
            "\\dFp",
        ),
        *("\\dFt", "\\dg+", "\\di", "\\dl", "\\dL", "\\dm", "\\dn+", "\\do", "\\dp jira.*", "\\dP", "\\drds"),
        *(
            "\\dRp",
            "\\dRs",
            "\\ds",
            "\\dt *.*",
            "\\dT",
            "\\du+",
            "\\dv *.*",
            "\\dx+",
            "\\dX",
            "\\dy",
            "\\z",
        ),
        *("\\dAc", "\\dAf", "\\dAo btree", "\\dAp btree", "\\dE *.*", "\\dfS+ abs", "\\sv pg_catalog.pg_views"),
        *("\\sf pg_catalog.abs(int)", "\\encoding", "\\conninfo", "\\dconfig work_mem"),
    ],
)
def test_every_command_that_describes_answers_without_an_error(demo: DemoServer, command: str) -> None:
    # Left out: \\l and \\dO, which psql before version 17 asks by columns that PostgreSQL 18 does not have.
    _, errors = psql(demo, command)
    assert [line for line in errors.splitlines() if not line.startswith("Did not find any")] == []
    assert demo.jira.requests() == []


def test_commands_of_the_query_buffer_work_over_api_tables(demo: DemoServer) -> None:
    rows, errors = psql(
        demo,
        f"SELECT repo, state, count(*) {WEB} GROUP BY 1, 2 \\crosstabview",
        f"SELECT 'SELECT ' || number {WEB} ORDER BY number \\gexec",
        f"SELECT number AS last {WEB} ORDER BY number DESC LIMIT 1 \\gset",
        "SELECT :last + 1;",
        f"SELECT number, repo {WEB} AND number = 2 \\gx",
        f"PREPARE one AS SELECT count(*) {WEB} AND number = $1;",
        "EXECUTE one(2);",
    )
    assert errors == ""
    assert rows[0][0] == "web"
    assert rows[1:5] == [["1"], ["2"], ["3"], ["4"]]
    assert rows[5:] == [["number", "2"], ["repo", "web"], ["1"]]


def test_commands_about_files_large_objects_and_connections_work(demo: DemoServer, tmp_path: Path) -> None:
    script, shown, large, back = (tmp_path / name for name in ("script.sql", "shown", "large", "back"))
    script.write_text(f"SELECT count(*) {WEB};\n")
    large.write_text("large")
    rows, errors = psql(
        demo,
        f"\\i {script}",
        f"SELECT number {WEB} ORDER BY number \\g {shown}",
        f"\\o {shown}2",
        f"SELECT number {WEB} ORDER BY number;",
        "\\o",
        "\\set wanted 2",
        "\\if true",
        f"SELECT number {WEB} AND number = :wanted;",
        "\\else",
        "SELECT 'never';",
        "\\endif",
        "BEGIN;",
        f"\\lo_import {large}",
        f"\\lo_export :LASTOID {back}",
        "\\lo_unlink :LASTOID",
        "ROLLBACK;",
        "\\c",
        f"SELECT max(number) {WEB};",
    )
    assert errors == ""
    assert [row for row in rows if row[0].isdigit()] == [["3"], ["2"], ["3"]]
    assert [path.read_text().split() for path in (shown, Path(f"{shown}2"))] == [["1", "2", "3"]] * 2
    assert back.read_text() == "large"


def test_watch_asks_again_until_a_statement_fails(demo: DemoServer) -> None:
    turn = f"SELECT 6 / (3 - nextval('turns')) + count(*) {WEB} \\watch 0.01"
    rows, errors = psql(demo, "CREATE TEMP SEQUENCE turns;", turn)
    assert [row[0] for row in rows if row != [""]] == ["6", "9"]
    assert "22012" in errors


def test_prompt_and_password_read_what_is_typed(demo: DemoServer) -> None:
    asked = (
        "\\prompt 'which? ' wanted",
        "2",
        "SELECT title FROM github.issues WHERE owner = 'acme' AND repo = 'web' AND number = :wanted;",
        "\\password",
        PASSWORD,
        PASSWORD,
        "SELECT 'done'",
    )
    rows, errors = psql(demo, *asked)
    assert " ".join(errors.split()) == 'which? Enter new password for user "ana": Enter it again:'
    assert [len(row) for row in rows] == [1, 1]
    assert rows[-1] == ["done"]
    assert psql(demo, "SELECT 'again'")[0] == [["again"]]


def test_copy_reads_a_file_into_a_table_that_joins_an_api_table(demo: DemoServer, tmp_path: Path) -> None:
    file = tmp_path / "wanted.csv"
    file.write_text("2\n3\n")
    rows, errors = psql(
        demo,
        "CREATE TEMP TABLE wanted (number int);",
        f"\\copy wanted FROM '{file}' CSV",
        "SELECT i.number FROM github.issues i JOIN wanted USING (number)"
        " WHERE owner = 'acme' AND repo = 'web' ORDER BY 1;",
    )
    assert errors == ""
    assert rows == [["2"], ["3"]]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT pg_catalog.quote_ident(c.relname), NULL::pg_catalog.text FROM pg_catalog.pg_class c WHERE c.relkind IN"
        " ('r', 'S', 'v', 'm', 'f', 'p') AND (pg_catalog.quote_ident(c.relname)) LIKE 'iss%'"
        " AND pg_catalog.pg_table_is_visible(c.oid) LIMIT 1000;",
        "SELECT pg_catalog.quote_ident(attname) FROM pg_catalog.pg_attribute a, pg_catalog.pg_class c WHERE c.oid ="
        " a.attrelid AND a.attnum > 0 AND NOT a.attisdropped AND substring(pg_catalog.quote_ident(attname),1,3)='ass'"
        " AND (pg_catalog.quote_ident(relname)='issues') AND pg_catalog.pg_table_is_visible(c.oid) LIMIT 1000;",
        "SELECT pg_catalog.quote_ident(srvname) FROM pg_catalog.pg_foreign_server"
        " WHERE substring(pg_catalog.quote_ident(srvname),1,2)='ji' LIMIT 1000;",
    ],
)
def test_queries_behind_tab_completion_find_api_tables(demo: DemoServer, query: str) -> None:
    rows, errors = psql(demo, query)
    assert errors == ""
    assert rows
