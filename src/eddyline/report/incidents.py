"""The pages of ``bench incidents``: one HTML file that needs nothing else, and Markdown.

What belongs here: tables and their words. What does not: their numbers (``evaluate/incident_document.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from eddyline.report.bench import BenchPage, Section, Table

SHOWN: Final = (1, 5, 10, 50)
"""Budgets of the tables; the JSON has all."""

RULES: Final = (
    "An attack is found when an incident among a day's first N stands for one of its flows. Recall at N "
    "alerts a day is the share of attacks found so, with a 95 % interval: attacks are drawn with "
    "replacement, each as its mean over the seeds.",
    "Every method gets the same number of alerts a day. The trivial rules see the same flows: everything of "
    "a day as one alert, or one alert a source or destination and day, ordered by flows, fan-out, bytes or "
    "chance.",
    "An alert of a trivial rule is often huge: its recall counts an attack as found by any flow of it. The "
    "share of attack flows counts alerts of at least 90 % attack flows only, among a day's first N.",
    "False is an incident that meets no attack and holds flows labelled normal. An input shorter than a day "
    "counts as one day.",
    "The time to detect has two bounds: the end of the first and of the last flow of an attack that "
    "incidents name, both counted from the attack's first packet. A loop that watches tells it between them.",
    "A day of the lab is judged by the model of a quiet capture that is learned before; a log without a "
    "quiet part is judged by itself.",
)
"""What the figures mean."""


def page(told: Mapping[str, Any]) -> BenchPage:
    """Give the report as a page.

    Parameters
    ----------
    told
        The document, as ``report.json`` holds it.
    """
    versions = told["environment"]
    return BenchPage(
        title="Incidents at an alert budget",
        machine=(
            f"seeds {', '.join(map(str, told['seeds']))}, {told['settings']['budget']:g} promised false "
            f"alarms a day, eddyline {versions['eddyline']}, Python {versions['python']}"
        ),
        command=told["command"],
        why_not_run="needs the data sets",
        sentences=told["sentences"],
        rules=RULES,
        sections=[Section(name, [words], table) for name, words, table in tables(told)],
        not_run=told["not_run"],
        hardware=told["hardware"],
    )


def tables(told: Mapping[str, Any]) -> list[tuple[str, str, Table]]:
    """Give heading, words and table of each part.

    Parameters
    ----------
    told
        The document, as ``report.json`` holds it.
    """
    parts: list[tuple[str, str, Table]] = []
    for one in told["together"]:
        words = f"{one['n_attacks']:,} attacks of {', '.join(one['sets'])}."
        parts.append((one["words"][0].upper() + one["words"][1:], words, _pooled(one)))
    parts += [(one["name"], _words(one), _methods(one)) for one in told["sets"]]
    if told["captures"] is not None:
        parts.append(_captures(told["captures"]))
    return parts


def _words(one: Mapping[str, Any]) -> str:
    head = f"{one['n_flows']:,} flows over {one['days']:.2f} days, {one['n_attacks']:,} attacks "
    head += f"(truth: {one['truth']}), model: {one['model']}."
    if one["grade"] is None:
        return head
    if not one["n_attacks"]:
        return f"{head} A quiet day: {_seeds(one['false'])} false incidents, allowed {one['max_false']}."
    graded = one["grade"]
    right = _seeds([grade["right"] for grade in graded])
    missed = sorted({line for grade in graded for line in grade["not_right"]})
    head += f" Right key and source within the first {graded[0]['within']}: {right}."
    return head + (f" Not right: {'; '.join(missed)}." if missed else "")


def _seeds(values: Sequence[Any]) -> str:
    each = [f"{value:g}" for value in values]
    return each[0] if len(set(each)) == 1 else f"{', '.join(each)} (a figure a seed)"


def _heads(first: Sequence[str]) -> list[str]:
    return [*first, *(f"recall at {n}" for n in SHOWN)]


def _pooled(one: Mapping[str, Any]) -> Table:
    rows = [
        [
            method["method"],
            *(_banded(row["recall"]) for row in _shown(method)),
            _at(method, 10, "recall_of_sets"),
            _at(method, 10, "false_per_day"),
        ]
        for method in one["methods"]
    ]
    return [*_heads(["alerts of"]), "mean of the sets at 10", "false a day at 10"], rows


def _methods(one: Mapping[str, Any]) -> Table:
    heads = _heads(["alerts of", "alerts", "precision", "false a day", "first hit"])
    heads += ["precision at 10", "false a day at 10", "flow share at 10", "time to detect, median"]
    rows = [
        [
            method["method"],
            _mean(method["n_incidents"], "{:.0f}"),
            _mean(method["precision"]),
            _mean(method["false_per_day"], "{:.2f}"),
            _mean(method["first_true"], "{:.0f}"),
            *(_banded(row["recall"]) for row in _shown(method)),
            _at(method, 10, "precision"),
            _at(method, 10, "false_per_day"),
            _at(method, 10, "flow_share"),
            _time(method) if place == 0 else "",
        ]
        for place, method in enumerate(one["methods"])
    ]
    return heads, rows


def _captures(one: Mapping[str, Any]) -> tuple[str, str, Table]:
    words = (
        f"The first incident has the right key and source in {one['first_is_right']} of {one['of']} captures "
        f"with an attack that flows show ({one['points']:g} points, half a point for a neighbouring key). "
        f"{one['without_attack']} captures whose attack flows cannot show, or without any: "
        f"{one['false_accusations']} false accusations."
    )
    rows = [
        [row["file"], row["attack"], row["visible"], row["said"] or "nothing", f"{row['points']:g}",
         "none" if row["rank"] is None else str(row["rank"]), str(row["incidents"])]
        for row in one["rows"]
    ]  # fmt: skip
    heads = ["capture", "attack", "visible", "first incident", "points", "right rank", "incidents"]
    return "Captures of one attack each", words, (heads, rows)


def _shown(method: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in method["at"] if row["alerts_a_day"] in SHOWN]


def _at(method: Mapping[str, Any], top: int, name: str) -> str:
    row = next(row for row in method["at"] if row["alerts_a_day"] == top)
    return _mean(row[name])


def _mean(value: Mapping[str, Any], form: str = "{:.3f}") -> str:
    if value["mean"] is None:
        return "0/0"
    if value["least"] == value["greatest"]:
        return form.format(value["mean"])
    return " ".join(
        (
            form.format(value["mean"]),
            f"[{form.format(value['least'])}, {form.format(value['greatest'])}]",
        )
    )


def _banded(value: Mapping[str, Any]) -> str:
    if value["mean"] is None:
        return "0/0"
    band = "" if value["low"] is None else f" ({value['low']:.2f} to {value['high']:.2f})"
    return f"{value['mean']:.3f}{band}"


def _time(method: Mapping[str, Any]) -> str:
    times = method["time_to_detect"]
    first, last = times["earliest"]["median_s"], times["latest"]["median_s"]
    if first is None:
        return "never"
    return f"{first:,.0f} to {last:,.0f} s, {times['never']} of {times['n']} never"
