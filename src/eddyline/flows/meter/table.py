"""The table of flows: find one by its key, add one, end those that are idle, in event time.

What belongs here: hashing, open addressing with backward shift, the wheel of timeouts. What does not:
what a flow counts. Each function is a part of a kernel; see ``layout.py`` for the arrays.

A flow stands in the notch of the wheel at which it would end had no packet come since it was put there.
When the hand passes the notch, it has ended or is put into a later one: a packet moves no flow.
"""

from __future__ import annotations

from numpy import int64, uint64

from eddyline.flows.meter.jit import inline, kernel
from eddyline.flows.meter.layout import (
    A_KIND,
    A_RARE,
    CORE_WORDS,
    F_FACTS,
    F_LAST_US,
    IDLE_MS,
    K_HIGH_A,
    K_HIGH_B,
    K_KIND,
    K_LOW_A,
    K_LOW_B,
    K_PORTS,
    M_DONE,
    M_FREE,
    M_HAND,
    M_LEFT,
    M_SECRETS,
    M_STATISTICS,
    NOTCHES,
    RARE_WORDS,
    STATISTICS_WORDS,
    WHEEL_SHIFT,
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
def fold(word: int, secret: int) -> Word:
    """Multiply the halves of a word, each shifted by a secret."""
    low = (uint64(word) + uint64(secret)) & uint64(0xFFFFFFFF)
    high = ((uint64(word) >> uint64(32)) + (uint64(secret) >> uint64(32))) & uint64(0xFFFFFFFF)
    return low * high


@inline
def place_key(key: Integers, meta: Integers) -> Word:
    """Hash a key for the slots; ``key`` may be a flow, whose other facts are left out.

    NH of Black, Halevi, Krawczyk, Krovetz and Rogaway (UMAC, 1999, doi:10.1007/3-540-48405-1_14): who does
    not know the secret finds no keys that fall together more often than by chance.
    """
    total = fold(key[K_HIGH_A], meta[M_SECRETS])
    total += fold(key[K_LOW_A], meta[M_SECRETS + 1])
    total += fold(key[K_HIGH_B], meta[M_SECRETS + 2])
    total += fold(key[K_LOW_B], meta[M_SECRETS + 3])
    total += fold(key[K_PORTS], meta[M_SECRETS + 4])
    total += fold((key[K_KIND] >> A_KIND) & 255, meta[M_SECRETS + 5])
    return mix(meta[M_SECRETS + 6], int64(total))


@inline
def upper(hashed: int) -> Word:
    """Give the part of a hash that the slots keep, 31 bits so that it is never negative."""
    return int64(uint64(hashed) >> uint64(33))


@inline
def same_key(c: Integers, key: Integers) -> Word:
    """Compare the key of a flow with another."""
    return bool(
        c[K_LOW_A] == key[K_LOW_A]
        and c[K_LOW_B] == key[K_LOW_B]
        and c[K_PORTS] == key[K_PORTS]
        and (c[F_FACTS] >> A_KIND) & 255 == key[K_KIND]
        and c[K_HIGH_A] == key[K_HIGH_A]
        and c[K_HIGH_B] == key[K_HIGH_B]
    )


@inline
def guess(slots: Integers, hashed: int) -> Word:
    """Give the first row whose hash looks the same; −1 when there is none."""
    mask = slots.size - 1
    tag = upper(hashed)
    at = tag & mask
    while slots[at] != 0:
        if slots[at] >> 32 == tag:
            return (slots[at] & 0xFFFFFFFF) - 1
        at = (at + 1) & mask
    return int64(-1)


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
            if same_key(t.core[row], key):
                return row
        at = (at + 1) & mask
    return int64(-1)


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
def await_end(t: Table, row: int, deadline_ms: int) -> None:
    """Put a row into the notch of the wheel at which it may end."""
    notch = (deadline_ms >> WHEEL_SHIFT) & (NOTCHES - 1)
    t.later[row] = t.wheel[notch]
    t.wheel[notch] = row


@inline
def pile(t: Table, row: int) -> None:
    """Put a row among the done."""
    t.done[t.meta[M_DONE]] = row
    t.meta[M_DONE] += 1


@inline
def end_idle(t: Table, now_ms: int) -> None:
    """Turn the wheel: end every flow of the notches passed that has been silent for the idle timeout."""
    hand, now = t.meta[M_HAND], now_ms >> WHEEL_SHIFT
    for notch in range(hand, min(now, hand + NOTCHES)):
        row = int64(t.wheel[notch & (NOTCHES - 1)])
        t.wheel[notch & (NOTCHES - 1)] = -1
        while row >= 0:
            after = int64(t.later[row])
            deadline_ms = t.core[row, F_LAST_US] // 1000 + IDLE_MS
            if deadline_ms <= now_ms:
                remove(t.slots, row, upper(place_key(t.core[row], t.meta)))
                pile(t, row)
            else:
                await_end(t, row, deadline_ms)
            row = after
    t.meta[M_HAND] = now


@inline
def take_row(t: Table) -> Word:
    """Take an unused row; the caller has seen that there is one."""
    t.meta[M_FREE] -= 1
    return int64(t.free[t.meta[M_FREE]])


@inline
def add_row(t: Table, hashed: int, now_ms: int) -> Word:
    """Take an unused row into the table."""
    row = take_row(t)
    put(t.slots, row, upper(hashed))
    await_end(t, row, now_ms + IDLE_MS)
    return row


@inline
def set_aside(t: Table, row: int) -> None:
    """End the flow of a row and leave the row in the table, for the flow that follows it."""
    copy = take_row(t)
    if t.meta[M_STATISTICS]:
        for word in range(STATISTICS_WORDS):
            t.stats[copy, word] = t.stats[row, word]
        if ((t.core[row, F_FACTS] | t.core[copy, F_FACTS]) >> A_RARE) & 1:
            for word in range(RARE_WORDS):
                t.rare[copy, word] = t.rare[row, word]
    for word in range(CORE_WORDS):
        t.core[copy, word] = t.core[row, word]
    pile(t, copy)


@kernel
def rehash(old: Integers, slots: Integers) -> None:
    """Fill empty slots with the rows of fewer slots.

    Parameters
    ----------
    old
        The slots so far.
    slots
        Zeros; a power of two of them, more than ``old``.
    """
    for at in range(old.size):
        entry = old[at]
        if entry != 0:
            put(slots, (entry & 0xFFFFFFFF) - 1, entry >> 32)


@kernel
def end_some(t: Table, enough: int) -> Word:
    """Turn the wheel without packets until enough flows have ended; gives how many of its notches are left.

    With none left, the table is empty. The caller sets ``M_LEFT`` to all of them before the first call.

    Parameters
    ----------
    t
        State; its hand moves on.
    enough
        Ended flows, those that wait already among them, after which it stops at the next notch; it turns by
        one notch at least.
    """
    left = t.meta[M_LEFT]
    start = left
    # One notch at least: flows that were cut may wait among the done for what ends before them.
    while left > 0 and (left == start or t.meta[M_DONE] < enough):
        hand = t.meta[M_HAND]
        row = int64(t.wheel[hand & (NOTCHES - 1)])
        t.wheel[hand & (NOTCHES - 1)] = -1
        while row >= 0:
            after = int64(t.later[row])
            deadline_ms = t.core[row, F_LAST_US] // 1000 + IDLE_MS
            if deadline_ms >> WHEEL_SHIFT <= hand:
                pile(t, row)
            else:
                await_end(t, row, deadline_ms)
            row = after
        t.meta[M_HAND] = hand + 1
        left -= 1
    t.meta[M_LEFT] = left
    if left == 0:
        for at in range(t.slots.size):
            t.slots[at] = 0
    return left
