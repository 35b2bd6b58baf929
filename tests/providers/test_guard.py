from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.guard import AddressGuard, AddressRefused, check_url

PUBLIC = AddressGuard()


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.1", "100.63.0.1", "100.128.0.1",
                "2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808",
                "2002:808:808::1"]
)  # fmt: skip
def test_public_addresses_pass(address: str) -> None:
    PUBLIC.check(address)


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("127.255.255.254", id="loopback elsewhere"),
        pytest.param("0.0.0.0", id="unspecified, a round of its own"),
        pytest.param("0.1.2.3", id="this network"),
        pytest.param("10.0.0.1", id="private 10"),
        pytest.param("172.16.0.1", id="private 172.16"),
        pytest.param("172.31.255.255", id="private 172.31"),
        pytest.param("192.168.1.1", id="private 192.168"),
        pytest.param("169.254.169.254", id="cloud metadata"),
        pytest.param("169.254.170.2", id="container credentials"),
        pytest.param("100.100.100.200", id="metadata inside CGNAT"),
        pytest.param("100.64.0.1", id="CGNAT"),
        pytest.param("168.63.129.16", id="cloud host service"),
        pytest.param("192.0.0.192", id="protocol assignments"),
        pytest.param("192.0.2.1", id="documentation 1"),
        pytest.param("198.51.100.1", id="documentation 2"),
        pytest.param("203.0.113.1", id="documentation 3"),
        pytest.param("192.88.99.1", id="6to4 relay"),
        pytest.param("198.18.0.1", id="benchmarking"),
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("239.255.255.250", id="multicast, local"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("255.255.255.255", id="broadcast"),
        pytest.param("::", id="unspecified v6"),
        pytest.param("::1", id="loopback v6"),
        pytest.param("::7f00:1", id="IPv4-compatible"),
        pytest.param("::808:808", id="IPv4-compatible, public"),
        pytest.param("::ffff:127.0.0.1", id="mapped loopback"),
        pytest.param("::ffff:a9fe:a9fe", id="mapped metadata"),
        pytest.param("::ffff:0:127.0.0.1", id="IPv4-translated"),
        pytest.param("64:ff9b::a9fe:a9fe", id="NAT64 metadata"),
        pytest.param("64:ff9b::7f00:1", id="NAT64 loopback"),
        pytest.param("64:ff9b:1::a9fe:a9fe", id="NAT64 local use"),
        pytest.param("64:ff9b:1:808:8:800::", id="NAT64 local use, public"),
        pytest.param("2002:a9fe:a9fe::1", id="6to4 metadata"),
        pytest.param("2002:7f00:1::", id="6to4 loopback"),
        pytest.param("2002:a00:1::1", id="6to4 private"),
        pytest.param("2001:0:4136:e378:8000:63bf:3fff:fdd2", id="Teredo"),
        pytest.param("2001:2::1", id="benchmarking v6"),
        pytest.param("2001:10::1", id="ORCHID"),
        pytest.param("2001:db8::1", id="documentation v6"),
        pytest.param("3fff::1", id="documentation v6, new"),
        pytest.param("5f00::1", id="segment routing"),
        pytest.param("100::1", id="discard"),
        pytest.param("fc00::1", id="unique local"),
        pytest.param("fd00:ec2::254", id="metadata v6"),
        pytest.param("fe80::1", id="link-local v6"),
        pytest.param("fe80::1%eth0", id="zone"),
        pytest.param("2606:4700::1%1", id="zone on a public address"),
        pytest.param("fec0::1", id="site-local"),
        pytest.param("ff02::1", id="multicast v6"),
        pytest.param("4000::1", id="not given out"),
        pytest.param("2130706433", id="decimal"),
        pytest.param("0x7f000001", id="hexadecimal"),
        pytest.param("0177.0.0.1", id="octal"),
        pytest.param("127.1", id="short"),
        pytest.param("localhost", id="a name"),
        pytest.param("", id="empty"),
        pytest.param("\uff11\uff12\uff17.0.0.1", id="full-width digits"),
    ],
)  # fmt: skip
def test_everything_else_is_refused(address: str) -> None:
    with pytest.raises(AddressRefused) as refusal:
        PUBLIC.check(address)

    assert refusal.value.address == address
    assert refusal.value.reason


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 0xFFFF << 32]))
def test_no_ipv6_spelling_passes_where_the_ipv4_address_does_not(v4: int, prefix: int) -> None:
    plain = IPv4Address(v4)
    spellings = [IPv6Address(prefix | v4), IPv6Address((0x64FF9B << 96) | v4),
                 IPv6Address((0x2002 << 112) | (v4 << 80) | 1)]  # fmt: skip
    try:
        PUBLIC.check(str(plain))
    except AddressRefused:
        for spelling in spellings:
            with pytest.raises(AddressRefused):
                PUBLIC.check(str(spelling))


def test_the_operator_may_allow_networks() -> None:
    guard = AddressGuard.from_cidrs("127.0.0.0/8, fd00::/8")

    guard.check("127.0.0.1")
    guard.check("::ffff:127.0.0.1")
    guard.check("fd00::1")
    guard.check("8.8.8.8")
    for address in ["10.0.0.1", "::1", "64:ff9b::7f00:1", "2002:7f00:1::", "fe80::1"]:
        with pytest.raises(AddressRefused):
            guard.check(address)


@pytest.mark.parametrize("cidrs", ["127.0.0.1/8", "localhost", "10.0.0.0/33", ["10/8"]])
def test_a_wrong_network_is_no_network(cidrs: str | list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        AddressGuard.from_cidrs(cidrs)


def test_no_networks_means_none() -> None:
    assert AddressGuard.from_cidrs("").allowed == ()
    assert AddressGuard.from_cidrs([]) == AddressGuard()


@pytest.mark.parametrize(
    "url",
    ["https://api.cobalt.example/v1/chat/completions", "http://127.0.0.1:8080/v1", "https://[2606::1]/v1"],
)  # fmt: skip
def test_plain_urls_pass(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("ftp://a.example/", id="scheme"),
        pytest.param("file:///etc/passwd", id="file"),
        pytest.param("gopher://a.example/", id="gopher"),
        pytest.param("//a.example/v1", id="no scheme"),
        pytest.param("https:///v1", id="no host"),
        pytest.param("", id="empty"),
        pytest.param("https://user:pass@a.example/", id="user and password"),
        pytest.param("https://@a.example/", id="empty user"),
        pytest.param("https://a.example/#x", id="fragment"),
        pytest.param("https://a.example/#", id="empty fragment"),
        pytest.param("https://a.example:99999/", id="port"),
        pytest.param("https://a.example:x/", id="port not a number"),
        pytest.param("https://[::1", id="half an address"),
        pytest.param("https://[fe80::1%25eth0]/", id="zone"),
        pytest.param("https://a.example\\@b.example/", id="backslash"),
        pytest.param("https://a.example/\r\nHost: b", id="line end"),
        pytest.param("https://a.example/a b", id="blank"),
        pytest.param("https://a.exa%6dple/", id="escape in the host"),
    ],
)
def test_odd_urls_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url)
