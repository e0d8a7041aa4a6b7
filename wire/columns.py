"""One result column in the format its client asked for: the choice between text and binary, scalar and array."""

from dataclasses import dataclass

import pyarrow as pa

from wire import oids
from wire.array_format import binary_array_column, text_array_column
from wire.arrow_columns import is_character, plain_column
from wire.binary_format import binary_column
from wire.text_format import text_column


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFormat:
    """How one column goes to the client: its announced type and format, 0 (text) or 1 (binary)."""

    type_oid: int
    type_modifier: int = -1
    format: int = 0


def encode_column(column: pa.Array, row_format: RowFormat, time_zone: str) -> pa.Array:
    """Return the column's values as they stand in DataRow: strings or byte strings of any Arrow width, null as null."""
    column = plain_column(column)
    type_oid, type_modifier = row_format.type_oid, row_format.type_modifier
    if type_oid in oids.ARRAY_ELEMENTS and not (is_character(column.type) and row_format.format == 0):
        if row_format.format == 0:
            return text_array_column(column, type_oid, type_modifier, time_zone)
        return binary_array_column(column, type_oid, type_modifier)
    if row_format.format == 0:
        return text_column(column, type_oid, type_modifier, time_zone)
    return binary_column(column, type_oid, type_modifier)
