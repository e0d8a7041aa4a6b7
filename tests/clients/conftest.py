"""The simulated company, and simulators without a past for every test."""

from __future__ import annotations

import pytest
from client_programs import absent
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what clients were not tried for."""
    for reason in absent:
        terminalreporter.write_line(f"client skipped: {reason}")
