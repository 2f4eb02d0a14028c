"""Why a row is strange: which of its values, set back to normal, make it usual again.

What belongs here: counterfactual contributions for any score of rows, and the normal range they are told
against. What does not: words for people (the pipeline has the feature dictionary) or a detector's inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from eddyline.errors import DataError
from eddyline.tables import Floats

ScoreFunction = Callable[[Floats], Floats]

QUANTILE_LEVELS = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
"""Levels at which the distribution of normal is told beside a value."""

RANGE_LEVELS = (0.005, 0.995)
"""Levels between which a value counts as normal."""

BLOCK_ROWS = 50_000
"""Candidate rows scored at once; bounds the memory."""


@dataclass(frozen=True, slots=True)
class Part:
    """One step of an explanation: the columns set back, and what that did to the score.

    Parameters
    ----------
    columns
        Columns that were set back together, the furthest outside its normal range first.
    value
        Value now of the first of them.
    normal_low, normal_high
        Its normal range, both ends included.
    share
        Part of the removable score that this step removed, in [0, 1]; the shares of a row sum to at most 1.
    score_after
        Score of the row after this step and those before it.
    """

    columns: tuple[int, ...]
    value: float
    normal_low: float
    normal_high: float
    share: float
    score_after: float


def normal_range(
    X_ref: Floats, levels: tuple[float, float] = RANGE_LEVELS
) -> tuple[Floats, Floats]:
    """Give the lower and upper end of normal for each column.

    Parameters
    ----------
    X_ref
        Rows of normal, shape ``(n, d)``, n >= 1.
    levels
        Quantiles that bound normal; real values of rows are given, not means of two.
    """
    low, high = np.quantile(_reference(X_ref), levels, axis=0, method="inverted_cdf")
    return low, high


def normal_quantiles(X_ref: Floats, levels: Sequence[float] = QUANTILE_LEVELS) -> Floats:
    """Give the distribution of normal, shape ``(len(levels), d)``; real values of rows.

    Parameters
    ----------
    X_ref
        Rows of normal, shape ``(n, d)``, n >= 1.
    levels
        Quantile levels in [0, 1].
    """
    table: Floats = np.quantile(_reference(X_ref), levels, axis=0, method="inverted_cdf")
    return table


def explain(
    score_fn: ScoreFunction,
    x: Floats,
    normal_low: Floats,
    normal_high: Floats,
    centre: Floats,
    feature_groups: Sequence[Sequence[int]] | None = None,
    *,
    top: int = 5,
) -> list[Part]:
    """Name the columns of one row that lower its score most when they are set back to normal.

    See ``explain_rows``, which does the same for many rows at once.

    Parameters
    ----------
    score_fn
        Gives a score for each of many rows; higher is stranger.
    x
        The row, shape ``(d,)``.
    normal_low, normal_high
        Normal range of each column, shape ``(d,)``.
    centre
        Usual value of each column, shape ``(d,)``.
    feature_groups
        Columns that are set back together, each column in one group; every column alone when None.
    top
        Most parts to name, >= 1.
    """
    row = np.asarray(x, dtype=np.float64).reshape(1, -1)
    return explain_rows(score_fn, row, normal_low, normal_high, centre, feature_groups, top=top)[0]


def explain_rows(
    score_fn: ScoreFunction,
    X: Floats,
    normal_low: Floats,
    normal_high: Floats,
    centre: Floats,
    feature_groups: Sequence[Sequence[int]] | None = None,
    *,
    top: int = 5,
) -> list[list[Part]]:
    """Name, for each row, the columns that lower its score most when they are set back to normal.

    Greedy: every remaining group of columns is set back, once to the nearest end of its normal range and
    once to its usual value; the change that lowers the score most is kept, and the next step starts from
    there. All rows and candidates of a step are scored in one call. A step that lowers nothing is kept only
    when its columns lie outside their normal range. The share of a step is its fall of the score, of the
    fall from the row to the all-usual row.

    Parameters
    ----------
    score_fn
        Gives a score for each of many rows; higher is stranger.
    X
        The rows, shape ``(n, d)``.
    normal_low, normal_high
        Normal range of each column, shape ``(d,)``.
    centre
        Usual value of each column, shape ``(d,)``.
    feature_groups
        Columns that are set back together, each column in one group; every column alone when None.
    top
        Most parts to name, >= 1.

    Returns
    -------
    list
        For each row its parts, in the order of the steps: the largest falls come first as a rule.

    Raises
    ------
    DataError
        When shapes disagree or the groups do not cover every column once.
    """
    return _Search(score_fn, X, normal_low, normal_high, centre, feature_groups).run(top)[0]


def counterfactual(
    score_fn: ScoreFunction,
    X: Floats,
    normal_low: Floats,
    normal_high: Floats,
    centre: Floats,
    feature_groups: Sequence[Sequence[int]] | None = None,
    *,
    steps: int = 3,
) -> tuple[Floats, Floats]:
    """Give each row with its first ``steps`` named groups set back to normal, and its score then.

    Parameters
    ----------
    score_fn
        Gives a score for each of many rows; higher is stranger.
    X
        The rows, shape ``(n, d)``.
    normal_low, normal_high
        Normal range of each column, shape ``(d,)``.
    centre
        Usual value of each column, shape ``(d,)``.
    feature_groups
        Columns that are set back together; every column alone when None.
    steps
        Groups to set back, >= 1.
    """
    _, rows, scores = _Search(score_fn, X, normal_low, normal_high, centre, feature_groups).run(
        steps
    )
    return rows, scores


class _Search:
    """The greedy search over all rows at once."""

    def __init__(
        self,
        score_fn: ScoreFunction,
        X: Floats,
        normal_low: Floats,
        normal_high: Floats,
        centre: Floats,
        feature_groups: Sequence[Sequence[int]] | None,
    ) -> None:
        self.X = np.ascontiguousarray(X, dtype=np.float64)
        if self.X.ndim != 2:
            message = f"rows must have shape (n, d), got {self.X.shape}; reshape one row to (1, d)"
            raise DataError(message)
        width = self.X.shape[1]
        self.low, self.high, self.centre = (
            np.asarray(bound, dtype=np.float64) for bound in (normal_low, normal_high, centre)
        )
        shapes = {bound.shape for bound in (self.low, self.high, self.centre)}
        if shapes != {(width,)}:
            message = f"normal ranges must have a value for each of {width} columns, got {shapes}"
            raise DataError(message + "; build them from rows of the same features")
        self.groups = _checked_groups(feature_groups, width)
        self.score_fn = score_fn
        spread = np.maximum(self.high - self.low, 1e-9 * np.maximum(1.0, np.abs(self.high)))
        outside = np.maximum(self.X - self.high, self.low - self.X) / spread
        self.outside = np.maximum(outside, 0.0)  # (n, d), in widths of the normal range

    def run(self, top: int) -> tuple[list[list[Part]], Floats, Floats]:
        """Take up to ``top`` steps; give the parts, the changed rows and their scores."""
        if top < 1:
            message = f"the parts to name must be >= 1, got {top}; 3 to 5 are what a person reads"
            raise DataError(message)
        n = len(self.X)
        rows = self.X.copy()
        scores = self._score(rows)
        first = scores.copy()
        removable = first - self._score(np.broadcast_to(self.centre, (1, len(self.centre))))[0]
        steps: list[list[tuple[int, float]]] = [[] for _ in range(n)]
        open_groups = np.ones((n, len(self.groups)), dtype=bool)
        active = np.arange(n)
        for _ in range(min(top, len(self.groups))):
            if len(active) == 0:
                break
            active = self._step(rows, scores, active, open_groups, steps)
        parts = [self._parts(i, first[i], removable[i], steps[i]) for i in range(n)]
        return parts, rows, scores

    def _step(
        self,
        rows: Floats,
        scores: Floats,
        active: np.ndarray,
        open_groups: np.ndarray,
        steps: list[list[tuple[int, float]]],
    ) -> np.ndarray:
        """Make each active row's best change in place; give the rows that may change further."""
        changes = 2 * len(self.groups)
        per_block = max(1, BLOCK_ROWS // changes)
        going: list[int] = []
        for start in range(0, len(active), per_block):
            block = active[start : start + per_block]
            candidates = self._candidates(rows[block])  # (b, changes, d)
            found = self._score(candidates.reshape(-1, rows.shape[1])).reshape(len(block), changes)
            found[~np.repeat(open_groups[block], 2, axis=1)] = np.inf
            for place, i in enumerate(block):
                change = self._best(found[place], i)
                group = change // 2
                fall = scores[i] - found[place, change]
                if fall <= 0 and self.outside[i, self.groups[group]].max() <= 0:
                    continue
                if fall < 0:
                    continue
                rows[i], scores[i] = candidates[place, change], found[place, change]
                open_groups[i, group] = False
                steps[i].append((group, float(scores[i])))
                going.append(int(i))
        return np.array(going, dtype=np.int64)

    def _best(self, found: Floats, row: int) -> int:
        """Give the change of least score; among equals, the one furthest outside its range."""
        equal = np.nonzero(found <= found.min())[0]
        if len(equal) == 1:
            return int(equal[0])
        reach = [self.outside[row, self.groups[change // 2]].max() for change in equal]
        return int(equal[int(np.argmax(reach))])

    def _candidates(self, rows: Floats) -> Floats:
        """Give each row with each group set to its nearest normal value and to its usual one."""
        out = np.repeat(rows[:, None, :], 2 * len(self.groups), axis=1)
        nearest = np.clip(rows, self.low, self.high)
        for number, columns in enumerate(self.groups):
            out[:, 2 * number, columns] = nearest[:, columns]
            out[:, 2 * number + 1, columns] = self.centre[columns]
        return out

    def _score(self, rows: Floats) -> Floats:
        scores: Floats = np.array(self.score_fn(np.ascontiguousarray(rows)), dtype=np.float64)
        return scores

    def _parts(
        self, row: int, first: float, removable: float, steps: list[tuple[int, float]]
    ) -> list[Part]:
        """Turn one row's steps into parts with shares."""
        before = first
        falls = []
        for _, after in steps:
            falls.append(before - after)
            before = after
        whole = max(float(removable), sum(falls))
        parts = []
        for (group, after), fall in zip(steps, falls, strict=True):
            columns = self.groups[group]
            order = columns[np.argsort(-self.outside[row, columns], kind="stable")]
            lead = int(order[0])
            parts.append(
                Part(
                    columns=tuple(int(column) for column in order),
                    value=float(self.X[row, lead]),
                    normal_low=float(self.low[lead]),
                    normal_high=float(self.high[lead]),
                    share=float(min(1.0, fall / whole)) if whole > 0 else 0.0,
                    score_after=after,
                )
            )
        return parts


def _checked_groups(groups: Sequence[Sequence[int]] | None, width: int) -> list[np.ndarray]:
    """Give the groups as arrays of columns; every column must be in one of them."""
    if groups is None:
        return [np.array([column]) for column in range(width)]
    arrays = [np.asarray(group, dtype=np.int64) for group in groups]
    named = sorted(int(column) for group in arrays for column in group)
    if named != list(range(width)):
        message = f"groups must name each of {width} columns once, got {named}; give a lone column its own"
        raise DataError(message)
    return arrays


def _reference(X_ref: Floats) -> Floats:
    """Give reference rows as a matrix, or raise when there are none."""
    rows = np.asarray(X_ref, dtype=np.float64)
    if rows.ndim != 2 or len(rows) == 0:
        message = (
            f"normal needs at least one row of shape (n, d), got {rows.shape}; leave the range out"
        )
        raise DataError(message)
    return rows
