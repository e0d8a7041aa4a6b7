"""A server with one tenant whose users come from an identity provider, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from issuer import Issuer, issuing
from log_in_world import TENANT, LogInWorld
from served import Served, served_directory, start_served

POLICY = """
version: 1
denials:
  - {name: sources-of-engineers, tables: [omnisql.sources], except: {groups: [engineers]}}
  - {name: tables-of-the-eu, tables: [omnisql.tables], except: {region: [eu]}}
"""


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def served(issuer: Issuer) -> Iterator[Served]:
    with served_directory() as directory:
        (directory / "policy.yaml").write_text(POLICY, encoding="utf-8")
        settings: dict[str, dict[str, object]] = {
            "network": {"allowed_networks": "127.0.0.0/8"},
            "policy": {"file": str(directory / "policy.yaml")},
            "log_in": {"keys_wait_s": 0.1},
            "http": {"port": 0},
        }
        server = start_served(directory, settings)
        try:
            server.create_tenant(TENANT, "ana", "bob")
            with server.connect(TENANT) as admin:
                admin.execute("CREATE ROLE analysts LOGIN")
                admin.execute("CREATE ROLE engineers")
                admin.execute("GRANT engineers TO bob")
                admin.execute("CREATE ROLE svc_reports LOGIN")
                admin.execute("CREATE ROLE guessed LOGIN")
            yield server
        finally:
            assert server.stop() == 0


@pytest.fixture
def world(served: Served, issuer: Issuer) -> LogInWorld:
    """Give the server with the usual rules."""
    world = LogInWorld(served=served, issuer=issuer)
    world.set_rules(world.rules())
    return world
