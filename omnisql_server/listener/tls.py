"""TLS for clients: a context from certificate and key files, its channel binding, a certificate to try things out."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from omnisql_server.errors import ConfigurationInvalid
from wire.auth import tls_server_end_point
from wire.errors import AuthenticationFailed

ALPN_PROTOCOL = "postgresql"
DEMO_VALIDITY_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsIdentity:
    """A TLS context, and the data of tls-server-end-point (RFC 5929); None where the certificate allows none."""

    context: ssl.SSLContext
    channel_binding: bytes | None


def load_identity(certificate_path: Path, key_path: Path) -> TlsIdentity:
    """Load a certificate chain and its key.

    Raises:
        ConfigurationInvalid: the files cannot be read or do not fit each other.
    """
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate_path, key_path)
        context.set_alpn_protocols([ALPN_PROTOCOL])
        certificate = x509.load_pem_x509_certificates(certificate_path.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise ConfigurationInvalid(message="the TLS certificate or its key cannot be loaded") from error
    try:
        binding = tls_server_end_point(certificate.public_bytes(serialization.Encoding.DER))
    except AuthenticationFailed:
        binding = None
    return TlsIdentity(context=context, channel_binding=binding)


def trust_clients(context: ssl.SSLContext, authorities: Iterable[bytes], revoked: Path | None = None) -> None:
    """Ask clients for a certificate, and take those that some authorities (DER) have issued; none is fine, too.

    Whoever issued it counts by himself, whatever stands above him. With revocation lists each authority needs one.

    Raises:
        ConfigurationInvalid: the lists cannot be read.
    """
    for authority in authorities:
        context.load_verify_locations(cadata=authority)
        context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    if revoked is not None:
        try:
            context.load_verify_locations(cafile=revoked)
        except OSError as error:
            raise ConfigurationInvalid(message="the revocation lists of clients cannot be loaded") from error
        context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


def read_authorities(path: Path) -> tuple[bytes, ...]:
    """Read authorities of clients' certificates, as DER.

    Raises:
        ConfigurationInvalid: the file cannot be read or holds none.
    """
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationInvalid(message="the authorities of clients' certificates cannot be loaded") from error
    return tuple(each.public_bytes(serialization.Encoding.DER) for each in found)


def make_self_signed(directory: Path, hosts: Sequence[str], *, now: datetime.datetime) -> tuple[Path, Path]:
    """Write a self-signed certificate for `hosts` (names or addresses) and its key; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=DEMO_VALIDITY_DAYS))
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True)
    certificate_path, key_path = directory / "server.crt", directory / "server.key"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(private)
    return certificate_path, key_path


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
