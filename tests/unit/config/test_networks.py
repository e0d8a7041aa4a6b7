"""Networks, hosts and proxies as settings write them, and what is said of those that are none."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnisql_server.errors import ConfigurationInvalid
from omnisql_server.networks import hosts_of, networks_of, proxy_of
from omnisql_server.settings import ListenerSettings, NetworkSettings, PolicySettings, Settings


def test_networks_are_separated_by_commas_and_may_be_single_addresses() -> None:
    expected = (ip_network("10.0.0.0/8"), ip_network("192.0.2.7/32"), ip_network("fd00::/8"))
    assert networks_of(" 10.0.0.0/8,192.0.2.7 , fd00::/8") == expected
    assert networks_of(None) == ()


def test_hosts_are_lower_case() -> None:
    assert hosts_of("GHE.corp.example, .Inner.example,10.0.0.1,::1") == (
        "ghe.corp.example",
        ".inner.example",
        "10.0.0.1",
        "::1",
    )


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "x", "10.0.0.0/8,", "10.0.0.0/8;fd00::/8", "*"])
def test_what_is_no_network_is_refused_at_the_start(text: str) -> None:
    for section, tree in (
        ("network.allowed_networks", {"network": NetworkSettings(allowed_networks=text)}),
        ("listener.proxy_protocol_from", {"listener": ListenerSettings(proxy_protocol_from=text)}),
    ):
        with pytest.raises(ConfigurationInvalid) as caught:
            replace(Settings(), **tree)
        assert caught.value.message == f"setting {section} is not valid"
        assert "networks like 10.0.0.0/8, comma-separated" in str(caught.value.detail)


@pytest.mark.parametrize("text", ["http://h", "h:80", "*.h", "a b", ".", "a,,b", "h\N{CYRILLIC SMALL LETTER A}"])
def test_what_is_no_host_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"network\.no_proxy is not valid"):
        replace(Settings(), network=NetworkSettings(no_proxy=text))


@pytest.mark.parametrize(
    "text",
    [
        "proxy:3128",
        "socks5://u:hunter2@p",
        "http://",
        "http://u:hunter2@p/path",
        "http://u:hunter2@p:99999",
        "http://p?q",
    ],
)
def test_what_is_no_proxy_is_refused_without_showing_its_password(text: str) -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        replace(Settings(), network=NetworkSettings(proxy_url=text))
    assert caught.value.message == "setting network.proxy_url is not valid"
    assert "hunter2" not in str(vars(caught.value))


def test_a_proxy_with_a_password_is_kept_and_not_shown() -> None:
    url = "http://user:hunter2@proxy.example:3128"
    settings = replace(Settings(), network=NetworkSettings(proxy_url=url))
    assert proxy_of(settings.network.proxy_url) == url
    assert "hunter2" not in repr(settings)


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for parse in (networks_of, hosts_of, proxy_of):
        try:
            parse(text)
        except ValueError:
            continue


@pytest.mark.parametrize("text", ["opa:8181", "http://u:hunter2@opa", "http://opa/v1", "ftp://opa"])
def test_what_is_no_policy_server_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"policy\.server_url is not valid"):
        replace(Settings(), policy=PolicySettings(server_url=text))


def test_a_policy_server_and_a_policy_file_exclude_each_other() -> None:
    with pytest.raises(ConfigurationInvalid, match=r"policy\.server_url contradicts"):
        replace(Settings(), policy=PolicySettings(server_url="http://opa:8181", file=Path("policy.yaml")))
