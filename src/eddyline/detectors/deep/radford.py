"""Radford's net: two bidirectional LSTM layers over the ten tokens before each flow.

What belongs here: the detector around the net. What does not: layers and training (``nets``). It is the
published reference to compare with; the causal net is far cheaper.
"""

from __future__ import annotations

import warnings
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.deep.reader import (
    BEGIN,
    SPECIAL,
    ReaderModel,
    Reading,
    needed_epochs,
)
from eddyline.detectors.language import Guess
from eddyline.errors import DegradedWarning, UsageError
from eddyline.nets.plain import WINDOW, window_arrays
from eddyline.nets.recurrence import window_surprises
from eddyline.nets.windows import cut_windows
from eddyline.tables import Floats, TokenGroups

Single = NDArray[np.float32]

MOST_WINDOWS: Final = 500_000
"""Windows of an epoch above which fewer are drawn, with a warning."""

DRAWN_WINDOWS: Final = 200_000
"""Windows that are drawn instead."""

HIDDEN: Final = 50


class Radford(ReaderModel):
    """Score tokens by two bidirectional LSTM layers that read the ten tokens before each.

    As published, with the sizes of the authors' code: embedding 100, twice 50 units each way, dropout 0.2, a
    linear layer of 50, a softmax; Nadam, batches of 512. Equal windows are trained on by their count and
    scored once. Departures: a group begins with a token of its own, tokens that training did not hold are one
    unknown token, and the layers have tanh unless ``rectified``.

    Parameters
    ----------
    group
        How a group's score is made, see ``NGram``; the paper's is ``"max"``.
    rectified
        True for rectifiers in the second layer's cells, as the authors' code has.
    epochs
        Passes over the training tokens at the most; more when they would be fewer than ``least_steps``.
    batch
        Windows of a batch, at the most a sixteenth of all tokens.
    least_steps
        Steps of the optimiser at the least.
    most_windows
        Windows drawn in one epoch at the most.
    count_power
        A window is drawn in proportion to its count to this power, in [0, 1]; 1 is faithful.
    most_words
        Commonest tokens that have a number of their own; the others share one.
    unknown_share
        Share of training tokens, in [0, 0.1], that are made unknown.
    held_out
        Share of the groups, the last to begin, whose loss ends the training.
    seed
        Start of the randomness.

    References
    ----------
    Radford, Apolonio, Trias, Simpson, "Network Traffic Anomaly Detection Using Recurrent Neural Networks",
    2018, arXiv:1803.10769.

    Examples
    --------
    >>> Radford(group="max").epochs
    5
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        "texts_",
        "tail_",
        "pareto_",
        "losses_",
        "moved_",
        *WINDOW,
    )

    def __init__(  # noqa: PLR0913 - scikit-learn's way: an argument each
        self,
        *,
        group: Literal["calibrated", "max", "mean", "q90", "top3_mean", "sum"] = "calibrated",
        rectified: bool = False,
        epochs: int = 5,
        batch: int = 512,
        least_steps: int = 300,
        most_windows: int = MOST_WINDOWS,
        count_power: float = 1.0,
        most_words: int = 512,
        unknown_share: float = 0.001,
        held_out: float = 0.1,
        seed: int = 0,
    ) -> None:
        self.group = group
        self.rectified = rectified
        self.epochs = epochs
        self.batch = batch
        self.least_steps = least_steps
        self.most_windows = most_windows
        self.count_power = count_power
        self.most_words = most_words
        self.unknown_share = unknown_share
        self.held_out = held_out
        self.seed = seed

    def _train(self, seen: Reading, watched: Reading | None) -> None:
        from eddyline.nets.determinism import seeded
        from eddyline.nets.reading import train_windows
        from eddyline.nets.sequence import WindowNet, weights_of

        with seeded(self.seed, "weights"):
            net = WindowNet(self.n_words, rectified=self.rectified)
        start = weights_of(net)
        n = self._windows_of_an_epoch(len(seen.words))
        batch = min(self.batch, max(32, n // 16))
        steps = -(-n // batch)
        held = None if watched is None else cut_windows(watched.words, watched.offsets)
        self.losses_ = train_windows(
            net,
            cut_windows(seen.words, seen.offsets),
            held,
            epochs=needed_epochs(self.epochs, steps, self.least_steps),
            steps=steps,
            batch=batch,
            count_power=self.count_power,
            seed=self.seed,
        )
        end = weights_of(net)
        self.moved_ = np.array([float(np.abs(end[name] - start[name]).max()) for name in start])
        for name, array in window_arrays(end, rectified=self.rectified).items():
            setattr(self, name, array)

    def _windows_of_an_epoch(self, n: int) -> int:
        if n <= self.most_windows:
            return n
        drawn = min(DRAWN_WINDOWS, self.most_windows)
        message = (
            f"Radford's net reads at most {self.most_windows} windows an epoch, got {n}; it draws "
            f"{drawn} by their count, rare ones may be missed; learn from less or use 'lstm'"
        )
        warnings.warn(message, DegradedWarning, stacklevel=2)
        return drawn

    def _surprises(self, tokens: NDArray[np.str_], groups: TokenGroups) -> Floats:
        windows = cut_windows(self._encode(tokens), np.asarray(groups.offsets, np.int64))
        scores = np.empty(len(windows.targets))
        self._read(windows.contexts, windows.lengths, windows.targets, scores)
        return scores[windows.place]

    def _likeliest(self, group: NDArray[np.str_], place: int, top: int) -> tuple[Guess, ...]:
        words = self._encode(group[max(0, place - 10) : place])
        context = np.concatenate([[BEGIN], words, [0] * (10 - len(words))]).astype(np.int64)
        length = np.array([len(words) + 1], dtype=np.int64)
        logits = self._read(context[None], length, np.array([0], np.int64), np.empty(1))
        chances = np.exp(logits.astype(np.float64) - logits.max())
        return self._named(chances / chances.sum(), top)

    def _read(
        self,
        contexts: NDArray[np.int64],
        lengths: NDArray[np.int64],
        targets: NDArray[np.int64],
        scores: Floats,
    ) -> Single:
        """Write the surprise of each target; give the logits of the last one."""
        part: dict[str, Single] = {name: getattr(self, name) for name in WINDOW}
        logits = np.empty(len(part["out_bias_"]), np.float32)
        window_surprises(
            np.ascontiguousarray(contexts),
            lengths,
            targets,
            (part["lower_table_0_"], part["lower_table_1_"]),
            (part["lower_state_0_"], part["lower_state_1_"]),
            tuple(
                part[f"upper_{kind}_{way}_"] for way in (0, 1) for kind in ("in", "bias", "state")
            ),
            (part["dense_weights_"], part["dense_bias_"], part["out_weights_"], part["out_bias_"]),
            self.rectified,
            scores,
            logits,
        )
        return logits

    def _check_arguments(self) -> None:
        super()._check_arguments()
        least = min(self.epochs, self.batch, self.least_steps, self.most_windows)
        if least < 1 or not 0 <= self.count_power <= 1:
            message = (
                f"passes and batches must be >= 1 and count_power in [0, 1], got {least} and "
                f"{self.count_power}; the defaults are those of the paper"
            )
            raise UsageError(message)

    def _restore(self) -> None:
        super()._restore()
        n, h = self.n_words + SPECIAL, HIDDEN
        side = ((2 * h, 4 * h), (4 * h,), (h, 4 * h))
        shapes = (
            *((n, 4 * h), (n, 4 * h), (h, 4 * h), (h, 4 * h)),
            *side,
            *side,
            *((2 * h, h), (h,), (h, n), (n,)),
        )
        self._check_shapes(dict(zip(WINDOW, shapes, strict=True)))
