"""The contamination experiment on NSL-KDD: learn with 0 to 15 % attacks in the training, judge the test file.

What belongs here: which rows each run learns from and is judged on, running the rivals, keeping what was
measured. What does not: the rivals (``contamination_methods.py``) and the tables of the page
(``contamination_tables.py``).

Four protocols: ``full`` is the published one; ``small`` learns from 6,000 normal rows of the test file;
``choice`` and ``families`` never look at the test file and are what a default may be chosen on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from eddyline.detectors.union import Union
from eddyline.errors import UsageError
from eddyline.evaluate.contamination_methods import METHODS, SWEEPS, UNIONS, Method
from eddyline.evaluate.corpora.nsl_kdd import (
    CONTAMINATION,
    Drawn,
    NslKdd,
    NslTable,
    Truth,
    draw_small,
    draw_training,
    mix,
)
from eddyline.tables import Floats, Integers

Figures = tuple[float, float, float, float]
"""AUROC, average precision, CPU seconds of fitting and of scoring."""

PROTOCOLS: Final = ("full", "small", "choice", "families")

DEFAULT_METHOD: Final = "union_rvae"
"""The default among densities, ``learn --method union``: chosen on the ``families`` protocol by the rule of
``benchmarks/default_density.py``."""

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
class Run:
    """What one rival reached on one drawing.

    Parameters
    ----------
    protocol
        One of ``PROTOCOLS``.
    method
        Key of the rival.
    preprocessing
        ``log`` or ``standard``.
    share
        Attacks as a share of the training rows.
    seed
        Seed of the drawing and of the rival.
    auroc
        Area under the ROC curve on the judged rows.
    auprc
        Average precision on the judged rows.
    fit_s, score_s
        CPU seconds of fitting and of scoring the judged rows.
    """

    protocol: str
    method: str
    preprocessing: str
    share: float
    seed: int
    auroc: float
    auprc: float
    fit_s: float
    score_s: float

    @property
    def key(self) -> tuple[str, str, str, float, int]:
        """What makes it the same run."""
        return (self.protocol, self.method, self.preprocessing, self.share, self.seed)


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
    """

    drawn: Drawn
    X: Floats
    is_attack: Truth


def method_named(name: str) -> Method:
    """Give the rival of that key.

    Parameters
    ----------
    name
        Its key.

    Raises
    ------
    UsageError
        When there is none.
    """
    for method in (*METHODS, *SWEEPS):
        if method.name == name:
            return method
    known = ", ".join(method.name for method in METHODS)
    message = f"a method must be one of {known}, got {name!r}; check the spelling"
    raise UsageError(message)


def task(corpus: NslKdd, protocol: str, share: float, seed: int) -> Task:
    """Draw one task.

    Parameters
    ----------
    corpus
        Both files; ``choice`` and ``families`` look at ``train`` only.
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


def _split_normal(table: NslTable, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """Deal normal rows by groups of one service and equal bytes: row numbers to learn from and to judge."""
    normal = rng.permutation(np.flatnonzero(~table.is_attack))
    _, service = np.unique(table.services[normal], return_inverse=True)
    numbers = [table.X[normal, table.names.index(name)] for name in GROUPED_BY]
    _, first, group = np.unique(
        np.stack([service, *numbers], axis=1), axis=0, return_index=True, return_inverse=True
    )
    held = rng.random(len(first)) < CHOICE_HELD
    learned, usual = normal[~held[group.ravel()]], normal[first[held]]
    return learned, rng.permutation(usual)[:CHOICE_NORMALS]


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


def measure(method: Method, rows: Task, preprocessing: str, seed: int) -> dict[str, Figures]:
    """Fit one rival, ask it, and give its figures; a union's parts after it, their names after a dot.

    Parameters
    ----------
    method
        The rival.
    rows
        What to learn from and to judge.
    preprocessing
        ``log`` or ``standard``, for rivals that take one.
    seed
        Start of the rival's randomness.
    """
    rival = method.build(seed, preprocessing)
    start = time.process_time()
    rival.fit(rows.drawn.X)
    middle = time.process_time()
    if isinstance(rival, Union):
        parts = {f".{name}": scores for name, scores in rival.components(rows.X).items()}
        asked = {"": np.sum(list(parts.values()), axis=0), **parts}
    else:
        asked = {"": rival.anomaly_score(rows.X)}
    spent = middle - start, time.process_time() - middle
    return {
        name: (
            float(roc_auc_score(rows.is_attack, scores)),
            float(average_precision_score(rows.is_attack, scores)),
            *spent,
        )
        for name, scores in asked.items()
    }


def plan(
    methods: Iterable[Method],
    *,
    protocol: str,
    preprocessing: str,
    shares: Iterable[float] = CONTAMINATION,
    seeds: int = 5,
) -> Iterator[tuple[Method, str, str, float, int]]:
    """Give the runs of an experiment, seed by seed, so that a broken one leaves whole seeds.

    Parameters
    ----------
    methods
        Rivals.
    protocol, preprocessing
        As for ``Run``.
    shares
        Attacks as shares of the training rows.
    seeds
        How many drawings, >= 1.
    """
    kept, levels = list(methods), list(shares)
    for seed in range(seeds):
        for share in levels:
            for method in kept:
                yield method, protocol, preprocessing, share, seed


def run_all(
    corpus: NslKdd,
    planned: Iterable[tuple[Method, str, str, float, int]],
    cache: Path,
    tell: Callable[[Run], None],
) -> list[Run]:
    """Run what the cache does not hold yet, keeping each run as soon as it is done.

    Parameters
    ----------
    corpus
        Both files.
    planned
        What ``plan`` gave.
    cache
        File of one JSON object a line, made where absent; broken off, the next call goes on from it.
    tell
        Called with each run, measured or remembered.
    """
    known = read_runs(cache)
    found: list[Run] = []
    last: tuple[tuple[str, float, int], Task] | None = None
    for method, protocol, preprocessing, share, seed in planned:
        key = (protocol, method.name, preprocessing, share, seed)
        runs = [run for run in known if run.key == key or _is_part(run, key)]
        if not runs:
            if last is None or last[0] != (protocol, share, seed):
                last = (protocol, share, seed), task(corpus, protocol, share, seed)
            figures = measure(method, last[1], preprocessing, seed)
            where = (preprocessing, share, seed)
            runs = [Run(protocol, method.name + n, *where, *f) for n, f in figures.items()]
            with cache.open("a", encoding="utf-8") as lines:
                lines.writelines(json.dumps(asdict(run)) + "\n" for run in runs)
        found += runs
        for run in runs:
            tell(run)
    return found


def _is_part(run: Run, key: tuple[str, str, str, float, int]) -> bool:
    """Tell whether a run is that of a part of the union with this key."""
    whole = run.method.partition(".")[0]
    return whole in UNIONS and (run.protocol, whole, *run.key[2:]) == key


def read_runs(cache: Path) -> list[Run]:
    """Give the runs that a cache holds; none where the file is absent.

    Parameters
    ----------
    cache
        The file.

    Raises
    ------
    UsageError
        When a line is no run.
    """
    if not cache.exists():
        return []
    runs = []
    for number, line in enumerate(cache.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            runs.append(Run(**json.loads(line)))
        except (TypeError, ValueError) as error:
            message = (
                f"{cache.name}:{number}: must hold one run as JSON, it does not ({error}); remove "
                f"the line"
            )
            raise UsageError(message) from error
    return runs
