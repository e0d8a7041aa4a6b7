"""Decoded rows of an API to Arrow batches with a scan's columns. Pure.

`RowDecoder` is built once per scan; a row is whatever the API's JSON was, with the bodies of hydrate calls attached.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa

from connectors.sdk.convert import Unfit, convert
from connectors.sdk.errors import Fatal
from connectors.sdk.extract import MISFIT, Extract, column_path
from connectors.sdk.misfits import Misfit, Misfits
from connectors.sdk.table import Column, Table

Row = dict[str, object]
_HYDRATED = "\0hydrated:"


def attach(row: Row, hydrate: str, body: object) -> None:
    """Attach the body of a hydrate call to a row."""
    # No API has a field of this name: PostgreSQL could not hold the NUL either.
    row[_HYDRATED + hydrate] = body


def attached_as(hydrate: str) -> str:
    """Return the field of a row that the body of a hydrate call is attached as."""
    return _HYDRATED + hydrate


def is_attached(row: Row, hydrate: str) -> bool:
    """Tell whether a row has the body of a hydrate call."""
    return _HYDRATED + hydrate in row


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """Rows as a batch, and what is null in it because it did not fit."""

    batch: pa.RecordBatch
    misfits: Misfits = ()


class RowDecoder:
    """Turns rows of one table into batches of some of its columns.

    `extractors` replace a column's path by a function; both read the hydrate body of a column that has one.
    """

    def __init__(self, table: Table, columns: Sequence[str], extractors: Mapping[str, Extract] | None = None) -> None:
        self._table = table
        overriding = self._overriding = extractors or {}
        self._columns = tuple(table.column(name) for name in columns)
        self._extracts = tuple(_extract(column, overriding) for column in self._columns)
        self._key = tuple(_extract(table.column(name), overriding) for name in table.primary_key)
        self._schema = pa.schema([pa.field(column.name, column.type.arrow) for column in self._columns])
        lenient = (column for column in self._columns if column.nullable and column.name not in table.primary_key)
        self._lenient = frozenset(column.name for column in lenient) if table.misfits_are_null else frozenset()

    def without_hydrated(self) -> RowDecoder:
        """Return a decoder of the columns that the listing itself fills."""
        names = [column.name for column in self._columns if column.hydrate is None]
        return RowDecoder(self._table, names, self._overriding)

    def key(self, row: Row) -> tuple[Hashable, ...]:
        """Return the primary key of a row, empty where all of it is missing or a part has no place in the row."""
        key = tuple(_hashable(extract(row)) for extract in self._key)
        return () if MISFIT in key or all(part is None for part in key) else key

    def batch(self, rows: Sequence[Row]) -> pa.RecordBatch:
        """Return the rows as a batch, every value of which fits.

        Raises:
            Fatal: SQLSTATE HV000, a value does not fit its column; the message names the column, never the value.
        """
        return self.decoded(rows, compared=[column.name for column in self._columns]).batch

    def decoded(self, rows: Sequence[Row], *, compared: Collection[str] = ()) -> Decoded:
        """Return the rows as a batch, with null for values that do not fit where the table says so.

        Values of a primary key, of a column that is never null, and of those that the source `compared` always fit:
        with null for one of them, rows would be lost or come in another order than the source put them in.

        Raises:
            Fatal: SQLSTATE HV000, a value does not fit its column; the message names the column, never the value.
        """
        misfits: list[Misfit] = []
        arrays = [
            self._array(column, [extract(row) for row in rows], compared, misfits)
            for column, extract in zip(self._columns, self._extracts, strict=True)
        ]
        if not arrays:
            # A batch without columns still counts rows, which a bare list of arrays cannot say.
            counted = pa.array([{}] * len(rows), pa.struct([]))
            return Decoded(batch=pa.RecordBatch.from_struct_array(cast(pa.StructArray, counted)))
        return Decoded(batch=pa.RecordBatch.from_arrays(arrays, schema=self._schema), misfits=tuple(misfits))

    def _array(
        self, column: Column, values: list[object], compared: Collection[str], misfits: list[Misfit]
    ) -> pa.Array[Any]:
        try:
            return convert(values, column.type)
        except Unfit:
            if column.name in self._lenient and column.name not in compared:
                fitting, misfit = _without_misfits(column, values)
                misfits.append(misfit)
                return convert(fitting, column.type)
            raise Fatal(
                message=f"a value of {self._table.name}.{column.name} does not fit type {column.type_name}",
                detail=f"The source sent {_kind_of(values, column)} at {column.path}, not what its documentation says.",
                hint="Leave the column out of the query, and report it to the author of the connector.",
            ) from None


def _without_misfits(column: Column, values: list[object]) -> tuple[list[object], Misfit]:
    fits = [_fits(value, column) for value in values]
    place = f"{column.path}, row {fits.index(False) + 1} of its page"
    misfit = Misfit(column=column.name, count=fits.count(False), example=place)
    return [value if fit else None for value, fit in zip(values, fits, strict=True)], misfit


def _kind_of(values: list[object], column: Column) -> str:
    """Say what kind of value the first one is that does not fit, never the value."""
    wrong = next((value for value in values if not _fits(value, column)), None)
    kinds = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        dict: "an object",
        list: "a list",
    }
    return kinds.get(type(wrong), "something else")


def _fits(value: object, column: Column) -> bool:
    try:
        convert([value], column.type)
    except Unfit:
        return False
    return True


def _extract(column: Column, extractors: Mapping[str, Extract]) -> Extract:
    inner = extractors.get(column.name) or column_path(column.path)
    if column.hydrate is None:
        return inner
    name = _HYDRATED + column.hydrate
    return lambda row: inner(row.get(name)) if isinstance(row, dict) else None


def _hashable(value: object) -> Hashable:
    return value if isinstance(value, Hashable) else repr(value)
