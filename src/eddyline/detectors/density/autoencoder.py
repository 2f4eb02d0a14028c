"""A plain autoencoder: rows that few numbers cannot tell are strange.

What belongs here: its arguments. What does not: the net and the loop (``nets``).
"""

from __future__ import annotations

from eddyline.detectors.density.density import (
    LEAST_ROWS,
    LEAST_STEPS,
    AutoencoderDensity,
    check_widths,
    course_of,
)
from eddyline.detectors.density.stack import Singles


class Autoencoder(AutoencoderDensity):
    """Score rows by half their squared error of reconstruction.

    Rows of shape ``(n, d)`` in, errors >= 0 out, in squared scaled units. Like the plain variational
    autoencoder it learns the attacks that are in its training rows.

    Parameters
    ----------
    hidden
        Width of the one layer on either side, >= 1.
    latent
        Width of the code, >= 1.
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
    Hawkins, He, Williams, Baxter, "Outlier detection using replicator neural networks", DaWaK 2002,
    doi:10.1007/3-540-46145-0_17.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).lognormal(size=(1000, 3))
    >>> model = Autoencoder(latent=1, epochs=1, least_steps=50, seed=1).fit(crowd)
    >>> bool(model.anomaly_score([[1e6, 0.0, 1e6]])[0] > model.anomaly_score(crowd).max())
    True
    """

    def __init__(
        self,
        *,
        hidden: int = 122,
        latent: int = 8,
        epochs: int = 8,
        least_steps: int = LEAST_STEPS,
        batch: int = 256,
        preprocessing: str = "log",
        least_rows: int = LEAST_ROWS,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.latent = latent
        self.epochs = epochs
        self.least_steps = least_steps
        self.batch = batch
        self.preprocessing = preprocessing
        self.least_rows = least_rows
        self.seed = seed

    def _learn(self, rows: Singles) -> None:
        from eddyline.nets import variational
        from eddyline.nets.density_training import train_plain

        check_widths(self.hidden, self.latent)
        course = course_of(
            len(rows), epochs=self.epochs, least_steps=self.least_steps, batch=self.batch
        )
        net = variational.Autoencoder(rows.shape[1], self.hidden, self.latent, self.seed)
        self._take_trained(train_plain(rows, net, course, self.seed))
