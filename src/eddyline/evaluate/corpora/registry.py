"""Which published data sets are known, by the bytes of their files.

What belongs here: the list of cards and finding one by a file's hash. What does not: reading a data set.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from eddyline.errors import InputError
from eddyline.evaluate.corpora import luflow, nsl_kdd
from eddyline.evaluate.corpora.card import CorpusCard

CARDS: Final[tuple[CorpusCard, ...]] = (nsl_kdd.CARD, luflow.CARD)
"""Every data set that is known by name and bytes."""


def identify(path: Path) -> CorpusCard | None:
    """Give the card of the data set that a file belongs to, by its bytes; None when no card lists them.

    Parameters
    ----------
    path
        A file.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}; check the path"
        raise InputError(message) from error
    return next((card for card in CARDS if found in card.files.values()), None)
