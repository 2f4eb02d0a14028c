"""Memory of the meter: room to grow, rows made ready ahead of use, buffers that are used again.

What belongs here: where arrays come from. What does not: what stands in them (``layout.py``).

Flows stand in small pages on purpose. Large ones are faster where the system holds clean memory for them,
but in a virtual machine whose free memory has gone back to its host a megabyte of them costs milliseconds.
The hash table, a twentieth of the memory and what every packet looks at first, stands in large ones.
"""

from __future__ import annotations

import logging
import math
import mmap
import sys
import weakref
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", np.int64, np.int32, np.float64, np.uint8)

LOGGER: Final = logging.getLogger("eddyline.meter")
LARGE_BYTES: Final = 1 << 21
"""Arrays from this size on have memory of their own."""
RESERVED_ROWS: Final = 1 << 21
"""Flows for which addresses are set aside, not memory: up to so many, growth copies no flow."""

MOST_SPARE: Final = 4
"""Buffers that wait to be used again."""

POPULATE_WRITE: Final = 23
"""``MADV_POPULATE_WRITE`` of Linux 5.14, which Python's ``mmap`` does not name."""


def zeros(shape: tuple[int, ...], dtype: type[Number], *, large: bool = False) -> NDArray[Number]:
    """Make an array of zeros that takes memory only where it is written to.

    Parameters
    ----------
    shape
        Shape of the array.
    dtype
        Type of its numbers.
    large
        In large pages, where the system has them.

    Raises
    ------
    OSError
        When the system does not give so many addresses.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size < LARGE_BYTES:
        return np.zeros(shape, dtype=dtype)
    memory = _map(size, large=large)
    return np.frombuffer(memory, dtype=dtype).reshape(shape)


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
    try:
        longer = zeros(shape, array.dtype.type)
    except OSError:  # a limit on addresses: the general allocator may still have some
        longer = np.zeros(shape, dtype=array.dtype)
    longer[: len(array)] = array
    return longer


def prepare(array: NDArray[Number], start: int, stop: int) -> bool:
    """Ask the system for the memory of some rows at once, which costs less than a fault for every page.

    What the rows hold stays. Tells whether it was done: a system that cannot do so, or has no memory left,
    gives pages as they are touched.

    Parameters
    ----------
    array
        Made by ``zeros``, ``reserve`` or ``lengthen``; one or two dimensions, in C order.
    start, stop
        Rows, ``0 <= start <= stop``; those that the array does not have are left out.
    """
    found = _mapped(array)
    if found is None:
        return False
    memory, offset = found
    begin = (offset + start * array.strides[0]) // mmap.PAGESIZE * mmap.PAGESIZE
    return _populate(memory, begin, offset + min(stop, len(array)) * array.strides[0])


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
        if at is None:
            memory = _map(size)
            _populate(memory, 0, size)
        else:
            memory = self._spare.pop(at)
        array = np.frombuffer(memory, dtype=dtype, count=math.prod(shape))
        weakref.finalize(array, _give_back, self._spare, memory).atexit = False
        return array.reshape(shape)


def _give_back(spare: list[mmap.mmap], memory: mmap.mmap) -> None:
    if len(spare) < MOST_SPARE:
        spare.append(memory)


def _map(size: int, *, large: bool = False) -> mmap.mmap:
    """Map fresh memory, in large pages or in small ones whatever the system's habit, where it has both."""
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    advice = getattr(mmap, "MADV_HUGEPAGE" if large else "MADV_NOHUGEPAGE", None)
    if advice is not None:
        try:
            memory.madvise(advice)
        except OSError:
            LOGGER.debug("this system has pages of one size")
    return memory


def _mapped(array: NDArray[Number]) -> tuple[mmap.mmap, int] | None:
    """Give the mapped memory that an array is a part of and where it begins in it, in bytes."""
    owner: Any = array
    whole = array
    while isinstance(owner, np.ndarray):
        whole, owner = owner, owner.base
    memory = owner.obj if isinstance(owner, memoryview) else None
    return (
        (memory, array.ctypes.data - whole.ctypes.data) if isinstance(memory, mmap.mmap) else None
    )


def _populate(memory: mmap.mmap, begin: int, end: int) -> bool:
    """Take memory for whole pages; a page that has been written to stays as it is."""
    if end <= begin or sys.platform != "linux":
        return False
    try:
        memory.madvise(POPULATE_WRITE, begin, end - begin)
    except OSError as error:  # an older system, or one that is short of memory
        LOGGER.debug("memory is given page by page: %s", error)
        return False
    return True
