"""The most memory that a step needs, apart from what its process held before.

What belongs here: reading the peak from the system. What does not: what is measured.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from ctypes import CDLL
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def _trim() -> Callable[[int], int] | None:
    """Give what hands the free pages of the heap back to the system; None where the library has none."""
    try:
        found: Callable[[int], int] = CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):
        return None
    return found


def memory_is_exact() -> bool:
    """Tell whether the peak is exact here: on Linux, where free pages can be handed back beforehand.

    A process that measured another method before may hold pages that are free: a method that fills only
    those would seem to need no memory.
    """
    return _trim() is not None and Path("/proc/self/clear_refs").exists()


class Peak:
    """Most memory that the process holds above what it held at the start, MB; None off Linux."""

    def __init__(self) -> None:
        self.start = None
        gc.collect()
        trim = _trim()
        if trim is not None:
            trim(0)
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        except OSError:
            return
        self.start = self._held("VmRSS")

    def grown(self) -> float | None:
        """Give the most that was held so far above the start, MB."""
        if self.start is None:
            return None
        return max(0.0, self._held("VmHWM") - self.start) / 1024

    @staticmethod
    def _held(name: str) -> float:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return float(next(line.split()[1] for line in lines if line.startswith(name)))
