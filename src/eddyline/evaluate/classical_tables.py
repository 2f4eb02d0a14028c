"""What the cells say together: means over seeds, intervals, who is best where the intervals allow, ranks.

What belongs here: arithmetic over results. What does not: measuring (``classical_cell.py``), the JSON as a
whole (``classical_document.py``) and words for people (``report/classical.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import TooFewRowsError
from eddyline.evaluate.bands import band, paired_band
from eddyline.evaluate.intervals import LEVEL, Interval, holm
from eddyline.tables import Floats

Results = Sequence[Mapping[str, Any]]
"""Results of one method on one task, seed by seed."""

CUT_FIGURES: Final = (
    "precision",
    "recall",
    "f1",
    "false_positive_rate",
    "balanced_accuracy",
    "mcc",
)


def mean(values: Sequence[float | None]) -> float | None:
    """Give the mean of what is defined, or None.

    Parameters
    ----------
    values
        One a seed; None where a ratio is nothing to nothing.
    """
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def area(results: Results, figure: str) -> dict[str, Any]:
    """Give the mean of an area over seeds, each seed's value, and an interval over groups and seeds.

    Parameters
    ----------
    results
        Of one method on one task.
    figure
        ``pr_auc`` or ``roc_auc``.
    """
    values = [float(one["figures"][figure]) for one in results]
    told: dict[str, Any] = {"mean": float(np.mean(values)), "values": values}
    draws = draws_of(results, figure)
    if draws is not None:
        low, high = np.nanquantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return told | {"low": float(low), "high": float(high), "over": "groups and seeds"}
    if len(values) > 1:
        found = band(values, level=LEVEL)
        return told | {"low": found.low, "high": found.high, "over": "seeds"}
    return told | {"low": None, "high": None, "over": "nothing: single run"}


def draws_of(results: Results, figure: str) -> Floats | None:
    """Give the draws of all seeds end to end, or None where a seed has too few groups.

    Parameters
    ----------
    results
        Of one method on one task.
    figure
        ``pr_auc`` or ``roc_auc``.
    """
    name = f"{figure}_draws"
    if any(name not in one for one in results):
        return None
    return np.array([one[name] for one in results], np.float64).ravel()


def compare(first: Results, second: Results, figure: str = "pr_auc") -> dict[str, Any]:
    """Give the difference of two methods on the same draws of groups, seeds paired with seeds.

    Parameters
    ----------
    first, second
        Results of the same seeds of one task; seeds that one of them lacks are left out.
    figure
        What is compared.
    """
    shared = sorted({one["seed"] for one in first} & {one["seed"] for one in second})
    a = [one for one in first if one["seed"] in shared]
    b = [one for one in second if one["seed"] in shared]
    one = np.array([r["figures"][figure] for r in a], np.float64)
    other = np.array([r["figures"][figure] for r in b], np.float64)
    value = float((one - other).mean())
    left, right = draws_of(a, figure), draws_of(b, figure)
    if left is not None and right is not None:
        try:
            found = Interval.of(value, left - right)
        except TooFewRowsError:
            return _untold(value)
        p = _two_sided(found.draws)
        return {"difference": value, "low": found.low, "high": found.high, "p": p}
    if len(one) < 2:
        return _untold(value)
    paired = paired_band(one, other, level=LEVEL)
    p = 0.05 if paired.excludes_zero else 1.0
    return {"difference": value, "low": paired.low, "high": paired.high, "p": p}


def _untold(value: float) -> dict[str, Any]:
    return {"difference": value, "low": None, "high": None, "p": 1.0}


def _two_sided(draws: Floats) -> float:
    known = draws[np.isfinite(draws)]
    side = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2.0 * (side + 1) / (len(known) + 1))


def against(best: str, methods: Mapping[str, Results]) -> list[dict[str, Any]]:
    """Compare one method with each other one, corrected for how many there are (Holm).

    Parameters
    ----------
    best
        Key of the method that the others are held against.
    methods
        Results by key.
    """
    others = [key for key in methods if key != best]
    found = [compare(methods[best], methods[key]) for key in others]
    corrected = holm([one["p"] for one in found])
    return [
        {
            "first": best,
            "second": key,
            **one,
            "p": p,
            "distinguishable": _excludes(one) and p <= 1 - LEVEL,
        }
        for key, one, p in zip(others, found, corrected, strict=True)
    ]


def _excludes(one: Mapping[str, Any]) -> bool:
    return one["low"] is not None and (one["low"] > 0 or one["high"] < 0)


def cut(results: Results, name: str) -> dict[str, Any]:
    """Give the means of the figures at one threshold, and the recall of each attack with its support.

    Parameters
    ----------
    results
        Of one method on one task.
    name
        ``f1`` or ``promise``.
    """
    cuts = [one["cuts"][name] for one in results]
    told: dict[str, Any] = {f: mean([c[f] for c in cuts]) for f in CUT_FIGURES}
    rare = [c["precision_at_prevalence"] for c in cuts if c["precision_at_prevalence"]]
    told["precision_at_prevalence"] = {
        p: mean([one[p] for one in rare]) for p in (rare[0] if rare else {})
    }
    seen: dict[str, list[tuple[int, int]]] = {}
    for one in cuts:
        for attack, support, found in one["attacks"]:
            seen.setdefault(attack, []).append((support, found))
    told["attacks"] = [
        {
            "name": attack,
            "support": round(float(np.mean([n for n, _ in pairs]))),
            "recall": sum(k for _, k in pairs) / sum(n for n, _ in pairs),
        }
        for attack, pairs in seen.items()
    ]
    told["attacks"].sort(key=lambda one: (-one["support"], one["name"]))
    return told


def promise(results: Results, promised: float) -> dict[str, Any]:
    """Hold the promised false positive rate against what happened on the test part.

    Parameters
    ----------
    results
        Of one method on one task.
    promised
        The rate.
    """
    rates = [one["cuts"]["promise"]["false_positive_rate"] for one in results]
    told: dict[str, Any] = {"promised": promised, "realised": mean(rates), "values": rates}
    known = [rate for rate in rates if rate is not None]
    if len(known) < 2:
        return told | {"verdict": "cannot tell"}
    found = band(known, level=LEVEL)
    verdict = "kept" if found.high <= promised else "broken" if found.low > promised else None
    return told | {"low": found.low, "high": found.high, "verdict": verdict or "cannot tell"}


def classes(results: Results) -> dict[str, Any] | None:
    """Add up the confusions of all seeds, and give F1 of each class; None for what predicts no class.

    Parameters
    ----------
    results
        Of one method on one task.
    """
    known = [one["classes"] for one in results if "classes" in one]
    if not known:
        return None
    names = sorted({name for one in known for name in one["names"]})
    total = np.zeros((len(names), len(names)), np.int64)
    for one in known:
        places = [names.index(name) for name in one["names"]]
        total[np.ix_(places, places)] += np.array(one["confusion"], np.int64)
    f1 = _f1(total)
    return {
        "names": names,
        "confusion": total.tolist(),
        "f1": f1.tolist(),
        "macro_f1": float(f1.mean()),
    }


def _f1(confusion: NDArray[np.int64]) -> Floats:
    hits = np.diag(confusion).astype(np.float64)
    whole = confusion.sum(axis=0) + confusion.sum(axis=1)
    f1: Floats = np.divide(2 * hits, whole, out=np.zeros_like(hits), where=whole > 0)
    return f1


def ranks(table: Mapping[str, Mapping[str, float]]) -> dict[str, Any] | None:
    """Give mean ranks over sets and the difference below which two ranks cannot be told apart.

    Friedman's ranks with Nemenyi's critical difference at 5 %: Demšar, "Statistical comparisons of
    classifiers over multiple data sets", JMLR 7, 2006. Each set counts once, whatever its seeds.

    Parameters
    ----------
    table
        Figure by set and method; only methods that every set has are ranked.
    """
    from scipy.stats import rankdata, studentized_range

    sets = list(table)
    names = sorted(set.intersection(*(set(table[one]) for one in sets))) if sets else []
    if len(sets) < 2 or len(names) < 2:
        return None
    figures = np.array([[table[one][name] for name in names] for one in sets])
    places = np.array([rankdata(-row) for row in figures])
    k, n = len(names), len(sets)
    q = float(studentized_range.ppf(LEVEL, k, math.inf)) / math.sqrt(2)
    order = np.argsort(places.mean(axis=0), kind="stable")
    return {
        "sets": sets,
        "critical_difference": q * math.sqrt(k * (k + 1) / (6 * n)),
        "methods": [
            {
                "method": names[i],
                "rank": float(places[:, i].mean()),
                "ranks": places[:, i].tolist(),
            }
            for i in order
        ],
    }
