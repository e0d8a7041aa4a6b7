"""Whom a client's certificate names, by a tenant's rules. Pure: TLS has verified the certificate and its key.

TLS takes certificates of all tenants' authorities, because it does not know yet which tenant a client wants. That one
counts for this tenant is decided here: one of the tenant's authorities must have signed it itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from omnisql_server.identity.rules import REFERENCE, CertificateName, Certificates


def names_user(
    der: bytes, rules: Certificates, user: str, *, owner: str | None, shared: Sequence[x509.Certificate] = ()
) -> bool:
    """Say whether a certificate names a user; `shared` are the server's authorities, where the rules have none.

    The owner is named by a rule that says his name itself, and not by whatever a certificate holds.
    """
    certificate = x509.load_der_x509_certificate(der)
    if not any(_issued(certificate, authority) for authority in rules.authorities or shared):
        return False
    return any(
        named == user and (named != owner or rule.user == owner)
        for rule in rules.names
        for named in _users(certificate, rule)
    )


def _issued(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _users(certificate: x509.Certificate, rule: CertificateName) -> Iterator[str]:
    for name in _names(certificate, rule.source):
        match = rule.pattern.fullmatch(name)
        if match is not None:
            groups = {str(number): text for number, text in enumerate(match.groups(default=""), 1)} | {"0": name}
            # What has no reference beside it stays as it is, so that nothing of a certificate is read as one.
            parts = REFERENCE.split(rule.user)
            yield "".join(groups[part] if index % 2 else part for index, part in enumerate(parts))


def _names(certificate: x509.Certificate, source: str) -> list[str]:
    if source == "common_name":
        # One that has several is nobody's.
        found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return [str(found[0].value)] if len(found) == 1 else []
    try:
        other = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    if source == "dns":
        return list(other.get_values_for_type(x509.DNSName))
    if source == "email":
        return list(other.get_values_for_type(x509.RFC822Name))
    return list(other.get_values_for_type(x509.UniformResourceIdentifier))
