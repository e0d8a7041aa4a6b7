"""Who asks the demo by HTTP: ana, with a token that counts for as long as these tests run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from demo_server import DATABASE, DemoServer
from http_caller import HttpCaller

from catalog.api_tokens import new_token, token_digest, token_id
from omnisql_server.admin.channel import ask_running_server


@pytest.fixture(scope="module")
def token(demo: DemoServer) -> Iterator[str]:
    token = new_token()
    made = {"user": "ana", "digest": token_digest(token).hex(), "description": "tests of HTTP", "days": 1}
    _administer(demo, "create_token", token=token_id(token), **made)
    yield token
    _administer(demo, "revoke_token", token=token_id(token))


@pytest.fixture
def ana_by_http(demo: DemoServer, token: str) -> HttpCaller:
    demo.reset()
    return demo.caller(token)


def _administer(demo: DemoServer, operation: str, **arguments: object) -> None:
    asyncio.run(ask_running_server(demo.directory / "data", operation, {"name": DATABASE, **arguments}))
