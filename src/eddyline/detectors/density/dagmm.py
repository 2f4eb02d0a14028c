"""DAGMM, for comparison: a mixture over what an autoencoder makes of a row.

What belongs here: its arguments and its compiled score. What does not: the nets and their training
(``nets/mixture.py``).
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numba import njit

from eddyline.detectors.density.density import (
    LEAST_ROWS,
    LEAST_STEPS,
    SCALE_ARRAYS,
    Density,
    course_of,
)
from eddyline.detectors.density.stack import Singles, Stack
from eddyline.detectors.detector import refuse_model
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers


class DAGMM(Density):
    """Score rows by their energy in a Gaussian mixture over code, error and cosine.

    Rows of shape ``(n, d)`` in, nats out. It stands here to be compared with: published figures take the
    known share of anomalies of the test as threshold, and re-runs vary by more than methods differ.

    Parameters
    ----------
    n_components
        Components of the mixture, >= 1.
    epochs
        Times that each row is seen, >= 1.
    least_steps
        Fewest steps of the optimiser, however few rows there are, >= 1.
    batch
        Rows of a step, >= 2.
    rate
        Learning rate of Adam, > 0.
    preprocessing
        ``log``: signed logarithm, floor under the spread, clip; ``standard``: plain z-scores.
    least_rows
        Rows below which ``fit`` raises, >= 2.
    seed
        Start of the randomness.

    References
    ----------
    Zong and others, "Deep autoencoding Gaussian mixture model for unsupervised anomaly detection",
    ICLR 2018. We add 1e-6 to the diagonal of the covariances and sum exponentials safely.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).lognormal(size=(1000, 3))
    >>> model = DAGMM(epochs=1, least_steps=50, seed=1).fit(crowd)
    >>> bool(model.anomaly_score([[1e6, 1e6, 1e6]])[0] > np.median(model.anomaly_score(crowd)))
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *SCALE_ARRAYS,
        *(
            f"{side}_{part}_"
            for side in ("encoder", "decoder")
            for part in ("widths", "kinds", "flat")
        ),
        "log_share_",
        "mean_",
        "root_",
    )

    encoder_widths_: Integers
    encoder_kinds_: Integers
    encoder_flat_: Singles
    decoder_widths_: Integers
    decoder_kinds_: Integers
    decoder_flat_: Singles
    log_share_: Floats
    mean_: Floats
    root_: Floats

    def __init__(
        self,
        *,
        n_components: int = 4,
        epochs: int = 200,
        least_steps: int = LEAST_STEPS,
        batch: int = 1024,
        rate: float = 1e-4,
        preprocessing: str = "log",
        least_rows: int = LEAST_ROWS,
        seed: int = 0,
    ) -> None:
        self.n_components = n_components
        self.epochs = epochs
        self.least_steps = least_steps
        self.batch = batch
        self.rate = rate
        self.preprocessing = preprocessing
        self.least_rows = least_rows
        self.seed = seed

    def _learn(self, rows: Singles) -> None:
        from dataclasses import replace

        from eddyline.nets.mixture import Dagmm, train_dagmm

        if self.n_components < 1 or self.rate <= 0:
            message = (
                f"n_components must be >= 1 and rate > 0, got {self.n_components} and "
                f"{self.rate}; the defaults are 4 and 1e-4"
            )
            raise UsageError(message)
        course = course_of(
            len(rows), epochs=self.epochs, least_steps=self.least_steps, batch=self.batch
        )
        net = Dagmm(rows.shape[1], self.n_components, self.seed)
        trained = train_dagmm(rows, net, replace(course, rate=self.rate), self.seed)
        encoder = Stack.of(trained.encoder.layers, trained.encoder.activations)
        decoder = Stack.of(trained.decoder.layers, trained.decoder.activations)
        self.encoder_widths_, self.encoder_kinds_ = encoder.widths, encoder.activations
        self.decoder_widths_, self.decoder_kinds_ = decoder.widths, decoder.activations
        self.encoder_flat_, self.decoder_flat_ = encoder.flat, decoder.flat
        self.log_share_, self.mean_, self.root_ = trained.log_share, trained.mean, trained.root
        self.losses_, self.moved_ = trained.losses, np.array([trained.moved])
        self._encoder, self._decoder = encoder, decoder

    def _score(self, X: Floats) -> Floats:
        rows = self.scale.apply(X)
        code = self._encoder.run(rows)
        out = np.empty(len(X))
        _mixture_energies(
            rows, code, self._decoder.run(code), self.log_share_, self.mean_, self.root_, out
        )
        return out

    def _restore(self) -> None:
        super()._restore()
        encoder = Stack.restored(self.encoder_widths_, self.encoder_kinds_, self.encoder_flat_)
        decoder = Stack.restored(self.decoder_widths_, self.decoder_kinds_, self.decoder_flat_)
        width = self.n_features_in_
        if (encoder.n_in, encoder.n_out, decoder.n_in, decoder.n_out) != (width, 1, 1, width):
            raise refuse_model(self, f"codes {width} columns as one number", encoder.widths)
        k = len(self.log_share_)
        shapes = (self.log_share_.shape, self.mean_.shape, self.root_.shape)
        if shapes != ((k,), (k, 3), (k, 3, 3)):
            raise refuse_model(self, "has a mixture over three numbers", shapes)
        if not (np.diagonal(self.root_, axis1=1, axis2=2) > 0).all():
            raise refuse_model(self, "has positive covariances", "others")
        self._encoder, self._decoder = encoder, decoder


@njit(cache=True, nogil=True, error_model="numpy")
def _mixture_energies(
    rows: Singles,
    code: Singles,
    told: Singles,
    log_share: Floats,
    mean: Floats,
    root: Floats,
    out: Floats,
) -> None:  # pragma: no cover
    terms = np.empty(log_share.shape[0])
    point, solved = np.empty(3), np.empty(3)
    for i in range(rows.shape[0]):
        square = norm = told_norm = product = 0.0
        for j in range(rows.shape[1]):
            value, other = np.float64(rows[i, j]), np.float64(told[i, j])
            square += (value - other) ** 2
            norm += value * value
            told_norm += other * other
            product += value * other
        point[0] = code[i, 0]
        point[1] = math.sqrt(square + 1e-12) / max(math.sqrt(norm), 1e-6)
        point[2] = product / max(math.sqrt(norm) * math.sqrt(told_norm), 1e-8)
        best = -math.inf
        for k in range(log_share.shape[0]):
            term = log_share[k] - 1.5 * math.log(2.0 * math.pi)
            for a in range(3):
                rest = point[a] - mean[k, a]
                for b in range(a):
                    rest -= root[k, a, b] * solved[b]
                solved[a] = rest / root[k, a, a]
                term -= 0.5 * solved[a] ** 2 + math.log(root[k, a, a])
            terms[k] = term
            best = max(best, term)
        total = 0.0
        for k in range(log_share.shape[0]):
            total += math.exp(terms[k] - best)
        out[i] = -(best + math.log(total))
