"""The table of flows: find one by its key, add one, end those that are idle, in event time.

What belongs here: hashing, open addressing with backward shift, the order of last sight. What does not:
what a flow counts. Each function is a part of a kernel; see ``layout.py`` for the arrays.
"""

from __future__ import annotations

from typing import Any

from numpy import int64, uint64

from eddyline.flows.meter.jit import inline, kernel
from eddyline.flows.meter.layout import (
    F_HASH,
    F_LAST_MS,
    IDLE_MS,
    K_HIGH_A,
    K_HIGH_B,
    K_KIND,
    K_LOW_A,
    K_LOW_B,
    K_PORTS,
    M_DONE,
    M_FREE,
    M_HEAD,
    M_TAIL,
    Integers,
    Table,
    Word,
)


@inline
def mix(state: int, word: int) -> Word:
    """Stir a 64-bit word into a hash; the finaliser of SplitMix64 (Steele, Lea and Flood, 2014)."""
    z = uint64(state) ^ uint64(word)
    z = z + uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> uint64(27))) * uint64(0x94D049BB133111EB)
    return int64(z ^ (z >> uint64(31)))


@inline
def hash_key(key: Integers, seed: int) -> Word:
    """Hash the six words of a key."""
    state = int64(seed)
    for word in range(6):
        state = mix(state, key[word])
    return state


@inline
def upper(hashed: int) -> Word:
    """Give the part of a hash that the slots keep, 31 bits so that it is never negative."""
    return int64(uint64(hashed) >> uint64(33))


@inline
def same_key(ints: Integers, row: int, key: Integers) -> Word:
    """Compare the key of a row with another."""
    return bool(
        ints[row, K_LOW_A] == key[K_LOW_A]
        and ints[row, K_LOW_B] == key[K_LOW_B]
        and ints[row, K_PORTS] == key[K_PORTS]
        and ints[row, K_KIND] == key[K_KIND]
        and ints[row, K_HIGH_A] == key[K_HIGH_A]
        and ints[row, K_HIGH_B] == key[K_HIGH_B]
    )


@inline
def find(t: Table, key: Integers, hashed: int) -> Word:
    """Find the row of a key; −1 when there is none."""
    mask = t.slots.size - 1
    tag = upper(hashed)
    at = tag & mask
    while t.slots[at] != 0:
        entry = t.slots[at]
        if entry >> 32 == tag:
            row = (entry & 0xFFFFFFFF) - 1
            if same_key(t.ints, row, key):
                return row
        at = (at + 1) & mask
    return -1


@inline
def put(slots: Integers, row: int, tag: int) -> None:
    """Write a row into the first free slot from its home on."""
    mask = slots.size - 1
    at = tag & mask
    while slots[at] != 0:
        at = (at + 1) & mask
    slots[at] = (tag << 32) | (row + 1)


@inline
def remove(slots: Integers, row: int, tag: int) -> None:
    """Take a row out and close the gap (backward shift, Knuth vol. 3, 6.4 algorithm R)."""
    mask = slots.size - 1
    at = tag & mask
    while slots[at] & 0xFFFFFFFF != row + 1:
        at = (at + 1) & mask
    hole = at
    at = (at + 1) & mask
    while slots[at] != 0:
        home = (slots[at] >> 32) & mask
        if ((at - home) & mask) >= ((at - hole) & mask):
            slots[hole] = slots[at]
            hole = at
        at = (at + 1) & mask
    slots[hole] = 0


@inline
def append(t: Table, row: int) -> None:
    """Make a row the most recently seen one."""
    tail = t.meta[M_TAIL]
    t.links[row, 0] = tail
    t.links[row, 1] = -1
    if tail >= 0:
        t.links[tail, 1] = row
    else:
        t.meta[M_HEAD] = row
    t.meta[M_TAIL] = row


@inline
def unlink(t: Table, row: int) -> None:
    """Take a row out of the order of last sight."""
    before, after = t.links[row, 0], t.links[row, 1]
    if before >= 0:
        t.links[before, 1] = after
    else:
        t.meta[M_HEAD] = after
    if after >= 0:
        t.links[after, 0] = before
    else:
        t.meta[M_TAIL] = before


@inline
def touch(t: Table, row: int) -> None:
    """Make a row that is in the order the most recently seen one."""
    if t.meta[M_TAIL] != row:
        unlink(t, row)
        append(t, row)


@inline
def end(t: Table, row: int) -> None:
    """End a flow: it leaves the table and waits among the done."""
    unlink(t, row)
    remove(t.slots, row, upper(t.ints[row, F_HASH]))
    t.done[t.meta[M_DONE]] = row
    t.meta[M_DONE] += 1


@inline
def end_idle(t: Table, now_ms: int) -> None:
    """End every flow that has been silent for the idle timeout."""
    row = t.meta[M_HEAD]
    while row >= 0 and now_ms - t.ints[row, F_LAST_MS] >= IDLE_MS:
        end(t, row)
        row = t.meta[M_HEAD]


@inline
def take_row(t: Table, hashed: int) -> Word:
    """Take an unused row into the table; the caller has seen that there is one."""
    t.meta[M_FREE] -= 1
    row = t.free[t.meta[M_FREE]]
    put(t.slots, row, upper(hashed))
    append(t, row)
    return row


@kernel
def rehash(ints: Integers, slots: Integers, links: Integers, head: int) -> None:
    """Fill empty slots with every row of the order of last sight.

    Parameters
    ----------
    ints
        Integers of the flows.
    slots
        Zeros; a power of two of them, more than there are rows.
    links
        Order of last sight.
    head
        First row of it, or −1.
    """
    row = int64(head)
    while row >= 0:
        put(slots, row, upper(ints[row, F_HASH]))
        row = int64(links[row, 1])


@kernel
def gather(table: Any, rows: Integers, out: Any) -> None:
    """Copy some rows into columns, each column in one piece.

    Parameters
    ----------
    table
        Integers or floats of the flows, shape ``(rows, columns)``.
    rows
        Which rows, in the order wanted.
    out
        Shape ``(columns, len(rows))``.
    """
    for i in range(rows.size):
        row = rows[i]
        for column in range(table.shape[1]):
            out[column, i] = table[row, column]


@kernel
def end_all(t: Table) -> None:
    """End every flow that is left, the least recently seen first.

    Parameters
    ----------
    t
        State; afterwards its table is empty.
    """
    while t.meta[M_HEAD] >= 0:
        end(t, t.meta[M_HEAD])
