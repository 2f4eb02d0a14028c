"""From the first byte of a network header to the facts of one packet: addresses, ports, flags, sizes.

What belongs here: IPv4, IPv6 with extension headers, fragments, transports, tunnels that are opened. What
does not: link layers (``link.py``) and anything that remembers another packet. Every read is inside
``[R_BEGIN, R_END)``; lengths that headers claim are believed only for counting.
"""

from __future__ import annotations

from typing import Final

from numpy import int64

from eddyline.flows.meter.jit import inline
from eddyline.flows.meter.layout import (
    BAD_IP,
    CUT_IP,
    CUT_TRANSPORT,
    MOST_TUNNELS,
    OK,
    R_COLUMNS,
    R_DST_HIGH,
    R_DST_LOW,
    R_DST_PORT,
    R_END,
    R_FLAGS,
    R_FRAGMENT,
    R_FRAGMENT_ID,
    R_ICMP,
    R_IP_BYTES,
    R_L3,
    R_L4,
    R_L4_BYTES,
    R_LINK_PEER,
    R_PAYLOAD,
    R_PEER,
    R_PROTO,
    R_QUALITY,
    R_SRC_HIGH,
    R_SRC_LOW,
    R_SRC_PORT,
    R_TUNNEL,
    R_VERSION,
    R_WIRE,
    Bytes,
    Integers,
    Word,
)
from eddyline.flows.meter.link import ETHERNET, be16, be32, be64, find_network

TCP: Final = 6
UDP: Final = 17
ICMP: Final = 1
ICMP6: Final = 58
SCTP: Final = 132
TRUNCATED: Final = 128
"""Bit of ``quality``; the record's own."""
GTP_PORT: Final = 2152
CAPWAP_PORT: Final = 5247
TZSP_PORT: Final = 37008


@inline
def read_ipv4(data: Bytes, at: int, r: Integers) -> Word:
    """Read an IPv4 header of at least 20 captured bytes."""
    header = (int64(data[at]) & 15) * 4
    total = be16(data, at + 2)
    wire = r[R_WIRE] - at
    if total == 0:
        # Segmentation offload: the card fills the length in, the capture is made before.
        total = wire
        r[R_PEER] = 0
    if header < 20 or total < header:
        return BAD_IP
    if at + header > r[R_END]:
        return CUT_IP
    if total > wire:
        r[R_QUALITY] |= TRUNCATED
    fragment = be16(data, at + 6)
    if fragment & 0x1FFF:
        r[R_FRAGMENT] = 2
    elif fragment & 0x2000:
        r[R_FRAGMENT] = 1
    r[R_FRAGMENT_ID] = be16(data, at + 4)
    r[R_VERSION] = 4
    r[R_SRC_HIGH] = 0
    r[R_SRC_LOW] = be32(data, at + 12)
    r[R_DST_HIGH] = 0
    r[R_DST_LOW] = be32(data, at + 16)
    r[R_PROTO] = data[at + 9]
    r[R_IP_BYTES] = min(total, wire)
    r[R_L4] = at + header
    r[R_L4_BYTES] = total - header
    return OK


@inline
def read_ipv6(data: Bytes, at: int, r: Integers) -> Word:
    """Read an IPv6 header and its extension headers."""
    end = r[R_END]
    if at + 40 > end:
        return CUT_IP
    body = be16(data, at + 4)
    wire = r[R_WIRE] - at
    if at + 40 + body > end:
        r[R_PEER] = 0
    if body == 0 and data[at + 6] == 0:
        body = max(
            wire - 40, int64(0)
        )  # a jumbogram's length is in an option; the wire knows it too
    if 40 + body > wire:
        r[R_QUALITY] |= TRUNCATED
    r[R_VERSION] = 6
    r[R_SRC_HIGH] = be64(data, at + 8)
    r[R_SRC_LOW] = be64(data, at + 16)
    r[R_DST_HIGH] = be64(data, at + 24)
    r[R_DST_LOW] = be64(data, at + 32)
    r[R_IP_BYTES] = min(40 + body, wire)
    r[R_L4] = at + 40
    r[R_L4_BYTES] = body
    r[R_PROTO] = data[at + 6]
    return walk_extensions(data, r)


@inline
def walk_extensions(data: Bytes, r: Integers) -> Word:
    """Step over hop-by-hop, routing, fragment, destination and mobility headers."""
    while r[R_FRAGMENT] != 2 and r[R_PROTO] in (0, 43, 44, 60, 135):
        at = r[R_L4]
        if at + 8 > r[R_END]:
            return CUT_TRANSPORT
        size = int64(8)
        if r[R_PROTO] == 44:
            cut = be16(data, at + 2)
            r[R_FRAGMENT] = 2 if cut & 0xFFF8 else (1 if cut & 1 else 0)
            r[R_FRAGMENT_ID] = be32(data, at + 4)
        else:
            size = (int64(data[at + 1]) + 1) * 8
        if size > r[R_L4_BYTES]:
            return BAD_IP
        r[R_PROTO] = data[at]
        r[R_L4] = at + size
        r[R_L4_BYTES] -= size
    if r[R_PROTO] == 59:
        r[R_PEER] = 0
    return OK


@inline
def read_transport(data: Bytes, r: Integers) -> Word:
    """Read ports, flags, ICMP type and code, and the size of the payload."""
    at = r[R_L4]
    captured = r[R_END] - at
    claimed = r[R_L4_BYTES]
    # What the wire held of it, when the header claims more.
    payload = min(claimed, max(r[R_WIRE] - at, int64(0)))
    proto = r[R_PROTO]
    if r[R_FRAGMENT] == 2:
        r[R_PEER] = 0
    elif proto == TCP and claimed >= 20:
        if captured < 14:
            return CUT_TRANSPORT
        r[R_SRC_PORT] = be16(data, at)
        r[R_DST_PORT] = be16(data, at + 2)
        r[R_FLAGS] = data[at + 13]
        payload -= max((int64(data[at + 12]) >> 4) * 4, int64(20))
    elif (proto == UDP and claimed >= 8) or (proto == SCTP and claimed >= 12):
        if captured < 8:
            return CUT_TRANSPORT
        r[R_SRC_PORT] = be16(data, at)
        r[R_DST_PORT] = be16(data, at + 2)
        payload -= 8 if proto == UDP else 12
    elif proto in (ICMP, ICMP6):
        r[R_ICMP] = be16(data, at) if min(captured, claimed) >= 2 else -1
        payload -= 8
    elif proto in (TCP, UDP, SCTP):
        r[R_QUALITY] |= TRUNCATED
    r[R_PAYLOAD] = max(payload, int64(0))
    return OK


@inline
def read_network(data: Bytes, at: int, r: Integers) -> Word:
    """Read one network header and the transport header after it."""
    r[R_L3] = at
    r[R_PEER] = r[R_LINK_PEER]
    r[R_SRC_PORT] = 0
    r[R_DST_PORT] = 0
    r[R_FLAGS] = 0
    r[R_ICMP] = -1
    r[R_FRAGMENT] = 0
    r[R_QUALITY] = 0
    if at + 20 > r[R_END]:
        return CUT_IP
    version = data[at] >> 4
    if version == 4:
        outcome = read_ipv4(data, at, r)
    elif version == 6:
        outcome = read_ipv6(data, at, r)
    else:
        return BAD_IP
    return read_transport(data, r) if outcome == OK else outcome


@inline
def inside_gtp(data: Bytes, at: Word, end: int) -> Word:
    """Find the packet that a GTP-U version 1 header carries; −1 when there is none."""
    if at + 8 >= end or data[at] & 0xE0 != 0x20 or data[at + 1] != 0xFF:
        return -1
    flags = data[at]
    at += 8
    if flags & 7:
        at += 4
    if flags & 4:
        following = True
        while following:
            if at >= end or data[at] == 0:
                return -1
            at += int64(data[at]) * 4
            if at >= end:
                return -1
            following = data[at - 1] != 0
    return at if at < end else -1


@inline
def inside_tzsp(data: Bytes, at: int, r: Integers) -> Word:
    """Find the packet inside the Ethernet frame that a TZSP header carries; −1 when there is none."""
    if at + 6 > r[R_END] or data[at] != 1 or data[at + 1] != 0 or be16(data, at + 2) != 1:
        return int64(-1)
    size = int64(1) if data[at + 4] < 2 else int64(data[at + 5])
    return r[R_L3] if find_network(data, at + 4 + size, ETHERNET, r) == OK else int64(-1)


@inline
def inside_capwap(data: Bytes, at: Word, end: int) -> Word:
    """Find the packet inside the IEEE 802.11 frame of a CAPWAP data message; −1 when there is none."""
    if at + 2 > end or data[at] & 15:
        return int64(-1)
    at += (int64(data[at + 1]) & 0xF8) >> 1
    return at + 32 if at + 32 < end else int64(-1)


@inline
def inside_udp(data: Bytes, r: Integers) -> Word:
    """Find the packet that GTP-U, TZSP or CAPWAP carries; −1 when there is none."""
    at = r[R_L4] + 8
    low, high = r[R_SRC_PORT], r[R_DST_PORT]
    if GTP_PORT in (low, high):
        r[R_TUNNEL] = 1
        return inside_gtp(data, at, r[R_END])
    if TZSP_PORT in (low, high):
        r[R_TUNNEL] = 3
        return inside_tzsp(data, at, r)
    r[R_TUNNEL] = 2
    return inside_capwap(data, at, r[R_END])


@inline
def inside(data: Bytes, r: Integers) -> Word:
    """Find the network header inside the packet at hand; −1 when it carries none."""
    if r[R_FRAGMENT] == 2:
        return -1
    if r[R_PROTO] in (4, 41):
        return r[R_L4]
    if r[R_PROTO] == UDP and r[R_VERSION] == 4:
        return inside_udp(data, r)
    return -1


@inline
def is_tunnel(low: int, high: int) -> Word:
    """Say whether one of two UDP ports is that of a tunnel."""
    return bool(
        low in (GTP_PORT, TZSP_PORT, CAPWAP_PORT) or high in (GTP_PORT, TZSP_PORT, CAPWAP_PORT)
    )


@inline
def may_carry(r: Integers) -> Word:
    """Say whether the packet at hand looks like a tunnel."""
    if r[R_PROTO] == UDP:
        return is_tunnel(r[R_SRC_PORT], r[R_DST_PORT])
    return bool(r[R_PROTO] in (4, 41))


@inline
def read_packet(data: Bytes, r: Integers, saved: Integers) -> Word:
    """Read the innermost packet that a frame carries, from ``R_L3`` on; gives an outcome.

    When what a tunnel carries is not an IP packet, the tunnel's own packet is the answer.
    """
    r[R_TUNNEL] = 0
    outcome = read_network(data, r[R_L3], r)
    if outcome != OK:
        return outcome
    for _ in range(MOST_TUNNELS):
        if not may_carry(r):
            break
        for column in range(R_COLUMNS):
            saved[column] = r[column]
        inner = inside(data, r)
        if inner >= 0 and read_network(data, inner, r) == OK:
            continue
        for column in range(R_COLUMNS):
            r[column] = saved[column]
        if inner >= 0:
            r[R_PEER] = 0
        break
    return OK
