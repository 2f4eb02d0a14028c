"""Addresses and identifiers as text, without a Python step for each.

What belongs here: numbers → text. What does not: which numbers. IPv6 text follows RFC 5952.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy import int64, uint64
from numpy.typing import NDArray

from eddyline.flows.meter.jit import inline, kernel
from eddyline.flows.meter.layout import Bytes, Integers, Word
from eddyline.flows.meter.table import mix, upper

LONGEST_ADDRESS: Final = 40
"""Bytes of the longest IPv6 address and the newline after it."""
_NEWLINE: Final = 10
_DOT: Final = 46
_COLON: Final = 58


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


@kernel
def intern(addresses: Integers, ids: Integers, slots: Integers, out: Bytes) -> Word:
    """Write each distinct address once, a newline after it; gives their bytes.

    Parameters
    ----------
    addresses
        High word, low word, version; shape ``(n, 3)``.
    ids
        Filled with each row's number, in order of first sight; shape ``(n,)``.
    slots
        Zeros; a power of two of them, more than ``n``.
    out
        Room for ``n * LONGEST_ADDRESS`` bytes.
    """
    mask = slots.size - 1
    known, at = int64(0), int64(0)
    for i in range(addresses.shape[0]):
        high, low, version = addresses[i, 0], addresses[i, 1], addresses[i, 2]
        slot = upper(mix(mix(version, high), low)) & mask
        while slots[slot] != 0:
            row = slots[slot] - 1
            if (
                addresses[row, 1] == low
                and addresses[row, 0] == high
                and addresses[row, 2] == version
            ):
                break
            slot = (slot + 1) & mask
        if slots[slot] != 0:
            ids[i] = ids[slots[slot] - 1]
            continue
        slots[slot] = i + 1
        ids[i] = known
        known += 1
        at = write_ipv4(out, at, low) if version == 4 else write_ipv6(out, at, high, low)
        out[at] = _NEWLINE
        at += 1
    return at


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
    """Call both kernels with nothing, so that they are compiled."""
    nothing = np.zeros(0, dtype=np.int64)
    write_hex(nothing, np.zeros(0, dtype=np.uint8))
    intern(
        nothing.reshape(0, 3), nothing, np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    )


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
    with np.errstate(over="ignore"):
        write_hex(words, out)
    return _lines(out)


def address_texts(addresses: Integers) -> pl.Series:
    """Give each address as dictionary-encoded text.

    Parameters
    ----------
    addresses
        High word, low word, version (4 or 6); shape ``(n, 3)``, ``n >= 1``.
    """
    rows = addresses.shape[0]
    ids = np.empty(rows, dtype=np.int64)
    slots = np.zeros(1 << (2 * rows).bit_length(), dtype=np.int64)
    out: NDArray[np.uint8] = np.empty(rows * LONGEST_ADDRESS, dtype=np.uint8)
    with np.errstate(over="ignore"):
        size = intern(np.ascontiguousarray(addresses), ids, slots, out)
    known = _lines(out[:size]).cast(pl.Categorical())
    return known.gather(pl.Series(ids))
