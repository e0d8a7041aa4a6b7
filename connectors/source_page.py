"""The page of one kind of source, in Markdown: how it is added, its options, tables and what they take. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from connectors.capabilities import keys_required, path_cells
from connectors.declarative.auths import auth_texts
from connectors.declarative.checks import placeholders
from connectors.declarative.hooks import NO_HOOKS
from connectors.declarative.load import Loaded
from connectors.sdk.connector import Connector, Option, WithSchemas
from connectors.sdk.table import Column, Table

_BY_HAND = {
    "postgres": ("PostgreSQL", {"dbname", "user"}),
    "salesforce": ("Salesforce", {"client_id", "refresh_token"}),
}
"""Title of the connectors that are no manifests, and what one way to prove oneself to them needs."""


def source_page(connector: Connector, loaded: Loaded | None) -> str:
    """Return the page of a connector; `loaded` is its manifest, if it is one."""
    title = loaded.manifest.title if loaded else _BY_HAND[connector.name][0]
    parts = [
        f"# {title}",
        _introduction(connector, loaded),
        _adding(connector, loaded),
        "## Options",
        _options(connector),
        *([_limits(loaded)] if loaded else []),
        *_tables(connector, loaded),
    ]
    return "\n\n".join(parts) + "\n"


def _tables(connector: Connector, loaded: Loaded | None) -> list[str]:
    if isinstance(connector, WithSchemas):
        return ["Its tables, their keys and what is pushed down are what the source itself says."]
    return ["## Tables", *(part for table in connector.tables for part in _table(table, loaded))]


def _schema(connector: Connector) -> str:
    return connector.default_schema if isinstance(connector, WithSchemas) else connector.name


def _introduction(connector: Connector, loaded: Loaded | None) -> str:
    where = f" The API is documented at <{loaded.manifest.documentation}>." if loaded else ""
    how = f"the manifest `connectors/manifests/{connector.name}.yaml`" if loaded else f"`connectors/{connector.name}`"
    if loaded and loaded.hooks is not NO_HOOKS:
        how = f"the manifest `connectors/{connector.name}/manifest.yaml` and its hooks"
    return (
        f"Foreign-data wrapper `{connector.name}`, made from {how}.{where} This page is made from the same by "
        "`python docs/source_pages.py`."
    )


def _adding(connector: Connector, loaded: Loaded | None) -> str:
    name = connector.name
    needed = _first_way(loaded) if loaded else _BY_HAND[name][1]
    options = [each for each in connector.options if not each.secret and (each.required or each.name in needed)]
    secrets = [each for each in connector.options if each.secret and (each.required or each.name in needed)]
    given = f" OPTIONS ({_blank(options)})" if options else ""
    return "\n".join(
        (
            "```sql",
            f"CREATE SERVER {name} FOREIGN DATA WRAPPER {name}{given};",
            f"CREATE USER MAPPING FOR PUBLIC SERVER {name} OPTIONS ({_blank(secrets)});",
            f"CREATE SCHEMA {name};",
            f"IMPORT FOREIGN SCHEMA {_schema(connector)} FROM SERVER {name} INTO {name};",
            "```",
        )
    )


def _blank(options: list[Option]) -> str:
    return ", ".join(f"{each.name} '..'" for each in options)


def _first_way(loaded: Loaded) -> set[str]:
    return {name for auth in loaded.manifest.auth[:1] for text in auth_texts(auth) for name in placeholders(text)}


def _options(connector: Connector) -> str:
    return _grid(
        ("option", "of the", "default", "meaning"),
        (
            (
                f"`{each.name}`",
                "user mapping" if each.secret else "server",
                "required" if each.required else f"`{each.default}`" if each.default else "",
                each.description,
            )
            for each in connector.options
        ),
    )


def _limits(loaded: Loaded) -> str:
    quota = loaded.manifest.rate_limit
    if quota is None:
        told = "The API tells no rate limit ahead; a refusal is waited out as its Retry-After says."
    else:
        headers = ", ".join(f"`{name}`" for name in (quota.limit, quota.remaining, quota.reset) if name)
        told = f"The rate limit is read from {headers} and shared by all sessions."
    documented = [
        f"`{name}` {each.points} in {each.every_s} s"
        for name, each in loaded.manifest.limits.items()
        if each.points is not None
    ]
    if not documented:
        return told
    return f"{told} Until it tells otherwise, limits have the points that are documented: {', '.join(documented)}."


def _table(table: Table, loaded: Loaded | None) -> list[str]:
    wanted = keys_required(table)
    needs = f" A query must give {wanted}, or join a table that does." if wanted else ""
    references = loaded.tables[table.name].references if loaded else {}
    joins = "".join(f" `{key}` is `{parent}.{column}`." for key, (parent, column) in references.items())
    misfits = " A value that does not fit its type is null, with a warning." if table.misfits_are_null else ""
    primary_key = ", ".join(f"`{key}`" for key in table.primary_key)
    return [
        f"### {table.name}",
        f"{table.description.rstrip('.')}. Primary key: {primary_key}.{needs}{joins}{misfits}",
        _grid(("column", "type", ""), (_column(column) for column in table.columns)),
        _grid(
            ("access path", "request", "keys", "pushed down", "order", "pages"),
            (
                (f"`{name}`", f"`{request}`", keys, pushed, order, pages)
                for name, request, keys, pushed, order, pages in map(path_cells, table.access_paths)
            ),
        ),
    ]


def _column(column: Column) -> tuple[str, str, str]:
    notes = [
        column.description.rstrip("."),
        "" if column.nullable else "not null",
        "a call for each row" if column.hydrate else "",
    ]
    return (f"`{column.name}`", f"`{column.type_name}`", "; ".join(filter(None, notes)))


def _grid(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
