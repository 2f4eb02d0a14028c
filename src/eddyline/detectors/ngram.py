"""N-gram surprise: a token is strange when it rarely follows the tokens before it.

What belongs here: counting n-grams, their interpolated probabilities, and the score of a group. What does
not: how flows become tokens (``features``).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from eddyline.detectors.detector import SequenceDetector, refuse_model
from eddyline.detectors.grams import context_of, distinct_in_groups, grams, slots, surprise
from eddyline.detectors.vocabulary import UNKNOWN, Vocabulary
from eddyline.errors import DataError, UsageError
from eddyline.tables import Floats, Integers, TokenGroups

MAX_WORDS = 2**20 - 2
"""Distinct tokens that fit beside two more in one 64-bit key."""

TAIL_POINTS = 4096
"""Ranks of the training surprises that are kept to calibrate a group for its length."""


class NGram(SequenceDetector):
    """Score tokens by how unlikely they are after the one or two tokens before them in their group.

    ``-ln p`` of each token, with probabilities of orders 0 to ``order`` interpolated after Witten and Bell,
    so that every token and every history has a finite surprise. A group's score is its largest surprise,
    either as it is or set against how large the largest of as many training tokens would be. Counting is
    blind to floods by construction: the ten-thousandth equal token is expected.

    Parameters
    ----------
    order
        Tokens of history, 0, 1 or 2.
    group
        ``"calibrated"``: ``-log10 p`` of the largest surprise among as many training tokens as the group has
        different surprises, so that long groups are not strange for their length; ``"max"``: the largest
        surprise itself, in nats. Repeats do not count: on a labelled IoT capture of 246 pairs and hours,
        where the attacks are long and repeat themselves, the AUC is .976 with different surprises, .304
        with all tokens, .975 with the plain maximum, .914 with the length alone.
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
    )

    texts_: NDArray[np.str_]
    base_: Floats
    keys_: Integers
    counts_: Floats
    contexts_: Integers
    totals_: Floats
    kinds_: Floats
    tail_: Floats

    def __init__(
        self,
        *,
        order: int = 2,
        group: Literal["calibrated", "max"] = "calibrated",
        unknown_share: float = 0.001,
        seed: int = 0,
    ) -> None:
        self.order = order
        self.group = group
        self.unknown_share = unknown_share
        self.seed = seed

    def fit(self, groups: TokenGroups) -> NGram:
        """Count the n-grams of training groups.

        Parameters
        ----------
        groups
            Groups, none empty, together at least one token.

        Raises
        ------
        UsageError
            When an argument has no meaning.
        DataError
            When groups are empty or hold too many distinct tokens.
        """
        self._check_arguments()
        tokens = _checked_tokens(groups)
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
        self._count(words, groups.offsets)
        self._index()
        surprises = np.sort(self.token_scores(groups))
        ranks = np.unique(np.linspace(0, len(surprises) - 1, TAIL_POINTS).astype(np.int64))
        outer = np.arange(max(0, len(surprises) - TAIL_POINTS // 4), len(surprises))
        ranks = np.union1d(ranks, outer)
        survival = (len(surprises) - np.searchsorted(surprises, surprises[ranks], side="left")) / (
            len(surprises) + 1.0
        )
        self.tail_ = np.stack([surprises[ranks], survival])
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
        check_is_fitted(self, "base_")
        words = self._vocabulary.encode(_checked_tokens(groups))
        scores = np.empty(len(words))
        surprise(
            words,
            np.ascontiguousarray(groups.offsets, np.int64),
            self.order,
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
        largest: Floats = np.maximum.reduceat(surprises, np.asarray(groups.offsets[:-1]))
        if self.group == "max":
            return largest
        kinds = distinct_in_groups(surprises, np.ascontiguousarray(groups.offsets, np.int64))
        return length_calibrated(self._log_survival(largest), kinds)

    def _log_survival(self, surprise: Floats) -> Floats:
        """Give the log share of training tokens at least as surprising; exponential beyond the largest."""
        values, survival = self.tail_
        place = np.minimum(np.searchsorted(values, surprise, side="left"), len(values) - 1)
        beyond = np.maximum(surprise - values[-1], 0.0)
        extra = np.where(
            surprise > values[-1], np.log(1.0 / survival[-1]) - np.log1p(1.0 / survival[-1]), 0.0
        )
        logs: Floats = np.log(survival[place]) + extra - beyond
        return logs

    def _check_arguments(self) -> None:
        if self.order not in (0, 1, 2) or self.group not in ("calibrated", "max"):
            message = (
                f"order must be 0, 1 or 2 and group 'calibrated' or 'max', got {self.order!r} and "
                f"{self.group!r}; the defaults are 2 and 'calibrated'"
            )
            raise UsageError(message)
        if not 0 <= self.unknown_share <= 0.1:
            message = f"unknown_share must be in [0, 0.1], got {self.unknown_share}; pass a share"
            raise UsageError(message)

    def _count(self, words: Integers, offsets: Integers) -> None:
        """Count words, histories and n-grams into sorted arrays."""
        n_words = len(self.texts_)
        singles = np.bincount(words, minlength=n_words + 1).astype(np.float64)
        kinds = float(np.count_nonzero(singles))
        self.base_ = (singles + kinds / (n_words + 1.0)) / (len(words) + kinds)
        keys, contexts = grams(words, np.ascontiguousarray(offsets, np.int64), self.order)
        self.keys_, counts = np.unique(keys, return_counts=True)
        self.counts_ = counts.astype(np.float64)
        self.contexts_, totals = np.unique(contexts, return_counts=True)
        self.totals_ = totals.astype(np.float64)
        owners = np.searchsorted(self.contexts_, context_of(self.keys_))
        self.kinds_ = np.bincount(owners, minlength=len(self.contexts_)).astype(np.float64)

    def _index(self) -> None:
        self._vocabulary = Vocabulary(self.texts_)
        self._key_slots = slots(self.keys_)
        self._context_slots = slots(self.contexts_)

    def _restore(self) -> None:
        self._check_arguments()
        pairs = (
            (self.keys_, self.counts_),
            (self.contexts_, self.totals_),
            (self.contexts_, self.kinds_),
        )
        if any(a.ndim != 1 or a.shape != b.shape for a, b in pairs):
            raise refuse_model(self, "has a count for every key", [a.shape for a, _ in pairs])
        if self.texts_.dtype.kind != "U" or self.base_.shape != (len(self.texts_) + 1,):
            raise refuse_model(self, "has a probability for every token", self.base_.shape)
        sound = (self.base_ > 0).all() and (self.base_ <= 1).all()
        if (
            not sound
            or self.tail_.ndim != 2
            or self.tail_.shape[0] != 2
            or not (self.tail_[1] > 0).all()
        ):
            raise refuse_model(
                self, "has probabilities in (0, 1] and a tail of two rows", self.tail_.shape
            )
        if any((part < 1).any() for part in (self.counts_, self.totals_, self.kinds_)):
            raise refuse_model(self, "has counts >= 1", "less")
        self.keys_, self.contexts_ = self.keys_.astype(np.int64), self.contexts_.astype(np.int64)
        self._index()


def length_calibrated(log_survival: Floats, lengths: Floats) -> Floats:
    """Turn the tail of a group's largest token into ``-log10 p`` for the group: ``p = 1 - (1 - S)^n``.

    Parameters
    ----------
    log_survival
        Natural logarithm of S, the probability that one token is at least as surprising; <= 0.
    lengths
        Independent tokens in each group, >= 1.
    """
    survival = np.minimum(np.exp(log_survival), 1.0 - 1e-12)
    direct = -np.log10(np.maximum(-np.expm1(lengths * np.log1p(-survival)), 1e-300))
    # For a tiny S the power is n S, which only logarithms can hold.
    remote: Floats = -(log_survival + np.log(lengths)) / np.log(10.0)
    return np.where(log_survival + np.log(lengths) < -30.0, remote, np.maximum(direct, 0.0))


def _checked_tokens(groups: TokenGroups) -> NDArray[np.str_]:
    """Give the tokens of groups that are sound, or raise by name."""
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
