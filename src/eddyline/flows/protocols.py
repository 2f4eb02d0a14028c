"""Names and numbers of transport protocols, as the record writes them.

What belongs here: the table. What does not: application protocols.
"""

from __future__ import annotations

from typing import Final

NAME_OF: Final[dict[int, str]] = {
    0: "hopopt",
    1: "icmp",
    2: "igmp",
    4: "ipip",
    6: "tcp",
    8: "egp",
    9: "igp",
    17: "udp",
    27: "rdp",
    33: "dccp",
    41: "ipv6",
    46: "rsvp",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    88: "eigrp",
    89: "ospf",
    94: "ipip-94",
    103: "pim",
    112: "vrrp",
    115: "l2tp",
    124: "is-is",
    132: "sctp",
    136: "udplite",
    137: "mpls",
}
"""IANA protocol numbers that are met in practice."""

NUMBER_OF: Final[dict[str, int]] = {
    **{name: number for number, name in NAME_OF.items()},
    "icmp6": 58,
    "icmpv6": 58,
    "udt": 17,
    "ospfigp": 89,
    "pim-sm": 103,
}
"""Numbers by name, with other spellings."""

HAS_PORTS: Final = frozenset({"tcp", "udp", "sctp", "dccp", "udplite"})
"""Protocols whose flows have ports."""
