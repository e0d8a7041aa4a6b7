"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802, 7677, 5929; PostgreSQL 18, chapter 54.3).

Secrets are stored as PostgreSQL's verifier strings `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
The user name inside the exchange is ignored, as in PostgreSQL: the start-up packet's counts.
"""

import binascii
import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from scramp.utils import ScramException, saslprep

from wire.errors import AuthenticationFailed, ProtocolViolation
from wire.payload import PayloadReader

SCRAM_SHA_256 = "SCRAM-SHA-256"
SCRAM_SHA_256_PLUS = "SCRAM-SHA-256-PLUS"
ITERATIONS = 4096

_SALT_BYTES = 16
_NONCE_BYTES = 18
_ITERATIONS_MAX = 10_000_000
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d{1,8}):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)")
_PRINTABLE = re.compile(r"[\x21-\x2b\x2d-\x7e]+")
_WEAK_HASHES = frozenset({"md5", "sha1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What a server keeps of a password."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    def __str__(self) -> str:
        """Return PostgreSQL's stored form."""
        salt, stored_key, server_key = map(_base64, (self.salt, self.stored_key, self.server_key))
        return f"{SCRAM_SHA_256}${self.iterations}:{salt}${stored_key}:{server_key}"


def make_verifier(password: str, iterations: int = ITERATIONS, salt: bytes | None = None) -> str:
    """Derive the stored form of a password; the salt is random unless given."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password), salt, iterations)
    client_key = _hmac(salted, b"Client Key")
    stored_key = hashlib.sha256(client_key).digest()
    server_key = _hmac(salted, b"Server Key")
    return str(Verifier(iterations=iterations, salt=salt, stored_key=stored_key, server_key=server_key))


def parse_verifier(text: str) -> Verifier:
    """Parse PostgreSQL's stored form.

    Raises:
        AuthenticationFailed: 28P01, not a SCRAM-SHA-256 verifier.
    """
    match = _VERIFIER.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        salt, stored_key, server_key = (b64decode(part, validate=True) for part in match.groups()[1:])
        iterations = int(match[1])
        if not 1 <= iterations <= _ITERATIONS_MAX or not salt or not len(stored_key) == len(server_key) == 32:
            raise ValueError
    except (ValueError, binascii.Error):
        raise AuthenticationFailed(message="the stored password is not a SCRAM-SHA-256 verifier") from None
    return Verifier(iterations=iterations, salt=salt, stored_key=stored_key, server_key=server_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SASLInitialResponse:
    """The client's choice of mechanism and its first message, None if it sent none."""

    mechanism: str
    data: bytes | None


def parse_sasl_initial_response(payload: bytes) -> SASLInitialResponse:
    """Parse the payload of the first password message of a SASL exchange.

    Raises:
        ProtocolViolation: 08P01, malformed.
    """
    reader = PayloadReader(payload)
    mechanism = reader.cstring().decode("ascii", "replace")
    data = reader.sized()
    reader.finish()
    return SASLInitialResponse(mechanism=mechanism, data=data)


def tls_server_end_point(certificate_der: bytes) -> bytes:
    """Return the channel binding data of a server certificate: its hash by its signature's hash (RFC 5929).

    Raises:
        AuthenticationFailed: 28P01, no certificate, or a signature without a hash (such as Ed25519).
    """
    try:
        algorithm = x509.load_der_x509_certificate(certificate_der).signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        algorithm = None
    if algorithm is None:
        raise AuthenticationFailed(message="the server certificate allows no tls-server-end-point channel binding")
    name = "sha256" if algorithm.name in _WEAK_HASHES else algorithm.name
    return hashlib.new(name, certificate_der).digest()


class ScramExchange:
    """One authentication: `first`, then `final`; each may be called once.

    `mechanisms` are those offered; `channel_binding` is the data of tls-server-end-point, None without TLS. Without a
    verifier the user is unknown: the exchange runs with a salt made from `mock_seed` and `user`, and fails at the end.
    """

    def __init__(
        self,
        verifier: str | None,
        mechanisms: Sequence[str],
        channel_binding: bytes | None,
        mock_seed: bytes,
        *,
        user: str = "",
        nonce: str | None = None,
    ) -> None:
        # Made and read whether it is used or not, so that the work is the same.
        mock = str(_mock_verifier(mock_seed, user))
        self._verifier = parse_verifier(mock if verifier is None else verifier)
        self._is_known = verifier is not None
        self._mechanisms = tuple(mechanisms)
        self._channel_binding = channel_binding
        self._server_nonce = nonce or b64encode(secrets.token_bytes(_NONCE_BYTES)).decode()
        self._expected_binding = b""
        self._nonce = ""
        self._messages = ""
        self._stage = "first"

    def first(self, mechanism: str, client_first: bytes) -> bytes:
        """Answer the client's first message with salt, iterations and nonce.

        Raises:
            AuthenticationFailed: 28P01, channel binding that is missing, unexpected or downgraded.
            ProtocolViolation: 08P01, a mechanism not offered or a malformed message.
        """
        self._enter("first", "final")
        if mechanism not in self._mechanisms:
            raise ProtocolViolation(message="client selected an invalid SASL authentication mechanism")
        flag, authorization_identity, bare = _split_gs2_header(_ascii_or_utf8(client_first))
        if authorization_identity:
            raise ProtocolViolation(message="SCRAM authorization identity is not supported")
        self._expected_binding = f"{flag},,".encode() + self._binding_data(mechanism, flag)
        attributes = _attributes(bare)
        if [name for name, _ in attributes[:2]] != ["n", "r"]:
            raise _malformed()
        client_nonce = attributes[1][1]
        if not _PRINTABLE.fullmatch(client_nonce):
            raise _malformed()
        self._nonce = client_nonce + self._server_nonce
        server_first = f"r={self._nonce},s={_base64(self._verifier.salt)},i={self._verifier.iterations}"
        self._messages = f"{bare},{server_first}"
        return server_first.encode()

    def final(self, client_final: bytes) -> bytes:
        """Check the client's proof and answer with the server's signature.

        Raises:
            AuthenticationFailed: 28P01, wrong password or channel binding, unknown user.
            ProtocolViolation: 08P01, malformed.
        """
        self._enter("final", "done")
        text = _ascii_or_utf8(client_final)
        without_proof, separator, proof_text = text.rpartition(",p=")
        attributes = _attributes(without_proof)
        if not separator or [name for name, _ in attributes[:2]] != ["c", "r"]:
            raise _malformed()
        if not hmac.compare_digest(_from_base64(attributes[0][1]), self._expected_binding):
            raise AuthenticationFailed(message="SCRAM channel binding check failed")
        if not hmac.compare_digest(attributes[1][1].encode(), self._nonce.encode()):
            raise ProtocolViolation(message="invalid SCRAM response", detail="Nonce does not match.")
        proof = _from_base64(proof_text)
        if len(proof) != hashlib.sha256().digest_size:
            raise _malformed()
        signed = f"{self._messages},{without_proof}".encode()
        signature = _hmac(self._verifier.stored_key, signed)
        client_key = bytes(left ^ right for left, right in zip(proof, signature, strict=True))
        proved = hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key)
        if not (proved and self._is_known):
            raise AuthenticationFailed(message="password authentication failed")
        return f"v={_base64(_hmac(self._verifier.server_key, signed))}".encode()

    def _binding_data(self, mechanism: str, flag: str) -> bytes:
        if mechanism == SCRAM_SHA_256_PLUS:
            if self._channel_binding is None or flag != "p=tls-server-end-point":
                raise AuthenticationFailed(message="SCRAM channel binding is required with SCRAM-SHA-256-PLUS")
            return self._channel_binding
        if flag == "y" and SCRAM_SHA_256_PLUS in self._mechanisms:
            # The client believes that channel binding was not offered: somebody removed it from the list.
            raise AuthenticationFailed(message="SCRAM channel binding negotiation error")
        if flag not in ("n", "y"):
            raise AuthenticationFailed(message="SCRAM channel binding is not allowed with SCRAM-SHA-256")
        return b""

    def _enter(self, stage: str, following: str) -> None:
        if self._stage != stage:
            raise ProtocolViolation(message="SASL message out of order")
        self._stage = following


def _mock_verifier(mock_seed: bytes, user: str) -> Verifier:
    salt = _hmac(mock_seed, user.encode("utf-8", "surrogateescape"))[:_SALT_BYTES]
    return Verifier(iterations=ITERATIONS, salt=salt, stored_key=bytes(32), server_key=bytes(32))


def _prepared(password: str) -> bytes:
    try:
        return (saslprep(password) or password).encode()
    except ScramException:
        # PostgreSQL takes a password that SASLprep refuses as it stands.
        return password.encode("utf-8", "surrogateescape")


def _split_gs2_header(text: str) -> tuple[str, str, str]:
    parts = text.split(",", 2)
    if len(parts) != 3:
        raise _malformed()
    return parts[0], parts[1], parts[2]


def _attributes(text: str) -> list[tuple[str, str]]:
    attributes = []
    for part in text.split(","):
        name, separator, value = part.partition("=")
        if not separator or len(name) != 1 or not name.isascii() or not name.isalpha():
            raise _malformed()
        if name == "m":
            raise ProtocolViolation(message="client requires an unsupported SCRAM extension")
        attributes.append((name, value))
    return attributes


def _ascii_or_utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _malformed() from None


def _from_base64(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        raise _malformed() from None


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _malformed() -> ProtocolViolation:
    return ProtocolViolation(message="malformed SCRAM message")
