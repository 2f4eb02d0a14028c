"""What deep classifiers share: scaling, rows set aside, drawn batches, training, judging, saving.

What belongs here: all that is the same whatever the net. What does not: a net or its loss (``snn``,
``tabm``), and the loop itself (``nets.training``).

Rows are judged in tiles of one fixed size, the last one filled up with zeros: the rounding of a matrix
product depends on the height of the matrix, so that alone makes a row's probabilities ignore the rows
beside it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from eddyline.classifiers.classifier import Classifier, Matrix, refuse_model
from eddyline.classifiers.deep.batches import Batches
from eddyline.classifiers.deep.scaling import Scaling, learn_scaling, scaled, sound_scaling
from eddyline.classifiers.deep.stopping import Criterion, criterion_value, rows_aside
from eddyline.errors import DataError, UsageError
from eddyline.nets.determinism import deterministic, numpy_generator, torch_generator
from eddyline.nets.sampler import ClassSampler
from eddyline.nets.training import (
    History,
    Judgement,
    Schedule,
    flat_weights,
    load_weights,
    train,
)
from eddyline.tables import Floats, Integers

SMALLEST_SHARE: Final = 1e-300
"""Stands for a probability that came out as nought, so that its logarithm is finite."""


class DeepClassifier(Classifier):
    """Judge rows by a net that was trained on drawn batches and kept where it judged best.

    A subclass stores its arguments untouched, among them those named below, and writes ``_build``,
    ``_optimizer``, ``_loss`` and ``_log_probabilities``.

    Parameters
    ----------
    updates, every, patience, clip
        See ``nets.training.Schedule``.
    batch
        Labelled rows an update, ``>= 2``.
    power
        Exponent of the class sampler, in [0, 1].
    aside
        Share of the rows set aside to stop by, in [0, 1); 0 trains to the last update on all rows.
    criterion
        What is watched on them: ``"challenge"``, ``"f2"`` or ``"loss"``.
    cost
        Costs of the challenge's criterion, shape ``(k, k)``, rows = true; None takes 1 for each mistake.
    scaling
        ``"standard"``, ``"log"`` or ``"quantile"``.
    threads
        Threads of training; the last bits of the weights depend on it.
    seed
        Start of the randomness.
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        "weights_",
        "scaling_",
        "trained_",
        "sampled_",
        "history_",
        "best_",
    )

    tile: ClassVar[int] = 256
    """Rows judged at a time."""

    judged: ClassVar[int] = 4_096
    """Rows judged at a time while training, where the last bit does not matter."""

    updates: int
    every: int
    patience: int
    clip: float
    batch: int
    power: float
    aside: float
    criterion: Criterion
    cost: tuple[tuple[float, ...], ...] | None
    scaling: Scaling
    threads: int
    seed: int

    net_: nn.Module
    weights_: NDArray[np.float32]
    scaling_: Floats
    trained_: Floats
    sampled_: Floats
    history_: Floats
    best_: Integers

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        target: ArrayLike | None = None,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        watch: Callable[[int, Self], None] | None = None,
    ) -> Self:
        """Learn the classes of labelled rows.

        Parameters
        ----------
        X
            Training rows, shape ``(n, d)``, finite.
        y
            Label of each row, shape ``(n,)``; at least two different ones.
        sample_weight
            How much more often a row is drawn than others of its class, shape ``(n,)``, ``>= 0``.
        groups
            What belongs together, shape ``(n,)``; rows to stop by are set aside in whole groups.
        target
            Rows without labels from the time to be predicted, shape ``(m, d)``; makes the fit transductive.
        validation
            Rows and labels to stop by, instead of setting some of X aside.
        watch
            Called after each judgement with the updates done and this classifier as it then is.

        Raises
        ------
        DataError
            When a matrix is not finite, y has one class, or lengths disagree.
        UsageError
            When an argument is out of range, or target is given to a class that has no use for it.
        """
        self._given = validation
        self._watch = watch
        try:
            return super().fit(X, y, sample_weight, groups=groups, target=target)
        finally:
            del self._given, self._watch

    def _fit(
        self,
        X: Matrix,
        codes: Integers,
        weight: Floats,
        groups: Integers | None,
        target: Matrix | None,
    ) -> None:
        self._check_arguments()
        outside = self._outside(X, codes, weight, groups)
        inside = weight > 0
        if self._given is None:
            inside &= ~outside
        self.scaling_ = learn_scaling(X[inside], self.scaling)
        weights = weight[inside] if np.ptp(weight[inside]) > 0 else None
        sampler = ClassSampler(
            codes[inside], self.power, numpy_generator(self.seed, "batches"), weights
        )
        self.trained_, self.sampled_ = self._padded(sampler.trained), self._padded(sampler.sampled)
        with deterministic(threads=self.threads):
            self.net_ = self._build(torch_generator(self.seed, "weights"))
            batches = Batches(
                self._tensor(X[inside]),
                torch.from_numpy(codes[inside]),
                sampler,
                None if target is None else self._tensor(target),
                self.batch,
                numpy_generator(self.seed, "target"),
            )
            history = self._train(batches, self._judge(X, codes, outside))
        self.weights_ = flat_weights(self.net_)
        self.history_ = history.table()
        self.best_ = np.array(history.best, dtype=np.int64)

    def _train(self, batches: Batches, judge: Callable[[], Judgement] | None) -> History:
        draw = batches.stream()
        chance = torch_generator(self.seed, "training")
        watch = self._watch

        def loss(update: int) -> Tensor:
            rows, labels = draw()
            return self._loss(rows, labels, update / self.updates, chance)

        return train(
            self.net_,
            self._optimizer(self.net_),
            loss,
            Schedule(self.updates, self.every, self.patience, self.clip),
            judge=judge,
            watch=None if watch is None else lambda update: watch(update, self),
        )

    def _outside(
        self, X: Matrix, codes: Integers, weight: Floats, groups: Integers | None
    ) -> NDArray[np.bool_]:
        """Choose the rows to stop by; none when they were given."""
        if self._given is not None:
            return np.zeros(len(X), dtype=np.bool_)
        outside = np.zeros(len(X), dtype=np.bool_)
        weighty = np.flatnonzero(weight > 0)
        members = None if groups is None else groups[weighty]
        chance = numpy_generator(self.seed, "aside")
        outside[weighty] = rows_aside(codes[weighty], members, self.aside, chance)
        return outside

    def _judge(
        self, X: Matrix, codes: Integers, outside: NDArray[np.bool_]
    ) -> Callable[[], Judgement] | None:
        """Make the function that judges the net on given rows or on those set aside."""
        if self._given is not None:
            rows, truth = self._checked(self._given[0]), self._codes(self._given[1])
            if len(rows) != len(truth):
                message = (
                    f"validation needs a label for each of its {len(rows)} rows, got {len(truth)}"
                )
                raise DataError(message)
        elif outside.any():
            rows, truth = X[outside], codes[outside]
        else:
            return None
        tensor = self._tensor(rows)
        k = len(self.classes_)
        cost = None if self.cost is None else np.asarray(self.cost, dtype=np.float64)

        def judge() -> Judgement:
            shares = self._shares(tensor, self.judged)
            loss = float(
                -np.log(np.maximum(shares[np.arange(len(truth)), truth], SMALLEST_SHARE)).mean()
            )
            if self.criterion == "loss":
                return Judgement(-loss, loss)
            told = shares.argmax(axis=1)
            confusion = np.bincount(truth * k + told, minlength=k * k).reshape(k, k)
            return Judgement(criterion_value(confusion, self.criterion, cost), loss)

        return judge

    def _codes(self, labels: ArrayLike) -> Integers:
        given = np.asarray(labels)
        places = np.searchsorted(self.classes_, given).clip(max=len(self.classes_) - 1)
        strange = self.classes_[places] != given
        if strange.any():
            message = (
                f"validation must hold classes that were trained, got {given[strange][0]!r}; leave its "
                f"rows out"
            )
            raise DataError(message)
        return places.astype(np.int64)

    def _probabilities(self, X: Matrix) -> Floats:
        with deterministic(threads=1):
            return self._shares(self._tensor(X), self.tile)

    def _shares(self, rows: Tensor, tile: int) -> Floats:
        """Give probabilities with the sampler undone, tile by tile; each tile is full."""
        out = np.empty((len(rows), len(self.classes_)))
        ratio = np.divide(
            self.trained_, self.sampled_, out=np.zeros_like(self.trained_), where=self.sampled_ > 0
        )
        with np.errstate(divide="ignore"):
            undo = np.log(ratio)
        with torch.inference_mode():
            for start in range(0, len(rows), tile):
                piece = rows[start : start + tile]
                n = len(piece)
                if n < tile:
                    piece = torch.cat([piece, piece.new_zeros((tile - n, piece.shape[1]))])
                logs = self._log_probabilities(piece).numpy()[:n] + undo
                raised = np.exp(logs - logs.max(axis=1, keepdims=True))
                out[start : start + n] = raised / raised.sum(axis=1, keepdims=True)
        return out

    def _tensor(self, X: Matrix) -> Tensor:
        return torch.from_numpy(scaled(X, self.scaling_, self.scaling))

    def _padded(self, shares: Floats) -> Floats:
        return np.pad(shares, (0, len(self.classes_) - len(shares)))

    def _restore(self) -> None:
        self._check_arguments()
        if not sound_scaling(self.scaling_, self.scaling, self.n_features_in_):
            raise refuse_model(self, "holds the scaling_ of its columns", self.scaling_.shape)
        for name in ("trained_", "sampled_"):
            shares = getattr(self, name)
            if shares.shape != self.classes_.shape or (shares < 0).any():
                raise refuse_model(self, f"holds {name}, a share for each class", shares)
        if self.weights_.size < self._fewest_weights():  # before memory is taken for a huge net
            raise refuse_model(self, "holds weights_ for its net", self.weights_.shape)
        self.net_ = self._build(torch_generator(self.seed, "weights"))
        try:
            load_weights(self.net_, self.weights_)
        except DataError as error:
            message = f"the weights_ of a saved {type(self).__name__} do not fit: {error}"
            raise refuse_model(self, "holds weights_ for its net", message) from error

    def _check_arguments(self) -> None:
        rules = (
            ("batch", self.batch >= 2, ">= 2"),
            ("power", 0 <= self.power <= 1, "in [0, 1]"),
            ("aside", 0 <= self.aside < 1, "in [0, 1)"),
            ("threads", self.threads >= 1, ">= 1"),
        )
        for name, kept, rule in rules:
            if not kept:
                message = f"{name} must be {rule}, got {getattr(self, name)}; take the default"
                raise UsageError(message)

    @abstractmethod
    def _build(self, chance: torch.Generator) -> nn.Module:
        """Make the net with its first weights for ``n_features_in_`` columns and ``classes_``."""

    @abstractmethod
    def _optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        """Make what steps the net's parameters."""

    @abstractmethod
    def _loss(
        self, rows: Tensor, labels: Tensor, progress: float, chance: torch.Generator
    ) -> Tensor:
        """Give the loss of a batch: labelled rows first, then those of the target, if any."""

    @abstractmethod
    def _fewest_weights(self) -> int:
        """Give a number of weights that the net has at the least, by its arguments alone."""

    @abstractmethod
    def _log_probabilities(self, rows: Tensor) -> Tensor:
        """Give float64 logarithms of class probabilities ``(n, k)``, up to a constant a row."""


def log_mean(shares: Tensor) -> Tensor:
    """Give the logarithm of the mean over members of probabilities ``(n, members, k)``, as float64.

    Parameters
    ----------
    shares
        Probabilities of each member.
    """
    return shares.double().mean(1).clamp_min(SMALLEST_SHARE).log()
