"""From the first byte of a frame to the first byte of its network header.

What belongs here: link layers, VLAN and MPLS tags, PPPoE. What does not: anything inside the network
header. Every read is inside ``[R_BEGIN, R_END)``. Where NFStream would not find the network header of a
frame, ``R_LINK_PEER`` becomes 0; see ``docs/reference/meter.md``.
"""

from __future__ import annotations

from typing import Final

from numpy import int64

from eddyline.flows.meter.jit import inline
from eddyline.flows.meter.layout import (
    CUT_LINK,
    NOT_IP,
    OK,
    R_END,
    R_L3,
    R_LINK_PEER,
    R_OUTER,
    R_VLAN,
    R_VLANS,
    UNKNOWN_LINK,
    Bytes,
    Integers,
    Word,
)

NULL: Final = 0
ETHERNET: Final = 1
PPP: Final = 9
RAW_BSD: Final = 12
RAW_OPENBSD: Final = 14
PPP_SERIAL: Final = 50
RAW: Final = 101
CISCO_HDLC: Final = 104
LOOP: Final = 108
LINUX_COOKED: Final = 113
RADIOTAP: Final = 127
RAW_IPV4: Final = 228
RAW_IPV6: Final = 229
LINUX_COOKED_2: Final = 276

PEER_LEAST: Final = 28
"""NFStream takes no frame with fewer captured bytes."""


@inline
def be16(data: Bytes, at: int) -> Word:
    """Read two bytes, network order."""
    return (int64(data[at]) << 8) | int64(data[at + 1])


@inline
def be32(data: Bytes, at: int) -> Word:
    """Read four bytes, network order."""
    return (be16(data, at) << 16) | be16(data, at + 2)


@inline
def be64(data: Bytes, at: int) -> Word:
    """Read eight bytes, network order; the sign means nothing."""
    return (be32(data, at) << 32) | be32(data, at + 4)


@inline
def ethernet(data: Bytes, at: int, r: Integers) -> Word:
    """Read an Ethernet header, IEEE 802.3 with LLC/SNAP included."""
    if at + 14 > r[R_END]:
        return CUT_LINK
    kind = be16(data, at + 12)
    at += 14
    if 0 < kind <= 1500:
        if at + 8 > r[R_END]:
            return CUT_LINK
        if data[at] != 0xAA and data[at + 1] != 0xAA:
            return NOT_IP
        kind = be16(data, at + 6)
        at += 8
    return tags(data, at, kind, r)


@inline
def tags(data: Bytes, at: int, kind: int, r: Integers) -> Word:
    """Step over VLAN and MPLS tags and PPPoE, by EtherType."""
    while kind in (0x8100, 0x88A8, 0x9100):
        if at + 4 >= r[R_END]:
            return CUT_LINK
        if kind != 0x8100:
            r[R_LINK_PEER] = 0
        tag = be16(data, at) & 0xFFF
        if r[R_VLANS] == 0:
            r[R_OUTER] = tag
        r[R_VLAN] = tag
        r[R_VLANS] = min(r[R_VLANS] + 1, 2)
        kind = be16(data, at + 2)
        at += 4
    if kind == 0x8864 and at + 8 <= r[R_END]:
        kind = ppp_kind(be16(data, at + 6))
        at += 8
    if kind in (0x8847, 0x8848):
        at = after_labels(data, at, r[R_END])
        kind = 0x0800
    if at > r[R_END]:
        return CUT_LINK
    r[R_L3] = at
    if kind in (0x0800, 0x86DD) or is_ipv4(data, at, r[R_END]):
        return OK
    return NOT_IP


@inline
def after_labels(data: Bytes, at: Word, end: Word) -> Word:
    """Step over MPLS labels; gives a place past the end when the last one was not captured."""
    bottom = False
    while not bottom:
        if at + 4 >= end:
            return end + 1
        bottom = (data[at + 2] & 1) == 1
        at += 4
    return at


@inline
def is_ipv4(data: Bytes, at: int, end: int) -> Word:
    """Say whether an IPv4 header with the right checksum stands here, whatever the EtherType says."""
    if at + 20 > end or data[at] >> 4 != 4:
        return False
    words = (int64(data[at]) & 15) * 2
    if words < 10 or at + 2 * words > end:
        return False
    total = int64(0)
    for index in range(words):
        total += be16(data, at + 2 * index)
    total = (total & 0xFFFF) + (total >> 16)
    return (total & 0xFFFF) + (total >> 16) == 0xFFFF


@inline
def ppp_kind(protocol: int) -> Word:
    """Translate a PPP protocol number to an EtherType; 0 when it is not IP or MPLS."""
    if protocol == 0x0021:
        return 0x0800
    if protocol == 0x0057:
        return 0x86DD
    if protocol == 0x0281:
        return 0x8847
    return 0


@inline
def ppp(data: Bytes, at: int, link: int, r: Integers) -> Word:
    """Read the header of PPP, of PPP in HDLC-like framing, or of Cisco HDLC."""
    if at + 4 > r[R_END]:
        return CUT_LINK
    first = data[at]
    if link != PPP or first == 0x0F or first == 0x8F:
        kind = be16(data, at + 2)
        return tags(data, at + 4, ppp_kind(kind) if first == 0xFF else kind, r)
    if first == 0xFF:
        r[R_LINK_PEER] = 0
        return tags(data, at + 4, ppp_kind(be16(data, at + 2)), r)
    return tags(data, at + 2, ppp_kind(be16(data, at)), r)


@inline
def radiotap(data: Bytes, at: int, r: Integers) -> Word:
    """Read radiotap, IEEE 802.11 data frames between station and access point, LLC/SNAP."""
    if at + 4 > r[R_END]:
        return CUT_LINK
    frame = at + int64(data[at + 2]) + (int64(data[at + 3]) << 8)
    if frame + 24 > r[R_END]:
        return CUT_LINK
    control, flags = data[frame], data[frame + 1]
    if (control >> 2) & 3 != 2 or flags & 0x40:
        return NOT_IP
    header = 24 + (2 if control & 0x80 else 0) + (6 if flags & 3 == 3 else 0)
    llc = frame + header
    if llc + 8 > r[R_END]:
        return CUT_LINK
    if not control & 0x80:
        r[R_LINK_PEER] = 0
    if data[llc] != 0xAA:
        return NOT_IP
    return tags(data, llc + 8, be16(data, llc + 6), r)


@inline
def cooked(data: Bytes, at: int, link: int, r: Integers) -> Word:
    """Read a Linux cooked header, version 1 or 2."""
    if link == LINUX_COOKED:
        if at + 16 > r[R_END]:
            return CUT_LINK
        return tags(data, at + 16, be16(data, at + 14), r)
    r[R_LINK_PEER] = 0
    if at + 20 > r[R_END]:
        return CUT_LINK
    return tags(data, at + 20, be16(data, at), r)


@inline
def find_network(data: Bytes, at: int, link: int, r: Integers) -> Word:
    """Find the network header of a frame; gives an outcome and fills ``R_L3`` and the VLAN registers."""
    if at + PEER_LEAST > r[R_END]:
        r[R_LINK_PEER] = 0
    if link == ETHERNET:
        return ethernet(data, at, r)
    if link in (NULL, LOOP, RAW, RAW_BSD, RAW_OPENBSD, RAW_IPV4, RAW_IPV6):
        r[R_L3] = at + 4 if link in (NULL, LOOP) else at
        if link == LOOP:
            r[R_LINK_PEER] = 0
        return OK
    if link in (LINUX_COOKED, LINUX_COOKED_2):
        return cooked(data, at, link, r)
    if link in (PPP, PPP_SERIAL, CISCO_HDLC):
        return ppp(data, at, link, r)
    return radiotap(data, at, r) if link == RADIOTAP else int64(UNKNOWN_LINK)
