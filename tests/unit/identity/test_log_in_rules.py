"""Rules for log-ins: what may stand in them, and what they say of claims."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.identity.claims import Identity, identity_of
from omnisql_server.identity.rules import LogInRules, parse_rules
from omnisql_server.session.entrance import LogInRefused, Proof

ISSUER = "https://login.acme.test/realms/acme"
KEY = jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)


def rules(**provider: Any) -> LogInRules:
    """Parse rules of a provider."""
    return parse_rules({"identity_provider": {"issuer": ISSUER, "audience": ["omnisql"], **provider}})


def identity(claims: dict[str, Any], **provider: Any) -> Identity:
    """Apply rules to claims."""
    parsed = rules(**provider).provider
    assert parsed is not None
    return identity_of(claims, parsed)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ({"algorithms": ["none"]}, "cannot be allowed"),
        ({"algorithms": ["RS256", "HS256"]}, "cannot be allowed"),
        ({"keys": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "public keys"),
        ({"keys": {"keys": [{**KEY, "d": "AAAA"}]}}, "public keys"),
        ({"keys": {"keys": []}}, "must hold a key"),
        ({"keys": {"keys": [KEY]}, "keys_url": f"{ISSUER}/certs"}, "exclude each other"),
        ({"keys_url": "http://login.acme.test/certs"}, "https"),
        ({"keys_url": "https://login.acme.test/certs?a=b"}, "https"),
        ({"keys_url": "https://a:b@login.acme.test/certs"}, "https"),
        ({"issuer": "file:///etc/passwd"}, "https"),
        ({"audience": []}, "list of texts"),
        ({"clock_skew_s": 301}, "clock_skew_s"),
        ({"clock_skew_s": True}, "clock_skew_s"),
        ({"user_pattern": "("}, "regular expression"),
        ({"roles": [{"role": "a"}]}, "mapping is expected"),
        ({"roles": [{"role": "a", "when": {}}]}, "must name a claim"),
        ({"listed": "yes"}, "true or false"),
        ({"unknown": 1}, "unknown key"),
    ],
)
def test_what_cannot_be_trusted_cannot_be_allowed(provider: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationInvalid) as refused:
        rules(**provider)
    assert words in f"{refused.value.message} {refused.value.detail}"


def test_users_are_asked_by_the_first_pattern_that_fits() -> None:
    parsed = parse_rules({"ask": [{"users": "svc_*", "for": "token"}, {"users": "*@acme.test", "for": "oauth"}]})
    assert [parsed.asked_of(user) for user in ("svc_a", "ana@acme.test", "ana")] == [Proof.TOKEN, Proof.OAUTH, None]
    with pytest.raises(ConfigurationInvalid, match="for must be one of"):
        parse_rules({"ask": [{"users": "*", "for": "nothing"}]})


def test_claims_give_user_role_groups_and_attributes() -> None:
    claims = {
        "sub": "1",
        "email": "ana@acme.test",
        "realm_access": {"roles": ["finance", "staff"]},
        "https://acme.test/region": "eu",
        "level": 3,
        "nothing": None,
    }
    found = identity(
        claims,
        user="email",
        user_pattern=r"(.+)@acme\.test",
        groups="realm_access.roles",
        attributes={"region": "https://acme.test/region", "level": "level", "nothing": "nothing", "absent": "absent"},
        roles=[
            {"role": "owners", "when": {"realm_access.roles": "boss"}},
            {"role": "analysts", "when": {"realm_access.roles": ["data", "finance"], "level": ["3"]}},
        ],
    )
    attributes = {"groups": ("finance", "staff"), "region": ("eu",), "level": ("3",)}
    assert found == Identity(user="ana", role="analysts", by_rule=True, attributes=attributes)
    assert identity(claims, user="email") == Identity(user="ana@acme.test", role="ana@acme.test", by_rule=False)


@pytest.mark.parametrize(
    ("claims", "provider"),
    [
        ({}, {}),
        ({"sub": 7}, {}),
        ({"sub": ""}, {}),
        ({"sub": "x" * 64}, {}),
        ({"sub": "a\nb"}, {}),
        ({"sub": "eve@evil.test"}, {"user_pattern": r"(.+)@acme\.test"}),
        ({"sub": "ana@acme.test.evil.test"}, {"user_pattern": r"(.+)@acme\.test"}),
        ({"sub": "ana"}, {"require": {"email_verified": True}}),
        ({"sub": "ana", "email_verified": False}, {"require": {"email_verified": True}}),
        ({"sub": "ana"}, {"role_of_user": False}),
        ({"sub": "ana", "groups": ["g"] * 1001}, {"groups": "groups"}),
    ],
)
def test_claims_that_name_nobody_are_refused(claims: dict[str, Any], provider: dict[str, Any]) -> None:
    with pytest.raises(LogInRefused):
        identity(claims, **provider)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["sub", "groups", "a", "a.b", "region"]), JSON))
def test_no_claims_break_the_rules(claims: dict[str, Any]) -> None:
    provider = {"groups": "groups", "attributes": {"region": "a.b"}, "roles": [{"role": "r", "when": {"a.b": "x"}}]}
    try:
        found = identity(claims, **provider)
    except LogInRefused:
        return
    assert found.user == claims["sub"]
    assert all(isinstance(value, str) for values in found.attributes.values() for value in values)


@given(JSON)
def test_no_document_breaks_the_reader(document: Any) -> None:
    try:
        parse_rules(document)
    except ConfigurationInvalid:
        return
    assert isinstance(document, dict)
