"""TabM: many small nets that share most of their weights, trained together and averaged.

What belongs here: the package's net, its loss and its optimizer. What does not: what every deep classifier
does (``deep_classifier``).
"""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from eddyline.classifiers.deep.deep_classifier import DeepClassifier, log_mean
from eddyline.classifiers.deep.scaling import KNOTS, Scaling
from eddyline.classifiers.deep.stopping import Criterion
from eddyline.errors import UsageError
from eddyline.nets.determinism import seeded
from eddyline.nets.training import History

MOST_WIDTH: Final = 8_192
"""Widest layer; a file that asks for more is refused before memory is taken."""

MOST_MEMBERS: Final = 512
"""Most members, for the same reason."""

RANK_REACH: Final = 3.0**0.5
"""Largest value of a column scaled by rank: a uniform variable of variance 1 reaches so far."""


class TabM(DeepClassifier):
    """Judge rows by the mean of many nets that share most of their weights.

    Rows ``(n, d)`` in, probabilities ``(n, k)`` out. Of nineteen models on eight tables split by time, its
    family has the best mean ranks (Rubachev et al., "TabReD", 2024, arXiv:2406.19380). Each member learns
    alone; their probabilities are averaged. With the default sizes a row costs some thirty times the products
    of ``SNN``.

    Parameters
    ----------
    updates
        Most updates, ``>= 1``.
    every
        Updates between judgements on the rows set aside, ``>= 1``.
    patience
        Judgements without a better score after which training ends, ``>= 1``.
    batch
        Rows an update, ``>= 2``.
    rate
        Step size of AdamW, ``> 0``.
    decay
        Weight decay of AdamW, ``>= 0``.
    clip
        Longest gradient, ``> 0``.
    members
        Number of nets, in [1, 512].
    width
        Columns of the layers, in [1, 8192].
    blocks
        Number of layers, in [1, 64].
    dropout
        Rate of dropout, in [0, 1).
    bins
        Pieces of the piecewise-linear embedding of each column that is no flag, in [0, 256]; 0 embeds
        nothing. Needs ``scaling="quantile"``, for the pieces are evenly spaced in rank.
    embedding
        Columns that each embedded column becomes, ``>= 1``.
    power
        Exponent of the class sampler, in [0, 1]: 0 draws as is, 1 draws all classes equally often.
    aside
        Share of the rows set aside to stop by, in [0, 1).
    criterion
        What is watched on them: ``"challenge"``, ``"f2"`` or ``"loss"``.
    cost
        Costs of the challenge's criterion, rows = true; None takes 1 for each mistake.
    scaling
        ``"standard"``, ``"log"`` or ``"quantile"``, for all columns but flags. Ranks close the gaps between
        clusters, logarithms keep them, hence the default.
    threads
        Threads of training, ``>= 1``.
    seed
        Start of the randomness.

    References
    ----------
    Gorishniy, Kotelnikov, Babenko, "TabM: Advancing tabular deep learning with parameter-efficient
    ensembling", 2025, arXiv:2410.24210; their package ``tabm`` makes the net, with their sizes as defaults.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = TabM(updates=20, batch=32, width=16, members=4).fit(
    ...     X, ["calm"] * 50 + ["scan"] * 50
    ... )
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    tile = 32
    judged = 512

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        *,
        updates: int = 10_000,
        every: int = 250,
        patience: int = 8,
        batch: int = 256,
        rate: float = 2e-3,
        decay: float = 3e-4,
        clip: float = 1.0,
        members: int = 32,
        width: int = 512,
        blocks: int = 3,
        dropout: float = 0.1,
        bins: int = 0,
        embedding: int = 16,
        power: float = 0.5,
        aside: float = 0.25,
        criterion: Criterion = "challenge",
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
        self.decay = decay
        self.clip = clip
        self.members = members
        self.width = width
        self.blocks = blocks
        self.dropout = dropout
        self.bins = bins
        self.embedding = embedding
        self.power = power
        self.aside = aside
        self.criterion = criterion
        self.cost = cost
        self.scaling = scaling
        self.threads = threads
        self.seed = seed

    def _build(self, chance: torch.Generator) -> nn.Module:  # noqa: ARG002 - the package takes no generator
        import tabm

        with seeded(self.seed, "weights"):
            made = tabm.TabM.make(
                n_num_features=self.n_features_in_,
                d_out=len(self.classes_),
                num_embeddings=self._embeddings(),
                k=self.members,
                d_block=self.width,
                n_blocks=self.blocks,
                dropout=self.dropout,
            )
        return cast("nn.Module", made)

    def _embeddings(self) -> Any:
        """Make the package's piecewise-linear embedding, or None."""
        if self.bins == 0:
            return None
        from rtdl_num_embeddings import PiecewiseLinearEmbeddings  # type: ignore[import-untyped]  # comes with tabm

        flags = (self.scaling_ == np.linspace(0, 1, KNOTS)[:, None]).all(axis=0)
        even = torch.linspace(-RANK_REACH, RANK_REACH, self.bins + 1)
        edges = [torch.tensor([0.0, 1.0]) if flag else even for flag in flags]
        return PiecewiseLinearEmbeddings(edges, self.embedding, activation=False, version="B")

    def _optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            net.parameters(), lr=self.rate, weight_decay=self.decay, fused=True
        )

    def _train(self, *arguments: Any) -> History:
        with seeded(
            self.seed, "training"
        ):  # the package's dropout draws from torch's own generator
            return super()._train(*arguments)

    def _loss(
        self,
        rows: Tensor,
        labels: Tensor,
        progress: float,  # noqa: ARG002 - the contract's
        chance: torch.Generator,  # noqa: ARG002 - the contract's
    ) -> Tensor:
        logits = self.net_.train()(rows)
        return functional.cross_entropy(
            logits.flatten(0, 1), labels.repeat_interleave(self.members)
        )

    def _log_probabilities(self, rows: Tensor) -> Tensor:
        return log_mean(self.net_.eval()(rows).double().softmax(2))

    def _fewest_weights(self) -> int:
        return (self.blocks - 1) * self.width**2

    def _check_arguments(self) -> None:
        super()._check_arguments()
        rules = (
            ("rate", self.rate > 0, "> 0"),
            ("decay", self.decay >= 0, ">= 0"),
            ("members", 1 <= self.members <= MOST_MEMBERS, f"in [1, {MOST_MEMBERS}]"),
            ("width", 1 <= self.width <= MOST_WIDTH, f"in [1, {MOST_WIDTH}]"),
            ("blocks", 1 <= self.blocks <= 64, "in [1, 64]"),
            ("dropout", 0 <= self.dropout < 1, "in [0, 1)"),
            ("bins", 0 <= self.bins <= KNOTS - 1, f"in [0, {KNOTS - 1}]"),
            ("embedding", 1 <= self.embedding <= MOST_WIDTH, f"in [1, {MOST_WIDTH}]"),
            (
                "scaling",
                self.bins == 0 or self.scaling == "quantile",
                "'quantile' where bins are used",
            ),
        )
        for name, kept, rule in rules:
            if not kept:
                message = f"{name} must be {rule}, got {getattr(self, name)!r}; take the default"
                raise UsageError(message)
