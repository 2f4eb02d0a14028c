"""Facts of addresses agree with the standard library, and hostile text is never more than invalid."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import UsageError
from eddyline.flows.addresses import AddressFacts, networks, pack

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))

SCOPES = {
    "10.1.2.3": "private",
    "172.31.255.255": "private",
    "172.32.0.0": "global",
    "192.168.7.1": "private",
    "fd12::1": "private",
    "8.8.8.8": "global",
    "2a00:1450::1": "global",
    "127.0.0.1": "loopback",
    "::1": "loopback",
    "169.254.9.9": "link_local",
    "fe80::1%eth0": "link_local",
    "224.0.0.251": "multicast",
    "ff02::fb": "multicast",
    "255.255.255.255": "broadcast",
    "0.0.0.0": "unspecified",  # noqa: S104 - an address, not a binding
    "::": "unspecified",
    "192.0.2.7": "documentation",
    "2001:db8::7": "documentation",
    "100.64.0.1": "shared",
    "240.0.0.1": "reserved",
    "::ffff:10.0.0.1": "private",
    "": "invalid",
    "10.0.0": "invalid",
    "10.0.0.256": "invalid",
    "host.example": "invalid",
    "00:11:22:33:44:55": "invalid",
}


def test_each_scope_is_named():
    """One address of every kind."""
    facts = AddressFacts().of(list(SCOPES))

    assert dict(zip(SCOPES, facts["scope"], strict=True)) == SCOPES


@given(st.lists(ADDRESSES, max_size=20))
@settings(deadline=None)
def test_inside_agrees_with_the_standard_library(addresses):
    """For any networks of both versions."""
    nets = ["10.0.0.0/9", "192.168.4.0/23", "fd00::/8", "2001:db8:1:2:8000::/65", "1.2.3.4"]
    wanted = [
        any(a.version == n.version and a in n for n in map(ipaddress.ip_network, nets))
        for a in addresses
    ]

    found = AddressFacts(nets).is_internal([str(a) for a in addresses])

    assert found.tolist() == [
        w or _mapped_inside(a, nets) for w, a in zip(wanted, addresses, strict=True)
    ]


def _mapped_inside(address, nets):
    """Tell whether an address holds an IPv4 one that is inside."""
    inner = getattr(address, "ipv4_mapped", None)
    return inner is not None and any(
        n.version == 4 and inner in n for n in map(ipaddress.ip_network, nets)
    )


@given(st.lists(ADDRESSES, min_size=1, max_size=20))
@settings(deadline=None)
def test_networks_and_versions_agree_with_the_standard_library(addresses):
    """/24 of IPv4 and /64 of IPv6."""
    facts = AddressFacts().of([str(a) for a in addresses])

    assert facts["version"].to_list() == [a.version for a in addresses]
    assert [ipaddress.ip_network(n) for n in facts["network"]] == [
        ipaddress.ip_network(f"{a}/{24 if a.version == 4 else 64}", strict=False)
        for a in addresses
    ]


@given(st.lists(st.text(max_size=40), max_size=10))
@settings(deadline=None)
def test_hostile_text_never_raises(texts):
    """Whatever stands there gets a row."""
    facts = AddressFacts().of(texts)

    assert facts["address"].to_list() == texts
    for text, scope in zip(texts, facts["scope"], strict=True):
        assert (scope == "invalid") == (pack(text) is None)


def test_lone_surrogates_are_invalid():
    """Text that cannot even be encoded is not an address."""
    assert pack("10.0.0.\udc80") is None


@pytest.mark.parametrize(
    ("address", "is_broadcast"),
    [
        ("255.255.255.255", True),
        ("10.1.2.255", True),
        ("10.1.2.254", False),
        ("8.8.8.255", False),
        ("203.0.113.63", True),
        ("203.0.113.62", False),
    ],
)
def test_broadcast_addresses_of_internal_networks(address, is_broadcast):
    """Declared networks end where their prefix says; others inside at .255."""
    facts = AddressFacts(["10.0.0.0/8", "203.0.113.0/26"]).of([address])

    assert facts["broadcast"].to_list() == [is_broadcast]


@pytest.mark.parametrize("text", ["", "10.0.0.0/33", "net", "10.0.0.0/8/8"])
def test_a_network_that_is_none_is_refused(text):
    """The message shows what was given."""
    with pytest.raises(UsageError, match="CIDR"):
        networks([text])
