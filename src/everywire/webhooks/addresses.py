"""Where a request may go.

A webhook's address comes from whoever sets it up, and the request comes from inside: so it could be
made to reach what only the inside reaches (server-side request forgery). What decides is the IP
address, after the name was looked up; how it was written (``0x7f.1``, ``localtest.me``) is no
matter. The list is ours and is the IANA's registries of special addresses, because what Python
takes for private differs between its versions.

IPv6 turns it round: only global unicast (``2000::/3``) is public, less what is special in it. An
IPv4 address inside an IPv6 one, mapped or translated (RFC 6052), is judged as itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from everywire.core.errors import UsageError

Address = IPv4Address | IPv6Address

_Networks = tuple[IPv4Network | IPv6Network, ...]


def _networks(*texts: str) -> _Networks:
    return tuple(map(ip_network, texts))


PRIVATE: Final = _networks(
    # Loopback, RFC 1918, carriers' own (RFC 6598), and the same of IPv6.
    *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"),
    *("::1/128", "fc00::/7"),
)
"""Networks that a setting may allow."""

METADATA: Final = _networks("169.254.169.254/32", "fd00:ec2::254/128", "100.100.100.200/32")
"""Where clouds tell a machine its own secrets; never allowed, though two are private."""

_SPECIAL: Final = _networks(
    # This host, link-local, protocol assignments, documentation, 6to4 relays, benchmarks,
    # multicast, reserved.
    *("0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24"),
    *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    # Protocol assignments (Teredo among them), documentation, 6to4.
    *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
)
_UNICAST: Final = IPv6Network("2000::/3")
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")

_SCHEMES: Final = {"http": 80, "https": 443}
_MAX_URL: Final = 4096


class Target(NamedTuple):
    """Where a request goes.

    Attributes:
        secure: Whether over TLS.
        host: A name, or an address without brackets.
        port: TCP.
        path: With its query.
        origin: Scheme, host and port as they were written; it holds no secret.
    """

    secure: bool
    host: str
    port: int
    path: str
    origin: str

    @property
    def authority(self) -> str:
        """What the Host header says."""
        return self.origin.partition("://")[2]


class Reach(NamedTuple):
    """Which addresses may be spoken to.

    Attributes:
        private: Loopback and private networks too.
        plain: Without TLS, too.
    """

    private: bool = False
    plain: bool = False


def target_of(url: str, reach: Reach) -> Target:
    """Take the address of a webhook apart.

    Raises:
        UsageError: It is none, or needs what is not allowed.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > _MAX_URL:
        parts = urlsplit("")
    default = _SCHEMES.get(parts.scheme)
    if default is None or not parts.hostname or port == 0:
        raise UsageError(
            "the address of a webhook is https://, a host, perhaps a port and a path; "
            "what was given is not"
        )
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise UsageError("the address of a webhook holds no user, password or fragment")
    if parts.scheme == "http" and not reach.plain:
        raise UsageError(
            f"{parts.hostname} would be spoken to without TLS; use https://, or allow_http = true"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    origin = f"{parts.scheme}://{parts.netloc}"
    return Target(parts.scheme == "https", parts.hostname, port or default, path, origin)


def refusal(address: Address, reach: Reach) -> str | None:
    """Why an address is not spoken to, in a few words; None: it is."""
    inner = _inner(address)
    if inner is not None:
        return refusal(inner, reach)
    if _within(address, METADATA):
        return "a cloud's metadata service"
    if _within(address, PRIVATE):
        return None if reach.private else "a private address, and allow_private is not set"
    if _within(address, _SPECIAL) or not (address.version == 4 or address in _UNICAST):
        return "a special address, which is never spoken to"
    return None


def allowed(texts: Iterable[str], reach: Reach) -> tuple[list[str], list[str]]:
    """Sort the addresses that a name has.

    Args:
        texts: The addresses, in the order in which they are to be tried.
        reach: What is allowed.

    Returns:
        Those that may be spoken to; and why the others may not.
    """
    good: list[str] = []
    bad: list[str] = []
    for text in dict.fromkeys(texts):
        why = refusal(ip_address(text), reach)
        if why is None:
            good.append(text)
        else:
            bad.append(f"{text} is {why}")
    return good, bad


def _inner(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one is only a way of writing."""
    if address.version == 4:
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(address.packed[-4:]) if address in _TRANSLATED else None


def _within(address: Address, networks: _Networks) -> bool:
    return any(address in network for network in networks)
