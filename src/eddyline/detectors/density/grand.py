"""GRAnD: a variational autoencoder that sets strange training rows apart and pushes them away.

What belongs here: its arguments, its card, the fences of its scores. What does not: the rounds
(``nets/grand_training.py``).
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.density.density import (
    ENERGY_ARRAYS,
    LEAST_ROWS,
    SCALE_ARRAYS,
    AutoencoderDensity,
    check_widths,
)
from eddyline.detectors.density.filtering import levels
from eddyline.detectors.density.stack import Singles
from eddyline.detectors.detector import refuse_model
from eddyline.errors import DegradedWarning, UsageError
from eddyline.tables import Floats, Integers

READINGS: Final = ("means", "pooled", "hinge", "trim")
"""How the three groups enter the loss."""

ROUND: Final = (
    "step",
    "n_likely",
    "n_uncertain",
    "n_rejected",
    "watch",
    "alarm",
    "shape",
    "mean_likely",
    "mean_uncertain",
    "mean_rejected",
)
"""Columns of ``rounds_``; -1 stands where an alarm fence, a shape or the mean of an empty group is none."""


class Grand(AutoencoderDensity):
    """Score rows by the free energy of an autoencoder that learned which rows not to learn.

    Rows of shape ``(n, d)`` in, ``1/2 ||x - xhat||^2 + KL`` out. Every ``period`` steps the training rows
    are split by their energy: at or below ``u = Q3 + alpha IQR`` likely usual, above the Pareto quantile at
    ``risk`` rejected, uncertain between. The likely rows are pulled down, the others pushed up as far as
    the bound m. It works because early in training attacks still have the larger energy; after too many
    steps the net knows them, so warm-up is counted in steps and not in epochs. The price is about two
    points of AUROC on clean data. More than half of the rows must be usual.

    ``rounds_`` is the card of the fit: group sizes, fences and energies of every round. The share beyond the
    first fence is 13 to 15 % on wholly clean data; it is no estimate of the contamination.

    Parameters
    ----------
    alpha
        Interquartile ranges beyond the third quartile at which a row becomes uncertain, > 0.
    risk
        q in (0, 1): share of rows beyond the alarm fence.
    bound
        m, in units of the energy; None for ``bound_over_watch`` times u of the first round.
    bound_over_watch
        m / u, > 1.
    reading
        ``means``: the groups weigh equally whatever their size; ``pooled``: all rows weigh equally;
        ``hinge``: rows beyond m are never pulled back; ``trim``: only likely rows count.
    warm_steps
        Steps before the first split, >= 0.
    period
        Steps between splits, >= 1.
    steps
        Steps of the optimiser, >= 1.
    filter_rows
        Rows whose energy is measured for a split, >= 1,000; what is asked until the next is always measured.
    n_maps
        Planar maps on the posterior, >= 0.
    hidden
        Width of the one layer on either side, >= 1.
    latent
        Width of the code, >= 1.
    batch
        Rows of a step, >= 1.
    preprocessing
        ``log``: signed logarithm, floor under the spread, clip; ``standard``: plain z-scores, on which
        the filter fails and says so.
    least_rows
        Rows below which ``fit`` raises, >= 2.
    seed
        Start of the randomness.

    References
    ----------
    Najari, Berlemont, Lefebvre, Duffner, Garcia, "Robust variational autoencoders and normalizing flows
    for unsupervised network anomaly detection", AINA 2022, doi:10.1007/978-3-030-99587-4_24. The paper
    leaves the loss open to three readings and the bound without a scale; both choices are ours, as are the
    scale of the rows, warm-up in steps, and the rows measured in a round.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).lognormal(size=(1000, 3))
    >>> model = Grand(steps=100, seed=1).fit(crowd)
    >>> bool(model.anomaly_score([[1e6, 1e6, 1e6]])[0] > model.anomaly_score(crowd).max())
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *SCALE_ARRAYS,
        *ENERGY_ARRAYS,
        "rounds_",
        "told_",
        "fences_",
        "examples_",
    )

    rounds_: Floats
    told_: NDArray[np.str_]
    fences_: Floats
    examples_: Integers

    def __init__(  # noqa: PLR0913 - the settings of an estimator
        self,
        *,
        alpha: float = 1.5,
        risk: float = 1e-3,
        bound: float | None = None,
        bound_over_watch: float = 5.0,
        reading: str = "means",
        warm_steps: int = 75,
        period: int = 24,
        steps: int = 1_500,
        filter_rows: int = 8_000,
        n_maps: int = 0,
        hidden: int = 122,
        latent: int = 8,
        batch: int = 256,
        preprocessing: str = "log",
        least_rows: int = LEAST_ROWS,
        seed: int = 0,
    ) -> None:
        self.alpha = alpha
        self.risk = risk
        self.bound = bound
        self.bound_over_watch = bound_over_watch
        self.reading = reading
        self.warm_steps = warm_steps
        self.period = period
        self.steps = steps
        self.filter_rows = filter_rows
        self.n_maps = n_maps
        self.hidden = hidden
        self.latent = latent
        self.batch = batch
        self.preprocessing = preprocessing
        self.least_rows = least_rows
        self.seed = seed

    @property
    def watch(self) -> float:
        """Energy u of the finished model above which training rows are not likely usual."""
        return float(self.fences_[0])

    @property
    def alarm(self) -> float:
        """Energy z_q of the finished model; infinite when the tail was too short to tell."""
        return float(self.fences_[1])

    def card(self) -> list[dict[str, float]]:
        """Give what each round did, first to last.

        ``alarm``, ``shape`` and the mean of an empty group are -1 where there is none.
        """
        return [dict(zip(ROUND, map(float, row), strict=True)) for row in self.rounds_]

    def _learn(self, rows: Singles) -> None:
        from eddyline.nets.density_training import Course
        from eddyline.nets.grand_training import GrandPlan, train_grand
        from eddyline.nets.variational import Variational

        self._check_arguments()
        plan = GrandPlan(
            self._fences,
            self.warm_steps,
            self.period,
            self.reading,  # type: ignore[arg-type]  # checked by _check_arguments
            self.bound,
            self.bound_over_watch,
            self.filter_rows,
        )
        net = Variational(rows.shape[1], self.hidden, self.latent, self.n_maps, self.seed)
        course = Course(self.steps, self.batch)
        trained, grand = train_grand(rows, net, course, self.seed, plan)
        self._take_trained(trained)
        table = [[float(getattr(done, name)) for name in ROUND] for done in grand.rounds]
        self.rounds_ = np.nan_to_num(
            np.array(table).reshape(-1, len(ROUND)), nan=-1.0, posinf=-1.0
        )
        self._judge_training(rows, dict(grand.told))

    def _judge_training(self, rows: Singles, told: dict[str, str]) -> None:
        """Set the final fences and examples, and warn of what went against the rules."""
        energies = self._energy.of(rows)
        last = levels(energies, self.alpha, self.risk)
        self.fences_ = np.array([last.watch, last.alarm])
        self.examples_ = np.argsort(-energies, kind="stable")[:10].astype(np.int64)
        if len(self.rounds_) and self.rounds_[:, ROUND.index("shape")].max() > 0.5:
            told["tail"] = (
                f"the tail of the energies had a shape up to "
                f"{self.rounds_[:, ROUND.index('shape')].max():.2f}; above 0.5 the alarm fence is "
                f"unstable"
            )
        self.told_ = np.array(sorted(told.values()), dtype=np.str_)
        if told:
            message = (
                f"GRAnD must set strange rows apart safely, but {'; '.join(sorted(told.values()))}"
                f"; scale the rows robustly or use rvae"
            )
            warnings.warn(message, DegradedWarning, stacklevel=5)

    def _fences(self, energies: Floats) -> Any:
        from eddyline.nets.grand_training import Fences

        found = levels(energies, self.alpha, self.risk)
        shape = float("nan") if found.tail is None else found.tail.shape
        return Fences(found.watch, found.alarm, shape)

    def _check_arguments(self) -> None:
        check_widths(self.hidden, self.latent)
        if self.reading not in READINGS:
            message = (
                f"reading must be one of {', '.join(READINGS)}, got {self.reading!r}; use means"
            )
            raise UsageError(message)
        if self.warm_steps < 0 or self.period < 1 or self.filter_rows < 1_000:
            message = (
                f"warm_steps must be >= 0, period >= 1 and filter_rows >= 1,000, got "
                f"{self.warm_steps}, {self.period} and {self.filter_rows}; the defaults are 75, 24 "
                f"and 8,000"
            )
            raise UsageError(message)

    def _restore(self) -> None:
        super()._restore()
        if self.rounds_.ndim != 2 or self.rounds_.shape[1] != len(ROUND):
            raise refuse_model(self, f"has rounds of {len(ROUND)} columns", self.rounds_.shape)
        if self.fences_.shape != (2,):
            raise refuse_model(self, "has two fences", self.fences_.shape)
