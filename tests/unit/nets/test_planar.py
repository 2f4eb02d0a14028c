"""Planar maps have the published values, stay invertible, and their log-determinants are true."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, strategies as st
from torch.func import jacrev

from eddyline.nets.planar import PlanarFlow, invertible_push, planar_map

numbers = st.floats(-5, 5)


def test_map_by_known_values() -> None:
    mapped, log_volume = planar_map(
        torch.tensor([[0.3, -0.4]]),
        torch.tensor([0.5, 0.25]),
        torch.tensor([1.0, 2.0]),
        torch.tensor(0.1),
    )

    assert mapped[0].tolist() == pytest.approx([0.110026, -0.494987], abs=1e-5)
    assert float(log_volume) == pytest.approx(0.618229, abs=1e-5)


def test_constraint_by_known_values() -> None:
    direction = torch.tensor([[1.0, 2.0]])
    push = invertible_push(torch.tensor([[-2.0, 0.0]]), direction)

    assert push[0].tolist() == pytest.approx([-1.77461, 0.45077], abs=1e-4)
    assert float((push * direction).sum()) == pytest.approx(-0.87307, abs=1e-4)


@given(st.tuples(numbers, numbers), st.tuples(numbers, numbers))
def test_constraint_keeps_every_map_invertible(
    push: tuple[float, float], direction: tuple[float, float]
) -> None:
    way = torch.tensor([direction], dtype=torch.float64)
    product = (invertible_push(torch.tensor([push], dtype=torch.float64), way) * way).sum()

    assert float(product) > -1.0 - 1e-9


def test_log_determinant_is_that_of_the_jacobian() -> None:
    flow = PlanarFlow(3, 4, seed=1)
    for parameter in flow.parameters():
        parameter.data.mul_(100.0)
    code = torch.tensor([[0.5, -1.0, 0.2]])
    matrix = jacrev(lambda point: flow(point[None])[0][0])(code[0])

    expected = float(torch.linalg.det(matrix.detach()).abs().log())

    assert float(flow(code)[1].detach()) == pytest.approx(expected, abs=1e-4)
