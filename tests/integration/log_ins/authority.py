"""Authorities that issue certificates of users, and revoke them."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Issues certificates; `pem` is its own."""

    def __init__(self, name: str) -> None:
        self._revoked: list[int] = []
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, folder: Path, name: str, *others: x509.GeneralName, days: int = 1) -> dict[str, str]:
        """Write a certificate and its key, and return how libpq is told of them."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, days=days)
        if others:
            builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        certificate, private = folder / f"{name}.crt", folder / f"{name}.key"
        certificate.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        private.touch(mode=0o600)
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return {"sslmode": "require", "sslcert": str(certificate), "sslkey": str(private)}

    def revoke(self, shown: dict[str, str]) -> None:
        """Have a certificate stand in the revocation list from now on."""
        certificate = x509.load_pem_x509_certificate(Path(shown["sslcert"]).read_bytes())
        self._revoked.append(certificate.serial_number)

    def revocations(self) -> str:
        """Return the revocation list as it is now, in PEM form."""
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(now - datetime.timedelta(days=1) + datetime.timedelta(hours=len(self._revoked)))
        builder = builder.next_update(now + datetime.timedelta(days=1))
        for number in self._revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(now).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int = 1
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=3))
            .not_valid_after(now + datetime.timedelta(days=days))
        )


OURS, THEIRS = Authority("acme's"), Authority("beta's")
"""Those of the tenants of this folder, whose revocation lists the server has from its start."""


def write_revocations(folder: Path) -> Path:
    """Write what both have revoked into a file of a folder, and return it."""
    path = folder / "revoked.pem"
    path.write_text(OURS.revocations() + THEIRS.revocations(), encoding="ascii")
    return path
