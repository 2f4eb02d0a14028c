"""How nets of sequences are trained: batches of whole groups, of windows drawn by their count, of sessions.

What belongs here: the loop, its batches and what it remembers of the losses. What does not: layers
(``sequence.py``) and scores.

Epochs are counted in tokens that were seen, not in distinct windows: a few thousand distinct windows would
leave a net untrained. The weights of the lowest held-out loss are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from eddyline.nets.determinism import deterministic, numpy_generator, seeded
from eddyline.nets.sequence import BEGIN, PAD, CausalNet, ClozeNet, ConvolutionNet, WindowNet
from eddyline.nets.windows import Windows
from eddyline.tables import Floats, Integers

CHUNK: Final = 256
"""Tokens of a long group between two steps of the optimiser; the state goes on, its gradient does not."""

CLIP: Final = 1.0
"""Largest norm of a gradient."""

Batches = Callable[[int], Iterator[Tensor]]
"""From the number of the epoch to the losses of its batches, each to be stepped on."""


def train(
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    batches: Batches,
    held_out: Callable[[], float] | None,
    *,
    epochs: int,
    patience: int = 2,
) -> Floats:
    """Train a net and leave it with its best weights; give the loss of each epoch.

    Parameters
    ----------
    net
        The net; left in evaluation mode.
    optimiser
        Over the net's weights.
    batches
        See ``Batches``.
    held_out
        Gives the loss of data that is not trained on; None keeps the last weights.
    epochs
        Passes at the most, ``>= 1``.
    patience
        Epochs without a better held-out loss after which training ends.
    """
    losses: list[float] = []
    best, best_weights, waited = np.inf, None, 0
    for epoch in range(epochs):
        net.train()
        seen: list[float] = []
        for loss in batches(epoch):
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            nn.utils.clip_grad_norm_(net.parameters(), CLIP)
            optimiser.step()
            seen.append(float(loss.detach()))
        losses.append(float(np.mean(seen)))
        if held_out is None:
            continue
        net.eval()
        with torch.no_grad():
            now = held_out()
        waited = 0 if now < best else waited + 1
        if now < best:
            best = now
            best_weights = {name: value.clone() for name, value in net.state_dict().items()}
        if waited > patience:
            break
    if best_weights is not None:
        net.load_state_dict(best_weights)
    net.eval()
    return np.array(losses)


def train_causal(
    net: CausalNet | ConvolutionNet,
    words: Integers,
    offsets: Integers,
    *,
    held_out: tuple[Integers, Integers] | None,
    epochs: int,
    batch_tokens: int,
    rate: float,
    seed: int,
) -> Floats:
    """Train a net that reads whole groups; give the loss of each epoch.

    Parameters
    ----------
    net
        The net.
    words, offsets
        Token numbers of the groups, and where each starts.
    held_out
        The same of groups to watch, or None.
    epochs
        Passes at the most.
    batch_tokens
        Tokens of a batch, about.
    rate
        Learning rate of Adam.
    seed
        Start of the randomness of order and dropout.
    """
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    rng = numpy_generator(seed, "batches")

    def batches(epoch: int) -> Iterator[Tensor]:  # noqa: ARG001
        for chosen in _length_batches(offsets, batch_tokens, rng):
            for loss, _ in _chunks(net, *_padded(words, offsets, chosen)):
                yield loss

    def watch() -> float:
        assert_words, assert_offsets = held_out or (words, offsets)
        total, n = 0.0, 0
        for chosen in _length_batches(assert_offsets, 8192, None):
            for loss, count in _chunks(net, *_padded(assert_words, assert_offsets, chosen)):
                total, n = total + float(loss) * count, n + count
        return total / n

    with deterministic(), seeded(seed, "dropout"):
        return train(net, optimiser, batches, watch if held_out else None, epochs=epochs)


def train_windows(
    net: WindowNet,
    windows: Windows,
    held_out: Windows | None,
    *,
    epochs: int,
    steps: int,
    batch: int,
    count_power: float,
    seed: int,
) -> Floats:
    """Train a net on windows drawn by their count; give the loss of each epoch.

    Parameters
    ----------
    net
        The net.
    windows
        Distinct windows.
    held_out
        Windows to watch, or None.
    epochs
        Passes at the most.
    steps
        Batches of a pass.
    batch
        Windows of a batch.
    count_power
        A window is drawn in proportion to its count to this power: 1 is faithful, less holds back floods.
    seed
        Start of the randomness of draws and dropout.
    """
    optimiser = torch.optim.NAdam(net.parameters(), lr=2e-3, momentum_decay=4e-3)
    rng = numpy_generator(seed, "batches")
    weights = windows.counts**count_power
    edges = np.cumsum(weights / weights.sum())

    def batches(epoch: int) -> Iterator[Tensor]:  # noqa: ARG001
        for _ in range(steps):
            drawn = np.minimum(np.searchsorted(edges, rng.random(batch)), len(edges) - 1)
            yield _window_loss(net, windows, drawn, None)

    def watch() -> float:
        shown = held_out or windows
        every = np.arange(len(shown.targets))
        parts = [every[i : i + 4096] for i in range(0, len(every), 4096)]
        losses = [float(_window_loss(net, shown, part, shown.counts)) for part in parts]
        return float(np.average(losses, weights=[shown.counts[part].sum() for part in parts]))

    with deterministic(), seeded(seed, "dropout"):
        return train(net, optimiser, batches, watch if held_out else None, epochs=epochs)


def window_loss(net: WindowNet, windows: Windows) -> float:
    """Give the mean loss over all windows, each as often as it occurs.

    Parameters
    ----------
    net
        The net, in evaluation mode.
    windows
        Distinct windows.
    """
    with torch.no_grad(), deterministic():
        every = np.arange(len(windows.targets))
        return float(_window_loss(net, windows, every, windows.counts))


def _window_loss(
    net: WindowNet, windows: Windows, chosen: Integers, counts: Floats | None
) -> Tensor:
    """Give the mean loss of chosen windows, weighted by their counts if given."""
    lengths = torch.from_numpy(windows.lengths[chosen])
    longest = int(lengths.max())
    logits = net(torch.from_numpy(windows.contexts[chosen, :longest]), lengths)
    losses = nn.functional.cross_entropy(
        logits, torch.from_numpy(windows.targets[chosen]), reduction="none"
    )
    if counts is None:
        return losses.mean()
    weights = torch.from_numpy(counts[chosen]).to(losses.dtype)
    return (losses * weights).sum() / weights.sum()


def _length_batches(
    offsets: Integers, batch_tokens: int, rng: np.random.Generator | None
) -> Iterator[Integers]:
    """Give groups of about one length together; in a drawn order when there is a generator."""
    lengths = np.diff(offsets)
    ties = np.zeros(len(lengths)) if rng is None else rng.random(len(lengths))
    order = np.lexsort((ties, lengths))
    ends = np.cumsum(lengths[order])
    owner = (ends - 1) // batch_tokens
    cuts = np.flatnonzero(np.diff(owner)) + 1
    batches = np.split(order, cuts)
    turn = np.arange(len(batches)) if rng is None else rng.permutation(len(batches))
    for number in turn:
        yield batches[number]


def _padded(words: Integers, offsets: Integers, chosen: Integers) -> tuple[Tensor, Tensor]:
    """Lay chosen groups side by side: what is given and what follows, right-padded."""
    lengths = np.diff(offsets)[chosen]
    given = np.full((len(chosen), int(lengths.max())), PAD, dtype=np.int64)
    wanted = given.copy()
    live = np.arange(given.shape[1])[None] < lengths[:, None]
    places = (offsets[chosen][:, None] + np.arange(given.shape[1])[None])[live]
    wanted[live] = words[places]
    given[:, 0] = BEGIN
    given[:, 1:] = wanted[:, :-1]
    return torch.from_numpy(given), torch.from_numpy(wanted)


def _chunks(
    net: CausalNet | ConvolutionNet, given: Tensor, wanted: Tensor
) -> Iterator[tuple[Tensor, int]]:
    """Read groups chunk by chunk with the state carried over; give each chunk's mean loss and tokens."""
    state: Tensor | tuple[Tensor, ...] | None = None
    for start in range(0, given.shape[1], CHUNK):
        target = wanted[:, start : start + CHUNK]
        count = int((target != PAD).sum())
        logits, after = net(given[:, start : start + CHUNK], state)
        state = (
            after.detach() if isinstance(after, Tensor) else tuple(part.detach() for part in after)
        )
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1), target.flatten(), ignore_index=PAD
        )
        yield loss, count


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sessions of flows as numbers.

    Parameters
    ----------
    states, sizes
        State and size class of each flow, sessions end to end.
    kinds
        Kind of each session's host.
    offsets
        Where each session starts, and the end.
    """

    states: Integers
    sizes: Integers
    kinds: Integers
    offsets: Integers


def train_sessions(
    net: ClozeNet,
    sessions: Sessions,
    held_out: Sessions | None,
    ends: tuple[int, int, int],
    *,
    epochs: int,
    batch_flows: int,
    rate: float,
    seed: int,
) -> Floats:
    """Train the two-sided net; give the loss of each epoch.

    Parameters
    ----------
    net
        The net.
    sessions
        What to learn.
    held_out
        Sessions to watch, or None.
    ends
        States before and after a session, and the size class of both.
    epochs
        Passes at the most.
    batch_flows
        Flows of a batch, about.
    rate
        Learning rate of Adam, halved with each third of the passes.
    seed
        Start of the randomness of order and dropout.
    """
    optimiser = torch.optim.Adam(net.parameters(), lr=rate, weight_decay=5e-4)
    rng = numpy_generator(seed, "batches")

    def batches(epoch: int) -> Iterator[Tensor]:
        for group in optimiser.param_groups:
            group["lr"] = rate * 0.5 ** (3 * epoch // epochs)
        for chosen in _length_batches(sessions.offsets, batch_flows, rng):
            yield _session_loss(net, sessions, chosen, ends)

    def watch() -> float:
        shown = held_out or sessions
        parts = list(_length_batches(shown.offsets, 8192, None))
        losses = [float(_session_loss(net, shown, part, ends)) for part in parts]
        flows = [np.diff(shown.offsets)[part].sum() for part in parts]
        return float(np.average(losses, weights=flows))

    with deterministic(), seeded(seed, "dropout"):
        return train(net, optimiser, batches, watch if held_out else None, epochs=epochs)


def laid_out(
    sessions: Sessions, chosen: Integers, ends: tuple[int, int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Lay sessions side by side between their ends: states, sizes, kinds and lengths.

    Parameters
    ----------
    sessions
        All of them.
    chosen
        Which to take.
    ends
        States before and after a session, and the size class of both.
    """
    lengths = np.diff(sessions.offsets)[chosen]
    width = int(lengths.max()) + 2
    states = np.zeros((len(chosen), width), dtype=np.int64)
    sizes = np.full((len(chosen), width), ends[2], dtype=np.int64)
    column = np.arange(width)[None]
    live = (column >= 1) & (column <= lengths[:, None])
    places = (sessions.offsets[chosen][:, None] + column - 1)[live]
    states[live], sizes[live] = sessions.states[places], sessions.sizes[places]
    states[:, 0] = ends[0]
    states[np.arange(len(chosen)), lengths + 1] = ends[1]
    kinds, counts = torch.from_numpy(sessions.kinds[chosen]), torch.from_numpy(lengths)
    return torch.from_numpy(states), torch.from_numpy(sizes), kinds, counts


def _session_loss(
    net: ClozeNet, sessions: Sessions, chosen: Integers, ends: tuple[int, int, int]
) -> Tensor:
    """Give the mean over flows of both heads' losses."""
    states, sizes, kinds, lengths = laid_out(sessions, chosen, ends)
    state_logits, size_logits = net(states, sizes, kinds, lengths)
    live = torch.arange(state_logits.shape[1])[None] < lengths[:, None]
    first = nn.functional.cross_entropy(state_logits[live], states[:, 1:-1][live])
    return first + nn.functional.cross_entropy(size_logits[live], sizes[:, 1:-1][live])
