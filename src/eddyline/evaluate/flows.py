"""Flow-level figures: how well scores order labelled flows, and what a yes or no is worth.

What belongs here: AUC, average precision and the ratios of one cut. What does not: making scores.

Only flows whose label says attack or normal count. A ratio of nothing to nothing is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.evaluate.baselines import flow_scores
from eddyline.evaluate.curve import Curve, Cut, ratio
from eddyline.tables import Floats

Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FlowFigures:
    """How well one score orders flows.

    Parameters
    ----------
    method
        Whose score.
    auc
        Area under the ROC curve: chance that an attack flow scores above a normal one; 0.5 is chance.
    average_precision
        Mean precision over the attacks; the base rate is chance.
    """

    method: str
    auc: float | None
    average_precision: float | None


@dataclass(frozen=True, slots=True)
class NamedCut:
    """What somebody's yes or no for each flow is worth.

    Parameters
    ----------
    method
        Who says yes or no.
    cut
        Flows by truth and answer.
    """

    method: str
    cut: Cut


@dataclass(frozen=True, slots=True)
class FlowLevel:
    """Everything that is told of flows.

    Parameters
    ----------
    n_flows, n_attack, n_normal, n_unknown
        Flows by label.
    n_unscored
        Labelled flows without a score; they count as the least strange.
    scores
        One entry a score, ours first.
    cuts
        One entry a yes or no, ours first.
    """

    n_flows: int
    n_attack: int
    n_normal: int
    n_unknown: int
    n_unscored: int
    scores: tuple[FlowFigures, ...]
    cuts: tuple[NamedCut, ...]

    @property
    def base_rate(self) -> float | None:
        """Share of attacks among labelled flows: chance level of the average precision."""
        return ratio(self.n_attack, self.n_attack + self.n_normal)


def flow_level(flows: pl.DataFrame, members: pl.DataFrame, *, seed: int = 0) -> FlowLevel:
    """Hold scores and incidents against the labels of flows, beside trivial scores.

    Parameters
    ----------
    flows
        With ``row``, ``score``, ``attack`` and what ``baselines.flow_scores`` needs.
    members
        ``row`` and ``place`` of the incidents.
    seed
        Start of the randomness of the random score.
    """
    place = members.group_by("row").agg(pl.col("place").min())
    told = flows.join(place, on="row", how="left", maintain_order="left")
    known = told["attack"].is_not_null()
    score = told["score"].fill_null(-np.inf)
    rank = -told["place"].cast(pl.Float64)
    by_rank = rank.fill_null(-np.inf).to_numpy()
    kept = known.to_numpy()
    scores: dict[str, Floats] = {
        "eddyline score": _finite(score.to_numpy()),
        "eddyline incidents by rank": _finite(by_rank),
        **flow_scores(flows, seed=seed),
    }
    truth = told["attack"].fill_null(value=False).to_numpy()[kept]
    inside = told["place"].is_not_null().to_numpy()
    cuts = {"in an incident": inside, "flag everything": np.ones(len(inside), np.bool_)}
    return FlowLevel(
        n_flows=flows.height,
        n_attack=int(truth.sum()),
        n_normal=int((~truth).sum()),
        n_unknown=int((~kept).sum()),
        n_unscored=int((told["score"].is_null() & known).sum()),
        scores=_ordered(truth, {name: values[kept] for name, values in scores.items()}),
        cuts=tuple(NamedCut(name, Cut.of(truth, yes[kept])) for name, yes in cuts.items()),
    )


def _finite(values: Floats) -> Floats:
    """Put what has no score below everything that has one."""
    low = values[np.isfinite(values)]
    floor = low.min() - 1.0 if len(low) else 0.0
    return np.where(np.isfinite(values), values, floor)


def _ordered(truth: Flags, scores: Mapping[str, Floats]) -> tuple[FlowFigures, ...]:
    if not len(truth):
        return tuple(FlowFigures(name, None, None) for name in scores)
    curves = {name: Curve.of(truth, values) for name, values in scores.items()}
    return tuple(FlowFigures(name, c.auc, c.average_precision) for name, c in curves.items())
