"""The causal net: reads a group once and is surprised by each flow as it comes.

What belongs here: the detector around the net. What does not: layers and training (``nets``).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.deep.reader import (
    BEGIN,
    SPECIAL,
    UNKNOWN,
    ReaderModel,
    Reading,
    needed_epochs,
)
from eddyline.detectors.language import Guess
from eddyline.errors import UsageError
from eddyline.nets.plain import CAUSAL, causal_arrays
from eddyline.nets.recurrence import (
    conv_surprises,
    gru_step,
    gru_surprises,
    lstm_surprises,
    surprise_of,
)
from eddyline.tables import Floats, Integers, TokenGroups

Single = NDArray[np.float32]

CELLS = ("gru", "lstm", "conv10")

KERNELS = (4, 7)
"""Places that the two convolutions see: ten tokens together."""


class Causal(ReaderModel):
    """Score tokens by a small recurrent net that reads each group once, from its start.

    Radford's net reads ten tokens anew for every flow; this one carries a state instead, so a flow costs one
    step and the whole group so far is its context. Scores need no torch and have the same bits whatever
    groups stand beside.

    Parameters
    ----------
    cell
        ``"gru"`` or ``"lstm"``, or ``"conv10"``: two convolutions that see ten tokens exactly.
    group
        How a group's score is made, see ``NGram``.
    embedding, hidden
        Widths of the embedding and of the state.
    epochs
        Passes over the training tokens at the most; more when they would be fewer than ``least_steps``.
    batch_tokens
        Tokens of a batch, at the most a sixteenth of all.
    least_steps
        Steps of the optimiser at the least.
    rate
        Learning rate of Adam.
    most_words
        Commonest tokens that have a number of their own; the others share one.
    unknown_share
        Share of training tokens, in [0, 0.1], that are made unknown.
    held_out
        Share of the groups, the last to begin, whose loss ends the training.
    seed
        Start of the randomness.

    Examples
    --------
    >>> Causal(cell="gru").hidden
    64
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        "texts_",
        "tail_",
        "pareto_",
        "losses_",
        "moved_",
        *CAUSAL,
    )

    table_: Single
    recurrent_: Single
    bias_: Single
    out_weights_: Single
    out_bias_: Single

    def __init__(  # noqa: PLR0913 - scikit-learn's way: an argument each
        self,
        *,
        cell: Literal["gru", "lstm", "conv10"] = "gru",
        group: Literal["calibrated", "max", "mean", "q90", "top3_mean", "sum"] = "calibrated",
        embedding: int = 32,
        hidden: int = 64,
        epochs: int = 8,
        batch_tokens: int = 2048,
        least_steps: int = 400,
        rate: float = 3e-3,
        most_words: int = 512,
        unknown_share: float = 0.001,
        held_out: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.cell = cell
        self.group = group
        self.embedding = embedding
        self.hidden = hidden
        self.epochs = epochs
        self.batch_tokens = batch_tokens
        self.least_steps = least_steps
        self.rate = rate
        self.most_words = most_words
        self.unknown_share = unknown_share
        self.held_out = held_out
        self.seed = seed

    def stream(self, *, most_groups: int = 200_000) -> CausalStream:
        """Give a reader of live flows, one step a flow.

        Parameters
        ----------
        most_groups
            Groups whose state is kept; the one that was silent longest is forgotten first.
        """
        return CausalStream(self, most_groups)

    def _train(self, seen: Reading, watched: Reading | None) -> None:
        from eddyline.nets.determinism import seeded
        from eddyline.nets.reading import train_causal
        from eddyline.nets.sequence import CausalNet, ConvolutionNet, weights_of

        with seeded(self.seed, "weights"):
            net: CausalNet | ConvolutionNet
            if self.cell == "conv10":
                net = ConvolutionNet(self.n_words, embedding=self.embedding, hidden=self.hidden)
            else:
                net = CausalNet(
                    self.n_words, cell=self.cell, embedding=self.embedding, hidden=self.hidden
                )
        start = weights_of(net)
        batch = min(self.batch_tokens, max(32, len(seen.words) // 16))
        steps = -(-len(seen.words) // batch)
        self.losses_ = train_causal(
            net,
            seen.words,
            seen.offsets,
            held_out=None if watched is None else (watched.words, watched.offsets),
            epochs=needed_epochs(self.epochs, steps, self.least_steps),
            batch_tokens=batch,
            rate=self.rate,
            seed=self.seed,
        )
        end = weights_of(net)
        self.moved_ = np.array([float(np.abs(end[name] - start[name]).max()) for name in start])
        for name, array in causal_arrays(end, self.cell).items():
            setattr(self, name, array)

    def _surprises(self, tokens: NDArray[np.str_], groups: TokenGroups) -> Floats:
        return self._read(self._encode(tokens), np.ascontiguousarray(groups.offsets, np.int64))[0]

    def _likeliest(self, group: NDArray[np.str_], place: int, top: int) -> tuple[Guess, ...]:
        words = np.append(self._encode(group[:place]), UNKNOWN)
        _, logits = self._read(words, np.array([0, len(words)], dtype=np.int64))
        chances = np.exp(logits.astype(np.float64) - logits.max())
        return self._named(chances / chances.sum(), top)

    def _read(self, words: Integers, offsets: Integers) -> tuple[Floats, Single]:
        """Give the surprise of every word and the logits of the last one."""
        scores, logits = np.empty(len(words)), np.empty(len(self.out_bias_), np.float32)
        out = (self.out_weights_, self.out_bias_)
        if self.cell == "lstm":
            lstm_surprises(
                words, offsets, BEGIN, self.table_, self.recurrent_, out, scores, logits
            )
        else:
            read = gru_surprises if self.cell == "gru" else conv_surprises
            read(
                *(words, offsets, BEGIN, self.table_, self.recurrent_, self.bias_),
                *(out, scores, logits),
            )
        return scores, logits

    def _check_arguments(self) -> None:
        super()._check_arguments()
        if self.cell not in CELLS:
            message = f"cell must be one of {', '.join(CELLS)}, got {self.cell!r}; choose one"
            raise UsageError(message)
        least = min(self.embedding, self.hidden, self.epochs, self.batch_tokens, self.least_steps)
        if least < 1 or self.rate <= 0:
            message = (
                f"widths, passes and batches must be >= 1 and rate > 0, got {least} and "
                f"{self.rate}; the defaults are safe"
            )
            raise UsageError(message)

    def _restore(self) -> None:
        super()._restore()
        n, h = self.n_words + SPECIAL, self.hidden
        by_cell: dict[str, tuple[tuple[int, ...], ...]] = {
            "gru": ((n, 3 * h), (h, 3 * h), (3 * h,)),
            "lstm": ((n, 4 * h), (h, 4 * h), (0,)),
            "conv10": ((n, KERNELS[0], h), (KERNELS[1], h, h), (h,)),
        }
        shapes = (*by_cell[self.cell], (h, n), (n,))
        self._check_shapes(dict(zip(CAUSAL, shapes, strict=True)))


class CausalStream:
    """Read live flows with one step each; equal, bit for bit, to reading each group at once.

    Parameters
    ----------
    model
        A fitted model with ``cell="gru"``.
    most_groups
        Groups whose state is kept, ``>= 1``.

    Raises
    ------
    UsageError
        When the model has another cell.
    """

    def __init__(self, model: Causal, most_groups: int) -> None:
        if model.cell != "gru" or most_groups < 1:
            message = (
                f"a stream needs cell='gru' and most_groups >= 1, got {model.cell!r} and "
                f"{most_groups}; learn a GRU"
            )
            raise UsageError(message)
        self._model = model
        self._most = most_groups
        self._groups: OrderedDict[str, tuple[Single, int]] = OrderedDict()
        self._gates = np.empty(model.recurrent_.shape[1], np.float32)
        self._logits = np.empty(len(model.out_bias_), np.float32)

    def __len__(self) -> int:
        return len(self._groups)

    def score(self, group: str, token: str) -> float:
        """Give the surprise of the next token of a group, then remember it.

        Parameters
        ----------
        group
            Name of the group, such as the pair and the hour.
        token
            Its next token.
        """
        model = self._model
        fresh = (np.zeros(model.hidden, np.float32), BEGIN)
        state, before = self._groups.pop(group, fresh)
        gru_step(model.table_[before], model.recurrent_, model.bias_, state, self._gates)
        word = int(model._encode(np.array([token]))[0])
        value = surprise_of(state, model.out_weights_, model.out_bias_, word, self._logits)
        self._groups[group] = (state, word)
        if len(self._groups) > self._most:
            self._groups.popitem(last=False)
        return float(value)

    def forget(self, group: str) -> None:
        """Drop a group's state, as at the end of its hour.

        Parameters
        ----------
        group
            Name of the group.
        """
        self._groups.pop(group, None)
