"""Alarms: rows too unlikely for the budget, with the reasons that carry them.

What belongs here: which rows of a view alarm and why. What does not: which story they tell (``incidents``).

A row alarms when its fused p-value is at most the level that the budget allows for the view **and** a
feature lies well outside its normal range: an unlikely combination of ordinary values is no news. A row
up to ``HINT`` times less unlikely, or without such a feature, is a hint: it counts only where its flows
show a pattern with a name, which normal rows at that level hardly ever do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.detectors.language import LanguageModel
from eddyline.features.view import View
from eddyline.features.wording import surprise_words, token_words
from eddyline.tables import Floats
from eddyline.verdicts.explain import Part, explain_rows
from eddyline.verdicts.leg import Leg, LegRows, is_sequence, token_groups
from eddyline.verdicts.normal import ViewNormal
from eddyline.verdicts.reason import Contribution, compare
from eddyline.verdicts.threshold import error_rate_threshold

MATERIAL: Final = 2.0
"""A value is news when it is at least this many times the top of its normal range."""

MATERIAL_SHARE: Final = 0.25
"""A share is news when it lies at least this far above its normal range."""

LEAST: Final = {"bytes": 100_000.0, "packets": 200.0, "s": 60.0, "flows/s": 5.0, "": 8.0}
"""A value is news only when it lies at least this far above its normal range, by unit: a host that sent
nothing and now sends 500 bytes is no incident however unlikely that is."""

HINT: Final = 30.0
"""How many times the level a hint may be."""

MOST_HINT: Final = 0.01
"""No row is a hint above this p-value."""

SMALLEST_P: Final = 1e-9
"""No p-value is told below this: what lies beyond the calibration is a model, not a guarantee."""

MAX_ALARMS: Final = 200
"""Alarms of one view in one window; the least unlikely beyond are dropped."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One row too unlikely for the budget.

    Parameters
    ----------
    view
        Name of its view.
    window, window_us
        Number and length of its window.
    addresses
        The addresses it stands for; a segment's second one is a network.
    uid
        The flow, where a row is one flow, else ``""``.
    p_value
        Fused over the view's legs.
    sure
        True at or below the level; False for a hint.
    scores
        Score of each leg.
    explain
        Says what carried it, largest share first; worked out only when somebody asks.
    """

    view: str
    window: int
    window_us: int
    addresses: tuple[str, ...]
    uid: str
    p_value: float
    sure: bool
    scores: dict[str, float]
    explain: Callable[[], list[Contribution]]

    @property
    def grain(self) -> str:
        """View whose past the measures are told against."""
        return self.view

    def where(self, src: pl.Expr, dst: pl.Expr) -> pl.Expr:
        """Give the condition that a flow belongs to the row.

        Parameters
        ----------
        src, dst
            Addresses of a flow.
        """
        first = self.addresses[0]
        if self.uid:
            return pl.col("uid") == self.uid
        if self.view == "edge":
            return (src == first) & (dst == self.addresses[1])
        if self.view == "segment":
            return (src == first) & (pl.col("dst_net") == self.addresses[1])
        if self.view == "dyad":
            second = self.addresses[1]
            return ((src == first) & (dst == second)) | ((src == second) & (dst == first))
        return (src == first) | (dst == first)


def raise_alarms(  # noqa: PLR0913 - what a view's rows are judged with
    view: View,
    rows: LegRows,
    keys: pl.DataFrame,
    *,
    legs: list[Leg],
    scores: dict[str, Floats],
    each: dict[str, Floats],
    p_values: Floats,
    normal: ViewNormal,
    levels: Floats,
    most: float = MOST_HINT,
    only_news: bool = False,
) -> list[Alarm]:
    """Give the alarms of one view's rows.

    Parameters
    ----------
    view
        The view.
    rows
        Its rows.
    keys
        Frame of the rows' keys, with the column ``window``.
    legs
        The legs that judged them.
    scores
        Score of each leg, by its name.
    each
        P-value by each leg, by its name.
    p_values
        Fused, shape ``(n,)``.
    normal
        Normal of the view.
    levels
        P-value at or below which each row alarms for itself, shape ``(n,)``.
    most
        P-value above which no row is even a hint.
    only_news
        True when a row without news is no hint either.
    """
    likely = np.flatnonzero(p_values <= np.minimum(HINT * levels, most))
    telling = np.zeros(len(rows), dtype=bool)
    telling[likely] = _tells(view, rows.take(likely), normal)
    likely = likely[telling[likely]] if only_news else likely
    chosen = _first_of_windows(likely, rows, p_values, telling)
    columns = {leg.spec.name: each[leg.spec.name][chosen] for leg in legs}
    named = keys[chosen].rows(named=True)
    alarms = []
    for place, row in enumerate(chosen):
        lead = _lead(legs, {name: float(p[place]) for name, p in columns.items()}, levels[row])
        addresses = tuple(str(named[place][key]) for key in view.keys)
        uid = ""
        if view.of_flows:
            uid = addresses[0]
            addresses = (str(named[place]["src_ip"]), str(named[place]["dst_ip"]))
        p = max(float(p_values[row]), SMALLEST_P)
        alarms.append(
            Alarm(
                view=view.name,
                window=named[place]["window"],
                window_us=view.window_us,
                addresses=addresses,
                uid=uid,
                p_value=p,
                sure=bool(telling[row] and p_values[row] <= levels[row]),
                scores={leg.spec.name: float(scores[leg.spec.name][row]) for leg in legs},
                explain=partial(_reasons, view, lead, rows.take(np.array([row])), normal),
            )
        )
    return alarms


def _lead(legs: list[Leg], p_values: dict[str, float], level: float) -> Leg:
    """Choose the leg whose reasons are told.

    A range that is broken says more than a sequence that surprises: a leg of sequences leads only where no
    leg of numbers would have alarmed by itself.
    """
    numbers = [
        leg for leg in legs if not is_sequence(leg.spec) and p_values[leg.spec.name] <= level
    ]
    return min(numbers or legs, key=lambda leg: p_values[leg.spec.name] / leg.spec.weight)


def error_rate_levels(p_values: Floats, windows: NDArray[np.int64], rate: float) -> Floats:
    """Give each row the level that keeps the share of false alarms of its window at most ``rate``.

    Parameters
    ----------
    p_values
        Fused, shape ``(n,)``; NaN where there is none.
    windows
        Number of each row's window: rows of one window are judged together, however they came in.
    rate
        False discovery rate in (0, 1).
    """
    levels = np.zeros(len(p_values))
    for window in np.unique(windows):
        inside = windows == window
        levels[inside] = error_rate_threshold(p_values[inside], rate).value
    return levels


def _first_of_windows(
    chosen: NDArray[np.int64], rows: LegRows, p_values: Floats, telling: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Keep ``MAX_ALARMS`` rows of each window, those with news first, then the least likely."""
    keys = (rows.entities[chosen], p_values[chosen], ~telling[chosen], rows.windows[chosen])
    order = chosen[np.lexsort(keys)]
    windows = rows.windows[order]
    place = np.arange(len(order)) - np.searchsorted(windows, windows, side="left")
    return order[place < MAX_ALARMS]


def _ranges(rows: LegRows, normal: ViewNormal) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Give the normal range of each row, its entity's own where it has one, and which have."""
    place = normal.profile.find(rows.entities)
    own = place >= 0
    low = np.broadcast_to(normal.low, rows.X.shape).copy()
    high = np.broadcast_to(normal.high, rows.X.shape).copy()
    low[own], high[own] = normal.profile.low[place[own]], normal.profile.high[place[own]]
    return low, high, own


def _news(view: View, X: Floats, high: Floats) -> NDArray[np.bool_]:
    """Tell which values lie far enough above their normal range to be told for themselves."""
    shares = np.array([feature.unit == "share" for feature in view.features])
    least = np.array([LEAST.get(feature.unit, LEAST[""]) for feature in view.features])
    rise = X - np.maximum(high, 0.0)
    amounts: NDArray[np.bool_] = (MATERIAL * high <= X) & (rise >= least)
    return np.where(shares, rise >= MATERIAL_SHARE, amounts)


def _tells(view: View, rows: LegRows, normal: ViewNormal) -> NDArray[np.bool_]:
    """Tell which rows have a value that is news."""
    if not len(rows):
        return np.zeros(0, dtype=bool)
    _, high, _ = _ranges(rows, normal)
    telling: NDArray[np.bool_] = np.any(_news(view, rows.X, high), axis=1)
    return telling


def _reasons(view: View, leg: Leg, row: LegRows, normal: ViewNormal) -> list[Contribution]:
    """Say what carries one row; nothing when no value that carries it is news."""
    if is_sequence(leg.spec):
        return [_surprise(leg, row)]
    low, high, own = _ranges(row, normal)
    parts = explain_rows(_score_of(leg, row), row.X, low[0], high[0], normal.centre, top=5)[0]
    news = _news(view, row.X, high)[0]
    outside = [p for p in parts if p.value > p.normal_high or p.value < p.normal_low]
    if not any(news[part.columns[0]] for part in outside):
        return []
    outside.sort(key=lambda part: (not news[part.columns[0]], -part.share))
    return [_contribution(view, part, normal, own=bool(own[0])) for part in outside]


def _score_of(leg: Leg, row: LegRows) -> Callable[[Floats], Floats]:
    """Give the leg's score as a function of the features, for the entity of the row."""

    def score(X: Floats) -> Floats:
        n = len(X)
        copies = LegRows(X, np.repeat(row.entities, n), np.repeat(row.windows, n))
        return leg.whole.score(copies)

    return score


def _contribution(view: View, part: Part, normal: ViewNormal, *, own: bool) -> Contribution:
    column = part.columns[0]
    feature = view.features[column]
    return Contribution(
        feature=feature.name,
        value=part.value,
        unit=feature.unit,
        normal_low=part.normal_low,
        normal_high=part.normal_high,
        share=part.share,
        words=compare(
            feature, part.value, part.normal_low, part.normal_high, view.span_words, own=own
        ),
        normal_quantiles=tuple(float(q) for q in normal.quantiles[:, column]),
    )


def _surprise(leg: Leg, row: LegRows) -> Contribution:
    """Say which flow of a sequence surprised, after what, and what was expected instead."""
    groups = token_groups(row.tokens)  # type: ignore[arg-type]
    detector = leg.whole.detector
    if isinstance(detector, LanguageModel):
        told = detector.surprises(groups)[0]
        expected = [(guess.token, guess.probability) for guess in told.expected]
        words = surprise_words(told.token, told.before, told.probability, expected)
        nats = -math.log(max(told.probability, 1e-300))
    else:  # a plug-in's, which owes token scores only
        each = detector.token_scores(groups)
        place = int(np.argmax(each))
        words, nats = (
            f"{token_words(str(groups.tokens[place]))} was not expected",
            float(each[place]),
        )
    return Contribution(
        feature="sequence",
        value=nats,
        unit="nats",
        normal_low=None,
        normal_high=None,
        share=1.0,
        words=words,
    )
