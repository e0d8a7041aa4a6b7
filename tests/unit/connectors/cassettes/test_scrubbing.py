"""Secrets are taken out of what is recorded in every form they travel in, and those that are left are found."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.cassettes.scrubbing import SCRUBBED, Scrubber, leaks

SECRET = 'sk live/+?"é\\0123'
ENCODED = base64.b64encode(SECRET.encode()).decode()
FORMS = (
    SECRET,
    quote(SECRET, safe=""),
    quote(SECRET, safe="").lower(),
    quote_plus(SECRET),
    ENCODED,
    ENCODED.replace("+", "-").replace("/", "_").rstrip("="),
)


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_replaced_in_each_form(form: str) -> None:
    scrubbed = Scrubber([SECRET], ()).value({"a": [f"before {form} after"]})
    assert scrubbed == {"a": [f"before {SCRUBBED} after"]}
    assert leaks(json.dumps(scrubbed), {"key": SECRET}) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_secret_that_is_left_is_found_with_its_line(form: str, ascii_only: bool) -> None:
    content = "\n".join(["{}", json.dumps({"a": f"before {form} after"}, ensure_ascii=ascii_only), "{}"])
    assert leaks(content, {"other": "not there at all", "key": SECRET}) == [("key", 2)]


@given(before=st.binary(max_size=7), secret=st.text(min_size=8, max_size=40), after=st.binary(max_size=7))
def test_a_secret_within_base64_is_found_wherever_it_begins(before: bytes, secret: str, after: bytes) -> None:
    whole = base64.b64encode(before + secret.encode() + after).decode()
    assert leaks(whole, {"key": secret}) == [("key", 1)]


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("access_token", True), ("accessToken", True), ("client_secret", True), ("Authorization", True),
        ("password", True), ("api_key", True), ("apiKey", True), ("routing_key", True), ("Set-Cookie", True),
        ("runners_token", True), ("X-Amz-Signature", True),
        ("key", False), ("title", False), ("page_token", False), ("nextPageToken", False), ("tokens_used", False),
    ],
)  # fmt: skip
def test_values_are_secret_by_their_names_but_cursors_are_not(name: str, is_secret: bool) -> None:
    scrubber = Scrubber((), ("page_token", "nextPageToken"))
    expected = SCRUBBED if is_secret else "anything"
    assert scrubber.value({name: "anything", "n": {name: ["anything", 3, None, True]}}) == {
        name: expected,
        "n": {name: [expected, 3, None, True]},
    }
    assert scrubber.pairs([(name, "anything")]) == [[name, expected]]
    assert scrubber.text(f"<https://a.example/x?{name}=anything&n=1>") == f"<https://a.example/x?{name}={expected}&n=1>"
