"""Certificates for clients."""

from __future__ import annotations

import datetime
import hashlib
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.listener.tls import load_identity, make_self_signed

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)


def test_a_self_signed_certificate_loads_and_binds(tmp_path: Path) -> None:
    certificate_path, key_path = make_self_signed(tmp_path / "new", ["db.test", "127.0.0.1"], now=NOW)
    certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["db.test"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    identity = load_identity(certificate_path, key_path)
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert identity.channel_binding == hashlib.sha256(der).digest()


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    certificate_path, _ = make_self_signed(tmp_path / "a", ["a"], now=NOW)
    _, key_path = make_self_signed(tmp_path / "b", ["b"], now=NOW)
    with pytest.raises(ConfigurationInvalid):
        load_identity(certificate_path, key_path)
    with pytest.raises(ConfigurationInvalid):
        load_identity(tmp_path / "absent", key_path)
