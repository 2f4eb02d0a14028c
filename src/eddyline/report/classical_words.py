"""The tables and sentences of ``bench classical`` as rows of text, for the HTML and for the Markdown page.

What belongs here: rounding and wording. What does not: arithmetic (``evaluate/classical_tables.py``),
pictures (``classical_plots.py``), the pages (``classical.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from eddyline.report.bench import Table

Model = Mapping[str, Any]

BUDGET: Final = "10"
"""Alerts a day at which recall is told."""

RARE: Final = "0.001"
"""Prevalence at which precision is told in the main table."""


def number(value: float | None, digits: int = 3) -> str:
    """Give a number rounded, or a dash where it is undefined.

    Parameters
    ----------
    value
        The number, or None.
    digits
        After the point.
    """
    return "–" if value is None else f"{value:.{digits}f}"


def interval(told: Mapping[str, Any]) -> str:
    """Give a mean with its interval.

    Parameters
    ----------
    told
        ``mean``, ``low`` and ``high``.
    """
    if told["low"] is None:
        return number(told["mean"])
    return f"{told['mean']:.3f} ({told['low']:.3f} to {told['high']:.3f})"


def by_area(models: Sequence[Model]) -> list[Model]:
    """Give entries from the largest mean PR-AUC down.

    Parameters
    ----------
    models
        Entries that are done.
    """
    return sorted(models, key=lambda one: (-one["pr_auc"]["mean"], one["key"]))


def main_table(models: Sequence[Model]) -> Table:
    """Give every method of one set with its figures, the best first.

    Parameters
    ----------
    models
        Entries of one task that are done.
    """
    heads = (
        "method",
        "learns from",
        "seeds",
        "rows",
        "PR-AUC (95 % interval)",
        "ROC-AUC",
        "against best baseline",
        "F1",
        "precision",
        "recall",
        "recall at 1 % promised",
        "false positives realised",
        "promise",
        f"recall at {BUDGET} alerts a day",
        f"precision at prevalence {RARE}",
        "macro F1 of classes",
        "fit CPU s",
        "rows a second",
        "peak MB",
        "model kB",
        "PR-AUC of groups",
    )
    return heads, [_main_row(one) for one in by_area(models)]


def _main_row(one: Model) -> list[str]:
    best, kept = one["cuts"]["f1"], one["cuts"]["promise"]
    alerts = one["recall_at_alerts_a_day"]
    rows = f"{one['rows']:,}"
    if one["rows"] < one["rows_there_are"]:
        rows += f" of {one['rows_there_are']:,}"
    cost = one["cost"]
    baseline = one["kind"] == "baseline"
    return [
        str(one["method"]),
        {"detector": "rows", "classifier": "labels", "baseline": "trivial"}[one["kind"]],
        str(len(one["seeds"])) + (" (single run)" if one["single_run"] else ""),
        "–" if baseline else rows,
        interval(one["pr_auc"]),
        number(one["roc_auc"]["mean"]),
        "–" if "over_baseline" not in one else str(one["over_baseline"]["verdict"]),
        number(best["f1"]),
        number(best["precision"]),
        number(best["recall"]),
        number(kept["recall"]),
        number(kept["false_positive_rate"], 4),
        str(one["promise"]["verdict"]),
        "no time" if alerts is None else number(alerts[BUDGET]),
        number(best["precision_at_prevalence"].get(RARE), 4),
        "–" if one["classes"] is None else number(one["classes"]["macro_f1"]),
        number(cost["fit_cpu_s"], 1),
        "–" if baseline else f"{cost['rows_a_second']:,.0f}",
        "–" if baseline else _peak(one),
        "–" if baseline else number(cost["model_bytes"] / 1024, 0),
        "–" if one.get("by_group") is None else number(one["by_group"]["pr_auc"]),
    ]


def _peak(one: Model) -> str:
    """Say the peak of memory; what was measured beside free pages of earlier methods is a lower bound."""
    peak = one["cost"]["peak_mb"]
    return number(peak, 0) if peak is None or one.get("peak_is_exact") else f"≥ {peak:.0f}"


def short_table(models: Sequence[Model], n: int) -> Table:
    """Give the best of each kind with the figures that decide, for a page that is read.

    Parameters
    ----------
    models
        Entries of one task that are done.
    n
        Methods of each kind; baselines one fewer than half as many.
    """
    heads = ("method", "learns from", "seeds", "PR-AUC (95 % interval)", "ROC-AUC", "F1",
             "recall at 1 % promised", "false positives realised", "against best baseline")  # fmt: skip
    rows = []
    for kind, most in (("classifier", n), ("detector", n), ("baseline", 3)):
        for one in by_area([m for m in models if m["kind"] == kind])[:most]:
            row = _main_row(one)
            rows.append([row[i] for i in (0, 1, 2, 4, 5, 7, 10, 11, 6)])
    return heads, rows


def rare_table(models: Sequence[Model]) -> Table:
    """Give precision at stated prevalences for the best methods, at their threshold of the best F1.

    Parameters
    ----------
    models
        Entries of one task that are done.
    """
    shown = [one for one in by_area(models) if one["cuts"]["f1"]["precision_at_prevalence"]][:12]
    heads = list(shown[0]["cuts"]["f1"]["precision_at_prevalence"]) if shown else []
    rows = [
        [
            str(one["method"]),
            number(one["cuts"]["f1"]["recall"]),
            number(one["cuts"]["f1"]["false_positive_rate"], 4),
            *(number(one["cuts"]["f1"]["precision_at_prevalence"][p], 5) for p in heads),
        ]
        for one in shown
    ]
    return ("method", "recall", "false positive rate", *(f"π = {float(p):g}" for p in heads)), rows


def class_table(models: Sequence[Model]) -> Table | None:
    """Give F1 of each class for the classifiers of one set; None where there is none.

    Parameters
    ----------
    models
        Entries of one task that are done.
    """
    shown = [one for one in by_area(models) if one["classes"] is not None]
    if not shown:
        return None
    names = shown[0]["classes"]["names"]
    rows = []
    for one in shown:
        f1 = dict(zip(one["classes"]["names"], one["classes"]["f1"], strict=True))
        values = [number(f1.get(name)) for name in names]
        rows.append([str(one["method"]), *values, number(one["classes"]["macro_f1"])])
    return ("classifier", *names, "macro F1"), rows


def leak_table(told: Mapping[str, Any]) -> Table:
    """Give PR-AUC under the three splits of one data set, and what single rows overstate.

    Parameters
    ----------
    told
        The document.
    """
    rows = []
    for one in told["leak"]:
        by_rows, by_group = one["zeek-rows"], one["zeek-group"]
        rows.append(
            [
                one["method"].partition("/")[2]
                + (" (labels)" if "classifier/" in one["method"] else ""),
                number(by_rows),
                number(by_group),
                number(one["zeek-time"]),
                f"{by_rows - by_group:+.3f}",
            ]
        )
    return ("method", "single rows", "groups", "later", "rows less groups"), rows


def cross_tables(told: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Give a matrix a method: trained on the row, tested on the column, ROC-AUC; none where none was run.

    Parameters
    ----------
    told
        The document.
    """
    cross = told.get("matrices")
    if cross is None:
        return []
    units = cross["units"]
    tables: list[tuple[str, Table]] = []
    for method in dict.fromkeys(row["method"] for row in cross["rows"]):
        rows = [
            [row["trained_on"], *(number(row["auc"][unit], 2) for unit in units)]
            for row in cross["rows"]
            if row["method"] == method
        ]
        tables.append((method, (("trained on", *units), rows)))
    return tables


def carried(told: Mapping[str, Any]) -> Table:
    """Give the mean ROC-AUC of each method at home, within a data set, and from one to another.

    Parameters
    ----------
    told
        The document with ``matrices``.
    """
    rows = []
    for method in dict.fromkeys(row["method"] for row in told["matrices"]["rows"]):
        cells: dict[str, list[float]] = {"home": [], "near": [], "far": []}
        for row in (one for one in told["matrices"]["rows"] if one["method"] == method):
            for unit, area in row["auc"].items():
                home, same = unit == row["trained_on"], _set(unit) == _set(row["trained_on"])
                if area is not None:
                    cells["home" if home else "near" if same else "far"].append(area)
        means = [number(sum(x) / len(x) if x else None) for x in cells.values()]
        rows.append([str(method), *means])
    heads = ("method", "same day or capture", "another one of the same set", "another data set")
    return heads, rows


def _set(unit: str) -> str:
    """Give the data set of a day or capture: what stands before the first dash or space."""
    return unit.partition(" ")[0].partition("-")[0].removesuffix("50")


def not_run_table(told: Mapping[str, Any]) -> Table:
    """Give what has no result or one seed only, with its time.

    Parameters
    ----------
    told
        The document.
    """
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in told["not_run"]:
        found.setdefault((one["key"], one["state"]), []).append(one)
    rows = []
    for (key, state), ours in found.items():
        spent = [one["spent_s"] for one in ours if "spent_s" in one]
        why = dict.fromkeys(one.get("why", "").partition(";")[0] for one in ours)
        rows.append(
            [
                key.partition("/")[2] + (" (labels)" if key.startswith("classifier/") else ""),
                state,
                ", ".join(one["task"] for one in ours),
                number(max(spent), 0) if spent else "–",
                ", ".join(text for text in why if text),
            ]
        )
    return ("method", "what", "sets", "most CPU s of a seed", "why"), rows


def sizes(task: Mapping[str, Any]) -> str:
    """Say how many rows the parts of a task have.

    Parameters
    ----------
    task
        Its entry.
    """
    if not task["parts"]:
        return ""
    first = task["parts"][0]
    said = ", ".join(
        f"{name} {first[part][0]:,} rows with {first[part][1]:,} attacks"
        for name, part in (("fit", "fit"), ("validation", "validation"), ("test", "test"))
    )
    days = "no time" if first["days"] is None else f"{first['days']:.1f} days"
    return (
        f"Seed 0: {said}; {first['columns']} columns; the test part spans {days}; "
        f"{first['seen_share']:.1%} of its rows equal a row that was fitted."
    )


def protocol(told: Mapping[str, Any]) -> list[str]:
    """Say the rules of the comparison.

    Parameters
    ----------
    told
        The document.
    """
    rules = told["rules"]
    return [
        "The test part is never fitted, never resampled, never chosen on; it is always whole.",
        f"{rules['validation_share']:.0%} of the training rows, in whole groups drawn by the seed, are left "
        "out of every fit and give both thresholds.",
        f"Detectors learn from the normal training rows and as many attacks as make up "
        f"{rules['contamination_of_detectors']:.0%} of their rows; classifiers learn from all labelled rows. "
        "Every method has its default parameters: nothing is tuned, hence no trials.",
        "A method with a cap learns from as many rows, drawn at random; all others from every row there is.",
        "Intervals are percentiles over resampled groups and seeds, the same draws for every method; NSL-KDD "
        "has no addresses, so its groups are rows of one service and equal bytes.",
        "“Better” than a baseline or another method means that the paired 95 % interval excludes zero, with "
        "Holm's correction where several are compared.",
        f"The promise is {rules['promised_false_positive_rate']:.0%} false positives on validation rows; it "
        "is kept or broken when the interval over seeds of the realised rate lies below or above.",
        f"A cell is ended after {rules['limit_s']:.0f} s of CPU; above {rules['slow_s']:.0f} s the other "
        "seeds are not run. Both are listed with their time.",
    ]


def progress(told: Mapping[str, Any]) -> str:
    """Say how much of the plan was run, and what all of it costs.

    Parameters
    ----------
    told
        The document.
    """
    whole = told["planned_cpu_s"] / 60
    cost = (
        f"All planned cells cost about {whole:.0f} min of CPU in fits and scores, {whole / 2:.0f} min on two "
        f"free cores."
    )
    if told["cells"] >= told["cells_planned"]:
        return f"All {told['cells']} planned cells have a result. {cost}"
    return (
        f"{told['cells']} of {told['cells_planned']} planned cells have a result; the others were left out "
        f"as too slow, or the run was broken off, and the same command goes on with it. {cost}"
    )


def machine(told: Mapping[str, Any]) -> str:
    """Say on which machine and with which versions it ran.

    Parameters
    ----------
    told
        The document.
    """
    hard, soft = told["hardware"], told["environment"]
    versions = ", ".join(f"{name} {number_}" for name, number_ in soft.items())
    in_one_go = 2 * told["wall_s"] >= told["cells_wall_s"]
    whole = f" The command took {told['wall_s'] / 60:.0f} min." if in_one_go else ""
    return (
        f"{hard['cores']} cores of {hard['cpu']}, {hard['memory_gb']} GB, CPU only, one thread a process, "
        f"two processes. Fits and scores of all cells took {told['cells_cpu_s'] / 60:.0f} min of CPU; the "
        f"cells took {told['cells_wall_s'] / 60:.0f} min one after another, two at a time.{whole} {versions}."
    )
