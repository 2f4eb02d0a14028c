"""A convolutional net over the columns: neighbours in the order of the features are looked at together.

What belongs here: the net and its loss. What does not: what every deep classifier does
(``deep_classifier``), and nets over flows in time (``detectors/deep``).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from eddyline.classifiers.deep.deep_classifier import DeepClassifier
from eddyline.classifiers.deep.scaling import Scaling
from eddyline.classifiers.deep.stopping import Criterion
from eddyline.errors import UsageError
from eddyline.nets.determinism import seeded

MOST: Final = 1_024
"""Most channels; a file that asks for more is refused before memory is taken."""


class CNN(DeepClassifier):
    """Judge rows by three blocks of one-dimensional convolutions over their columns.

    Rows ``(n, d)`` in, probabilities ``(n, k)`` out. A kernel sees features that stand side by side, which
    are of one group where a feature set lists them so: counts of a minute, counts of an hour, sizes. Each
    block halves the length; mean and maximum over what is left go to the classes. Rare classes are drawn
    more often and the probabilities are put back to the shares of the training rows.

    Parameters
    ----------
    updates
        Most updates, ``>= 1``.
    every
        Updates between judgements on the rows set aside, ``>= 1``.
    patience
        Judgements without a gain after which training ends, ``>= 1``.
    batch
        Rows an update, ``>= 2``.
    rate
        Step of Adam, ``> 0``.
    clip
        Largest norm of a gradient, ``> 0``.
    channels
        Channels of the first block, in [1, 1024]; the others have twice as many.
    kernel
        Columns that a kernel sees, odd, ``>= 1``.
    power
        Exponent of the class sampler, in [0, 1].
    aside
        Share of the rows set aside to stop by, in [0, 1).
    criterion
        What is watched on them: ``"challenge"``, ``"f2"`` or ``"loss"``.
    cost
        Costs of the challenge's criterion, rows = true; None takes 1 for each mistake.
    scaling
        ``"standard"``, ``"log"`` or ``"quantile"``.
    threads
        Threads of training, ``>= 1``.
    seed
        Start of the randomness.

    References
    ----------
    LeCun, Boser, Denker, Henderson, Howard, Hubbard, Jackel, "Backpropagation applied to handwritten zip code
    recognition", Neural Computation 1, 1989; the order of the columns as the signal is our choice.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = CNN(updates=40, batch=32, channels=4).fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        *,
        updates: int = 2_000,
        every: int = 200,
        patience: int = 4,
        batch: int = 256,
        rate: float = 2e-3,
        clip: float = 1.0,
        channels: int = 16,
        kernel: int = 5,
        power: float = 0.5,
        aside: float = 0.1,
        criterion: Criterion = "loss",
        cost: tuple[tuple[float, ...], ...] | None = None,
        scaling: Scaling = "log",
        threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.updates = updates
        self.every = every
        self.patience = patience
        self.batch = batch
        self.rate = rate
        self.clip = clip
        self.channels = channels
        self.kernel = kernel
        self.power = power
        self.aside = aside
        self.criterion = criterion
        self.cost = cost
        self.scaling = scaling
        self.threads = threads
        self.seed = seed

    def _build(self, chance: torch.Generator) -> nn.Module:  # noqa: ARG002 - layers draw from torch's own
        with seeded(self.seed, "weights"):
            return ColumnNet(len(self.classes_), self.channels, self.kernel)

    def _optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(net.parameters(), lr=self.rate, fused=True)

    def _loss(
        self,
        rows: Tensor,
        labels: Tensor,
        progress: float,  # noqa: ARG002 - the contract's
        chance: torch.Generator,  # noqa: ARG002 - the contract's
    ) -> Tensor:
        return functional.cross_entropy(self.net_.train()(rows), labels)

    def _log_probabilities(self, rows: Tensor) -> Tensor:
        logits: Tensor = self.net_.eval()(rows)
        return logits.double().log_softmax(1)

    def _fewest_weights(self) -> int:
        return 2 * self.channels**2

    def _check_arguments(self) -> None:
        super()._check_arguments()
        rules = (
            ("rate", self.rate > 0, "> 0"),
            ("channels", 1 <= self.channels <= MOST, f"in [1, {MOST}]"),
            ("kernel", self.kernel >= 1 and self.kernel % 2 == 1, "odd and >= 1"),
        )
        for name, kept, rule in rules:
            if not kept:
                message = f"{name} must be {rule}, got {getattr(self, name)!r}; take the default"
                raise UsageError(message)


class ColumnNet(nn.Module):
    """Three convolutions, each halving the length, and a plane over mean and maximum of what is left.

    Parameters
    ----------
    n_classes
        Outputs.
    channels
        Of the first convolution; the other two have twice as many.
    kernel
        Columns that a kernel sees, odd.
    """

    def __init__(self, n_classes: int, channels: int, kernel: int) -> None:
        super().__init__()
        widths = (1, channels, 2 * channels, 2 * channels)
        self.blocks = nn.ModuleList(
            nn.Conv1d(before, after, kernel, padding=kernel // 2)
            for before, after in pairwise(widths)
        )
        self.last = nn.Linear(4 * channels, n_classes)

    def forward(self, rows: Tensor) -> Tensor:
        """Give logits ``(n, k)``.

        Parameters
        ----------
        rows
            Scaled rows, shape ``(n, d)``.
        """
        signal = rows.unsqueeze(1)  # (n, 1, d)
        for block in self.blocks:
            signal = functional.silu(block(signal))
            if signal.shape[2] > 1:
                signal = functional.avg_pool1d(signal, 2, ceil_mode=True)
        told: Tensor = self.last(torch.cat([signal.mean(2), signal.amax(2)], dim=1))
        return told
