"""Shake-Shake: golden values of every mode, its own gradients, and the block made of it."""

import pytest
import torch

from eddyline.errors import UsageError
from eddyline.nets.determinism import torch_generator
from eddyline.nets.shake import BRANCH_SCALE, ShakeBlock, ShakeMode, shake_sum


def golden() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Skip path and branches of the golden example."""
    rows = [[1.0, 2.0]], [[0.4, -0.2]], [[-1.0, 0.6]]
    x, first, second = (torch.tensor(r, dtype=torch.float64, requires_grad=True) for r in rows)
    return x, first, second


def one(value: float) -> torch.Tensor:
    return torch.full((1, 1), value, dtype=torch.float64)


@pytest.mark.parametrize(("there", "expected"), [(0.3, [0.42, 2.36]), (0.5, [0.7, 2.2])])
def test_the_sum_has_its_golden_values(there: float, expected: list[float]) -> None:
    """x + a F1 + (1 - a) F2 for a = 0.3 and for the even 0.5."""
    assert shake_sum(*golden(), one(there), one(0.8))[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("back", "to_first", "to_second"),
    [(0.8, [0.8, -1.6], [0.2, -0.4]), (0.3, [0.3, -0.6], [0.7, -1.4])],
    ids=["shake", "keep"],
)
def test_the_gradients_have_their_golden_values(
    back: float, to_first: list[float], to_second: list[float]
) -> None:
    """b g to the first branch, (1 - b) g to the second, g to the skip path."""
    x, first, second = golden()
    out = shake_sum(x, first, second, one(0.3), one(back))
    out.backward(torch.tensor([[1.0, -2.0]], dtype=torch.float64))

    grads = [tensor.grad[0].tolist() for tensor in (x, first, second) if tensor.grad is not None]
    assert grads[0] == pytest.approx([1.0, -2.0])
    assert grads[1] == pytest.approx(to_first)
    assert grads[2] == pytest.approx(to_second)


def test_kept_weights_give_the_true_gradient() -> None:
    """With b = a the gradient is that of the sum itself, as numbers show."""
    x, first, second = golden()
    there = torch.rand((1, 1), generator=torch_generator(0, "a"), dtype=torch.float64)

    def mixed(*rows: torch.Tensor) -> torch.Tensor:
        return shake_sum(rows[0], rows[1], rows[2], there, there)

    assert torch.autograd.gradcheck(mixed, (x, first, second))


@pytest.mark.parametrize("forward", ["even", "shake"])
@pytest.mark.parametrize("backward", ["even", "shake", "keep"])
@pytest.mark.parametrize("grain", ["sample", "batch"])
def test_every_mode_draws_what_it_says(forward: str, backward: str, grain: str) -> None:
    """Even weights are 0.5, kept ones equal those there, shaken ones differ by row or by batch."""
    mode = ShakeMode.parse(f"{forward}-{backward}-{grain}")
    there, back = mode.draw(50, torch_generator(1, "mix"))

    n_drawn = 50 if grain == "sample" else 1
    assert len(there.unique()) == (n_drawn if forward == "shake" else 1)
    assert bool((there == 0.5).all()) == (forward == "even")
    if backward == "keep":
        assert torch.equal(there, back)
    else:
        assert bool((back == 0.5).all()) == (backward == "even")
        assert len(back.unique()) == (n_drawn if backward == "shake" else 1)
    assert float(there.min()) >= 0
    assert float(back.max()) <= 1


def test_asking_mixes_evenly_whatever_the_mode() -> None:
    """Without a generator both weights are 0.5, so that the same rows give the same answer."""
    there, back = ShakeMode.parse("shake-shake").draw(9, None)
    block = ShakeBlock(16, torch_generator(0, "weights"), mode=ShakeMode(), rescale=False)
    rows = torch.randn(5, 16, generator=torch_generator(1, "rows"))
    hidden = torch.selu(block.inner(rows))
    even = rows + 0.5 * block.first(hidden[:, :16]) + 0.5 * block.second(hidden[:, 16:])

    assert (there.item(), back.item()) == (0.5, 0.5)
    torch.testing.assert_close(block(rows), even)


def test_the_rescaled_block_keeps_the_variance() -> None:
    """Rows of variance 1 leave a fresh block with variance near 1, thanks to the root of 1.5."""
    block = ShakeBlock(256, torch_generator(0, "weights"), mode=ShakeMode())
    out = block(torch.randn(2_000, 256, generator=torch_generator(1, "rows")))

    assert pytest.approx(1.5**-0.5) == BRANCH_SCALE
    assert out.var().item() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("text", ["shake", "shake-odd", "keep-even", "shake-even-row"])
def test_an_unknown_mode_is_refused(text: str) -> None:
    """A word that is none of the modes says which there are."""
    with pytest.raises(UsageError, match="shake"):
        ShakeMode.parse(text)
