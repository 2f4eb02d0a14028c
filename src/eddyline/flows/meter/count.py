"""What one packet changes in its flow: the record's own counters.

What belongs here: keys, direction, fragments' ports, the core columns. What does not: NFStream's columns
(``statistics.py``) and parsing (``headers.py``).
"""

from __future__ import annotations

from typing import Final

from numpy import int64

from eddyline.flows.meter.headers import TCP
from eddyline.flows.meter.jit import inline
from eddyline.flows.meter.layout import (
    A_FLAGS_IN,
    A_FLAGS_OUT,
    A_QUALITY,
    A_RARE,
    A_SWAPPED,
    B_ICMP,
    CORE_WORDS,
    F_BEGINNING,
    F_BYTES_IN,
    F_BYTES_OUT,
    F_FACTS,
    F_FIRST_US,
    F_LAST_US,
    F_PACKETS_IN,
    F_PACKETS_OUT,
    F_PAYLOAD_IN,
    F_PAYLOAD_OUT,
    FRAGMENT_MS,
    K_HIGH_A,
    K_HIGH_B,
    K_KIND,
    K_LOW_A,
    K_LOW_B,
    K_PORTS,
    Q_HASH,
    Q_SWAPPED,
    R_DST_HIGH,
    R_DST_LOW,
    R_DST_PORT,
    R_FLAGS,
    R_FRAGMENT,
    R_FRAGMENT_ID,
    R_ICMP,
    R_IP_BYTES,
    R_OUTER,
    R_PAYLOAD,
    R_PROTO,
    R_QUALITY,
    R_SRC_HIGH,
    R_SRC_LOW,
    R_SRC_PORT,
    R_TUNNEL,
    R_VERSION,
    R_VLAN,
    R_VLANS,
    RARE_WORDS,
    Integers,
    Table,
)
from eddyline.flows.meter.states import ACK, DATA_LETTER, SYN, move, note, note_flags
from eddyline.flows.meter.table import mix, place_key

MIDSTREAM: Final = 2
ORPHAN: Final = 8
"""Bit of the key: later fragments whose first one was not seen are a flow of their own."""


@inline
def recall_ports(t: Table, r: Integers, now_ms: int) -> None:
    """Remember the ports of a first fragment, or give them to a later one."""
    hashed = int64(0)
    for column in (R_SRC_HIGH, R_SRC_LOW, R_DST_HIGH, R_DST_LOW):
        hashed = mix(hashed, r[column])
    hashed = mix(hashed, (r[R_FRAGMENT_ID] << 8) | r[R_PROTO])
    slot = hashed & (t.fragments.shape[0] - 1)
    if r[R_FRAGMENT] == 1:
        t.fragments[slot, 0] = hashed
        t.fragments[slot, 1] = (r[R_SRC_PORT] << 16) | r[R_DST_PORT]
        t.fragments[slot, 2] = now_ms
    elif t.fragments[slot, 0] == hashed and now_ms - t.fragments[slot, 2] < FRAGMENT_MS:
        r[R_SRC_PORT] = t.fragments[slot, 1] >> 16
        r[R_DST_PORT] = t.fragments[slot, 1] & 0xFFFF
    else:
        r[R_TUNNEL] |= ORPHAN


@inline
def make_key(r: Integers, key: Integers, meta: Integers) -> None:
    """Write the six words of the key, the same for both ways, its hash, and 1 for a sender that is B."""
    swapped = int64(0)
    if r[R_SRC_HIGH] != r[R_DST_HIGH]:
        swapped = int64(r[R_SRC_HIGH] > r[R_DST_HIGH])
    elif r[R_SRC_LOW] != r[R_DST_LOW]:
        swapped = int64(r[R_SRC_LOW] > r[R_DST_LOW])
    else:
        swapped = int64(r[R_SRC_PORT] > r[R_DST_PORT])
    ports = (r[R_SRC_PORT] << 48) | (r[R_DST_PORT] << 32)
    key[K_HIGH_A], key[K_LOW_A] = r[R_SRC_HIGH], r[R_SRC_LOW]
    key[K_HIGH_B], key[K_LOW_B] = r[R_DST_HIGH], r[R_DST_LOW]
    if swapped:
        ports = (r[R_DST_PORT] << 48) | (r[R_SRC_PORT] << 32)
        key[K_HIGH_A], key[K_LOW_A] = r[R_DST_HIGH], r[R_DST_LOW]
        key[K_HIGH_B], key[K_LOW_B] = r[R_SRC_HIGH], r[R_SRC_LOW]
    outer = r[R_OUTER] if r[R_VLANS] > 1 else int64(0)
    key[K_PORTS] = ports | (r[R_PROTO] << 24) | (outer << 12) | r[R_VLAN]
    key[K_KIND] = (r[R_VERSION] << 4) | r[R_TUNNEL]
    key[Q_SWAPPED] = swapped
    key[Q_HASH] = place_key(key, meta)


@inline
def begin(t: Table, row: int, key: Integers, r: Integers, now_us: int) -> None:
    """Fill a row with its first packet's facts; the counters come with ``count``."""
    c = t.core[row]
    if (c[F_FACTS] >> A_RARE) & 1:
        for word in range(RARE_WORDS):
            t.rare[row, word] = 0
    for word in range(K_KIND):
        c[word] = key[word]
    for word in range(F_LAST_US, CORE_WORDS):
        c[word] = 0
    facts = key[K_KIND] | (key[Q_SWAPPED] << A_SWAPPED)
    if r[R_PROTO] == TCP and (r[R_FRAGMENT] == 2 or r[R_FLAGS] & (SYN | ACK) != SYN):
        facts |= MIDSTREAM << A_QUALITY
    c[F_FACTS] = facts
    c[F_FIRST_US] = now_us
    c[F_LAST_US] = now_us
    c[F_BEGINNING] = (r[R_ICMP] + 1) << B_ICMP


@inline
def count(c: Integers, r: Integers, incoming: int, now_us: int) -> None:
    """Count one packet of a flow in the record's columns."""
    c[F_LAST_US] = now_us
    facts = c[F_FACTS] | (r[R_QUALITY] << A_QUALITY)
    if incoming:
        c[F_PACKETS_IN] += 1
        c[F_BYTES_IN] += r[R_IP_BYTES]
        c[F_PAYLOAD_IN] += r[R_PAYLOAD]
        facts |= r[R_FLAGS] << A_FLAGS_IN
    else:
        c[F_PACKETS_OUT] += 1
        c[F_BYTES_OUT] += r[R_IP_BYTES]
        c[F_PAYLOAD_OUT] += r[R_PAYLOAD]
        facts |= r[R_FLAGS] << A_FLAGS_OUT
    if r[R_PROTO] == TCP and r[R_FRAGMENT] != 2:
        facts = move(facts, r[R_FLAGS], incoming)
        facts = note_flags(c, facts, r[R_FLAGS], r[R_PAYLOAD], incoming)
    elif r[R_PAYLOAD] > 0:
        facts = note(c, facts, DATA_LETTER, incoming)
    c[F_FACTS] = facts
