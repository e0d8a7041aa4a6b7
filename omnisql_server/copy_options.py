"""The options of COPY TO over API tables: PostgreSQL says which are wrong, `wire.copy` what the others mean."""

from __future__ import annotations

from catalog.quoting import identifier
from omnisql_server.errors import BackendError
from omnisql_server.model.backend import Backend, Command
from omnisql_server.model.query import BoundQuery
from omnisql_server.model.statement import Statement, StatementKind
from wire.copy import forced_columns, parse_copy_options


async def check_copy_options(statement: Statement, backend: Backend) -> None:
    """Have PostgreSQL copy nothing with the same options, if there are any, which it judges before the query.

    Raises:
        BackendError: it refuses them, by its own words, at their place in the statement.
    """
    if not statement.copy_options:
        return
    body, start = statement.text.encode(), statement.query_position
    forced = dict.fromkeys(value for name, value in statement.copy_options if name == "force_quote" and value != "*")
    query = f"SELECT {', '.join(f'NULL AS {identifier(name)}' for name in forced)}"
    before, after = body[:start].decode(), body[start + len(statement.query.encode()) :].decode()
    try:
        await backend.ask(Command(sql=f"{before}{query} LIMIT 0{after}"))
    except BackendError as error:
        if "P" not in error.fields:
            raise
        position = int(error.fields["P"]) + len(statement.query) - len(f"{query} LIMIT 0")
        raise BackendError({**error.fields, "P": str(position)}) from error


def check_copied_columns(statement: Statement, bound: BoundQuery) -> None:
    """Make sure that the columns which FORCE_QUOTE names are the query's.

    Raises:
        CopyOptionInvalid: 42703, one is not.
    """
    if statement.kind is StatementKind.COPY_TO:
        forced_columns(parse_copy_options(statement.copy_options), [field.name for field in bound.fields])
