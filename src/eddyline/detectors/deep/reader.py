"""What the nets that read tokens share: their vocabulary, what is held out, and what training left behind.

What belongs here: everything between token texts and the numbers a net takes. What does not: any one net
(``causal.py``, ``radford.py``, ``session.py``) and its layers (``nets``). Scoring needs no torch.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.detector import refuse_model
from eddyline.detectors.language import Guess, LanguageModel
from eddyline.detectors.vocabulary import UNKNOWN as UNKNOWN_WORD, Vocabulary
from eddyline.errors import TooFewRowsError, UsageError
from eddyline.tables import Floats, Integers, TokenGroups

UNKNOWN, BEGIN, SPECIAL = 1, 2, 3
"""Numbers of a net's tokens: 0 pads, 1 is unknown, 2 begins a group, words follow."""

MIN_HELD_OUT = 50
"""Groups below which none are held out: their loss would be chance."""

MIN_TOKENS = 20
"""Tokens below which no net is trained."""

LEAST_UNKNOWN = 3
"""Training tokens that are made unknown at the least, so that the unknown token is learned."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A corpus as numbers.

    Parameters
    ----------
    words
        Token numbers, groups end to end.
    offsets
        Where each group starts, and the end.
    classes
        Size class of each token; zeros where the net knows none.
    kinds
        Kind of each group's host; zeros where the net knows none.
    """

    words: Integers
    offsets: Integers
    classes: Integers
    kinds: Integers

    def take(self, mask: NDArray[np.bool_]) -> Reading:
        """Keep some groups.

        Parameters
        ----------
        mask
            True for the groups to keep.
        """
        lengths = np.diff(self.offsets)
        kept = np.repeat(mask, lengths)
        offsets = np.concatenate([[0], np.cumsum(lengths[mask])]).astype(np.int64)
        return Reading(self.words[kept], offsets, self.classes[kept], self.kinds[mask])


class ReaderModel(LanguageModel):
    """A language model on a net: learns words with torch, scores by compiled loops without it.

    A subclass writes ``_train`` and the scoring. It stores ``most_words``, ``unknown_share``, ``held_out``
    and ``seed``.
    """

    most_words: int
    unknown_share: float
    held_out: float
    seed: int
    losses_: Floats
    moved_: Floats

    _first_word = SPECIAL

    @property
    def n_words(self) -> int:
        """Words the net knows, the one that stands for all rarer ones included."""
        return min(len(self.texts_), self.most_words) + int(len(self.texts_) > self.most_words)

    def _learn(self, tokens: NDArray[np.str_], groups: TokenGroups) -> None:
        if len(tokens) < MIN_TOKENS:
            message = (
                f"{type(self).__name__} needs at least {MIN_TOKENS} tokens to learn from, got "
                f"{len(tokens)}; give it more traffic"
            )
            raise TooFewRowsError(message)
        self._prepare(tokens, groups)
        whole = self._read_in(tokens, groups)
        rng = np.random.default_rng(self.seed)
        n = len(whole.words)
        n_unknown = min(max(LEAST_UNKNOWN, round(self.unknown_share * n)), n // 10)
        whole.words[rng.choice(n, n_unknown, replace=False)] = UNKNOWN
        n_held = int(self.held_out * len(groups))
        if n_held < MIN_HELD_OUT:
            self._train(whole, None)
            return
        start = groups.rows.get("start", np.arange(len(groups)))
        late = np.zeros(len(groups), dtype=bool)
        late[np.argsort(start, kind="stable")[-n_held:]] = True
        self._train(whole.take(~late), whole.take(late))

    def _prepare(self, tokens: NDArray[np.str_], groups: TokenGroups) -> None:  # noqa: ARG002
        """Learn the vocabulary, and whatever else turns tokens into numbers."""
        self._set_texts(Vocabulary.of(tokens).texts)

    def _read_in(self, tokens: NDArray[np.str_], groups: TokenGroups) -> Reading:
        """Turn tokens into numbers."""
        offsets = np.ascontiguousarray(groups.offsets, np.int64)
        nothing = np.zeros(len(tokens), np.int64)
        return Reading(self._encode(tokens), offsets, nothing, np.zeros(len(groups), np.int64))

    def _encode(self, tokens: NDArray[np.str_]) -> Integers:
        """Give the net's number of each token."""
        words = self._vocabulary.encode(tokens)
        kept = np.minimum(words, self.most_words + 1) + self._first_word - 1
        return np.where(words == UNKNOWN_WORD, UNKNOWN, kept).astype(np.int64)

    def _named(self, chances: Floats, top: int) -> tuple[Guess, ...]:
        """Name the likeliest words of a distribution over the net's numbers."""
        order = np.argsort(-chances[self._first_word :], kind="stable")[:top]
        return tuple(
            Guess(
                str(self.texts_[word]) if word < self.most_words else "another",
                float(chances[self._first_word + word]),
            )
            for word in order
        )

    def _set_texts(self, texts: NDArray[np.str_]) -> None:
        self.texts_ = texts
        self._vocabulary = Vocabulary(texts)

    @abstractmethod
    def _train(self, seen: Reading, watched: Reading | None) -> None:
        """Train the net and leave its arrays, ``losses_`` and ``moved_``."""

    def _check_arguments(self) -> None:
        super()._check_arguments()
        if not 0 <= self.unknown_share <= 0.1 or not 0 <= self.held_out <= 0.5:
            message = (
                f"unknown_share must be in [0, 0.1] and held_out in [0, 0.5], got "
                f"{self.unknown_share} and {self.held_out}; pass shares"
            )
            raise UsageError(message)
        if self.most_words < 1:
            message = f"most_words must be >= 1, got {self.most_words}; the default is 512"
            raise UsageError(message)

    def _restore(self) -> None:
        super()._restore()
        self._vocabulary = Vocabulary(self.texts_)

    def _check_shapes(self, expected: dict[str, tuple[int, ...]]) -> None:
        """Refuse loaded arrays whose shapes no training could have left; make them float32."""
        for name, shape in expected.items():
            array = np.asarray(getattr(self, name))
            if array.shape != shape or array.dtype.kind != "f" or not np.isfinite(array).all():
                raise refuse_model(self, f"has finite {name} of shape {shape}", array.shape)
            setattr(self, name, np.ascontiguousarray(array, np.float32))


def needed_epochs(epochs: int, steps: int, least_steps: int) -> int:
    """Give the passes that make at least so many steps of the optimiser.

    Parameters
    ----------
    epochs
        Passes that are wanted.
    steps
        Steps of a pass.
    least_steps
        Steps below which a net is not trained.
    """
    return max(epochs, -(-least_steps // steps))
