"""Writes the statements that make a foreign table with its comments, for whoever runs them. Pure."""

from __future__ import annotations

from catalog.quoting import identifier, literal, option_list, qualified
from catalog.shape import ForeignTable
from catalog.types import BY_SQL_NAME


def create_statements(table: ForeignTable) -> tuple[str, ...]:
    """Write CREATE FOREIGN TABLE and COMMENT statements; types are spelled so that no search_path changes them.

    Raises: KeyError for a type that `catalog.types` does not know.
    """
    name = qualified(table.schema, table.name)
    columns = ", ".join(
        f"{identifier(column.name)} {BY_SQL_NAME[column.type_name].sql_name}{option_list(column.options)}"
        for column in table.columns
    )
    statements = [
        f"CREATE FOREIGN TABLE {name} ({columns}) SERVER {identifier(table.server)}{option_list(table.options)}"
    ]
    if table.comment is not None:
        statements.append(f"COMMENT ON FOREIGN TABLE {name} IS {literal(table.comment)}")
    statements += [
        f"COMMENT ON COLUMN {name}.{identifier(column.name)} IS {literal(column.comment)}"
        for column in table.columns
        if column.comment is not None
    ]
    return tuple(statements)
