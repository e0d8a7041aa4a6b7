r"""COPY TO STDOUT: every expected payload and error is what PostgreSQL 18 sent for the statement in the test's case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.backend import copy_data, data_row
from wire.copy import (
    CopyEncoder,
    CopyFormat,
    CopyOptionInvalid,
    copy_chunk,
    copy_header,
    copy_row,
    copy_trailer,
    parse_copy_options,
)

Values = Sequence[bytes | None]
SIGNATURE = b"PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"


def options(*pairs: tuple[str, str]) -> CopyFormat:
    return parse_copy_options(pairs)


def csv(**given_options: str) -> CopyFormat:
    return options(("format", "csv"), *given_options.items())


def chunk(rows: Sequence[Values]) -> tuple[memoryview, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    messages = [data_row(row) for row in rows]
    return memoryview(b"".join(messages)), np.cumsum([len(message) for message in messages], dtype=np.int64)


@pytest.mark.parametrize(
    ("given_options", "values", "payload"),
    [
        (
            {},
            [b"a\b\f\n\r\t\v\\z", None, b"", b"\x01\x7f", b"\\N", b"a|b"],
            b"a\\b\\f\\n\\r\\t\\v\\\\z\t\\N\t\t\x01\x7f\t\\\\N\ta|b\n",
        ),
        (
            {"delimiter": "|", "null": "nil"},
            [b"a\b\f\n\r\t\v\\z", None, b"", b"a|b", b"p,q"],
            b"a\\b\\f\\n\\r\\t\\v\\\\z|nil||a\\|b|p,q\n",
        ),
        ({"delimiter": ",", "null": "nil"}, [b"nil", b"a,b", b"x\ty"], b"nil,a\\,b,x\\ty\n"),
        ({"delimiter": "\x01"}, [b"a\x01b\tc"], b"a\\\x01b\\tc\n"),
        ({"delimiter": "^"}, [b"a]b^c-d"], b"a]b\\^c-d\n"),
        ({"delimiter": "-"}, [b"a]b^c-d", b"x", b"-\t"], b"a]b^c\\-d-x-\\-\\t\n"),
        ({"null": ""}, [None], b"\n"),
        ({}, [], b"\n"),
    ],
)
def test_text_row(given_options: dict[str, str], values: Values, payload: bytes) -> None:
    assert copy_row(options(*given_options.items()), values) == payload


@pytest.mark.parametrize(
    ("given_options", "values", "payload"),
    [
        ({}, [b"plain"], b"plain\n"),
        ({}, [b"a,b"], b'"a,b"\n'),
        ({}, [b'a"b', b'q"r', b"x\ty"], b'"a""b","q""r",x\ty\n'),
        ({}, [b"a\nb"], b'"a\nb"\n'),
        ({}, [b"a\rb"], b'"a\rb"\n'),
        ({}, [b""], b'""\n'),
        ({}, [None], b"\n"),
        ({}, [], b"\n"),
        ({}, [b"\\."], b'"\\."\n'),
        ({}, [b"\\\\."], b"\\\\.\n"),
        ({}, [b"\\.", b"\\."], b"\\.,\\.\n"),
        ({}, [b" x "], b" x \n"),
        ({}, [b"a\\b"], b"a\\b\n"),
        (
            {"null": "NA", "escape": "\\"},
            [b"NA", None, b"", b'a"b', b"c\\d", b'e\\"f'],
            b'"NA",NA,,"a\\"b",c\\d,"e\\\\\\"f"\n',
        ),
        (
            {"quote": "'", "escape": "\\", "delimiter": ";"},
            [b"a'b", b'a"b', b"c\\d", b"x;y"],
            b"'a\\'b';a\"b;c\\d;'x;y'\n",
        ),
        ({"delimiter": "]", "quote": "^", "escape": "-"}, [b"a]b", b"^", b"-"], b"^a]b^]^-^^]-\n"),
        ({"force_quote": "*"}, [b"1", None, b"x", b""], b'"1",,"x",""\n'),
    ],
)
def test_csv_row(given_options: dict[str, str], values: Values, payload: bytes) -> None:
    assert copy_row(csv(**given_options), values) == payload


def test_csv_quotes_the_columns_that_force_quote_names() -> None:
    forced = options(("format", "csv"), ("force_quote", "a"), ("force_quote", "b"))
    assert copy_row(forced, [b"1", None, b"x", b""], ["a", "b", "c", "d"]) == b'"1",,x,""\n'


@pytest.mark.parametrize(
    ("copy_format", "names", "payload"),
    [
        (options(("header", "true")), ["a\tb", "c\\d"], b"a\\tb\tc\\\\d\n"),
        (options(("header", "true")), [], b"\n"),
        (options(("header", "true"), ("null", "nil")), ["nil", "a"], b"nil\ta\n"),
        (csv(header="true"), ["a,b", 'q"r', "\\."], b'"a,b","q""r",\\.\n'),
        (csv(header="true"), ["\\."], b'"\\."\n'),
        (csv(header="true", null="nil"), ["nil", "a"], b'"nil",a\n'),
        (csv(header="true", force_quote="*"), ["a", "b"], b"a,b\n"),
        (csv(header="on"), ["ü,x"], b'"\xc3\xbc,x"\n'),
    ],
)
def test_header_line(copy_format: CopyFormat, names: list[str], payload: bytes) -> None:
    assert copy_header(copy_format, names) == copy_data(payload)


def test_no_header_unless_asked() -> None:
    assert copy_header(csv(), ["a"]) is None
    assert copy_header(options(("format", "binary")), ["a"]) == copy_data(SIGNATURE)


def test_only_binary_has_a_trailer() -> None:
    assert [copy_trailer(options(("format", name))) for name in ("text", "csv", "binary")] == [None, None, b"\xff\xff"]


def test_binary_row_has_the_layout_of_a_data_row() -> None:
    binary = options(("format", "binary"))
    row = b"\x00\x03\x00\x00\x00\x04\x00\x00\x00\x01\xff\xff\xff\xff\x00\x00\x00\x01x"
    assert copy_row(binary, [b"\x00\x00\x00\x01", None, b"x"]) == row
    data, ends = chunk([[b"\x00\x00\x00\x01", None, b"x"], [], [b"D"]])
    assert copy_chunk(binary, data, ends) == copy_data(row) + copy_data(b"\0\0") + copy_data(b"\0\x01\0\0\0\x01D")


def test_chunk_reads_no_more_than_its_rows() -> None:
    data, ends = chunk([[b"1"], [b"2"], [b"3"]])
    assert copy_chunk(csv(), data, ends[:2]) == copy_data(b"1\n") + copy_data(b"2\n")
    assert copy_chunk(options(("format", "binary")), data, ends[:1]) == copy_data(b"\0\x01\0\0\0\x011")
    assert copy_chunk(csv(), data, ends[:0]) == b""


def test_binary_signature_travels_with_the_first_row() -> None:
    encoder = CopyEncoder(options(("format", "binary")), ["v"])
    sent = encoder.rows(*chunk([[b"\0\0\0\x01"], [b"\0\0\0\x02"]])) + encoder.finish()
    assert sent == (
        copy_data(SIGNATURE + b"\0\x01\0\0\0\x04\0\0\0\x01")
        + copy_data(b"\0\x01\0\0\0\x04\0\0\0\x02")
        + copy_data(b"\xff\xff")
    )


def test_binary_signature_travels_with_the_trailer_of_no_rows() -> None:
    encoder = CopyEncoder(options(("format", "binary")), ["v"])
    assert encoder.rows(*chunk([])) == b""
    assert encoder.finish() == copy_data(SIGNATURE + b"\xff\xff")


def test_header_line_comes_once_and_even_without_rows() -> None:
    encoder = CopyEncoder(csv(header="true"), ["v"])
    first, second = encoder.rows(*chunk([[b"1"]])), encoder.rows(*chunk([[b"2"]]))
    assert (first, second) == (copy_data(b"v\n") + copy_data(b"1\n"), copy_data(b"2\n"))
    assert encoder.finish() == b""
    assert CopyEncoder(csv(header="true"), ["v"]).finish() == copy_data(b"v\n")


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ((), CopyFormat()),
        ((("format", "csv"),), CopyFormat(format="csv", delimiter=b",", null=b"")),
        (
            (("format", "csv"), ("quote", "'")),
            CopyFormat(format="csv", delimiter=b",", null=b"", quote=b"'", escape=b"'"),
        ),
        ((("format", "binary"), ("header", "false"), ("encoding", "UTF-8")), CopyFormat(format="binary")),
        ((("header", "1"), ("log_verbosity", "verbose"), ("freeze", "false")), CopyFormat(header=True)),
        ((("delimiter", "A"), ("null", "n ")), CopyFormat(delimiter=b"A", null=b"n ")),
    ],
)
def test_options_have_defaults_by_format(pairs: Sequence[tuple[str, str]], expected: CopyFormat) -> None:
    assert parse_copy_options(pairs) == expected


BINARY, CSV = ("format", "binary"), ("format", "csv")


@pytest.mark.parametrize(
    ("pairs", "sqlstate", "message"),
    [
        ([("format", "x")], "22023", 'COPY format "x" not recognized'),
        ([("format", "CSV")], "22023", 'COPY format "CSV" not recognized'),
        ([CSV, CSV], "42601", "conflicting or redundant options"),
        ([("delimiter", "ab")], "0A000", "COPY delimiter must be a single one-byte character"),
        ([CSV, ("delimiter", "é")], "0A000", "COPY delimiter must be a single one-byte character"),
        ([("delimiter", "")], "0A000", "COPY delimiter must be a single one-byte character"),
        ([CSV, ("delimiter", "\r")], "22023", "COPY delimiter cannot be newline or carriage return"),
        ([("delimiter", "a")], "22023", 'COPY delimiter cannot be "a"'),
        ([("delimiter", "\\")], "22023", 'COPY delimiter cannot be "\\"'),
        ([BINARY, ("delimiter", ",")], "42601", "cannot specify DELIMITER in BINARY mode"),
        ([BINARY, ("null", "")], "42601", "cannot specify NULL in BINARY mode"),
        ([BINARY, ("header", "true")], "0A000", "cannot specify HEADER in BINARY mode"),
        ([("null", "\n")], "22023", "COPY null representation cannot use newline or carriage return"),
        ([("quote", '"')], "0A000", "COPY QUOTE requires CSV mode"),
        ([BINARY, ("quote", '"')], "0A000", "COPY QUOTE requires CSV mode"),
        ([("escape", '"')], "0A000", "COPY ESCAPE requires CSV mode"),
        ([("force_quote", "*")], "0A000", "COPY FORCE_QUOTE requires CSV mode"),
        ([CSV, ("quote", "ab")], "0A000", "COPY quote must be a single one-byte character"),
        ([CSV, ("escape", "ab")], "0A000", "COPY escape must be a single one-byte character"),
        ([CSV, ("quote", ",")], "22023", "COPY delimiter and quote must be different"),
        ([CSV, ("null", "a,b")], "22023", "COPY delimiter character must not appear in the NULL specification"),
        ([CSV, ("null", 'a"b')], "22023", "CSV quote character must not appear in the NULL specification"),
        ([("header", "match")], "0A000", 'cannot use "match" with HEADER in COPY TO'),
        ([("header", "maybe")], "42601", 'header requires a Boolean value or "match"'),
        ([("header", "2")], "42601", 'header requires a Boolean value or "match"'),
        ([("freeze", "true")], "22023", "COPY FREEZE cannot be used with COPY TO"),
        ([("force_null", "a")], "0A000", "COPY FORCE_NULL requires CSV mode"),
        ([CSV, ("force_not_null", "*")], "22023", "COPY FORCE_NOT_NULL cannot be used with COPY TO"),
        ([("default", "x")], "0A000", "COPY DEFAULT cannot be used with COPY TO"),
        ([("on_error", "stop")], "22023", "COPY ON_ERROR cannot be used with COPY TO"),
        ([("reject_limit", "3")], "22023", "COPY REJECT_LIMIT requires ON_ERROR to be set to IGNORE"),
        ([("oids", "true")], "42601", 'option "oids" not recognized'),
    ],
)
def test_options_are_refused_as_by_postgresql(pairs: list[tuple[str, str]], sqlstate: str, message: str) -> None:
    with pytest.raises(CopyOptionInvalid) as refused:
        parse_copy_options(pairs)
    assert (refused.value.sqlstate, refused.value.message) == (sqlstate, message)


def test_other_encodings_are_not_available() -> None:
    with pytest.raises(CopyOptionInvalid) as refused:
        options(("encoding", "latin1"))
    assert (refused.value.sqlstate, refused.value.hint) == ("0A000", "Use UTF8.")


@pytest.mark.parametrize(
    ("named", "sqlstate", "message"),
    [
        (["zz"], "42703", 'column "zz" does not exist'),
        (["a", "a"], "42701", 'column "a" specified more than once'),
        (["zz", "a", "a"], "42703", 'column "zz" does not exist'),
    ],
)
def test_force_quote_names_are_checked(named: list[str], sqlstate: str, message: str) -> None:
    copy_format = options(CSV, *(("force_quote", name) for name in named))
    with pytest.raises(CopyOptionInvalid) as refused:
        CopyEncoder(copy_format, ["a", "b"])
    assert (refused.value.sqlstate, refused.value.message) == (sqlstate, message)


ROWS = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(st.none() | st.binary(max_size=6), min_size=width, max_size=width), max_size=5)
)


@given(rows=ROWS)
def test_text_lines_split_and_unescape_to_the_same_values(rows: list[list[bytes | None]]) -> None:
    letters = {98: 8, 102: 12, 110: 10, 114: 13, 116: 9, 118: 11}

    def unescaped(field: bytes) -> bytes | None:
        if field == b"\\N":
            return None
        out, index = bytearray(), 0
        while index < len(field):
            if field[index] == 92:
                index += 1
                out.append(letters.get(field[index], field[index]))
            else:
                out.append(field[index])
            index += 1
        return bytes(out)

    payloads = [copy_row(CopyFormat(), row) for row in rows]
    assert all(payload.count(b"\n") == 1 and payload.endswith(b"\n") for payload in payloads)
    assert [[unescaped(field) for field in payload[:-1].split(b"\t")] for payload in payloads] == rows
    data, ends = chunk(rows)
    assert copy_chunk(CopyFormat(), data, ends) == b"".join(copy_data(payload) for payload in payloads)


@given(rows=ROWS)
def test_binary_chunk_is_its_rows(rows: list[list[bytes | None]]) -> None:
    binary = CopyFormat(format="binary")
    data, ends = chunk(rows)
    assert copy_chunk(binary, data, ends) == b"".join(copy_data(copy_row(binary, row)) for row in rows)


@st.composite
def equal_rows(draw: st.DrawFn) -> list[list[bytes | None]]:
    columns = draw(st.integers(0, 4))
    value = st.none() | st.text("a,|\t\n\r\\\"'.N\x08é", max_size=5).map(str.encode)
    return draw(st.lists(st.lists(value, min_size=columns, max_size=columns), min_size=1, max_size=8))


@given(
    rows=equal_rows(),
    copy_format=st.sampled_from(
        [
            options(),
            options(("null", "")),
            options(("delimiter", ","), ("null", "nil")),
            options(("null", "null")),
            csv(),
            csv(delimiter="|"),
            csv(quote="'", escape="\\"),
            csv(null="nil"),
            csv(force_quote="*"),
        ]
    ),
)
def test_a_chunk_is_the_lines_of_its_rows(rows: list[list[bytes | None]], copy_format: CopyFormat) -> None:
    data, ends = chunk(rows)
    assert copy_chunk(copy_format, data, ends) == b"".join(copy_data(copy_row(copy_format, row)) for row in rows)
