"""Encode one column both ways and read the values back: what the tests of text, binary and rows share."""

import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from wire.backend_decode import decode_data_row
from wire.framing import FrameBuffer
from wire.rows import EncodedRows, RowFormat, encode_rows, encode_rows_vectorized


def decoded(encoded: EncodedRows) -> list[tuple[bytes | None, ...]]:
    buffer = FrameBuffer(1 << 30, from_backend=True)
    buffer.feed(encoded.data)
    frames = buffer.frames()
    assert [len(frame.data) for frame in frames] == np.diff(encoded.ends, prepend=0).tolist()
    assert buffer.pending_bytes == 0
    return [decode_data_row(frame.payload) for frame in frames]


def column_texts(column: pa.Array, type_oid: int, *, time_zone: str = "UTC", format_code: int = 0) -> list[Any]:
    """Encode one column both ways, require that they agree, and return the values."""
    batch = pa.record_batch([column], names=["c"])
    formats = [RowFormat(type_oid=type_oid, format=format_code)]
    small = encode_rows(batch, formats, time_zone=time_zone)
    large = encode_rows_vectorized(batch, formats, time_zone=time_zone)
    assert bytes(small.data) == bytes(large.data)
    assert small.ends.tolist() == large.ends.tolist()
    values = [row[0] for row in decoded(small)]
    return values if format_code else [None if value is None else value.decode() for value in values]


def timestamps(*texts: str) -> pa.Array:
    return pa.array([datetime.datetime.fromisoformat(text) for text in texts], pa.timestamp("us", "UTC"))
