"""The session net: tells each flow's kind and size from the flows on both sides of it.

What belongs here: the detector around the net. What does not: layers and training (``nets``).
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from eddyline.detectors.aggregate import AGGREGATIONS, distinct_windows
from eddyline.detectors.deep.reader import (
    BEGIN,
    ReaderModel,
    Reading,
    needed_epochs,
)
from eddyline.detectors.detector import refuse_model
from eddyline.detectors.language import WINDOW, Guess, checked_tokens
from eddyline.detectors.vocabulary import Vocabulary
from eddyline.errors import UsageError
from eddyline.nets.cloze import CLOZE, HEADS, SIDE, TOP, cloze_arrays, session_surprises
from eddyline.tables import Floats, Integers, TokenGroups

Single = NDArray[np.float32]

END: Final = 3
"""State behind a session."""

FIRST_STATE: Final = 4
"""Number of the commonest state; 0 pads, 1 is any other, 2 and 3 stand before and behind."""

HIDDEN: Final = 50

MOST_DIGITS: Final = 9
"""Digits of a size at the most; longer numbers are part of the state."""

SIZE_CLASSES: Final = 7
"""Quantile classes of sizes (Clausen et al., 2021)."""


class Session(ReaderModel):
    """Score flows by a net that reads the sessions around them from both sides.

    A token ``state:size`` is told in two parts: its state, such as protocol, service and direction, and the
    class of its size among the training's quantiles; a token without a size is all state. Groups are cut
    into sessions of ``max_flows``. A flow's surprise is the sum of both, in nats; a flow depends on the flows
    after it, so this model judges what is over.

    Departures from the published model: it trains for fewer steps on batches by length, sizes come as binary
    logarithms, and the first and the last flow have a token of their own beside them.

    Parameters
    ----------
    group
        ``"session"``: one less the mean of both probabilities, the published score; or see ``NGram``.
    max_flows
        Flows of a session at the most.
    epochs
        Passes over the training flows at the most; more when they would be fewer than ``least_steps``.
    batch_flows
        Flows of a batch, at the most a sixteenth of all.
    least_steps
        Steps of the optimiser at the least.
    rate
        Learning rate of Adam at the start.
    dropout
        Share dropped between the layers; the published 0.5 suits tens of thousands of sessions.
    most_words
        Commonest states that have a number of their own; the others share one.
    unknown_share
        Share of training tokens, in [0, 0.1], that are made unknown.
    held_out
        Share of the groups, the last to begin, whose loss ends the training.
    seed
        Start of the randomness.

    References
    ----------
    Clausen, Grov, Aspinall, "CBAM: A Contextual Model for Network Anomaly Detection", Computers 2021,
    doi:10.3390/computers10060079.

    Examples
    --------
    >>> Session().max_flows
    25
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *("texts_", "tail_", "pareto_", "losses_", "moved_", "edges_", "kinds_"),
        *CLOZE,
    )
    _aggregations: ClassVar[tuple[str, ...]] = (*AGGREGATIONS, "session")

    edges_: Floats
    kinds_: NDArray[np.str_]

    _first_word = FIRST_STATE

    def __init__(  # noqa: PLR0913 - scikit-learn's way: an argument each
        self,
        *,
        group: Literal[
            "calibrated", "max", "mean", "q90", "top3_mean", "sum", "session"
        ] = "calibrated",
        max_flows: int = 25,
        epochs: int = 20,
        batch_flows: int = 1024,
        least_steps: int = 400,
        rate: float = 3e-3,
        dropout: float = 0.2,
        most_words: int = 198,
        unknown_share: float = 0.001,
        held_out: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.group = group
        self.max_flows = max_flows
        self.epochs = epochs
        self.batch_flows = batch_flows
        self.least_steps = least_steps
        self.rate = rate
        self.dropout = dropout
        self.most_words = most_words
        self.unknown_share = unknown_share
        self.held_out = held_out
        self.seed = seed

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
        if self.group != "session":
            return super().anomaly_score(groups)
        chances = np.exp(-self.head_scores(groups)).mean(axis=1)
        sums: Floats = np.add.reduceat(chances, np.asarray(groups.offsets[:-1]))
        return 1.0 - sums / np.diff(groups.offsets)

    def head_scores(self, groups: TokenGroups) -> Floats:
        """Give the surprise of every token's state and size class, shape ``(n, 2)``, in nats.

        Parameters
        ----------
        groups
            Groups to score, none empty.
        """
        check_is_fitted(self, "texts_")
        whole = self._read_in(checked_tokens(groups), groups)
        return self._read(self._sessions(whole), self.max_flows)[0]

    def _prepare(self, tokens: NDArray[np.str_], groups: TokenGroups) -> None:
        states, sizes = split_tokens(tokens)
        self._set_texts(Vocabulary.of(states).texts)
        cuts = np.quantile(sizes, np.arange(1, SIZE_CLASSES) / SIZE_CLASSES, method="higher")
        self.edges_ = np.unique(cuts).astype(np.float64)
        self.kinds_ = np.unique(_kinds(groups))

    def _read_in(self, tokens: NDArray[np.str_], groups: TokenGroups) -> Reading:
        states, sizes = split_tokens(tokens)
        classes = np.searchsorted(self.edges_, sizes, side="right").astype(np.int64)
        kinds = _kinds(groups)
        place = np.minimum(np.searchsorted(self.kinds_, kinds), len(self.kinds_) - 1)
        known = np.where(self.kinds_[place] == kinds, place, 0).astype(np.int64)
        offsets = np.ascontiguousarray(groups.offsets, np.int64)
        return Reading(self._encode(states), offsets, classes, known)

    def _sessions(self, whole: Reading) -> Reading:
        """Cut groups into sessions of ``max_flows``."""
        lengths = np.diff(whole.offsets)
        pieces = -(-lengths // self.max_flows)
        owner = np.repeat(np.arange(len(lengths)), pieces)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        starts = whole.offsets[owner] + number * self.max_flows
        offsets = np.append(starts, whole.offsets[-1]).astype(np.int64)
        return Reading(whole.words, offsets, whole.classes, whole.kinds[owner])

    def _train(self, seen: Reading, watched: Reading | None) -> None:
        from eddyline.nets.determinism import seeded
        from eddyline.nets.reading import Sessions, train_sessions
        from eddyline.nets.sequence import ClozeNet, weights_of

        with seeded(self.seed, "weights"):
            net = ClozeNet(*self._widths, dropout=self.dropout)
        start = weights_of(net)
        parts = [
            None if part is None else Sessions(part.words, part.classes, part.kinds, part.offsets)
            for part in (
                self._sessions(seen),
                None if watched is None else self._sessions(watched),
            )
        ]
        batch = min(self.batch_flows, max(32, len(seen.words) // 16))
        steps = -(-len(seen.words) // batch)
        self.losses_ = train_sessions(
            net,
            parts[0],  # type: ignore[arg-type]  # the training part is never None
            parts[1],
            self._ends,
            epochs=needed_epochs(self.epochs, steps, self.least_steps),
            batch_flows=batch,
            rate=self.rate,
            seed=self.seed,
        )
        end = weights_of(net)
        self.moved_ = np.array([float(np.abs(end[name] - start[name]).max()) for name in start])
        for name, array in cloze_arrays(end).items():
            setattr(self, name, array)

    def _surprises(self, tokens: NDArray[np.str_], groups: TokenGroups) -> Floats:
        whole = self._sessions(self._read_in(tokens, groups))
        summed: Floats = self._read(whole, self.max_flows)[0].sum(axis=1)
        return summed

    def _likeliest(self, group: NDArray[np.str_], place: int, top: int) -> tuple[Guess, ...]:
        """Name the likeliest states; sizes are told apart from them."""
        first = place // self.max_flows * self.max_flows
        session = group[first : first + self.max_flows]
        alone = TokenGroups(np.array([0, len(session)], dtype=np.int64), session)
        _, logits = self._read(self._read_in(session, alone), place - first)
        chances = np.exp(logits.astype(np.float64) - logits.max())
        return self._named(chances / chances.sum(), top)

    def _chances(self, groups: TokenGroups, surprises: Floats) -> Floats:  # noqa: ARG002
        """Count the group's distinct windows of states and size classes."""
        whole = self._read_in(checked_tokens(groups), groups)
        told = whole.words * (SIZE_CLASSES + 1) + whole.classes
        return distinct_windows(told, whole.offsets, WINDOW)

    def _read(self, whole: Reading, last: int) -> tuple[Floats, Single]:
        """Give the surprise of both parts of every flow, and the logits of the last one's state."""
        scores = np.zeros((len(whole.words), 2))
        part: dict[str, Single] = {name: getattr(self, name) for name in CLOZE}
        logits = np.empty(len(part["state_head_bias_"]), np.float32)
        session_surprises(
            (whole.words, whole.classes),
            whole.kinds,
            whole.offsets,
            self._ends,
            tuple(tuple(part[f"{name}_{way}_"] for name in SIDE) for way in (0, 1)),
            tuple(part[f"{name}_"] for name in TOP),
            tuple(part[f"{name}_"] for name in HEADS),
            scores,
            logits,
            last,
        )
        return scores, logits

    @property
    def _widths(self) -> tuple[int, int, int]:
        """States, size classes and kinds of hosts."""
        return self.n_words + FIRST_STATE, len(self.edges_) + 1, len(self.kinds_)

    @property
    def _ends(self) -> tuple[int, int, int]:
        """States before and behind a session, and the size class of both."""
        return BEGIN, END, len(self.edges_) + 1

    def _check_arguments(self) -> None:
        super()._check_arguments()
        least = min(self.max_flows, self.epochs, self.batch_flows, self.least_steps)
        if least < 1 or self.rate <= 0 or not 0 <= self.dropout < 1:
            message = (
                f"lengths and passes must be >= 1, rate > 0 and dropout in [0, 1), got {least}, "
                f"{self.rate} and {self.dropout}; the defaults are safe"
            )
            raise UsageError(message)

    def _restore(self) -> None:
        super()._restore()
        sorted_edges = self.edges_.ndim == 1 and bool((np.diff(self.edges_) > 0).all())
        if not sorted_edges or self.kinds_.dtype.kind != "U" or self.kinds_.ndim != 1:
            raise refuse_model(
                self, "has rising size classes and kinds of text", self.edges_.shape
            )
        states, sizes, kinds = self._widths
        h = HIDDEN
        side = ((states, 4 * h), (sizes + 1, 4 * h), (kinds, 4 * h))
        layers = ((h, 4 * h), (h, 4 * h), (4 * h,), (h, 4 * h))
        top = ((2 * h,), (2 * h,), (2 * h, h), (h,))
        heads = ((h, states), (states,), (h, sizes), (sizes,))
        shapes = (*side, *layers, *side, *layers, *top, *heads)
        self._check_shapes(dict(zip(CLOZE, shapes, strict=True)))


def split_tokens(tokens: NDArray[np.str_]) -> tuple[NDArray[np.str_], Integers]:
    """Split ``state:size`` into its parts; a token that does not end in ``:number`` has size 0.

    Parameters
    ----------
    tokens
        Texts, shape ``(n,)``.
    """
    distinct, place = np.unique(tokens, return_inverse=True)
    states, sizes = [], []
    for token in distinct.tolist():
        state, colon, size = token.rpartition(":")
        told = bool(colon) and size.isascii() and size.isdigit() and len(size) <= MOST_DIGITS
        states.append(state if told else token)
        sizes.append(int(size) if told else 0)
    return np.array(states, dtype=np.str_)[place], np.array(sizes, dtype=np.int64)[place]


def _kinds(groups: TokenGroups) -> NDArray[np.str_]:
    """Give the kind of each group's host, from ``rows["kind"]``; all alike without it."""
    return np.asarray(groups.rows.get("kind", np.zeros(len(groups), np.int64))).astype(np.str_)
