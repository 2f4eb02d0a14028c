"""The loop: it judges when it says, keeps the best weights, stops, and refuses endless losses."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from eddyline.errors import DataError, UsageError
from eddyline.nets.determinism import torch_generator
from eddyline.nets.selu import selu_linear
from eddyline.nets.training import Judgement, Schedule, flat_weights, load_weights, train


def line() -> torch.nn.Linear:
    """A net of two weights and a bias."""
    return selu_linear(2, 1, torch_generator(0, "weights"))


def pull(net: torch.nn.Linear) -> torch.Tensor:
    """A loss that falls as the weights near 3."""
    return (net.weight - 3.0).square().mean()


def test_training_moves_the_weights_and_lowers_the_loss() -> None:
    """The curve falls and the weights go where the loss wants them."""
    net = line()
    before = flat_weights(net)
    adam = torch.optim.Adam(net.parameters(), lr=0.1)
    history = train(net, adam, lambda _: pull(net), Schedule(updates=200, every=50))

    assert not np.allclose(before[:2], flat_weights(net)[:2])
    assert history.updates == [50, 100, 150, 200]
    assert history.losses[0] > 100 * history.losses[-1]
    assert history.table().shape == (4, 2)


def test_the_best_weights_are_kept_and_patience_ends_it() -> None:
    """The weights of the best judgement come back, two worse judgements after it end the training."""
    net = line()
    seen: list[np.ndarray] = []
    scores = iter([0.1, 0.9, 0.5, 0.4, 0.8])

    def judge() -> Judgement:
        seen.append(flat_weights(net))
        return Judgement(next(scores), 0.0)

    adam = torch.optim.Adam(net.parameters(), lr=0.1)
    schedule = Schedule(updates=100, every=10, patience=2)
    history = train(net, adam, lambda _: pull(net), schedule, judge=judge)

    assert history.updates == [10, 20, 30, 40]
    assert history.best == 1
    assert np.array_equal(flat_weights(net), seen[1])
    assert history.table()[:, 3].tolist() == [0.1, 0.9, 0.5, 0.4]


def test_the_last_update_is_judged_and_watched_too() -> None:
    """A number of updates that is no multiple ends with a judgement of the rest."""
    net = line()
    watched: list[int] = []
    adam = torch.optim.Adam(net.parameters(), lr=0.1)
    train(net, adam, lambda _: pull(net), Schedule(updates=25, every=10), watch=watched.append)

    assert watched == [10, 20, 25]


def test_long_gradients_are_clipped() -> None:
    """A step of plain descent is no longer than the clip times the rate."""
    net = line()
    before = flat_weights(net)
    descent = torch.optim.SGD(net.parameters(), lr=1.0)
    train(net, descent, lambda _: 1e6 * pull(net), Schedule(updates=1, clip=0.5))

    assert np.linalg.norm(flat_weights(net) - before) == pytest.approx(0.5, rel=1e-3)


def test_an_endless_loss_is_refused() -> None:
    """A loss that is no number ends the training with an error and not with a model."""
    net = line()
    adam = torch.optim.Adam(net.parameters(), lr=0.1)
    with pytest.raises(DataError, match="must stay finite"):
        train(net, adam, lambda _: pull(net) * float("nan"), Schedule(updates=5, every=5))


def test_weights_come_and_go_as_one_array() -> None:
    """Weights put back give the same net; too few or endless ones are refused."""
    net, other = line(), selu_linear(2, 1, torch_generator(9, "weights"))
    load_weights(other, flat_weights(net))

    assert np.array_equal(flat_weights(other), flat_weights(net))
    with pytest.raises(DataError, match="takes 3 finite weights"):
        load_weights(other, flat_weights(net)[:2])
    with pytest.raises(DataError, match="takes 3 finite weights"):
        load_weights(other, np.full(3, np.inf, dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "value"), [("updates", 0), ("every", 0), ("patience", 0), ("clip", 0.0)]
)
def test_an_impossible_schedule_is_refused(name: str, value: float) -> None:
    """Numbers out of range say so."""
    given: dict[str, Any] = {name: value}

    with pytest.raises(UsageError, match=name):
        replace(Schedule(), **given)
