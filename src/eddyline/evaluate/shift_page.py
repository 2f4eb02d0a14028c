"""The runs of the shift experiment as tables in Markdown and as a picture.

What belongs here: words and rounding. What does not: any figure (``shift.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from eddyline.errors import MissingExtraError
from eddyline.evaluate.bands import Band
from eddyline.evaluate.corpora.luflow import CLASSES, TASKS
from eddyline.evaluate.scores import (
    LUFLOW_COST,
    constant_floor,
)
from eddyline.evaluate.shift import BASE, ROWS, Run, Told, summarise

NOT_RUN: Final = "NAD 2021: not run (data under signed agreement)"
"""Stands under every table."""

COLOURS: Final = {"malicious": "#c0392b", "outlier": "#2874a6"}
"""Of the two classes that are hard."""


def page(runs: Sequence[Run]) -> str:
    """Give a table for each task.

    Parameters
    ----------
    runs
        Of two seeds or more a row.
    """
    told = summarise(runs)
    parts = []
    for task in TASKS:
        mine = [one for one in told if one.task == task.name]
        if not mine:
            continue
        first = next(run for run in runs if run.task == task.name)
        support = first.confusion.sum(axis=1)
        best, floor = constant_floor(support, LUFLOW_COST)
        counts = ", ".join(
            f"{name} {count:,}" for name, count in zip(CLASSES, support, strict=True)
        )
        head = (
            f"**Task {task.name}**: {' + '.join(task.train)} → {task.test} ({counts}), "
            f"{mine[0].score.n} seeds; always {CLASSES[best]}: {floor:.3f}."
        )
        rows = "\n".join(_row(one) for one in mine)
        asked = [run.votes for run in runs if (run.task, run.row) == (task.name, "default")]
        rows += f"\n\n{_votes(asked)}" if None not in asked else ""
        names = " | ".join(f"F1 {name}" for name in CLASSES)
        parts.append(
            f"{head}\n\n| row | {names} | score | macro F1 − {BASE} |\n"
            f"| --- | --- | --- | --- | --- | --- |\n{rows}\n\n{NOT_RUN}."
        )
    return "\n\n".join(parts)


def _votes(asked: Sequence[bool | None]) -> str:
    return f"Left-out training days had sessions vote with {sum(map(bool, asked))} of {len(asked)} seeds."


def _row(one: Told) -> str:
    kind = {row.name: row for row in ROWS}[one.row]
    mark = " (transductive)" if kind.transductive else ""
    gain = "" if one.gain is None else _signed(one.gain)
    cells = " | ".join(_shown(found) for found in (*one.f1, one.score))
    return f"| {one.row}{mark} | {cells} | {gain} |"


def _shown(found: Band) -> str:
    return f"{found.mean:.3f} ± {found.half_width:.3f}"


def _signed(found: Band) -> str:
    text = f"{found.mean:+.3f} ± {found.half_width:.3f}"
    return text if found.excludes_zero else f"{text}, not told from 0"


def plot(runs: Sequence[Run], path: Path) -> None:
    """Draw each row's F1 of the two hard classes with its band, one panel a task.

    Parameters
    ----------
    runs
        Of two seeds or more a row.
    path
        PNG to write.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        message = "a picture needs matplotlib, which is not installed; pip install 'eddyline[lab]'"
        raise MissingExtraError(message) from error
    told = summarise(runs)
    shown = [task for task in TASKS if any(one.task == task.name for one in told)]
    figure = Figure(figsize=(4.2 * len(shown) + 1.5, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for place, task in enumerate(shown):
        axes = figure.add_subplot(1, len(shown), place + 1)
        mine = [one for one in told if one.task == task.name][::-1]
        for name, shift in (("malicious", 0.14), ("outlier", -0.14)):
            bands = [one.f1[CLASSES.index(name)] for one in mine]
            axes.errorbar(
                [found.mean for found in bands],
                [row + shift for row in range(len(mine))],
                xerr=[found.half_width for found in bands],
                fmt="o",
                markersize=4,
                capsize=2,
                color=COLOURS[name],
                label=name,
            )
        axes.set_yticks(range(len(mine)), [one.row for one in mine] if place == 0 else [])
        axes.set_xlim(0, 1)
        axes.set_xlabel("F1, mean and 80 % band")
        axes.set_title(f"{task.name}: {' + '.join(d[5:] for d in task.train)} → {task.test[5:]}")
        axes.grid(axis="x", color="#dddddd")
        if place == 0:
            axes.legend(loc="lower left", frameon=False)
    figure.savefig(path, dpi=130)
