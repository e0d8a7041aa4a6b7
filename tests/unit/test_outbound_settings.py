"""The way out to sources as the settings of the server describe it."""

from __future__ import annotations

import datetime
import ssl
from pathlib import Path

import pytest

from omnisql_server.demo import reaching_simulators
from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.listener.tls import make_self_signed
from omnisql_server.outbound import transport_settings
from omnisql_server.settings import NetworkSettings, Settings


def test_the_systems_authorities_stay_trusted(tmp_path: Path) -> None:
    ca_file, _ = make_self_signed(tmp_path, ["ca.example"], now=datetime.datetime.now(datetime.UTC))
    context = transport_settings(Settings(network=NetworkSettings(ca_file=ca_file))).outbound.tls
    assert context is not None
    system = ssl.create_default_context().cert_store_stats()["x509"]
    assert context.cert_store_stats()["x509"] == system + 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is True


def test_a_file_that_holds_no_authority_ends_the_start(tmp_path: Path) -> None:
    empty, garbage, broken = tmp_path / "empty.pem", tmp_path / "garbage.pem", tmp_path / "broken.pem"
    empty.write_text("")
    garbage.write_bytes(b"\0\xff" * 100)
    broken.write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    for file in (tmp_path / "none.pem", tmp_path, empty, garbage, broken):
        with pytest.raises(ConfigurationInvalid) as raised:
            transport_settings(Settings(network=NetworkSettings(ca_file=file)))
        assert raised.value.sqlstate == "F0000"
        assert str(file) in str(raised.value.detail)


def test_settings_reach_the_transport() -> None:
    settings = Settings(
        network=NetworkSettings(
            allowed_networks="10.0.0.0/8", proxy_url="http://p:1", proxy_resolves=True, no_proxy="A.example"
        )
    )
    outbound = transport_settings(settings).outbound
    assert outbound.fence.allows("10.1.1.1")
    assert not outbound.fence.allows("127.0.0.1")
    assert (outbound.proxy_url, outbound.proxy_resolves, outbound.no_proxy) == ("http://p:1", True, ("a.example",))
    assert not transport_settings(Settings()).outbound.fence.allows("127.0.0.1")


def test_the_demo_reaches_its_simulators_by_no_proxy_and_keeps_what_is_configured() -> None:
    alone = reaching_simulators(NetworkSettings())
    assert (alone.allowed_networks, alone.no_proxy) == ("127.0.0.0/8", "127.0.0.1")
    given = NetworkSettings(allowed_networks="10.0.0.0/8", no_proxy=".example", proxy_url="http://p")
    outbound = transport_settings(Settings(network=reaching_simulators(given))).outbound
    assert outbound.fence.allows("10.0.0.1")
    assert outbound.fence.allows("127.0.0.1")
    assert not outbound.is_proxied("127.0.0.1")
    assert not outbound.is_proxied("a.example")
    assert outbound.is_proxied("api.github.com")
