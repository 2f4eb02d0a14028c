"""Losses that pull two batches together: golden values, gradients, and what they do not see."""

import math

import pytest
import torch
from hypothesis import given, strategies as st

from eddyline.errors import UsageError
from eddyline.nets.cmd import cmd, cmd_terms, deep_coral, reversal_weight, reverse_gradient
from eddyline.nets.determinism import torch_generator

X = torch.tensor([[0, 1], [0.5, 0.5], [1, 0], [0.25, 0.75]], dtype=torch.float64)
Y = torch.tensor([[0, 0.5], [0.5, 0.25], [0.5, 0], [1, 0.25]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("span", "terms", "total"),
    [
        (1.0, [0.31868872, 0.10611779, 0.03107403, 0.03270887, 0.01416134], 0.50275076),
        (2.0, [0.15934436, 0.02652945, 0.00388425, 0.00204430, 0.00044254], 0.19224491),
    ],
)
def test_cmd_has_its_golden_values(span: float, terms: list[float], total: float) -> None:
    """Each moment's term, and their sum, for intervals of length 1 and 2."""
    assert cmd_terms(X, Y, span=span).tolist() == pytest.approx(terms, abs=1e-8)
    assert cmd(X, Y, span=span).item() == pytest.approx(total, abs=1e-8)


def test_cmd_of_a_batch_with_itself_is_nought() -> None:
    """Equal batches are not apart."""
    assert cmd(X, X).item() < 1e-5


def test_gradients_agree_with_numbers() -> None:
    """The gradients of all losses are the slopes that small steps show."""
    rows = torch.rand(6, 3, generator=torch_generator(0, "x"), dtype=torch.float64)
    others = torch.rand(5, 3, generator=torch_generator(1, "x"), dtype=torch.float64)
    weights = torch.tensor([1.0, 2.0, 3.0, 1.0, 0.5, 0.0], dtype=torch.float64)
    pair = rows.requires_grad_(), others.requires_grad_()

    assert torch.autograd.gradcheck(lambda a, b: cmd(a, b), pair)
    assert torch.autograd.gradcheck(lambda a, b: cmd(a, b, weights=weights), pair)
    assert torch.autograd.gradcheck(deep_coral, pair)


@given(repeats=st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(lambda r: sum(r) > 0))
def test_a_weight_counts_as_repeated_rows(repeats: list[int]) -> None:
    """A source row of weight w stands for w equal rows."""
    counts = torch.tensor(repeats)
    repeated = X.repeat_interleave(counts, dim=0)

    weighted = cmd(X, Y, weights=counts.double())
    assert weighted.item() == pytest.approx(cmd(repeated, Y).item(), abs=1e-9)


@given(seed=st.integers(0, 100))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    """CMD compares distributions and not rows."""
    order = torch.randperm(4, generator=torch_generator(seed, "order"))

    assert cmd(X[order], Y).item() == pytest.approx(cmd(X, Y).item(), abs=1e-12)


def test_coral_compares_covariances_only() -> None:
    """A shift of all rows is not seen, another spread is: ((4 - 1) var)^2 / 4 for one column."""
    column = torch.tensor([[0.0], [1.0], [2.0]])

    assert deep_coral(column, column + 7).item() == pytest.approx(0.0, abs=1e-6)
    assert deep_coral(column, 2 * column).item() == pytest.approx(9 / 4)


def test_the_reversed_gradient_turns_round() -> None:
    """Rows pass unchanged; their gradient comes back with the other sign and the weight."""
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    out = reverse_gradient(x, 0.5)
    out.backward(torch.tensor([1.0, 4.0]))

    assert torch.equal(out, x)
    assert x.grad is not None
    assert x.grad.tolist() == [-0.5, -2.0]


def test_the_reversal_rises_from_nought_to_one() -> None:
    """0 at the start, 2 / (1 + e^-5) - 1 half-way, nearly 1 at the end."""
    assert reversal_weight(0.0) == 0.0
    assert reversal_weight(0.5) == pytest.approx(2 / (1 + math.exp(-5)) - 1)
    assert reversal_weight(1.0) > 0.9999


def test_impossible_moments_are_refused() -> None:
    """No moments and no span say so."""
    with pytest.raises(UsageError, match="moments >= 1"):
        cmd(X, Y, moments=0)
    with pytest.raises(UsageError, match="span > 0"):
        cmd(X, Y, span=0.0)
