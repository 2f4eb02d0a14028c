"""NSL-KDD as a task: the published files, groups of near-equal rows, the families of its attacks.

What belongs here: how the two files become parts. What does not: reading them (``corpora/nsl_kdd.py``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from eddyline.evaluate.classical_parts import NORMAL, Drawn, Part, rows_of, validation
from eddyline.evaluate.corpora import nsl_kdd

BYTES: Final = ("src_bytes", "dst_bytes")
"""Columns that hold bytes."""

_DOS = "apache2 back land mailbomb neptune pod processtable smurf teardrop udpstorm worm"
_PROBE = "ipsweep mscan nmap portsweep saint satan"
_U2R = "buffer_overflow loadmodule perl ps rootkit sqlattack xterm"
NSL_KINDS: Final[dict[str, str]] = {
    nsl_kdd.NORMAL: NORMAL,
    **dict.fromkeys(_DOS.split(), "dos"),
    **dict.fromkeys(_PROBE.split(), "probe"),
    **dict.fromkeys(_U2R.split(), "u2r"),
}
"""The published families of the attacks of NSL-KDD; every other one is ``r2l``."""


def nsl_kdd_parts(data: Path, seed: int) -> Drawn:
    """Fit and validate on the published training file, test on the published test file.

    Parameters
    ----------
    data
        Folder with ``nsl-kdd``.
    seed
        Draws the rows that validate.
    """
    corpus = _corpus(data)
    train, test = corpus.train, _part(corpus.test)
    whole = _part(train)
    inside, outside = validation(whole.groups, whole.kind, seed)
    return Drawn(rows_of(whole, inside), rows_of(whole, outside), test, train.names, None)


_HELD: dict[Path, nsl_kdd.NslKdd] = {}


def _corpus(data: Path) -> nsl_kdd.NslKdd:
    """Read the files once a process: parsing takes longer than most methods."""
    if data not in _HELD:
        _HELD[data] = nsl_kdd.read_nsl_kdd(data / "nsl-kdd")
    return _HELD[data]


def _part(table: nsl_kdd.NslTable) -> Part:
    """Group near-equal rows by service and bytes, since copies must not stand on both sides."""
    sent, got = (table.X[:, table.names.index(name)] for name in BYTES)
    service = np.unique(table.services, return_inverse=True)[1]
    keys = np.stack([service, sent, got], axis=1)
    groups = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    kind = np.array([NSL_KINDS.get(str(label), "r2l") for label in table.labels])
    trivial = {"bytes": sent + got}
    return Part(table.X, table.is_attack, kind, table.labels, groups, trivial)
