"""The simulated company, and simulators without a past for every test."""

from __future__ import annotations

import pytest
from demo_server import DemoServer
from demo_server import company as simulated_company

from connectors.simulators.company import Company


@pytest.fixture(scope="session")
def company() -> Company:
    """Return the company that the simulators serve."""
    return simulated_company()


@pytest.fixture(autouse=True)
def _clean_sources(demo: DemoServer) -> None:
    demo.reset()
