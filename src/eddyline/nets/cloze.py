"""The two-sided session net in compiled loops: each flow told from its neighbours, without torch.

What belongs here: scoring sessions by plain arrays, and laying trained weights out for it. What does not:
layers and training (``sequence.py``, ``reading.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.nets.recurrence import add_product, lstm_step, surprise_of
from eddyline.tables import Floats, Integers

Single = NDArray[np.float32]

SIDE: Final = ("state", "size", "kind", "low", "up_in", "up_bias", "up")
"""Arrays of one direction: what state, size class and host kind add, then the weights of both layers."""

TOP: Final = ("norm", "norm_bias", "join", "join_bias")
"""Arrays where both directions meet."""

HEADS: Final = ("state_head", "state_head_bias", "size_head", "size_head_bias")
"""Arrays of the two softmax layers."""

CLOZE: Final = (
    *(f"{name}_{way}_" for way in (0, 1) for name in SIDE),
    *(f"{name}_" for name in (*TOP, *HEADS)),
)
"""Names of all arrays."""


def cloze_arrays(weights: Mapping[str, Single]) -> dict[str, Single]:
    """Give the arrays of a session net.

    Parameters
    ----------
    weights
        Weights by torch's names.
    """
    widths = [weights[f"{name}.weight"].shape[1] for name in ("state", "size", "kind")]
    cuts = np.cumsum([0, *widths])
    out: dict[str, Single] = {}
    for way, stack in enumerate(("forwards", "backwards")):
        given = weights[f"{stack}.weight_ih_l0"].astype(np.float64)
        for number, name in enumerate(("state", "size", "kind")):
            part = given[:, cuts[number] : cuts[number + 1]]
            out[f"{name}_{way}_"] = _plain(weights[f"{name}.weight"].astype(np.float64) @ part.T)
        bias = weights[f"{stack}.bias_ih_l0"] + weights[f"{stack}.bias_hh_l0"]
        out[f"kind_{way}_"] = _plain(out[f"kind_{way}_"] + bias)
        out[f"low_{way}_"] = _plain(weights[f"{stack}.weight_hh_l0"].T)
        out[f"up_in_{way}_"] = _plain(weights[f"{stack}.weight_ih_l1"].T)
        out[f"up_bias_{way}_"] = _plain(
            weights[f"{stack}.bias_ih_l1"] + weights[f"{stack}.bias_hh_l1"]
        )
        out[f"up_{way}_"] = _plain(weights[f"{stack}.weight_hh_l1"].T)
    for name in ("norm", "join", "state_head", "size_head"):
        out[f"{name}_"] = _plain(weights[f"{name}.weight"].T)
        out[f"{name}_bias_"] = _plain(weights[f"{name}.bias"])
    return out


@njit(cache=True, nogil=True, fastmath=True)
def session_surprises(  # noqa: PLR0913 - a compiled kernel takes its arrays one by one
    flows: tuple[Integers, Integers],
    kinds: Integers,
    offsets: Integers,
    ends: tuple[int, int, int],
    sides: tuple[tuple[Single, ...], ...],
    top: tuple[Single, ...],
    heads: tuple[Single, ...],
    scores: Floats,
    logits: Single,
    last: int,
) -> None:  # pragma: no cover
    """Write how much each flow's state and size class surprise, shape ``(n, 2)``.

    Parameters
    ----------
    flows
        State and size class of each flow, sessions end to end.
    kinds
        Kind of each session's host.
    offsets
        Where each session starts, and the end.
    ends
        States before and after a session, and the size class of both.
    sides, top, heads
        Weights, see ``SIDE``, ``TOP`` and ``HEADS``.
    scores
        Where the surprises go.
    logits
        Scratch, as many as states; afterwards the logits of the state of the last flow told.
    last
        The last flow of each session to tell, counted from 0.
    """
    n = sides[0][3].shape[0]
    size_logits = np.empty(len(heads[3]), np.float32)
    joined = np.empty(len(top[3]), np.float32)
    for s in range(len(offsets) - 1):
        start, end = offsets[s], offsets[s + 1]
        both = np.empty((end - start, 2 * n), np.float32)
        _read_side(flows, kinds[s], start, end, (ends[0], ends[2]), sides[0], both[:, :n], False)
        _read_side(flows, kinds[s], start, end, (ends[1], ends[2]), sides[1], both[:, n:], True)
        for i in range(min(end - start, last + 1)):
            _normalise(both[i], top[0], top[1])
            joined[:] = top[3]
            add_product(both[i], top[2], joined)
            for j in range(len(joined)):
                joined[j] = max(joined[j], np.float32(0.0))
            state, size = flows[0][start + i], flows[1][start + i]
            scores[start + i, 1] = surprise_of(joined, heads[2], heads[3], size, size_logits)
            scores[start + i, 0] = surprise_of(joined, heads[0], heads[1], state, logits)


@njit(cache=True, nogil=True, fastmath=True)
def _read_side(
    flows: tuple[Integers, Integers],
    kind: int,
    start: int,
    end: int,
    edge: tuple[int, int],
    side: tuple[Single, ...],
    out: Single,
    backwards: bool,
) -> None:  # pragma: no cover
    """Read a session one way; write what is known before each flow is seen."""
    n = side[3].shape[0]
    h, c = np.zeros(n, np.float32), np.zeros(n, np.float32)
    above, c_above = np.zeros(n, np.float32), np.zeros(n, np.float32)
    gates, given = np.empty(4 * n, np.float32), np.empty(4 * n, np.float32)
    state, size = edge
    for step in range(end - start):
        at = end - 1 - step if backwards else start + step
        for j in range(4 * n):
            given[j] = side[0][state, j] + side[1][size, j] + side[2][kind, j]
        lstm_step(given, side[3], h, c, gates, False)
        given[:] = side[5]
        add_product(h, side[4], given)
        lstm_step(given, side[6], above, c_above, gates, False)
        out[at - start] = above
        state, size = flows[0][at], flows[1][at]


@njit(cache=True, nogil=True, fastmath=True)
def _normalise(x: Single, weight: Single, bias: Single) -> None:  # pragma: no cover
    mean = np.float32(0.0)
    for j in range(len(x)):
        mean += x[j]
    mean /= np.float32(len(x))
    spread = np.float32(0.0)
    for j in range(len(x)):
        spread += (x[j] - mean) ** 2
    scale = np.float32(1.0) / np.sqrt(spread / np.float32(len(x)) + np.float32(1e-5))
    for j in range(len(x)):
        x[j] = (x[j] - mean) * scale * weight[j] + bias[j]


def _plain(array: NDArray[np.floating]) -> Single:
    return np.ascontiguousarray(array, dtype=np.float32)
