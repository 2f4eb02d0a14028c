"""What the contamination experiment says: means with bands, differences in pairs, bars, a page.

What belongs here: arithmetic on finished runs, Markdown and pictures of it. What does not: running anything
(``contamination.py``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.stats import t as student

from eddyline.errors import MissingExtraError
from eddyline.evaluate.contamination import DEFAULT_METHOD, Run
from eddyline.evaluate.contamination_methods import METHODS, PARTS, SWEEPS
from eddyline.evaluate.corpora.nsl_kdd import CARD

BAND: Final = 0.95
"""Confidence of the bands, by Student's t over seeds."""

GRAND_BAR: Final = 0.937
"""The published AUROC of GRAnD at 5, 10 and 15 %."""

DEFAULT_BAR: Final = 0.96
"""What the default must reach at every level."""


def mean_band(values: Sequence[float]) -> tuple[float, float]:
    """Give the mean and the half-width of its 95 % band; NaN for a single value.

    Parameters
    ----------
    values
        One figure a seed.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan
    error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return mean, float(student.ppf(0.5 + BAND / 2, len(values) - 1)) * error


def cells(runs: Sequence[Run], figure: str = "auroc") -> dict[str, dict[float, list[float]]]:
    """Give a figure by method and share, one value a seed in the order of the seeds.

    Parameters
    ----------
    runs
        Of one protocol and one preprocessing.
    figure
        Name of the figure.
    """
    found: dict[str, dict[float, list[float]]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        found.setdefault(run.method, {}).setdefault(run.share, []).append(getattr(run, figure))
    return found


def paired(runs: Sequence[Run], first: str, second: str) -> dict[float, tuple[float, float]]:
    """Give the mean difference in AUROC of two methods on the same drawings, with its band, by share.

    Parameters
    ----------
    runs
        Of one protocol and one preprocessing.
    first, second
        Methods; positive when the first is better.
    """
    figures = {(run.method, run.share, run.seed): run.auroc for run in runs}
    shares = sorted({run.share for run in runs})
    found = {}
    for share in shares:
        seeds = sorted(
            s for m, at, s in figures if m == first and at == share and (second, at, s) in figures
        )
        if seeds:
            gaps = [figures[first, share, s] - figures[second, share, s] for s in seeds]
            found[share] = mean_band(gaps)
    return found


def bars(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Hold finished runs of the full protocol against the aims.

    Parameters
    ----------
    runs
        With ``log`` preprocessing.
    """
    figures = cells(runs)
    found: list[dict[str, Any]] = []
    gaps = paired(runs, "grand", "vae")
    for share, values in figures.get("grand", {}).items():
        if share > 0:
            gap, band = gaps.get(share, (math.nan, math.nan))
            found.append(
                {
                    "aim": f"GRAnD at {share:.0%}: AUROC >= {GRAND_BAR} and above the VAE's",
                    "auroc": mean_band(values)[0],
                    "above_vae": _or_none(gap),
                    "above_vae_band": _or_none(band),
                    "met": mean_band(values)[0] >= GRAND_BAR and gap - band > 0,
                }
            )
    for share, values in figures.get(DEFAULT_METHOD, {}).items():
        mean, band = mean_band(values)
        found.append(
            {
                "aim": f"the default ({DEFAULT_METHOD}) at {share:.0%}: AUROC >= {DEFAULT_BAR}",
                "auroc": mean,
                "band": _or_none(band),
                "met": mean >= DEFAULT_BAR,
            }
        )
    return found


def as_json(runs: Sequence[Run]) -> dict[str, Any]:
    """Give everything as one object: the card, the summary, the aims, every run.

    Parameters
    ----------
    runs
        Of any protocol and preprocessing.
    """
    groups = sorted({(run.protocol, run.preprocessing) for run in runs})
    summary = []
    for protocol, preprocessing in groups:
        members = [r for r in runs if (r.protocol, r.preprocessing) == (protocol, preprocessing)]
        for figure in ("auroc", "auprc", "fit_s", "score_s"):
            for method, by_share in cells(members, figure).items():
                for share, values in sorted(by_share.items()):
                    mean, band = mean_band(values)
                    summary.append(
                        {
                            "protocol": protocol,
                            "preprocessing": preprocessing,
                            "method": method,
                            "share": share,
                            "figure": figure,
                            "mean": mean,
                            "band": _or_none(band),
                            "seeds": len(values),
                        }
                    )
    full = [r for r in runs if (r.protocol, r.preprocessing) == ("full", "log")]
    return {
        "corpus": {"name": CARD.name, "worth": CARD.worth, "sha256": dict(CARD.files)},
        "default": DEFAULT_METHOD,
        "bars": bars(full),
        "summary": summary,
        "runs": [asdict(run) for run in runs],
    }


def table(runs: Sequence[Run], figure: str = "auroc") -> str:
    """Give a Markdown table: a row a method, a column a share, means and bands in percent.

    Parameters
    ----------
    runs
        Of one protocol and one preprocessing.
    figure
        ``auroc`` or ``auprc``.
    """
    figures = cells(runs, figure)
    shares = sorted({run.share for run in runs})
    seconds = cells(runs, "fit_s")
    lines = [
        "| method | "
        + " | ".join(f"{share:.0%}" for share in shares)
        + " | CPU s to fit | seeds |",
        "|---|" + "---:|" * (len(shares) + 2),
    ]
    titles = _titles()
    for name, title in titles.items():
        by_share = figures.get(name)
        if by_share is None:
            continue
        shown = [_percent(by_share.get(share)) for share in shares]
        spent = float(np.mean([s for values in seconds[name].values() for s in values]))
        seeds = min(len(values) for values in by_share.values())
        lines.append(f"| {title} | {' | '.join(shown)} | {spent:.1f} | {seeds} |")
    return "\n".join(lines)


def gap_table(runs: Sequence[Run], pairs: Sequence[tuple[str, str]]) -> str:
    """Give a Markdown table of differences in AUROC on the same drawings, in points.

    Parameters
    ----------
    runs
        Of one protocol and one preprocessing.
    pairs
        Methods to compare, the better one first.
    """
    shares = sorted({run.share for run in runs})
    titles = _titles()
    lines = [
        "| difference | " + " | ".join(f"{share:.0%}" for share in shares) + " |",
        "|---|" + "---:|" * len(shares),
    ]
    for first, second in pairs:
        gaps = paired(runs, first, second)
        if gaps:
            shown = [_points(*gaps[share]) if share in gaps else "" for share in shares]
            lines.append(f"| {titles[first]} − {titles[second]} | {' | '.join(shown)} |")
    return "\n".join(lines)


def draw_sweeps(runs: Sequence[Run], path: Path) -> None:
    """Draw how GRAnD and RVAE depend on their settings, one panel a setting.

    Parameters
    ----------
    runs
        Those of ``SWEEPS``, of one protocol and share.
    path
        PNG to write.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        message = (
            f"pictures need matplotlib, which is not installed ({error}); pip install "
            f"'eddyline[lab]'"
        )
        raise MissingExtraError(message) from error
    panels: dict[str, list[tuple[float, list[float]]]] = {}
    for name, by_share in cells(runs).items():
        if "=" in name:
            setting, _, told = name.partition("=")
            panels.setdefault(setting, []).append((float(told), by_share[max(by_share)]))
    figure = Figure(figsize=(3.0 * max(len(panels), 1), 3.0), layout="constrained")
    for place, (setting, points) in enumerate(sorted(panels.items()), start=1):
        axes = figure.add_subplot(1, len(panels), place)
        points.sort()
        x = [value for value, _ in points]
        means = [mean_band(values)[0] for _, values in points]
        for place_x, values in points:
            axes.plot([place_x] * len(values), values, "o", color="0.6", markersize=3)
        axes.plot(x, means, "-", color="#1f5fa8")
        axes.set_xscale("log")
        axes.set_xticks(x, [f"{value:g}" for value in x], fontsize=7)
        axes.minorticks_off()
        axes.set_title(setting, fontsize=9)
        axes.set_ylim(0.85, 1.0)
        axes.grid(visible=True, color="0.9")
        if place == 1:
            axes.set_ylabel("AUROC")
    figure.savefig(path, dpi=110)


def _titles() -> dict[str, str]:
    """Give the title of every row that is shown, in the order they are shown."""
    return (
        {method.name: method.title for method in METHODS}
        | PARTS
        | {method.name: method.title for method in SWEEPS}
    )


def _points(gap: float, band: float) -> str:
    return f"{100 * gap:+.1f}" if math.isnan(band) else f"{100 * gap:+.1f} ± {100 * band:.1f}"


def _or_none(value: float) -> float | None:
    """Give None for what a single seed cannot tell; JSON has no NaN."""
    return None if math.isnan(value) else value


def _percent(values: Sequence[float] | None) -> str:
    if not values:
        return ""
    mean, band = mean_band(values)
    return f"{100 * mean:.1f}" if math.isnan(band) else f"{100 * mean:.1f} ± {100 * band:.1f}"
