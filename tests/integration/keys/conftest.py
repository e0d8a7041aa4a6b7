"""A key server for the tests of this folder."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from key_server import KeyServer, key_server


@pytest.fixture(scope="module")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyServer]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with key_server(tmp_path_factory.mktemp("bao"), port) as running:
        yield running
