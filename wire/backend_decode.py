"""Read what a PostgreSQL server sends: each function takes one payload and may raise only ProtocolViolation."""

from dataclasses import dataclass

from wire.backend import Field
from wire.errors import ProtocolViolation
from wire.payload import PayloadReader

_AUTHENTICATION_KINDS = {0: "ok", 3: "cleartext", 5: "md5", 10: "sasl", 11: "sasl_continue", 12: "sasl_final"}
_STATUSES = (b"I", b"T", b"E")


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """An authentication request: its kind by name, and what it carries (salt, mechanism list or SASL data)."""

    kind: str
    data: bytes

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Return the SASL mechanisms offered, most preferred first."""
        return tuple(name.decode("ascii", "replace") for name in self.data.split(b"\0") if name)


def decode_authentication(payload: bytes) -> Authentication:
    """Decode an authentication request; kinds not spoken here are named `other`."""
    reader = PayloadReader(payload)
    return Authentication(kind=_AUTHENTICATION_KINDS.get(reader.int32(), "other"), data=reader.rest())


def decode_parameter_status(payload: bytes) -> tuple[str, str]:
    """Decode ParameterStatus into name and value."""
    reader = PayloadReader(payload)
    status = (_text(reader), _text(reader))
    reader.finish()
    return status


def decode_backend_key_data(payload: bytes) -> tuple[int, bytes]:
    """Decode BackendKeyData into process id and secret key."""
    reader = PayloadReader(payload)
    return reader.uint32(), reader.rest()


def decode_ready_for_query(payload: bytes) -> str:
    """Decode ReadyForQuery into I, T or E."""
    if payload not in _STATUSES:
        raise ProtocolViolation(message="invalid transaction status in ReadyForQuery")
    return payload.decode()


def decode_row_description(payload: bytes) -> tuple[Field, ...]:
    """Decode RowDescription."""
    reader = PayloadReader(payload)
    fields = tuple(_decode_field(reader) for _ in range(reader.uint16()))
    reader.finish()
    return fields


def decode_data_row(payload: bytes) -> tuple[bytes | None, ...]:
    """Decode DataRow, NULL as None."""
    reader = PayloadReader(payload)
    values = tuple(reader.sized() for _ in range(reader.uint16()))
    reader.finish()
    return values


def decode_parameter_description(payload: bytes) -> tuple[int, ...]:
    """Decode ParameterDescription into type OIDs."""
    reader = PayloadReader(payload)
    type_oids = tuple(reader.uint32() for _ in range(reader.uint16()))
    reader.finish()
    return type_oids


def decode_command_complete(payload: bytes) -> str:
    """Decode CommandComplete into its tag."""
    reader = PayloadReader(payload)
    tag = _text(reader)
    reader.finish()
    return tag


def decode_report(payload: bytes) -> dict[str, str]:
    """Decode ErrorResponse or NoticeResponse into field codes and texts."""
    reader = PayloadReader(payload)
    fields: dict[str, str] = {}
    while (code := reader.take(1)) != b"\0":
        fields[code.decode("latin-1")] = _text(reader)
    reader.finish()
    return fields


def _decode_field(reader: PayloadReader) -> Field:
    return Field(
        name=_text(reader),
        table_oid=reader.uint32(),
        attribute_number=reader.int16(),
        type_oid=reader.uint32(),
        type_length=reader.int16(),
        type_modifier=reader.int32(),
        format=reader.int16(),
    )


def _text(reader: PayloadReader) -> str:
    return reader.cstring().decode("utf-8", "surrogateescape")
