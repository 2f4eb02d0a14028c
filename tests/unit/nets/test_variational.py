"""The free energy, its divergence and the robust losses have the values of the formulas."""

from __future__ import annotations

import math

import pytest
import torch

from eddyline.nets.variational import (
    Autoencoder,
    Variational,
    beta_constant,
    beta_loss,
    normal_divergence,
    welsch_loss,
)


def test_divergence_by_known_value() -> None:
    found = normal_divergence(torch.tensor([[0.5, -1.0]]), torch.tensor([[0.0, math.log(0.25)]]))

    assert float(found) == pytest.approx(0.943147, abs=1e-5)


def test_welsch_loss_by_known_values() -> None:
    squares = torch.tensor([0.0, 1.0, 10.0, 100.0, 1e6])
    expected = [0.0, 0.536476, 4.328163, 10.925883, 11.0]

    assert welsch_loss(squares, 0.1).tolist() == pytest.approx(expected, abs=1e-5)


def test_welsch_loss_stops_pushing_far_errors() -> None:
    error = torch.tensor([1.0, 30.0], requires_grad=True)
    welsch_loss(error**2, 0.1).sum().backward()

    assert error.grad is not None
    assert float(error.grad[0]) == pytest.approx(1.1 * math.exp(-0.05), abs=1e-4)
    assert float(error.grad[1]) < 1e-15


def test_published_constant_by_known_values() -> None:
    """26 for the published images, next to nothing for flows: the gradient vanishes with it."""
    assert beta_constant(784, 0.2, 0.006) == pytest.approx(25.742, abs=1e-3)
    assert beta_constant(122, 1.0, 0.1) == pytest.approx(1.352e-5, rel=1e-3)

    error = torch.full((1,), 3.0, requires_grad=True)
    beta_loss(error**2, 0.1, 1.0, 122).sum().backward()

    assert error.grad is not None
    assert float(error.grad[0]) < 1e-4


@pytest.mark.parametrize("n_maps", [0, 3])
def test_energy_at_rest_is_the_same_every_time(n_maps: int) -> None:
    net, rows = Variational(5, 7, 2, n_maps, seed=1), torch.randn(4, 5)

    assert torch.equal(net.free_energy(rows), net.free_energy(rows))
    assert not torch.equal(net.free_energy(rows, torch.ones(4, 2)), net.free_energy(rows))


def test_planar_maps_that_do_nothing_leave_the_one_sample_energy() -> None:
    """With maps of no length the divergence is log q0(z) - log p(z) at the mean."""
    net, rows = Variational(5, 7, 2, 1, seed=1), torch.randn(4, 5)
    assert net.maps is not None
    for parameter in net.maps.parameters():
        parameter.data.zero_()
    mean, log_variance = net.encoder(rows).split(2, dim=1)
    expected = 0.5 * (mean**2 - log_variance).sum(dim=1)

    # A direction of no length has a push of no length too: 0 * anything / tiny stays 0.
    assert torch.allclose(net.parts(rows, None)[1], expected, atol=1e-5)


def test_log_variances_are_held() -> None:
    net, rows = Variational(2, 3, 1, 0, seed=1), torch.full((1, 2), 1e6)

    assert torch.isfinite(net.free_energy(rows)).all()


def test_the_plain_autoencoder_has_no_prior() -> None:
    square, divergence = Autoencoder(5, 7, 2, seed=1).parts(torch.randn(4, 5), None)

    assert (square > 0).all()
    assert not divergence.any()


def test_same_seed_same_weights_other_seed_others() -> None:
    first, again, other = (Variational(5, 7, 2, 0, seed).encoder.frozen() for seed in (1, 1, 2))

    assert (first.layers[0][0] == again.layers[0][0]).all()
    assert not (first.layers[0][0] == other.layers[0][0]).any()
