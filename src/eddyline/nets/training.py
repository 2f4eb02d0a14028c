"""The loop that trains a net: steps, regular judgements, the best weights kept, and the curve of it all.

What belongs here: when to step, judge, stop and what to keep. What does not: batches, losses and scores,
which come in as functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eddyline.errors import DataError, UsageError
from eddyline.tables import Floats


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long a net is trained and how often it is judged.

    Parameters
    ----------
    updates
        Most updates, ``>= 1``.
    every
        Updates between judgements, ``>= 1``; the last update is judged too.
    patience
        Judgements without a better score after which training ends, ``>= 1``.
    clip
        Longest gradient, over all parameters, ``> 0``; infinity clips nothing.

    Raises
    ------
    UsageError
        When a number is out of range.
    """

    updates: int = 50_000
    every: int = 500
    patience: int = 20
    clip: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (("updates", 1), ("every", 1), ("patience", 1)):
            if getattr(self, name) < least:
                message = f"{name} must be >= {least}, got {getattr(self, name)}; take the default"
                raise UsageError(message)
        if not self.clip > 0:
            message = f"clip must be > 0, got {self.clip}; 1.0 is the default"
            raise UsageError(message)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a net is worth on rows it does not learn from.

    Parameters
    ----------
    score
        Higher is better; training keeps the weights of the highest.
    loss
        The loss there, for the two may part; of equal scores the one with the lower loss is kept.
    """

    score: float
    loss: float


@dataclass(slots=True)
class History:
    """The curve of a training, one entry a judgement.

    Parameters
    ----------
    updates
        Updates done.
    losses
        Mean training loss since the entry before.
    judgements
        What was judged; empty when nothing judges.
    best
        Place of the entry whose weights were kept.
    """

    updates: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)
    best: int = -1

    def table(self) -> Floats:
        """Give the curve as rows (update, training loss[, judged loss, score])."""
        columns: list[Any] = [self.updates, self.losses]
        if self.judgements:
            columns += [[j.loss for j in self.judgements], [j.score for j in self.judgements]]
        return np.array(columns, dtype=np.float64).T


def train(
    net: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Callable[[int], Tensor],
    schedule: Schedule,
    *,
    judge: Callable[[], Judgement] | None = None,
    watch: Callable[[int], None] | None = None,
) -> History:
    """Train a net in place and leave it with the weights that were judged best.

    Parameters
    ----------
    net
        The net; its parameters belong to the optimizer.
    optimizer
        What makes a step of a gradient.
    loss
        Draws a batch and gives its loss, a scalar; called with the number of updates done.
    schedule
        How long, and how often judged.
    judge
        Judges the net as it is; None keeps the last weights and never stops early.
    watch
        Called after each judgement with the number of updates done, such as to show progress.

    Raises
    ------
    DataError
        When the loss is no longer finite.
    """
    parameters = list(net.parameters())
    history = History()
    kept: list[Tensor] = []
    total, since = 0.0, 0
    for update in range(1, schedule.updates + 1):
        value = loss(update - 1)
        optimizer.zero_grad(set_to_none=False)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, schedule.clip)
        optimizer.step()
        total, since = total + value.item(), since + 1
        if update % schedule.every and update < schedule.updates:
            continue
        _refuse_endless(total, update)
        history.updates.append(update)
        history.losses.append(total / since)
        total, since = 0.0, 0
        if judge is not None:
            history.judgements.append(judge())
            if _is_best(history):
                history.best = len(history.updates) - 1
                kept = [parameter.detach().clone() for parameter in parameters]
        if watch is not None:
            watch(update)
        if len(history.updates) - 1 - history.best >= schedule.patience and judge is not None:
            break
    if judge is None:
        history.best = len(history.updates) - 1
    with torch.no_grad():
        for parameter, best in zip(parameters, kept, strict=False):
            parameter.copy_(best)
    return history


def flat_weights(net: nn.Module) -> NDArray[np.float32]:
    """Give all parameters of a net end to end as float32, in the net's own order.

    Parameters
    ----------
    net
        The net.
    """
    flat: NDArray[np.float32] = nn.utils.parameters_to_vector(net.parameters()).detach().numpy()
    return flat.copy()


def load_weights(net: nn.Module, weights: NDArray[np.float32]) -> None:
    """Put the weights of ``flat_weights`` back into a net of the same shape.

    Parameters
    ----------
    net
        The net, changed in place.
    weights
        As many finite numbers as the net has parameters, shape ``(p,)``.

    Raises
    ------
    DataError
        When there are more or fewer, or one is not finite.
    """
    given = np.ascontiguousarray(weights, dtype=np.float32)
    needed = sum(parameter.numel() for parameter in net.parameters())
    if given.shape != (needed,) or not np.isfinite(given).all():
        message = (
            f"the net takes {needed} finite weights, got shape {given.shape}; pass those of a net with "
            f"the same arguments"
        )
        raise DataError(message)
    with torch.no_grad():
        nn.utils.vector_to_parameters(torch.from_numpy(given.copy()), net.parameters())


def _is_best(history: History) -> bool:
    """Tell whether the latest score is the highest, or as high with a lower loss."""
    if history.best < 0:
        return True
    latest, best = history.judgements[-1], history.judgements[history.best]
    return (latest.score, -latest.loss) > (best.score, -best.loss)


def _refuse_endless(total: float, update: int) -> None:
    if not np.isfinite(total):
        message = (
            f"the training loss must stay finite, got {total} by update {update}; lower the learning "
            f"rate or look for columns with extreme values"
        )
        raise DataError(message)
