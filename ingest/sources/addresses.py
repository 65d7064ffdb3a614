"""Which addresses of the network may be asked: by default none inside anybody's own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from ingest.errors import SourceForbidden, SourceUnavailable

Resolve = Callable[[str, int], Sequence[str]]
"""Gives the numeric addresses of a host; raises OSError or UnicodeError where it has none."""

_RELAYS = ip_network("192.88.99.0/24")
_GLOBAL_UNICAST = ip_network("2000::/3")
# RFC 6052: the last 32 bits are the IPv4 address that a gateway talks to.
_NAT64 = IPv6Network("64:ff9b::/96")


def system_addresses(host: str, port: int) -> list[str]:
    """Ask this machine's resolver once; it also reads odd spellings, such as decimal ones."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@dataclass(frozen=True)
class AddressPolicy:
    """Which addresses may be connected to, and who is asked for those of a host."""

    allow_private: bool = False
    resolve: Resolve = system_addresses

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
        return self.allow_private or is_public(address)


def is_public(address: str) -> bool:
    """Whether an address belongs to the open internet, and so does any IPv4 address inside it."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return _is_public_4(parsed) if isinstance(parsed, IPv4Address) else _is_public_6(parsed)


def _is_public_4(address: IPv4Address) -> bool:
    is_special = address.is_multicast or address.is_reserved or address in _RELAYS
    return address.is_global and not is_special


def _is_public_6(address: IPv6Address) -> bool:
    if address in _NAT64:
        return _is_public_4(IPv4Address(int(address) & 0xFFFFFFFF))
    if address.sixtofour is not None and not _is_public_4(address.sixtofour):
        return False
    # What carries an IPv4 address otherwise (::ffff:0:0/96, ::/96, Teredo) is not among these.
    return address in _GLOBAL_UNICAST and address.is_global


def _unknown_host(shown: str) -> SourceUnavailable:
    return SourceUnavailable(f"{shown}: the host is not known.", "Check the address.")
