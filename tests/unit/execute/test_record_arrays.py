"""Rows as PostgreSQL sends them become one array of their row type; columns that are not needed become null."""

from __future__ import annotations

import struct

import pytest

from omnisql_server.execute.record_arrays import RowType, record_array

ROW = RowType(type_oid=70_001, array_oid=70_000, column_oids=(23, 25, 16))


def column(oid: int, value: bytes | None) -> bytes:
    return struct.pack(">Ii", oid, -1 if value is None else len(value)) + (value or b"")


def record(*columns: bytes) -> bytes:
    return struct.pack(">i", len(columns)) + b"".join(columns)


def elements(array: bytes) -> list[bytes]:
    dimensions, has_null, oid, count, lower = struct.unpack_from(">iiIii", array)
    assert (dimensions, has_null, oid, lower) == (1, 0, ROW.type_oid, 1)
    found, start = [], 20
    for _ in range(count):
        (length,) = struct.unpack_from(">i", array, start)
        found.append(array[start + 4 : start + 4 + length])
        start += 4 + length
    assert start == len(array)
    return found


def test_whole_rows_are_taken_as_they_are() -> None:
    rows = [record(column(23, b"\0\0\0\1"), column(25, None), column(16, b"\1")), record(*[column(23, None)] * 3)]
    array = record_array(rows, ROW, [0, 1, 2])
    assert elements(array.value) == rows
    assert (array.type_oid, array.format) == (70_000, 1)


@pytest.mark.parametrize(
    ("given", "needed", "whole"),
    [
        ([column(16, b"\0")], [2], [column(23, None), column(25, None), column(16, b"\0")]),
        ([column(25, b"")], [1], [column(23, None), column(25, b""), column(16, None)]),
        (
            [column(23, None), column(16, b"\1")],
            [0, 2],
            [column(23, None), column(25, None), column(16, b"\1")],
        ),
        ([], [], [column(23, None), column(25, None), column(16, None)]),
    ],
)
def test_other_columns_are_null(given: list[bytes], needed: list[int], whole: list[bytes]) -> None:
    assert elements(record_array([record(*given)], ROW, needed).value) == [record(*whole)]


def test_no_row_is_an_array_without_dimensions() -> None:
    assert record_array([], ROW, [0]).value == struct.pack(">iiI", 0, 0, ROW.type_oid)
