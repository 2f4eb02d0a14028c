"""What a public data set is, which bytes it has, and what its figures are worth.

What belongs here: the card, and the check that a file holds the bytes the card names. What does not: any
one data set, each of which has a module of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eddyline.errors import DataError, InputError

HISTORIC: Final = "historic: not evidence of present-day performance"
"""What the card of KDD Cup 1999, DARPA and their offspring says."""


@dataclass(frozen=True, slots=True)
class CorpusCard:
    """The identity of a data set.

    Parameters
    ----------
    name
        Name with its version, such as ``nsl-kdd``.
    files
        SHA-256 of each file by its name inside the folder, lower-case hexadecimal.
    worth
        What its figures may be taken for, in a sentence without a full stop.
    source
        Who published it, and where it is described.
    licence
        Under which terms, as published.
    """

    name: str
    files: Mapping[str, str]
    worth: str
    source: str
    licence: str

    def check(self, folder: Path) -> None:
        """Check that a folder holds these files, byte for byte.

        Parameters
        ----------
        folder
            Where the files lie.

        Raises
        ------
        InputError
            When one is absent.
        DataError
            When one has other bytes: figures of another version do not compare.
        """
        for name, expected in self.files.items():
            path = folder / name
            if not path.is_file():
                message = (
                    f"{self.name} must lie in {folder} as {', '.join(self.files)}, {name!r} is "
                    f"absent; download it there"
                )
                raise InputError(message)
            found = hashlib.sha256(path.read_bytes()).hexdigest()
            if found != expected:
                message = (
                    f"{path.name} of {self.name} must have the SHA-256 {expected}, got {found}; "
                    f"fetch the published file again"
                )
                raise DataError(message)
