"""Which addresses are part of the open internet."""

from __future__ import annotations

import pytest

from ingest.errors import SourceForbidden, SourceUnavailable
from ingest.sources.addresses import AddressPolicy, is_public, own_addresses, system_addresses


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.9",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:db8::1",
        "2002:7f00:1::",
        "2606:4700::5efe:808:808",
        "2606:4700::200:5efe:808:808",
        "3fff::1",
        "2002:a00:1::",
        "2002:a9fe:a9fe::",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%lo",
        "fec0::1",
        "ff02::1",
        "nonsense",
        "",
    ],
)
def test_private_and_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(SourceForbidden):
        AddressPolicy(resolve=lambda *_: [address]).addresses("host", 80, "http://host/")
    allowed = AddressPolicy(allow_private=True, resolve=lambda *_: [address])
    assert allowed.addresses("host", 80, "http://host/") == (address,)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "172.32.0.1",
        "2606:4700:4700::1111",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ],
)
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(address)
    policy = AddressPolicy(resolve=lambda *_: [address])
    assert policy.addresses("host", 80, "http://host/") == (address,)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "64:ff9b::808:808", "2002:808:808::1", "2606:4700::1"]
)
def test_a_public_address_of_this_machine_is_refused(address: str) -> None:
    policy = AddressPolicy(resolve=lambda *_: [address], own=lambda: ["8.8.8.8", "2606:4700:0::1"])
    with pytest.raises(SourceForbidden, match="this machine"):
        policy.addresses("host", 80, "http://host/")
    assert policy.permits("8.8.4.4", 80)
    assert "127.0.0.1" in own_addresses()


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost"])
def test_odd_spellings_are_what_the_resolver_reads_them_as(host: str) -> None:
    assert "127.0.0.1" in system_addresses(host, 80)


def test_a_host_that_nobody_knows_is_unavailable() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(SourceUnavailable):
        AddressPolicy(resolve=unknown).addresses("host", 80, "http://host/")
    with pytest.raises(SourceUnavailable):
        AddressPolicy().addresses("x" * 70, 80, "http://host/")
