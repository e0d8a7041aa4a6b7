"""The endpoint of webhooks: what it takes, refuses and counts."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from catalog.errors import ClusterUnavailable
from catalog.webhooks import Webhook
from omnisql_server.model.freshness import Change
from omnisql_server.observability.metrics import INSTRUMENTS
from omnisql_server.webhooks.receiver import Receiver, listening

SECRET = b"shared"
BODY_BYTES_MAX = 4096


@dataclass
class Servers:
    """One server of each vendor, and what was noted of them."""

    noted: list[tuple[str, Change]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    failure: Exception | None = None
    deliveries: set[str] = field(default_factory=set)

    async def find(self, tenant: str, server: str) -> Webhook | None:
        self.asked.append((tenant, server))
        if self.failure is not None:
            raise self.failure
        if tenant != "acme":
            return None
        return Webhook(tenant=UUID(int=1), connector=server, secrets=(SECRET,))

    async def note(self, webhook: Webhook, server: str, change: Change, delivery: str) -> bool:
        if self.failure is not None:
            raise self.failure
        is_new = delivery not in self.deliveries
        self.deliveries.add(delivery)
        self.noted.append((server, change))
        return is_new


@pytest.fixture
def servers() -> Servers:
    return Servers()


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    counted: list[str] = []
    monkeypatch.setattr(type(INSTRUMENTS), "webhook_received", lambda _, outcome: counted.append(outcome))
    return counted


@pytest.fixture
async def url(servers: Servers) -> AsyncIterator[str]:
    receiver = Receiver(find=servers.find, note=servers.note, body_bytes_max=BODY_BYTES_MAX, clock=lambda: 1000.0)
    async with listening(receiver, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}/webhooks"


async def send(
    url: str,
    body: Any,
    *,
    place: str = "acme/github",
    secret: bytes = SECRET,
    method: str = "POST",
    event: str = "release",
    **headers: str,
) -> int:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = hmac.new(secret, content, hashlib.sha256).hexdigest()
    signed = {
        "X-Hub-Signature-256": f"sha256={signature}",
        "X-Hub-Signature": f"sha256={signature}",
        "Linear-Signature": signature,
        "X-GitHub-Event": event,
        **headers,
    }
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{url}/{place}", data=content, headers=signed) as answer,
    ):
        return answer.status


async def test_what_is_signed_is_noted(url: str, servers: Servers, outcomes: list[str]) -> None:
    assert await send(url, {"a": 1}) == 204
    assert await send(url, {"webhookEvent": "user_updated"}, place="acme/jira") == 204
    assert await send(url, {"type": "Issue", "webhookTimestamp": 1_000_000}, place="acme/linear") == 204
    assert [(server, sorted(change.tables)) for server, change in servers.noted] == [
        ("github", ["releases"]),
        ("jira", ["users"]),
        ("linear", ["issues"]),
    ]
    assert outcomes == ["noted"] * 3


async def test_what_is_sent_again_is_told_apart(url: str, outcomes: list[str]) -> None:
    assert [await send(url, {"a": 1}) for _ in range(2)] == [204, 204]
    assert outcomes == ["noted", "repeated"]


@pytest.mark.parametrize(
    ("place", "more"),
    [
        ("acme/github", {"secret": b"guessed"}),
        ("other/github", {}),
        ("acme/stripe", {}),
        ("acme/github", {"X-Hub-Signature-256": ""}),
        ("acme/linear", {}),
    ],
    ids=["signature", "tenant", "vendor", "unsigned", "too old"],
)
async def test_what_is_not_is_refused_in_the_same_words(
    url: str, servers: Servers, outcomes: list[str], place: str, more: dict[str, Any]
) -> None:
    assert await send(url, {"webhookTimestamp": 1}, place=place, **more) == 401
    assert (servers.noted, outcomes[0] in {"refused", "too_old"}) == ([], True)


async def test_nothing_else_is_served(url: str, servers: Servers) -> None:
    assert await send(url, b"x" * (BODY_BYTES_MAX + 1)) == 413
    assert await send(url, b"no json") == 400
    assert await send(url, [1]) == 400
    assert await send(url, {}, method="PUT") == 405
    assert await send(url, {}, place="acme") == 404
    assert servers.noted == []


async def test_a_ping_is_answered(url: str, servers: Servers) -> None:
    assert await send(url, {"zen": "x"}, event="ping") == 204
    assert servers.noted == []


async def test_what_cannot_be_noted_is_to_be_sent_again(url: str, servers: Servers, outcomes: list[str]) -> None:
    await send(url, {"a": 1})
    servers.failure = TimeoutError()
    assert await send(url, {"a": 2}) == 503
    servers.failure = ClusterUnavailable("it is down")
    assert await send(url, {"a": 3}, place="acme/jira") == 503
    assert outcomes == ["noted", "unavailable", "unavailable"]


async def test_servers_are_not_looked_up_for_every_request(url: str, servers: Servers) -> None:
    for _ in range(3):
        await send(url, {}, place="nobody/nothing")
    assert servers.asked == [("nobody", "nothing")]
