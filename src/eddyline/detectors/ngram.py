"""N-gram surprise: a token is strange when it rarely follows the tokens before it.

What belongs here: counting n-grams, their interpolated probabilities, and the score of a group. What does
not: how flows become tokens (``features``).
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from eddyline.detectors.detector import SequenceDetector, refuse_model
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
        ``"calibrated"``: ``-log10 p`` of the largest surprise among as many training tokens, so that long
        groups are not strange for their length; ``"max"``: the largest surprise itself, in nats.
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
        _surprise(
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
        lengths = np.diff(groups.offsets).astype(np.float64)
        return length_calibrated(self._log_survival(largest), lengths)

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
        keys, contexts = _grams(words, np.ascontiguousarray(offsets, np.int64), self.order)
        self.keys_, counts = np.unique(keys, return_counts=True)
        self.counts_ = counts.astype(np.float64)
        self.contexts_, totals = np.unique(contexts, return_counts=True)
        self.totals_ = totals.astype(np.float64)
        owners = np.searchsorted(self.contexts_, _context_of(self.keys_))
        self.kinds_ = np.bincount(owners, minlength=len(self.contexts_)).astype(np.float64)

    def _index(self) -> None:
        self._vocabulary = Vocabulary(self.texts_)
        self._key_slots = _slots(self.keys_)
        self._context_slots = _slots(self.contexts_)

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
        Tokens in each group, >= 1.
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


# A key holds three 21-bit fields: order and oldest word, middle word, newest word. Words are numbered from
# 0 (unknown); the start of a group is the highest number, so it never meets a word. Order 1 leaves the oldest
# field at its own mark.
_BITS = 21
_START = (1 << 20) - 1
_NO_WORD = (1 << 21) - 1
_MASK = (1 << 21) - 1


def _context_of(keys: Integers) -> Integers:
    """Give the key of the history that each n-gram key continues."""
    return keys >> _BITS


@njit(cache=True, nogil=True)
def _grams(
    words: Integers, offsets: Integers, order: int
) -> tuple[Integers, Integers]:  # pragma: no cover
    """Give the n-gram and the history keys of every token, orders 1 to ``order``."""
    keys = np.empty(len(words) * order, np.int64)
    used = 0
    for group in range(len(offsets) - 1):
        start = offsets[group]
        for i in range(start, offsets[group + 1]):
            previous = words[i - 1] if i > start else _START
            if order >= 1:
                keys[used] = (((_NO_WORD << _BITS) | previous) << _BITS) | words[i]
                used += 1
            if order >= 2 and i > start:
                oldest = words[i - 2] if i > start + 1 else _START
                keys[used] = (((oldest << _BITS) | previous) << _BITS) | words[i]
                used += 1
    keys = keys[:used]
    return keys, keys >> _BITS


@njit(cache=True, nogil=True)
def _place(key: int, mask: int) -> np.int64:  # pragma: no cover
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((mixed ^ (mixed >> np.uint64(31))) & np.uint64(mask))


@njit(cache=True, nogil=True)
def _slots(keys: Integers) -> Integers:  # pragma: no cover
    """Build an open-addressed table, at most half full, of positions in ``keys``; -1 is empty."""
    size = 4
    while size < 2 * len(keys) + 2:
        size *= 2
    slots = np.full(size, -1, np.int64)
    for i in range(len(keys)):
        at = _place(keys[i], size - 1)
        while slots[at] >= 0:
            at = (at + 1) & (size - 1)
        slots[at] = i
    return slots


@njit(cache=True, nogil=True)
def _find(key: int, slots: Integers, keys: Integers) -> int:  # pragma: no cover
    at = _place(key, len(slots) - 1)
    while slots[at] >= 0:
        if keys[slots[at]] == key:
            return int(slots[at])
        at = (at + 1) & (len(slots) - 1)
    return -1


@njit(cache=True, nogil=True)
def _surprise(  # noqa: PLR0913 - a compiled kernel takes its tables one by one
    words: Integers,
    offsets: Integers,
    order: int,
    base: Floats,
    key_slots: Integers,
    keys: Integers,
    counts: Floats,
    context_slots: Integers,
    contexts: Integers,
    totals: Floats,
    kinds: Floats,
    out: Floats,
) -> None:  # pragma: no cover
    for group in range(len(offsets) - 1):
        start = offsets[group]
        for i in range(start, offsets[group + 1]):
            chance = base[words[i]]
            previous = words[i - 1] if i > start else _START
            for length in range(1, order + 1):
                if length == 1:
                    context = (_NO_WORD << _BITS) | previous
                elif i > start:
                    oldest = words[i - 2] if i > start + 1 else _START
                    context = (oldest << _BITS) | previous
                else:
                    break
                at = _find(context, context_slots, contexts)
                if at < 0:
                    break
                gram = _find((context << _BITS) | words[i], key_slots, keys)
                count = counts[gram] if gram >= 0 else 0.0
                chance = (count + kinds[at] * chance) / (totals[at] + kinds[at])
            out[i] = -np.log(chance)
