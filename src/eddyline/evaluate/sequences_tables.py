"""How good sequence models are: areas per unit with bands over pairs, beside the trivial scores.

What belongs here: figures of scored flows, and their tables. What does not: scoring and units.

Bands draw whole pairs with replacement, all their dyad-hours at once; differences are of the same draws. A
figure is the mean over seeds; the spread over seeds is told apart from the band, which is of the mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from eddyline.detectors.aggregate import (
    AGGREGATIONS,
    aggregate,
    distinct_windows,
    length_bin,
    length_calibrated,
)
from eddyline.detectors.grams import distinct_in_groups
from eddyline.evaluate.intervals import GroupBootstrap, Interval
from eddyline.evaluate.sequences import Units
from eddyline.evaluate.sequences_models import FlowScores
from eddyline.tables import Floats, Integers

SCORES: Final = (*AGGREGATIONS, "calibrated by flows")
"""Ways from flows to units: those of the detectors, and the calibrated maximum with every flow a chance."""

MIN_CLASS: Final = 5
"""Units of each class that a capture or a bin must have to count."""


@dataclass(frozen=True, slots=True)
class Figure:
    """How well one score ranks the units of one kind.

    Parameters
    ----------
    unit, regime, model, tokens, score
        What was ranked, what was learned from, by which model, and how units got a score.
    seeds
        Runs behind the mean.
    n_units, n_attacks
        Units that were ranked, and how many are attacks.
    auc, auc_low, auc_high
        Area under the ROC curve, pooled, with its band.
    ap, ap_low, ap_high
        Average precision with its band.
    within
        Mean of the areas within captures; None when no capture has enough of both classes.
    same_size
        Mean of the areas among units of about one number of flows, weighted by pairs of units.
    seed_low, seed_high
        Least and greatest area of a seed.
    over_trivial, over_low, over_high
        Area less that of the best trivial score in its better direction, with its band.
    """

    unit: str
    regime: str
    model: str
    tokens: str
    score: str
    seeds: int
    n_units: int
    n_attacks: int
    auc: float
    auc_low: float
    auc_high: float
    ap: float
    ap_low: float
    ap_high: float
    within: float | None
    same_size: float | None
    seed_low: float
    seed_high: float
    over_trivial: float | None = None
    over_low: float | None = None
    over_high: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give the figure as JSON takes it."""
        return asdict(self)


@dataclass(slots=True)
class Ranking:
    """Units to rank, with one drawing of pairs for all scores.

    Parameters
    ----------
    unit, regime
        What is ranked, and what models learn from.
    units
        All units.
    chosen
        Which are ranked.
    draws
        Resamplings.
    """

    unit: str
    regime: str
    units: Units
    chosen: NDArray[np.bool_]
    draws: int
    boot: GroupBootstrap = field(init=False)
    best: Floats | None = None

    def __post_init__(self) -> None:
        kept = self.chosen
        self.boot = GroupBootstrap(
            self.units.attack[kept], self.units.owner[kept], n_resamples=self.draws
        )

    def figure(self, model: str, tokens: str, score: str, runs: Sequence[Floats]) -> Figure:
        """Give the figures of a score over its seeds.

        Parameters
        ----------
        model, tokens, score
            What it is called.
        runs
            Score of every unit, one array a seed.
        """
        kept = self.chosen
        attack, capture = self.units.attack[kept], self.units.capture[kept]
        values = [run[kept] for run in runs]
        roc = [self.boot.draws(one, "roc_auc") for one in values]
        precise = [self.boot.draws(one, "pr_auc") for one in values]
        area = _mean(roc)
        precision = _mean(precise)
        over = None if self.best is None else area.draws - self.best[1:]
        gain = None if over is None or self.best is None else area.value - float(self.best[0])
        margin = None if over is None or gain is None else Interval.of(gain, over)
        bins = length_bin(self.units.lengths[kept])
        return Figure(
            *(self.unit, self.regime, model, tokens, score, len(runs)),
            *(len(attack), int(attack.sum())),
            *(area.value, area.low, area.high, precision.value, precision.low, precision.high),
            within=_mean_over([_by_part(one, attack, capture, weighted=False) for one in values]),
            same_size=_mean_over([_by_part(one, attack, bins, weighted=True) for one in values]),
            seed_low=min(one[0] for one in roc),
            seed_high=max(one[0] for one in roc),
            over_trivial=None if margin is None else margin.value,
            over_low=None if margin is None else margin.low,
            over_high=None if margin is None else margin.high,
        )

    def trivial(self, scores: dict[str, Floats]) -> list[Figure]:
        """Give the figures of trivial scores, and keep the best in its better direction to compare with.

        Parameters
        ----------
        scores
            Trivial scores of every unit, by name.
        """
        told = []
        for name, values in scores.items():
            told.append(self.figure("trivial", "-", name, [values]))
            area, draws = self.boot.draws(values[self.chosen], "roc_auc")
            whole = np.concatenate([[area], draws])
            better = whole if area >= 0.5 else 1.0 - whole
            if self.best is None or better[0] > self.best[0]:
                best = better
                self.best = best
        return told


def unit_scores(
    flows: FlowScores, units: Units, words: Integers, context: int | None
) -> dict[str, Floats]:
    """Give every score of every unit; NaN for units with a flow that was not scored.

    Parameters
    ----------
    flows
        What a model said of each flow.
    units
        The units.
    words
        Number of each flow's token.
    context
        Tokens before a token that make a window with it, when windows are the chances to surprise; None when
        different surprises are.
    """
    surprise, log_survival = flows.surprise[units.flows], flows.log_survival[units.flows]
    starts = units.offsets[:-1]
    missing = np.add.reduceat(np.isnan(surprise).astype(np.float64), starts) > 0
    filled = np.nan_to_num(surprise)
    out = {how: aggregate(filled, units.offsets, how) for how in AGGREGATIONS[:-1]}
    rarest = np.minimum.reduceat(np.nan_to_num(log_survival), starts)
    if context is None:
        kinds = distinct_in_groups(filled, units.offsets)
    else:
        kinds = distinct_windows(words[units.flows], units.offsets, context)
    out["calibrated"] = length_calibrated(rarest, kinds)
    out["calibrated by flows"] = length_calibrated(rarest, units.lengths.astype(np.float64))
    return {name: np.where(missing, np.nan, values) for name, values in out.items()}


def markdown(figures: Sequence[Figure], unit: str, regime: str) -> str:
    """Write the figures of one unit and regime as a table, the best score of each model last.

    Parameters
    ----------
    figures
        All of them.
    unit, regime
        Which to write.
    """
    mine = [one for one in figures if (one.unit, one.regime) == (unit, regime)]
    if not mine:
        return ""
    first = mine[0]
    lines = [
        f"### {unit}, {regime}: {first.n_units} units, {first.n_attacks} attacks",
        "",
        "| trivial score | AUC [95 %] | within captures | AP |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {one.score} | {_area(one)} | {_plain(one.within)} | {one.ap:.3f} |"
        for one in mine
        if one.model == "trivial"
    ]
    shown = [name for name in SCORES if name != "max"]
    lines += [
        "",
        f"| model | tokens | seeds | max [95 %] | {' | '.join(shown)} | AP of max | over the best trivial |",
        "|---|---|---|---|" + "---|" * (len(shown) + 2),
    ]
    keys = dict.fromkeys((one.model, one.tokens) for one in mine if one.model != "trivial")
    for model, tokens in keys:
        by_score = {o.score: o for o in mine if (o.model, o.tokens) == (model, tokens)}
        top = by_score["max"]
        best = max(by_score.values(), key=lambda one: one.auc)
        cells = " | ".join(f"{by_score[name].auc:.3f}" for name in shown)
        lines.append(
            f"| {model} | {tokens} | {top.seeds} | {_area(top)} | {cells} | {top.ap:.3f} | "
            f"{_margin(best)} |"
        )
    return "\n".join([*lines, ""])


def default_table(figures: Sequence[Figure], default: tuple[str, str, str]) -> str:
    """Write how the default stands to the best trivial score, in every unit and regime that was run.

    Parameters
    ----------
    figures
        All of them.
    default
        Model, token set and score.
    """
    mine = [one for one in figures if (one.model, one.tokens, one.score) == default]
    if not mine:
        return ""
    lines = [
        f"### The default: {default[0]} on {default[1]}, {default[2]}",
        "",
        "| units | regime | AUC [95 %] | within captures | among units of one size | AP | over the best "
        "trivial score |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in mine:
        margin = f"{one.over_trivial:+.3f} [{one.over_low:+.3f}, {one.over_high:+.3f}]"
        lines.append(
            f"| {one.unit} | {one.regime} | {_area(one)} | {_plain(one.within)} | "
            f"{_plain(one.same_size)} | {one.ap:.3f} | {margin} |"
        )
    return "\n".join([*lines, ""])


def _margin(one: Figure) -> str:
    if one.over_trivial is None:
        return "-"
    return f"{one.over_trivial:+.3f} [{one.over_low:+.3f}, {one.over_high:+.3f}] by {one.score}"


def _area(one: Figure) -> str:
    return f"{one.auc:.3f} [{one.auc_low:.2f}, {one.auc_high:.2f}]"


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _mean(runs: Sequence[tuple[float, Floats]]) -> Interval:
    """Give the mean over seeds with its band."""
    draws = np.mean([draws for _, draws in runs], axis=0)
    return Interval.of(float(np.mean([value for value, _ in runs])), draws)


def _mean_over(values: Sequence[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return float(np.mean(told)) if told else None


def _by_part(
    scores: Floats, attack: NDArray[np.bool_], part: Integers, *, weighted: bool
) -> float | None:
    """Give the mean of the areas within parts that hold enough of both classes."""
    areas, weights = [], []
    for number in np.unique(part):
        mine = part == number
        up = int(attack[mine].sum())
        down = int(mine.sum()) - up
        if min(up, down) < MIN_CLASS:
            continue
        areas.append(float(roc_auc_score(attack[mine], scores[mine])))
        weights.append(float(up * down) if weighted else 1.0)
    return float(np.average(areas, weights=weights)) if areas else None
