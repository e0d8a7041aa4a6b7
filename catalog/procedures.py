"""The procedures of schema `omnisql` that a tenant's users call, as PostgreSQL shows them (`\\df omnisql.*`).

OmniSQL carries their calls out itself when they are statements of their own; the bodies here answer every other call.
"""

from __future__ import annotations

from dataclasses import dataclass

from catalog.connection import Connection
from catalog.quoting import literal

PROCEDURES_SCHEMA = "omnisql"

SOURCE_SQL = (
    "SELECT p.prosrc FROM pg_catalog.pg_proc p WHERE p.oid OPERATOR(pg_catalog.=) pg_catalog.to_regprocedure($1)"
)
BODY = """
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = '0A000',
        MESSAGE = {message},
        HINT = {hint};
END
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """A procedure of text arguments; `examples` are how they are written, `comment` says what it does."""

    name: str
    arguments: tuple[str, ...]
    examples: tuple[str, ...]
    comment: str

    @property
    def qualified_name(self) -> str:
        """Return the name with its schema."""
        return f"{PROCEDURES_SCHEMA}.{self.name}"

    @property
    def signature(self) -> str:
        """Return the name with the types of its arguments."""
        return f"{self.qualified_name}({', '.join(['pg_catalog.text'] * len(self.arguments))})"

    @property
    def call(self) -> str:
        """Write a call."""
        return f"CALL {self.qualified_name}({', '.join(map(literal, self.examples))})"

    @property
    def body(self) -> str:
        """Write what answers calls that OmniSQL does not see."""
        return BODY.format(
            message=literal(f"{self.qualified_name} is carried out only as a statement of its own"),
            hint=literal(f"Write {self.call}, outside functions and DO blocks."),
        )


CHECK_SOURCE = Procedure(
    name="check_source",
    arguments=("server",),
    examples=("name of a server",),
    comment="Ask a server's API who the credential of this session's user belongs to.",
)
REFRESH = Procedure(
    name="refresh",
    arguments=("relation",),
    examples=("schema.table",),
    comment="Read again what is kept of an API table under the credential of this session's user.",
)
REFRESH_WHERE = Procedure(
    name="refresh",
    arguments=("relation", "condition"),
    examples=("schema.table", "state = 'open'"),
    comment="Read the rows of an API table that meet a condition again, as a SELECT of them would, and keep them.",
)
INVALIDATE = Procedure(
    name="invalidate",
    arguments=("relation",),
    examples=("schema.table",),
    comment="Forget what is kept of an API table under the credential of this session's user.",
)
PROCEDURES = (CHECK_SOURCE, REFRESH, REFRESH_WHERE, INVALIDATE)


async def install_procedures(connection: Connection) -> tuple[str, ...]:
    """Create or replace the procedures, owned by the connection's role, and return the statements that it took."""
    statements: list[str] = []
    for procedure in PROCEDURES:
        if await connection.fetchval(SOURCE_SQL, procedure.signature) == procedure.body:
            continue
        arguments = ", ".join(f"{name} pg_catalog.text" for name in procedure.arguments)
        statements += [
            f"CREATE OR REPLACE PROCEDURE {procedure.qualified_name}({arguments}) LANGUAGE plpgsql"
            f" SET search_path = pg_catalog, pg_temp AS {literal(procedure.body)}",
            f"COMMENT ON PROCEDURE {procedure.signature} IS {literal(procedure.comment)}",
            f"GRANT EXECUTE ON PROCEDURE {procedure.signature} TO PUBLIC",
        ]
    if not statements:
        return ()
    statements = [
        f"CREATE SCHEMA IF NOT EXISTS {PROCEDURES_SCHEMA}",
        f"GRANT USAGE ON SCHEMA {PROCEDURES_SCHEMA} TO PUBLIC",
        *statements,
    ]
    async with connection.transaction():
        for statement in statements:
            await connection.execute(statement)
    return tuple(statements)
