"""Values that travel as text must be written as PostgreSQL writes them, or it has to read them first. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from catalog.types import BY_OID
from omnisql_server.model.query import BoundQuery
from wire.errors import ValueUnsupported

FORMS: Mapping[str, str] = {
    "numeric": r"^(-?(0|[1-9][0-9]*)(\.[0-9]+)?|NaN|-?Infinity)$",
    "uuid": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
}
"""The forms in which PostgreSQL shows a type; minus zero is not among those of numeric."""

_MINUS_ZERO = r"^-0(\.0+)?$"


def check_forms(query: BoundQuery, relations: Mapping[str, pa.Table]) -> None:
    """Check every column of such a type.

    Raises:
        ValueUnsupported: a value has another form, which DuckDB would show as it is.
    """
    for occurrence in query.occurrences:
        rows = relations.get(occurrence.scan_name)
        for name in occurrence.columns if rows is not None else ():
            attribute = occurrence.relation.attribute(name)
            known = BY_OID.get(attribute.type_oid) if attribute is not None else None
            form = FORMS.get(known.name) if known is not None else None
            if form is not None and rows is not None and not _all_match(rows.column(name), form):
                raise ValueUnsupported(message=f"column {name} has values in another form than PostgreSQL's")


def _all_match(column: pa.ChunkedArray, form: str) -> bool:
    found = pc.and_(pc.match_substring_regex(column, form), pc.invert(pc.match_substring_regex(column, _MINUS_ZERO)))
    return bool(pc.all(found, min_count=0).as_py())
