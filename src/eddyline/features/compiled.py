"""How the kernels of this room are compiled.

What belongs here: the compiler's settings. What does not: any kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from numba import njit
from numpy.typing import NDArray

_SETTINGS: Final[dict[str, Any]] = {"error_model": "numpy", "_nrt": False}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function over arrays and numbers when it is first called, and keep the code on disk.

    It can make no array: without Numba's runtime none is counted or freed, which took most of the time. It
    raises nothing: a division by zero gives what the processor gives.

    Parameters
    ----------
    function
        Plain Python over integers, floats and arrays.
    """
    return njit(cache=True, **_SETTINGS)(function)


def part(function: Callable[..., Any]) -> Any:
    """Compile a function into each kernel that calls it: passing many arrays on costs more than the work.

    Parameters
    ----------
    function
        As for ``kernel``.
    """
    return njit(forceinline=True, **_SETTINGS)(function)


def sealed(*arrays: NDArray[Any]) -> tuple[Any, ...]:
    """Give views that cannot be written to: a kernel is compiled once more for arrays that can.

    Parameters
    ----------
    arrays
        What a kernel only reads.
    """
    views = tuple(array.view() for array in arrays)
    for view in views:
        view.flags.writeable = False
    return views
