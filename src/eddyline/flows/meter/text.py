"""Addresses and identifiers as text, without a Python step for each.

What belongs here: numbers → text. What does not: which numbers. IPv6 text follows RFC 5952.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import polars as pl
from numpy import int64, uint64
from numpy.typing import NDArray

from eddyline.flows.meter.arrow import LentText
from eddyline.flows.meter.jit import inline, kernel, prefetch
from eddyline.flows.meter.layout import Bytes, Integers, Word
from eddyline.flows.meter.memory import zeros
from eddyline.flows.meter.table import mix, upper

LONGEST_ADDRESS: Final = 40
"""Bytes of the longest IPv6 address, and one more."""
_NEWLINE: Final = 10
_DOT: Final = 46
_COLON: Final = 58


CARDS: Final = 1 << 18
"""Addresses that are remembered; a power of two."""
AT_ONCE: Final = 1 << 13
"""Addresses that are written at once: what is made on the way stays in the processor's cache."""
AHEAD: Final = 8
"""Cards that are asked for before they are needed."""
C_HIGH, C_LOW, C_KIND, C_CODE, CARD_WORDS = range(5)
"""Words of a card: the address, its version, 0 on an empty one, and its code."""
MET_AGAIN: Final = 8
"""Added to the version of an address that was met again: of two cards, the other one is given away first."""


class Book(NamedTuple):
    """What is known of addresses, and room for some at a time.

    Parameters
    ----------
    cards
        Shape ``(2**k, CARD_WORDS)``.
    codes
        The code of each address, negative while it is not known; shape ``(AT_ONCE,)``.
    fresh
        Cards of those that were written; shape ``(AT_ONCE,)``.
    out
        Their text; ``AT_ONCE * LONGEST_ADDRESS`` bytes.
    offsets
        Where each begins in it, and where the last one ends; shape ``(AT_ONCE + 1,)``.
    """

    cards: Integers
    codes: Integers
    fresh: Integers
    out: Bytes
    offsets: Integers


@inline
def digit(value: int) -> Word:
    """Give the character of a hexadecimal digit."""
    return value + (48 if value < 10 else 87)


@inline
def write_ipv4(out: Bytes, at: int, low: int) -> Word:
    """Write an IPv4 address; gives where it ends."""
    for part in range(4):
        byte = (low >> (24 - 8 * part)) & 255
        if byte >= 100:
            out[at] = digit(byte // 100)
            at += 1
        if byte >= 10:
            out[at] = digit(byte // 10 % 10)
            at += 1
        out[at] = digit(byte % 10)
        at += 1
        if part < 3:
            out[at] = _DOT
            at += 1
    return at


@inline
def group(high: int, low: int, index: int) -> Word:
    """Give one of the eight groups of an IPv6 address."""
    word = high if index < 4 else low
    return (word >> (48 - 16 * (index & 3))) & 0xFFFF


@inline
def longest_zeros(high: int, low: int) -> tuple[Word, Word]:
    """Give start and length of the first longest run of zero groups, ``(8, 0)`` when none has two."""
    best, length, index = int64(8), int64(1), int64(0)
    while index < 8:
        run = int64(0)
        while index + run < 8 and group(high, low, index + run) == 0:
            run += 1
        if run > length:
            best, length = index, run
        index += max(run, int64(1))
    return best, (length if best < 8 else int64(0))


@inline
def write_ipv6(out: Bytes, at: int, high: int, low: int) -> Word:
    """Write an IPv6 address; gives where it ends."""
    zeros, length = longest_zeros(high, low)
    index = int64(0)
    while index < 8:
        if index == zeros:
            out[at] = _COLON
            at += 1
            index += length
            if index == 8:
                out[at] = _COLON
                at += 1
            continue
        if index > 0:
            out[at] = _COLON
            at += 1
        value = group(high, low, index)
        shift = int64(12)
        while shift > 0 and value >> shift == 0:
            shift -= 4
        while shift >= 0:
            out[at] = digit((value >> shift) & 15)
            at += 1
            shift -= 4
        index += 1
    return at


@inline
def place_of(high: Integers, low: Integers, version: Bytes, i: int, cards: Integers) -> Word:
    """Give the first of the two cards that an address can have, sources first; they share a cache line."""
    side, row = i // version.size, i % version.size
    hashed = upper(mix(mix(int64(version[row]), high[side, row]), low[side, row]))
    return (hashed & (cards.shape[0] // 2 - 1)) * 2


@inline
def has(card: Integers, high: int, low: int, kind: int) -> Word:
    """Tell whether a card is that of an address."""
    return bool(card[C_LOW] == low and card[C_HIGH] == high and card[C_KIND] & 7 == kind)


@inline
def give_away(cards: Integers, place: int) -> Word:
    """Give the card of two that a new address takes: one that was not met again, if there is one."""
    if not cards[place, C_KIND] & MET_AGAIN:
        return int64(place)
    if cards[place + 1, C_KIND] & MET_AGAIN:
        cards[place, C_KIND] &= 7  # the next one is taken unless it is met until then
    return int64(place + 1)


@kernel
def look_up(high: Integers, low: Integers, version: Bytes, start: int, stop: int, b: Book) -> Word:
    """Find the codes of addresses, and write those that are not known; gives how many were written.

    Parameters
    ----------
    high, low
        Words of the addresses, shape ``(2, n)`` or longer.
    version
        4 or 6, for both of a flow; shape ``(n,)``.
    start, stop
        Which of the ``2 * n`` addresses, sources first; at most ``AT_ONCE``.
    b
        What is known.
    """
    rows = version.size
    fresh, at = int64(0), int64(0)
    for i in range(start, stop):
        later = place_of(high, low, version, min(i + AHEAD, 2 * rows - 1), b.cards)
        prefetch(b.cards, later, 0)
        side, row = i // rows, i % rows
        first, second, kind = high[side, row], low[side, row], int64(version[row])
        place = place_of(high, low, version, i, b.cards)
        if not has(b.cards[place], first, second, kind):
            place += 1
        card = b.cards[place]
        if has(card, first, second, kind):
            card[C_KIND] = kind | MET_AGAIN
            b.codes[i - start] = card[C_CODE]
        else:
            place = give_away(b.cards, place - 1)
            card = b.cards[place]
            card[C_HIGH], card[C_LOW], card[C_KIND] = first, second, kind
            card[C_CODE] = b.codes[i - start] = -1 - fresh
            b.fresh[fresh] = place
            fresh += 1
            at = (
                write_ipv4(b.out, at, second)
                if kind == 4
                else write_ipv6(b.out, at, first, second)
            )
            b.offsets[fresh] = at
    return fresh


@kernel
def learn(codes: NDArray[np.uint32], found: NDArray[np.uint32], b: Book) -> None:
    """Put the codes of the addresses that were written in the place of their numbers.

    Parameters
    ----------
    codes
        One for each address that was written.
    found
        Filled with the code of each address that was looked up.
    b
        What is known.
    """
    for number in range(codes.size):
        card = b.cards[b.fresh[number]]
        if card[C_CODE] == -1 - number:
            card[C_CODE] = codes[number]
    for i in range(found.size):
        code = b.codes[i]
        found[i] = codes[-1 - code] if code < 0 else code


@kernel
def number(words: Integers, ids: Integers, first: Integers, slots: Integers) -> Word:
    """Give the distinct words numbers in the order of first sight; gives how many there are.

    Parameters
    ----------
    words
        Any; shape ``(n,)``.
    ids
        Filled with the number of each; shape ``(n,)``.
    first
        Filled with where each stands first; shape ``(n,)``.
    slots
        Zeros; a power of two of them, more than ``n``.
    """
    mask = slots.size - 1
    known = int64(0)
    for i in range(words.size):
        slot = mix(0, words[i]) & mask
        while slots[slot] != 0 and words[first[slots[slot] - 1]] != words[i]:
            slot = (slot + 1) & mask
        if slots[slot] == 0:
            first[known] = i
            known += 1
            slots[slot] = known
        ids[i] = slots[slot] - 1
    return known


@kernel
def write_hex(words: Integers, out: Bytes) -> None:
    """Write each 64-bit word as 16 hexadecimal digits and a newline.

    Parameters
    ----------
    words
        Shape ``(n,)``; the sign means nothing.
    out
        Shape ``(17 * n,)``.
    """
    at = 0
    for i in range(words.size):
        word = uint64(words[i])
        for part in range(16):
            out[at] = digit(int64((word >> uint64(60 - 4 * part)) & uint64(15)))
            at += 1
        out[at] = _NEWLINE
        at += 1


def warm_texts() -> None:
    """Call each kernel with nothing, so that they are compiled."""
    nothing = np.zeros(0, dtype=np.int64)
    write_hex(nothing, np.zeros(0, dtype=np.uint8))
    number(nothing, nothing, nothing, np.zeros(1, dtype=np.int64))
    cards, one = np.zeros((1, CARD_WORDS), np.int64), np.zeros(1, np.int64)
    book = Book(cards, nothing, nothing, np.zeros(0, np.uint8), one)
    pair, codes = nothing.reshape(2, 0), np.zeros(0, dtype=np.uint32)
    look_up(pair, pair, np.zeros(0, dtype=np.uint8), 0, 0, book)
    learn(codes, codes, book)


def _lines(out: Bytes) -> pl.Series:
    """Cut lines that end with a newline into a column."""
    return pl.Series([out[:-1].tobytes().decode("ascii")]).str.split("\n").explode()


def hex_texts(words: Integers) -> pl.Series:
    """Give each word as 16 hexadecimal digits.

    Parameters
    ----------
    words
        Shape ``(n,)``, ``n >= 1``.
    """
    out = np.empty(17 * words.size, dtype=np.uint8)
    write_hex(words, out)
    return _lines(out)


def number_words(words: Integers) -> tuple[Integers, Integers]:
    """Give the distinct words numbers in the order of first sight, and tell where each stands first.

    Parameters
    ----------
    words
        Shape ``(n,)``, ``n >= 1``.
    """
    ids, first = np.empty_like(words), np.empty_like(words)
    slots = np.zeros(1 << (2 * words.size).bit_length(), dtype=np.int64)
    known = number(words, ids, first, slots)
    return ids, first[:known]


class AddressBook:
    """Write addresses as dictionary-encoded text, most of them once.

    An address has two places among a bounded number of cards. A new one takes the card whose address was not
    met again: servers stay while scanners pass. What was driven out is only written again.
    """

    def __init__(self) -> None:
        self._book = Book(
            zeros((CARDS, CARD_WORDS), np.int64),
            np.empty(AT_ONCE, dtype=np.int64),
            np.empty(AT_ONCE, dtype=np.int64),
            np.empty(AT_ONCE * LONGEST_ADDRESS, dtype=np.uint8),
            np.zeros(AT_ONCE + 1, dtype=np.int64),
        )
        self._written = LentText(self._book.out, self._book.offsets)
        self._last = pl.Series([], dtype=pl.Categorical())  # keeps the codes of Polars alive

    def texts(self, high: Integers, low: Integers, version: Bytes) -> pl.Series:
        """Give the addresses of some flows, all sources first.

        Parameters
        ----------
        high, low
            Words of the addresses, shape ``(2, n)`` or longer, ``n >= 1``.
        version
            4 or 6, shape ``(n,)``.
        """
        book = self._book
        codes = np.empty(2 * version.size, dtype=np.uint32)
        try:
            for start in range(0, len(codes), AT_ONCE):
                stop = min(start + AT_ONCE, len(codes))
                fresh = look_up(high, low, version, start, stop, book)
                if fresh:
                    self._last = self._written.column(fresh).cast(pl.Categorical())
                learn(self._last[:fresh].to_physical().to_numpy(), codes[start:stop], book)
        except (
            BaseException
        ):  # an interrupt: cards hold numbers that no code has taken the place of
            book.cards[:] = 0
            raise
        return pl.Series(codes).cat.to(pl.Categorical())
