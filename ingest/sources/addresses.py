"""Which addresses of the network may be asked: by default none inside anybody's own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import psutil

from ingest.errors import SourceForbidden, SourceUnavailable

Resolve = Callable[[str, int], Sequence[str]]
"""Gives the numeric addresses of a host; raises OSError or UnicodeError where it has none."""

_SPECIAL_4 = (
    ip_network("192.88.99.0/24"),  # relays of 6to4
    ip_network("192.0.0.0/24"),  # for protocols, of which a few are called global
    ip_network("168.63.129.16/32"),  # what a virtual machine of Azure asks about itself
)
_DOCUMENTATION_6 = ip_network("3fff::/20")
_GLOBAL_UNICAST = ip_network("2000::/3")
# RFC 6052: the last 32 bits are the IPv4 address that a gateway talks to.
_NAT64 = IPv6Network("64:ff9b::/96")
# RFC 5214: so begins the second half of an address that tunnels to the IPv4 address at its end.
_ISATAP = (0x00005EFE, 0x02005EFE)


def system_addresses(host: str, port: int) -> list[str]:
    """Ask this machine's resolver once; it also reads odd spellings, such as decimal ones."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def own_addresses() -> list[str]:
    """The addresses of this machine's interfaces, of which some may be public, as they are now."""
    kinds = (socket.AF_INET, socket.AF_INET6)
    found = (one for interface in psutil.net_if_addrs().values() for one in interface)
    return [one.address.partition("%")[0] for one in found if one.family in kinds]


@dataclass(frozen=True)
class AddressPolicy:
    """Which addresses may be connected to, and who is asked for those of a host and our own."""

    allow_private: bool = False
    resolve: Resolve = system_addresses
    own: Callable[[], Iterable[str]] = own_addresses

    def addresses(self, host: str, port: int, shown: str) -> tuple[str, ...]:
        """The addresses of a host, to connect to as they are: asking again may tell others.

        Raises SourceForbidden where one of them may not be asked, SourceUnavailable where there
        are none.
        """
        try:
            found = tuple(self.resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise _unknown_host(shown) from error
        if not found:
            raise _unknown_host(shown)
        if not all(self.permits(address, port) for address in found):
            raise SourceForbidden(
                f"{shown}: the host leads to this machine or into a private network.",
                "Use --allow-private if that is meant to be read.",
            )
        return found

    def permits(self, address: str, port: int) -> bool:  # noqa: ARG002 - for narrower policies
        """Whether a numeric address may be connected to."""
        return self.allow_private or (is_public(address) and not self._is_own(address))

    def _is_own(self, address: str) -> bool:
        """Whether it leads to this machine, also through a gateway that translates it."""
        return not _meant(address).isdisjoint(ip_address(one) for one in self.own())


def is_public(address: str) -> bool:
    """Whether an address belongs to the open internet, and so does any IPv4 address inside it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return _is_public_4(parsed) if isinstance(parsed, IPv4Address) else _is_public_6(parsed)


def _is_public_4(address: IPv4Address) -> bool:
    is_special = any(address in network for network in _SPECIAL_4)
    return address.is_global and not (is_special or address.is_multicast or address.is_reserved)


def _is_public_6(address: IPv6Address) -> bool:
    if (int(address) >> 32) & 0xFFFFFFFF in _ISATAP or address in _DOCUMENTATION_6:
        return False
    if address in _NAT64:
        return _is_public_4(_last_32_bits(address))
    if address.sixtofour is not None and not _is_public_4(address.sixtofour):
        return False
    # What carries an IPv4 address otherwise (::ffff:0:0/96, ::/96, Teredo) is not among these.
    return address in _GLOBAL_UNICAST and address.is_global


def _meant(address: str) -> set[IPv4Address | IPv6Address]:
    """An address and the IPv4 address inside it."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv4Address):
        return {parsed}
    inner = _last_32_bits(parsed) if parsed in _NAT64 else parsed.sixtofour
    return {parsed} if inner is None else {parsed, inner}


def _last_32_bits(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)


def _unknown_host(shown: str) -> SourceUnavailable:
    return SourceUnavailable(f"{shown}: the host is not known.", "Check the address.")
