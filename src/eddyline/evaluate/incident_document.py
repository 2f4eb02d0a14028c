"""Incident-level figures of many sets and seeds as plain values: what the JSON of ``bench incidents`` holds.

What belongs here: means over seeds, intervals over attacks, sets together. What does not: figures of one scan
(``incident_budgets.py``), scanning (the command) and pages (``report/incidents.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from eddyline.evaluate.classical_document import environment, hardware
from eddyline.evaluate.incident_budgets import BUDGETS, OURS

SCHEMA_VERSION: Final = 1

TOP: Final = 10
"""Alerts a day of the figures that are told in a line."""

DRAWS: Final = 2_000
"""Resamplings of attacks behind each interval."""

LEVEL: Final = 0.95

NAMELESS: Final = ("flag everything",)
"""Trivial rules whose alert is the whole day: it meets every attack and names nobody."""

POOLED: Final = {
    "day": "all days of the lab with attacks",
    "log": "all labelled logs",
}
"""Kinds of sets that are also told together, with their words."""

Run = Mapping[str, Any]
"""One scan of a set with a seed: ``methods`` from ``at_budgets``, and facts of the set."""


def document(
    sets: Sequence[Mapping[str, Any]],
    captures: Mapping[str, Any] | None,
    *,
    command: str,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    not_run: Sequence[str],
    wall_s: float,
) -> dict[str, Any]:
    """Give everything that was found as plain values.

    Parameters
    ----------
    sets
        ``name, kind, model, files, sha256`` and ``runs``, one ``Run`` a seed.
    captures
        What captures of one attack each gave; None when they were not there.
    command
        What makes the report again.
    settings
        What the scans were told.
    seeds
        One scan of each set with each.
    not_run
        What was left out, with the reason.
    wall_s
        Seconds of this call.
    """
    told: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "settings": dict(settings),
        "seeds": list(seeds),
        "budgets": list(BUDGETS),
        "level": LEVEL,
        "sets": [_set(one) for one in sets],
        "together": [pooled for kind in POOLED if (pooled := _together(sets, kind)) is not None],
        "captures": captures,
        "not_run": list(not_run),
        "hardware": hardware(),
        "environment": environment(),
        "wall_s": wall_s,
    }
    told["sentences"] = sentences(told)
    return told


def _set(one: Mapping[str, Any]) -> dict[str, Any]:
    runs: Sequence[Run] = one["runs"]
    names = ("name", "kind", "model", "files", "sha256")
    first = runs[0]
    return {
        **{name: one[name] for name in names},
        **{name: first[name] for name in ("n_flows", "n_attacks", "truth", "max_false")},
        "days": first["days"],
        "seconds": _mean([run["seconds"] for run in runs]),
        "grade": [run["grade"] for run in runs] if first["grade"] is not None else None,
        "false": [run["n_false"] for run in runs],
        "methods": _methods([run["methods"] for run in runs]),
    }


def _methods(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Gather seeds: the same method stands at the same place in each."""
    return [
        {
            "method": same[0]["method"],
            "n_attacks": same[0]["n_attacks"],
            **{
                name: spread([one[name] for one in same])
                for name in (
                    "n_incidents",
                    "n_detected",
                    "n_duplicate",
                    "first_true",
                    "false_per_day",
                    "recall",
                    "precision",
                )
            },
            "at": [_at([one["at"][i] for one in same], same) for i in range(len(same[0]["at"]))],
            "time_to_detect": _times([second for one in same for second in one["seconds"]]),
        }
        for same in zip(*runs, strict=True)
    ]


def _at(same: Sequence[Mapping[str, Any]], methods: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    top = same[0]["alerts_a_day"]
    hits = np.array(
        [[place is not None and place <= top for place in one["places"]] for one in methods], float
    )
    names = ("precision", "false_per_day", "flow_share")
    return {
        "alerts_a_day": top,
        "recall": spread([one["recall"] for one in same]) | band(hits),
        **{name: spread([one[name] for one in same]) for name in names},
    }


def band(hits: Any) -> dict[str, float | None]:
    """Give the percentile interval of a share over attacks, each as its mean over seeds.

    Where all attacks are found or all are missed, drawing them again says nothing: there is no interval.

    Parameters
    ----------
    hits
        0 or 1, shape ``(seeds, attacks)``.
    """
    each = hits.mean(axis=0)
    if len(each) < 2 or each.min() == each.max():
        return {"low": None, "high": None}
    rows = np.random.default_rng(0).integers(len(each), size=(DRAWS, len(each)))
    low, high = np.quantile(each[rows].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {"low": float(low), "high": float(high)}


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Give the mean, the least and the greatest over seeds; None where no seed defines the figure.

    Parameters
    ----------
    values
        One a seed.
    """
    known = [float(value) for value in values if value is not None]
    if not known:
        return {"mean": None, "least": None, "greatest": None}
    return {"mean": sum(known) / len(known), "least": min(known), "greatest": max(known)}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _times(seconds: Sequence[Sequence[float] | None]) -> dict[str, Any]:
    """Give median and 90 % quantile of both bounds, over attacks and seeds, and how many never are."""
    known = np.array([one for one in seconds if one is not None], float).reshape(-1, 2)
    told: dict[str, Any] = {"n": len(seconds), "never": len(seconds) - len(known)}
    for column, name in enumerate(("earliest", "latest")):
        found = [float(np.quantile(known[:, column], q)) for q in (0.5, 0.9)] if len(known) else []
        told[name] = dict(zip(("median_s", "p90_s"), found or (None, None), strict=True))
    return told


def _together(sets: Sequence[Mapping[str, Any]], kind: str) -> dict[str, Any] | None:
    """Pool the attacks of all sets of a kind that hold any; every attack counts once."""
    chosen = [one for one in sets if one["kind"] == kind and one["runs"][0]["n_attacks"]]
    names = [
        [method["method"] for method in one["runs"][0]["methods"]]
        for one in chosen
        if len(one["runs"][0]["methods"]) > 1
    ]
    if len(names) < 2:
        return None
    labelled = [one for one in chosen if len(one["runs"][0]["methods"]) > 1]
    seeds = range(min(len(one["runs"]) for one in labelled))
    methods = []
    for place, name in enumerate(names[0]):
        each = [[one["runs"][seed]["methods"][place] for one in labelled] for seed in seeds]
        methods.append({"method": name, "at": [_pooled(each, i) for i in range(len(BUDGETS))]})
    return {
        "kind": kind,
        "words": POOLED[kind],
        "sets": [one["name"] for one in labelled],
        "n_attacks": sum(one["runs"][0]["n_attacks"] for one in labelled),
        "methods": methods,
    }


def _pooled(each: Sequence[Sequence[Mapping[str, Any]]], budget: int) -> dict[str, Any]:
    """Give one budget of one method over sets (inner) and seeds (outer)."""
    top = BUDGETS[budget]
    hits = [
        [place is not None and place <= top for one in seed for place in one["places"]]
        for seed in each
    ]
    table = np.array(hits, float)
    false = [
        sum(one["at"][budget]["false_per_day"] * one["days"] for one in seed)
        / sum(one["days"] for one in seed)
        for seed in each
    ]
    share = [
        _mean([one["at"][budget]["recall"] or 0.0 for one in seed if one["n_attacks"]])
        for seed in each
    ]
    return {
        "alerts_a_day": top,
        "recall": spread([float(row.mean()) for row in table]) | band(table),
        "recall_of_sets": spread(share),
        "false_per_day": spread(false),
    }


def sentences(told: Mapping[str, Any]) -> list[str]:
    """Say what ours finds at ten alerts a day and what the best trivial rule does, a line a pool and set.

    Parameters
    ----------
    told
        The document.
    """
    lines = []
    for one in [*told["together"], *told["sets"]]:
        if not one["n_attacks"]:
            alarms = "; ".join(str(n) for n in one["false"])
            lines.append(f"{one['name']}, a quiet day: {alarms} false incidents, a figure a seed.")
        elif len(one["methods"]) > 1:
            lines.append(_sentence(one))
    return lines


def _sentence(one: Mapping[str, Any]) -> str:
    def at(method: Mapping[str, Any]) -> Mapping[str, Any]:
        return next(row for row in method["at"] if row["alerts_a_day"] == TOP)

    def area(method: Mapping[str, Any]) -> float:
        return method["recall"]["mean"] or 0.0

    named = [m for m in one["methods"] if m["method"] not in NAMELESS]
    ours, *others = (dict(method=m["method"], **at(m)) for m in named)
    best = max(others, key=lambda m: (area(m), -(m["false_per_day"]["mean"] or 0.0)))
    low, high = ours["recall"]["low"], ours["recall"]["high"]
    band_ = "" if low is None else f" ({low:.3f} to {high:.3f})"
    name = one.get("name") or one["words"]
    return (
        f"{name}, {one['n_attacks']:,} attacks, {TOP} alerts a day: {OURS} shows {area(ours):.3f}{band_} of "
        f"them{_share(ours)} at {ours['false_per_day']['mean']:.2f} false a day; the best trivial rule that "
        f"names somebody, {best['method']}, {area(best):.3f}{_share(best)} at "
        f"{best['false_per_day']['mean']:.2f}."
    )


def _share(row: Mapping[str, Any]) -> str:
    """Say the share of attack flows in pure alerts, where the figure is defined."""
    share = row.get("flow_share")
    if share is None or share["mean"] is None:
        return ""
    return f" and {share['mean']:.3f} of their flows in pure alerts"
