"""What an address tells by itself: version, scope, network, inside or outside; once per distinct value.

What belongs here: facts of one address text. What does not: anything about the flows that carry it.
Address text is hostile: whatever does not parse has the scope ``invalid`` and is outside.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import UsageError

DEFAULT_INTERNAL: Final = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
)
"""Networks that count as inside when the user names none: RFC 1918, RFC 4193, link-local, loopback."""

SCOPES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("unspecified", ("0.0.0.0/32", "::/128")),
    ("broadcast", ("255.255.255.255/32",)),
    ("loopback", ("127.0.0.0/8", "::1/128")),
    ("private", ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")),
    ("link_local", ("169.254.0.0/16", "fe80::/10")),
    ("multicast", ("224.0.0.0/4", "ff00::/8")),
    ("shared", ("100.64.0.0/10",)),
    (
        "documentation",
        ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),
    ),
    ("reserved", ("0.0.0.0/8", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4", "100::/64")),
)
"""Scope names with their blocks, after the IANA special-purpose registries; the first match counts."""

_V4_IN_V6: Final = b"\x00" * 10 + b"\xff\xff"

Flags = NDArray[np.bool_]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Packed:
    """Addresses as numbers, in the order of their texts.

    Parameters
    ----------
    version
        4, 6, or 0 when the text is not an address; shape ``(n,)``.
    v4
        The 32 bits of an IPv4 address, or of one mapped into IPv6; 0 elsewhere.
    high, low
        Upper and lower 64 bits of an IPv6 address; 0 elsewhere.
    mapped
        True where an IPv6 address holds an IPv4 one (``::ffff:a.b.c.d``).
    """

    version: NDArray[np.uint8]
    v4: NDArray[np.uint32]
    high: NDArray[np.uint64]
    low: NDArray[np.uint64]
    mapped: Flags


def pack(address: str) -> bytes | None:
    """Give the 4 or 16 bytes of an address, or None when the text is not one.

    Parameters
    ----------
    address
        IPv4 or IPv6 text; a zone (``%eth0``) is ignored.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.inet_pton(family, address.partition("%")[0])
    except (OSError, ValueError):
        return None


def pack_all(addresses: Sequence[str]) -> Packed:
    """Give the numbers of many addresses.

    Parameters
    ----------
    addresses
        Any texts, best distinct.
    """
    n = len(addresses)
    packed = [pack(address) for address in addresses]
    blank = b"\x00" * 16
    wide = b"".join(blank if p is None else (_V4_IN_V6 + p if len(p) == 4 else p) for p in packed)
    words = np.frombuffer(wide, dtype=">u8").reshape(n, 2)
    version = np.fromiter(
        (0 if p is None else (4 if len(p) == 4 else 6) for p in packed), np.uint8, n
    )
    high, low = words[:, 0].astype(np.uint64), words[:, 1].astype(np.uint64)
    embedded = (high == 0) & ((low >> np.uint64(32)) == 0xFFFF)
    mapped = embedded & (version == 6)
    v4 = np.where(embedded, low & np.uint64(0xFFFFFFFF), 0).astype(np.uint32)
    six = version == 6
    return Packed(version, v4, np.where(six, high, 0), np.where(six, low, 0), mapped)


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Read networks as a user writes them.

    Parameters
    ----------
    texts
        CIDR or single addresses; host bits may be set.

    Raises
    ------
    UsageError
        When a text is not a network.
    """
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError as error:
            message = (
                f"an internal network must be an address or a CIDR block, got {text!r}; "
                "write it like 10.0.0.0/8 or fd00::/8"
            )
            raise UsageError(message) from error
    return tuple(found)


def in_networks(packed: Packed, nets: Iterable[Network]) -> Flags:
    """Tell which addresses lie in any of some networks.

    Parameters
    ----------
    packed
        Addresses, n of them. One mapped into IPv6 is judged by its IPv4 address too.
    nets
        Networks of either version.
    """
    inside = np.zeros(len(packed.version), dtype=np.bool_)
    is_v4, is_v6 = (packed.version == 4) | packed.mapped, packed.version == 6
    for net in nets:
        if net.version == 4:
            mask, base = np.uint32(int(net.netmask)), np.uint32(int(net.network_address))
            inside |= is_v4 & ((packed.v4 & mask) == base)
            continue
        mask_high, mask_low = divmod(int(net.netmask), 1 << 64)
        base_high, base_low = divmod(int(net.network_address), 1 << 64)
        inside |= (
            is_v6
            & ((packed.high & np.uint64(mask_high)) == np.uint64(base_high))
            & ((packed.low & np.uint64(mask_low)) == np.uint64(base_low))
        )
    return inside


def scopes(packed: Packed) -> list[str]:
    """Name the scope of each address.

    Parameters
    ----------
    packed
        Addresses, n of them.
    """
    names = ["global", *(name for name, _ in SCOPES), "invalid"]
    number = np.zeros(len(packed.version), dtype=np.uint8)
    for position, (_, blocks) in enumerate(SCOPES, start=1):
        hit = in_networks(packed, networks(blocks)) & (number == 0)
        number[hit] = position
    number[packed.version == 0] = len(names) - 1
    return [names[i] for i in number.tolist()]


def network_texts(packed: Packed, addresses: Sequence[str]) -> list[str]:
    """Give the /24 (IPv4) or /64 (IPv6) of each address as text; an invalid one stands for itself.

    Parameters
    ----------
    packed
        Addresses, n of them.
    addresses
        Their texts, in the same order.
    """
    texts: list[str] = []
    for address, version, v4, high in zip(
        addresses, packed.version.tolist(), packed.v4.tolist(), packed.high.tolist(), strict=True
    ):
        if version == 4:
            texts.append(f"{v4 >> 24}.{v4 >> 16 & 255}.{v4 >> 8 & 255}.0/24")
        elif version == 6:
            text = socket.inet_ntop(socket.AF_INET6, high.to_bytes(8, "big") + bytes(8))
            texts.append(f"{text}/64")
        else:
            texts.append(address)
    return texts


def is_directed_broadcast(packed: Packed, nets: Sequence[Network], inside: Flags) -> Flags:
    """Tell which addresses are the broadcast address of a network.

    The prefix lengths inside are not known from traffic: ``x.x.x.255`` of an internal /24 counts, and so
    does the last address of each declared IPv4 network of /8 or longer; ``255.255.255.255`` always.

    Parameters
    ----------
    packed
        Addresses, n of them.
    nets
        Declared internal networks.
    inside
        True where an address is internal, shape ``(n,)``.
    """
    v4 = packed.version == 4
    last = v4 & inside & ((packed.v4 & np.uint32(0xFF)) == 0xFF)
    limited = v4 & (packed.v4 == np.uint32(0xFFFFFFFF))
    declared = [int(n.broadcast_address) for n in nets if n.version == 4 and n.prefixlen <= 30]
    ends = np.array(declared, dtype=np.uint32)
    found: Flags = last | limited | (v4 & np.isin(packed.v4, ends))
    return found


class AddressFacts:
    """Facts of every address seen so far, each worked out once.

    Parameters
    ----------
    internal
        Networks that count as inside; None for ``DEFAULT_INTERNAL``.

    Examples
    --------
    >>> facts = AddressFacts()
    >>> facts.of(["10.1.2.3", "8.8.8.8", "x"]).select("scope", "internal").rows()
    [('private', True), ('global', False), ('invalid', False)]
    """

    def __init__(self, internal: Sequence[str] | None = None) -> None:
        self.networks: tuple[Network, ...] = networks(
            DEFAULT_INTERNAL if internal is None else internal
        )

    def of(self, addresses: Sequence[str]) -> pl.DataFrame:
        """Give one row of facts an address, in order.

        Columns: ``address``, ``version`` (4, 6 or null), ``scope``, ``internal``, ``network`` (its /24
        or /64) and ``broadcast`` (a broadcast address, limited or directed).

        Parameters
        ----------
        addresses
            Any texts, best distinct.
        """
        packed = pack_all(addresses)
        inside = in_networks(packed, self.networks)
        return pl.DataFrame(
            {
                "address": pl.Series(addresses, dtype=pl.String),
                "version": pl.Series(packed.version, dtype=pl.UInt8),
                "scope": pl.Series(scopes(packed), dtype=pl.String),
                "internal": pl.Series(inside, dtype=pl.Boolean),
                "network": pl.Series(network_texts(packed, addresses), dtype=pl.String),
                "broadcast": pl.Series(
                    is_directed_broadcast(packed, self.networks, inside), dtype=pl.Boolean
                ),
            }
        ).with_columns(pl.col("version").replace(0, None))

    def is_internal(self, addresses: Sequence[str]) -> Flags:
        """Tell which addresses are inside.

        Parameters
        ----------
        addresses
            Any texts, best distinct.
        """
        return in_networks(pack_all(addresses), self.networks)
