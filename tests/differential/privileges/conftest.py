"""The demo, with relations that exist twice and roles of its tenant that only its superuser may make."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from cases import API, COLUMNS, LOCAL, LOCAL_TABLE, MIXED_TEXTS, ROLES, TABLES, VIEW_TEXTS
from demo_server import DATABASE, DemoServer

from catalog.clusters.template import check_data_directory


@pytest.fixture(scope="module")
def superuser(demo: DemoServer) -> Iterator[psycopg.Connection]:
    """Open a session of the tenant's superuser on its cluster, past the server."""
    with psycopg.connect(**demo.arguments("ana"), dbname=DATABASE):
        pass  # The server has started the cluster.
    data = demo.cluster
    socket = (data / "omnisql-socket-directory").read_text(encoding="utf-8")
    with psycopg.connect(
        host=str(Path(socket)), user=check_data_directory(data), dbname=DATABASE, autocommit=True
    ) as session:
        yield session


@pytest.fixture(scope="module")
def session(demo: DemoServer, superuser: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """Open ana's session through the server; she may become any of the roles."""
    for role in ROLES:
        superuser.execute(f"CREATE ROLE {role} LOGIN".encode())
        superuser.execute(f"GRANT {role} TO ana WITH INHERIT FALSE".encode())
        superuser.execute(f"GRANT TEMPORARY ON DATABASE {DATABASE} TO {role}".encode())
    for schema in (API, LOCAL):
        superuser.execute(f"CREATE SCHEMA {schema}".encode())
        superuser.execute(f"GRANT USAGE ON SCHEMA {schema} TO {', '.join(ROLES)}, ana".encode())
    _make_api_tables(superuser)
    with psycopg.connect(**demo.arguments("ana"), dbname=DATABASE, autocommit=True) as session:
        for name in TABLES:
            superuser.execute(f"GRANT SELECT ON {API}.{name} TO ana".encode())
            columns = ", ".join(COLUMNS)
            rows = session.execute(f"SELECT {columns} FROM {API}.{name}".encode()).fetchall()
            assert rows
            superuser.execute(f"CREATE TABLE {LOCAL}.{name} (k text, name text, kind text)".encode())
            with superuser.cursor() as cursor:
                cursor.executemany(f"INSERT INTO {LOCAL}.{name} VALUES (%s, %s, %s)".encode(), rows)
            superuser.execute(f"REVOKE ALL ON {API}.{name} FROM ana".encode())
        for schema in (API, LOCAL):
            superuser.execute(f"CREATE TABLE {schema}.{LOCAL_TABLE} AS TABLE {LOCAL}.p".encode())
            for name, text in (VIEW_TEXTS | MIXED_TEXTS).items():
                superuser.execute(f"CREATE VIEW {schema}.{name} AS {text.format(s=schema)}".encode())
            for name in (*TABLES, LOCAL_TABLE, *VIEW_TEXTS, *MIXED_TEXTS):
                superuser.execute(f"ALTER TABLE {schema}.{name} OWNER TO pr_owner".encode())
        # A transaction that meets a view which the server has not seen yet fails once: have it look.
        session.execute("SELECT count(*) FROM omnisql.tables")
        yield session
    for schema in (API, LOCAL):
        superuser.execute(f"DROP SCHEMA {schema} CASCADE".encode())
    for role in ROLES:
        superuser.execute(f"DROP OWNED BY {role} CASCADE".encode())
        superuser.execute(f"DROP ROLE {role}".encode())


def _make_api_tables(superuser: psycopg.Connection) -> None:
    for name, server, table, columns in (
        ("p", "jira", "projects", ("key", "name", "project_type_key")),
        ("r", "jira", "boards", ("project_key", "name", "type")),
    ):
        declared = ", ".join(
            f"""{column} text OPTIONS ("column" '{of_api}')""" for column, of_api in zip(COLUMNS, columns, strict=True)
        )
        superuser.execute(
            f"""CREATE FOREIGN TABLE {API}.{name} ({declared}) SERVER {server} OPTIONS ("table" '{table}')""".encode()
        )
