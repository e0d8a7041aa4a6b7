"""Source groups: servers whose option `members` names others of the same kind, whose tables they bring together.

A table of a group is a view over the members' tables, with a column `_source` that says whose a row is: keys, limits,
freshness and policies are those of each member.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from catalog.quoting import IDENTIFIER_BYTES_MAX, identifier, literal, qualified
from catalog.shape import ForeignTable
from catalog.types import BY_SQL_NAME
from connectors.sdk.table import Column, Table
from omnisql_server.errors import NotSupported
from omnisql_server.manage.errors import SourceOptionInvalid
from omnisql_server.manage.facts import ServerFacts, find_server
from omnisql_server.manage.options import MEMBERS
from omnisql_server.model.definition import OptionAction, OptionChange
from omnisql_server.model.run import SessionView
from omnisql_server.provision import foreign_tables

SOURCE_COLUMN = "_source"
MEMBERS_MAX = 32


def is_group(options: Mapping[str, str]) -> bool:
    """Say whether a server's options make it a group."""
    return MEMBERS in options


def makes_group(changes: Iterable[OptionChange]) -> bool:
    """Say whether the options of a new server make it a group."""
    return any(change.name == MEMBERS for change in changes)


def refuse_group(server: ServerFacts, what: str) -> None:
    """Refuse what a group does not have.

    Raises:
        NotSupported: 0A000.
    """
    if is_group(server.options):
        raise NotSupported(
            message=f'server "{server.name}" is a group of others and has no {what} of its own',
            detail=f"Its members are {', '.join(names_of(server.options[MEMBERS]))}.",
            hint="Do it for each member.",
        )


def names_of(text: str) -> tuple[str, ...]:
    """Read the option: names of servers with commas between them."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


async def check_group(name: str, wrapper: str, changes: Iterable[OptionChange], view: SessionView) -> None:
    """Check the options of a group that is made or altered.

    Raises:
        SourceOptionInvalid: HV00D, a member is not a server of the same kind, or there are other options.
    """
    for change in changes:
        if change.name != MEMBERS or change.action is OptionAction.DROP:
            raise SourceOptionInvalid(
                message=f'server "{name}" is a group of others and takes no option but {MEMBERS}',
                detail=f'Option "{change.name}" is for its members.',
            )
        await members_of(name, wrapper, change.value or "", view)


async def members_of(name: str, wrapper: str, text: str, view: SessionView) -> tuple[ServerFacts, ...]:
    """Return the members of a group, as the session's user has them.

    Raises:
        SourceOptionInvalid: HV00D, one is unknown, of another kind, a group itself or there twice.
    """
    names = names_of(text)
    if not names or len(set(names)) < len(names) or len(names) > MEMBERS_MAX:
        raise SourceOptionInvalid(
            message=f'option {MEMBERS} of server "{name}" must name up to {MEMBERS_MAX} servers, each once',
            hint="Write them with commas between: OPTIONS (members 'first,second').",
        )
    found = []
    for each in names:
        member = await find_server(view.backend, each, view.principal.role)
        if member is None or not member.ours or member.wrapper != wrapper or is_group(member.options):
            raise SourceOptionInvalid(
                message=f'server "{name}" cannot have member "{each}"',
                detail=f"Members are servers of foreign-data wrapper {wrapper} that are no groups.",
            )
        found.append(member)
    return tuple(found)


async def group_of(server: ServerFacts, view: SessionView) -> tuple[ServerFacts, ...]:
    """Return the members of a group, and any other server alone.

    Raises:
        SourceOptionInvalid: HV00D, as `members_of`.
    """
    if not is_group(server.options):
        return (server,)
    return await members_of(server.name, server.wrapper, server.options[MEMBERS], view)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTables:
    """What an import makes: foreign tables, then views over those of a group's members; and what is left out."""

    tables: tuple[ForeignTable, ...]
    names: frozenset[str]
    views: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def group_tables(schema: str, found: Sequence[tuple[str, Sequence[Table]]]) -> GroupTables:
    """Bring together the tables that members have, given by their names: `name@member` under a view `name`.

    A column that only some members have is null in the rows of the others; one of different types is left out.

    Raises:
        NotSupported: 0A000, a name would be too long.
    """
    by_name: dict[str, list[tuple[str, Table]]] = {}
    for member, tables in found:
        for table in tables:
            by_name.setdefault(table.local_name, []).append((member, table))
    made: list[ForeignTable] = []
    views: list[str] = []
    left_out: list[str] = []
    for name, having in by_name.items():
        columns = _shared(having)
        left_out += sorted(f"{name}.{column}" for _, table in having for column in _names(table) - columns.keys())
        for member, table in having:
            (alone,) = foreign_tables(schema, member, [table])
            made.append(replace(alone, name=_member_table(name, member)))
        views += _view(schema, name, having, columns)
    return GroupTables(
        tables=tuple(made),
        views=tuple(views),
        names=frozenset(by_name) | frozenset(table.name for table in made),
        left_out=tuple(dict.fromkeys(left_out)),
    )


def _shared(having: Sequence[tuple[str, Table]]) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    differing: set[str] = {SOURCE_COLUMN}
    for _, table in having:
        for column in table.columns:
            known = columns.setdefault(column.name, column)
            if known.type_name != column.type_name:
                differing.add(column.name)
    return {name: column for name, column in columns.items() if name not in differing}


def _names(table: Table) -> set[str]:
    return {column.name for column in table.columns}


def _member_table(name: str, member: str) -> str:
    made = f"{name}@{member}"
    if len(made.encode()) > IDENTIFIER_BYTES_MAX:
        raise NotSupported(
            message=f'the name "{made}" is too long for a table',
            hint="Give the member a shorter name, or leave the table out with EXCEPT.",
        )
    return made


def _view(
    schema: str, name: str, having: Sequence[tuple[str, Table]], columns: Mapping[str, Column]
) -> tuple[str, ...]:
    view = qualified(schema, name)
    branches = " UNION ALL ".join(_branch(schema, name, member, table, columns) for member, table in having)
    sources = ", ".join(member for member, _ in having)
    comments = (
        f"COMMENT ON VIEW {view} IS {literal(f'{having[0][1].description} Of all of {sources}.')}",
        f"COMMENT ON COLUMN {view}.{identifier(SOURCE_COLUMN)} IS {literal('Server that the row is from.')}",
    )
    return (f"CREATE VIEW {view} AS {branches}", *comments)


def _branch(schema: str, name: str, member: str, table: Table, columns: Mapping[str, Column]) -> str:
    has = _names(table)
    outputs = [f"{literal(member)}::pg_catalog.text AS {identifier(SOURCE_COLUMN)}"]
    for column in columns.values():
        value = f"t.{identifier(column.name)}"
        if column.name not in has:
            value = f"NULL::{BY_SQL_NAME[column.type_name].sql_name}"
        outputs.append(f"{value} AS {identifier(column.name)}")
    return f"SELECT {', '.join(outputs)} FROM {qualified(schema, _member_table(name, member))} AS t"
