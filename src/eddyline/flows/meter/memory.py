"""Memory of the meter: large pages, room to grow, buffers that are used again.

What belongs here: where arrays come from. What does not: what stands in them (``layout.py``).
"""

from __future__ import annotations

import logging
import math
import mmap
import weakref
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", np.int64, np.int32, np.float64, np.uint8)

LOGGER: Final = logging.getLogger("eddyline.meter")
LARGE_BYTES: Final = 1 << 21
"""Arrays from this size on stand in large pages."""
RESERVED_ROWS: Final = 1 << 21
"""Flows for which addresses are set aside, not memory: up to so many, growth copies no flow."""

MOST_SPARE: Final = 4
"""Buffers that wait to be used again."""


def zeros(shape: tuple[int, ...], dtype: type[Number]) -> NDArray[Number]:
    """Make an array of zeros that takes memory only where it is written to, in large pages if it can.

    A table of flows is read all over: large pages save the processor from looking up where each row
    stands, and the system from handing out its memory 4 kB at a time.

    Parameters
    ----------
    shape
        Shape of the array.
    dtype
        Type of its numbers.

    Raises
    ------
    OSError
        When the system does not give so many addresses.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LARGE_BYTES:
        return np.zeros(shape, dtype=dtype)
    return np.frombuffer(_map(size), dtype=dtype).reshape(shape)


def reserve(rows: int, columns: int, dtype: type[Number]) -> NDArray[Number]:
    """Make rows of zeros that ``lengthen`` can add to without copying, as far as addresses were reserved.

    Parameters
    ----------
    rows, columns
        Shape of the array.
    dtype
        Type of its numbers.
    """
    try:
        return zeros((max(rows, RESERVED_ROWS), columns), dtype)[:rows]
    except OSError:  # a limit on addresses: rows are copied when the table grows
        return np.zeros((rows, columns), dtype=dtype)


def lengthen(array: NDArray[Number], rows: int) -> NDArray[Number]:
    """Give an array more rows, zeros; the new ones cost no memory before they are used.

    Parameters
    ----------
    array
        One or two dimensions, in C order. It may be a part of what is given.
    rows
        More than it has.
    """
    shape = (rows, *array.shape[1:])
    whole, size = array.base, math.prod(shape)
    if isinstance(whole, np.ndarray) and whole.size >= size:
        return whole.reshape(-1)[:size].reshape(shape)
    longer = zeros(shape, array.dtype.type)
    longer[: len(array)] = array
    return longer


class Buffers:
    """Arrays for rows on their way out, whose memory is used again when nobody holds them any more.

    Fresh memory must be cleared by the system, which costs more than what is written into it.
    """

    def __init__(self) -> None:
        self._spare: list[mmap.mmap] = []

    def take(self, shape: tuple[int, int], dtype: type[Number]) -> NDArray[Number]:
        """Give an array of anything; it is the taker's until the last view of it is gone.

        Parameters
        ----------
        shape
            Shape of the array.
        dtype
            Type of its numbers.
        """
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size < LARGE_BYTES:
            return np.empty(shape, dtype=dtype)
        at = next((i for i, memory in enumerate(self._spare) if len(memory) >= size), None)
        memory = _map(size) if at is None else self._spare.pop(at)
        array = np.frombuffer(memory, dtype=dtype, count=math.prod(shape))
        weakref.finalize(array, _give_back, self._spare, memory).atexit = False
        return array.reshape(shape)


def _give_back(spare: list[mmap.mmap], memory: mmap.mmap) -> None:
    if len(spare) < MOST_SPARE:
        spare.append(memory)


def _map(size: int) -> mmap.mmap:
    """Map fresh memory, in large pages where the system has them."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            memory.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            LOGGER.debug("this system has no large pages")
    return memory
