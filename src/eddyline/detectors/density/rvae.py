"""The robust variational autoencoder: large errors stop pushing, so attacks in the training are not learned.

What belongs here: the Welsch loss and the published beta-divergence as one detector. What does not: setting
rows apart while training (``grand.py``).
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
from eddyline.errors import UsageError


class RVAE(AutoencoderDensity):
    """Score rows by the free energy of a variational autoencoder that was trained on a bounded loss.

    Rows of shape ``(n, d)`` in, ``1/2 ||x - xhat||^2 + KL`` out. The loss is that of Welsch,
    ``(b + 1)/b (1 - exp(-b ||e||^2 / 2)) + KL``: a row whose error is far above the usual one no longer
    moves a weight. b follows the errors as they fall, ``kappa`` over their median, set anew each epoch. No
    rows are set apart, so there is nothing to warm up and no fence to choose.

    The published form, ``normalisation="beta"``, multiplies the exponential by ``(2 pi s^2)^(-b D / 2)``:
    26 for the images it was made for, 1e-5 for 122 columns at s = 1 and b = 0.1, where the error's gradient
    vanishes and nothing but the prior is learned. It stands here for comparison.

    Parameters
    ----------
    kappa
        b times the median squared error, > 0; smaller is closer to the plain autoencoder.
    beta
        A fixed b, > 0, in place of ``kappa``; None to follow the errors. The published form needs it.
    normalisation
        ``welsch``, or ``beta`` for the published constant.
    sigma
        Standard deviation of the decoder in the published form, > 0.
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
    Akrami, Joshi, Li, Aydore, Leahy, "A robust variational autoencoder using beta divergence",
    Knowledge-Based Systems 2022, doi:10.1016/j.knosys.2021.107886. We drop its constant by default and let
    b follow the errors.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).lognormal(size=(1000, 3))
    >>> model = RVAE(epochs=1, least_steps=50, seed=1).fit(crowd)
    >>> bool(model.anomaly_score([[1e6, 1e6, 1e6]])[0] > model.anomaly_score(crowd).max())
    True
    """

    def __init__(  # noqa: PLR0913 - the settings of an estimator
        self,
        *,
        kappa: float = 0.5,
        beta: float | None = None,
        normalisation: str = "welsch",
        sigma: float = 1.0,
        hidden: int = 122,
        latent: int = 8,
        epochs: int = 8,
        least_steps: int = LEAST_STEPS,
        batch: int = 256,
        preprocessing: str = "log",
        least_rows: int = LEAST_ROWS,
        seed: int = 0,
    ) -> None:
        self.kappa = kappa
        self.beta = beta
        self.normalisation = normalisation
        self.sigma = sigma
        self.hidden = hidden
        self.latent = latent
        self.epochs = epochs
        self.least_steps = least_steps
        self.batch = batch
        self.preprocessing = preprocessing
        self.least_rows = least_rows
        self.seed = seed

    def _learn(self, rows: Singles) -> None:
        from eddyline.nets import density_training as training
        from eddyline.nets.variational import Variational

        check_widths(self.hidden, self.latent)
        self._check_loss()
        course = course_of(
            len(rows), epochs=self.epochs, least_steps=self.least_steps, batch=self.batch
        )
        net = Variational(rows.shape[1], self.hidden, self.latent, 0, self.seed)
        if self.normalisation == "beta":
            beta = 0.0 if self.beta is None else self.beta
            trained = training.train_beta(
                rows, net, course, self.seed, beta=beta, sigma=self.sigma
            )
        elif self.beta is not None:
            trained = training.train_fixed_welsch(rows, net, course, self.seed, self.beta)
        else:
            trained = training.train_welsch(rows, net, course, self.seed, self.kappa)
        self._take_trained(trained)

    def _check_loss(self) -> None:
        if self.normalisation not in ("welsch", "beta"):
            message = (
                f"normalisation must be welsch or beta, got {self.normalisation!r}; welsch is the "
                f"default"
            )
            raise UsageError(message)
        if self.normalisation == "beta" and self.beta is None:
            message = "the published form needs a fixed beta, got None; give beta, such as 0.006"
            raise UsageError(message)
        if self.kappa <= 0 or self.sigma <= 0 or (self.beta is not None and self.beta <= 0):
            message = (
                f"kappa, beta and sigma must be > 0, got {self.kappa}, {self.beta} and "
                f"{self.sigma}; leave them out for the defaults"
            )
            raise UsageError(message)
