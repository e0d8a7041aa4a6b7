"""Ranges of the listener's settings, and who is trusted."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.listener.proxied import is_balancer
from omnisql_server.listener.server import is_loopback
from omnisql_server.listener.settings import ListenerSettings


@pytest.mark.parametrize(
    "values",
    [
        {"port": 70_000},
        {"connections_max": 0},
        {"startup_timeout_s": 0},
        {"message_bytes_max": 1 << 30},
        {"client_buffer_bytes_max": 1},
        {"statement_timeout_max_s": -1},
        {"drain_timeout_s": -1},
        {"tls_key_path": Path("key")},
    ],
)
def test_values_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationInvalid, match=next(iter(values))):
        ListenerSettings(**values)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("10.0.0.1", False), ("fe80::1%eth0", False)],
)
def test_loopback_is_told_from_the_rest(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
    ],
)
def test_balancers_are_told_from_the_rest(host: str, expected: bool) -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert is_balancer(host, networks) is expected
    assert not is_balancer(host, ())
