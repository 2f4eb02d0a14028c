"""The self-normalising classifier with Shake-Shake and moment matching of the NAD 2021 article.

What belongs here: the encoder, its heads and the loss that joins them. What does not: the blocks
(``nets``) and what every deep classifier does (``deep_classifier``).
"""

from __future__ import annotations

from typing import ClassVar, Final, Literal, cast, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from eddyline.classifiers.deep.deep_classifier import SMALLEST_SHARE, DeepClassifier
from eddyline.classifiers.deep.encoder import Encoder, SnnNet
from eddyline.classifiers.deep.scaling import Scaling
from eddyline.classifiers.deep.stopping import Criterion
from eddyline.errors import UsageError
from eddyline.nets.cmd import cmd, deep_coral, reversal_weight, reverse_gradient
from eddyline.nets.selu import alpha_dropout_constants
from eddyline.nets.shake import ShakeMode
from eddyline.tables import Floats

Alignment = Literal["cmd", "coral", "dann", "none"]
Reference = Literal["sampled", "trained", "estimated"]

MOST: Final = 8_192
"""Widest layer; a file that asks for more is refused before memory is taken."""

MIX_STEP: Final = 0.02
"""Share of a batch in the estimate of the target's class shares."""

MOST_BLOCKS: Final = 64
"""Most blocks, for the same reason."""


def joint_loss(
    main: Tensor, heads: Tensor, labels: Tensor, heads_of: Tensor, weight: float
) -> Tensor:
    """Give cross-entropy of the main head plus the sum over the other heads of their binary one.

    Parameters
    ----------
    main
        Logits ``(n, k)``.
    heads
        Logits ``(n, h)``; h may be 0.
    labels
        Classes ``(n,)``.
    heads_of
        Truth table ``(k, h)``: 1 where a class counts as positive for a head.
    weight
        Weight of each of the other heads.
    """
    loss = functional.cross_entropy(main, labels)
    if heads.shape[1] == 0:
        return loss
    wished = heads_of[labels]
    own = functional.binary_cross_entropy_with_logits(heads, wished, reduction="sum")
    return loss + weight * own / len(heads)


class SNN(DeepClassifier):
    """Judge rows by a self-normalising net with Shake-Shake blocks, several heads and matched moments.

    Rows ``(n, d)`` in, probabilities ``(n, k)`` out. Rare classes are drawn more often and the probabilities
    are put back to the shares of the training rows. With ``target`` given to ``fit``, the latents of
    source and target batches are pulled together: use it for the unlabelled day that is to be predicted,
    and say so, since such a result is transductive. Every class but the most common one has a head of its
    own; only the main head predicts.

    Parameters
    ----------
    updates
        Most updates, ``>= 1``.
    every
        Updates between judgements on the rows set aside, ``>= 1``.
    patience
        Judgements without a better score after which training ends, ``>= 1``.
    batch
        Labelled rows an update, ``>= 2``; as many of the target are added.
    rate
        Step size of Adam, ``> 0``.
    clip
        Longest gradient, ``> 0``.
    width, latent
        Columns of the blocks and of the latents, in [1, 8192].
    blocks
        Number of Shake-Shake blocks, in [0, 64].
    dropout
        Rate of alpha dropout, in [0, 1).
    shake
        Mode of the blocks: forward, backward and grain, such as ``"shake-even-sample"``; the article's own is
        read as ``"even-shake"``.
    rescale
        Divide each block's sum by the root of 1.5, which keeps its variance at 1.
    head_weight
        Weight of each class's own head in the loss, ``>= 0``; 0 leaves these heads out.
    any_head
        Add a head for "any but the most common class".
    alignment
        What pulls source and target together: ``"cmd"``, ``"coral"``, ``"dann"`` or ``"none"``.
    align_weight
        Its weight in the loss, ``>= 0``.
    moments
        Moments that CMD compares, ``>= 1``.
    reference
        Which mix of classes CMD compares with the target: ``"sampled"`` as drawn, ``"trained"`` weighted back
        to the shares of the training rows, ``"estimated"`` weighted to the target's own shares, which are
        estimated along the way from what the main head says of it.
    power
        Exponent of the class sampler, in [0, 1]: 0 draws as is, 1 draws all classes equally often.
    aside
        Share of the rows set aside to stop by, in [0, 1).
    criterion
        What is watched on them: ``"challenge"``, ``"f2"`` or ``"loss"``.
    cost
        Costs of the challenge's criterion, rows = true; None takes 1 for each mistake.
    scaling
        ``"standard"``, ``"log"`` or ``"quantile"``, for all columns but flags.
    threads
        Threads of training, ``>= 1``.
    seed
        Start of the randomness.

    References
    ----------
    Arjona-Medina, Gierlinger, Kahlhofer, Eghbal-zadeh, Lehner, "A Deep Learning Approach for Network Anomaly
    Detection", 2021. Widths, batch size, weights and moments are not stated there and are ours.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = SNN(updates=20, batch=32, width=8, latent=4).fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    takes_target: ClassVar[bool] = True

    target_mix_: Floats

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        *,
        updates: int = 50_000,
        every: int = 500,
        patience: int = 20,
        batch: int = 1_024,
        rate: float = 3e-3,
        clip: float = 1.0,
        width: int = 256,
        latent: int = 128,
        blocks: int = 2,
        dropout: float = 0.2,
        shake: str = "shake-even-sample",
        rescale: bool = True,
        head_weight: float = 1.0,
        any_head: bool = False,
        alignment: Alignment = "cmd",
        align_weight: float = 1.0,
        moments: int = 5,
        reference: Reference = "sampled",
        power: float = 0.5,
        aside: float = 0.25,
        criterion: Criterion = "challenge",
        cost: tuple[tuple[float, ...], ...] | None = None,
        scaling: Scaling = "standard",
        threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.updates = updates
        self.every = every
        self.patience = patience
        self.batch = batch
        self.rate = rate
        self.clip = clip
        self.width = width
        self.latent = latent
        self.blocks = blocks
        self.dropout = dropout
        self.shake = shake
        self.rescale = rescale
        self.head_weight = head_weight
        self.any_head = any_head
        self.alignment = alignment
        self.align_weight = align_weight
        self.moments = moments
        self.reference = reference
        self.power = power
        self.aside = aside
        self.criterion = criterion
        self.cost = cost
        self.scaling = scaling
        self.threads = threads
        self.seed = seed

    def _build(self, chance: torch.Generator) -> nn.Module:
        self.target_mix_ = self.trained_.copy()
        encoder = Encoder(
            self.n_features_in_,
            width=self.width,
            blocks=self.blocks,
            latent=self.latent,
            mode=ShakeMode.parse(self.shake),
            dropout=self.dropout,
            rescale=self.rescale,
            chance=chance,
        )
        return SnnNet(
            encoder,
            self.latent,
            n_classes=len(self.classes_),
            n_heads=self._heads_of().shape[1],
            judged=self.alignment == "dann",
            chance=chance,
        )

    def _optimizer(self, net: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(net.parameters(), lr=self.rate, fused=True)

    def _loss(
        self, rows: Tensor, labels: Tensor, progress: float, chance: torch.Generator
    ) -> Tensor:
        net = cast("SnnNet", self.net_)
        latents = net.encoder(rows, chance)
        n = len(labels)
        main, heads = net(latents[:n])
        if self.reference == "estimated" and len(rows) > n:
            self._follow(net, latents[n:])
        loss = joint_loss(main, heads, labels, self._heads_of(), self.head_weight)
        if len(rows) == n or self.alignment == "none" or self.align_weight == 0:
            return loss
        return loss + self.align_weight * self._distance(net, latents, labels, progress)

    def _distance(self, net: SnnNet, latents: Tensor, labels: Tensor, progress: float) -> Tensor:
        """Give how far the latents of source and target are apart."""
        n = len(labels)
        if net.judge is not None:
            told = net.judge(reverse_gradient(latents, reversal_weight(progress)))[:, 0]
            truth = (torch.arange(len(latents)) < n).to(told.dtype)
            return functional.binary_cross_entropy_with_logits(told, truth)
        if self.alignment == "coral":
            return deep_coral(latents[:n], latents[n:])
        bounded = torch.tanh(latents)
        weights = None
        if self.reference != "sampled":
            mix = self.trained_ if self.reference == "trained" else self.target_mix_
            ratio = torch.from_numpy(mix / np.maximum(self.sampled_, SMALLEST_SHARE))
            weights = ratio.to(bounded.dtype)[labels]
        return cmd(bounded[:n], bounded[n:], moments=self.moments, weights=weights)

    def _follow(self, net: SnnNet, latents: Tensor) -> None:
        """Move the estimate of the target's shares by one batch: a step of EM, forgetting the old ones.

        Saerens, Latinne and Decaestecker, "Adjusting the Outputs of a Classifier to New a Priori
        Probabilities", 2002; in steps as of Cappé and Moulines, "On-line EM", 2009.
        """
        with torch.no_grad():
            told = net(latents)[0].double().softmax(1).numpy()
        weighted = told * (self.target_mix_ / np.maximum(self.sampled_, SMALLEST_SHARE))
        weighted /= weighted.sum(axis=1, keepdims=True)
        self.target_mix_ += MIX_STEP * (weighted.mean(axis=0) - self.target_mix_)

    def _log_probabilities(self, rows: Tensor) -> Tensor:
        net = cast("SnnNet", self.net_)
        return cast("Tensor", net(net.encoder(rows))[0].double().log_softmax(1))

    def _heads_of(self) -> Tensor:
        """Give which classes count as positive for which head, shape ``(k, h)``."""
        k = len(self.classes_)
        common = int(np.argmax(self.priors_))
        rarer = [code for code in range(k) if code != common]
        table = torch.eye(k)[:, rarer if self.head_weight > 0 else []]
        if self.any_head and self.head_weight > 0:
            table = torch.cat([table, table.sum(1, keepdim=True)], dim=1)
        return table

    def _fewest_weights(self) -> int:
        return 4 * self.blocks * self.width**2

    def _check_arguments(self) -> None:
        super()._check_arguments()
        ShakeMode.parse(self.shake)
        alpha_dropout_constants(self.dropout)
        rules = (
            ("width", 1 <= self.width <= MOST, f"in [1, {MOST}]"),
            ("latent", 1 <= self.latent <= MOST, f"in [1, {MOST}]"),
            ("blocks", 0 <= self.blocks <= MOST_BLOCKS, f"in [0, {MOST_BLOCKS}]"),
            ("rate", self.rate > 0, "> 0"),
            ("head_weight", self.head_weight >= 0, ">= 0"),
            ("align_weight", self.align_weight >= 0, ">= 0"),
            ("moments", self.moments >= 1, ">= 1"),
            ("alignment", self.alignment in get_args(Alignment), f"one of {get_args(Alignment)}"),
            ("reference", self.reference in get_args(Reference), f"one of {get_args(Reference)}"),
        )
        for name, kept, rule in rules:
            if not kept:
                message = f"{name} must be {rule}, got {getattr(self, name)!r}; take the default"
                raise UsageError(message)
