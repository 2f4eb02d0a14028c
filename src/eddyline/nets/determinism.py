"""Same seed, same threads, same bits: how every deep model draws chance and computes.

What belongs here: random generators made from a seed and a purpose, the context in which a net is trained or
asked, and the error for a machine without torch. What does not: what is drawn or trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from eddyline.errors import MissingExtraError, UsageError

try:
    import torch
except ModuleNotFoundError as error:
    _message = (
        "deep detectors and classifiers need torch, which is not installed "
        f"({error}); pip install 'eddyline[deep]'"
    )
    raise MissingExtraError(_message) from error

MAX_SEED: Final = 2**32 - 1
"""Largest seed, as for scikit-learn's estimators."""


def torch_generator(seed: int, purpose: str) -> torch.Generator:
    """Make a generator of its own for one purpose, without touching torch's global one.

    Two purposes of one seed give unrelated numbers, so drawing more for one never changes the other.

    Parameters
    ----------
    seed
        The model's seed, in [0, 2**32 - 1].
    purpose
        What is drawn, such as ``"weights"``, ``"dropout"`` or ``"batches"``.

    Raises
    ------
    UsageError
        When the seed is out of range.

    Examples
    --------
    >>> first, again = (torch_generator(7, "weights") for _ in range(2))
    >>> bool((torch.rand(3, generator=first) == torch.rand(3, generator=again)).all())
    True
    """
    generator = torch.Generator(device="cpu")
    generator.manual_seed(int(_sequence(seed, purpose).generate_state(1, np.uint64)[0] >> 1))
    return generator


def numpy_generator(seed: int, purpose: str) -> np.random.Generator:
    """Make numpy's generator for one purpose, unrelated to those of other purposes and of torch.

    Parameters
    ----------
    seed
        The model's seed, in [0, 2**32 - 1].
    purpose
        What is drawn, such as ``"split"``.

    Raises
    ------
    UsageError
        When the seed is out of range.
    """
    return np.random.default_rng(_sequence(seed, purpose).spawn(1)[0])


@contextmanager
def deterministic(*, threads: int = 1) -> Iterator[None]:
    """Compute with a stated number of threads and only by algorithms that repeat their bits.

    Both are global switches of torch, so they are set for the block and put back after it, also when it
    raises. The number of threads decides how sums are cut and so their last bits: a model compares equal
    only with one that was trained with as many. Not for use from several Python threads at once.

    Parameters
    ----------
    threads
        Threads inside one operation, ``>= 1``; 1 by default, for nets this small gain little from more
        and a shared machine loses by it.

    Raises
    ------
    UsageError
        When ``threads`` is below 1.
    """
    if threads < 1:
        message = f"threads must be >= 1, got {threads}; pass 1 for the repeatable default"
        raise UsageError(message)
    threads_before = torch.get_num_threads()
    strict_before = torch.are_deterministic_algorithms_enabled()
    warn_before = torch.is_deterministic_algorithms_warn_only_enabled()
    # Filling fresh memory with NaN costs a pass over it; our nets never read what they did not write.
    filling: Any = torch.utils.deterministic  # a module whose attribute mypy does not see
    fill_before = filling.fill_uninitialized_memory
    torch.set_num_threads(threads)
    filling.fill_uninitialized_memory = False
    torch.use_deterministic_algorithms(mode=True)
    try:
        yield
    finally:
        filling.fill_uninitialized_memory = fill_before
        torch.use_deterministic_algorithms(strict_before, warn_only=warn_before)
        torch.set_num_threads(threads_before)


@contextmanager
def seeded(seed: int, purpose: str) -> Iterator[None]:
    """Seed torch's global generator for a block and put its state back afterwards.

    Only for third-party layers that take no generator; our own draw from ``torch_generator``.

    Parameters
    ----------
    seed
        The model's seed, in [0, 2**32 - 1].
    purpose
        What the block draws.

    Raises
    ------
    UsageError
        When the seed is out of range.
    """
    state = torch_generator(seed, purpose).get_state()
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(state)
        yield


def _sequence(seed: int, purpose: str) -> np.random.SeedSequence:
    if not 0 <= seed <= MAX_SEED:
        message = f"seed must be in [0, {MAX_SEED}], got {seed}; pass a small whole number"
        raise UsageError(message)
    return np.random.SeedSequence([int(seed), *purpose.encode()])
