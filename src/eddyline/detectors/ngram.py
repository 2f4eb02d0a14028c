"""N-gram surprise: a token is strange when it rarely follows the tokens before it.

What belongs here: counting n-grams, their interpolated probabilities, and the score of a group. What does
not: how flows become tokens (``features``).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.detector import refuse_model
from eddyline.detectors.grams import (
    MAX_WORDS,
    count_grams,
    distinct_in_groups,
    histories,
    slots,
    surprise,
)
from eddyline.detectors.language import Guess, LanguageModel
from eddyline.detectors.vocabulary import UNKNOWN, Vocabulary
from eddyline.errors import DataError, UsageError
from eddyline.tables import Floats, Integers, TokenGroups

MOST_ORDER = 3
"""Longest history; longer ones were seen too seldom to tell anything."""


class NGram(LanguageModel):
    """Score tokens by how unlikely they are after the one to three tokens before them in their group.

    ``-ln p`` of each token, with probabilities of orders 0 to ``order`` interpolated after Witten and Bell,
    so that every token and every history has a finite surprise. A group's score is its largest surprise, as
    it is or set against how large the largest of as many training tokens would be, or another statistic.
    Counting is blind to floods by construction: the ten-thousandth equal token is expected.

    Parameters
    ----------
    order
        Tokens of history, 0 to 3; 0 is the frequency of the tokens alone.
    group
        ``"calibrated"``: ``-log10 p`` of the largest surprise among as many training tokens as the group has
        different surprises, so that long groups are not strange for their length; ``"max"``, ``"mean"``,
        ``"q90"``, ``"top3_mean"`` or ``"sum"`` of the surprises, in nats. Repeats do not count: on a labelled
        IoT capture of 246 pairs and hours, where the attacks are long and repeat themselves, the AUC is .976
        with different surprises, .304 with all tokens, .975 with the plain maximum, .914 with the length
        alone.
    unknown_share
        Share of training tokens, in [0, 0.1], replaced by the unknown token so that it has a probability.
    seed
        Start of the randomness that picks them.

    References
    ----------
    Witten, Bell, "The zero-frequency problem: estimating the probabilities of novel events in adaptive text
    compression", IEEE Trans. Inf. Theory 1991, doi:10.1109/18.87000 (method C, interpolated).

    Examples
    --------
    >>> import numpy as np
    >>> usual = TokenGroups(np.array([0, 300]), np.tile(["a", "b", "c"], 100))
    >>> model = NGram(order=1).fit(usual)
    >>> strange = TokenGroups(np.array([0, 3, 6]), np.array(["a", "b", "c", "a", "c", "b"]))
    >>> low, high = model.anomaly_score(strange)
    >>> bool(high > low)
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        "texts_",
        "base_",
        "keys_",
        "counts_",
        "contexts_",
        "totals_",
        "kinds_",
        "tail_",
        "pareto_",
    )
    _modelled_tail = False  # surprises of counts come in steps; no Pareto tail fits them

    texts_: NDArray[np.str_]
    base_: Floats
    keys_: Integers
    counts_: Floats
    contexts_: Integers
    totals_: Floats
    kinds_: Floats

    def __init__(
        self,
        *,
        order: int = 2,
        group: Literal["calibrated", "max", "mean", "q90", "top3_mean", "sum"] = "calibrated",
        unknown_share: float = 0.001,
        seed: int = 0,
    ) -> None:
        self.order = order
        self.group = group
        self.unknown_share = unknown_share
        self.seed = seed

    def _learn(self, tokens: NDArray[np.str_], groups: TokenGroups) -> None:
        vocabulary = Vocabulary.of(tokens)
        if len(vocabulary) > MAX_WORDS:
            message = (
                f"distinct tokens must be <= {MAX_WORDS}, got {len(vocabulary)}; use coarser "
                f"tokens"
            )
            raise DataError(message)
        self.texts_ = vocabulary.texts
        words = vocabulary.encode(tokens)
        draws = np.random.default_rng(self.seed).random(len(words))
        words[draws < self.unknown_share] = UNKNOWN
        singles = np.bincount(words, minlength=len(vocabulary) + 1).astype(np.float64)
        kinds = float(np.count_nonzero(singles))
        self.base_ = (singles + kinds / (len(vocabulary) + 1.0)) / (len(words) + kinds)
        counted = count_grams(words, histories(words, groups.offsets, self.order))
        self.contexts_, self.keys_, self.counts_, self.totals_, self.kinds_ = counted
        self._index()

    def _surprises(self, tokens: NDArray[np.str_], groups: TokenGroups) -> Floats:
        words = self._vocabulary.encode(tokens)
        return self._chance(words, histories(words, groups.offsets, self.order))

    def _likeliest(self, group: NDArray[np.str_], place: int, top: int) -> tuple[Guess, ...]:
        words = self._vocabulary.encode(group[: place + 1])
        offsets = np.array([0, place + 1], dtype=np.int64)
        before = histories(words, offsets, self.order)[:, place:]
        every = np.arange(1, len(self.texts_) + 1, dtype=np.int64)
        repeated = np.ascontiguousarray(np.repeat(before, len(every), axis=1))
        surprises = self._chance(every, repeated)
        best = np.argsort(surprises, kind="stable")[:top]
        return tuple(
            Guess(str(self.texts_[word]), float(np.exp(-surprises[word]))) for word in best
        )

    def _chances(self, groups: TokenGroups, surprises: Floats) -> Floats:
        """Count the group's different surprises: repeats are no further chances."""
        return distinct_in_groups(surprises, np.ascontiguousarray(groups.offsets, np.int64))

    def _chance(self, words: Integers, before: Integers) -> Floats:
        scores = np.empty(len(words))
        surprise(
            words,
            before,
            self.base_,
            self._key_slots,
            self.keys_,
            self.counts_,
            self._context_slots,
            self.contexts_,
            self.totals_,
            self.kinds_,
            scores,
        )
        return scores

    def _check_arguments(self) -> None:
        super()._check_arguments()
        if self.order not in range(MOST_ORDER + 1):
            message = f"order must be 0 to {MOST_ORDER}, got {self.order!r}; the default is 2"
            raise UsageError(message)
        if not 0 <= self.unknown_share <= 0.1:
            message = f"unknown_share must be in [0, 0.1], got {self.unknown_share}; pass a share"
            raise UsageError(message)

    def _index(self) -> None:
        self._vocabulary = Vocabulary(self.texts_)
        self._key_slots = slots(self.keys_)
        self._context_slots = slots(self.contexts_)

    def _restore(self) -> None:
        super()._restore()
        pairs = (
            (self.keys_, self.counts_),
            (self.contexts_, self.totals_),
            (self.contexts_, self.kinds_),
        )
        if any(a.ndim != 1 or a.shape != b.shape for a, b in pairs):
            raise refuse_model(self, "has a count for every key", [a.shape for a, _ in pairs])
        if self.texts_.dtype.kind != "U" or self.base_.shape != (len(self.texts_) + 1,):
            raise refuse_model(self, "has a probability for every token", self.base_.shape)
        if not ((self.base_ > 0).all() and (self.base_ <= 1).all()):
            raise refuse_model(self, "has probabilities in (0, 1]", self.base_.min())
        if any((part < 1).any() for part in (self.counts_, self.totals_, self.kinds_)):
            raise refuse_model(self, "has counts >= 1", "less")
        self.keys_, self.contexts_ = self.keys_.astype(np.int64), self.contexts_.astype(np.int64)
        self._index()
