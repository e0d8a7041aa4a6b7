"""One small company for all tests, and a fresh simulator of each vendor for each test that asks."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from simulated_api import Api, Clock

from connectors.simulators import github as github_simulator
from connectors.simulators import jira as jira_simulator
from connectors.simulators import start_simulator
from connectors.simulators.company import Company, build_company

BASIC = "Basic " + base64.b64encode(b"ada@acme.example:secret").decode()


@pytest.fixture(scope="session")
def company() -> Company:
    return build_company(issues=600, seed=3)


async def _started(app: web.Application, clock: Clock, authorization: str) -> AsyncIterator[Api]:
    simulator = await start_simulator(app)
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            headers = {"Authorization": authorization}
            yield Api(base_url=simulator.base_url, session=session, clock=clock, headers=headers)
    finally:
        await simulator.stop()


@pytest.fixture
async def github(company: Company) -> AsyncIterator[Api]:
    clock = Clock()
    app = github_simulator.create_app(company, tokens=frozenset({"secret"}), clock=clock)
    async for api in _started(app, clock, "Bearer secret"):
        yield api


@pytest.fixture
async def jira(company: Company) -> AsyncIterator[Api]:
    clock = Clock()
    app = jira_simulator.create_app(company, email="ada@acme.example", api_token="secret", clock=clock)
    async for api in _started(app, clock, BASIC):
        yield api
