"""How the kernels are compiled: one decorator, one notice to the user who waits the first time.

What belongs here: the compiler's settings. What does not: any kernel.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numba

LOGGER: Final = logging.getLogger("eddyline.meter")
"""Where the notice goes; a warning, so that it reaches stderr when nobody configured logging."""

PATIENCE_S: Final = 1.5
"""A kernel that is on disk is ready sooner; whoever waits longer is told why."""

COMPILE_S: Final = 15
"""Seconds that compilation takes, for the notice only: 10.8 s of CPU were measured on a server core."""


_OPTIONS: Final[dict[str, Any]] = {"error_model": "numpy", "_nrt": False}
"""Without Numba's runtime no array is counted or freed, and none can be made: 15 times faster here."""


def source_digest(folder: Path) -> int:
    """Give a number that changes when a module with parts of kernels changes.

    Numba keys a cached kernel by the file it stands in, not by the functions it calls; closing over
    this number makes the key cover them all.

    Parameters
    ----------
    folder
        Folder of the modules that a kernel is made of.
    """
    digest = hashlib.blake2b(digest_size=7)
    for path in sorted(folder.glob("*.py")):
        source = path.read_bytes()
        if b"\n@inline\n" in source or path.stem in ("jit", "layout"):
            digest.update(source)
    return int.from_bytes(digest.digest(), "big")


def inline(function: Callable[..., Any]) -> Any:
    """Compile a part of a kernel; it is cached as a part of it, never alone.

    Parameters
    ----------
    function
        Plain Python over integers and arrays.
    """
    return numba.njit(**_OPTIONS, forceinline=True)(function)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile an entry point and keep it on disk, beside the package or in the user's cache folder.

    Where neither can be written, it is compiled in each process.

    Parameters
    ----------
    function
        Plain Python over integers and arrays.
    """
    try:
        return numba.njit(**_OPTIONS, cache=True)(function)
    except RuntimeError as error:
        LOGGER.warning("the packet kernel cannot be kept on disk (%s): set NUMBA_CACHE_DIR", error)
        return numba.njit(**_OPTIONS)(function)


@contextmanager
def patience() -> Iterator[None]:
    """Tell the user that a kernel is being compiled when the block takes longer than loading would.

    Loading makes half a million objects that stay; the collector, which would walk them again and
    again meanwhile, rests until the block ends.
    """
    timer = threading.Timer(
        PATIENCE_S,
        LOGGER.warning,
        args=("compiling the packet kernel, once, about %d s", COMPILE_S),
    )
    timer.daemon = True
    timer.start()
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        timer.cancel()
        if collecting:
            gc.enable()
