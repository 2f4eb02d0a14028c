"""Nets that predict the next token of a sequence, on torch.

What belongs here: their layers, and their weights as plain arrays. What does not: how they are trained
(``reading.py``), how they score (``recurrence.py``, without torch), and what a token is.

Token numbers: 0 pads, 1 is unknown, 2 begins a group, words follow.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

PAD: Final = 0
UNKNOWN: Final = 1
BEGIN: Final = 2
SPECIAL: Final = 3
"""Numbers that are no words."""

State = tuple[Tensor, ...]


class CausalNet(nn.Module):
    """Read a group once and predict every next token: embedding, one recurrent layer, softmax.

    Parameters
    ----------
    n_words
        Words beside the special numbers.
    cell
        ``"gru"`` or ``"lstm"``.
    embedding, hidden
        Widths of the embedding and of the state.
    dropout
        Share of the state dropped before the last layer.
    """

    def __init__(
        self,
        n_words: int,
        *,
        cell: str = "gru",
        embedding: int = 32,
        hidden: int = 64,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        n = n_words + SPECIAL
        self.embedding = nn.Embedding(n, embedding, padding_idx=PAD)
        layer = nn.GRU if cell == "gru" else nn.LSTM
        self.recurrent = layer(embedding, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, n)

    def forward(
        self, given: Tensor, state: State | Tensor | None
    ) -> tuple[Tensor, State | Tensor]:
        """Give the logits of what follows each token, and the state to go on from.

        Parameters
        ----------
        given
            Tokens, shape ``(B, T)``; the first of a group is ``BEGIN``.
        state
            State after the tokens before, or None at the beginning.
        """
        hidden, after = self.recurrent(self.embedding(given), state)
        return self.out(self.dropout(hidden)), after


class ConvolutionNet(nn.Module):
    """Predict every next token from the ten before it by two causal convolutions.

    Parameters
    ----------
    n_words
        Words beside the special numbers.
    embedding, hidden
        Widths of the embedding and of both layers.
    dropout
        Share dropped before the last layer.
    """

    KERNELS: Final = (4, 7)

    def __init__(
        self, n_words: int, *, embedding: int = 32, hidden: int = 64, dropout: float = 0.2
    ) -> None:
        super().__init__()
        n = n_words + SPECIAL
        self.embedding = nn.Embedding(n, embedding, padding_idx=PAD)
        self.first = nn.Conv1d(embedding, hidden, self.KERNELS[0])
        self.second = nn.Conv1d(hidden, hidden, self.KERNELS[1])
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, n)

    def forward(self, given: Tensor, state: State | Tensor | None) -> tuple[Tensor, Tensor]:
        """Give the logits of what follows each token, and the nine tokens to go on from.

        Parameters
        ----------
        given
            Tokens, shape ``(B, T)``; the first of a group is ``BEGIN``.
        state
            Last nine tokens before, shape ``(B, 9)``, or None at the beginning.
        """
        reach = sum(self.KERNELS) - 2
        before = state if isinstance(state, Tensor) else given.new_full((len(given), reach), BEGIN)
        whole = torch.cat([before, given], dim=1)
        hidden = torch.relu(self.first(self.embedding(whole).transpose(1, 2)))
        top = torch.relu(self.second(hidden)).transpose(1, 2)
        return self.out(self.dropout(top)), whole[:, -reach:]


class RectifiedLSTM(nn.Module):
    """An LSTM of one direction whose candidate and output are rectified; weights named as torch's.

    Its cell has no bound, so gradients must be clipped.

    Parameters
    ----------
    inputs, hidden
        Widths of the input and the state.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        shapes = ((4 * hidden, inputs), (4 * hidden, hidden), (4 * hidden,), (4 * hidden,))
        reach = hidden**-0.5  # as torch draws the weights of its own
        drawn = [nn.Parameter(torch.empty(shape).uniform_(-reach, reach)) for shape in shapes]
        self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh = drawn

    def forward(self, x: Tensor, live: Tensor) -> Tensor:
        """Give the state after the last live step, shape ``(B, H)``.

        Parameters
        ----------
        x
            Inputs, shape ``(B, T, inputs)``.
        live
            1 where a step counts, else 0, shape ``(B, T)``.
        """
        given = x @ self.weight_ih.T + self.bias_ih + self.bias_hh
        h = x.new_zeros(len(x), self.weight_hh.shape[1])
        c = torch.zeros_like(h)
        for t in range(x.shape[1]):
            i, f, g, o = (given[:, t] + h @ self.weight_hh.T).chunk(4, dim=1)
            fresh = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.relu(g)
            keep = live[:, t : t + 1]
            c = keep * fresh + (1 - keep) * c
            h = keep * torch.sigmoid(o) * torch.relu(fresh) + (1 - keep) * h
        return h


class WindowNet(nn.Module):
    """Predict a token from the ten before it by two bidirectional LSTM layers.

    Source: Radford et al., Network Traffic Anomaly Detection Using Recurrent Neural Networks, 2018
    (arXiv:1803.10769), with the sizes of the authors' code: embedding 100, twice 50 units each way, dropout
    0.2, a linear layer of 50 and a softmax. Both ways run over past tokens only, so nothing leaks.

    Parameters
    ----------
    n_words
        Words beside the special numbers.
    rectified
        True for rectifiers in the second layer's cells, as the code has; tanh by default.
    dropout
        Share dropped after each layer.
    """

    EMBEDDING: Final = 100
    HIDDEN: Final = 50

    def __init__(self, n_words: int, *, rectified: bool = False, dropout: float = 0.2) -> None:
        super().__init__()
        n = n_words + SPECIAL
        self.rectified = rectified
        self.embedding = nn.Embedding(n, self.EMBEDDING, padding_idx=PAD)
        self.lower = nn.LSTM(self.EMBEDDING, self.HIDDEN, batch_first=True, bidirectional=True)
        width = 2 * self.HIDDEN
        if rectified:
            self.forwards = RectifiedLSTM(width, self.HIDDEN)
            self.backwards = RectifiedLSTM(width, self.HIDDEN)
        else:
            self.upper = nn.LSTM(width, self.HIDDEN, batch_first=True, bidirectional=True)
        self.dense = nn.Linear(width, self.HIDDEN)
        self.out = nn.Linear(self.HIDDEN, n)
        self.dropout = nn.Dropout(dropout)

    def forward(self, windows: Tensor, lengths: Tensor) -> Tensor:
        """Give the logits of the token after each window, shape ``(B, V)``.

        Parameters
        ----------
        windows
            Tokens, right-padded, shape ``(B, T)``.
        lengths
            How many of each row are no padding, ``>= 1``.
        """
        pack = nn.utils.rnn.pack_padded_sequence
        unpack = nn.utils.rnn.pad_packed_sequence
        read = pack(self.embedding(windows), lengths, batch_first=True, enforce_sorted=False)
        inner, _ = unpack(self.lower(read)[0], batch_first=True)
        inner = self.dropout(inner)
        if self.rectified:
            live = (torch.arange(inner.shape[1])[None] < lengths[:, None]).to(inner.dtype)
            ends = [self.forwards(inner, live), self.backwards(inner.flip(1), live.flip(1))]
            top = torch.cat(ends, dim=1)
        else:
            packed = pack(inner, lengths, batch_first=True, enforce_sorted=False)
            top = torch.cat(list(self.upper(packed)[1][0]), dim=1)
        logits: Tensor = self.out(self.dropout(self.dense(self.dropout(top))))
        return logits


class ClozeNet(nn.Module):
    """Predict each flow's state and size class from the flows on both sides of it, never from itself.

    Source: Clausen, Grov, Aspinall, CBAM: A Contextual Model for Network Anomaly Detection, 2021
    (doi:10.3390/computers10060079). Two stacks of LSTM read forwards and backwards apart from each other and
    meet only at the top: stacked bidirectional layers would show the second layer the flow itself.

    Parameters
    ----------
    n_states, n_sizes, n_kinds
        States with the special numbers, size classes, and kinds of hosts.
    hidden
        Units of each layer.
    dropout
        Share dropped between the layers.
    """

    WIDTHS: Final = (10, 5, 5)

    def __init__(
        self, n_states: int, n_sizes: int, n_kinds: int, *, hidden: int = 50, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.state = nn.Embedding(n_states, self.WIDTHS[0])
        self.size = nn.Embedding(n_sizes + 1, self.WIDTHS[1])
        self.kind = nn.Embedding(n_kinds, self.WIDTHS[2])
        width = sum(self.WIDTHS)
        shape = {"num_layers": 2, "batch_first": True, "dropout": dropout}
        self.forwards = nn.LSTM(width, hidden, **shape)
        self.backwards = nn.LSTM(width, hidden, **shape)
        self.norm = nn.LayerNorm(2 * hidden)
        self.join = nn.Linear(2 * hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.state_head = nn.Linear(hidden, n_states)
        self.size_head = nn.Linear(hidden, n_sizes)

    def forward(
        self, states: Tensor, sizes: Tensor, kinds: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give the logits of state and size class of every flow, shapes ``(B, T, ...)``.

        Parameters
        ----------
        states, sizes
            Of each flow, shape ``(B, T + 2)``: the first stands before the session, the one after its last
            flow behind it; then padding.
        kinds
            Kind of the host, shape ``(B,)``.
        lengths
            Flows of each session, ``1 <= n <= T``.
        """
        kind = self.kind(kinds)[:, None].expand(-1, states.shape[1], -1)
        x = torch.cat([self.state(states), self.size(sizes), kind], dim=2)
        ahead = self.forwards(x)[0]
        places = torch.arange(states.shape[1])[None]
        turned = torch.where(places < lengths[:, None] + 2, lengths[:, None] + 1 - places, places)
        index = turned[:, :, None]
        behind = self.backwards(x.gather(1, index.expand(-1, -1, x.shape[2])))[0]
        behind = behind.gather(1, index.expand(-1, -1, behind.shape[2]))
        both = self.norm(torch.cat([ahead[:, :-2], behind[:, 2:]], dim=2))
        top = self.dropout(torch.relu(self.join(both)))
        return self.state_head(top), self.size_head(top)


def weights_of(net: nn.Module) -> dict[str, NDArray[np.float32]]:
    """Give every weight of a net as an array, by torch's name.

    Parameters
    ----------
    net
        The net.
    """
    return {name: value.detach().numpy().copy() for name, value in net.state_dict().items()}


def n_parameters(net: nn.Module) -> int:
    """Count the trained numbers of a net.

    Parameters
    ----------
    net
        The net.
    """
    return sum(weight.numel() for weight in net.parameters())
