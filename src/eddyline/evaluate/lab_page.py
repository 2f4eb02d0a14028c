"""The runs on labelled lab days as tables in Markdown.

What belongs here: means, bands, words and rounding. What does not: any run (``lab_days.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from eddyline.evaluate.bands import Band, band, paired_band
from eddyline.evaluate.lab_days import ROWS, LabRun
from eddyline.evaluate.scores import NAD_CLASSES, challenge_score, constant_floor, f_beta
from eddyline.tables import Floats

BASE: Final = "default"
"""The row that the others are paired with."""

NOT_RUN: Final = "NAD 2021: not run (data under signed agreement)"
"""Stands under the table of figures."""


def by_seed(runs: Sequence[LabRun], row: str) -> Floats:
    """Give one row's score, the mean over the left-out days, for each seed in order.

    Parameters
    ----------
    runs
        Every day with every seed of that row.
    row
        Its name.
    """
    mine = [run for run in runs if run.row == row]
    seeds = sorted({run.seed for run in mine})
    return np.array(
        [
            np.mean([challenge_score(r.confusion).value for r in mine if r.seed == seed])
            for seed in seeds
        ]
    )


def counts(runs: Sequence[LabRun]) -> str:
    """Give a table of the days: flows of each class, and how far their shares are apart.

    Parameters
    ----------
    runs
        Of any row.
    """
    days = {run.day: run.confusion.sum(axis=1) for run in runs}
    lines = [
        f"| day | {' | '.join(NAD_CLASSES)} | always one class |",
        "| --- |" + " --- |" * (len(NAD_CLASSES) + 1),
    ]
    for day, support in sorted(days.items()):
        _, floor = constant_floor(support)
        cells = " | ".join(f"{n:,}" for n in support)
        lines.append(f"| {day} | {cells} | {floor:.3f} |")
    shares = np.array([support / support.sum() for support in days.values()])
    apart = shares.max(axis=0) / np.where(shares.min(axis=0) > 0, shares.min(axis=0), np.nan)
    lines.append(f"| largest / smallest share | {' | '.join(f'{a:.1f}' for a in apart)} |  |")
    return "\n".join(lines)


def page(runs: Sequence[LabRun]) -> str:
    """Give the days, the score of each row, and F2 of each class.

    Parameters
    ----------
    runs
        Of two seeds or more a row, each with every day.
    """
    names = [row for row in ROWS if any(run.row == row.name for run in runs)]
    base = by_seed(runs, BASE) if any(row.name == BASE for row in names) else None
    head = f"| row | score | worst day | {' | '.join(f'F2 {c}' for c in NAD_CLASSES)} | − {BASE} |"
    lines = [head, "| --- |" + " --- |" * (len(NAD_CLASSES) + 3)]
    for row in names:
        scores = by_seed(runs, row.name)
        mine = [run for run in runs if run.row == row.name]
        worst = min(
            (np.mean([challenge_score(r.confusion).value for r in mine if r.day == day]), day)
            for day in {run.day for run in mine}
        )
        classes = np.mean([f_beta(run.confusion) for run in mine], axis=0)
        gain = "" if base is None or row.name == BASE else _signed(paired_band(scores, base))
        mark = " (transductive)" if row.transductive else ""
        lines.append(
            f"| {row.name}{mark} | {_shown(band(scores))} | {worst[0]:.3f} ({worst[1]}) | "
            f"{' | '.join(f'{value:.3f}' for value in classes)} | {gain} |"
        )
    words = "\n".join(f"- *{row.name}*: {row.words}." for row in names)
    return f"{counts(runs)}\n\n" + "\n".join(lines) + f"\n\n{NOT_RUN}.\n\n{words}"


def _shown(found: Band) -> str:
    return f"{found.mean:.3f} ± {found.half_width:.3f}"


def _signed(found: Band) -> str:
    text = f"{found.mean:+.3f} ± {found.half_width:.3f}"
    return text if found.excludes_zero else f"{text}, not told from 0"
