"""The compiled tables behind n-gram counts: histories as a tree, and fast look-ups.

What belongs here: numbering histories, the hash table, and the walk over tokens. What does not:
probabilities' meaning and the score of a group (``ngram.py``, ``online.py``).

A history is a node of a tree that is read backwards: below the root (node 0) stands the newest word, below
it the one before. A key is ``node << 21 | word``, for the step to a longer history as for a count.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from eddyline.tables import Floats, Integers

BITS: Final = 21
"""Bits of a word in a key."""

START: Final = (1 << 20) - 1
"""Number of the start of a group; never a word's."""

ABSENT: Final = -1
"""Where a history would reach beyond the start of its group."""

MAX_WORDS: Final = 2**20 - 2
"""Distinct tokens that fit in a key."""


def histories(words: Integers, offsets: Integers, order: int) -> Integers:
    """Give the words before every token, newest first, shape ``(order, n)``.

    Parameters
    ----------
    words
        Token numbers of all groups, end to end.
    offsets
        Where each group starts, and the end; no group is empty.
    order
        Words of history.
    """
    out = np.full((order, len(words)), ABSENT, np.int64)
    starts = np.repeat(offsets[:-1], np.diff(offsets))
    place = np.arange(len(words)) - starts
    for back in range(1, order + 1):
        out[back - 1, back:] = words[:-back] if back <= len(words) else words[:0]
        out[back - 1, place == back - 1] = START
        out[back - 1, place < back - 1] = ABSENT
    return out


def count_grams(
    words: Integers, before: Integers
) -> tuple[Integers, Integers, Floats, Floats, Floats]:
    """Count words after their histories, all lengths from 1 to the order.

    Parameters
    ----------
    words
        Token numbers, shape ``(n,)``.
    before
        From ``histories``.

    Returns
    -------
    contexts
        Key of each history in the tree, parents before children; history i is node i + 1.
    keys
        Key of each (history, word), sorted.
    counts
        How often each was seen.
    totals, kinds
        How often each history was seen, and how many different words followed it.
    """
    node = np.zeros(len(words), np.int64)
    known = np.ones(len(words), dtype=bool)
    contexts: list[Integers] = []
    keys: list[Integers] = []
    n_nodes = 1
    for words_back in before:
        known &= words_back != ABSENT
        steps, inverse = np.unique((node[known] << BITS) | words_back[known], return_inverse=True)
        node[known] = n_nodes + inverse
        n_nodes += len(steps)
        contexts.append(steps)
        keys.append((node[known] << BITS) | words[known])
    empty = np.zeros(0, np.int64)
    all_keys, counts = np.unique(np.concatenate([empty, *keys]), return_counts=True)
    owners = (all_keys >> BITS) - 1
    totals: Floats = np.bincount(owners, counts, n_nodes - 1).astype(np.float64)
    kinds: Floats = np.bincount(owners, minlength=n_nodes - 1).astype(np.float64)
    times: Floats = counts.astype(np.float64)
    nodes: Integers = np.concatenate([empty, *contexts])
    return nodes, all_keys, times, totals, kinds


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
def first_slot(key: int, mask: int) -> np.int64:  # pragma: no cover
    """Give the slot where the search for a key begins.

    Parameters
    ----------
    key
        The key.
    mask
        Size of the table, a power of two, less one.
    """
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
        at = first_slot(keys[i], size - 1)
        while slots[at] >= 0:
            at = (at + 1) & (size - 1)
        slots[at] = i
    return slots


@njit(cache=True, nogil=True)
def find(key: int, slots: Integers, keys: Integers) -> int:  # pragma: no cover
    """Give the position of a key, or -1.

    Parameters
    ----------
    key
        What to look for.
    slots, keys
        The table and its keys.
    """
    at = first_slot(key, len(slots) - 1)
    while slots[at] >= 0:
        if keys[slots[at]] == key:
            return int(slots[at])
        at = (at + 1) & (len(slots) - 1)
    return -1


@njit(cache=True, nogil=True)
def surprise(  # noqa: PLR0913 - a compiled kernel takes its tables one by one
    words: Integers,
    before: Integers,
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
    words, before
        Token numbers and their ``histories``.
    base
        Probability of each word without history.
    key_slots, keys, counts
        Table of (history, word) and how often each was seen.
    context_slots, contexts, totals, kinds
        Table of histories: how often each was seen, and how many different words followed.
    out
        Where the surprises go, as long as ``words``.
    """
    for i in range(len(words)):
        chance = base[words[i]]
        node = np.int64(0)
        for back in range(before.shape[0]):
            if before[back, i] == ABSENT:
                break
            at = find((node << BITS) | before[back, i], context_slots, contexts)
            if at < 0:
                break
            node = np.int64(at + 1)
            gram = find((node << BITS) | words[i], key_slots, keys)
            count = counts[gram] if gram >= 0 else 0.0
            chance = (count + kinds[at] * chance) / (totals[at] + kinds[at])
        out[i] = -np.log(chance)
