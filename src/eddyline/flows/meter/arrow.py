"""Text that a kernel wrote, lent to Polars: by the Arrow C data interface, without a copy and without Arrow.

What belongs here: the two structures of the interface and the capsules around them. What does not: what the
text says (``text.py``). The interface: https://arrow.apache.org/docs/format/CDataInterface.html and
…/PyCapsuleInterface.html.
"""

from __future__ import annotations

import ctypes
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

LARGE_TEXT: Final = b"U"
"""Arrow's name for text with offsets of 64 bits."""

_RELEASE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Schema(ctypes.Structure):
    _fields_ = (
        ("format", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("metadata", ctypes.c_void_p),
        ("flags", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


class _Array(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_int64),
        ("null_count", ctypes.c_int64),
        ("offset", ctypes.c_int64),
        ("n_buffers", ctypes.c_int64),
        ("n_children", ctypes.c_int64),
        ("buffers", ctypes.c_void_p),
        ("children", ctypes.c_void_p),
        ("dictionary", ctypes.c_void_p),
        ("release", ctypes.c_void_p),
        ("private_data", ctypes.c_void_p),
    )


def _forget(kind: type[_Schema | _Array]) -> Any:
    """Make the function that marks a structure as given back; the memory stays its owner's."""
    place: int = kind.release.offset

    def release(address: int) -> None:
        ctypes.c_void_p.from_address(address + place).value = None

    return _RELEASE(release)


_FORGET_SCHEMA: Final = _forget(_Schema)
_FORGET_ARRAY: Final = _forget(_Array)

_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)


class LentText:
    """Lines of text in memory that is used again: who takes a column of them must let it go before the next.

    Parameters
    ----------
    characters
        All lines, one after the other, in UTF-8.
    offsets
        Where each line begins, and where the last one ends; the first is 0. Shape ``(n + 1,)`` or longer.
    """

    def __init__(self, characters: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        self._held = characters, offsets
        self._buffers = (ctypes.c_void_p * 3)(None, offsets.ctypes.data, characters.ctypes.data)
        self._array, self._schema = _Array(), _Schema()
        self._lines = 0

    def column(self, lines: int) -> pl.Series:
        """Give the first lines as a column, which is valid until the memory is written to.

        Parameters
        ----------
        lines
            How many, ``>= 0``.
        """
        self._lines = lines
        return pl.Series(self)

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """Lend the lines; see the interface."""
        self._schema = _Schema(
            format=LARGE_TEXT, name=b"", release=ctypes.cast(_FORGET_SCHEMA, ctypes.c_void_p)
        )
        self._array = _Array(
            length=self._lines,
            n_buffers=len(self._buffers),
            buffers=ctypes.addressof(self._buffers),
            release=ctypes.cast(_FORGET_ARRAY, ctypes.c_void_p),
        )
        return (
            _new_capsule(ctypes.addressof(self._schema), b"arrow_schema", None),
            _new_capsule(ctypes.addressof(self._array), b"arrow_array", None),
        )
