"""Which flows a model was trained on, as a filter that knows them again without holding them.

What belongs here: making the filter, asking it, its arrays. What does not: which columns tell one flow from
another (``supervised.py``).

A Bloom filter holds ten bits a flow: a flow that was trained on is always known again, another one passes
for known with a chance of one in a hundred. Above ``MOST`` flows it holds every second, fourth … of them, by
their digests, and asks for the same ones only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import DataError, ModelError

BITS: Final = 10
"""Bits a flow."""

HASHES: Final = 7
"""Places of a flow: ten bits and seven places leave a chance of 0.8 % that a strange flow is known."""

MOST: Final = 2_000_000
"""Most flows that are held, 2.5 MB."""

CERTAIN: Final = 5.0
"""Standard deviations by which known flows must exceed the chance hits."""

Digests = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Seen:
    """How many of some flows a model was trained on.

    Parameters
    ----------
    n_asked
        Flows that were asked for.
    n_known
        Those of them that the filter knows, chance hits among them.
    chance
        Share of strange flows that it takes for known.
    """

    n_asked: int
    n_known: int
    chance: float

    @property
    def share(self) -> float:
        """Estimated share of the flows that were trained on, chance hits taken off."""
        if not self.n_asked:
            return 0.0
        raw = self.n_known / self.n_asked
        return max(0.0, (raw - self.chance) / (1 - self.chance))

    @property
    def certain(self) -> bool:
        """True when so many known flows are no chance."""
        usual = self.n_asked * self.chance
        return self.n_known > usual + CERTAIN * math.sqrt(usual) and self.n_known > 0

    def sentence(self, name: str) -> str:
        """Give the warning, or nothing where there is none to give.

        Parameters
        ----------
        name
            Of the model.
        """
        if not self.certain:
            return ""
        return (
            f"{name} was trained on {self.share:.0%} of these flows (1 in {1 / self.chance:,.0f} strange "
            f"ones would be taken for such): figures on them are too good; judge flows that it has not seen"
        )


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """A Bloom filter over digests of flows.

    Parameters
    ----------
    bits
        The filter, uint8, shape ``(m,)``.
    every
        Of so many flows one is held, a power of two.
    n_flows
        Flows that are held.
    """

    bits: NDArray[np.uint8]
    every: int
    n_flows: int

    @classmethod
    def of(cls, digests: Digests) -> Self:
        """Make the filter.

        Parameters
        ----------
        digests
            From ``digest``, one a flow, at least one.
        """
        every = 1
        while len(digests) > MOST * every:
            every *= 2
        held = _drawn(digests, every)
        n_bytes = max(8, -(-BITS * len(held) // 8))
        bits = np.zeros(n_bytes, np.uint8)
        for places in _places(held, n_bytes * 8):
            np.bitwise_or.at(bits, places >> 3, (1 << (places & 7)).astype(np.uint8))
        return cls(bits, every, len(held))

    def ask(self, digests: Digests) -> Seen:
        """Tell how many flows the filter knows.

        Parameters
        ----------
        digests
            From ``digest``, one a flow.
        """
        asked = _drawn(digests, self.every)
        known = np.ones(len(asked), np.bool_)
        for places in _places(asked, len(self.bits) * 8):
            known &= (self.bits[places >> 3] >> (places & 7).astype(np.uint8)) & 1 == 1
        full = float(np.unpackbits(self.bits).mean())
        return Seen(len(asked), int(known.sum()), max(full**HASHES, 1e-6))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the filter as plain arrays."""
        return {"bits": self.bits, "told": np.array([self.every, self.n_flows], np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Build the filter from its arrays.

        Parameters
        ----------
        arrays
            What ``to_arrays`` gave, checked before use.

        Raises
        ------
        ModelError
            When no training could have left them.
        """
        bits, told = (np.asarray(arrays.get(name, np.zeros(0))) for name in ("bits", "told"))
        sound = bits.dtype == np.uint8 and bits.ndim == 1 and bits.size >= 8
        sound &= told.dtype == np.int64 and told.shape == (2,) and bool((told > 0).all())
        if not sound or int(told[0]) & (int(told[0]) - 1):
            message = (
                f"the filter of flows trained on must hold bits and two counts, holds {bits.dtype} "
                f"{bits.shape} and {told.tolist()}; train the model again"
            )
            raise ModelError(message)
        return cls(bits, int(told[0]), int(told[1]))


def digest(texts: Sequence[NDArray[Any]], numbers: Sequence[NDArray[Any]]) -> Digests:
    """Give 64 bits for each flow, from what tells one flow from another.

    Parameters
    ----------
    texts
        Columns of text, each shape ``(n,)``.
    numbers
        Columns of whole numbers, each shape ``(n,)``.

    Raises
    ------
    DataError
        When the columns differ in length.
    """
    lengths = {len(column) for column in (*texts, *numbers)}
    if len(lengths) != 1:
        message = (
            f"columns must have one length, got {sorted(lengths)}; give them of the same flows"
        )
        raise DataError(message)
    mixed = np.zeros(lengths.pop(), np.uint64)
    for column in texts:
        names, codes = np.unique(np.asarray(column).astype(np.str_), return_inverse=True)
        each = np.array(
            [int.from_bytes(blake2b(str(n).encode(), digest_size=8).digest()) for n in names],
            np.uint64,
        )
        mixed = _mixed(mixed ^ each[codes])
    for column in numbers:
        mixed = _mixed(mixed ^ np.asarray(column).astype(np.int64).view(np.uint64))
    return mixed


def _mixed(values: Digests) -> Digests:
    """Spread every bit over all (the finaliser of SplitMix64; Steele, Lea, Flood, 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _drawn(digests: Digests, every: int) -> Digests:
    return digests[_mixed(digests) % np.uint64(every) == 0] if every > 1 else digests


def _places(digests: Digests, n_bits: int) -> list[NDArray[np.int64]]:
    """Give the places of each flow: two hashes make all (Kirsch, Mitzenmacher, 2006)."""
    first, second = digests, _mixed(digests) | np.uint64(1)
    return [
        ((first + np.uint64(i) * second) % np.uint64(n_bits)).astype(np.int64)
        for i in range(HASHES)
    ]
