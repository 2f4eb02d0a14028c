"""What each run of the contamination experiment learns from and is judged on.

What belongs here: the protocols on NSL-KDD, as drawings of rows. What does not: the rivals
(``contamination_methods.py``), running them (``contamination.py``) and reading the files (``corpora``).

``full`` is the published protocol; ``small`` learns from 6,000 normal rows of the test file; ``choice``,
``families`` and ``shifted`` never look at the test file and are what a default may be chosen on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from eddyline.errors import UsageError
from eddyline.evaluate.corpora.nsl_kdd import (
    Drawn,
    NslKdd,
    NslTable,
    Texts,
    Truth,
    draw_small,
    draw_training,
    mix,
)
from eddyline.tables import Floats, Integers

PROTOCOLS: Final = ("full", "small", "choice", "families", "shifted")

CHOICE_HELD: Final = 0.3
"""Share of the groups of near-equal normal rows that ``choice`` does not learn from."""

CHOICE_NORMALS: Final = 3_000
"""Most groups of normal rows that ``choice`` judges, one row of each."""

GROUPED_BY: Final = ("src_bytes", "dst_bytes")
"""Columns that, with the service, tell near-equal rows; the table is full of them."""

CHOICE_ATTACKS: Final = 1_500
"""Most attacks of known kinds, and as many of unseen kinds, that ``choice`` judges."""

UNSEEN_KINDS: Final = 8
"""Kinds of attack, of 22, that ``choice`` keeps out of its training rows."""

SHIFTED_SERVICES: Final = 0.1
"""Share of the normal rows whose services ``shifted`` keeps out of its training rows altogether."""

HARDEST: Final = 22
"""A judged row of ``shifted`` weighs as many of the 21 published classifiers as got it wrong, and one."""

FAMILIES: Final = {
    "denial": ("back", "land", "neptune", "pod", "smurf", "teardrop"),
    "probing": ("ipsweep", "nmap", "portsweep", "satan"),
    "remote to local": (
        "ftp_write", "guess_passwd", "imap", "multihop", "phf", "spy", "warezclient", "warezmaster",
    ),
    "user to root": ("buffer_overflow", "loadmodule", "perl", "rootkit"),
}  # fmt: skip
"""Families of the attacks of ``KDDTrain+``, as its authors group them."""


@dataclass(frozen=True, slots=True)
class Task:
    """Rows to learn from and rows to judge.

    Parameters
    ----------
    drawn
        Training rows; their truth is for figures only.
    X
        Rows to judge, shape ``(n, 122)``.
    is_attack
        Their truth, shape ``(n,)``.
    weights
        What each judged row counts, shape ``(n,)``, or None for all the same.
    """

    drawn: Drawn
    X: Floats
    is_attack: Truth
    weights: Floats | None = None


def task(corpus: NslKdd, protocol: str, share: float, seed: int) -> Task:
    """Draw one task.

    Parameters
    ----------
    corpus
        Both files; ``choice``, ``families`` and ``shifted`` look at ``train`` only.
    protocol
        One of ``PROTOCOLS``.
    share
        Attacks as a share of the training rows.
    seed
        Start of the randomness.

    Raises
    ------
    UsageError
        When the protocol is unknown.
    """
    if protocol == "full":
        return Task(draw_training(corpus, share, seed), corpus.test.X, corpus.test.is_attack)
    if protocol == "small":
        return Task(*draw_small(corpus, share, seed))
    if protocol == "choice":
        return _choice(corpus, share, seed)
    if protocol == "families":
        return _families(corpus, share, seed)
    if protocol == "shifted":
        return _shifted(corpus, share, seed)
    message = f"a protocol must be one of {', '.join(PROTOCOLS)}, got {protocol!r}; use full"
    raise UsageError(message)


def _choice(corpus: NslKdd, share: float, seed: int) -> Task:
    """Split the training file; nothing near-equal to a judged normal row is learned from.

    Normal rows are split by groups of one service and equal bytes, since rows dealt at random would find
    their own copies. Eight kinds of attack are judged but never learned from, none of
    them the commonest, without which too few attacks would be left to contaminate with.
    """
    table = corpus.train
    rng = np.random.default_rng(1_000 + seed)
    learned, usual = _split_normal(table, rng)
    kinds, sizes = np.unique(table.labels[table.is_attack], return_counts=True)
    unseen = rng.choice(np.delete(kinds, sizes.argmax()), UNSEEN_KINDS, replace=False)
    attacks = rng.permutation(np.flatnonzero(table.is_attack))
    is_unseen = np.isin(table.labels[attacks], unseen)
    known, fresh = attacks[~is_unseen], attacks[is_unseen]
    half = len(known) // 2
    drawn = mix(table, learned, known[:half], share, seed)
    rows = np.concatenate([usual, known[half:][:CHOICE_ATTACKS], fresh[:CHOICE_ATTACKS]])
    return Task(drawn, table.X[rows], table.is_attack[rows])


def _split_normal(
    table: NslTable, rng: np.random.Generator, kept: Truth | None = None
) -> tuple[Integers, Integers]:
    """Deal normal rows by groups of one service and equal bytes: row numbers to learn from and to judge."""
    among = ~table.is_attack if kept is None else ~table.is_attack & kept
    normal = rng.permutation(np.flatnonzero(among))
    first, group = _groups(table, normal)
    held = rng.random(len(first)) < CHOICE_HELD
    learned, usual = normal[~held[group]], normal[first[held]]
    return learned, rng.permutation(usual)[:CHOICE_NORMALS]


def _groups(table: NslTable, rows: Integers) -> tuple[Integers, Integers]:
    """Give the first of each group of near-equal rows, and the group of each row."""
    _, service = np.unique(table.services[rows], return_inverse=True)
    numbers = [table.X[rows, table.names.index(name)] for name in GROUPED_BY]
    _, first, group = np.unique(
        np.stack([service, *numbers], axis=1), axis=0, return_index=True, return_inverse=True
    )
    return first, group.ravel()


def _families(corpus: NslKdd, share: float, seed: int) -> Task:
    """Split the training file by families of attack: one is judged and none of it learned from.

    The seed names the family that is left out, each in turn; attacks of the other three contaminate.
    """
    table = corpus.train
    rng = np.random.default_rng(2_000 + seed)
    learned, usual = _split_normal(table, rng)
    fresh = np.isin(table.labels, list(FAMILIES.values())[seed % len(FAMILIES)])
    judged = rng.permutation(np.flatnonzero(table.is_attack & fresh))[:CHOICE_ATTACKS]
    known = np.flatnonzero(table.is_attack & ~fresh)
    rows = np.concatenate([usual, judged])
    return Task(mix(table, learned, known, share, seed), table.X[rows], table.is_attack[rows])


def _shifted(corpus: NslKdd, share: float, seed: int) -> Task:
    """Split the training file as the two files differ: known and unseen kinds on both sides.

    As in ``families`` the seed names a family that is left out. Judged are four groups of rows: normal ones
    of services that were learned, and of services that were not; attacks of the three families whose like
    contaminates, and of the one left out. Within a group a row weighs as many of the 21 published
    classifiers as got it wrong, and one; all groups weigh the same, so that an area is the mean of four.
    """
    table = corpus.train
    rng = np.random.default_rng(3_000 + seed)
    far = np.isin(table.services, _services_held(table, rng))
    learned, near_usual = _split_normal(table, rng, ~far)
    far_usual = rng.permutation(np.flatnonzero(far & ~table.is_attack))
    far_usual = far_usual[_groups(table, far_usual)[0]]
    fresh = np.isin(table.labels, list(FAMILIES.values())[seed % len(FAMILIES)])
    known = rng.permutation(np.flatnonzero(table.is_attack & ~fresh))
    unseen = rng.permutation(np.flatnonzero(table.is_attack & fresh))
    judged = min(CHOICE_ATTACKS, len(known) // 2)
    groups = [near_usual[:CHOICE_ATTACKS], rng.permutation(far_usual)[:CHOICE_ATTACKS]]
    groups += [known[:judged], unseen[:CHOICE_ATTACKS]]
    weights = [(HARDEST - table.difficulty[group]).astype(np.float64) for group in groups]
    rows = np.concatenate(groups)
    return Task(
        mix(table, learned, known[judged:], share, seed),
        table.X[rows],
        table.is_attack[rows],
        np.concatenate([some / some.sum() for some in weights]),
    )


def _services_held(table: NslTable, rng: np.random.Generator) -> Texts:
    """Draw services, never the commonest, until they make up the share of the normal rows."""
    services, sizes = np.unique(table.services[~table.is_attack], return_counts=True)
    order = rng.permutation(np.delete(np.arange(len(services)), sizes.argmax()))
    before = np.cumsum(sizes[order]) - sizes[order]
    held: Texts = services[order[before < SHIFTED_SERVICES * sizes.sum()]]
    return held
