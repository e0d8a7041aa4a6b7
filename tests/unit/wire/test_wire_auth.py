"""SCRAM against an independent client: success, every failure, and an unknown user that looks like a known one."""

import base64
import datetime
import hashlib
import hmac

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from scramp import ScramClient, ScramException

from wire.auth import (
    SCRAM_SHA_256,
    SCRAM_SHA_256_PLUS,
    ScramExchange,
    make_verifier,
    parse_sasl_initial_response,
    parse_verifier,
    tls_server_end_point,
)
from wire.errors import AuthenticationFailed, ProtocolViolation, WireError

BINDING = b"certificate hash"
BOTH = (SCRAM_SHA_256_PLUS, SCRAM_SHA_256)
VERIFIER = make_verifier("s3cret")


def run(client: ScramClient, server: ScramExchange) -> None:
    client.set_server_first(server.first(client.mechanism_name, client.get_client_first().encode()).decode())
    client.set_server_final(server.final(client.get_client_final().encode()).decode())


def client_for(password: str, *, binding: bytes | None = None, mechanisms: tuple[str, ...] = BOTH) -> ScramClient:
    channel_binding = None if binding is None else ("tls-server-end-point", binding)
    return ScramClient(list(mechanisms), "user", password, channel_binding=channel_binding)


@pytest.mark.parametrize("password", ["s3cret", "pässwörd ", "\N{ROMAN NUMERAL NINE}", "a,b=c"])
def test_right_password_is_accepted_and_the_server_proves_itself(password: str) -> None:
    server = ScramExchange(make_verifier(password), (SCRAM_SHA_256,), None, b"seed")
    client = client_for(password, mechanisms=(SCRAM_SHA_256,))
    run(client, server)
    assert client.server_signature is not None


def test_password_that_saslprep_refuses_is_taken_as_it_stands() -> None:
    with pytest.raises(ScramException):
        client_for("line\nbreak")
    salted = hashlib.pbkdf2_hmac("sha256", b"line\nbreak", b"salt", 4096)
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    assert parse_verifier(make_verifier("line\nbreak", salt=b"salt")).server_key == server_key


def test_channel_binding_is_accepted_with_the_certificate_and_refused_with_another() -> None:
    run(client_for("s3cret", binding=BINDING), ScramExchange(VERIFIER, BOTH, BINDING, b"seed"))
    with pytest.raises(AuthenticationFailed, match="channel binding check failed"):
        run(client_for("s3cret", binding=b"other"), ScramExchange(VERIFIER, BOTH, BINDING, b"seed"))


def test_client_without_channel_binding_may_use_the_plain_mechanism_where_both_are_offered() -> None:
    client = client_for("s3cret", mechanisms=(SCRAM_SHA_256,))
    run(client, ScramExchange(VERIFIER, BOTH, BINDING, b"seed"))
    assert client.mechanism_name == SCRAM_SHA_256
    assert client.server_signature is not None


def test_wrong_password_is_refused() -> None:
    with pytest.raises(AuthenticationFailed) as raised:
        run(client_for("wrong", mechanisms=(SCRAM_SHA_256,)), ScramExchange(VERIFIER, (SCRAM_SHA_256,), None, b"seed"))
    assert (raised.value.sqlstate, raised.value.message) == ("28P01", "password authentication failed")


def test_unknown_user_looks_like_a_wrong_password() -> None:
    def attempt(user: str, seed: bytes) -> tuple[str, str]:
        server = ScramExchange(None, (SCRAM_SHA_256,), None, seed, user=user)
        client = client_for("s3cret", mechanisms=(SCRAM_SHA_256,))
        first = server.first(SCRAM_SHA_256, client.get_client_first().encode()).decode()
        client.set_server_first(first)
        with pytest.raises(AuthenticationFailed) as raised:
            server.final(client.get_client_final().encode())
        _, salt, iterations = first.split(",")
        assert iterations == "i=4096"
        return salt, raised.value.message

    salt, reason = attempt("nobody", b"seed")
    assert reason == "password authentication failed"
    assert attempt("nobody", b"seed")[0] == salt
    assert attempt("somebody", b"seed")[0] != salt
    assert attempt("nobody", b"other seed")[0] != salt
    assert len(salt) == len("s=" + VERIFIER.split(":")[1].split("$")[0])


@pytest.mark.parametrize(
    ("mechanism", "binding", "client_first", "reason"),
    [
        (SCRAM_SHA_256, BINDING, b"y,,n=,r=abc", "negotiation error"),
        (SCRAM_SHA_256, BINDING, b"p=tls-server-end-point,,n=,r=abc", "not allowed"),
        (SCRAM_SHA_256_PLUS, BINDING, b"n,,n=,r=abc", "required"),
        (SCRAM_SHA_256_PLUS, BINDING, b"y,,n=,r=abc", "required"),
        (SCRAM_SHA_256_PLUS, BINDING, b"p=tls-unique,,n=,r=abc", "required"),
        (SCRAM_SHA_256_PLUS, None, b"p=tls-server-end-point,,n=,r=abc", "required"),
    ],
)
def test_downgraded_or_unexpected_channel_binding_is_refused(
    mechanism: str, binding: bytes | None, client_first: bytes, reason: str
) -> None:
    with pytest.raises(AuthenticationFailed, match=reason):
        ScramExchange(VERIFIER, BOTH, binding, b"seed").first(mechanism, client_first)


def test_y_flag_is_fine_where_channel_binding_was_not_offered() -> None:
    server = ScramExchange(VERIFIER, (SCRAM_SHA_256,), None, b"seed", nonce="server")
    assert server.first(SCRAM_SHA_256, b"y,,n=,r=abc").startswith(b"r=abcserver,s=")


@pytest.mark.parametrize(
    ("mechanism", "client_first"),
    [
        ("SCRAM-SHA-1", b"n,,n=,r=abc"),
        (SCRAM_SHA_256, b""),
        (SCRAM_SHA_256, b"n,,"),
        (SCRAM_SHA_256, b"n,a=admin,n=,r=abc"),
        (SCRAM_SHA_256, b"n,,m=x,n=,r=abc"),
        (SCRAM_SHA_256, b"n,,r=abc,n="),
        (SCRAM_SHA_256, b"n,,n=,r="),
        (SCRAM_SHA_256, b"n,,n=,r=\xff"),
        (SCRAM_SHA_256, "n,,n=,r=é".encode()),
    ],
)
def test_malformed_first_messages_are_refused(mechanism: str, client_first: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        ScramExchange(VERIFIER, (SCRAM_SHA_256,), None, b"seed").first(mechanism, client_first)


@given(st.one_of(st.binary(max_size=40), st.text("cr=p,abiQ= ", max_size=40).map(str.encode)))
def test_arbitrary_final_messages_raise_nothing_but_wire_errors(client_final: bytes) -> None:
    server = ScramExchange(VERIFIER, (SCRAM_SHA_256,), None, b"seed", nonce="server")
    server.first(SCRAM_SHA_256, b"n,,n=,r=abc")
    with pytest.raises(WireError):
        server.final(client_final)


@given(st.binary(max_size=40))
def test_arbitrary_first_messages_raise_nothing_but_wire_errors(client_first: bytes) -> None:
    server = ScramExchange(VERIFIER, BOTH, BINDING, b"seed", nonce="server")
    sqlstate = None
    try:
        answer = server.first(SCRAM_SHA_256, client_first)
        assert answer.startswith(b"r=")
    except WireError as error:
        sqlstate = error.sqlstate
    assert sqlstate in {None, "08P01", "28P01"}


def test_messages_out_of_order_are_refused() -> None:
    server = ScramExchange(VERIFIER, (SCRAM_SHA_256,), None, b"seed")
    with pytest.raises(ProtocolViolation, match="out of order"):
        server.final(b"c=biws,r=x,p=eA==")
    server.first(SCRAM_SHA_256, b"n,,n=,r=abc")
    with pytest.raises(ProtocolViolation, match="out of order"):
        server.first(SCRAM_SHA_256, b"n,,n=,r=abc")


def test_proof_for_another_nonce_is_refused() -> None:
    server = ScramExchange(VERIFIER, (SCRAM_SHA_256,), None, b"seed", nonce="server")
    server.first(SCRAM_SHA_256, b"n,,n=,r=abc")
    with pytest.raises(ProtocolViolation) as raised:
        server.final(b"c=biws,r=abcother,p=" + b"A" * 43 + b"=")
    assert raised.value.detail == "Nonce does not match."


def test_verifier_is_the_one_of_rfc_7677() -> None:
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    verifier = make_verifier("pencil", salt=salt)
    assert verifier == (
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
        "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
    )
    server = ScramExchange(verifier, (SCRAM_SHA_256,), None, b"", nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    first = server.first(SCRAM_SHA_256, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
    assert first == b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    final = server.final(
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert final == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@settings(max_examples=20)
@given(st.text(max_size=20), st.binary(min_size=1, max_size=20))
def test_verifiers_round_trip(password: str, salt: bytes) -> None:
    try:
        text = make_verifier(password, iterations=1, salt=salt)
    except UnicodeEncodeError:
        assert any("\ud800" <= character <= "\udfff" for character in password)
        return
    assert str(parse_verifier(text)) == text
    assert parse_verifier(text).salt == salt


@given(st.one_of(st.text(max_size=60), st.text("A=1:$", max_size=40).map(lambda text: f"SCRAM-SHA-256${text}")))
def test_arbitrary_verifiers_raise_only_authentication_failures(text: str) -> None:
    sqlstate = None
    try:
        verifier = parse_verifier(text)
        assert len(verifier.stored_key) == 32
    except AuthenticationFailed as error:
        sqlstate = error.sqlstate
    assert sqlstate in {None, "28P01"}


def test_initial_response_is_parsed() -> None:
    parsed = parse_sasl_initial_response(b"SCRAM-SHA-256\0\0\0\0\x03n,,")
    assert (parsed.mechanism, parsed.data) == ("SCRAM-SHA-256", b"n,,")
    assert parse_sasl_initial_response(b"X\0\xff\xff\xff\xff").data is None


@given(st.binary(max_size=30))
def test_arbitrary_initial_responses_raise_only_protocol_violations(payload: bytes) -> None:
    sqlstate = None
    try:
        parsed = parse_sasl_initial_response(payload)
        assert parsed.data is None or len(parsed.data) <= len(payload)
    except ProtocolViolation as error:
        sqlstate = error.sqlstate
    assert sqlstate in {None, "08P01"}


def certificate(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, algorithm: hashes.HashAlgorithm | None
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + datetime.timedelta(days=1))
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)  # type: ignore[arg-type]


@pytest.mark.parametrize(("algorithm", "name"), [(hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384")])
def test_end_point_binding_uses_the_hash_of_the_signature(algorithm: hashes.HashAlgorithm, name: str) -> None:
    der = certificate(ec.generate_private_key(ec.SECP256R1()), algorithm)
    assert tls_server_end_point(der) == hashlib.new(name, der).digest()


def test_certificates_without_a_signature_hash_allow_no_binding() -> None:
    der = certificate(ed25519.Ed25519PrivateKey.generate(), None)
    for data in (der, b"no certificate"):
        with pytest.raises(AuthenticationFailed):
            tls_server_end_point(data)
