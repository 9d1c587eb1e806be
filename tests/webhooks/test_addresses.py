"""webhooks.addresses: where a request may go."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everywire.core.errors import UsageError
from everywire.webhooks.addresses import Reach, allowed, refusal, target_of

PUBLIC = Reach()
INSIDE = Reach(private=True)
PLAIN = Reach(plain=True)

PUBLIC_ONES = ["93.184.216.34", "8.8.8.8", "172.15.255.255", "172.32.0.0", "2606:4700::1111"]
PRIVATE_ONES = [
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "100.64.0.1", "100.127.255.255", "::1", "fc00::1", "fdff::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::10.1.2.3"),
]
NEVER = [
    *("0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.1", "192.0.0.8", "192.0.2.1"),
    *("198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1", "240.0.0.1"),
    *("255.255.255.255", "192.88.99.1", "100.100.100.200", "fd00:ec2::254"),
    *("::", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1", "2001::1"),
    *("2002:7f00:1::", "3fff::1", "::7f00:1", "64:ff9b:1::1", "5f00::1", "100::1"),
    *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "::ffff:0:127.0.0.1"),
]


@pytest.mark.parametrize("text", PUBLIC_ONES)
def test_public_addresses_are_spoken_to(text: str) -> None:
    assert refusal(ip_address(text), PUBLIC) is None


@pytest.mark.parametrize("text", PRIVATE_ONES)
def test_private_ones_only_where_that_is_set(text: str) -> None:
    assert "allow_private is not set" in (refusal(ip_address(text), PUBLIC) or "")
    assert refusal(ip_address(text), INSIDE) is None


@pytest.mark.parametrize("text", NEVER)
def test_special_ones_never(text: str) -> None:
    assert refusal(ip_address(text), PUBLIC)
    assert refusal(ip_address(text), INSIDE)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_the_same_however_it_is_written(address: object) -> None:
    plain = ip_address(str(address))
    for form in (f"::ffff:{address}", f"64:ff9b::{address}"):
        for reach in (PUBLIC, INSIDE):
            assert refusal(ip_address(form), reach) == refusal(plain, reach)


@given(st.ip_addresses(v=6))
def test_what_python_takes_for_private_is_not_public_here(address: object) -> None:
    known = ip_address(str(address))
    if refusal(known, PUBLIC) is None and known not in ip_network("64:ff9b::/96"):
        assert known.is_global


def test_of_several_those_that_may_be_are_taken_in_their_order() -> None:
    good, bad = allowed(["10.0.0.1", "8.8.8.8", "1.1.1.1", "8.8.8.8"], PUBLIC)
    assert good == ["8.8.8.8", "1.1.1.1"]
    assert bad == ["10.0.0.1 is a private address, and allow_private is not set"]


def test_an_address_is_taken_apart() -> None:
    target = target_of("https://hooks.example:8443/in?x=1", PUBLIC)
    assert target == (True, "hooks.example", 8443, "/in?x=1", "https://hooks.example:8443")
    assert target.authority == "hooks.example:8443"
    assert target_of("https://hooks.example", PUBLIC)[2:4] == (443, "/")
    six = target_of("http://[::1]/", PLAIN)
    assert (six.host, six.port, six.authority) == ("::1", 80, "[::1]")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "hooks.example",
            "ftp://hooks.example/",
            "https:///x",
            "https://h:0/",
            "https://h:x/",
        ),
        *("https://h/ x", "https://h/\r\nX-Evil: 1", "https://é.example/", "file:///etc/passwd"),
        *("https://[::1", "https://h/" + "a" * 4096, "gopher://h/", "https://h:99999/"),
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="the address of a webhook is https://"):
        target_of(url, PLAIN)


@pytest.mark.parametrize("url", ["https://u@h/", "https://u:p@h/", "https://h/#x"])
def test_what_an_address_may_not_hold(url: str) -> None:
    with pytest.raises(UsageError, match="holds no user, password or fragment"):
        target_of(url, PUBLIC)


def test_without_tls_only_where_that_is_set() -> None:
    with pytest.raises(UsageError, match="without TLS"):
        target_of("http://hooks.example/", PUBLIC)
    assert target_of("http://hooks.example/", PLAIN).port == 80
