"""Labelled flows as a search sees them: folds by group, time or day, and a judge that fits inside them.

What belongs here: which rows form a fold, and the figure of one method on one fold. What does not: choosing
parameters (``tuning.py``).

A classifier is judged without the memory of pairs and the decision weights that ``train`` puts around it, so
that a fold costs one fit.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.classifiers.model import Recipe
from eddyline.classifiers.registry import classifier_class, classifier_names
from eddyline.detectors.registry import matrix_detector
from eddyline.errors import DataError, RefusedError, SplitWarning, UsageError
from eddyline.evaluate.curve import Curve
from eddyline.evaluate.metrics import recall_at_alerts
from eddyline.evaluate.scores import confusion_matrix, f_beta
from eddyline.evaluate.splits import Split
from eddyline.evaluate.splitters import GroupSplit, LeaveOneDayOut, TimeSplit
from eddyline.evaluate.strategies import keys_of
from eddyline.evaluate.tuning_space import Params
from eddyline.evaluate.tuning_trials import Fold
from eddyline.features.rows import FlowRows
from eddyline.tables import Floats, Integers

SPLITS: Final = ("group", "time", "day")
"""What folds are made of: groups of source and network, stretches of time, days."""

OBJECTIVES: Final = ("pr_auc", "roc_auc", "recall_at_10", "macro_f1", "macro_f2")
"""What may be maximised; the last two need a classifier. ``recall_at_10`` is at ten alerts a day."""

FOLDS: Final = 3
"""Folds by group or by time; by day there is one a day."""

SHARE: Final = 0.2
"""Part of the rows that validates in a fold by group or by time."""

DAY_US: Final = 86_400_000_000

DETECTOR_PREFIX: Final = "detector:"
"""Says that a name which both have is a detector's."""


def _thinned(train: Integers, y: NDArray[np.str_], normal: str) -> tuple[Integers, Floats]:
    """Give the rows to fit on and their weights; of many normal ones every n-th, as ``train`` does."""
    usual = train[y[train] == normal]
    step = max(1, -(-len(usual) // Recipe().most_normal))
    kept = np.sort(np.concatenate([train[y[train] != normal], usual[::step]]))
    share = len(usual) / max(len(usual[::step]), 1)
    return kept, np.where(y[kept] == normal, share, 1.0)


def method_of(name: str) -> tuple[str, str]:
    """Give the kind of a method, ``classifier`` or ``detector``, and its name.

    Parameters
    ----------
    name
        A classifier's, else a matrix detector's; ``detector:NAME`` where both have it.

    Raises
    ------
    UsageError
        When neither has it.
    """
    if not name.startswith(DETECTOR_PREFIX) and name in classifier_names():
        classifier_class(name)  # a missing extra is told before the flows are read
        return "classifier", name
    bare = name.removeprefix(DETECTOR_PREFIX)
    matrix_detector(bare)
    return "detector", bare


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Flows with labels, as numbers.

    Parameters
    ----------
    X
        Features, shape ``(n, d)``.
    y
        Label of each row, shape ``(n,)``.
    normal
        The label that means no attack.
    keys
        What each split parts by: group, time and day of each row.
    """

    X: NDArray[Any]
    y: NDArray[np.str_]
    normal: str
    keys: Mapping[str, Integers]

    @classmethod
    def of(cls, rows: FlowRows, normal: str) -> LabelledRows:
        """Take the rows that have a label.

        Parameters
        ----------
        rows
            Flows in event-time order.
        normal
            The label that means no attack.

        Raises
        ------
        DataError
            When no row has a label, or none has the normal one.
        """
        if rows.labels is None:
            message = (
                "flows must have labels to tune on, have none; name their column with --labels"
            )
            raise DataError(message)
        known = rows.labels.is_not_null()
        frame, y = rows.frame.filter(known), rows.labels.filter(known).to_numpy().astype(np.str_)
        if normal not in y:
            message = (
                f"the normal class must be one of {', '.join(np.unique(y))}, got {normal!r}; name one "
                "of them with --normal"
            )
            raise DataError(message)
        names = {"group": "group", "time": "time", "day": "lodo"}
        keys = {split: keys_of(name, frame) for split, name in names.items()}
        return cls(rows.X[known.to_numpy()], y, normal, keys)

    def folds(self, split: str, among: Integers | None = None, *, seed: int = 0) -> list[Fold]:
        """Part rows; a fold that lacks attacks or normal rows on either side is left out.

        Parameters
        ----------
        split
            One of ``SPLITS``.
        among
            Row numbers to part; None for all.
        seed
            Start of the randomness of groups.

        Raises
        ------
        UsageError
            When the split is unknown.
        DataError
            When no fold is left.
        """
        if split not in SPLITS:
            message = f"--split must be one of {', '.join(SPLITS)}, got {split!r}"
            raise UsageError(message)
        rows = np.arange(len(self.y)) if among is None else among
        y, keys = self.y[rows], self.keys[split][rows]
        found: Sequence[Split]
        with warnings.catch_warnings():  # that a class has few groups is in the table of the fold
            warnings.simplefilter("ignore", SplitWarning)
            if split == "group":
                found = list(GroupSplit(FOLDS, SHARE, seed).splits(y, keys))
            elif split == "time":
                found = list(TimeSplit(FOLDS, SHARE).splits(y, keys))
            else:
                found = list(LeaveOneDayOut().splits(y, keys))
        folds = [Fold(rows[part.train], rows[part.validation], part.name) for part in found]
        usable = [fold for fold in folds if self._both(fold.train) and self._both(fold.validation)]
        if not usable:
            message = (
                f"folds by {split} must hold attacks and normal flows on both sides, of {len(folds)} "
                "none does; use another --split or give more flows"
            )
            raise DataError(message)
        return usable

    def _both(self, rows: Integers) -> bool:
        attack = self.y[rows] != self.normal
        return bool(attack.any() and not attack.all())


@dataclass(frozen=True, slots=True)
class FlowJudge:
    """Fit one method on the training rows of a fold, and measure it on the others.

    Parameters
    ----------
    rows
        The labelled flows.
    kind, method
        What ``method_of`` gave. A detector never sees a label.
    objective
        One of ``OBJECTIVES``.
    seed
        Of every fit.

    Raises
    ------
    RefusedError
        When accuracy is to be maximised.
    UsageError
        When the objective is unknown, or needs classes that a detector does not name.
    """

    rows: LabelledRows
    kind: str
    method: str
    objective: str = "pr_auc"
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the objective."""
        if "accuracy" in self.objective:
            message = (
                "bare-accuracy: an objective must not be accuracy, which naming nothing an attack "
                "maximises where attacks are rare; take pr_auc"
            )
            raise RefusedError(message)
        named = self.objective.startswith("macro")
        if self.objective not in OBJECTIVES or (named and self.kind == "detector"):
            usable = [o for o in OBJECTIVES if self.kind == "classifier" or "macro" not in o]
            message = (
                f"the objective of a {self.kind} must be one of {', '.join(usable)}, got "
                f"{self.objective!r}"
            )
            raise UsageError(message)

    def __call__(self, params: Params, fold: Fold) -> float:
        """Give the figure of one fold.

        Parameters
        ----------
        params
            Of the method; ``{}`` for its own.
        fold
            Which rows.
        """
        X, y = self.rows.X, self.rows.y
        given = {**params, "seed": self.seed}
        if self.kind == "detector":
            model = matrix_detector(self.method)(**given).fit(X[fold.train])
            return self._figure(model.anomaly_score(X[fold.validation]), fold)
        kept, weight = _thinned(fold.train, y, self.rows.normal)
        site = classifier_class(self.method)(**given).fit(X[kept], y[kept], weight)
        names = np.asarray(site.classes_, np.str_)
        shares = site.predict_proba(X[fold.validation])
        if not self.objective.startswith("macro"):
            return self._figure(1.0 - shares[:, names == self.rows.normal][:, 0], fold)
        classes = sorted({*np.unique(y[fold.validation]).tolist(), *names.tolist()})
        said = names[shares.argmax(axis=1)]
        table = confusion_matrix(y[fold.validation], said, classes)
        occurs = table.sum(axis=1) > 0
        beta = 1.0 if self.objective == "macro_f1" else 2.0
        return float(f_beta(table, beta=beta)[occurs].mean())

    def _figure(self, score: Floats, fold: Fold) -> float:
        curve = Curve.of(self.rows.y[fold.validation] != self.rows.normal, score)
        if self.objective == "recall_at_10":
            times = self.rows.keys["time"][fold.validation]
            days = max(1.0, float(times.max() - times.min()) / DAY_US)
            found = recall_at_alerts(curve, days, (10,))[10]
        else:
            found = curve.auc if self.objective == "roc_auc" else curve.average_precision
        return float("nan") if found is None else found
