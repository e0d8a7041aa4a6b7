r"""COPY TO STDOUT from DataRow messages: options, and the text, csv and binary formats (PostgreSQL 18, COPY).

Pure, bytes to bytes. Values arrive in PostgreSQL's own text form, or in its binary form for the binary format, whose
rows are DataRow's layout under another message kind. `CopyEncoder` makes one answer; the functions are its parts.
"""

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from wire import sqlstate as states
from wire.arrow_columns import Int64Array
from wire.backend import copy_data, encode_text
from wire.copy_lines import NULL_BYTES_MAX, copy_lines
from wire.errors import WireError

Format = Literal["text", "csv", "binary"]
ForceQuote = Literal["*"] | tuple[str, ...]
"""Columns whose values are quoted even where csv does not need it: all of them, or those named."""

_Line = Callable[[Sequence[bytes | None]], bytes]

COPY_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
COPY_TRAILER = struct.pack(">h", -1)
_ROW_HEADER_BYTES = 7
_INT32 = struct.Struct(">i")
COPY_DATA = b"d"
ESCAPES = {b"\b": b"\\b", b"\f": b"\\f", b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\v": b"\\v", b"\\": b"\\\\"}
_END_OF_DATA = b"\\."
ROWS_AT_ONCE = 2_048
"""Rows that are turned into lines together: few enough that their bytes stay in the processor's cache."""


class CopyOptionInvalid(WireError):
    """An option of COPY is unknown, repeated, out of range, or contradicts another."""

    default_sqlstate = states.INVALID_PARAMETER_VALUE


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyFormat:
    """How COPY writes rows; `delimiter`, `quote` and `escape` are one byte, the last two for csv only."""

    format: Format = "text"
    header: bool = False
    delimiter: bytes = b"\t"
    null: bytes = b"\\N"
    quote: bytes = b'"'
    escape: bytes = b'"'
    force_quote: ForceQuote | None = None

    def __post_init__(self) -> None:
        _check(self)

    @property
    def binary(self) -> bool:
        """Say whether values travel in binary form."""
        return self.format == "binary"


class CopyEncoder:
    """Turns the rows of one COPY into CopyData messages.

    The header line is a message of its own. The binary signature is not: PostgreSQL sends it inside the first message,
    with the first row or the trailer, and clients rely on that.
    """

    def __init__(self, copy_format: CopyFormat, column_names: Sequence[str]) -> None:
        self._format = copy_format
        self._names = tuple(column_names)
        forced_columns(copy_format, self._names)
        self._started = False

    def rows(self, data_rows: bytes | memoryview, ends: Int64Array) -> bytes:
        """Encode complete DataRow messages, row i of which ends at `ends[i]`, behind whatever has to come first."""
        if not len(ends):
            return b""
        return bytes(self.begun(copy_chunk(self._format, data_rows, ends, self._names)))

    def finish(self) -> bytes:
        """Encode what ends the answer, before CopyDone."""
        trailer = copy_trailer(self._format)
        return bytes(self.begun(b"" if trailer is None else copy_data(trailer)))

    def begun(self, messages: bytes | memoryview) -> bytes | memoryview:
        """Put what has to come before all rows in front of the first CopyData messages; later ones are returned."""
        if self._started:
            return messages
        self._started = True
        if not self._format.binary:
            return b"".join((copy_header(self._format, self._names) or b"", messages))
        length = _INT32.unpack_from(messages, 1)[0] + len(COPY_SIGNATURE)
        return b"".join((COPY_DATA, _INT32.pack(length), COPY_SIGNATURE, memoryview(messages)[5:]))


def parse_copy_options(options: Sequence[tuple[str, str]]) -> CopyFormat:
    """Read COPY's options, by lower-case name; FORCE_QUOTE comes once for every column it names, or as `*`.

    Raises:
        CopyOptionInvalid: 22023, 42601 or 0A000, as PostgreSQL for what COPY TO does not take.
    """
    given: dict[str, str] = {}
    force_quote: list[str] = []
    for name, value in options:
        if name == "force_quote":
            force_quote.append(value)
        elif name in given:
            raise CopyOptionInvalid(message="conflicting or redundant options", sqlstate=states.SYNTAX_ERROR)
        else:
            given[name] = value
    chosen = _format(given.get("format", "text"))
    _refuse_options(given, chosen)
    _check_encoding(given.get("encoding", "utf8"))
    csv = chosen == "csv"
    quote = _byte(given, "quote", b'"')
    return CopyFormat(
        format=chosen,
        header=_header(given.get("header", "false")),
        delimiter=_byte(given, "delimiter", b"," if csv else b"\t"),
        null=encode_text(given.get("null", "" if csv else "\\N")),
        quote=quote,
        escape=_byte(given, "escape", quote),
        force_quote=None if not force_quote else "*" if force_quote == ["*"] else tuple(force_quote),
    )


def copy_header(copy_format: CopyFormat, column_names: Sequence[str]) -> bytes | None:
    """Encode the CopyData message that comes before all rows: the header line, or the binary signature alone."""
    if copy_format.binary:
        return copy_data(COPY_SIGNATURE)
    if not copy_format.header:
        return None
    # FORCE_QUOTE reaches no name.
    return copy_data(_line(copy_format, (False,) * len(column_names))([encode_text(name) for name in column_names]))


def copy_row(copy_format: CopyFormat, values: Sequence[bytes | None], column_names: Sequence[str] = ()) -> bytes:
    """Encode one row as the payload of a CopyData message; names are needed where FORCE_QUOTE lists columns."""
    if copy_format.binary:
        parts = [struct.pack(">h", len(values))]
        for value in values:
            parts += [_INT32.pack(-1)] if value is None else [_INT32.pack(len(value)), value]
        return b"".join(parts)
    return _line(copy_format, forced_columns(copy_format, column_names))(values)


def copy_trailer(copy_format: CopyFormat) -> bytes | None:
    """Return the payload of the message after all rows, which only the binary format has."""
    return COPY_TRAILER if copy_format.binary else None


def copy_chunk(
    copy_format: CopyFormat, data_rows: bytes | memoryview, ends: Int64Array, column_names: Sequence[str] = ()
) -> bytes:
    """Turn complete DataRow messages into CopyData messages; row i ends at `ends[i]`.

    Raises:
        CopyOptionInvalid: 42703 or 42701, FORCE_QUOTE names columns that `column_names` does not have, or one twice.
    """
    if not len(ends):
        return b""
    if copy_format.binary:
        messages = np.frombuffer(data_rows, dtype=np.uint8)[: int(ends[-1])].copy()
        messages[0] = messages[ends[:-1]] = ord("d")
        return messages.tobytes()
    line = _line(copy_format, forced_columns(copy_format, column_names))
    parts, start = [], 0
    for first in range(0, len(ends), ROWS_AT_ONCE):
        batch_ends = ends[first : first + ROWS_AT_ONCE]
        data = memoryview(data_rows)[start : int(batch_ends[-1])]
        parts.append(_lines(copy_format, data, batch_ends - start) or _line_by_line(line, data, batch_ends - start))
        start = int(batch_ends[-1])
    return b"".join(parts)


def _line_by_line(line: _Line, data_rows: memoryview, ends: Int64Array) -> bytes:
    data = bytes(data_rows)
    starts = [0, *ends[:-1].tolist()]
    return b"".join([copy_data(line(_values(data, start))) for start in starts])


def _lines(copy_format: CopyFormat, data_rows: bytes | memoryview, ends: Int64Array) -> bytes | None:
    """Encode all rows at once; None where some row has to be looked at by itself."""
    delimiter, null, quote = copy_format.delimiter, copy_format.null, copy_format.quote
    if len(null) > NULL_BYTES_MAX:
        return None
    if copy_format.format == "text":
        escapes = {byte[0]: shown[1] for byte, shown in {delimiter: b"\\" + delimiter, **ESCAPES}.items()}
        return copy_lines(data_rows, ends, delimiter=delimiter, null=null, escapes=escapes)
    if null or copy_format.force_quote is not None:
        return None
    # A line of the end of data alone is quoted.
    return copy_lines(
        data_rows, ends, delimiter=delimiter, null=null, escapes=None, refused=b"\n\r\\" + delimiter + quote
    )


def _values(data: bytes, start: int) -> list[bytes | None]:
    """Read the values of the DataRow message at `start`."""
    offset = start + _ROW_HEADER_BYTES
    values: list[bytes | None] = []
    read_length = _INT32.unpack_from
    for _ in range(int.from_bytes(data[offset - 2 : offset], "big")):
        length = read_length(data, offset)[0]
        offset += 4
        if length < 0:
            values.append(None)
        else:
            values.append(data[offset : offset + length])
            offset += length
    return values


def _line(copy_format: CopyFormat, forced: Sequence[bool]) -> _Line:
    return _csv_line(copy_format, forced) if copy_format.format == "csv" else _text_line(copy_format)


def _text_line(copy_format: CopyFormat) -> _Line:
    delimiter, null = copy_format.delimiter, copy_format.null
    escapes = {delimiter: b"\\" + delimiter, **ESCAPES}
    special = re.compile(b"[" + b"".join(re.escape(character) for character in escapes) + b"]")
    search = special.search

    def escaped(value: bytes) -> bytes:
        return special.sub(lambda found: escapes[found[0]], value)

    def line(values: Sequence[bytes | None]) -> bytes:
        return delimiter.join([null if v is None else escaped(v) if search(v) else v for v in values]) + b"\n"

    return line


def _csv_line(copy_format: CopyFormat, forced: Sequence[bool]) -> _Line:
    delimiter, null, quote, escape = copy_format.delimiter, copy_format.null, copy_format.quote, copy_format.escape
    search = re.compile(b"[\n\r" + re.escape(delimiter) + re.escape(quote) + b"]").search
    special = re.compile(b"[" + re.escape(quote) + re.escape(escape) + b"]")
    everything = copy_format.force_quote == "*"

    def quoted(value: bytes) -> bytes:
        return quote + special.sub(lambda found: escape + found[0], value) + quote

    def plain_line(values: Sequence[bytes | None]) -> bytes:
        if len(values) == 1 and values[0] == _END_OF_DATA:
            return quoted(_END_OF_DATA) + b"\n"
        texts = [null if v is None else quoted(v) if v == null or search(v) else v for v in values]
        return delimiter.join(texts) + b"\n"

    def forced_line(values: Sequence[bytes | None]) -> bytes:
        wanted = forced or (everything,) * len(values)
        texts = [
            null if v is None else quoted(v) if force or v == null or search(v) else v
            for v, force in zip(values, wanted, strict=True)
        ]
        return delimiter.join(texts) + b"\n"

    return forced_line if everything or any(forced) else plain_line


def forced_columns(copy_format: CopyFormat, column_names: Sequence[str]) -> tuple[bool, ...]:
    """Return which columns FORCE_QUOTE names; empty when it names none or all.

    Raises:
        CopyOptionInvalid: 42703 or 42701, it names one that is not there, or one twice.
    """
    named = copy_format.force_quote
    if named is None or named == "*":
        return ()
    for position, name in enumerate(named):
        if name not in column_names:
            raise CopyOptionInvalid(message=f'column "{name}" does not exist', sqlstate=states.UNDEFINED_COLUMN)
        if name in named[:position]:
            raise CopyOptionInvalid(message=f'column "{name}" specified more than once', sqlstate="42701")
    return tuple(name in named for name in column_names)


_KNOWN = frozenset({"format", "header", "delimiter", "null", "quote", "escape", "encoding", "freeze", "log_verbosity"})
_FROM_ONLY = {"default": states.FEATURE_NOT_SUPPORTED, "on_error": None, "force_not_null": None, "force_null": None}
_TRUE, _FALSE = frozenset({"true", "on", "1"}), frozenset({"false", "off", "0"})


def _refuse_options(given: dict[str, str], chosen: Format) -> None:
    """Refuse what COPY TO, or the chosen format, does not take."""
    for name in given:
        if name in ("force_not_null", "force_null") and chosen != "csv":
            raise _unsupported(f"COPY {name.upper()} requires CSV mode")
        if name in _FROM_ONLY:
            raise CopyOptionInvalid(
                message=f"COPY {name.upper()} cannot be used with COPY TO", sqlstate=_FROM_ONLY[name]
            )
        if name == "reject_limit":
            raise CopyOptionInvalid(message="COPY REJECT_LIMIT requires ON_ERROR to be set to IGNORE")
        if name not in _KNOWN:
            raise CopyOptionInvalid(message=f'option "{name}" not recognized', sqlstate=states.SYNTAX_ERROR)
        if name in ("quote", "escape") and chosen != "csv":
            raise _unsupported(f"COPY {name.upper()} requires CSV mode")
        if name in ("delimiter", "null") and chosen == "binary":
            message = f"cannot specify {name.upper()} in BINARY mode"
            raise CopyOptionInvalid(message=message, sqlstate=states.SYNTAX_ERROR)
    if given.get("freeze", "false").lower() in _TRUE:
        raise CopyOptionInvalid(message="COPY FREEZE cannot be used with COPY TO")


def _format(value: str) -> Format:
    for known in get_args(Format):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise CopyOptionInvalid(message=f'COPY format "{value}" not recognized')


def _header(value: str) -> bool:
    if value.lower() == "match":
        raise _unsupported('cannot use "match" with HEADER in COPY TO')
    if value.lower() not in _TRUE | _FALSE:
        message = 'header requires a Boolean value or "match"'
        raise CopyOptionInvalid(message=message, sqlstate=states.SYNTAX_ERROR)
    return value.lower() in _TRUE


def _byte(given: dict[str, str], name: str, default: bytes) -> bytes:
    value = encode_text(given[name]) if name in given else default
    if len(value) != 1:
        raise _unsupported(f"COPY {name} must be a single one-byte character")
    return value


def _check_encoding(value: str) -> None:
    # PostgreSQL compares letters and digits only.
    if re.sub("[^a-z0-9]", "", value.lower()) not in ("utf8", "unicode"):
        raise CopyOptionInvalid(
            message=f'COPY encoding "{value}" is not available over API tables',
            hint="Use UTF8.",
            sqlstate=states.FEATURE_NOT_SUPPORTED,
        )


def _check(copy_format: CopyFormat) -> None:
    """Refuse options that contradict each other, in PostgreSQL's words and order."""
    delimiter, null, csv = copy_format.delimiter, copy_format.null, copy_format.format == "csv"
    for name, value in (("delimiter", delimiter), ("quote", copy_format.quote), ("escape", copy_format.escape)):
        if len(value) != 1:
            raise _unsupported(f"COPY {name} must be a single one-byte character")
    if delimiter in b"\n\r":
        raise CopyOptionInvalid(message="COPY delimiter cannot be newline or carriage return")
    if b"\n" in null or b"\r" in null:
        raise CopyOptionInvalid(message="COPY null representation cannot use newline or carriage return")
    if copy_format.format == "text" and delimiter in b"\\.abcdefghijklmnopqrstuvwxyz0123456789":
        raise CopyOptionInvalid(message=f'COPY delimiter cannot be "{delimiter.decode()}"')
    if copy_format.binary and copy_format.header:
        raise _unsupported("cannot specify HEADER in BINARY mode")
    if copy_format.force_quote is not None and not csv:
        raise _unsupported("COPY FORCE_QUOTE requires CSV mode")
    if csv and delimiter == copy_format.quote:
        raise CopyOptionInvalid(message="COPY delimiter and quote must be different")
    if not copy_format.binary and delimiter in null:
        raise CopyOptionInvalid(message="COPY delimiter character must not appear in the NULL specification")
    if csv and copy_format.quote in null:
        raise CopyOptionInvalid(message="CSV quote character must not appear in the NULL specification")


def _unsupported(message: str) -> CopyOptionInvalid:
    return CopyOptionInvalid(message=message, sqlstate=states.FEATURE_NOT_SUPPORTED)
