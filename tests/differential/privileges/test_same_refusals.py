"""The same GRANTs and statements over API tables as over local tables: the same rows, or the same refusal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import pytest
from cases import API, LOCAL, LOCAL_TABLE, MIXED, MIXED_TEXTS, RELATIONS, ROLES, Cases
from demo_server import DemoServer

STATEMENTS, WRITES, MIXED_STATEMENTS = 400, 100, 150
STATEMENTS_OF_A_BATCH = 10
GRANTS_OF_A_BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Rows and command tag, or SQLSTATE and message."""

    rows: tuple[str, ...] = ()
    tag: str | None = None
    sqlstate: str = ""
    message: str = ""


def outcome(session: psycopg.Connection, schema: str, sql: str) -> Outcome:
    """Run a statement over one of the schemas, undo it, and say what came of it; kinds of tables are not told apart."""
    try:
        with session.transaction(force_rollback=True), session.cursor() as cursor:
            cursor.execute(f"SET LOCAL search_path = {schema}".encode())
            if sql.startswith("COPY"):
                with cursor.copy(sql.encode()) as copy:
                    return Outcome(rows=tuple(sorted(str(row) for row in copy.rows())))
            cursor.execute(sql.encode())
            rows = () if cursor.description is None else tuple(sorted(map(str, cursor.fetchall())))
            shown = () if sql.startswith("EXPLAIN") else rows
            return Outcome(rows=shown, tag=cursor.statusmessage if not sql.startswith("EXPLAIN") else "EXPLAIN")
    except psycopg.Error as error:
        message = (error.diag.message_primary or "").replace("foreign table", "table").replace(API, LOCAL)
        return Outcome(sqlstate=error.sqlstate or "", message=message)


def take_away(superuser: psycopg.Connection, relations: Sequence[str] = RELATIONS) -> None:
    """Leave privileges to the owner of the relations alone."""
    everyone = ", ".join((*ROLES, "PUBLIC"))
    for schema in (API, LOCAL):
        for name in relations:
            superuser.execute(f"ALTER TABLE {schema}.{name} OWNER TO pr_owner".encode())
            superuser.execute(f"REVOKE ALL ON {schema}.{name} FROM {everyone} CASCADE".encode())
            superuser.execute(f"GRANT ALL ON {schema}.{name} TO pr_owner".encode())
        superuser.execute(f"GRANT USAGE ON SCHEMA {schema} TO {', '.join(ROLES)}".encode())


def grant(superuser: psycopg.Connection, cases: Cases) -> list[str]:
    """Change privileges at random, on both sides alike."""
    done = [sql for pair in cases.grants((API, LOCAL), GRANTS_OF_A_BATCH) for sql in pair]
    for sql in done:
        superuser.execute(sql.encode())
    return done


@pytest.mark.parametrize(("count", "kind"), [(STATEMENTS, "statement"), (WRITES, "write")])
def test_privileges_are_those_of_local_tables(
    demo: DemoServer, session: psycopg.Connection, superuser: psycopg.Connection, count: int, kind: str
) -> None:
    seed = 20_261
    print(f"seed {seed}")
    cases, history, refused, different = Cases(seed), [], 0, []
    take_away(superuser)
    for number in range(count):
        if number % STATEMENTS_OF_A_BATCH == 0:
            demo.reset()
            history += grant(superuser, cases)
        sql, role = getattr(cases, kind)(), cases.role()
        session.execute(f"SET ROLE {role}".encode())
        if kind == "write":
            session.execute("CREATE TEMP TABLE mine (k text, name text)")
        local, api = outcome(session, LOCAL, sql), outcome(session, API, sql)
        if kind == "write":
            session.execute("DROP TABLE pg_temp.mine")
        session.execute("RESET ROLE")
        refused += local.sqlstate == "42501"
        if local != api:
            different.append((number, role, sql, local, api, list(history)))
    assert not different, report(different)
    assert count / 10 < refused < count * 9 / 10


def test_views_over_api_and_local_tables_answer_as_those_over_local_ones(
    demo: DemoServer, session: psycopg.Connection, superuser: psycopg.Connection
) -> None:
    """What only a view's owner may read is read as the owner: the same rows, the same refusals."""
    seed = 20_262
    print(f"seed {seed}")
    cases, history, different = Cases(seed, MIXED, tuple(MIXED_TEXTS)), [], []
    counts = {"answered": 0, "denied": 0, "as owner": 0}
    take_away(superuser, MIXED)
    session.execute("SET default_transaction_isolation = 'repeatable read'")
    for number in range(MIXED_STATEMENTS):
        if number % STATEMENTS_OF_A_BATCH == 0:
            demo.reset()
            history += grant(superuser, cases)
        sql, role = cases.statement(), cases.role()
        session.execute(f"SET ROLE {role}".encode())
        local, api = outcome(session, LOCAL, sql), outcome(session, API, sql)
        asked = f"SELECT has_table_privilege('{role}', '{API}.{LOCAL_TABLE}', 'SELECT')"
        may_read = superuser.execute(asked.encode()).fetchone()
        session.execute("RESET ROLE")
        as_owner = may_read == (False,) and any(f"{name} " in f"{sql} " for name in MIXED_TEXTS)
        counts["denied" if local.sqlstate else "as owner" if as_owner else "answered"] += 1
        if local != api:
            different.append((number, role, sql, local, api, list(history)))
    session.execute("RESET default_transaction_isolation")
    assert not different, report(different)
    assert min(counts.values()) > MIXED_STATEMENTS / 50, counts


def report(different: Sequence[tuple[object, ...]]) -> str:
    """Show the first few differences, and what was granted before the first."""
    lines = [f"{len(different)} statements differ"]
    for number, role, sql, local, api, _ in different[:12]:
        lines.append(f"{number} as {role}: {sql}\n   local {str(local)[:300]}\n   api   {str(api)[:300]}")
    history = different[0][-1]
    assert isinstance(history, list)
    return "\n".join([*lines, "after", *history[-40:]])


@pytest.mark.parametrize("schema", [LOCAL, API])
def test_a_privilege_revoked_after_parse_is_missing_at_execute(
    session: psycopg.Connection, superuser: psycopg.Connection, schema: str
) -> None:
    superuser.execute(f"GRANT USAGE ON SCHEMA {schema} TO pr_c".encode())
    superuser.execute(f"ALTER TABLE {schema}.p OWNER TO pr_owner".encode())
    superuser.execute(f"GRANT SELECT (k) ON {schema}.p TO pr_c".encode())
    session.execute("SET ROLE pr_c")
    try:
        prepared = session.pgconn.prepare(b"kept", f"SELECT k FROM {schema}.p".encode())
        assert prepared.status == psycopg.pq.ExecStatus.COMMAND_OK
        assert session.pgconn.exec_prepared(b"kept", None).ntuples > 0
        superuser.execute(f"REVOKE SELECT ON {schema}.p FROM pr_a, pr_b, pr_c, pr_group, PUBLIC CASCADE".encode())
        superuser.execute(f"REVOKE SELECT (k) ON {schema}.p FROM pr_c, pr_group, PUBLIC CASCADE".encode())
        superuser.execute("REVOKE pr_owner FROM pr_c")
        refused = session.pgconn.exec_prepared(b"kept", None)
        assert refused.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"42501"
        message = refused.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY)
        assert message == f"permission denied for {'foreign ' if schema == API else ''}table p".encode()
    finally:
        session.execute("RESET ROLE")
        session.execute("DEALLOCATE ALL")
