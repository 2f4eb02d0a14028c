"""The leakage audit: which rows each step of an experiment was fitted on, and what that breaks.

What belongs here: the record of fits, thresholds and reads of the test part, and the checks of fitted objects
and scores that others bring. What does not: lints of data and splits (the modules beside this one).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddyline.errors import UsageError
from eddyline.evaluate.lints.finding import Finding
from eddyline.tables import Floats

Kind = Literal["fit", "threshold", "pot", "calibration", "resample"]

_SAW_TEST: Final[dict[Kind, str]] = {
    "fit": "fit-outside-train",
    "threshold": "threshold-saw-test",
    "pot": "pot-saw-test",
    "calibration": "calibration-saw-test",
    "resample": "resample-before-split",
}

CHECKED_ROWS: Final = 64
"""Rows that a score is asked for alone and together."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the audit.

    Parameters
    ----------
    name
        The step, such as ``scaler`` or ``threshold``.
    kind
        What was learned there.
    n_rows
        Rows that it learned from.
    finding
        What is wrong with that, or None: it passed.
    """

    name: str
    kind: Kind
    n_rows: int
    finding: Finding | None

    @property
    def passed(self) -> bool:
        """True when the step learned from rows it was allowed to see."""
        return self.finding is None


@dataclass(slots=True)
class Audit:
    """The split, owned, with every step that learned something and every read of the test part.

    Parameters
    ----------
    train, test
        Row numbers of the two parts.
    calibration
        Row numbers that thresholds and calibrators may learn from beside the training part.

    Raises
    ------
    UsageError
        When the parts share rows.

    Examples
    --------
    >>> import numpy as np
    >>> audit = Audit(np.arange(80), np.arange(80, 100))
    >>> audit.learned("scaler", "fit", np.arange(100)).finding.lint
    'fit-outside-train'
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    calibration: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    steps: list[Step] = field(default_factory=list)
    reads: int = 0

    def __post_init__(self) -> None:
        for name, rows in (("train", self.train), ("calibration", self.calibration)):
            shared = np.intersect1d(rows, self.test)
            if len(shared):
                message = (
                    f"the {name} and test parts must share no row, got {len(shared)} in both, row "
                    f"{shared[0]} first; split again"
                )
                raise UsageError(message)

    def learned(self, name: str, kind: Kind, rows: ArrayLike) -> Step:
        """Record that a step learned from rows, and judge it.

        Parameters
        ----------
        name
            The step.
        kind
            What was learned: ``fit`` and ``resample`` may see the training part only; ``threshold``, ``pot``
            and ``calibration`` the calibration part too.
        rows
            Row numbers that it learned from, before any drawing.
        """
        seen = np.unique(np.asarray(rows, np.int64))
        allowed = self.train
        if kind not in ("fit", "resample"):
            allowed = np.union1d(self.train, self.calibration)
        outside = seen[~np.isin(seen, allowed)]
        in_test = int(np.isin(outside, self.test).sum())
        finding = None
        if len(outside):
            lint = _SAW_TEST[kind] if in_test or kind == "resample" else "fit-outside-train"
            finding = Finding.of(
                lint,
                name,
                f"{name!r} learned from {len(outside):,} rows outside its part, {in_test:,} of them of the "
                "test part; fit it on training rows only",
                value=float(len(outside)),
            )
        step = Step(name, kind, len(seen), finding)
        self.steps.append(step)
        return step

    def read_test(self) -> NDArray[np.int64]:
        """Give the row numbers of the test part and count that it was read."""
        self.reads += 1
        return self.test

    @property
    def findings(self) -> list[Finding]:
        """What the steps broke, and whether the test part was read more than once."""
        found = [step.finding for step in self.steps if step.finding is not None]
        if self.reads > 1:
            found.append(
                Finding.of(
                    "test-read-twice",
                    "test part",
                    f"the test part was read {self.reads} times: its figures may have been chosen by; keep "
                    "one part for a last reading",
                    value=float(self.reads),
                )
            )
        return found


def check_fitted(
    name: str, fitted: Any, X: ArrayLike, train: NDArray[np.int64], y: ArrayLike | None = None
) -> Finding | None:
    """Tell whether a fitted scikit-learn object learned from other rows than the training part.

    The object is cloned and fitted on the training rows; where its numbers differ, it saw others. A method
    that is random without a fixed seed cannot be told this way and is found guilty.

    Parameters
    ----------
    name
        The step.
    fitted
        A fitted estimator with ``get_params``.
    X
        All rows, shape ``(n, d)``.
    train
        Row numbers of the training part.
    y
        Labels of all rows, for steps that need them.
    """
    from sklearn.base import clone

    rows = np.asarray(X)[train]
    again = clone(fitted)
    again.fit(rows) if y is None else again.fit(rows, np.asarray(y)[train])
    theirs, ours = _numbers(fitted), _numbers(again)
    differing = [key for key in ours if not _same(ours[key], theirs.get(key))]
    if not differing:
        return None
    return Finding.of(
        "fit-outside-train",
        name,
        f"{name!r} ({type(fitted).__name__}) was not fitted on the {len(rows):,} training rows: its "
        f"{differing[0]} differs from theirs; fit it inside the split",
    )


def check_independent(
    name: str, score: Callable[[Floats], ArrayLike], X: ArrayLike
) -> Finding | None:
    """Tell whether a row's score changes with the rows beside it.

    Parameters
    ----------
    name
        The method.
    score
        Gives one number a row.
    X
        Rows to score, shape ``(n, d)``; the first ``CHECKED_ROWS`` are asked for alone too.
    """
    rows = np.asarray(X, np.float64)[:CHECKED_ROWS]
    together = np.asarray(score(rows), np.float64)
    alone = np.array([np.asarray(score(row[None, :]), np.float64)[0] for row in rows])
    scale = np.maximum(np.abs(together), 1e-12)
    changed = np.abs(together - alone) / scale > 1e-6
    if not changed.any():
        return None
    return Finding.of(
        "row-dependent-score",
        name,
        f"{int(changed.sum())} of {len(rows)} rows score otherwise alone than together with {name!r}: it "
        "is of no use in a stream; score by what was learned only",
        value=float(changed.mean()),
    )


def check_deterministic(name: str, run: Callable[[], ArrayLike]) -> Finding | None:
    """Tell whether two runs with one seed differ.

    Parameters
    ----------
    name
        The method.
    run
        Fits with a fixed seed and gives scores.
    """
    first, second = np.asarray(run()), np.asarray(run())
    if np.array_equal(first, second, equal_nan=True):
        return None
    return Finding.of(
        "nondeterministic",
        name,
        f"two runs of {name!r} with one seed differ; pass the seed to every source of chance",
    )


def check_metrics(names: Sequence[str]) -> Finding | None:
    """Tell whether accuracy was asked for without the base rate and balanced accuracy.

    Parameters
    ----------
    names
        Figures that were asked for.
    """
    asked = {name.lower().replace("-", "_") for name in names}
    if "accuracy" not in asked or {"base_rate", "balanced_accuracy"} <= asked:
        return None
    return Finding.of(
        "bare-accuracy",
        "accuracy",
        "accuracy says nothing where attacks are rare; ask for base_rate and balanced_accuracy beside it",
    )


def check_grace(name: str, span: float, needed: float, unit: str = "s") -> Finding | None:
    """Tell whether data are shorter than a detector's learning period.

    Parameters
    ----------
    name
        The detector.
    span
        Length of the data.
    needed
        Length of the learning period.
    unit
        Unit of both, such as ``s`` or ``flows``.
    """
    if span > needed:
        return None
    return Finding.of(
        "grace-period",
        name,
        f"{name!r} learns for {needed:g} {unit} and the data last {span:g} {unit}: nothing would be scored; "
        "give more data",
        value=span / needed if needed else None,
    )


def check_meter(ours: Mapping[str, ArrayLike], theirs: Mapping[str, ArrayLike]) -> list[Finding]:
    """Name columns that two meters call alike and fill otherwise, for the same flows in the same order.

    Parameters
    ----------
    ours, theirs
        Values by column name, one a flow.
    """
    found = []
    for name in sorted(set(ours) & set(theirs)):
        a, b = np.asarray(ours[name], np.float64), np.asarray(theirs[name], np.float64)
        unlike = float((~np.isclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True)).mean())
        if unlike > 0.01:
            found.append(
                Finding.of(
                    "meter-mismatch",
                    name,
                    f"{name!r} differs in {unlike:.1%} of the flows between the two meters; meter both alike",
                    value=unlike,
                )
            )
    return found


def _numbers(estimator: Any) -> dict[str, NDArray[Any]]:
    """Give the fitted numbers of an estimator, those of its parts too."""
    found: dict[str, NDArray[Any]] = {}
    for key, value in vars(estimator).items():
        if hasattr(value, "get_params") and hasattr(value, "fit"):
            found |= {f"{key}.{k}": v for k, v in _numbers(value).items()}
        elif isinstance(value, list) and value and isinstance(value[0], tuple):
            for part in value:
                if len(part) > 1 and hasattr(part[1], "fit"):
                    found |= {f"{part[0]}.{k}": v for k, v in _numbers(part[1]).items()}
        elif key.endswith("_") and isinstance(value, (int, float, np.number, np.ndarray)):
            found[key] = np.asarray(value)
    return found


def _same(first: NDArray[Any], second: NDArray[Any] | None) -> bool:
    if second is None or first.shape != second.shape:
        return False
    if first.dtype.kind in "fiub" and second.dtype.kind in "fiub":
        return bool(np.allclose(first, second, rtol=1e-9, atol=0.0, equal_nan=True))
    return bool(np.array_equal(first, second))
