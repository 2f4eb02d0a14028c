"""A writer of small PNG pictures: one byte a pixel, colours from a palette.

What belongs here: bytes of the format (W3C PNG, third edition, 2025). What does not: which colour means what.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import DataError

Colour = tuple[int, int, int]
"""Red, green, blue, each 0-255."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PALETTE_COLOURS: Final = 3  # colour type of IHDR


def png(pixels: NDArray[np.uint8], palette: Sequence[Colour]) -> bytes:
    """Write a picture.

    Parameters
    ----------
    pixels
        Index into the palette for each pixel, shape ``(height, width)``, both ``>= 1``.
    palette
        1-256 colours.

    Raises
    ------
    DataError
        When the shape is not that of a picture, or a pixel points outside the palette.
    """
    if pixels.ndim != 2 or 0 in pixels.shape:
        message = f"a picture must have rows and columns, got shape {pixels.shape}; draw at least one pixel"
        raise DataError(message)
    if not 1 <= len(palette) <= 256 or int(pixels.max()) >= len(palette):
        message = (
            f"pixels must point into the palette of {len(palette)} colours (1 to 256), "
            f"got index {int(pixels.max())}; add the colour or lower the index"
        )
        raise DataError(message)
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _PALETTE_COLOURS, 0, 0, 0)
    no_filter = np.zeros((height, 1), dtype=np.uint8)
    lines = np.hstack([no_filter, pixels.astype(np.uint8)]).tobytes()
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", bytes(value for colour in palette for value in colour)),
            _chunk(b"IDAT", zlib.compress(lines, 9)),
            _chunk(b"IEND", b""),
        )
    )


def data_uri(picture: bytes) -> str:
    """Give a PNG as text that a page can carry.

    Parameters
    ----------
    picture
        Bytes of ``png``.
    """
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
