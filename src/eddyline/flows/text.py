"""Text from the input is hostile: make it harmless for a terminal and for a spreadsheet, and back.

What belongs here: changing the characters of one value. What does not: HTML, which the template engine
escapes, and the files that values are written to (``write.py``).
"""

from __future__ import annotations

import unicodedata
from typing import Final

LONGEST: Final = 200
"""Characters that a value keeps on a terminal; more of it tells nobody more."""

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that move the cursor, turn the writing direction or show nothing."""

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
"""First characters that make a spreadsheet compute a cell; ``'`` is the mark that we put before them."""


def neutral_text(value: str, *, longest: int = LONGEST) -> str:
    r"""Give a value that shows itself and does nothing else on a terminal.

    Control, escape, bidirectional and invisible characters become ``\xNN`` or ``\uNNNN``, so that
    nothing is hidden; a backslash stays as it is.

    Parameters
    ----------
    value
        Any text, also with lone surrogates.
    longest
        Characters that are kept, ``>= 1``; a cut is shown by ``…``.

    Examples
    --------
    >>> neutral_text("evil\x1b[31m.example")
    'evil\\x1b[31m.example'
    """
    cut = value if len(value) <= longest else value[:longest] + "…"
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(_shown(character) for character in cut)


def _shown(character: str) -> str:
    """Give a character, or its number when it is not for showing."""
    if unicodedata.category(character) not in _UNSAFE:
        return character
    number = ord(character)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
