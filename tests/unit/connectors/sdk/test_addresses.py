"""Which addresses the fence lets through, and which spellings of hosts."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_network import LOOPBACK

from connectors.sdk.addresses import Fence, is_plain_host
from connectors.sdk.errors import OptionInvalid
from connectors.sdk.options import checked_base_url

STRICT = Fence()
PUBLIC = ("8.8.8.8", "140.82.121.6", "1.1.1.1", "192.0.1.1", "100.63.255.255", "100.128.0.1", "2606:4700::1111")
PRIVATE = (
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "127.0.0.1", "127.255.255.254", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("100.64.0.1", "100.100.100.200", "169.254.169.254", "168.63.129.16", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
    *("198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::7f00:1", "fe80::1", "fe80::1%1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1"),
    *("2001::1", "2001:2::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe"),
    *("64:ff9b:1::10.0.0.1", "64:ff9b:1::8.8.8.8", "4000::1"),
)
ODD_SPELLINGS = (
    *("2130706433", "017700000001", "0x7f000001", "0x7f.1", "127.1", "127.0.1", "0", "0177.0.0.1", "127.0.0.01"),
    *("127.0.0.1.", "127.0.0.0x1", "1.1.1", "134744072", "8.8.8.8.", "256.256.256.256", "a.1", "example.0x7f", "0x"),
    *("①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1", "lo\N{LATIN SMALL LETTER LONG S}t", "127.0.0.%31", "exa mple"),
    *(
        ".",
        "",
        "..",
        "a..b",
        "example..",
        "fe80::1%1",
        "[::1]",
        "1:2",
        "::ffff:127.1",
        "user@host",
        "a\\b",
        "a/b",
        "a\0",
    ),
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    assert STRICT.allows(address)
    assert STRICT.allows_host(address)


@pytest.mark.parametrize("address", ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_public_addresses_within_others_are_allowed(address: str) -> None:
    assert STRICT.allows(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_all_other_addresses_are_refused(address: str) -> None:
    assert not STRICT.allows(address)
    assert not STRICT.allows_host(address)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost.", "metadata.localhost"])
def test_the_name_of_this_machine_is_refused_without_a_look_up(host: str) -> None:
    assert is_plain_host(host)
    assert not STRICT.allows_host(host)
    assert LOOPBACK.allows_host(host)


@pytest.mark.parametrize("host", ODD_SPELLINGS)
def test_a_host_that_can_be_read_in_two_ways_is_refused_even_where_its_address_is_allowed(host: str) -> None:
    everything = Fence(allowed_networks=(ip_network("0.0.0.0/0"), ip_network("::/0")))
    assert not is_plain_host(host)
    assert not everything.allows_host(host)


@pytest.mark.parametrize("host", ["api.github.com", "api.github.com.", "a_b.xn--mller-kva.example", "1e100.net", "a-1"])
def test_names_may_be_asked(host: str) -> None:
    assert STRICT.allows_host(host)
    assert not STRICT.allows(host)


def test_only_what_is_configured_is_let_through() -> None:
    fence = Fence(allowed_networks=(ip_network("10.1.0.0/16"), ip_network("fd00:1::/32")))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "fd00:1::5", "8.8.8.8"):
        assert fence.allows(address), address
    for address in ("10.2.0.1", "127.0.0.1", "fd00:2::5", "64:ff9b::10.1.2.3", "2002:a01:203::", "::10.1.2.3"):
        assert not fence.allows(address), address


@given(st.ip_addresses())
def test_what_is_not_global_is_refused(address: object) -> None:
    parsed = ip_address(str(address))
    reached = (parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None) or parsed
    if not reached.is_global or reached.is_multicast:
        assert not STRICT.allows(str(address))


@given(st.ip_addresses(v=4))
def test_an_address_within_another_is_no_way_around(inner: object) -> None:
    number = int(ip_address(str(inner)))
    for prefix in ("::", "::ffff:0:0", "64:ff9b::"):
        outer = str(IPv6Address(int(IPv6Address(prefix)) | number))
        assert not STRICT.allows(outer) or STRICT.allows(str(inner))


@given(st.text() | st.from_regex(r"[0-9xa-f.:%\[\]]{1,40}"))
def test_any_text_is_judged(host: str) -> None:
    assert not (STRICT.allows(host) and not STRICT.allows_host(host))
    assert LOOPBACK.allows_host(host) or not STRICT.allows_host(host)


@pytest.mark.parametrize("host", [host for host in ODD_SPELLINGS if not set(host) & set("/:[")])
def test_a_base_url_spells_its_host_plainly(host: str) -> None:
    with pytest.raises(OptionInvalid, match="base_url"):
        checked_base_url(f"http://{host}/api", "shop")


@pytest.mark.parametrize(
    "text",
    [
        "http://①②⑦.⓪.⓪.①",
        "http://127。0。0。1",
        "https://m\N{LATIN SMALL LETTER U WITH DIAERESIS}ller.example",
        "http://127.0.0.%31",
        "http://evil.example\\@127.0.0.1",
        "http://a@127.0.0.1",
        "http://[::1%25lo]/",
        "http://[::1]x/",
        "http://[::1]:80x/",
        "http://x[::1]/",
    ],
)
def test_a_base_url_hides_no_other_host(text: str) -> None:
    with pytest.raises(OptionInvalid) as caught:
        checked_base_url(text, "shop")
    assert caught.value.sqlstate == "HV00D"
