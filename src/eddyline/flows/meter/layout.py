"""Where each number of a packet and of a flow stands: columns of the arrays that the kernels share.

What belongs here: column numbers, limits and the arrays of the state. What does not: anything computed.
Times are event time. A row of ``Table.ints`` is one flow; addresses are two 64-bit words each.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eddyline.flows.meter.memory import reserve

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]
Rows = NDArray[np.int32]
"""Numbers of flows in the table."""
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

# ---------------------------------------------------------------- a flow: two lines of 64 bytes
# The first line finds the flow, the second counts; each packet changes both and no more of the record's.
(
    K_HIGH_A,
    K_LOW_A,
    K_HIGH_B,
    K_LOW_B,
    K_PORTS,  # port A << 48 | port B << 32 | proto << 24 | outer VLAN << 12 | inner VLAN
    F_FACTS,  # the bits below
    F_FIRST_US,
    F_LAST_US,
    F_PACKETS_OUT,
    F_PACKETS_IN,
    F_BYTES_OUT,
    F_BYTES_IN,
    F_PAYLOAD_OUT,
    F_PAYLOAD_IN,
    F_HISTORY,  # sixteen letters of four bits
    F_BEGINNING,  # the bits below
    CORE_WORDS,
) = range(17)
K_KIND: Final = F_FACTS
"""In a key the word holds the kind alone: version << 4 | tunnel."""

# ---------------------------------------------------------------- bits of F_FACTS
A_KIND: Final = 0
A_QUALITY: Final = 8
A_FLAGS_OUT: Final = 16
A_FLAGS_IN: Final = 24
A_ENDS: Final = 32
"""Originator's state, three bits; responder's, three bits."""
A_SEEN: Final = 38
"""Sixteen letters of the history that were seen."""
A_SWAPPED: Final = 54
"""1 when endpoint B is the originator."""
A_RARE: Final = 55
"""1 when the flow has words in ``Table.rare``."""
A_WRITTEN: Final = 56
"""Letters that were written, 0 to 16, five bits."""
A_LATE: Final = 61
"""1 when NFStream saw the flow last at ``C_LAST``, not at ``F_LAST_US``."""

# ---------------------------------------------------------------- bits of F_BEGINNING
B_ICMP: Final = 0
"""Type << 8 | code of the first packet, plus 1; 17 bits."""
B_FIRST_IN: Final = 17
"""Milliseconds from the first packet to NFStream's first answer, plus 1; 22 bits, 0 when not known here."""
B_SIZE: Final = 39
"""Size of the first packet; 16 bits."""
B_PEER: Final = 55
"""1 when NFStream counts the first packet."""
LONGEST_WAIT_MS: Final = (1 << 22) - 2
"""What ``B_FIRST_IN`` can hold."""

# ---------------------------------------------------------------- NFStream's counters: three lines
# They begin with a flow's second packet: those of one packet follow from the lines above.
N_OUT: Final = 0
N_BOTH: Final = 8
N_IN: Final = 16
STATISTICS_WORDS: Final = 24
# Each line begins with four floats.
(
    W_MEAN_PS,
    W_SPREAD_PS,
    W_MEAN_GAP,
    W_SPREAD_GAP,
    W_LAST,  # ms
    W_BYTES,
    W_LEAST,  # least gap in ms << 16 | least size
    W_MOST,
) = range(8)
V_MIN_GAP, V_MAX_GAP, V_FLAGS_OUT, V_FLAGS_IN = range(N_BOTH + 4, N_BOTH + 8)
"""Both ways together; eight counters of flags, eight bits each, FIN lowest."""

# ---------------------------------------------------------------- words that few flows need
(
    C_SKIPPED_OUT,  # packets that NFStream leaves out
    C_SKIPPED_IN,
    C_FIRST_OUT,  # ms + 1, when it is not that of F_FIRST_US
    C_FIRST_IN,  # ms + 1, when B_FIRST_IN cannot hold it
    C_LAST,  # ms, see A_LATE
    C_FLAGS,  # eight counters, FIN first: packets out in the low 32 bits, packets in above them
) = range(6)
RARE_WORDS: Final = C_FLAGS + 8

# ---------------------------------------------------------------- columns of ended flows: 64-bit integers
(
    O_FIRST_US,
    O_LAST_US,
    O_BYTES_OUT,
    O_BYTES_IN,
    O_PAYLOAD_OUT,
    O_PAYLOAD_IN,
    O_PACKETS_OUT,
    O_PACKETS_IN,
    O_COLUMNS,
) = range(9)
# What is not a column yet.
(
    X_HIGH_SRC,
    X_HIGH_DST,
    X_LOW_SRC,
    X_LOW_DST,
    X_UID,
    X_HISTORY,
    X_LETTERS,  # how many the history has
    X_VLANS,  # outer << 12 | inner
    X_COLUMNS,
) = range(9)
# Bytes; those from Z_HAS_PORTS on are 0 or 1.
(
    Z_PROTO,
    Z_VERSION,
    Z_STATE,
    Z_FLAGS_OUT,
    Z_FLAGS_IN,
    Z_ICMP_TYPE,
    Z_ICMP_CODE,
    Z_QUALITY,
    Z_HAS_PORTS,
    Z_HAS_FLAGS,
    Z_HAS_ICMP,
    Z_COLUMNS,
) = range(12)
# NFStream's: a block a way, both ways first, then the eight counters of flags a way.
(
    T_FIRST,
    T_LAST,
    T_DURATION,
    T_PACKETS,
    T_BYTES,
    T_MIN_PS,
    T_MAX_PS,
    T_MIN_GAP,
    T_MAX_GAP,
    T_FLAGS,
) = range(10)
T_WAY: Final = T_FLAGS + 8
T_COLUMNS: Final = 3 * T_WAY
(Y_MEAN_PS, Y_VARIANCE_PS, Y_MEAN_GAP, Y_VARIANCE_GAP, Y_WAY) = range(5)
Y_COLUMNS: Final = 3 * Y_WAY

# ---------------------------------------------------------------- state of the whole table
(
    M_TICK_US,
    M_PEER_TICK_MS,
    M_HAND,  # where the wheel stands: time in ms >> WHEEL_SHIFT
    M_FREE,  # rows on the free stack
    M_DONE,  # rows that ended and wait
    M_STATISTICS,
    M_LEFT,  # notches of the wheel that are not ended yet, when all flows are
    M_SECRETS,  # first of the words that key the hash
) = range(8)
SECRETS: Final = 7
"""One a word of the key, and one for the last stir."""
M_COLUMNS: Final = M_SECRETS + SECRETS

WHEEL_SHIFT: Final = 10
"""A notch of the wheel is 1.024 s."""
NOTCHES: Final = 128
"""Notches of the wheel; a power of two, and more than the idle timeout has."""


class Table(NamedTuple):
    """All of the meter's state as arrays.

    Parameters
    ----------
    core
        The record's numbers of each flow, shape ``(rows, CORE_WORDS)``.
    stats
        NFStream's, shape ``(rows, STATISTICS_WORDS)``.
    reals
        The same memory as floats.
    rare
        What few flows need, shape ``(rows, RARE_WORDS)``.
    slots
        Open-addressing table: upper half of the hash above ``row + 1``; 0 is empty. Shape ``(2**k,)``.
    later
        Next row in the same notch of the wheel, −1 at the end; shape ``(rows,)``.
    wheel
        First row of each notch, or −1; shape ``(NOTCHES,)``.
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

    core: Integers
    stats: Integers
    reals: Floats
    rare: Integers
    slots: Integers
    later: Rows
    wheel: Rows
    free: Rows
    done: Rows
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
    meta[M_FREE] = rows
    meta[M_STATISTICS] = int(statistics)
    secret = hashlib.blake2b(seed.to_bytes(8, "little"), digest_size=8 * SECRETS).digest()
    meta[M_SECRETS:] = np.frombuffer(secret, dtype="<i8")
    stats = reserve(rows if statistics else 1, STATISTICS_WORDS, np.int64)
    return Table(
        core=reserve(rows, CORE_WORDS, np.int64),
        stats=stats,
        reals=stats.view(np.float64),
        rare=reserve(rows if statistics else 1, RARE_WORDS, np.int64),
        slots=np.zeros(2 * rows, dtype=np.int64),
        later=np.full(rows, -1, dtype=np.int32),
        wheel=np.full(NOTCHES, -1, dtype=np.int32),
        free=np.arange(rows - 1, -1, -1, dtype=np.int32),
        done=np.zeros(rows, dtype=np.int32),
        meta=meta,
        counts=np.zeros(OUTCOMES, dtype=np.int64),
        notes=np.zeros(NOTES, dtype=np.int64),
        fragments=np.zeros((FRAGMENT_SLOTS, 3), dtype=np.int64),
        registers=np.zeros((BLOCK, R_COLUMNS), dtype=np.int64),
        scratch=np.zeros((BLOCK, Q_COLUMNS), dtype=np.int64),
        saved=np.zeros(R_COLUMNS, dtype=np.int64),
    )
