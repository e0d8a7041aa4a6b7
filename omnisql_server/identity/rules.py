"""A tenant's rules for log-ins: its identity provider, its certificates, and whom is asked for what. Pure.

The document is written by people as YAML and kept as JSON; `docs/authentication.md` describes it. It is read here and
nowhere else, so that one which was refused is never in force.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.identity.public_keys import ALGORITHMS, NoPublicKey, PublicKey, read_key
from omnisql_server.policy.reading import entries, mapping, text, texts
from omnisql_server.session.entrance import Proof

CLOCK_SKEW_MAX_S = 300
_SECTIONS = {"identity_provider", "certificates", "ask"}
_PROVIDER_KEYS = {
    *("issuer", "audience", "keys", "keys_url", "algorithms", "clock_skew_s", "user", "user_pattern"),
    *("require", "groups", "attributes", "roles", "role_of_user", "listed", "scope"),
}
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
REFERENCE = re.compile(r"\\([0-9])")
NAMED_BY = ("common_name", "dns", "email", "uri")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRule:
    """The role of those whose claims have, for each name in `when`, one of its values."""

    role: str
    when: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """Whose tokens count, and what their claims say. Claims are named by path, as in `realm_access.roles`.

    `keys` are given ones; without them they are fetched from `keys_url`, or from where the issuer says.
    `role_of_user` gives those whom no rule fits the role of their own name. `listed` offers OAUTHBEARER to everybody.
    """

    issuer: str
    audience: tuple[str, ...]
    keys: tuple[PublicKey, ...] | None
    keys_url: str | None
    algorithms: tuple[str, ...]
    clock_skew_s: int
    user: str
    user_pattern: re.Pattern[str] | None
    require: Mapping[str, tuple[str, ...]]
    groups: str | None
    attributes: Mapping[str, str]
    roles: tuple[RoleRule, ...]
    role_of_user: bool
    listed: bool
    scope: str

    @property
    def discovery_url(self) -> str:
        """Return where the issuer describes itself (OpenID Connect Discovery 1.0, section 4)."""
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateName:
    """A user by a name in a certificate: `source` is one of NAMED_BY, `user` may refer to the pattern's groups."""

    source: str
    pattern: re.Pattern[str]
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Who issues certificates of this tenant's users, and how those name them; no authorities are the server's.

    `second_factor` has them log nobody in, but wants one beside every password and token.
    """

    authorities: tuple[x509.Certificate, ...]
    names: tuple[CertificateName, ...]
    second_factor: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogInRules:
    """All rules of a tenant; `ask` are patterns of user names, the first that fits says what is asked for."""

    provider: IdentityProvider | None = None
    certificates: Certificates | None = None
    ask: tuple[tuple[str, Proof], ...] = field(default=())

    def asked_of(self, user: str) -> Proof | None:
        """Return what a user is asked for, whether it exists or not; None where no rule says."""
        return next((ask for pattern, ask in self.ask if fnmatchcase(user, pattern)), None)


def parse_rules(document: Any, where: str = "log-in rules") -> LogInRules:
    """Validate a document.

    Raises:
        ConfigurationInvalid: F0000, an unknown key, a missing one, or a value that cannot be.
    """
    document = mapping(document, where, _SECTIONS)
    provider, certificates = document.get("identity_provider"), document.get("certificates")
    return LogInRules(
        provider=None if provider is None else _provider(provider, f"{where}: identity_provider"),
        certificates=None if certificates is None else _certificates(certificates, f"{where}: certificates"),
        ask=tuple(_ask(item, f"{where}: ask") for item in entries(document, "ask", where)),
    )


def _provider(item: Any, where: str) -> IdentityProvider:
    item = mapping(item, where, _PROVIDER_KEYS)
    keys, keys_url = item.get("keys"), item.get("keys_url")
    if keys is not None and keys_url is not None:
        raise ConfigurationInvalid(message=f"{where}: keys and keys_url exclude each other")
    algorithms = texts(item.get("algorithms", ["RS256", "ES256", "EdDSA"]), f"{where}: algorithms")
    if unknown := sorted(set(algorithms) - set(ALGORITHMS)):
        raise ConfigurationInvalid(
            message=f"{where}: algorithm {unknown[0]!r} cannot be allowed", hint=f"known: {', '.join(ALGORITHMS)}"
        )
    skew_s = item.get("clock_skew_s", 30)
    if isinstance(skew_s, bool) or not isinstance(skew_s, int) or not 0 <= skew_s <= CLOCK_SKEW_MAX_S:
        raise ConfigurationInvalid(message=f"{where}: clock_skew_s must be a whole number up to {CLOCK_SKEW_MAX_S}")
    attributes = mapping(item.get("attributes", {}), f"{where}: attributes", None)
    return IdentityProvider(
        issuer=checked_url(text(item, "issuer", where), f"{where}: issuer"),
        audience=texts(item.get("audience"), f"{where}: audience"),
        keys=None if keys is None else _keys(keys, f"{where}: keys"),
        keys_url=None if keys_url is None else checked_url(text(item, "keys_url", where), f"{where}: keys_url"),
        algorithms=algorithms,
        clock_skew_s=skew_s,
        user=text({"user": "sub", **item}, "user", where),
        user_pattern=_pattern(item["user_pattern"], f"{where}: user_pattern") if "user_pattern" in item else None,
        require=_wanted(item.get("require", {}), f"{where}: require"),
        groups=text(item, "groups", where) if "groups" in item else None,
        attributes={name: text(attributes, name, f"{where}: attributes") for name in attributes},
        roles=tuple(_role(each, f"{where}: roles") for each in entries(item, "roles", where)),
        role_of_user=_flag(item, "role_of_user", where),
        listed=_flag(item, "listed", where),
        scope=text({"scope": "openid", **item}, "scope", where),
    )


def _role(item: Any, where: str) -> RoleRule:
    item = mapping(item, where, {"role", "when"})
    wanted = _wanted(item.get("when"), f"{where}: when")
    if not wanted:
        raise ConfigurationInvalid(message=f"{where}: when must name a claim")
    return RoleRule(role=text(item, "role", where), when=wanted)


def _wanted(value: Any, where: str) -> dict[str, tuple[str, ...]]:
    """Take claims with the values of which each must have one; a single value may stand for a list of it."""
    found = mapping(value, where, None)
    return {
        claim: texts(wanted if isinstance(wanted, list) else [_text_of(wanted)], f"{where}: {claim}")
        for claim, wanted in found.items()
    }


def _text_of(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def _flag(item: Mapping[str, Any], key: str, where: str) -> bool:
    value = item.get(key, True)
    if not isinstance(value, bool):
        raise ConfigurationInvalid(message=f"{where}: {key} must be true or false")
    return value


def checked_url(value: str, where: str) -> str:
    """Take a URL that keys may come from.

    Raises:
        ConfigurationInvalid: F0000, it is none, or not encrypted on its way.
    """
    try:
        parts = urlsplit(value)
        plain = not (parts.query or parts.fragment or parts.username)
        usable = plain and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    # What is fetched in the clear can be replaced on the way; of this machine it is not on any way.
    if not usable or not (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
        raise ConfigurationInvalid(message=f"{where} must be an https:// URL without a query")
    return value


def _pattern(value: Any, where: str) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except (re.error, TypeError) as error:
        raise ConfigurationInvalid(message=f"{where} must be a regular expression", detail=str(error)) from error


def _keys(value: Any, where: str) -> tuple[PublicKey, ...]:
    found = mapping(value, where, None)
    try:
        keys = tuple(read_key(entry) for entry in entries(found, "keys", where))
    except NoPublicKey as error:
        raise ConfigurationInvalid(message=f"{where} must be a JWK set of public keys", detail=str(error)) from error
    if not keys:
        raise ConfigurationInvalid(message=f"{where} must hold a key")
    return keys


def _certificates(item: Any, where: str) -> Certificates:
    item = mapping(item, where, {"authorities", "users", "second_factor"})
    authorities = _authorities(text(item, "authorities", where), where) if "authorities" in item else ()
    names = tuple(_name(each, f"{where}: users") for each in entries(item, "users", where))
    if not names:
        raise ConfigurationInvalid(message=f"{where}: users must say how a certificate names its user")
    second_factor = _flag({"second_factor": False, **item}, "second_factor", where)
    return Certificates(authorities=authorities, names=names, second_factor=second_factor)


def _authorities(pem: str, where: str) -> tuple[x509.Certificate, ...]:
    try:
        found = tuple(x509.load_pem_x509_certificates(pem.encode()))
        issues = all(each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for each in found)
    except (ValueError, x509.ExtensionNotFound) as error:
        raise ConfigurationInvalid(message=f"{where}: authorities must be certificates in PEM form") from error
    if not issues:
        raise ConfigurationInvalid(message=f"{where}: authorities must be such that may issue certificates")
    return found


def _name(item: Any, where: str) -> CertificateName:
    item = mapping(item, where, {"from", "pattern", "user"})
    source = text(item, "from", where)
    if source not in NAMED_BY:
        raise ConfigurationInvalid(message=f"{where}: from must be one of {', '.join(NAMED_BY)}")
    pattern = _pattern(text({"pattern": "(.+)", **item}, "pattern", where), f"{where}: pattern")
    user = text({"user": r"\1", **item}, "user", where)
    if any(int(group) > pattern.groups for group in REFERENCE.findall(user)):
        raise ConfigurationInvalid(message=f"{where}: user refers to a group that the pattern has not")
    return CertificateName(source=source, pattern=pattern, user=user)


def _ask(item: Any, where: str) -> tuple[str, Proof]:
    item = mapping(item, where, {"users", "for"})
    wanted = text(item, "for", where)
    if wanted not in tuple(Proof):
        raise ConfigurationInvalid(message=f"{where}: for must be one of {', '.join(Proof)}")
    return text(item, "users", where), Proof(wanted)
