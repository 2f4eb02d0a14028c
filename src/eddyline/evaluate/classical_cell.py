"""One method on one drawing of one task: fitted, timed, judged.

What belongs here: what is fitted on which rows, thresholds from the validation part, figures of the test
part, cost. What does not: which cells there are (``classical.py``) and what they say together
(``classical_tables.py``).

Detectors learn from the normal rows of the training part and as many attacks, drawn by the seed, as make up
5 % of their rows: nobody's traffic is clean, and nobody's is half attacks. Classifiers learn from all of it.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import EddylineError, TooFewRowsError
from eddyline.evaluate.classical_methods import BASELINES, ClassicalMethod
from eddyline.evaluate.classical_parts import NORMAL, Drawn, Part
from eddyline.evaluate.curve import Curve, Cut
from eddyline.evaluate.intervals import Figure, GroupBootstrap
from eddyline.evaluate.metrics import (
    PREVALENCES,
    precision_at_prevalence,
    recall_by_class,
    summary,
)
from eddyline.evaluate.peak import Peak, memory_is_exact
from eddyline.evaluate.scores import confusion_matrix
from eddyline.features.sets import BY_STEPS
from eddyline.tables import Floats, Integers

SHARE: Final = 0.05
"""Attacks among the rows that a detector learns from."""

PROMISE: Final = 0.01
"""False positive rate that the second threshold promises, kept on the validation part."""

DRAWS: Final = 400
"""Resamplings of groups for each seed; five seeds make 2,000."""

POINTS: Final = 150
"""Points of a curve that are kept."""

INTERVALS: Final[tuple[Figure, ...]] = ("pr_auc", "roc_auc")
"""Figures that are told with intervals."""

BINS: Final = 40
"""Bins of the score distributions."""

GROUPS: Final = 20
"""Groups with and without an attack that figures over groups need."""

WARM: Final = 1_200
"""Rows of the fit that compiles kernels before the clock starts."""


def measure(method: ClassicalMethod, drawn: Drawn, seed: int, *, curves: bool) -> dict[str, Any]:
    """Fit a method on a drawing and give every figure of it as plain values.

    Parameters
    ----------
    method
        Which.
    drawn
        The parts of a task.
    seed
        Start of its randomness.
    curves
        Whether to keep curves and distributions, for the plots.

    Returns
    -------
    dict
        ``state`` is ``done``, or ``undefined`` with ``why`` where the method has no meaning on the task.
    """
    if matrix(method, drawn.fit) is None:
        return {"state": "undefined", "why": "the rows of this set have no sessions"}
    allowed = rows_to_fit(method, drawn, seed)
    rows = capped(allowed, method.cap, seed)
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = _scored(method, drawn, rows, seed)
    except EddylineError as error:
        return {"state": "undefined", "why": str(error)}
    if found is None:
        return {"state": "undefined", "why": "the rows of this set have no such column"}
    scores, cost, predicted = found
    result: dict[str, Any] = {
        "state": "done",
        "rows": len(rows),
        "rows_there_are": len(allowed),
        "notes": sorted(
            {str(w.message) for w in told if w.category.__module__ == "eddyline.errors"}
        ),
        "cost": cost,
        "peak_is_exact": memory_is_exact(),
    }
    result |= figures(drawn, scores, seed, curves=curves)
    if predicted is not None:
        result["classes"] = _by_class(drawn, predicted)
    return result


def matrix(method: ClassicalMethod, part: Part) -> Any:
    """Give what a method reads of a part, shape ``(n, d)``: its rows, or the steps of sessions.

    None where the part has no such thing.

    Parameters
    ----------
    method
        Which.
    part
        The part.
    """
    return part.sessions if method.name in BY_STEPS else part.X


def rows_to_fit(method: ClassicalMethod, drawn: Drawn, seed: int) -> Integers:
    """Give the training rows that a method may see.

    Parameters
    ----------
    method
        Which.
    drawn
        The parts of a task.
    seed
        Draws the attacks among the rows of a detector.
    """
    part = drawn.fit
    if method.kind != "detector":
        return np.arange(len(part))
    usual, attacks = np.flatnonzero(~part.attack), np.flatnonzero(part.attack)
    n_attacks = min(len(attacks), round(SHARE / (1 - SHARE) * len(usual)))
    drawn_attacks = np.random.default_rng(seed).choice(attacks, n_attacks, replace=False)
    return np.sort(np.concatenate([usual, drawn_attacks]))


def capped(rows: Integers, cap: int, seed: int) -> Integers:
    """Give all rows, or as many as a cap allows, drawn at random.

    Parameters
    ----------
    rows
        Row numbers.
    cap
        Most rows; 0 for all.
    seed
        Start of the randomness.
    """
    if not cap or len(rows) <= cap:
        return rows
    return np.sort(np.random.default_rng([seed, 1]).choice(rows, cap, replace=False))


def _scored(
    method: ClassicalMethod, drawn: Drawn, rows: Integers, seed: int
) -> tuple[dict[str, Floats], dict[str, Any], Any] | None:
    """Fit and score both parts; give scores, cost and, from a classifier, classes of the test part."""
    fit, ask, size = _asked(method, drawn, rows, seed)
    memory = Peak()
    wall, cpu = time.perf_counter(), time.process_time()
    score = fit()
    fitted = time.perf_counter() - wall, time.process_time() - cpu
    if score is None:
        return None
    validation = ask(drawn.validation)
    wall, cpu = time.perf_counter(), time.process_time()
    test = ask(drawn.test)
    asked = time.perf_counter() - wall, time.process_time() - cpu
    cost = {
        "fit_s": fitted[0],
        "fit_cpu_s": fitted[1],
        "score_s": asked[0],
        "score_cpu_s": asked[1],
        "rows_a_second": len(drawn.test) / max(asked[1], 1e-9),
        "peak_mb": memory.grown(),
        "model_bytes": size(),
    }
    predicted = None
    if isinstance(test, tuple):
        test, predicted = test
        validation = validation[0]
    return {"validation": validation, "test": test}, cost, predicted


def _asked(
    method: ClassicalMethod, drawn: Drawn, rows: Integers, seed: int
) -> tuple[Callable[[], Any], Callable[[Part], Any], Callable[[], int]]:
    """Give what fits, what scores a part, and what tells the size of the model."""
    part = drawn.fit
    if method.kind == "baseline":
        held: dict[str, Any] = {}

        def learn() -> Any:
            held["score"] = BASELINES[method.name].fit(drawn, seed)
            return held["score"]

        return learn, lambda asked: held["score"](asked), lambda: 0
    X = np.ascontiguousarray(matrix(method, part)[rows])
    model = method.build(seed)
    _warm(method, X, part.kind[rows], matrix(method, drawn.test))
    if method.kind == "detector":
        return (
            lambda: model.fit(X),
            lambda asked: model.anomaly_score(matrix(method, asked)),
            lambda: _size(model),
        )

    def judge(asked: Part) -> tuple[Floats, Any]:
        shares = model.predict_proba(matrix(method, asked))
        normal = shares[:, model.classes_.tolist().index(NORMAL)]
        return -np.log(np.maximum(normal, 1e-300)), model.classes_[shares.argmax(axis=1)]

    kinds, groups = part.kind[rows], part.groups[rows]
    return lambda: model.fit(X, kinds, groups=groups), judge, lambda: _size(model)


def _warm(method: ClassicalMethod, X: Floats, kinds: Any, asked: Floats) -> None:
    """Let kernels compile on few rows, so that the clock measures the method."""
    few = np.unique(np.linspace(0, len(X) - 1, WARM).astype(np.int64))
    small: Any = method.build(0)
    settings = {"updates": 2, "every": 1, "rounds": 2, "steps": 2}
    small.set_params(**{k: v for k, v in settings.items() if k in small.get_params()})
    try:
        if method.kind == "detector":
            small.fit(X[few]).anomaly_score(asked[:2])
        else:
            small.fit(X[few], kinds[few]).predict_proba(asked[:2])
    except EddylineError:  # too few of something: then the clock pays for compiling
        return


def _size(model: Any) -> int:
    return sum(np.asarray(array).nbytes for array in model.to_arrays().values())


def figures(
    drawn: Drawn, scores: Mapping[str, Floats], seed: int, *, curves: bool
) -> dict[str, Any]:
    """Give the figures of the test part at thresholds of the validation part.

    Parameters
    ----------
    drawn
        The parts of a task.
    scores
        Scores of ``validation`` and ``test``, higher is stranger.
    seed
        Draws the groups, the same for every method.
    curves
        Whether to keep curves and distributions.
    """
    test = drawn.test
    ours, held = scores["test"], scores["validation"]
    told: dict[str, Any] = {"figures": dict(summary(test.attack, ours, days=drawn.days))}
    told["by_group"] = None if drawn.days is None else by_group(test, ours)
    told["cuts"] = {}
    for name, threshold in thresholds(drawn.validation.attack, held).items():
        yes = ours >= threshold
        told["cuts"][name] = _cut(Cut.of(test.attack, yes), threshold)
        told["cuts"][name]["attacks"] = [
            [one.name, one.support, one.found]
            for one in recall_by_class(test.name, test.attack, yes)
        ]
    try:
        drawing = GroupBootstrap(test.attack, test.groups, n_resamples=DRAWS, seed=seed)
        for figure in INTERVALS:
            draws = drawing.draws(ours, figure)[1]
            told[f"{figure}_draws"] = [
                None if math.isnan(d) else round(float(d), 6) for d in draws
            ]
    except TooFewRowsError as error:
        told["no_interval"] = str(error)
    if curves:
        told |= _curves(test.attack, ours)
    return told


def by_group(part: Part, score: Floats) -> dict[str, Any] | None:
    """Give areas over groups: an attack is one that holds any, and its score is that of its worst row.

    None where fewer than ``GROUPS`` of either kind are there: such an area says nothing.

    Parameters
    ----------
    part
        Rows of flows, whose groups are sources with the network of their destination.
    score
        Of each row, higher is stranger.
    """
    number = np.unique(part.groups, return_inverse=True)[1].ravel()
    n_groups = int(number.max()) + 1
    worst = np.full(n_groups, -np.inf)
    np.maximum.at(worst, number, score)
    attack = np.bincount(number, weights=part.attack, minlength=n_groups) > 0
    if min(int(attack.sum()), int((~attack).sum())) < GROUPS:
        return None
    curve = Curve.of(attack, worst)
    return {
        "n_groups": n_groups,
        "n_attacks": int(attack.sum()),
        "pr_auc": curve.average_precision,
        "roc_auc": curve.auc,
    }


def thresholds(attack: NDArray[np.bool_], score: Floats) -> dict[str, float]:
    """Give the threshold of the best F1, and the lowest that keeps the promised false positive rate.

    Parameters
    ----------
    attack, score
        Truth and scores of the validation part.
    """
    curve = Curve.of(attack, score)
    f1 = 2 * curve.tp / (curve.tp + curve.fp + curve.n_attack)
    kept = np.flatnonzero(curve.fp <= PROMISE * curve.n_normal)
    low = curve.thresholds[kept[-1]] if len(kept) else np.nextafter(curve.thresholds[0], np.inf)
    return {"f1": float(curve.thresholds[int(f1.argmax())]), "promise": float(low)}


def _cut(cut: Cut, threshold: float) -> dict[str, Any]:
    recall, rate = cut.recall, cut.false_positive_rate
    rare = None
    if recall is not None and rate is not None:
        rare = {str(p): precision_at_prevalence(recall, rate, p) for p in PREVALENCES}
    return {
        "threshold": threshold,
        "tp": cut.tp,
        "fp": cut.fp,
        "tn": cut.tn,
        "fn": cut.fn,
        "precision": cut.precision,
        "recall": recall,
        "f1": cut.f1,
        "false_positive_rate": rate,
        "balanced_accuracy": cut.balanced_accuracy,
        "mcc": cut.mcc,
        "precision_at_prevalence": rare,
    }


def _by_class(drawn: Drawn, predicted: Any) -> dict[str, Any]:
    """Give the confusion of a classifier's most probable classes; rows are true."""
    names = sorted(set(drawn.test.kind.tolist()) | set(np.asarray(predicted).tolist()))
    counts = confusion_matrix(drawn.test.kind, predicted, names)
    return {"names": names, "confusion": counts.tolist()}


def _curves(attack: NDArray[np.bool_], score: Floats) -> dict[str, Any]:
    """Thin the curves out, and count scores by truth between their outer 0.5 %."""
    curve = Curve.of(attack, score)
    places = np.unique(np.geomspace(1, len(curve.tp), POINTS).astype(np.int64) - 1)
    even = np.unique(np.linspace(0, len(curve.tp) - 1, POINTS).astype(np.int64))
    kept = np.union1d(places, even)
    low, high = np.quantile(score, [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    inside = np.clip(score, edges[0], edges[-1])
    return {
        "curve": {"tp": curve.tp[kept].tolist(), "fp": curve.fp[kept].tolist()},
        "histogram": {
            "edges": edges.tolist(),
            "normal": np.histogram(inside[~attack], edges)[0].tolist(),
            "attack": np.histogram(inside[attack], edges)[0].tolist(),
        },
    }
