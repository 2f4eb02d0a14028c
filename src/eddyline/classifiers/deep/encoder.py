"""The net of the self-normalising classifier: its encoder and its heads.

What belongs here: layers and their order. What does not: the loss and the choice of heads (``snn``), and the
blocks (``nets.shake``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from eddyline.nets.selu import selu_linear
from eddyline.nets.shake import ShakeBlock, ShakeMode


class Encoder(nn.Module):
    """Rows to latents: a layer, Shake-Shake blocks, a layer; four layers with two blocks.

    SELU follows the first and the last layer; between blocks it stands inside the branches only, so that the
    skip path stays open.

    Parameters
    ----------
    n_in
        Columns of the rows.
    width
        Columns of the blocks.
    blocks
        Number of blocks.
    latent
        Columns of the latents.
    mode
        How the blocks' branches are mixed.
    dropout
        Rate of alpha dropout in the branches.
    rescale
        Whether blocks put the variance back to 1.
    chance
        Generator of the first weights.
    """

    def __init__(
        self,
        n_in: int,
        *,
        width: int,
        blocks: int,
        latent: int,
        mode: ShakeMode,
        dropout: float,
        rescale: bool,
        chance: torch.Generator,
    ) -> None:
        super().__init__()
        self.stem = selu_linear(n_in, width, chance)
        self.blocks = nn.ModuleList(
            ShakeBlock(width, chance, mode=mode, dropout=dropout, rescale=rescale)
            for _ in range(blocks)
        )
        self.out = selu_linear(width, latent, chance)

    def forward(self, rows: Tensor, chance: torch.Generator | None = None) -> Tensor:
        """Give the latents ``(n, latent)``.

        Parameters
        ----------
        rows
            Scaled rows ``(n, n_in)``.
        chance
            Generator of drops and mixes; None when the net is asked.
        """
        state = torch.selu(self.stem(rows))
        for block in self.blocks:
            state = block(state, chance)
        return torch.selu(self.out(state))


class SnnNet(nn.Module):
    """Encoder, the head that predicts, a head for each rarer class, and the judge that may be fooled.

    Parameters
    ----------
    encoder
        Rows to latents.
    n_latent
        Columns of the latents.
    n_classes
        Classes of the main head.
    n_heads
        Heads that tell one class from the rest.
    judged
        Whether there is a judge of source against target, as domain-adversarial training has it.
    chance
        Generator of the first weights.
    """

    def __init__(
        self,
        encoder: Encoder,
        n_latent: int,
        *,
        n_classes: int,
        n_heads: int,
        judged: bool,
        chance: torch.Generator,
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.encoder = encoder
        self.heads = selu_linear(n_latent, n_classes + n_heads, chance)
        self.judge = (
            nn.Sequential(
                selu_linear(n_latent, n_latent, chance),
                nn.SELU(),
                selu_linear(n_latent, 1, chance),
            )
            if judged
            else None
        )

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Give the logits of the main head and of the others.

        Parameters
        ----------
        latents
            From the encoder, shape ``(n, n_latent)``.
        """
        logits = self.heads(latents)
        return logits[:, : self.n_classes], logits[:, self.n_classes :]
