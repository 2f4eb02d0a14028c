"""What all models of token sequences share: surprise of each token, score of each group, what was expected.

What belongs here: checks of token groups, the score of a group, and the words of a surprise. What does
not: any way to learn probabilities (``ngram.py``, ``online.py``, ``deep/``).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from eddyline.detectors.aggregate import (
    AGGREGATIONS,
    LengthCalibration,
    aggregate,
    distinct_windows,
    from_parts,
    most_surprising,
    parts,
)
from eddyline.detectors.detector import SequenceDetector, refuse_model
from eddyline.detectors.vocabulary import Vocabulary
from eddyline.errors import DataError, UsageError
from eddyline.tables import Floats, Integers, TokenGroups

WINDOW = 10
"""Tokens before a token that make its window with it, when repeats are counted."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A token that a model expected.

    Parameters
    ----------
    token
        Its text.
    probability
        In [0, 1].
    """

    token: str
    probability: float


@dataclass(frozen=True, slots=True)
class Surprise:
    """The most surprising token of a group.

    Parameters
    ----------
    group
        Number of the group.
    place
        Where the token stands in ``TokenGroups.tokens``; the flow is ``members[place]``.
    token
        Its text.
    before
        The tokens just before it in its group, oldest first; at most two.
    probability
        What the model gave it, in [0, 1].
    expected
        What it expected instead, likeliest first; empty for models that cannot say.
    """

    group: int
    place: int
    token: str
    before: tuple[str, ...]
    probability: float
    expected: tuple[Guess, ...]


class LanguageModel(SequenceDetector):
    """A model that gives every token a probability, from which groups are scored.

    A subclass writes ``_learn``, ``_surprises`` and ``_likeliest``, stores ``group`` and names its arrays.
    """

    group: str
    texts_: NDArray[np.str_]
    tail_: Floats
    pareto_: Floats

    _modelled_tail = True
    _aggregations: ClassVar[tuple[str, ...]] = AGGREGATIONS

    def fit(self, groups: TokenGroups) -> Self:
        """Learn from training groups, which may hold some attacks.

        Parameters
        ----------
        groups
            Groups, none empty, together at least one token.

        Raises
        ------
        UsageError
            When an argument has no meaning.
        DataError
            When groups are empty or their tokens cannot be learned.
        """
        self._check_arguments()
        tokens = checked_tokens(groups)
        self._learn(tokens, groups)
        return self.calibrate(groups)

    def calibrate(self, groups: TokenGroups) -> Self:
        """Learn how surprising ordinary tokens are, to set a group's largest surprise against its length.

        ``fit`` does it with the training groups; held-out groups of a later time are better.

        Parameters
        ----------
        groups
            Ordinary groups, none empty.
        """
        fitted = LengthCalibration.fit(self.token_scores(groups), tail=self._modelled_tail)
        self.tail_, self.pareto_ = parts(fitted)
        return self

    def token_scores(self, groups: TokenGroups) -> Floats:
        """Give ``-ln p`` of every token, finite.

        Parameters
        ----------
        groups
            Groups to score, none empty.

        Raises
        ------
        DataError
            When a group is empty or the tokens are not text.
        """
        check_is_fitted(self, "texts_")
        return self._surprises(checked_tokens(groups), groups)

    def anomaly_score(self, groups: TokenGroups) -> Floats:
        """Give each group's score, finite.

        Parameters
        ----------
        groups
            Groups to score, none empty.

        Raises
        ------
        DataError
            When a group is empty or the tokens are not text.
        """
        surprises = self.token_scores(groups)
        if self.group != "calibrated":
            return aggregate(surprises, groups.offsets, self.group)
        largest = aggregate(surprises, groups.offsets, "max")
        return self.calibration.score(largest, self._chances(groups, surprises))

    def surprises(self, groups: TokenGroups, *, top: int = 3) -> list[Surprise]:
        """Name each group's most surprising token and what was expected instead.

        Parameters
        ----------
        groups
            Groups that were scored, none empty.
        top
            Expected tokens to name at the most.
        """
        scores = self.token_scores(groups)
        places = most_surprising(scores, groups.offsets)
        expected = self.expected(groups, places, top=top)
        told = []
        for group, place in enumerate(places.tolist()):
            first = max(int(groups.offsets[group]), place - 2)
            before = tuple(groups.tokens[first:place].tolist())
            chance = float(np.exp(-scores[place]))
            told.append(
                Surprise(group, place, str(groups.tokens[place]), before, chance, expected[group])
            )
        return told

    def expected(
        self, groups: TokenGroups, places: Sequence[int] | Integers, *, top: int = 3
    ) -> list[tuple[Guess, ...]]:
        """Give the likeliest tokens at some places, likeliest first.

        Parameters
        ----------
        groups
            The groups, none empty.
        places
            Places in ``groups.tokens``.
        top
            Tokens to name at the most, ``>= 1``.
        """
        check_is_fitted(self, "texts_")
        tokens = checked_tokens(groups)
        owners = np.searchsorted(groups.offsets, np.asarray(places), side="right") - 1
        told = []
        for place, owner in zip(np.asarray(places).tolist(), owners.tolist(), strict=True):
            start, end = int(groups.offsets[owner]), int(groups.offsets[owner + 1])
            told.append(self._likeliest(tokens[start:end], place - start, top))
        return told

    @property
    def calibration(self) -> LengthCalibration:
        """How surprising ordinary tokens are."""
        check_is_fitted(self, "tail_")
        return from_parts(self.tail_, self.pareto_)

    @abstractmethod
    def _learn(self, tokens: NDArray[np.str_], groups: TokenGroups) -> None:
        """Learn probabilities from checked tokens; leave ``texts_``."""

    @abstractmethod
    def _surprises(self, tokens: NDArray[np.str_], groups: TokenGroups) -> Floats:
        """Give ``-ln p`` of checked tokens."""

    @abstractmethod
    def _likeliest(self, group: NDArray[np.str_], place: int, top: int) -> tuple[Guess, ...]:
        """Give the likeliest tokens at a place of one group, likeliest first."""

    def _chances(self, groups: TokenGroups, surprises: Floats) -> Floats:  # noqa: ARG002
        """Count the chances to surprise that each group had: its distinct windows."""
        return distinct_windows(
            Vocabulary(self.texts_).encode(groups.tokens), groups.offsets, WINDOW
        )

    def _check_arguments(self) -> None:
        """Check the arguments that all share."""
        if self.group not in self._aggregations:
            message = (
                f"group must be one of {', '.join(self._aggregations)}, got {self.group!r}; the default "
                f"is 'calibrated'"
            )
            raise UsageError(message)

    def _restore(self) -> None:
        self._check_arguments()
        if self.texts_.dtype.kind != "U" or self.texts_.ndim != 1:
            raise refuse_model(self, "has tokens of text", self.texts_.dtype)
        try:
            from_parts(self.tail_, self.pareto_)
        except UsageError as error:
            raise refuse_model(self, "has a length calibration", str(error)) from error


def checked_tokens(groups: TokenGroups) -> NDArray[np.str_]:
    """Give the tokens of groups that are sound, or raise by name.

    Parameters
    ----------
    groups
        Groups as a caller gave them.

    Raises
    ------
    DataError
        When a group is empty, the tokens are not text, or the offsets do not fit them.
    """
    offsets, tokens = np.asarray(groups.offsets), np.asarray(groups.tokens)
    if tokens.dtype.kind != "U" or tokens.ndim != 1:
        message = (
            f"tokens must be one array of text, got {tokens.dtype} of shape {tokens.shape}; use "
            f"numpy str"
        )
        raise DataError(message)
    if len(offsets) < 2 or offsets[0] != 0 or offsets[-1] != len(tokens):
        message = (
            f"offsets must run from 0 to {len(tokens)} over at least one group, got "
            f"{offsets[:1]} to "
            f"{offsets[-1:]}; build both together"
        )
        raise DataError(message)
    lengths = np.diff(offsets)
    if (lengths < 1).any():
        empty = int(np.argmin(lengths))
        message = (
            f"every group must hold a token, group {empty} holds {lengths[empty]}; leave it out"
        )
        raise DataError(message)
    return tokens
