"""N-grams that learn as they read: every count fades, each token is scored before it is learned.

What belongs here: fading counts in growing tables. What does not: batch counting (``ngram.py``).

Fading is by growing weights: a token seen t days after the start adds ``2 ** (t / half_life_days)``, and all
counts are divided by today's weight when they are read, so no entry needs a clock of its own. Now and then
what has faded is removed and the weights begin again at one.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddyline.detectors.detector import refuse_model
from eddyline.detectors.fading import UNSEEN, grown, learn, slots_of, surprises_of
from eddyline.detectors.grams import (
    BITS,
    MAX_WORDS,
    distinct_in_groups,
    histories,
    slots,
)
from eddyline.detectors.language import Guess, LanguageModel, checked_tokens
from eddyline.errors import DataError, UsageError
from eddyline.tables import Floats, Integers, TokenGroups

LEAST_COUNT: Final = 0.01
"""A successor that has faded below this is forgotten."""

SWEEPS_PER_HALF_LIFE: Final = 4
"""How often forgotten successors are removed."""

UNTIMED: Final = -1e300
"""Number of the sweep before the first token with a time."""


class OnlineNGram(LanguageModel):
    """Score tokens by fading n-gram counts, each before it is learned.

    The probabilities are those of ``NGram``, interpolated after Witten and Bell, with counts that halve every
    ``half_life_days``; a token that was never seen shares the chance of one more word. ``fit`` starts anew,
    ``partial_fit`` goes on, ``score_then_learn`` does both in the order of time. Cutting the input into other
    batches changes no bit.

    Parameters
    ----------
    order
        Tokens of history, 0 to 3.
    half_life_days
        Days in which a count halves, ``> 0``.
    group
        How a group's score is made, see ``NGram``.
    seed
        Takes no part; there is nothing random.

    Examples
    --------
    >>> import numpy as np
    >>> usual = TokenGroups(np.array([0, 300]), np.tile(["a", "b", "c"], 100))
    >>> model = OnlineNGram(order=1).fit(usual)
    >>> low, high = model.token_scores(TokenGroups(np.array([0, 2]), np.array(["a", "c"])))
    >>> bool(high > low)
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *("texts_", "tail_", "pareto_", "keys_", "counts_", "contexts_", "totals_", "kinds_"),
        "clock_",
    )
    _modelled_tail = False

    keys_: Integers
    counts_: Floats
    contexts_: Integers
    totals_: Floats
    kinds_: Floats
    clock_: Floats
    _keys: Integers
    _counts: Floats
    _contexts: Integers
    _totals: Floats
    _kinds: Floats

    def __init__(
        self,
        *,
        order: int = 2,
        half_life_days: float = 7.0,
        group: Literal["calibrated", "max", "mean", "q90", "top3_mean", "sum"] = "calibrated",
        seed: int = 0,
    ) -> None:
        self.order = order
        self.half_life_days = half_life_days
        self.group = group
        self.seed = seed

    def partial_fit(self, groups: TokenGroups, days: ArrayLike | None = None) -> OnlineNGram:
        """Learn further groups.

        Parameters
        ----------
        groups
            Groups, none empty.
        days
            Time of each token in days, as long as ``groups.tokens``; None for no time gone by.

        Raises
        ------
        DataError
            When groups are empty, or the times are not as many finite numbers as tokens.
        """
        self._check_arguments()
        tokens = checked_tokens(groups)
        if not hasattr(self, "keys_"):
            self._begin()
        self._go_through(tokens, groups, self._checked_days(days, len(tokens)), None)
        return self.calibrate(groups) if not hasattr(self, "tail_") else self

    def score_then_learn(self, groups: TokenGroups, days: ArrayLike | None = None) -> Floats:
        """Score every token by what was learned before it, then learn it, in the order of time.

        Parameters
        ----------
        groups
            Groups, none empty.
        days
            As for ``partial_fit``.

        Raises
        ------
        DataError
            As for ``partial_fit``.
        """
        self._check_arguments()
        tokens = checked_tokens(groups)
        if not hasattr(self, "keys_"):
            self._begin()
        scores = np.empty(len(tokens))
        self._go_through(tokens, groups, self._checked_days(days, len(tokens)), scores)
        return scores

    def _learn(self, tokens: NDArray[np.str_], groups: TokenGroups) -> None:
        self._begin()
        self._go_through(tokens, groups, None, None)

    def _surprises(self, tokens: NDArray[np.str_], groups: TokenGroups) -> Floats:
        words = self._encode(tokens)
        scores = np.empty(len(words))
        self._score(words, histories(words, groups.offsets, self.order), scores)
        return scores

    def _likeliest(self, group: NDArray[np.str_], place: int, top: int) -> tuple[Guess, ...]:
        words = self._encode(group[: place + 1])
        before = histories(words, np.array([0, place + 1], dtype=np.int64), self.order)[:, place:]
        every = np.arange(1, len(self.texts_) + 1, dtype=np.int64)
        scores = np.empty(len(every))
        self._score(every, np.ascontiguousarray(np.repeat(before, len(every), axis=1)), scores)
        best = np.argsort(scores, kind="stable")[:top]
        return tuple(Guess(str(self.texts_[word]), float(np.exp(-scores[word]))) for word in best)

    def _chances(self, groups: TokenGroups, surprises: Floats) -> Floats:
        """Count the group's different surprises: repeats are no further chances."""
        return distinct_in_groups(surprises, np.ascontiguousarray(groups.offsets, np.int64))

    def _begin(self) -> None:
        """Forget everything."""
        self.texts_ = np.zeros(0, dtype="U1")
        self.keys_, self.contexts_ = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self.counts_, self.totals_, self.kinds_ = np.zeros(0), np.zeros(1), np.zeros(1)
        self.clock_ = np.array([UNTIMED, 0.0, 0.0])
        for name in ("tail_", "pareto_"):
            if hasattr(self, name):
                delattr(self, name)
        self._numbers: dict[str, int] = {}
        self._index()

    def _go_through(
        self,
        tokens: NDArray[np.str_],
        groups: TokenGroups,
        days: Floats | None,
        scores: Floats | None,
    ) -> None:
        """Learn tokens in the order of their times, and score each before if asked."""
        self._add_words(tokens)
        words = self._encode(tokens)
        before = histories(words, groups.offsets, self.order)
        told = np.empty(len(words)) if scores is None else scores
        if days is None:
            self._learn_part(words, before, np.full(len(words), self._today), told)
            return
        order = np.argsort(days, kind="stable")
        sweep = np.floor(days[order] * SWEEPS_PER_HALF_LIFE / self.half_life_days)
        cuts = np.concatenate([[0], np.flatnonzero(np.diff(sweep)) + 1, [len(order)]])
        for start, end in pairwise(cuts.tolist()):
            part = order[start:end]
            self._sweep_until(float(sweep[start]))
            weights = np.exp2((days[part] - self.clock_[1]) / self.half_life_days)
            here = np.empty(len(part))
            self._learn_part(words[part], np.ascontiguousarray(before[:, part]), weights, here)
            told[part] = here
            self.clock_[2] = max(self.clock_[2], float(days[part[-1]]))

    def _sweep_until(self, sweep: float) -> None:
        """Fade to the beginning of a sweep's span and remove what has faded."""
        if sweep <= self.clock_[0]:
            return
        now = sweep * self.half_life_days / SWEEPS_PER_HALF_LIFE
        # What was learned without a time counts from the first time that is told.
        since = now if self.clock_[0] == UNTIMED else self.clock_[1]
        self.clock_ = np.array([sweep, now, now])
        if since == now:
            return
        faded = self.counts_ * np.exp2((since - now) / self.half_life_days)
        kept = faded >= LEAST_COUNT
        keys = self.keys_[kept]
        alive = np.zeros(len(self.totals_), dtype=bool)
        alive[keys >> BITS] = True
        alive[0] = True
        number = np.cumsum(alive) - 1
        mask = (1 << BITS) - 1
        steps = self.contexts_[alive[1:]]
        self.contexts_ = (number[steps >> BITS] << BITS) | (steps & mask)
        self.keys_ = (number[keys >> BITS] << BITS) | (keys & mask)
        owners, n = number[keys >> BITS], int(alive.sum())
        self.counts_ = faded[kept]
        self.totals_ = np.bincount(owners, self.counts_, n).astype(np.float64)
        self.kinds_ = np.bincount(owners, minlength=n).astype(np.float64)
        self._index()

    def _learn_part(
        self, words: Integers, before: Integers, weights: Floats, told: Floats
    ) -> None:
        """Score and learn tokens between two sweeps."""
        n_keys, n_nodes = len(self.keys_), len(self.totals_)
        self._make_room(len(words) * (self.order + 1))
        n_keys, n_nodes = learn(
            words,
            before,
            weights,
            (self._key_slots, self._keys, self._counts),
            (self._context_slots, self._contexts, self._totals, self._kinds),
            np.array([n_keys, n_nodes], dtype=np.int64),
            told,
        )
        self._show(n_keys, n_nodes)

    def _make_room(self, room: int) -> None:
        """Grow the tables, at least twofold, when so many entries might not fit."""
        n_keys, n_nodes = len(self.keys_), len(self.totals_)
        if n_keys + room > len(self._keys):
            size = 2 * n_keys + room
            self._keys, self._counts = grown(self._keys, size), grown(self._counts, size)
            self._key_slots = slots_of(self.keys_, size)
        if n_nodes + room > len(self._totals):
            size = 2 * n_nodes + room
            self._contexts = grown(self._contexts, size - 1)
            self._totals, self._kinds = grown(self._totals, size), grown(self._kinds, size)
            self._context_slots = slots_of(self.contexts_, size)

    def _show(self, n_keys: int, n_nodes: int) -> None:
        """Let the state be what the tables hold now."""
        self.keys_, self.counts_ = self._keys[:n_keys], self._counts[:n_keys]
        self.contexts_ = self._contexts[: n_nodes - 1]
        self.totals_, self.kinds_ = self._totals[:n_nodes], self._kinds[:n_nodes]

    @property
    def _today(self) -> float:
        """Weight of a token that is learned now."""
        return float(np.exp2((self.clock_[2] - self.clock_[1]) / self.half_life_days))

    def _score(self, words: Integers, before: Integers, scores: Floats) -> None:
        surprises_of(
            words,
            before,
            self._today,
            (self._key_slots, self._keys, self._counts),
            (self._context_slots, self._contexts, self._totals, self._kinds),
            scores,
        )

    def _add_words(self, tokens: NDArray[np.str_]) -> None:
        """Give new tokens numbers while there are any left; the others stay unseen."""
        fresh = [text for text in np.unique(tokens).tolist() if text not in self._numbers]
        fresh = fresh[: MAX_WORDS - len(self._numbers)]
        if fresh:
            self.texts_ = np.concatenate([self.texts_, np.array(fresh, dtype=np.str_)])
            first = len(self._numbers) + 1
            self._numbers.update({text: first + i for i, text in enumerate(fresh)})

    def _encode(self, tokens: NDArray[np.str_]) -> Integers:
        distinct, place = np.unique(tokens, return_inverse=True)
        numbers = [self._numbers.get(text, UNSEEN) for text in distinct.tolist()]
        return np.array(numbers, dtype=np.int64)[place]

    def _index(self) -> None:
        """Build the look-up tables of the state."""
        self._keys, self._counts = self.keys_, self.counts_
        self._contexts, self._totals, self._kinds = self.contexts_, self.totals_, self.kinds_
        self._key_slots, self._context_slots = slots(self.keys_), slots(self.contexts_)

    def _checked_days(self, days: ArrayLike | None, n: int) -> Floats | None:
        if days is None:
            return None
        told = np.asarray(days, dtype=np.float64)
        if told.shape != (n,) or not np.isfinite(told).all():
            message = (
                f"days must be {n} finite numbers, one a token, got shape {told.shape}; pass the "
                f"start of each flow"
            )
            raise DataError(message)
        return told

    def _restore(self) -> None:
        super()._restore()
        n_nodes = len(self.totals_)
        same = self.keys_.shape == self.counts_.shape and self.kinds_.shape == (n_nodes,)
        if not same or self.contexts_.shape != (n_nodes - 1,) or self.clock_.shape != (3,):
            raise refuse_model(self, "has a count for every key", self.keys_.shape)
        if not (self.counts_ > 0).all() or not np.isfinite(self.clock_).all():
            raise refuse_model(self, "has positive counts and a clock", self.clock_)
        self.keys_, self.contexts_ = self.keys_.astype(np.int64), self.contexts_.astype(np.int64)
        if len(self.keys_) and not 0 <= self.keys_.min() <= self.keys_.max() < n_nodes << BITS:
            raise refuse_model(self, "has keys of its own histories", self.keys_.max())
        self._numbers = {text: i + 1 for i, text in enumerate(self.texts_.tolist())}
        if len(self._numbers) != len(self.texts_):
            raise refuse_model(self, "has distinct tokens", len(self.texts_))
        self._index()

    def _check_arguments(self) -> None:
        super()._check_arguments()
        if self.order not in range(4) or not self.half_life_days > 0:
            message = (
                f"order must be 0 to 3 and half_life_days > 0, got {self.order!r} and "
                f"{self.half_life_days}; the defaults are 2 and 7"
            )
            raise UsageError(message)
