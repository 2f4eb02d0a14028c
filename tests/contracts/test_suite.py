"""The conformance suite sees what it says it sees: a detector that breaks one promise fails that check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from eddyline.detectors.detector import Arrays
from eddyline.detectors.ngram import NGram
from eddyline.detectors.tails import Tails
from eddyline.tables import Floats, TokenGroups
from eddyline.testing import check_detector as suite
from eddyline.testing.check_sequence_detector import (
    check_groups_are_judged_alone,
    check_later_tokens_change_nothing,
    check_sequence_detector,
    yield_sequence_checks,
)


class Upside(Tails):
    """Points the wrong way."""

    def _score(self, X: Floats) -> Floats:
        return -super()._score(X)


class Single(Tails):
    """Computes in single precision."""

    def _score(self, X: Floats) -> Floats:
        return super()._score(X).astype(np.float32)


class Crowded(Tails):
    """Ranks rows among the rows beside them."""

    def _score(self, X: Floats) -> Floats:
        scores = super()._score(X)
        ranked: Floats = scores - scores.mean()
        return ranked


class Products(Tails):
    """Sums by a matrix product, whose last bits change with the batch."""

    def _score(self, X: Floats) -> Floats:
        return np.log1p(np.abs(X)) @ np.linspace(0.1, 0.7, X.shape[1])


class Learner(Tails):
    """Learns while scoring."""

    def _score(self, X: Floats) -> Floats:
        scores = super()._score(X)
        self.scale_ = self.scale_ * 0.99
        return scores


class Marker(Tails):
    """Leaves a note of its own behind while scoring."""

    def anomaly_score(self, X: ArrayLike) -> Floats:
        self.last_ = X
        return super().anomaly_score(X)


class Flat(Tails):
    """Gives one of two scores."""

    def _score(self, X: Floats) -> Floats:
        return (super()._score(X) > 5).astype(np.float64)


class Dice(Tails):
    """Throws dice of its own."""

    def _fit(self, X: Floats) -> None:
        super()._fit(X)
        self.scale_ = self.scale_ * np.random.default_rng().uniform(0.5, 2, X.shape[1])


class Hoarder(Tails):
    """Remembers its first fit."""

    def _fit(self, X: Floats) -> None:
        seen = getattr(self, "seen_", X[:0])
        self.seen_ = np.concatenate([seen, X])
        super()._fit(self.seen_)


class Forgetful(Tails):
    """Saves less than it knows."""

    def to_arrays(self) -> Arrays:
        arrays = super().to_arrays()
        arrays["scale_"] = np.ones_like(arrays["scale_"])
        return arrays


class Objects(Tails):
    """Saves Python objects."""

    def to_arrays(self) -> Arrays:
        return {**super().to_arrays(), "extra": np.array([{}], dtype=object)}


class Trusting(Tails):
    """Believes any file."""

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> Self:
        model = cls(**params)
        for name, array in arrays.items():
            setattr(model, name, array)
        return model


class Eager(Tails):
    """Scores before it was fitted, and takes anything."""

    def anomaly_score(self, X: ArrayLike) -> Floats:
        rows = np.atleast_2d(np.asarray(X, dtype=np.float64))
        return self._score(rows) if hasattr(self, "knots_") else np.zeros(len(rows))


class Peeking(Tails):
    """Looks at the labels."""

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        rows = np.asarray(X, dtype=np.float64)
        return super().fit(X if y is None else rows[np.asarray(y) == 0])


class Meddling(Tails):
    """Changes its arguments.

    Parameters
    ----------
    seed
        Doubled.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = [seed, seed]  # type: ignore[assignment]


class Lenient(Tails):
    """Fills holes in silence."""

    def _checked(self, X: ArrayLike, *, reset: bool) -> Floats:
        return super()._checked(np.nan_to_num(np.asarray(X, dtype=np.float64)), reset=reset)


class Wordless(Tails):
    """Explains nothing."""


BROKEN = {
    Upside: "check_planted_rows_rank_above_the_crowd",
    Single: "check_scores_are_finite_float64",
    Crowded: "check_a_cut_batch_scores_the_same",
    Products: "check_a_cut_batch_scores_the_same",
    Learner: "check_scoring_changes_nothing",
    Marker: "check_scoring_changes_nothing",
    Flat: "check_scores_take_many_values",
    Dice: "check_same_seed_same_scores",
    Hoarder: "check_fit_twice_equals_once",
    Forgetful: "check_arrays_round_trip",
    Objects: "check_arrays_round_trip",
    Trusting: "check_missing_arrays_are_refused",
    Eager: "check_not_fitted_is_named",
    Lenient: "check_bad_rows_are_named",
    Peeking: "check_labels_change_nothing",
    Meddling: "check_arguments_are_stored_untouched",
    Wordless: "check_docstring_helps",
}


@pytest.mark.parametrize("cls", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_promise_is_seen(cls: type[Tails]) -> None:
    check = next(check for check in suite.CHECKS if check.__name__ == BROKEN[cls])

    with pytest.raises(suite.ConformanceError, match=f"{cls.__name__} must pass"):
        check(cls)


def test_the_whole_suite_runs_as_one() -> None:
    suite.check_detector(Tails)
    check_sequence_detector(NGram)


@pytest.mark.parametrize(
    "skip", [{"check_nothing": "it does not exist anyway"}, {"check_docstring_helps": "no"}]
)
def test_a_skip_needs_a_check_and_a_reason(skip: dict[str, str]) -> None:
    with pytest.raises(suite.ConformanceError, match="skip"):
        list(suite.yield_checks(Tails, skip=skip))


def test_a_class_of_another_kind_is_refused() -> None:
    with pytest.raises(suite.ConformanceError, match="subclass of MatrixDetector"):
        list(suite.yield_checks(NGram))
    with pytest.raises(suite.ConformanceError, match="subclass of SequenceDetector"):
        list(yield_sequence_checks(Tails))


class Ranked(NGram):
    """Ranks groups among the groups beside them."""

    def anomaly_score(self, groups: TokenGroups) -> Floats:
        scores = super().anomaly_score(groups)
        ranked: Floats = scores - scores.mean()
        return ranked


class Foreseeing(NGram):
    """Lets a token's score look ahead."""

    def token_scores(self, groups: TokenGroups) -> Floats:
        return np.ascontiguousarray(super().token_scores(groups)[::-1])


def test_a_broken_sequence_detector_is_seen() -> None:
    with pytest.raises(suite.ConformanceError, match="alone scores the same"):
        check_groups_are_judged_alone(Ranked)
    with pytest.raises(suite.ConformanceError, match="prefix"):
        check_later_tokens_change_nothing(Foreseeing)
