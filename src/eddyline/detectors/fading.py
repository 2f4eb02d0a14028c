"""The growing tables of fading n-grams: look-ups, scores, and learning token by token.

What belongs here: compiled walks over the tables. What does not: time and what fades (``online.py``).
"""

from __future__ import annotations

from typing import Final, TypeVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.grams import ABSENT, BITS, find, first_slot
from eddyline.tables import Floats, Integers

UNSEEN: Final = 0
"""Number of tokens that were never learned."""

Number = TypeVar("Number", np.int64, np.float64)


def slots_of(keys: Integers, size: int) -> Integers:
    """Build a table of keys with room for ``size`` of them, at most half full.

    Parameters
    ----------
    keys
        Distinct keys.
    size
        Keys it must have room for.
    """
    table = np.full(1 << max(2, int(2 * size + 1).bit_length()), -1, np.int64)
    _fill(keys, table)
    return table


def grown(array: NDArray[Number], size: int) -> NDArray[Number]:
    """Give an array of the wanted length that begins with another.

    Parameters
    ----------
    array
        What it begins with.
    size
        Its length.
    """
    out = np.zeros(size, dtype=array.dtype)
    out[: len(array)] = array
    return out


@njit(cache=True, nogil=True)
def _fill(keys: Integers, table: Integers) -> None:  # pragma: no cover
    for i in range(len(keys)):
        at = first_slot(keys[i], len(table) - 1)
        while table[at] >= 0:
            at = (at + 1) & (len(table) - 1)
        table[at] = i


@njit(cache=True, nogil=True)
def _chance(
    words: Integers,
    before: Integers,
    i: int,
    weight: float,
    grams: tuple[Integers, Integers, Floats],
    nodes: tuple[Integers, Integers, Floats, Floats],
) -> float:  # pragma: no cover
    """Give the probability of token i, orders interpolated after Witten and Bell."""
    chance = 1.0 / (nodes[3][0] + 1.0)
    node = np.int64(0)
    for level in range(before.shape[0] + 1):
        if nodes[3][node] > 0:
            gram = find((node << BITS) | words[i], grams[0], grams[1])
            count = grams[2][gram] / weight if gram >= 0 else 0.0
            kinds = nodes[3][node]
            chance = (count + kinds * chance) / (nodes[2][node] / weight + kinds)
        if level == before.shape[0] or before[level, i] == ABSENT:
            break
        at = find((node << BITS) | before[level, i], nodes[0], nodes[1])
        if at < 0:
            break
        node = np.int64(at + 1)
    return float(chance)


@njit(cache=True, nogil=True)
def surprises_of(
    words: Integers,
    before: Integers,
    weight: float,
    grams: tuple[Integers, Integers, Floats],
    nodes: tuple[Integers, Integers, Floats, Floats],
    out: Floats,
) -> None:  # pragma: no cover
    """Write ``-ln p`` of each token; nothing is learned.

    Parameters
    ----------
    words, before
        Token numbers and their ``histories``.
    weight
        Weight of a token today.
    grams
        Table, keys and counts of (history, word).
    nodes
        Table and keys of histories, how often each was seen, and how many different words followed.
    out
        Where the surprises go.
    """
    for i in range(len(words)):
        out[i] = -np.log(_chance(words, before, i, weight, grams, nodes))


@njit(cache=True, nogil=True)
def _find_or_add(key: int, table: Integers, keys: Integers, n: int) -> int:  # pragma: no cover
    """Give the position of a key, adding it as the n-th when it is new."""
    at = first_slot(key, len(table) - 1)
    while table[at] >= 0:
        if keys[table[at]] == key:
            return int(table[at])
        at = (at + 1) & (len(table) - 1)
    table[at] = n
    keys[n] = key
    return n


@njit(cache=True, nogil=True)
def learn(
    words: Integers,
    before: Integers,
    weights: Floats,
    grams: tuple[Integers, Integers, Floats],
    nodes: tuple[Integers, Integers, Floats, Floats],
    used: Integers,
    out: Floats,
) -> tuple[int, int]:  # pragma: no cover
    """Score each token, then count it after each of its histories; give the entries now used.

    Parameters
    ----------
    words, before, grams, nodes
        As for ``surprises_of``; the tables have room for all that is new.
    weights
        Weight of each token.
    used
        Entries of ``grams`` and nodes, the root included, that are in use.
    out
        Where the surprises go.
    """
    n_keys, n_nodes = used[0], used[1]
    for i in range(len(words)):
        out[i] = -np.log(_chance(words, before, i, weights[i], grams, nodes))
        if words[i] == UNSEEN:
            continue
        node = np.int64(0)
        for level in range(before.shape[0] + 1):
            gram = _find_or_add((node << BITS) | words[i], grams[0], grams[1], n_keys)
            if gram == n_keys:
                n_keys += 1
                grams[2][gram] = 0.0
                nodes[3][node] += 1.0
            grams[2][gram] += weights[i]
            nodes[2][node] += weights[i]
            if level == before.shape[0] or before[level, i] == ABSENT:
                break
            place = (node << BITS) | before[level, i]
            at = _find_or_add(place, nodes[0], nodes[1], n_nodes - 1)
            if at == n_nodes - 1:
                n_nodes += 1
                nodes[2][at + 1] = 0.0
                nodes[3][at + 1] = 0.0
            node = np.int64(at + 1)
    return n_keys, n_nodes
