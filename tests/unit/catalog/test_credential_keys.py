"""Key files are private, and audiences are what decides who receives a credential."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from catalog.credentials import audience_of, handle_id
from catalog.errors import InvalidName, KeyFileInvalid, SecretUnknown
from catalog.key_files import KeyFiles
from catalog.key_ring import load_key, seal, unseal


def test_a_key_is_made_once_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = load_key(path)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path) == key


def test_an_open_or_short_key_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    load_key(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileInvalid, match="open to others"):
        load_key(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(KeyFileInvalid, match="32 bytes"):
        load_key(path)
    with pytest.raises(KeyFileInvalid):
        KeyFiles(b"short", tmp_path)


def test_what_was_sealed_opens_with_its_key_and_label_only() -> None:
    key = bytes(range(32))
    sealed = seal(key, b"ghp_token", b"label")
    assert unseal(key, sealed, b"label") == b"ghp_token"
    assert b"ghp_token" not in sealed
    assert seal(key, b"ghp_token", b"label") != sealed
    for other in ((bytes(32), sealed, b"label"), (key, sealed, b"other"), (key, b"\x01" + sealed[1:], b"label")):
        with pytest.raises(InvalidTag):
            unseal(*other)


@pytest.mark.parametrize(
    ("url", "audience"),
    [
        ("https://API.test/v3?x=1", "https://api.test:443"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("https://[::1]/", "https://[::1]:443"),
    ],
)
def test_an_audience_is_scheme_host_and_port(url: str, audience: str) -> None:
    assert audience_of(url) == audience


@pytest.mark.parametrize("url", ["", "ftp://a", "https://", "https://good@evil.test", "https://a:b", "https://[x"])
def test_a_url_without_a_plain_host_has_no_audience(url: str) -> None:
    with pytest.raises(InvalidName):
        audience_of(url)


@pytest.mark.parametrize("handle", ["", "ghp_token", "secret:", "secret:x", "0b0e0c3a-58c4-4b0e-9a53-0d4f4c3f9a11"])
def test_a_text_that_is_no_handle_names_no_secret(handle: str) -> None:
    with pytest.raises(SecretUnknown) as caught:
        handle_id(handle)
    assert handle not in caught.value.message or not handle
