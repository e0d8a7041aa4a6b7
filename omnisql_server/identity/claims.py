"""What verified claims say of a user: its name, role, groups and attributes by a tenant's rules. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omnisql_server.identity.rules import IdentityProvider
from omnisql_server.session.entrance import LogInRefused

NAME_BYTES_MAX = 63
VALUES_MAX = 1000
VALUE_CHARACTERS_MAX = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a token speaks of; `by_rule` says that a rule named the role, and not the user's own name."""

    user: str
    role: str
    by_rule: bool
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def identity_of(claims: Mapping[str, Any], provider: IdentityProvider) -> Identity:
    """Apply a provider's rules to claims whose signature, issuer, audience and times were verified.

    Raises:
        LogInRefused: they name nobody, lack what is required, or no role is theirs.
    """
    for claim, wanted in provider.require.items():
        if not set(wanted) & set(_values(claims, claim)):
            raise LogInRefused(f"claim {claim} has none of the required values")
    user = _user(claims, provider)
    role = next((rule.role for rule in provider.roles if _fits(claims, rule.when)), None)
    if role is None and not provider.role_of_user:
        raise LogInRefused("no rule gives a role")
    attributes = {name: _values(claims, claim) for name, claim in provider.attributes.items()}
    if provider.groups is not None:
        attributes["groups"] = (*attributes.get("groups", ()), *_values(claims, provider.groups))
    return Identity(
        user=user,
        role=role or user,
        by_rule=role is not None,
        attributes={name: values for name, values in attributes.items() if values},
    )


def _user(claims: Mapping[str, Any], provider: IdentityProvider) -> str:
    name = _found(claims, provider.user)
    if not isinstance(name, str):
        raise LogInRefused(f"claim {provider.user} names no user")
    if provider.user_pattern is not None:
        match = provider.user_pattern.fullmatch(name)
        if match is None:
            raise LogInRefused(f"claim {provider.user} does not have the form of a user")
        name = str(match[1] if provider.user_pattern.groups else match[0])
    if not 1 <= len(name.encode("utf-8", "replace")) <= NAME_BYTES_MAX or not name.isprintable():
        raise LogInRefused(f"claim {provider.user} is no name of a user")
    return name


def _fits(claims: Mapping[str, Any], when: Mapping[str, tuple[str, ...]]) -> bool:
    return all(set(wanted) & set(_values(claims, claim)) for claim, wanted in when.items())


def _found(claims: Mapping[str, Any], path: str) -> Any:
    """Return a claim by its name, or by the names that lead to it; a name may hold dots, as URLs do."""
    if path in claims:
        return claims[path]
    first, _, rest = path.partition(".")
    inner = claims.get(first)
    return _found(inner, rest) if rest and isinstance(inner, Mapping) else None


def _values(claims: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """Return a claim's values as texts: a list's, or its one; what is neither text, number nor truth is left out."""
    found = _found(claims, path)
    entries = found if isinstance(found, list) else [found]
    texts = [str(each).lower() if isinstance(each, bool) else str(each) for each in entries if _is_plain(each)]
    if len(texts) > VALUES_MAX or any(len(text) > VALUE_CHARACTERS_MAX for text in texts):
        raise LogInRefused(f"claim {path} has more or longer values than are taken")
    return tuple(dict.fromkeys(texts))


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float) and value != ""
