"""Where each number of a packet and of a flow stands: columns of the arrays that the kernels share.

What belongs here: column numbers, limits and the arrays of the state. What does not: anything computed.
Times are event time. A row of ``Table.ints`` is one flow; addresses are two 64-bit words each.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eddyline.flows.meter.memory import reserve

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Word: TypeAlias = (
    Any  # an int in Python, a 64-bit register when compiled: no type of mypy's covers both
)

IDLE_MS: Final = 120_000
"""A flow without a packet for this long has ended."""
ACTIVE_MS: Final = 1_800_000
"""A flow that is this old is cut, and goes on as another."""
LATEST_US: Final = 253_402_300_800_000_000
"""Times from the year 10000 on are not times."""
SUSPECT_US: Final = 1_000_000
"""A packet whose clock ran back by more than this marks its flow ``clock_suspect``."""
FRAGMENT_MS: Final = 60_000
"""How long the ports of a first fragment are remembered for the later ones (RFC 8200 §4.5: 60 s)."""
FRAGMENT_SLOTS: Final = 8_192
"""First fragments that are remembered at once; a power of two."""
MOST_TUNNELS: Final = 4
"""Layers of tunnel that are opened; what is deeper is counted as the tunnel."""

# ---------------------------------------------------------------- columns of a packet (index)
P_OFFSET, P_CAPTURED, P_LENGTH, P_TIME, P_LINK, P_COLUMNS = range(6)

# ---------------------------------------------------------------- registers of the packet at hand
(
    R_BEGIN,  # first byte of the frame
    R_END,  # one past its last captured byte
    R_WIRE,  # one past its last byte on the wire, as if all had been captured
    R_L3,  # first byte of the network header
    R_VLANS,  # number of VLAN tags
    R_OUTER,  # outermost VLAN id
    R_VLAN,  # innermost VLAN id, the one in the key
    R_LINK_PEER,  # 1 when NFStream's link layer sees this packet
    R_PEER,  # 1 when NFStream counts this packet
    R_VERSION,
    R_SRC_HIGH,
    R_SRC_LOW,
    R_DST_HIGH,
    R_DST_LOW,
    R_PROTO,
    R_SRC_PORT,
    R_DST_PORT,
    R_FLAGS,
    R_IP_BYTES,
    R_PAYLOAD,
    R_ICMP,  # type << 8 | code, or −1
    R_QUALITY,
    R_L4,  # first byte of the transport header
    R_L4_BYTES,  # bytes of transport header and payload, as the headers say
    R_TUNNEL,
    R_FRAGMENT,  # 0 whole, 1 first fragment, 2 later fragment
    R_FRAGMENT_ID,
    R_COLUMNS,
) = range(28)

BLOCK: Final = 32
"""Packets that are read ahead, so that their rows come from memory while others are counted."""

# ---------------------------------------------------------------- scratch of a packet of the block
# Its first six columns are the words of the key.
Q_HASH, Q_SWAPPED, Q_OUTCOME, Q_ROW, Q_COLUMNS = range(6, 11)

# ---------------------------------------------------------------- outcomes of parsing a packet
(
    OK,
    NOT_IP,
    UNKNOWN_LINK,
    CUT_LINK,
    CUT_IP,
    BAD_IP,
    CUT_TRANSPORT,
    BAD_TIME,
    OUT_OF_FILE,
    OUTCOMES,
) = range(10)
CAUSES: Final = {
    NOT_IP: "not an IP packet",
    UNKNOWN_LINK: "link type not supported",
    CUT_LINK: "cut inside the link header",
    CUT_IP: "cut inside the IP header",
    BAD_IP: "damaged IP header",
    CUT_TRANSPORT: "cut before the ports",
    BAD_TIME: "impossible time",
    OUT_OF_FILE: "outside the file",
}
"""Words for the outcomes in the ingest report."""

# ---------------------------------------------------------------- notes that the kernel counts
NOTE_BACKWARDS, NOTE_FRAGMENTS, NOTE_TUNNELS, NOTE_CUT, NOTES = range(5)
NOTE_WORDS: Final = {
    NOTE_BACKWARDS: "packets whose clock ran back",
    NOTE_FRAGMENTS: "later fragments",
    NOTE_TUNNELS: "packets inside a tunnel",
    NOTE_CUT: "packets cut by the capture",
}
"""Words for the notes in the ingest report."""

# ---------------------------------------------------------------- integers of a flow
(
    K_HIGH_A,
    K_LOW_A,
    K_HIGH_B,
    K_LOW_B,
    K_PORTS,  # port A << 48 | port B << 32 | proto << 24 | outer VLAN << 12 | inner VLAN
    K_KIND,  # version << 8 | tunnel << 4
    F_HASH,
    F_SWAPPED,  # 1 when endpoint B is the originator
    F_FIRST_US,
    F_LAST_US,
    F_FIRST_MS,
    F_LAST_MS,
    F_PACKETS_OUT,
    F_PACKETS_IN,
    F_BYTES_OUT,
    F_BYTES_IN,
    F_PAYLOAD_OUT,
    F_PAYLOAD_IN,
    F_FLAGS_OUT,
    F_FLAGS_IN,
    F_ICMP,
    F_QUALITY,
    F_STATES,  # originator's state | responder's << 3 | letters seen << 8 | letters written << 32
    F_HISTORY,  # sixteen letters of four bits
    F_UID,
    # NFStream's counters from here on; one block a way
    N_OUT,
) = range(26)
(W_FIRST, W_LAST, W_PACKETS, W_BYTES, W_MIN_PS, W_MAX_PS, W_MIN_GAP, W_MAX_GAP, W_COLUMNS) = range(
    9
)
N_IN: Final = N_OUT + W_COLUMNS
N_BOTH: Final = N_IN + W_COLUMNS
N_FLAGS: Final = N_BOTH + W_COLUMNS
"""Eight counters, FIN first: packets out in the low 32 bits, packets in above them."""
INTEGERS: Final = N_FLAGS + 8
CORE_INTEGERS: Final = N_OUT

# ---------------------------------------------------------------- floats of a flow, one block a way
W_MEAN_PS, W_SPREAD_PS, W_MEAN_GAP, W_SPREAD_GAP, W_FLOATS = range(5)
X_OUT: Final = 0
X_IN: Final = X_OUT + W_FLOATS
X_BOTH: Final = X_IN + W_FLOATS
FLOATS: Final = X_BOTH + W_FLOATS

# ---------------------------------------------------------------- state of the whole table
(
    M_TICK_US,
    M_PEER_TICK_MS,
    M_HEAD,  # least recently seen flow, or −1
    M_TAIL,
    M_FREE,  # rows on the free stack
    M_DONE,  # rows that ended and wait
    M_STATISTICS,
    M_SEED,
    M_TOUCHED,  # keeps the compiler from leaving out the reads ahead
    M_COLUMNS,
) = range(10)


class Table(NamedTuple):
    """All of the meter's state as arrays.

    Parameters
    ----------
    ints
        Integers of each flow, shape ``(rows, INTEGERS)``.
    floats
        Running means and spreads of each flow, shape ``(rows, FLOATS)``.
    slots
        Open-addressing table: upper half of the hash above ``row + 1``; 0 is empty. Shape ``(2**k,)``.
    links
        Previous and next row in the order of last sight, −1 at the ends; shape ``(rows, 2)``.
    free
        Stack of unused rows.
    done
        Rows that ended, in the order in which they ended.
    meta
        The ``M_`` numbers.
    counts
        Packets by outcome.
    notes
        Packets by note.
    fragments
        Ports of first fragments: hash, ports, time in ms; shape ``(FRAGMENT_SLOTS, 3)``.
    registers
        The packets of the block at hand, shape ``(BLOCK, R_COLUMNS)``.
    scratch
        Their keys and what was found of them, shape ``(BLOCK, Q_COLUMNS)``.
    saved
        Registers of the tunnel around it.
    """

    ints: Integers
    floats: Floats
    slots: Integers
    links: NDArray[np.int32]
    free: Integers
    done: Integers
    meta: Integers
    counts: Integers
    notes: Integers
    fragments: Integers
    registers: Integers
    scratch: Integers
    saved: Integers


def make_table(rows: int, *, statistics: bool, seed: int) -> Table:
    """Make the state of a meter that has seen nothing.

    Parameters
    ----------
    rows
        Flows it can hold before it must grow; a power of two.
    statistics
        Whether NFStream's statistics are kept; without, their columns have no memory.
    seed
        Secret of the hash table, so that nobody can send packets that all fall into one slot.
    """
    meta = np.zeros(M_COLUMNS, dtype=np.int64)
    meta[M_HEAD] = meta[M_TAIL] = -1
    meta[M_FREE] = rows
    meta[M_STATISTICS] = int(statistics)
    meta[M_SEED] = seed
    return Table(
        ints=reserve(rows, INTEGERS if statistics else CORE_INTEGERS, np.int64),
        floats=reserve(rows, FLOATS, np.float64) if statistics else np.zeros((1, FLOATS)),
        slots=np.zeros(2 * rows, dtype=np.int64),
        links=np.full((rows, 2), -1, dtype=np.int32),
        free=np.arange(rows - 1, -1, -1, dtype=np.int64),
        done=np.zeros(rows, dtype=np.int64),
        meta=meta,
        counts=np.zeros(OUTCOMES, dtype=np.int64),
        notes=np.zeros(NOTES, dtype=np.int64),
        fragments=np.zeros((FRAGMENT_SLOTS, 3), dtype=np.int64),
        registers=np.zeros((BLOCK, R_COLUMNS), dtype=np.int64),
        scratch=np.zeros((BLOCK, Q_COLUMNS), dtype=np.int64),
        saved=np.zeros(R_COLUMNS, dtype=np.int64),
    )
