"""The procedures of schema `omnisql` that a tenant's users call, as PostgreSQL shows them (`\\df omnisql.*`).

OmniSQL carries their calls out itself when they are statements of their own; the bodies here answer every other call.
"""

from __future__ import annotations

from catalog.connection import Connection
from catalog.quoting import literal

PROCEDURES_SCHEMA = "omnisql"
CHECK_SOURCE = "check_source"
CHECK_SOURCE_SIGNATURE = f"{PROCEDURES_SCHEMA}.{CHECK_SOURCE}(pg_catalog.text)"

SOURCE_SQL = (
    "SELECT p.prosrc FROM pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure($1)"
)
CHECK_SOURCE_BODY = """
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = '0A000',
        MESSAGE = 'omnisql.check_source is carried out only as a statement of its own',
        HINT = 'Write CALL omnisql.check_source(''name of a server''), outside functions and DO blocks.';
END
"""
CHECK_SOURCE_COMMENT = "Ask a server's API who the credential of this session's user belongs to."


async def install_procedures(connection: Connection) -> tuple[str, ...]:
    """Create or replace the procedures, owned by the connection's role, and return the statements that it took."""
    if await connection.fetchval(SOURCE_SQL, CHECK_SOURCE_SIGNATURE) == CHECK_SOURCE_BODY:
        return ()
    name = f"{PROCEDURES_SCHEMA}.{CHECK_SOURCE}"
    statements = (
        f"CREATE SCHEMA IF NOT EXISTS {PROCEDURES_SCHEMA}",
        f"GRANT USAGE ON SCHEMA {PROCEDURES_SCHEMA} TO PUBLIC",
        f"CREATE OR REPLACE PROCEDURE {name}(server pg_catalog.text) LANGUAGE plpgsql"
        f" SET search_path = pg_catalog, pg_temp AS {literal(CHECK_SOURCE_BODY)}",
        f"COMMENT ON PROCEDURE {name} IS {literal(CHECK_SOURCE_COMMENT)}",
        f"GRANT EXECUTE ON PROCEDURE {name} TO PUBLIC",
    )
    async with connection.transaction():
        for statement in statements:
            await connection.execute(statement)
    return statements
