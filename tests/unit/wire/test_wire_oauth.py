"""OAUTHBEARER's one message."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.errors import ProtocolViolation
from wire.oauth import bearer_refusal, parse_bearer_response

TOKENS = st.from_regex(r"[A-Za-z0-9\-._~+/]+=*", fullmatch=True)


@given(TOKENS, st.sampled_from(["Bearer", "bearer"]), st.sampled_from(["", "host=db.test\x01port=5432\x01"]))
def test_a_token_is_read(token: str, scheme: str, more: str) -> None:
    assert parse_bearer_response(f"n,,\x01{more}auth={scheme} {token}\x01\x01".encode()).token == token


def test_a_question_has_no_token() -> None:
    assert parse_bearer_response(b"n,,\x01auth=\x01\x01").token is None


@given(st.binary() | st.text().map(lambda text: f"n,,\x01auth=Bearer {text}\x01\x01".encode()))
def test_anything_else_is_a_violation_that_quotes_nothing(data: bytes) -> None:
    message = "malformed OAUTHBEARER message"
    try:
        parse_bearer_response(data)
    except ProtocolViolation as error:
        message = error.message
    assert message == "malformed OAUTHBEARER message"


def test_none_at_all_is_a_violation() -> None:
    with pytest.raises(ProtocolViolation):
        parse_bearer_response(None)


def test_a_refusal_says_where_to_get_a_token_if_it_may() -> None:
    told = json.loads(bearer_refusal(discovery_url="https://a.test/x", scope="openid"))
    assert told == {"status": "invalid_token", "openid-configuration": "https://a.test/x", "scope": "openid"}
    assert json.loads(bearer_refusal(discovery_url=None, scope=None)) == {"status": "invalid_token"}
