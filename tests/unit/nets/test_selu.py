"""Self-normalising layers: golden values of the article, and mean 0 and variance 1 kept."""

import pytest
import torch

from eddyline.errors import UsageError
from eddyline.nets.determinism import torch_generator
from eddyline.nets.selu import (
    SELU_FLOOR,
    alpha_dropout,
    alpha_dropout_constants,
    draw_drops,
    selu_dropout,
    selu_linear,
)


@pytest.mark.parametrize(
    ("x", "expected"), [(-2.0, -1.5201664686), (-1.0, -1.1113307378), (0.5, 0.5253504937)]
)
def test_selu_has_its_golden_values(x: float, expected: float) -> None:
    """SELU's constants are those of the article."""
    given = selu_dropout(torch.tensor([x], dtype=torch.float64), 0.2, None)

    assert given.item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    ("rate", "scale", "shift"),
    [
        (0.2, 0.8789035834, 0.3090399621),
        (0.1, 0.9212845161, 0.1619709701),
        (0.05, 0.9548444760, 0.0839355722),
    ],
)
def test_alpha_dropout_has_its_golden_constants(rate: float, scale: float, shift: float) -> None:
    """The factor and the shift that put mean and variance back."""
    assert alpha_dropout_constants(rate) == pytest.approx((scale, shift), abs=1e-10)


def test_alpha_dropout_has_its_golden_values() -> None:
    """A kept and a dropped unit at 1 with rate 0.2."""
    x = torch.ones(2, dtype=torch.float64)
    given = alpha_dropout(x, torch.tensor([False, True]), 0.2)

    assert given.tolist() == pytest.approx([1.1879435456, -1.2361598486], abs=1e-10)


def test_activations_keep_mean_and_variance_through_layers() -> None:
    """Eight layers with dropout leave mean 0 and variance 1 nearly as they were."""
    chance = torch_generator(0, "weights")
    state = torch.randn(4_000, 200, generator=chance)
    for _ in range(8):
        state = selu_dropout(selu_linear(200, 200, chance)(state), 0.2, chance)

    assert abs(state.mean().item()) < 0.05
    assert state.var().item() == pytest.approx(1.0, abs=0.1)


def test_the_fused_step_equals_its_parts_forward_and_backward() -> None:
    """SELU with dropout in one step gives the values and the slopes of the two steps."""
    x = torch.randn(64, 32, generator=torch_generator(1, "x"))
    fused = x.clone().requires_grad_()
    plain = x.clone().requires_grad_()
    pull = torch.randn(64, 32, generator=torch_generator(2, "x"))
    dropped = draw_drops(x, 0.2, torch_generator(3, "drops")) < 0
    one = selu_dropout(fused, 0.2, torch_generator(3, "drops"))
    two = alpha_dropout(torch.selu(plain), dropped, 0.2)
    (one * pull).sum().backward()
    (two * pull).sum().backward()

    torch.testing.assert_close(one, two)
    torch.testing.assert_close(fused.grad, plain.grad, atol=1e-5, rtol=1e-5)


def test_a_dropped_unit_has_no_gradient() -> None:
    """What was dropped learns nothing: its slope is nought up to rounding."""
    x = torch.randn(1_000, generator=torch_generator(1, "x")).requires_grad_()
    out = selu_dropout(x, 0.5, torch_generator(2, "drops"))
    out.sum().backward()
    scale, shift = alpha_dropout_constants(0.5)
    dropped = torch.isclose(out, torch.tensor(scale * SELU_FLOOR + shift), atol=1e-6)

    assert 400 < int(dropped.sum()) < 600
    assert x.grad is not None
    assert float(x.grad[dropped].abs().max()) < 1e-5


def test_units_are_dropped_at_the_rate_and_by_the_generator() -> None:
    """The share dropped is the rate, and the same generator drops the same units."""
    like = torch.empty(999, 333)
    masks = [draw_drops(like, 0.2, torch_generator(5, "drops")) < 0 for _ in range(2)]

    assert masks[0].shape == like.shape
    assert masks[0].float().mean().item() == pytest.approx(0.2, abs=0.003)
    assert torch.equal(*masks)


def test_weights_come_from_the_generator_alone() -> None:
    """Weights have variance 1 / n_in, biases nought, and the global generator is not touched."""
    before = torch.get_rng_state()
    layer = selu_linear(400, 300, torch_generator(0, "weights"))

    assert layer.weight.var().item() == pytest.approx(1 / 400, rel=0.05)
    assert not layer.bias.any()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_an_impossible_rate_is_refused(rate: float) -> None:
    """A rate outside [0, 1) says so."""
    with pytest.raises(UsageError, match="dropout rate must be in"):
        alpha_dropout_constants(rate)
