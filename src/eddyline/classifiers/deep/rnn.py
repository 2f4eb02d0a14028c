"""A recurrent net over the steps of a row: the flows of a session, one after another.

What belongs here: the net and its loss. What does not: what every deep classifier does
(``deep_classifier``), and which flows are a session's (``features/session_rows``).
"""

from __future__ import annotations

from copy import deepcopy
from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from eddyline.classifiers.deep.deep_classifier import DeepClassifier
from eddyline.classifiers.deep.scaling import Scaling
from eddyline.classifiers.deep.stopping import Criterion
from eddyline.errors import UsageError
from eddyline.nets.determinism import seeded

MOST: Final = 1_024
"""Most units; a file that asks for more is refused before memory is taken."""


class RNN(DeepClassifier):
    """Judge rows by a gated recurrent net that reads their columns in steps.

    Rows ``(n, d)`` in, probabilities ``(n, k)`` out. The columns are ``steps`` blocks of equal width, the
    oldest first, as the feature set ``session8`` gives them; where d is no multiple of ``steps``, noughts go
    before the first column. The net's last state and the last block itself go to the classes. Rare classes
    are drawn more often and the probabilities are put back to the shares of the training rows.

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
    steps
        Blocks of a row, in [1, 64].
    units
        Width of the state, in [1, 1024].
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
    Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio, "Learning Phrase Representations
    using RNN Encoder-Decoder for Statistical Machine Translation", EMNLP 2014.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0, 1.0], [5.0, 0.0]], 50, axis=0)
    >>> model = RNN(steps=2, updates=40, batch=32, units=4).fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0, 0.0]])[0])
    'scan'
    """

    row_tolerance: ClassVar[float] = 1e-9

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        *,
        updates: int = 2_000,
        every: int = 200,
        patience: int = 4,
        batch: int = 256,
        rate: float = 2e-3,
        clip: float = 1.0,
        steps: int = 8,
        units: int = 48,
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
        self.steps = steps
        self.units = units
        self.power = power
        self.aside = aside
        self.criterion = criterion
        self.cost = cost
        self.scaling = scaling
        self.threads = threads
        self.seed = seed

    def _build(self, chance: torch.Generator) -> nn.Module:  # noqa: ARG002 - layers draw from torch's own
        with seeded(self.seed, "weights"):
            return StepNet(self.n_features_in_, len(self.classes_), self.steps, self.units)

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
        # the last bits of single-precision gates depend on a row's place in the batch
        logits: Tensor = deepcopy(self.net_).double().eval()(rows.double())
        return logits.log_softmax(1)

    def _fewest_weights(self) -> int:
        return 3 * self.units**2

    def _check_arguments(self) -> None:
        super()._check_arguments()
        rules = (
            ("rate", self.rate > 0, "> 0"),
            ("steps", 1 <= self.steps <= 64, "in [1, 64]"),
            ("units", 1 <= self.units <= MOST, f"in [1, {MOST}]"),
        )
        for name, kept, rule in rules:
            if not kept:
                message = f"{name} must be {rule}, got {getattr(self, name)!r}; take the default"
                raise UsageError(message)


class StepNet(nn.Module):
    """A gated recurrent layer over blocks of columns, and a plane over its last state and the last block.

    Parameters
    ----------
    n_columns
        Columns of a row.
    n_classes
        Outputs.
    steps
        Blocks that the columns are cut into.
    units
        Width of the state.
    """

    def __init__(self, n_columns: int, n_classes: int, steps: int, units: int) -> None:
        super().__init__()
        self.steps, self.width = steps, -(-n_columns // steps)
        self.before = steps * self.width - n_columns
        self.reader = nn.GRU(self.width, units, batch_first=True)
        self.hidden = nn.Linear(units + self.width, units)
        self.last = nn.Linear(units, n_classes)

    def forward(self, rows: Tensor) -> Tensor:
        """Give logits ``(n, k)``.

        Parameters
        ----------
        rows
            Scaled rows, shape ``(n, d)``.
        """
        padded = functional.pad(rows, (self.before, 0))
        blocks = padded.reshape(len(rows), self.steps, self.width)
        state = self.reader(blocks)[1][-1]
        both = torch.cat([state, blocks[:, -1]], dim=1)
        told: Tensor = self.last(functional.silu(self.hidden(both)))
        return told
