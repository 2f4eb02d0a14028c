"""The report of ``bench classical`` as plain values: what the JSON holds and the pages are made from.

What belongs here: gathering tables of all tasks, the hardware, the sentences. What does not: arithmetic
(``classical_tables.py``) and how a page looks (``report/classical.py``).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from eddyline.evaluate.classical import LIMIT_S, PROTOCOL, SLOW_S, Plan, seconds_of
from eddyline.evaluate.classical_cell import PROMISE, SHARE
from eddyline.evaluate.classical_methods import BASELINES, ClassicalMethod
from eddyline.evaluate.classical_parts import VALIDATION
from eddyline.evaluate.classical_pool import Cell
from eddyline.evaluate.classical_tables import (
    against,
    area,
    classes,
    compare,
    cut,
    mean,
    promise,
    ranks,
)
from eddyline.evaluate.classical_tasks import ClassicalTask

SCHEMA_VERSION: Final = 1

LIBRARIES: Final = ("eddyline", "numpy", "numba", "polars", "scikit-learn", "scipy", "lightgbm")
"""Whose versions the report names, with torch where it is installed."""

ALONE: Final = 3
"""Seeds below which a figure is stamped as a single run."""

Found = Mapping[str, Sequence[Mapping[str, Any]]]
"""Results that are done, by key of the method, seed by seed."""


def document(
    plan: Plan,
    results: Sequence[tuple[Cell, dict[str, Any]]],
    *,
    command: str,
    wall_s: float,
    lints: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> dict[str, Any]:
    """Give everything that was found as plain values.

    Parameters
    ----------
    plan
        What was asked for.
    results
        Every cell that there is with its result.
    command
        What makes the report again.
    wall_s
        Seconds of this call; cells from the cache cost nothing in it.
    lints
        What ``classical_lints.audited`` gave, by name of the task; tasks that are absent were not linted.
    """
    tasks, models, comparisons = [], [], []
    for task in plan.tasks:
        mine = [
            (cell, one | {"seed": cell.seed}) for cell, one in results if cell.task == task.name
        ]
        found = {
            method.key: [
                one for cell, one in mine if cell.method == method and one["state"] == "done"
            ]
            for method in plan.methods
        }
        done: Found = {key: ours for key, ours in found.items() if ours}
        best = best_of(done)
        tasks.append(_task(task, plan, mine, best))
        if lints is not None and task.name in lints:
            tasks[-1]["lints"] = [dict(one) for one in lints[task.name]]
        models += [_model(method, task, mine, done, best) for method in plan.methods]
        comparisons += _comparisons(task.name, done, best)
    told: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "protocol": PROTOCOL,
        "command": command,
        "config_hash": _hash(plan),
        "seeds": list(plan.seeds),
        "rules": _rules(),
        "tasks": tasks,
        "models": models,
        "comparisons": comparisons,
        "ranks": _ranks(models, plan),
        "leak": _leak(models),
        "not_run": _not_run(models),
        "test_reads": sum(one["state"] == "done" for _, one in results),
        "cells": len(results),
        "cells_planned": len(plan.seeds) * len(plan.tasks) * len(plan.methods),
        "wall_s": wall_s,
        "cells_wall_s": sum(float(one.get("wall_s", 0.0)) for _, one in results),
        "cells_cpu_s": sum(seconds_of(one) for _, one in results),
        "planned_cpu_s": _planned(models, len(plan.seeds)),
        "hardware": hardware(),
        "environment": environment(),
    }
    told["sentences"] = sentences(told)
    return told


def best_of(done: Found) -> dict[str, str]:
    """Give the key of the best method of each kind by mean PR-AUC; kinds without a result are left out.

    Parameters
    ----------
    done
        Results of one task.
    """
    best = {}
    for kind in ("baseline", "detector", "classifier"):
        ours = {
            key: mean([one["figures"]["pr_auc"] for one in results]) or 0.0
            for key, results in done.items()
            if key.startswith(f"{kind}/")
        }
        if ours:
            best[kind] = max(ours, key=lambda key: ours[key])
    return best


def _task(
    task: ClassicalTask,
    plan: Plan,
    mine: Sequence[tuple[Cell, dict[str, Any]]],
    best: Mapping[str, str],
) -> dict[str, Any]:
    parts = {cell.seed: one["parts"] for cell, one in mine if "parts" in one}
    first = [one for _, one in mine if one["state"] == "done"]
    return {
        "name": task.name,
        "words": task.words,
        "stamp": task.stamp,
        "files": list(task.files),
        "sha256": plan.digests[task.name],
        "parts": [{"seed": seed, **parts[seed]} for seed in sorted(parts)],
        "base_rate": mean([one["figures"]["base_rate"] for one in first]),
        "best": dict(best),
    }


def _model(
    method: ClassicalMethod,
    task: ClassicalTask,
    mine: Sequence[tuple[Cell, dict[str, Any]]],
    done: Found,
    best: Mapping[str, str],
) -> dict[str, Any]:
    told: dict[str, Any] = {
        "task": task.name,
        "method": method.name,
        "kind": method.kind,
        "key": method.key,
        "cap": method.cap or None,
    }
    results = done.get(method.key, [])
    other = [one for cell, one in mine if cell.method == method and one["state"] != "done"]
    if not results:
        why = other[0] if other else {"state": "not run"}
        kept = {k: why[k] for k in ("why", "limit_s", "spent_s") if k in why}
        return told | {"state": why["state"], **kept}
    told |= {
        "state": "done",
        "seeds": [one["seed"] for one in results],
        "single_run": len(results) < ALONE,
        "rows": results[0]["rows"],
        "rows_there_are": results[0]["rows_there_are"],
        "notes": sorted({note for one in results for note in one["notes"]}),
        "pr_auc": area(results, "pr_auc"),
        "roc_auc": area(results, "roc_auc"),
        "partial_auc": mean([one["figures"]["partial_auc"] for one in results]),
        "fpr_at_recall": _means([one["figures"]["fpr_at_recall"] for one in results]),
        "recall_at_alerts_a_day": _means(
            [one["figures"]["recall_at_alerts_a_day"] for one in results]
        ),
        "cuts": {name: cut(results, name) for name in ("f1", "promise")},
        "promise": promise(results, PROMISE),
        "classes": classes(results),
        "cost": _cost(results),
        "peak_is_exact": all(one.get("peak_is_exact", False) for one in results),
        "by_group": _by_group(results),
    }
    told |= {name: results[0][name] for name in ("curve", "histogram") if name in results[0]}
    told["thresholds"] = {name: c["threshold"] for name, c in results[0]["cuts"].items()}
    if method.kind != "baseline" and "baseline" in best:
        gain = compare(results, done[best["baseline"]])
        told["over_baseline"] = {"baseline": best["baseline"], **gain, "verdict": _verdict(gain)}
    return told


def _verdict(gain: Mapping[str, Any]) -> str:
    if gain["low"] is None or gain["low"] <= 0 <= gain["high"]:
        return "not distinguishable"
    return "better" if gain["low"] > 0 else "below baseline"


def _means(tables: Sequence[Mapping[str, float | None] | None]) -> dict[str, float | None] | None:
    known = [table for table in tables if table is not None]
    return {key: mean([one[key] for one in known]) for key in known[0]} if known else None


def _cost(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = results[0]["cost"]
    return {name: mean([one["cost"][name] for one in results]) for name in names}


def _by_group(results: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Give means over the runs that were judged by group too; None where there is none."""
    told = [one["by_group"] for one in results if one.get("by_group") is not None]
    return {name: mean([one[name] for one in told]) for name in told[0]} if told else None


def _comparisons(task: str, done: Found, best: Mapping[str, str]) -> list[dict[str, Any]]:
    """Hold the best of each kind against the others of its kind, and the two best against each other."""
    found = []
    for kind in ("detector", "classifier"):
        if kind in best:
            ours = {key: one for key, one in done.items() if key.startswith(f"{kind}/")}
            found += [{"task": task, "kind": kind, **one} for one in against(best[kind], ours)]
    if {"detector", "classifier"} <= set(best):
        pair = {key: done[key] for key in (best["classifier"], best["detector"])}
        found += [
            {"task": task, "kind": "both", **one} for one in against(best["classifier"], pair)
        ]
    return found


def _ranks(models: Sequence[Mapping[str, Any]], plan: Plan) -> dict[str, Any]:
    """Rank each kind over the tasks without a stamp."""
    counted = [task.name for task in plan.tasks if not task.stamp]
    return {
        kind: ranks(
            {
                name: {
                    one["method"]: one["pr_auc"]["mean"]
                    for one in models
                    if one["task"] == name and one["kind"] == kind and one["state"] == "done"
                }
                for name in counted
            }
        )
        for kind in ("detector", "classifier")
    }


def _leak(models: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give PR-AUC by single rows less that by groups: the size of the leak, method by method."""
    areas = {
        (one["task"], one["key"]): one["pr_auc"]["mean"]
        for one in models
        if one["state"] == "done"
    }
    keys = dict.fromkeys(one["key"] for one in models if one["kind"] != "baseline")
    return [
        {
            "method": key,
            **{name: areas.get((name, key)) for name in ("zeek-rows", "zeek-group", "zeek-time")},
        }
        for key in keys
        if ("zeek-rows", key) in areas and ("zeek-group", key) in areas
    ]


def _not_run(models: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """List what has no result or fewer seeds than asked for, with its time."""
    listed = []
    for one in models:
        if one["state"] != "done":
            kept = ("task", "key", "state", "why", "limit_s", "spent_s")
            listed.append({k: one[k] for k in kept if k in one})
        elif one["single_run"]:
            spent = one["cost"]["fit_cpu_s"] + one["cost"]["score_cpu_s"]
            why = "single run" if spent <= SLOW_S else "too slow for more seeds"
            listed.append({"task": one["task"], "key": one["key"], "state": why, "spent_s": spent})
    return listed


def _planned(models: Sequence[Mapping[str, Any]], n_seeds: int) -> float:
    """Give the CPU seconds that all seeds cost, those of slow methods once."""
    total = 0.0
    for one in models:
        if one["state"] == "done":
            spent = one["cost"]["fit_cpu_s"] + one["cost"]["score_cpu_s"]
            total += spent * (1 if spent > SLOW_S else n_seeds)
        elif one["state"] in ("too slow", "not run"):
            total += LIMIT_S
    return total


def _rules() -> dict[str, Any]:
    return {
        "validation_share": VALIDATION,
        "contamination_of_detectors": SHARE,
        "promised_false_positive_rate": PROMISE,
        "limit_s": LIMIT_S,
        "slow_s": SLOW_S,
        "baselines": {name: one.words for name, one in BASELINES.items()},
    }


def _hash(plan: Plan) -> str:
    parts = [
        PROTOCOL,
        plan.digests,
        [task.name for task in plan.tasks],
        [(method.key, method.cap) for method in plan.methods],
        list(plan.seeds),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def hardware() -> dict[str, Any]:
    """Give the machine: processor, cores, memory; None for what the system does not tell."""
    model, memory = None, None
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(
            (x.partition(":")[2].strip() for x in lines if x.startswith("model name")), None
        )
        first = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()[0]
        memory = round(int(first.split()[1]) / 2**20, 1)
    except OSError:
        model = platform.processor() or None
    return {"cpu": model, "cores": os.cpu_count(), "memory_gb": memory, "accelerator": None}


def environment() -> dict[str, str]:
    """Give the versions that figures depend on."""
    from importlib.util import find_spec

    names = [*LIBRARIES, *(["torch"] if find_spec("torch") else [])]
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def sentences(told: Mapping[str, Any]) -> list[str]:
    """Say who is best where the intervals allow, one task a line.

    Parameters
    ----------
    told
        The document.
    """
    by = {(one["task"], one["key"]): one for one in told["models"]}
    return [
        _sentence(told, task, by[task["name"], task["best"][kind]], words)
        for task in told["tasks"]
        for kind, words in (("detector", "without labels"), ("classifier", "with labels"))
        if kind in task["best"]
    ]


def _sentence(
    told: Mapping[str, Any], task: Mapping[str, Any], best: Mapping[str, Any], words: str
) -> str:
    pairs = [
        one
        for one in told["comparisons"]
        if (one["task"], one["kind"]) == (task["name"], best["kind"])
    ]
    equals = [one["second"].partition("/")[2] for one in pairs if not one["distinguishable"]]
    if not pairs:
        rest = "no other one to compare with"
    elif not equals:
        rest = f"better than each of the other {len(pairs)}"
    elif len(equals) == len(pairs):
        rest = f"none of the other {len(pairs)} can be told from it"
    else:
        rest = (
            f"better than {len(pairs) - len(equals)} others, not distinguishable from "
            f"{', '.join(equals)}"
        )
    area_, seeds = best["pr_auc"], len(best["seeds"])
    bounds = "" if area_["low"] is None else f" ({area_['low']:.3f} to {area_['high']:.3f})"
    stamp = f" [{task['stamp']}]" if task["stamp"] else ""
    runs = "single run" if seeds == 1 else f"{seeds} seeds"
    return (
        f"{task['name']}, {words}: {best['method']} has the best PR-AUC, {area_['mean']:.3f}{bounds}, "
        f"{runs}, chance {task['base_rate']:.3f}; {rest}.{stamp}"
    )
