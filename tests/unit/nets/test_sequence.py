"""Nets of sequences have the published sizes, keep to the past, and score without torch as with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from eddyline.nets.cloze import CLOZE, HEADS, SIDE, TOP, cloze_arrays, session_surprises
from eddyline.nets.determinism import seeded
from eddyline.nets.plain import CAUSAL, WINDOW, causal_arrays, window_arrays
from eddyline.nets.reading import Sessions, laid_out, window_loss
from eddyline.nets.recurrence import (
    conv_surprises,
    gru_surprises,
    lstm_surprises,
    window_surprises,
)
from eddyline.nets.sequence import (
    BEGIN,
    SPECIAL,
    CausalNet,
    ClozeNet,
    ConvolutionNet,
    WindowNet,
    n_parameters,
    weights_of,
)
from eddyline.nets.windows import cut_windows

V = 20


def causal(cell: str) -> CausalNet | ConvolutionNet:
    with seeded(3, "weights"):
        net = ConvolutionNet(V) if cell == "conv10" else CausalNet(V, cell=cell)
    return net.eval()


def by_torch(net: nn.Module, words: np.ndarray, cut: int = 10**9) -> np.ndarray:
    """Give -ln p of each word of one group, read in parts of ``cut`` with the state carried over."""
    given = torch.from_numpy(np.append(BEGIN, words[:-1]))[None]
    state, parts = None, []
    with torch.no_grad():
        for start in range(0, len(words), cut):
            logits, state = net(given[:, start : start + cut], state)
            parts.append(logits[0])
    log_p = torch.log_softmax(torch.cat(parts), dim=1)
    return -log_p[torch.arange(len(words)), torch.from_numpy(words)].numpy()


def by_loop(net: nn.Module, cell: str, words: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    arrays = causal_arrays(weights_of(net), cell)
    table, recurrent, bias, out, out_bias = (arrays[name] for name in CAUSAL)
    scores, logits = np.empty(len(words)), np.empty(len(out_bias), np.float32)
    if cell == "lstm":
        lstm_surprises(words, offsets, BEGIN, table, recurrent, (out, out_bias), scores, logits)
    else:
        read = gru_surprises if cell == "gru" else conv_surprises
        read(words, offsets, BEGIN, table, recurrent, bias, (out, out_bias), scores, logits)
    return scores


def some_words(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(SPECIAL, SPECIAL + V, n)


def test_published_parameter_counts() -> None:
    """135,010 at 60 words with one bias a gate and the paper's ids; torch has two biases, we two ids more."""
    for n_words, published in ((60, 135_010), (1000, 276_950)):
        assert n_parameters(WindowNet(n_words)) == published + 800 + 2 * 151 + 51

    assert n_parameters(WindowNet(60, rectified=True)) == n_parameters(WindowNet(60))
    assert n_parameters(CausalNet(60)) == 24_927


@pytest.mark.parametrize("cell", ["gru", "lstm", "conv10"])
def test_loops_score_as_torch_does(cell: str) -> None:
    net, words = causal(cell), some_words(700)

    np.testing.assert_allclose(
        by_loop(net, cell, words, np.array([0, 700])), by_torch(net, words), atol=1e-5
    )


@pytest.mark.parametrize("cell", ["gru", "lstm", "conv10"])
def test_chunks_with_the_state_carried_over_are_one_pass(cell: str) -> None:
    net, words = causal(cell), some_words(700, 1)

    np.testing.assert_allclose(by_torch(net, words, 256), by_torch(net, words), atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm", "conv10"])
def test_a_token_changes_only_what_comes_after(cell: str) -> None:
    """Predictions up to and for the changed token keep their bits; a prefix has the prefix of the scores."""
    net, words = causal(cell), some_words(60, 2)
    other = words.copy()
    other[30] = SPECIAL + (words[30] - SPECIAL + 1) % V
    first, second = (by_loop(net, cell, w, np.array([0, 60])) for w in (words, other))
    prefix = by_loop(net, cell, words[:25], np.array([0, 25]))

    assert np.array_equal(first[:30], second[:30])
    assert not np.array_equal(first[31:], second[31:])
    assert np.array_equal(prefix, first[:25])


@pytest.mark.parametrize("cell", ["gru", "lstm", "conv10"])
def test_groups_beside_change_nothing(cell: str) -> None:
    net, words = causal(cell), some_words(60, 3)
    together = by_loop(net, cell, words, np.array([0, 7, 8, 60]))
    alone = [
        by_loop(net, cell, words[a:b], np.array([0, b - a])) for a, b in ((0, 7), (7, 8), (8, 60))
    ]

    assert np.array_equal(together, np.concatenate(alone))


def test_two_convolutions_see_ten_tokens() -> None:
    net, words = causal("conv10"), some_words(60, 4)
    base = by_loop(net, "conv10", words, np.array([0, 60]))
    changed = words.copy()
    changed[20] = SPECIAL + (words[20] - SPECIAL + 5) % V
    scores = by_loop(net, "conv10", changed, np.array([0, 60]))

    assert np.array_equal(scores[31:], base[31:])
    assert scores[30] != base[30]


def test_windows_are_the_ten_tokens_before() -> None:
    """The first token has an empty context; with eleven before, the oldest has fallen out."""
    words = np.arange(SPECIAL, SPECIAL + 13)
    windows = cut_windows(words, np.array([0, 13]))
    contexts = windows.contexts[windows.place]

    assert contexts[0].tolist() == [BEGIN] + [0] * 10
    assert contexts[2].tolist() == [BEGIN, 3, 4] + [0] * 8
    assert contexts[10].tolist() == [BEGIN, *range(3, 13)]
    assert contexts[11].tolist() == [BEGIN, *range(4, 14)]
    assert windows.targets[windows.place].tolist() == words.tolist()
    assert windows.lengths[windows.place].tolist() == [*range(1, 11), 11, 11, 11]


def test_the_follow_up_leaves_out_the_first_of_a_group() -> None:
    windows = cut_windows(np.array([3, 4, 5, 6]), np.array([0, 3, 4]), score_first=False)

    assert sorted(windows.targets.tolist()) == [4, 5]
    assert (windows.place < 0).tolist() == [True, False, False, True]
    assert windows.counts.sum() == 2


def test_equal_windows_count_once_and_weigh_as_often_as_they_occur() -> None:
    words, offsets = some_words(3, 5).repeat(400), np.arange(0, 1201, 30)
    windows = cut_windows(words, offsets)
    with seeded(0, "weights"):
        net = WindowNet(V).eval()
    scores = window_scores(net, words, offsets, rectified=False)

    assert windows.counts.sum() == len(words) > 10 * len(windows.counts)
    assert window_loss(net, windows) == pytest.approx(scores.mean(), abs=1e-5)


def window_scores(
    net: WindowNet, words: np.ndarray, offsets: np.ndarray, *, rectified: bool
) -> np.ndarray:
    part = window_arrays(weights_of(net), rectified=rectified)
    windows = cut_windows(words, offsets)
    scores = np.empty(len(windows.targets))
    window_surprises(
        *(windows.contexts, windows.lengths, windows.targets),
        (part["lower_table_0_"], part["lower_table_1_"]),
        (part["lower_state_0_"], part["lower_state_1_"]),
        tuple(part[f"upper_{kind}_{way}_"] for way in (0, 1) for kind in ("in", "bias", "state")),
        tuple(part[name] for name in WINDOW[-4:]),
        *(rectified, scores, np.empty(V + SPECIAL, np.float32)),
    )
    return scores[windows.place]


@pytest.mark.parametrize("rectified", [False, True])
def test_windows_score_as_torch_does_however_they_are_padded(rectified: bool) -> None:
    with seeded(1, "weights"):
        net = WindowNet(V, rectified=rectified).eval()
    words = some_words(40, 6)
    windows = cut_windows(words, np.array([0, 1, 40]))
    padded = np.pad(windows.contexts, ((0, 0), (0, 5)))
    with torch.no_grad():
        logits = net(torch.from_numpy(padded), torch.from_numpy(windows.lengths))
    log_p = torch.log_softmax(logits, dim=1)
    expected = -log_p[torch.arange(len(log_p)), torch.from_numpy(windows.targets)].numpy()

    np.testing.assert_allclose(
        window_scores(net, words, np.array([0, 1, 40]), rectified=rectified),
        expected[windows.place],
        atol=1e-5,
    )


def sessions() -> tuple[Sessions, tuple[int, int, int]]:
    rng = np.random.default_rng(7)
    states, sizes = rng.integers(4, 12, 40), rng.integers(0, 3, 40)
    return Sessions(states, sizes, np.array([0, 1, 0]), np.array([0, 1, 15, 40])), (2, 3, 3)


def cloze() -> ClozeNet:
    with seeded(2, "weights"):
        return ClozeNet(12, 3, 2).eval()


def cloze_scores(net: ClozeNet, given: Sessions, ends: tuple[int, int, int]) -> np.ndarray:
    part = cloze_arrays(weights_of(net))
    scores = np.zeros((len(given.states), 2))
    session_surprises(
        *((given.states, given.sizes), given.kinds, given.offsets, ends),
        tuple(tuple(part[f"{name}_{way}_"] for name in SIDE) for way in (0, 1)),
        tuple(part[f"{name}_"] for name in TOP),
        tuple(part[f"{name}_"] for name in HEADS),
        *(scores, np.empty(12, np.float32), 1000),
    )
    assert set(part) == set(CLOZE)
    return scores


def test_sessions_score_as_torch_does() -> None:
    given, ends = sessions()
    net = cloze()
    states, sizes, kinds, lengths = laid_out(given, np.arange(3), ends)
    with torch.no_grad():
        heads = net(states, sizes, kinds, lengths)
    live = torch.arange(states.shape[1] - 2)[None] < lengths[:, None]
    wanted = (states[:, 1:-1], sizes[:, 1:-1])
    expected = [
        nn.functional.cross_entropy(head[live], target[live], reduction="none").numpy()
        for head, target in zip(heads, wanted, strict=True)
    ]

    np.testing.assert_allclose(cloze_scores(net, given, ends), np.stack(expected, 1), atol=1e-5)


def test_a_flow_is_never_told_from_itself() -> None:
    """Changing a flow leaves the prediction for it as it was, and changes those on both sides."""
    given, ends = sessions()
    net = cloze()
    states, sizes, kinds, lengths = laid_out(given, np.arange(3), ends)
    other_states, other_sizes = states.clone(), sizes.clone()
    other_states[2, 9] = 4 + (states[2, 9] - 3) % 8
    other_sizes[2, 9] = (sizes[2, 9] + 1) % 3
    with torch.no_grad():
        before = net(states, sizes, kinds, lengths)[0][2]
        after = net(other_states, other_sizes, kinds, lengths)[0][2]

    assert torch.equal(before[8], after[8])
    assert not torch.equal(before[7], after[7])
    assert not torch.equal(before[9], after[9])
