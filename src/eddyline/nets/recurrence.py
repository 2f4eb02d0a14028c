"""Recurrent cells in compiled loops: scoring without torch, bit for bit the same whatever stands beside.

What belongs here: steps of GRU and LSTM cells on plain float32 arrays and the surprise of a token. What does
not: training (``sequence.py``, on torch) and what a token is. Matrix products would be quicker for large
batches, but their last bits change with the batch.

Weights are laid out input-major, ``(inputs, gates)``: transposed against torch.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.tables import Floats, Integers

Single = NDArray[np.float32]

LEAST_CHANCE = 1e-10
"""No token is less likely than this: 23.03 nats are the most a token can surprise."""


@njit(cache=True, nogil=True, fastmath=True)
def add_product(x: Single, weights: Single, out: Single) -> None:  # pragma: no cover
    """Add ``x @ weights`` to ``out``.

    Parameters
    ----------
    x, weights, out
        Shapes ``(i,)``, ``(i, j)``, ``(j,)``.
    """
    for i in range(len(x)):
        factor = x[i]
        for j in range(len(out)):
            out[j] += factor * weights[i, j]


@njit(cache=True, nogil=True, fastmath=True)
def _sigmoid(x: np.float32) -> np.float32:  # pragma: no cover
    value: np.float32 = np.float32(1.0) / (np.float32(1.0) + np.exp(-x))
    return value


@njit(cache=True, nogil=True, fastmath=True)
def gru_step(
    given: Single, recurrent: Single, bias: Single, h: Single, gates: Single
) -> None:  # pragma: no cover
    """Take one step of a GRU in place.

    Parameters
    ----------
    given
        What the input adds to the gates (reset, update, new), its bias included, shape ``(3 H,)``.
    recurrent, bias
        Weights ``(H, 3 H)`` and bias ``(3 H,)`` of the state.
    h
        State, shape ``(H,)``; overwritten.
    gates
        Scratch, shape ``(3 H,)``.
    """
    n = len(h)
    gates[:] = bias
    add_product(h, recurrent, gates)
    for j in range(n):
        reset = _sigmoid(given[j] + gates[j])
        update = _sigmoid(given[n + j] + gates[n + j])
        new = np.tanh(given[2 * n + j] + reset * gates[2 * n + j])
        h[j] = (np.float32(1.0) - update) * new + update * h[j]


@njit(cache=True, nogil=True, fastmath=True)
def lstm_step(
    given: Single, recurrent: Single, h: Single, c: Single, gates: Single, rectified: bool
) -> None:  # pragma: no cover
    """Take one step of an LSTM in place.

    Parameters
    ----------
    given
        What the input adds to the gates (in, forget, candidate, out), all biases included, ``(4 H,)``.
    recurrent
        Weights of the state, ``(H, 4 H)``.
    h, c
        Output and cell, shape ``(H,)``; overwritten.
    gates
        Scratch, shape ``(4 H,)``.
    rectified
        True for a rectifier where the cell usually has tanh.
    """
    n = len(h)
    gates[:] = given
    add_product(h, recurrent, gates)
    for j in range(n):
        candidate = gates[2 * n + j]
        candidate = max(candidate, np.float32(0.0)) if rectified else np.tanh(candidate)
        c[j] = _sigmoid(gates[n + j]) * c[j] + _sigmoid(gates[j]) * candidate
        shown = max(c[j], np.float32(0.0)) if rectified else np.tanh(c[j])
        h[j] = _sigmoid(gates[3 * n + j]) * shown


@njit(cache=True, nogil=True, fastmath=True)
def surprise_of(
    h: Single, weights: Single, bias: Single, word: int, logits: Single
) -> float:  # pragma: no cover
    """Give ``-ln p`` of a word under the softmax of ``h @ weights + bias``, at most 23.03.

    Parameters
    ----------
    h
        What the net knows, shape ``(H,)``.
    weights, bias
        Shapes ``(H, V)`` and ``(V,)``.
    word
        The word that came.
    logits
        Scratch, shape ``(V,)``; holds the logits afterwards.
    """
    logits[:] = bias
    add_product(h, weights, logits)
    most = logits[0]
    for j in range(1, len(logits)):
        most = max(most, logits[j])
    total = np.float32(0.0)
    for j in range(len(logits)):
        total += np.exp(logits[j] - most)
    value = np.float64(np.log(total) + most - logits[word])
    return float(min(max(value, 0.0), -np.log(LEAST_CHANCE)))


@njit(cache=True, nogil=True, fastmath=True)
def gru_surprises(  # noqa: PLR0913 - a compiled kernel takes its arrays one by one
    words: Integers,
    offsets: Integers,
    begin: int,
    table: Single,
    recurrent: Single,
    bias: Single,
    out: tuple[Single, Single],
    scores: Floats,
    logits: Single,
) -> None:  # pragma: no cover
    """Read groups once and write every word's surprise.

    Parameters
    ----------
    words, offsets
        Word numbers of all groups, and where each starts.
    begin
        Word that stands before each group.
    table
        What each word adds to the gates, shape ``(V, 3 H)``.
    recurrent, bias
        See ``gru_step``.
    out
        Weights and bias of the last layer, see ``surprise_of``.
    scores
        Where the surprises go.
    logits
        Scratch, shape ``(V,)``; afterwards the logits of the last word.
    """
    h = np.zeros(recurrent.shape[0], np.float32)
    gates = np.empty(recurrent.shape[1], np.float32)
    for group in range(len(offsets) - 1):
        h[:] = 0
        before = begin
        for i in range(offsets[group], offsets[group + 1]):
            gru_step(table[before], recurrent, bias, h, gates)
            scores[i] = surprise_of(h, out[0], out[1], words[i], logits)
            before = words[i]


@njit(cache=True, nogil=True, fastmath=True)
def lstm_surprises(
    words: Integers,
    offsets: Integers,
    begin: int,
    table: Single,
    recurrent: Single,
    out: tuple[Single, Single],
    scores: Floats,
    logits: Single,
) -> None:  # pragma: no cover
    """Read groups once by an LSTM and write every word's surprise.

    Parameters
    ----------
    words, offsets, begin, table, recurrent, out, scores, logits
        As for ``gru_surprises``; ``table`` holds all biases.
    """
    h = np.zeros(recurrent.shape[0], np.float32)
    c = np.zeros(recurrent.shape[0], np.float32)
    gates = np.empty(recurrent.shape[1], np.float32)
    for group in range(len(offsets) - 1):
        h[:] = 0
        c[:] = 0
        before = begin
        for i in range(offsets[group], offsets[group + 1]):
            lstm_step(table[before], recurrent, h, c, gates, False)
            scores[i] = surprise_of(h, out[0], out[1], words[i], logits)
            before = words[i]


@njit(cache=True, nogil=True, fastmath=True)
def conv_surprises(  # noqa: PLR0913 - a compiled kernel takes its arrays one by one
    words: Integers,
    offsets: Integers,
    begin: int,
    table: Single,
    second: Single,
    bias: Single,
    out: tuple[Single, Single],
    scores: Floats,
    logits: Single,
) -> None:  # pragma: no cover
    """Read groups by two causal convolutions and write every word's surprise.

    Parameters
    ----------
    words, offsets, begin, out, scores, logits
        As for ``gru_surprises``.
    table
        What each word adds to the first layer by its place in the kernel, ``(V, k1, H)``, the oldest place
        first; a kth of the bias in each.
    second, bias
        Kernel ``(k2, H, H)``, the oldest place first, and bias ``(H,)`` of the second layer.
    """
    k1, k2, n = table.shape[1], second.shape[0], table.shape[2]
    hidden = np.empty((k2, n), np.float32)
    h = np.empty(n, np.float32)
    for group in range(len(offsets) - 1):
        start = offsets[group]
        for back in range(k2):
            _first_layer(
                words, start, start - 1 - back, begin, table, k1, hidden[(-1 - back) % k2]
            )
        for i in range(start, offsets[group + 1]):
            at = i - start
            _first_layer(words, start, i, begin, table, k1, hidden[at % k2])
            h[:] = bias
            for place in range(k2):
                add_product(hidden[(at - k2 + 1 + place) % k2], second[place], h)
            for j in range(n):
                h[j] = max(h[j], np.float32(0.0))
            scores[i] = surprise_of(h, out[0], out[1], words[i], logits)


@njit(cache=True, nogil=True, fastmath=True)
def _first_layer(
    words: Integers, start: int, i: int, begin: int, table: Single, k1: int, out: Single
) -> None:  # pragma: no cover
    out[:] = 0
    for place in range(k1):
        back = i - k1 + place
        word = words[back] if back >= start else begin
        for j in range(len(out)):
            out[j] += table[word, place, j]
    for j in range(len(out)):
        out[j] = max(out[j], np.float32(0.0))


@njit(cache=True, nogil=True, fastmath=True)
def window_surprises(  # noqa: PLR0913 - a compiled kernel takes its arrays one by one
    windows: Integers,
    lengths: Integers,
    targets: Integers,
    table: tuple[Single, Single],
    recurrent: tuple[Single, Single],
    upper: tuple[Single, ...],
    out: tuple[Single, ...],
    rectified: bool,
    scores: Floats,
    logits: Single,
) -> None:  # pragma: no cover
    """Read each window both ways by two LSTM layers and write its target's surprise.

    Parameters
    ----------
    windows, lengths, targets
        Words of each window, right-padded, how many they are, and the word that followed.
    table, recurrent
        First layer, forwards and backwards: what each word adds ``(V, 4 H)``, weights of the state.
    upper
        Second layer: input weights ``(2 H, 4 H)``, bias and weights of the state, forwards and backwards.
    out
        Weights and bias of the dense layer and of the last one.
    rectified
        True for rectifiers in the second layer's cells.
    scores
        Where the surprises go.
    logits
        Scratch, shape ``(V,)``; afterwards the logits of the last word.
    """
    n = recurrent[0].shape[0]
    h, c = np.empty(n, np.float32), np.empty(n, np.float32)
    gates, given = np.empty(4 * n, np.float32), np.empty(4 * n, np.float32)
    inner = np.empty((windows.shape[1], 2 * n), np.float32)
    top = np.empty(2 * n, np.float32)
    dense = np.empty(out[0].shape[1], np.float32)
    for w in range(len(windows)):
        last = lengths[w] - 1
        h[:] = 0
        c[:] = 0
        for i in range(last + 1):
            lstm_step(table[0][windows[w, i]], recurrent[0], h, c, gates, False)
            inner[i, :n] = h
        h[:] = 0
        c[:] = 0
        for i in range(last, -1, -1):
            lstm_step(table[1][windows[w, i]], recurrent[1], h, c, gates, False)
            inner[i, n:] = h
        h[:] = 0
        c[:] = 0
        for i in range(last + 1):
            given[:] = upper[1]
            add_product(inner[i], upper[0], given)
            lstm_step(given, upper[2], h, c, gates, rectified)
        top[:n] = h
        h[:] = 0
        c[:] = 0
        for i in range(last, -1, -1):
            given[:] = upper[4]
            add_product(inner[i], upper[3], given)
            lstm_step(given, upper[5], h, c, gates, rectified)
        top[n:] = h
        dense[:] = out[1]
        add_product(top, out[0], dense)
        scores[w] = surprise_of(dense, out[2], out[3], targets[w], logits)
