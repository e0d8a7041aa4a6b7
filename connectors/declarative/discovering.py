"""A manifest with what a source says of itself: columns that it alone has, read like those of the manifest. Pure."""

from __future__ import annotations

import msgspec
from msgspec import structs

from connectors.declarative.compile import compiled
from connectors.declarative.document import Path
from connectors.declarative.hooks import Found
from connectors.declarative.load import Loaded
from connectors.declarative.manifest import ColumnDeclared, Operators, TableDeclared
from connectors.sdk.errors import ManifestInvalid


def extended(loaded: Loaded, found: Found) -> Loaded:
    """Return a manifest whose tables have the columns and pushdowns that were found besides their own.

    Raises:
        ManifestInvalid: SQLSTATE HV00R, what was found is none in the language of manifests.
    """
    tables = dict(loaded.manifest.tables)
    for name, more in found.items():
        columns = msgspec.convert(more.get("columns", {}), dict[str, str | ColumnDeclared])
        pushdown = msgspec.convert(more.get("pushdown", {}), dict[str, str | Operators])
        table: TableDeclared = tables[name]
        tables[name] = structs.replace(
            table, columns={**table.columns, **columns}, pushdown={**table.pushdown, **pushdown}
        )
    manifest = structs.replace(loaded.manifest, tables=tables)

    def refusal(path: Path, message: str, hint: str | None) -> ManifestInvalid:
        where = ".".join(map(str, path))
        return ManifestInvalid(
            message=f"{manifest.name} cannot be read as its source says: {message}", detail=where, hint=hint
        )

    return Loaded(manifest=manifest, tables=compiled(manifest, loaded.hooks, refusal), hooks=loaded.hooks)
