"""Whole columns as COPY's lines: the same bytes as the way through DataRow messages, row by row."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import copy_columns, oids
from wire.copy import CopyEncoder, CopyFormat, CopyOptionInvalid
from wire.copy_columns import encode_copy_columns
from wire.errors import MessageTooLarge, ValueUnsupported
from wire.rows import RowFormat, encode_rows

TEXTS = [
    CopyFormat(),
    CopyFormat(delimiter=b":", null=b"?"),
    CopyFormat(delimiter=b"-", null=b""),
    CopyFormat(null=b"0"),
]
CSVS = [
    CopyFormat(format="csv", delimiter=b",", null=b""),
    CopyFormat(format="csv", delimiter=b"|", null=b"no", quote=b"'", escape=b"\\"),
    CopyFormat(format="csv", delimiter=b"1", null=b"", quote=b'"', escape=b'"'),
    CopyFormat(format="csv", delimiter=b",", null=b"0", force_quote=("title",)),
    CopyFormat(format="csv", delimiter=b",", null=b"", force_quote="*"),
]
NAMES = ("number", "title", "labels", "open")
TITLE = st.none() | st.text(st.sampled_from("ab,|:-\"'\\.\t\n\r\b\f\v01?é"), max_size=6) | st.just("\\.")
ROW = st.tuples(
    st.none() | st.integers(-(2**31), 2**31 - 1),
    TITLE,
    st.none() | st.lists(st.none() | st.text(st.sampled_from('ab," \\'), max_size=3), max_size=3),
    st.none() | st.booleans(),
)


def batch_of(rows: list[tuple[object, ...]]) -> pa.RecordBatch:
    kinds = [pa.int32(), pa.string(), pa.list_(pa.string()), pa.bool_()]
    return pa.record_batch(
        [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(kinds)], names=list(NAMES)
    )


def formats(binary: int = 0) -> list[RowFormat]:
    return [RowFormat(type_oid=oid, format=binary) for oid in (oids.INT4, oids.TEXT, 1009, oids.BOOL)]


@pytest.mark.parametrize("copy_format", [*TEXTS, *CSVS])
@given(rows=st.lists(ROW, min_size=1, max_size=8))
def test_columns_become_the_lines_of_their_rows(copy_format: CopyFormat, rows: list[tuple[object, ...]]) -> None:
    batch = batch_of(rows)
    ours = encode_copy_columns(batch, formats(), copy_format, NAMES)
    data_rows = encode_rows(batch, formats())
    assert bytes(ours.data) == CopyEncoder(copy_format, NAMES).rows(data_rows.data, data_rows.ends)
    assert ours.copied
    assert ours.row_count == len(rows)
    assert bytes(ours.slice(len(rows) - 1, len(rows)))[:1] == b"d"


@pytest.mark.parametrize("copy_format", [TEXTS[0], CSVS[0]])
@given(titles=st.lists(TITLE, min_size=1, max_size=4))
def test_a_single_column_never_reads_like_the_end_of_all_data(
    copy_format: CopyFormat, titles: list[str | None]
) -> None:
    batch = pa.record_batch([pa.array(titles, pa.string())], names=["title"])
    data_rows = encode_rows(batch, [RowFormat(type_oid=oids.TEXT)])
    expected = CopyEncoder(copy_format, ["title"]).rows(data_rows.data, data_rows.ends)
    ours = encode_copy_columns(batch, [RowFormat(type_oid=oids.TEXT)], copy_format, ["title"])
    assert bytes(ours.data) == expected


@given(rows=st.lists(ROW, min_size=1, max_size=8))
def test_binary_rows_are_those_of_data_rows(rows: list[tuple[object, ...]]) -> None:
    binary, batch = CopyFormat(format="binary"), batch_of(rows)
    data_rows = encode_rows(batch, formats(1))
    expected = CopyEncoder(binary, NAMES).rows(data_rows.data, data_rows.ends)
    encoder = CopyEncoder(binary, NAMES)
    assert encoder.begun(encode_copy_columns(batch, formats(1), binary).data) == expected
    assert encoder.begun(b"d\0\0\0\x04") == b"d\0\0\0\x04"


def test_text_lines_are_what_postgresql_writes() -> None:
    columns = [
        pa.array(["a\tb\nc\\d\re\bf\fg\vh", "plain"]),
        pa.array([b"\x00\xff", None]),
        pa.array([None, 1], pa.int32()),
        pa.array([["a\\b"], None]),
    ]
    batch = pa.record_batch(columns, names=list("abcd"))
    encoded = encode_copy_columns(
        batch, [RowFormat(type_oid=oid) for oid in (oids.TEXT, oids.BYTEA, oids.INT4, 1009)], CopyFormat()
    )
    lines = [
        b'a\\tb\\nc\\\\d\\re\\bf\\fg\\vh\t\\\\x00ff\t\\N\t{"a\\\\\\\\b"}\n',
        b"plain\t\\N\t1\t\\N\n",
    ]
    assert bytes(encoded.data) == b"".join(b"d" + (len(line) + 4).to_bytes(4, "big") + line for line in lines)


def test_the_joined_bytes_are_kept_below_what_a_kernel_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of([(number, f"title {number}", ["a"], True) for number in range(50)])
    whole = encode_copy_columns(batch, formats(), CopyFormat())
    monkeypatch.setattr(copy_columns, "JOINED_BYTES_MAX", 100)
    pieces = encode_copy_columns(batch, formats(), CopyFormat())
    assert (bytes(pieces.data), pieces.ends.tolist()) == (bytes(whole.data), whole.ends.tolist())
    monkeypatch.setattr(copy_columns, "JOINED_BYTES_MAX", 5)
    with pytest.raises(MessageTooLarge):
        encode_copy_columns(batch, formats(), CopyFormat())


def test_what_copy_cannot_write_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = batch_of([(1, "title", [], True)])
    with pytest.raises(ValueUnsupported, match="in text format only"):
        encode_copy_columns(batch, formats(1), CopyFormat())
    with pytest.raises(CopyOptionInvalid, match='column "who" does not exist'):
        encode_copy_columns(
            batch, formats(), CopyFormat(format="csv", delimiter=b",", null=b"", force_quote=("who",)), NAMES
        )
    monkeypatch.setattr(copy_columns, "MESSAGE_BYTES_MAX", 10)
    with pytest.raises(MessageTooLarge):
        encode_copy_columns(batch, formats(), CopyFormat())
