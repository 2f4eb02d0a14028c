"""A flow goes back the way it came, tells its volume, and is a density."""

from __future__ import annotations

import pytest
import torch
from torch.func import jacrev

from eddyline.nets.coupling import CouplingFlow


def bent(width: int) -> CouplingFlow:
    """A flow whose last layers are not zero."""
    flow = CouplingFlow(width, 4, 8, seed=1)
    generator = torch.Generator().manual_seed(1)
    for parameter in flow.parameters():
        parameter.data.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return flow


@pytest.mark.parametrize("width", [2, 3, 6])
def test_inverse_gives_the_rows_back(width: int) -> None:
    flow, rows = bent(width), torch.randn(50, width)

    assert torch.allclose(flow.inverse(flow(rows)[0]), rows, atol=1e-4)


@pytest.mark.parametrize("width", [2, 5])
def test_log_determinant_is_that_of_the_jacobian(width: int) -> None:
    flow = bent(width)
    point = torch.linspace(-1.0, 1.0, width)
    matrix = jacrev(lambda values: flow(values[None])[0][0])(point)

    expected = float(torch.linalg.det(matrix.detach()).abs().log())

    assert float(flow(point[None])[1].detach()) == pytest.approx(expected, abs=1e-4)


def test_density_integrates_to_one() -> None:
    side = torch.linspace(-30.0, 30.0, 601)
    grid = torch.cartesian_prod(side, side)
    flow = CouplingFlow(2, 2, 8, seed=1)
    generator = torch.Generator().manual_seed(2)
    for parameter in flow.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    with torch.no_grad():
        total = float(torch.exp(-flow.energy(grid).double()).sum()) * 0.1**2

    assert total == pytest.approx(1.0, abs=0.01)


def test_a_fresh_flow_changes_nothing() -> None:
    rows = torch.randn(5, 4)

    assert torch.equal(CouplingFlow(4, 5, 8, seed=1)(rows)[0], rows)
