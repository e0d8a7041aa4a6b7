"""Signed assertions: what is signed and posted, which keys are taken, and that nothing shows them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from connectors.sdk.assertions import GRANT_TYPE, Claims, JwtBearer, rsa_key, signed
from connectors.sdk.auth import Grant, TokenAnswer
from connectors.sdk.errors import CredentialsRejected, OptionInvalid

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CLAIMS = Claims(issuer="client", subject="ada@acme.example", audience="https://login.example.com")
GRANT = Grant(server="crm", token_url="http://127.0.0.1/token", client_id="client", client_secret="")


def pem_of(key: Any, encrypted: bool = False) -> str:
    hidden = BestAvailableEncryption(b"pass") if encrypted else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden).decode())


def decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def test_an_assertion_says_its_claims_and_is_signed() -> None:
    head, body, signature = signed(CLAIMS, KEY, 1_000_000.7).split(".")
    assert json.loads(decoded(head)) == {"alg": "RS256", "typ": "JWT"}
    said = json.loads(decoded(body))
    assert said.pop("jti")
    assert said == {
        "iss": "client",
        "sub": "ada@acme.example",
        "aud": "https://login.example.com",
        "iat": 1_000_000,
        "exp": 1_000_180,
    }
    KEY.public_key().verify(decoded(signature), f"{head}.{body}".encode(), PKCS1v15(), SHA256())
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(decoded(signature), f"{head}.{body}x".encode(), PKCS1v15(), SHA256())
    assert signed(CLAIMS, KEY, 1_000_000.7).split(".")[1] != body


async def test_a_token_is_got_for_an_assertion_and_again_when_it_is_rejected() -> None:
    forms: list[Mapping[str, str]] = []

    async def post(_url: str, fields: Mapping[str, str]) -> TokenAnswer:
        forms.append(fields)
        return TokenAnswer(status=200, body={"access_token": f"t{len(forms)}"})

    bearer = JwtBearer(grant=GRANT, claims=CLAIMS, private_key=KEY, post_form=post, now_s=lambda: 5.0)
    first = await bearer.headers()
    assert await bearer.headers() == first == {"Authorization": "Bearer t1"}
    assert await bearer.renew(first) is True
    assert await bearer.headers() == {"Authorization": "Bearer t2"}
    assert [form["grant_type"] for form in forms] == [GRANT_TYPE] * 2
    assert {name for form in forms for name in form} == {"grant_type", "assertion"}
    assert json.loads(decoded(forms[0]["assertion"].split(".")[1]))["exp"] == 185


async def test_a_refused_assertion_is_a_rejected_credential() -> None:
    async def post(_url: str, _fields: Mapping[str, str]) -> TokenAnswer:
        return TokenAnswer(status=400, body={"error": "invalid_grant"})

    bearer = JwtBearer(grant=GRANT, claims=CLAIMS, private_key=KEY, post_form=post, now_s=lambda: 5.0)
    with pytest.raises(CredentialsRejected, match='"crm"'):
        await bearer.headers()


@pytest.mark.parametrize(
    "pem",
    [
        "",
        "secret words",
        pem_of(ec.generate_private_key(ec.SECP256R1())),
        pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        pem_of(KEY, encrypted=True),
        pem_of(KEY)[:200],
    ],
)
def test_what_is_no_good_key_is_refused_without_being_shown(pem: str) -> None:
    with pytest.raises(OptionInvalid, match='private_key of server "crm" is not an RSA private key') as raised:
        rsa_key(pem, server="crm", option="private_key")
    assert raised.value.sqlstate == "HV00D"
    shown = f"{raised.value.message} {raised.value.detail} {raised.value.hint}"
    assert not pem or pem[:60] not in shown
    assert rsa_key(pem_of(KEY), server="crm", option="private_key").key_size == 2048
