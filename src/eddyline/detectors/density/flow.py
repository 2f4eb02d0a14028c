"""A true density of a few continuous columns, by a normalising flow.

What belongs here: choosing the columns, the frozen flow's compiled score. What does not: training it
(``nets/coupling.py``).
"""

from __future__ import annotations

import math
from typing import ClassVar, Final

import numpy as np
from numba import njit

from eddyline.detectors.density.density import (
    LEAST_ROWS,
    LEAST_STEPS,
    SCALE_ARRAYS,
    Density,
    course_of,
)
from eddyline.detectors.density.stack import Singles, Stack, run_row
from eddyline.detectors.detector import refuse_model
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers

MOST_COLUMNS: Final = 10
"""Columns that a flow is trained on; beyond, the first components take their place."""

LEAST_SPREAD: Final = 0.05
"""Least spread of a component in scaled units, so that a degenerate one does not explode."""


class FlowDensity(Density):
    """Score rows by their negative log-likelihood under a flow of affine couplings.

    Rows of shape ``(n, d)`` in, nats out. The flow sees the columns that are not 0 and 1 alone, or, where
    there are more than ten of them, the ten first principal components of all. Whole numbers are blurred by
    less than one in training. Flows give simple rows a high likelihood, strange or not: a row outside the
    plane of the components is not seen, so compare with ``neighbours``.

    Parameters
    ----------
    n_blocks
        Couplings, >= 1.
    hidden
        Width of a coupling's two layers, >= 1.
    epochs
        Times that each row is seen, >= 1.
    least_steps
        Fewest steps of the optimiser, however few rows there are, >= 1.
    batch
        Rows of a step, >= 1.
    preprocessing
        ``log``: signed logarithm, floor under the spread, clip; ``standard``: plain z-scores.
    least_rows
        Rows below which ``fit`` raises, >= 2.
    seed
        Start of the randomness.

    References
    ----------
    Dinh, Sohl-Dickstein, Bengio, "Density estimation using Real NVP", ICLR 2017, arXiv:1605.08803; on
    network flows Shafir, Giryes, Wool, IEEE/ACM Transactions on Networking 2026.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).lognormal(size=(1000, 3))
    >>> model = FlowDensity(epochs=1, least_steps=50, seed=1).fit(crowd)
    >>> bool(model.anomaly_score([[1e6, 1e6, 1e6]])[0] > model.anomaly_score(crowd).max())
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *SCALE_ARRAYS,
        "plane_widths_",
        "plane_kinds_",
        "plane_flat_",
        "blocks_flat_",
        "block_shape_",
    )

    plane_widths_: Integers
    plane_kinds_: Integers
    plane_flat_: Singles
    blocks_flat_: Singles
    block_shape_: Integers

    def __init__(
        self,
        *,
        n_blocks: int = 5,
        hidden: int = 64,
        epochs: int = 8,
        least_steps: int = LEAST_STEPS,
        batch: int = 256,
        preprocessing: str = "log",
        least_rows: int = LEAST_ROWS,
        seed: int = 0,
    ) -> None:
        self.n_blocks = n_blocks
        self.hidden = hidden
        self.epochs = epochs
        self.least_steps = least_steps
        self.batch = batch
        self.preprocessing = preprocessing
        self.least_rows = least_rows
        self.seed = seed

    def _dithered(self, rows: Floats) -> Floats:
        whole = (rows == np.round(rows)).all(axis=0) & ~((rows == 0) | (rows == 1)).all(axis=0)
        rng = np.random.default_rng(self.seed)
        blur = rng.uniform(-0.5, 0.5, size=(len(rows), int(whole.sum())))
        out = rows.copy()
        out[:, whole] += blur
        return out

    def _learn(self, rows: Singles) -> None:
        from eddyline.nets.coupling import CouplingFlow, train_flow

        if self.n_blocks < 1 or self.hidden < 1:
            message = (
                f"n_blocks and hidden must be >= 1, got {self.n_blocks} and {self.hidden}; the "
                f"defaults are 5 and 64"
            )
            raise UsageError(message)
        plane = _plane(rows.astype(np.float64), self.logged_)
        self.plane_widths_, self.plane_kinds_ = plane.widths, plane.activations
        self.plane_flat_ = plane.flat
        course = course_of(
            len(rows), epochs=self.epochs, least_steps=self.least_steps, batch=self.batch
        )
        net = CouplingFlow(plane.n_out, self.n_blocks, self.hidden, self.seed)
        trained = train_flow(plane.run(rows), net, course, self.seed)
        blocks = [Stack.of(block.layers, block.activations) for block in trained.blocks]
        self.blocks_flat_ = np.concatenate([block.flat for block in blocks])
        self.block_shape_ = np.array([len(blocks), self.hidden], np.int64)
        self.losses_, self.moved_ = trained.losses, np.array([trained.moved])
        self._take_plane(plane)

    def _take_plane(self, plane: Stack) -> None:
        self._plane = plane
        self._shapes = _block_widths(plane.n_out, *self.block_shape_)

    def _score(self, X: Floats) -> Floats:
        points = self._plane.run(self.scale.apply(X))
        out = np.empty(len(X))
        _flow_energies(points, self._shapes, self.blocks_flat_, out)
        return out

    def _restore(self) -> None:
        super()._restore()
        plane = Stack.restored(self.plane_widths_, self.plane_kinds_, self.plane_flat_)
        if plane.n_in != self.n_features_in_ or plane.n_out < 2 or len(plane.activations) != 1:
            raise refuse_model(self, "maps its columns to two or more", plane.widths.tolist())
        if (
            self.block_shape_.shape != (2,)
            or not ((self.block_shape_ >= 1) & (self.block_shape_ <= 10_000)).all()
        ):
            raise refuse_model(self, "has couplings of positive width", self.block_shape_)
        shapes = _block_widths(plane.n_out, *self.block_shape_)
        n_weights = int(((shapes[:, :-1] + 1) * shapes[:, 1:]).sum())
        if self.blocks_flat_.shape != (n_weights,) or not np.isfinite(self.blocks_flat_).all():
            raise refuse_model(self, f"has {n_weights} finite weights", self.blocks_flat_.shape)
        self.blocks_flat_ = np.ascontiguousarray(self.blocks_flat_, np.float32)
        self._take_plane(plane)


def _plane(rows: Floats, logged: np.ndarray) -> Stack:
    """Give the linear map to at most ten continuous columns, at least two."""
    n_columns = rows.shape[1]
    chosen = np.flatnonzero(logged)
    if 2 <= len(chosen) <= MOST_COLUMNS:
        weights = np.zeros((n_columns, len(chosen)))
        weights[chosen, np.arange(len(chosen))] = 1.0
        return Stack.of([(weights, np.zeros(len(chosen)))], ["linear"])
    centre = rows.mean(axis=0)
    covariance = np.cov(rows - centre, rowvar=False).reshape(n_columns, n_columns)
    variances, axes = np.linalg.eigh(covariance)
    n_kept = min(MOST_COLUMNS, n_columns)
    spread = np.maximum(np.sqrt(np.maximum(variances[::-1][:n_kept], 0.0)), LEAST_SPREAD)
    weights = np.zeros((n_columns, max(n_kept, 2)))
    weights[:, :n_kept] = axes[:, ::-1][:, :n_kept] / spread
    return Stack.of([(weights, -centre @ weights)], ["linear"])


def _block_widths(width: int, n_blocks: int, hidden: int) -> Integers:
    """Give the widths of each coupling's layers, shape ``(n_blocks, 4)``."""
    half = width // 2
    given = [half if number % 2 == 0 else width - half for number in range(n_blocks)]
    return np.array([(n, hidden, hidden, 2 * (width - n)) for n in given], np.int64)


@njit(cache=True, nogil=True, error_model="numpy")
def _flow_energies(
    rows: Singles, shapes: Integers, flat: Singles, out: Floats
) -> None:  # pragma: no cover
    width = rows.shape[1]
    half = width // 2
    kinds = np.array([1, 1, 0])
    buffers = np.empty((2, np.max(shapes)), np.float32)
    point = np.empty(width, np.float32)
    for i in range(rows.shape[0]):
        point[:] = rows[i]
        energy = 0.5 * width * math.log(2.0 * math.pi)
        start = 0
        for number in range(shapes.shape[0]):
            widths = shapes[number]
            stop = start
            for layer in range(3):
                stop += (widths[layer] + 1) * widths[layer + 1]
            given = point[:half] if number % 2 == 0 else point[half:]
            changed = point[half:] if number % 2 == 0 else point[:half]
            moved = run_row(given, widths, kinds, flat[start:stop], buffers)
            size = changed.shape[0]
            for j in range(size):
                log_factor = 2.0 * math.tanh(np.float64(moved[j]))
                changed[j] = changed[j] * math.exp(log_factor) + moved[size + j]
                energy -= log_factor
            start = stop
        for j in range(width):
            energy += 0.5 * np.float64(point[j]) * point[j]
        out[i] = energy
