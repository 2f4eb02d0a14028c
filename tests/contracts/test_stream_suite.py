"""The suite of stream detectors sees what it says it sees: one broken promise fails one check."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eddyline.detectors.half_space_trees import HalfSpaceTrees
from eddyline.detectors.midas import MidasR
from eddyline.detectors.stream import StreamDetector
from eddyline.detectors.tails import Tails
from eddyline.tables import Floats
from eddyline.testing import check_stream_detector as suite
from eddyline.testing.check_detector import ConformanceError


class Batchwise(HalfSpaceTrees):
    """Learns only the first row of a batch."""

    def _learn(self, rows: Floats) -> None:
        super()._learn(np.repeat(rows[:1], len(rows), axis=0))


class LearnsFirst(MidasR):
    """Counts a batch before it scores its rows."""

    def _score_and_learn(self, rows: Any) -> Floats:
        self._learn(rows)
        return self._score(rows)


class Crowded(HalfSpaceTrees):
    """Ranks rows among the rows beside them."""

    def _score(self, rows: Floats) -> Floats:
        scores = super()._score(rows)
        ranked: Floats = scores - scores.mean()
        return ranked


class LearnsWhileScoring(MidasR):
    """Counts what it only should score."""

    def _score(self, rows: Any) -> Floats:
        return super()._score_and_learn(rows)


class Hoarder(HalfSpaceTrees):
    """Keeps every row."""

    def _learn(self, rows: Floats) -> None:
        self.rows_ = np.concatenate([getattr(self, "rows_", rows[:0]), rows])
        super()._learn(rows)


class Forgetful(HalfSpaceTrees):
    """Saves its state without the latest window."""

    def to_arrays(self) -> dict[str, Any]:
        arrays = super().to_arrays()
        arrays["words_"][1] = 0
        return arrays


class Restless(HalfSpaceTrees):
    """Draws from a clock of its own."""

    def _begin(self, width: int) -> None:
        super()._begin(width)
        self._work += np.random.default_rng().random(self._work.shape)


class Upside(HalfSpaceTrees):
    """Points the wrong way."""

    def _score(self, rows: Floats) -> Floats:
        return -super()._score(rows)

    def _score_and_learn(self, rows: Floats) -> Floats:
        return -super()._score_and_learn(rows)


class Constant(HalfSpaceTrees):
    """Gives every row the same score."""

    def _score_and_learn(self, rows: Floats) -> Floats:
        super()._score_and_learn(rows)
        return np.ones(len(rows))


class Eager(HalfSpaceTrees):
    """Scores before it knows anything."""

    def score_and_learn(self, X: Any) -> Floats:
        return super().score_and_learn(X) + 1.0


class Unforgetting(MidasR):
    """Keeps its counts when it is fitted anew."""

    def fit(self, X: Any, y: object = None) -> Unforgetting:
        self.partial_fit(X)
        return self


@pytest.mark.parametrize(
    ("broken", "check"),
    [
        (Batchwise, suite.check_learning_a_batch_is_learning_row_by_row),
        (LearnsFirst, suite.check_scoring_and_learning_is_row_by_row),
        (Crowded, suite.check_scoring_changes_nothing),
        (LearnsWhileScoring, suite.check_scoring_changes_nothing),
        (Hoarder, suite.check_memory_is_bounded),
        (Forgetful, suite.check_a_restart_goes_on),
        (Restless, suite.check_same_seed_same_scores),
        (Upside, suite.check_strange_rows_rank_above_usual_ones),
        (Constant, suite.check_scores_take_many_values),
        (Eager, suite.check_scores_are_finite_float64),
        (Unforgetting, suite.check_fit_forgets),
    ],
)
def test_a_broken_promise_is_seen(broken: type[StreamDetector], check: suite.StreamCheck) -> None:
    with pytest.raises(ConformanceError):
        check(broken)


def test_a_class_of_another_kind_is_refused() -> None:
    with pytest.raises(ConformanceError, match="StreamDetector"):
        suite.check_stream_detector(Tails)


def test_a_skip_needs_a_check_and_a_reason() -> None:
    reason = {"check_memory_is_bounded": "it keeps what it must keep"}

    left = list(suite.yield_stream_checks(MidasR, skip=reason))

    assert len(left) == len(suite.CHECKS) - 1
    with pytest.raises(ConformanceError, match="reason"):
        list(suite.yield_stream_checks(MidasR, skip={"check_memory_is_bounded": "no"}))
    with pytest.raises(ConformanceError, match="exist"):
        list(suite.yield_stream_checks(MidasR, skip={"check_nothing": "a reason in four words"}))
