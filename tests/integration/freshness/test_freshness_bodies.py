"""Answers of a source that replicas share: used where the source confirms them, under one credential only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import pytest
import pytest_asyncio
from aiohttp import web
from fresh_world import World

from connectors.sdk.addresses import Fence
from connectors.sdk.auth import TokenAuth
from connectors.sdk.quiet import QUIET_CONTEXT
from connectors.sdk.request import Request, Response
from connectors.sdk.settings import Outbound, TransportSettings
from connectors.sdk.transport import Transport
from connectors.sdk.verdicts import judge_by_status
from omnisql_server.freshness.store import TAG

pytestmark = pytest.mark.asyncio(loop_scope="session")
WANTED = Request(template="/items", path="/items")


@dataclass
class Api:
    """One resource; it remembers the tags that were sent and how it answered."""

    state: str = "first"
    asked: list[tuple[str | None, int]] = field(default_factory=list)
    base_url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        tag = f'"{self.state}"'
        sent = request.headers.get("If-None-Match")
        status = 304 if sent == tag else 200
        self.asked.append((sent, status))
        headers = {"ETag": tag, "Link": '<http://elsewhere/2>; rel="next"'}
        return (
            web.json_response([self.state], status=200, headers=headers)
            if status == 200
            else web.Response(status=304, headers={"ETag": tag})
        )


@pytest_asyncio.fixture(loop_scope="session")
async def api() -> AsyncIterator[Api]:
    served = Api()
    application = web.Application()
    application.router.add_get("/items", served.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


async def ask(api: Api, world: World, replica: int, *, credential: str = "all", kept: bool = True) -> Response:
    """Ask as a replica does that has no bodies of its own yet."""
    fence = Fence(allowed_networks=(ip_network("127.0.0.0/8"),))
    transport = Transport(
        connector="fake",
        server="hub",
        base_url=api.base_url,
        authenticator=TokenAuth("t"),
        judge=judge_by_status,
        settings=TransportSettings(outbound=Outbound(fence=fence)),
    )
    bodies = world.replicas[replica].of(world.origin(credential)).bodies(kept=kept)
    try:
        return await transport.send(WANTED, replace(QUIET_CONTEXT, bodies=bodies))
    finally:
        await transport.close()


async def test_what_one_replica_has_read_is_confirmed_for_another(api: Api, world: World) -> None:
    await ask(api, world, 0)
    response = await ask(api, world, 1)
    assert api.asked == [(None, 200), ('"first"', 304)]
    assert (response.body, response.revalidated, "elsewhere" in response.headers["link"]) == (["first"], True, True)


async def test_what_has_changed_replaces_what_was_shared(api: Api, world: World) -> None:
    await ask(api, world, 0)
    api.state = "second"
    assert (await ask(api, world, 1, kept=False)).body == ["second"]
    assert (await ask(api, world, 0)).body == ["second"]
    assert api.asked == [(None, 200), ('"first"', 200), ('"second"', 304)]


async def test_no_body_is_put_where_nobody_said_that_rows_may_be_kept(api: Api, world: World) -> None:
    await ask(api, world, 0, kept=False)
    await ask(api, world, 1)
    assert [status for _, status in api.asked] == [200, 200]


async def test_no_body_crosses_credentials_or_tenants(api: Api, world: World) -> None:
    await ask(api, world, 0)
    await ask(api, world, 1, credential="public")
    await ask(api, World(world.client), 1)
    assert [sent for sent, _ in api.asked] == [None, None, None]


@pytest.mark.parametrize("kind", ["rows", "entries"])
async def test_a_body_that_does_not_open_is_fetched_again(api: Api, world: World, kind: str) -> None:
    await ask(api, world, 0)
    (place,) = [key async for key in world.client.scan_iter(f"{TAG}{kind}:{world.tenant}*")]
    if kind == "rows":
        await world.client.set(place, b"spoiled" * 9)
    else:
        (name,) = await world.client.hkeys(place)
        await world.client.hset(place, name, b"spoiled" * 9)
    assert (await ask(api, world, 1)).body == ["first"]
    await ask(api, world, 0)
    assert [sent for sent, _ in api.asked] == [None, None, '"first"']


async def test_a_tenant_that_leaves_takes_its_bodies_along(api: Api, world: World) -> None:
    await ask(api, world, 0)
    await world.shared[0].store.leave(world.tenant)
    await ask(api, world, 1)
    assert [sent for sent, _ in api.asked] == [None, None]
