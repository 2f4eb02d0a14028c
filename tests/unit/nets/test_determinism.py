"""Chance comes from seeds of its own, and global switches are put back."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

from eddyline.errors import UsageError
from eddyline.nets.determinism import deterministic, numpy_generator, seeded, torch_generator


@given(seed=st.integers(0, 2**32 - 1))
def test_a_seed_gives_the_same_numbers_again_and_others_for_another_purpose(seed: int) -> None:
    """Same seed and purpose, same numbers; another purpose, unrelated ones."""
    first = torch.rand(8, generator=torch_generator(seed, "weights"))
    again = torch.rand(8, generator=torch_generator(seed, "weights"))
    other = torch.rand(8, generator=torch_generator(seed, "dropout"))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_numpy_draws_by_seed_and_purpose_too() -> None:
    """numpy's generator follows the same rule."""
    first = numpy_generator(3, "split").random(8)

    assert np.array_equal(first, numpy_generator(3, "split").random(8))
    assert not np.array_equal(first, numpy_generator(4, "split").random(8))


def test_generators_leave_the_global_state_alone() -> None:
    """Making and using a generator of our own changes nothing for others."""
    before = torch.get_rng_state()
    torch.rand(8, generator=torch_generator(1, "weights"))
    with seeded(1, "layers"):
        torch.rand(8)

    assert torch.equal(before, torch.get_rng_state())


def test_seeded_repeats_what_global_drawing_gives() -> None:
    """A third party's layer gets the same weights for the same seed."""
    drawn = []
    for _ in range(2):
        with seeded(5, "layers"):
            drawn.append(torch.nn.Linear(3, 2).weight.detach())

    assert torch.equal(*drawn)


def test_the_context_sets_threads_and_strictness_and_puts_them_back() -> None:
    """The number of threads and the strict mode hold inside the block only, even when it raises."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with deterministic(threads=1):
        inside = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with pytest.raises(ZeroDivisionError), deterministic(threads=1):
        _ = 1 / 0

    assert inside == (1, True)
    assert before == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())


def test_impossible_arguments_are_refused() -> None:
    """Seeds and thread counts out of range say so."""
    with pytest.raises(UsageError, match="seed must be in"):
        torch_generator(-1, "weights")
    with pytest.raises(UsageError, match="threads must be >= 1"), deterministic(threads=0):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("module", ["nets.determinism", "classifiers.deep", "detectors.deep"])
def test_without_torch_the_error_names_the_extra(module: str) -> None:
    """A machine without torch is told what to install, whatever module it asks for."""
    program = (
        "import sys\n"
        "sys.modules['torch'] = None\n"
        "from eddyline.errors import MissingExtraError\n"
        "try:\n"
        f"    import eddyline.{module}\n"
        "except MissingExtraError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert "pip install 'eddyline[deep]'" in run.stdout
