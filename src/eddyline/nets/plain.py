"""Trained nets as the plain arrays that ``recurrence.py`` computes with.

What belongs here: laying weights out for the compiled loops. What does not: training and scoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

Single = NDArray[np.float32]

CAUSAL: Final = ("table_", "recurrent_", "bias_", "out_weights_", "out_bias_")
"""Names of the arrays of a causal net."""

WINDOW: Final = (
    *("lower_table_0_", "lower_table_1_", "lower_state_0_", "lower_state_1_"),
    *("upper_in_0_", "upper_bias_0_", "upper_state_0_"),
    *("upper_in_1_", "upper_bias_1_", "upper_state_1_"),
    *("dense_weights_", "dense_bias_", "out_weights_", "out_bias_"),
)
"""Names of the arrays of a window net."""


def causal_arrays(weights: Mapping[str, Single], cell: str) -> dict[str, Single]:
    """Give the arrays of a causal net, what each token adds to the gates worked out once.

    Parameters
    ----------
    weights
        Weights by torch's names.
    cell
        ``"gru"``, ``"lstm"`` or ``"conv10"``.
    """
    embedding = weights["embedding.weight"].astype(np.float64)
    if cell == "conv10":
        first = weights["first.weight"].astype(np.float64)  # (H, E, k1)
        bias = weights["first.bias"].astype(np.float64) / first.shape[2]
        table = np.einsum("ve,hek->vkh", embedding, first) + bias
        recurrent, state_bias = weights["second.weight"].transpose(2, 1, 0), weights["second.bias"]
    else:
        given = weights["recurrent.weight_ih_l0"].astype(np.float64)
        table = embedding @ given.T + weights["recurrent.bias_ih_l0"]
        recurrent = weights["recurrent.weight_hh_l0"].T
        state_bias = weights["recurrent.bias_hh_l0"]
        if cell == "lstm":
            table, state_bias = table + state_bias, np.zeros(0, np.float32)
    arrays = (table, recurrent, state_bias, weights["out.weight"].T, weights["out.bias"])
    return {name: _plain(array) for name, array in zip(CAUSAL, arrays, strict=True)}


def window_arrays(weights: Mapping[str, Single], *, rectified: bool) -> dict[str, Single]:
    """Give the arrays of a window net.

    Parameters
    ----------
    weights
        Weights by torch's names.
    rectified
        True when the second layer is rectified.
    """
    embedding = weights["embedding.weight"].astype(np.float64)
    out: dict[str, Single] = {}
    for way, tail in enumerate(("l0", "l0_reverse")):
        bias = weights[f"lower.bias_ih_{tail}"] + weights[f"lower.bias_hh_{tail}"]
        given = weights[f"lower.weight_ih_{tail}"].astype(np.float64)
        out[f"lower_table_{way}_"] = _plain(embedding @ given.T + bias)
        out[f"lower_state_{way}_"] = _plain(weights[f"lower.weight_hh_{tail}"].T)
        side = ("forwards", "backwards")[way]
        names = {
            part: f"{side}.{part}" if rectified else f"upper.{part}_{tail}"
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        out[f"upper_in_{way}_"] = _plain(weights[names["weight_ih"]].T)
        out[f"upper_bias_{way}_"] = _plain(weights[names["bias_ih"]] + weights[names["bias_hh"]])
        out[f"upper_state_{way}_"] = _plain(weights[names["weight_hh"]].T)
    out["dense_weights_"] = _plain(weights["dense.weight"].T)
    out["dense_bias_"] = _plain(weights["dense.bias"])
    out["out_weights_"] = _plain(weights["out.weight"].T)
    out["out_bias_"] = _plain(weights["out.bias"])
    return out


def _plain(array: NDArray[np.floating]) -> Single:
    return np.ascontiguousarray(array, dtype=np.float32)
