"""The running demo that the tests of whole servers share: started when first asked for, stopped at the end."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from demo_server import DemoServer, demo_directory, start_demo
from emitted_by_suite import illegal, noted
from hypothesis import settings


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `make fuzz` say how many examples each random test tries."""
    parser.addoption("--fuzz-examples", type=int, default=12_500, help="examples of each random test under fuzz")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Try the same examples every time, but for what `--hypothesis-profile` says, which hypothesis loads after this."""
    settings.load_profile("ci")
    settings.register_profile("fuzz", max_examples=config.getoption("--fuzz-examples"), derandomize=False)


@pytest.fixture(scope="session", autouse=True)
def _every_request_is_legal() -> Iterator[None]:
    """Judge at the end what connectors sent to simulators meanwhile: nothing that no gate knows falls through."""
    with noted() as made:
        yield
    assert illegal(made) == set()


@pytest.fixture(scope="session")
def demo() -> Iterator[DemoServer]:
    """Serve the demo over 300 issues for as long as the tests run."""
    with demo_directory() as directory:
        server = start_demo(directory)
        try:
            yield server
        finally:
            assert server.stop() == 0


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of every later search for garbage: it stays to the end."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what other programs were not tried for."""
    reasons = dict.fromkeys(report.longrepr[2] for report in terminalreporter.getreports("skipped"))
    for reason in reasons:
        terminalreporter.write_line(reason.replace("Skipped", "skipped", 1))
