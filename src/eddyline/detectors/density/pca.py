"""Principal components: the linear autoencoder, without training.

What belongs here: finding the components. What does not: the score, which is that of every autoencoder
(``energy.py``).
"""

from __future__ import annotations

import numpy as np

from eddyline.detectors.density.density import AutoencoderDensity
from eddyline.detectors.density.energy import FreeEnergy
from eddyline.detectors.density.stack import Singles, Stack
from eddyline.errors import UsageError


class PCA(AutoencoderDensity):
    """Score rows by half the squared distance to the plane of the first components.

    Rows of shape ``(n, d)`` in, errors >= 0 out, in squared scaled units. It needs no torch. A row that is
    far out within the plane looks usual.

    Parameters
    ----------
    kept
        Share of the variance that the plane holds, in (0, 1); at least one component is left out where
        there are two.
    preprocessing
        ``log``: signed logarithm, floor under the spread, clip; ``standard``: plain z-scores.
    least_rows
        Rows below which ``fit`` raises, >= 2.
    seed
        Start of the randomness, which only draws rows where there are more than 200,000.

    References
    ----------
    Shyu, Chen, Sarinnapakorn, Chang, "A novel anomaly detection scheme based on principal component
    classifier", ICDM Foundation and New Direction of Data Mining workshop 2003.

    Examples
    --------
    >>> import numpy as np
    >>> line = np.random.default_rng(0).normal(size=(500, 1)) * [[1.0, 1.0, 1.0]]
    >>> model = PCA(kept=0.9).fit(line)
    >>> bool(model.anomaly_score([[2.0, -2.0, 2.0]])[0] > model.anomaly_score(line).max())
    True
    """

    def __init__(
        self,
        *,
        kept: float = 0.9,
        preprocessing: str = "log",
        least_rows: int = 2,
        seed: int = 0,
    ) -> None:
        self.kept = kept
        self.preprocessing = preprocessing
        self.least_rows = least_rows
        self.seed = seed

    def _learn(self, rows: Singles) -> None:
        if not 0 < self.kept < 1:
            message = f"kept must be in (0, 1), got {self.kept}; pass a share, such as 0.9"
            raise UsageError(message)
        values = rows.astype(np.float64)
        centre = values.mean(axis=0)
        variances, axes = np.linalg.eigh(
            np.cov(values - centre, rowvar=False).reshape(2 * [len(centre)])
        )
        share = np.cumsum(variances[::-1]) / max(float(variances.sum()), 1e-12)
        n_kept = min(int(np.searchsorted(share, self.kept)) + 1, max(len(centre) - 1, 1))
        plane = axes[:, ::-1][:, :n_kept]  # (d, k)
        encoder = Stack.of([(plane, -centre @ plane)], ["linear"])
        decoder = Stack.of([(plane.T, centre)], ["linear"])
        none = np.zeros((0, n_kept), np.float32)
        self.losses_ = np.array([float(variances[: len(centre) - n_kept].sum()) / 2.0])
        self.moved_ = np.zeros(1)
        self._keep(FreeEnergy(encoder, decoder, none, none, none[:, 0]))
