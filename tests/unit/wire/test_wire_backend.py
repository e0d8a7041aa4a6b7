"""Server messages: encoders against literal bytes, and every decoder against its encoder and against noise."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire import backend, backend_decode
from wire.backend import Field
from wire.errors import ProtocolViolation, WireError

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
uint32 = st.integers(0, 2**32 - 1)
int16 = st.integers(-(2**15), 2**15 - 1)
fields = st.builds(
    Field,
    name=texts,
    type_oid=uint32,
    table_oid=uint32,
    attribute_number=int16,
    type_length=int16,
    type_modifier=st.integers(-(2**31), 2**31 - 1),
    format=st.sampled_from([0, 1]),
)


def payload(data: bytes) -> bytes:
    assert int.from_bytes(data[1:5], "big") == len(data) - 1
    return data[5:]


@given(st.lists(fields, max_size=4).map(tuple))
def test_row_description_round_trips(columns: tuple[Field, ...]) -> None:
    assert backend_decode.decode_row_description(payload(backend.row_description(columns))) == columns


@given(st.lists(st.none() | st.binary(max_size=12), max_size=5).map(tuple))
def test_data_row_round_trips(values: tuple[bytes | None, ...]) -> None:
    assert backend_decode.decode_data_row(payload(backend.data_row(values))) == values


@given(st.dictionaries(st.sampled_from("SVCMDHPpqWsctdnFLR"), texts))
def test_reports_round_trip(report: dict[str, str]) -> None:
    assert backend_decode.decode_report(payload(backend.error_response(report))) == report
    assert payload(backend.notice_response(report)) == payload(backend.error_response(report))


@given(texts, texts, uint32, st.binary(min_size=4, max_size=256), st.lists(uint32, max_size=5).map(tuple))
def test_small_messages_round_trip(name: str, value: str, process_id: int, key: bytes, oids: tuple[int, ...]) -> None:
    assert backend_decode.decode_parameter_status(payload(backend.parameter_status(name, value))) == (name, value)
    assert backend_decode.decode_backend_key_data(payload(backend.backend_key_data(process_id, key))) == (
        process_id,
        key,
    )
    assert backend_decode.decode_parameter_description(payload(backend.parameter_description(oids))) == oids
    assert backend_decode.decode_command_complete(payload(backend.command_complete(value))) == value


@pytest.mark.parametrize("status", ["I", "T", "E"])
def test_ready_for_query_round_trips(status: str) -> None:
    assert backend_decode.decode_ready_for_query(payload(backend.ready_for_query(status))) == status


@pytest.mark.parametrize(
    ("data", "kind", "carried"),
    [
        (backend.authentication_ok(), "ok", b""),
        (backend.authentication_cleartext(), "cleartext", b""),
        (backend.authentication_sasl(["A", "B"]), "sasl", b"A\0B\0\0"),
        (backend.authentication_sasl_continue(b"x"), "sasl_continue", b"x"),
        (backend.authentication_sasl_final(b"y"), "sasl_final", b"y"),
        (b"R\0\0\0\x0c\0\0\0\x05salt", "md5", b"salt"),
        (b"R\0\0\0\x08\0\0\0\x07", "other", b""),
    ],
)
def test_authentication_requests_are_told_apart(data: bytes, kind: str, carried: bytes) -> None:
    decoded = backend_decode.decode_authentication(payload(data))
    assert (decoded.kind, decoded.data) == (kind, carried)


def test_sasl_mechanisms_keep_their_order() -> None:
    request = backend.authentication_sasl(["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])
    decoded = backend_decode.decode_authentication(payload(request))
    assert decoded.mechanisms == ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (backend.parse_complete(), b"1\0\0\0\x04"),
        (backend.bind_complete(), b"2\0\0\0\x04"),
        (backend.close_complete(), b"3\0\0\0\x04"),
        (backend.no_data(), b"n\0\0\0\x04"),
        (backend.portal_suspended(), b"s\0\0\0\x04"),
        (backend.empty_query_response(), b"I\0\0\0\x04"),
        (backend.copy_done(), b"c\0\0\0\x04"),
        (backend.copy_data(b"x\n"), b"d\0\0\0\x06x\n"),
        (backend.copy_out_response([0, 0]), b"H\0\0\0\x0b\0\0\2\0\0\0\0"),
        (backend.copy_out_response([1], binary=True), b"H\0\0\0\x09\1\0\1\0\1"),
        (backend.command_complete("SELECT 1"), b"C\0\0\0\x0dSELECT 1\0"),
        (backend.data_row([b"1", None]), b"D\0\0\0\x0f\0\2\0\0\0\x011\xff\xff\xff\xff"),
        (backend.error_response({"S": "ERROR", "C": "42601"}), b"E\0\0\0\x13SERROR\0C42601\0\0"),
    ],
)
def test_messages_stand_on_the_wire_as_specified(data: bytes, expected: bytes) -> None:
    assert data == expected


DECODERS: list[Callable[[bytes], object]] = [
    backend_decode.decode_authentication,
    backend_decode.decode_backend_key_data,
    backend_decode.decode_command_complete,
    backend_decode.decode_data_row,
    backend_decode.decode_parameter_description,
    backend_decode.decode_parameter_status,
    backend_decode.decode_ready_for_query,
    backend_decode.decode_report,
    backend_decode.decode_row_description,
]


@given(st.sampled_from(DECODERS), st.binary(max_size=50))
def test_arbitrary_payloads_raise_nothing_but_protocol_violations(
    decode: Callable[[bytes], object], data: bytes
) -> None:
    sqlstate = None
    try:
        decoded = decode(data)
        assert decoded is not None
    except WireError as error:
        sqlstate = error.sqlstate
    assert sqlstate in {None, "08P01"}


def test_names_that_are_not_utf8_keep_their_bytes() -> None:
    data = backend.row_description([Field(name="a", type_oid=25)]).replace(b"a\0", b"\xff\0")
    (field,) = backend_decode.decode_row_description(payload(data))
    assert backend.row_description([field]) == data


@pytest.mark.parametrize(
    "encode",
    [
        lambda: backend.backend_key_data(1, b"abc"),
        lambda: backend.error_response({"SS": "x"}),
        lambda: backend.error_response({"S": "a\0b"}),
        lambda: backend.data_row([None] * 70_000),
    ],
)
def test_what_no_message_can_hold_is_refused(encode: Callable[[], bytes]) -> None:
    with pytest.raises(ProtocolViolation):
        encode()
