"""The compiled tables behind n-gram counts: keys of tokens in their history, and fast look-ups.

What belongs here: packing tokens into keys, the hash table, and the walk over groups. What does not:
probabilities' meaning and the score of a group (``ngram.py``).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from eddyline.tables import Floats, Integers

# A key holds three 21-bit fields: order and oldest word, middle word, newest word. Words are numbered from
# 0 (unknown); the start of a group is the highest number, so it never meets a word. Order 1 leaves the oldest
# field at its own mark.
_BITS = 21
_START = (1 << 20) - 1
_NO_WORD = (1 << 21) - 1


def context_of(keys: Integers) -> Integers:
    """Give the key of the history that each n-gram key continues.

    Parameters
    ----------
    keys
        Keys of n-grams.
    """
    return keys >> _BITS


@njit(cache=True, nogil=True)
def grams(
    words: Integers, offsets: Integers, order: int
) -> tuple[Integers, Integers]:  # pragma: no cover
    """Give the n-gram and the history keys of every token, orders 1 to ``order``.

    Parameters
    ----------
    words
        Token numbers of all groups, end to end.
    offsets
        Where each group starts, and the end.
    order
        Most tokens of history, 0 to 2.
    """
    keys = np.empty(len(words) * order, np.int64)
    used = 0
    for group in range(len(offsets) - 1):
        start = offsets[group]
        for i in range(start, offsets[group + 1]):
            previous = words[i - 1] if i > start else _START
            if order >= 1:
                keys[used] = (((_NO_WORD << _BITS) | previous) << _BITS) | words[i]
                used += 1
            if order >= 2 and i > start:
                oldest = words[i - 2] if i > start + 1 else _START
                keys[used] = (((oldest << _BITS) | previous) << _BITS) | words[i]
                used += 1
    keys = keys[:used]
    return keys, keys >> _BITS


@njit(cache=True, nogil=True)
def distinct_in_groups(values: Floats, offsets: Integers) -> Floats:  # pragma: no cover
    """Count the different values in each group.

    Parameters
    ----------
    values
        Values of all groups, end to end.
    offsets
        Where each group starts, and the end; no group is empty.
    """
    out = np.empty(len(offsets) - 1)
    for group in range(len(offsets) - 1):
        ordered = np.sort(values[offsets[group] : offsets[group + 1]])
        out[group] = 1.0
        for i in range(1, len(ordered)):
            if ordered[i] != ordered[i - 1]:
                out[group] += 1.0
    return out


@njit(cache=True, nogil=True)
def _place(key: int, mask: int) -> np.int64:  # pragma: no cover
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((mixed ^ (mixed >> np.uint64(31))) & np.uint64(mask))


@njit(cache=True, nogil=True)
def slots(keys: Integers) -> Integers:  # pragma: no cover
    """Build an open-addressed table, at most half full, of positions in ``keys``; -1 is empty.

    Parameters
    ----------
    keys
        Distinct keys.
    """
    size = 4
    while size < 2 * len(keys) + 2:
        size *= 2
    slots = np.full(size, -1, np.int64)
    for i in range(len(keys)):
        at = _place(keys[i], size - 1)
        while slots[at] >= 0:
            at = (at + 1) & (size - 1)
        slots[at] = i
    return slots


@njit(cache=True, nogil=True)
def _find(key: int, slots: Integers, keys: Integers) -> int:  # pragma: no cover
    at = _place(key, len(slots) - 1)
    while slots[at] >= 0:
        if keys[slots[at]] == key:
            return int(slots[at])
        at = (at + 1) & (len(slots) - 1)
    return -1


@njit(cache=True, nogil=True)
def surprise(  # noqa: PLR0913 - a compiled kernel takes its tables one by one
    words: Integers,
    offsets: Integers,
    order: int,
    base: Floats,
    key_slots: Integers,
    keys: Integers,
    counts: Floats,
    context_slots: Integers,
    contexts: Integers,
    totals: Floats,
    kinds: Floats,
    out: Floats,
) -> None:  # pragma: no cover
    """Write ``-ln p`` of every token, orders interpolated after Witten and Bell.

    Parameters
    ----------
    words, offsets, order
        As for ``grams``.
    base
        Probability of each word without history.
    key_slots, keys, counts
        Table of n-grams and how often each was seen.
    context_slots, contexts, totals, kinds
        Table of histories: how often each was seen, and how many different words followed.
    out
        Where the surprises go, as long as ``words``.
    """
    for group in range(len(offsets) - 1):
        start = offsets[group]
        for i in range(start, offsets[group + 1]):
            chance = base[words[i]]
            previous = words[i - 1] if i > start else _START
            for length in range(1, order + 1):
                if length == 1:
                    context = (_NO_WORD << _BITS) | previous
                elif i > start:
                    oldest = words[i - 2] if i > start + 1 else _START
                    context = (oldest << _BITS) | previous
                else:
                    break
                at = _find(context, context_slots, contexts)
                if at < 0:
                    break
                gram = _find((context << _BITS) | words[i], key_slots, keys)
                count = counts[gram] if gram >= 0 else 0.0
                chance = (count + kinds[at] * chance) / (totals[at] + kinds[at])
            out[i] = -np.log(chance)
