"""How the kernels are compiled: one decorator, one notice to the user who waits the first time.

What belongs here: the compiler's settings. What does not: any kernel.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import hashlib
import logging
import os
import threading
import types
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from eddyline.flows.meter import native

LOGGER: Final = logging.getLogger("eddyline.meter")
"""Where the notice goes; a warning, so that it reaches stderr when nobody configured logging."""

OTHER_NUMBA: Final = (AttributeError, ImportError, TypeError, RuntimeError)
"""What another release of Numba may answer where its insides have moved: Numba then runs the kernel."""

PATIENCE_S: Final = 1.5
"""A kernel that is on disk is ready sooner; whoever waits longer is told why."""

COMPILE_S: Final = 20
"""Seconds that compilation takes, for the notice only: 22 s of CPU were measured on a busy server core."""


_OPTIONS: Final[dict[str, Any]] = {"error_model": "numpy", "_nrt": False}
"""Without Numba's runtime no array is counted or freed, and none can be made: 15 times faster here."""

_ORDINARY: Final = ("NUMBA_BOUNDSCHECK", "NUMBA_DISABLE_JIT")
"""Settings of Numba's under which it runs the kernels itself, from no cache."""

_parts: list[Callable[..., Any]] = []


def inline(function: Callable[..., Any]) -> Any:
    """Mark a part of a kernel; it is compiled with the kernel that calls it.

    Parameters
    ----------
    function
        Plain Python over integers and arrays.
    """
    _parts.append(function)
    return function


def prefetch(array: Any, row: int, column: int) -> None:
    """Ask the memory for an element that will be read and written soon; nothing waits for it.

    As plain Python it does nothing; when compiled it is an instruction of the processor, see ``view.py``.

    Parameters
    ----------
    array
        One or two dimensions.
    row, column
        Which element; inside. With one dimension the column means nothing.
    """


def kernel(function: Callable[..., Any]) -> Kernel:
    """Make an entry point that is compiled once and kept on disk, beside the package or in the user's cache.

    Where neither can be written, it is compiled in each process.

    Parameters
    ----------
    function
        Plain Python over integers and arrays; gives an integer or None.
    """
    return Kernel(function)


class Kernel:
    """A compiled function of arrays, integers and tuples of them.

    Numba is imported when there is something to compile, not before; see ``native.py``.

    Parameters
    ----------
    function
        What it does.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._entries: dict[str, native.Entry] = {}
        self._ordinary: Callable[..., Any] | None = None
        # Arrays of the last state passed, its words and its kind: an array never moves while it lives.
        self._state: tuple[tuple[weakref.ref[Any], ...], list[int], str] = ((), [], "")
        self.__doc__ = function.__doc__

    def __call__(self, *arguments: Any) -> int:
        """Run it.

        Parameters
        ----------
        arguments
            Arrays in one piece.
        """
        if self._ordinary is None:
            words, kind = self._flatten(arguments)
            entry = self._entries.get(kind) or self._prepare(kind, arguments)
            if entry is not None:
                return entry((ctypes.c_int64 * len(words))(*words))
        if self._ordinary is None:
            return 0
        with np.errstate(over="ignore"):  # as plain Python, hashes overflow aloud
            return int(self._ordinary(*arguments) or 0)

    def _flatten(self, arguments: tuple[Any, ...]) -> tuple[list[int], str]:
        """Give the words and the kind of the arguments; the same state is looked at once."""
        state, words = arguments[-1], list[int]()
        if not isinstance(state, tuple):
            return words, native.flatten(arguments, words)
        known, inside, kind = self._state
        if len(known) != len(state) or any(
            reference() is not array for reference, array in zip(known, state, strict=True)
        ):
            inside = []
            kind = native.flatten(state, inside)
            self._state = (tuple(weakref.ref(array) for array in state), inside, kind)
        before = native.flatten(arguments[:-1], words)
        return words + inside, f"{before},{kind}"

    def _prepare(self, kind: str, arguments: tuple[Any, ...]) -> native.Entry | None:
        """Load or make the machine code for one kind of arguments; None when Numba must run it."""
        if any(os.environ.get(name, "0") not in ("", "0") for name in _ORDINARY):
            self._ordinary = _compiled(self._function)
            return None
        name = f"{self._function.__module__}.{self._function.__name__}"
        facts = {"kernel": name.encode(), "kind": kind.encode(), "sources": self._sources()}
        path = native.place() / f"{name}-{native.key_of(facts)}.native"
        entry = native.load(path)
        if entry is None:
            try:
                code = native.assemble(*_llvm_text(self._function, arguments))
            except (native.NotNativeError, *OTHER_NUMBA) as error:
                LOGGER.warning("the packet kernel cannot be kept on disk: %s", error)
                self._ordinary = _compiled(self._function)
                return None
            try:
                native.keep(path, code)
            except OSError as error:
                LOGGER.warning(
                    "the packet kernel cannot be kept on disk (%s): set NUMBA_CACHE_DIR", error
                )
            entry = native.link(code)
        self._entries[kind] = entry
        return entry

    def _sources(self) -> bytes:
        """Digest the modules that the kernel can be made of."""
        here = Path(__file__).parent
        return _digest((*sorted(here.glob("*.py")), Path(self._function.__code__.co_filename)))


@functools.cache
def _digest(paths: tuple[Path, ...]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for path in paths:
        source = path.read_bytes()
        digest.update(f"{path.name}:{len(source)}:".encode())
        digest.update(source)
    return digest.digest()


def _compiled(function: Callable[..., Any], *, inside: bool = False) -> Callable[..., Any]:
    """Compile a function and its parts in Numba's ordinary way, or for use inside another."""
    import numba  # imported where it is needed: it costs most of a small capture's time

    from eddyline.flows.meter import view

    spaces: dict[int, dict[str, Any]] = {}
    made: dict[int, Any] = {}
    if not numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        made[id(prefetch)] = view.prefetch
    for part in (*_parts, function):
        space = spaces.setdefault(id(part.__globals__), dict(part.__globals__))
        copy = types.FunctionType(
            part.__code__, space, part.__name__, part.__defaults__, part.__closure__
        )
        made[id(part)] = numba.njit(**_OPTIONS, forceinline=inside or part is not function)(copy)
    for space in spaces.values():
        space.update({name: made[id(value)] for name, value in space.items() if id(value) in made})
    return made[id(function)]  # type: ignore[no-any-return]


def _llvm_text(function: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[str, str]:
    """Compile a function for the kind of some arguments; gives LLVM's text and the name of the entry."""
    import numba

    from eddyline.flows.meter.view import view

    call, names = native.spread("function", arguments)
    gives = function.__annotations__.get("return") != "None"
    body = f"return {call}" if gives else f"{call}\n    return 0"
    space = {**names, "function": _compiled(function, inside=True), "view": view}
    # The text is made of the arguments' types and names of this package alone.
    exec(f"def entry(words):\n    {body}\n", space)  # noqa: S102
    words = numba.types.CPointer(numba.types.int64)  # type: ignore[no-untyped-call]
    entry = numba.cfunc(numba.types.int64(words), **_OPTIONS)(space["entry"])
    return entry.inspect_llvm(), entry.native_name


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
