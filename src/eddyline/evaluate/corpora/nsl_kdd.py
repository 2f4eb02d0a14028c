"""NSL-KDD: the table of 41 features, its labels and its difficulty, and the contamination protocol on it.

What belongs here: reading the two published files, the 122 columns that they become, and drawing training
rows with a known share of attacks. What does not: scaling, which each detector does for itself, and figures.
The rows are not flows: they have neither time nor address.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import DataError, UsageError
from eddyline.evaluate.corpora.card import HISTORIC, CorpusCard
from eddyline.tables import Floats, Integers

Texts = NDArray[np.str_]
Truth = NDArray[np.bool_]

CARD: Final = CorpusCard(
    name="nsl-kdd",
    files={
        "KDDTrain+.txt.gz": "02c13ccb3f060b3c536ecacd4b698dffb17580f88bd5cee4093f0787d73526ea",
        "KDDTest+.txt": "fa46b0935342616aa83b7c2578db355b6a7aaabbc492248172c7a1e8b7ab8f84",
    },
    worth=HISTORIC,
    source=(
        "Tavallaee, Bagheri, Lu, Ghorbani, A detailed analysis of the KDD CUP 99 data set, "
        "CISDA 2009, doi:10.1109/CISDA.2009.5356528"
    ),
    licence="University of New Brunswick; mirrors allowed with citation",
)
"""Which files are meant, and what their figures are worth."""

FEATURES: Final = [
    "duration",
    "protocol_type",
    "service",
    "flag",
    "src_bytes",
    "dst_bytes",
    "land",
    "wrong_fragment",
    "urgent",
    "hot",
    "num_failed_logins",
    "logged_in",
    "num_compromised",
    "root_shell",
    "su_attempted",
    "num_root",
    "num_file_creations",
    "num_shells",
    "num_access_files",
    "num_outbound_cmds",
    "is_host_login",
    "is_guest_login",
    "count",
    "srv_count",
    "serror_rate",
    "srv_serror_rate",
    "rerror_rate",
    "srv_rerror_rate",
    "same_srv_rate",
    "diff_srv_rate",
    "srv_diff_host_rate",
    "dst_host_count",
    "dst_host_srv_count",
    "dst_host_same_srv_rate",
    "dst_host_diff_srv_rate",
    "dst_host_same_src_port_rate",
    "dst_host_srv_diff_host_rate",
    "dst_host_serror_rate",
    "dst_host_srv_serror_rate",
    "dst_host_rerror_rate",
    "dst_host_srv_rerror_rate",
]
"""The 41 features in the order of the files."""

CATEGORICAL: Final = ("protocol_type", "service", "flag")
"""Those that are words; the other 38 are numbers."""

NORMAL: Final = "normal"
"""The label of rows that are no attack."""

CONTAMINATION: Final = (0.0, 0.05, 0.10, 0.15)
"""Shares of attacks among the training rows in the published experiment."""

SMALL_NORMALS: Final = 6_000
"""Normal rows of the test file that the small protocol learns from."""

SMALL_ATTACKS: Final = 2_000
"""Attacks of the test file that the small protocol sets aside to contaminate with."""


@dataclass(frozen=True, slots=True)
class NslTable:
    """One of the two files.

    Parameters
    ----------
    X
        The 38 numbers and the one-hot columns, in the order of ``names``, shape ``(n, 122)``.
    names
        Name of each column: the feature, or ``feature=category``.
    labels
        ``normal`` or the name of the attack, shape ``(n,)``.
    difficulty
        How many of 21 classifiers got the row right, 0 to 21, shape ``(n,)``; no feature.
    services
        The service of each row as published, shape ``(n,)``; a test row's may be unknown to the columns.
    """

    X: Floats
    names: tuple[str, ...]
    labels: Texts
    difficulty: Integers
    services: Texts

    def __len__(self) -> int:
        return len(self.X)

    @property
    def is_attack(self) -> Truth:
        """Whether each row is an attack, shape ``(n,)``."""
        return np.asarray(self.labels != NORMAL)


@dataclass(frozen=True, slots=True)
class NslKdd:
    """Both files, in columns made of the training file's categories.

    Parameters
    ----------
    train, test
        ``KDDTrain+`` and ``KDDTest+``.
    """

    train: NslTable
    test: NslTable


@dataclass(frozen=True, slots=True)
class Drawn:
    """Training rows with a known share of attacks.

    Parameters
    ----------
    X
        The rows, shuffled, shape ``(n, 122)``.
    is_attack
        Which of them are attacks, shape ``(n,)``; for figures only, no detector may see it.
    services
        The service of each row, shape ``(n,)``.
    """

    X: Floats
    is_attack: Truth
    services: Texts


def read_nsl_kdd(folder: Path) -> NslKdd:
    """Read both files after checking that they are the published ones.

    Parameters
    ----------
    folder
        Where ``KDDTrain+.txt.gz`` and ``KDDTest+.txt`` lie.

    Raises
    ------
    InputError
        When a file is absent.
    DataError
        When a file has other bytes than the published ones.
    """
    CARD.check(folder)
    train = gzip.decompress((folder / "KDDTrain+.txt.gz").read_bytes()).decode("ascii")
    test = (folder / "KDDTest+.txt").read_text(encoding="ascii")
    return parse_nsl_kdd(train, test)


def parse_nsl_kdd(train: str, test: str) -> NslKdd:
    """Turn the text of both files into columns; a category that training lacks becomes all zeros.

    Parameters
    ----------
    train, test
        Lines of 43 fields: the features, the label, the difficulty.

    Raises
    ------
    DataError
        When a line has other fields.
    """
    cells = {name: _cells(name, text) for name, text in (("train", train), ("test", test))}
    categories = {
        feature: np.unique(cells["train"][:, FEATURES.index(feature)]) for feature in CATEGORICAL
    }
    return NslKdd(_table(cells["train"], categories), _table(cells["test"], categories))


def draw_training(corpus: NslKdd, share: float, seed: int) -> Drawn:
    """Draw the published experiment's training rows: every normal one, and attacks beside them.

    Parameters
    ----------
    corpus
        Both files; only ``train`` is looked at.
    share
        Attacks as a share of all drawn rows, in [0, 0.4].
    seed
        Start of the randomness that picks the attacks and the order.

    Raises
    ------
    UsageError
        When the share is out of range.

    Notes
    -----
    The paper (Najari and others, AINA 2022) says neither which file nor which attacks; this reading is
    ours: every attack row of ``KDDTrain+`` has the same chance.
    """
    normal = np.flatnonzero(~corpus.train.is_attack)
    attacks = np.flatnonzero(corpus.train.is_attack)
    return mix(corpus.train, normal, attacks, share, seed)


def mix(table: NslTable, normal: Integers, attacks: Integers, share: float, seed: int) -> Drawn:
    """Join normal rows and as many drawn attacks as make up a share of all, shuffled.

    Parameters
    ----------
    table
        Where the rows stand.
    normal, attacks
        Row numbers of either kind.
    share
        Attacks as a share of all drawn rows, in [0, 0.4].
    seed
        Start of the randomness.

    Raises
    ------
    UsageError
        When the share is out of range, or there are not enough attacks for it.
    """
    if not 0 <= share <= 0.4:
        message = f"share must be in [0, 0.4], got {share}; pass a share, not a percentage"
        raise UsageError(message)
    n_attacks = round(share / (1 - share) * len(normal))
    if n_attacks > len(attacks):
        message = (
            f"a share of {share} among {len(normal)} normal rows needs {n_attacks} attacks, got "
            f"{len(attacks)}; lower the share"
        )
        raise UsageError(message)
    rng = np.random.default_rng(seed)
    chosen = np.concatenate([normal, rng.choice(attacks, n_attacks, replace=False)])
    chosen = chosen[rng.permutation(len(chosen))]
    return Drawn(table.X[chosen], table.is_attack[chosen], table.services[chosen])


def draw_small(corpus: NslKdd, share: float, seed: int) -> tuple[Drawn, Floats, Truth]:
    """Draw the small protocol: 6,000 normal rows of the test file, judged on the file's other rows.

    It uses ``KDDTest+`` alone for the normal rows of both sides, so its figures are no test of a choice
    made on them; it exists to compare with anchors that were measured this way.

    Parameters
    ----------
    corpus
        Both files; the contaminating attacks are 2,000 test rows that are not judged.
    share
        Attacks as a share of the training rows, in [0, 0.25].
    seed
        Start of the randomness.

    Returns
    -------
    tuple
        Training rows, test rows and which of those are attacks.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(corpus.test))
    is_attack = corpus.test.is_attack
    normal, attacks = order[~is_attack[order]], order[is_attack[order]]
    drawn = mix(corpus.test, normal[:SMALL_NORMALS], attacks[:SMALL_ATTACKS], share, seed)
    rest = np.sort(np.concatenate([normal[SMALL_NORMALS:], attacks[SMALL_ATTACKS:]]))
    return drawn, corpus.test.X[rest], is_attack[rest]


def _cells(name: str, text: str) -> Texts:
    """Split lines into fields, refusing a line of another width by its number."""
    rows = [line.split(",") for line in text.splitlines() if line]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(FEATURES) + 2:
            message = (
                f"{name}:{number}: a row must have 43 fields, got {len(row)}; use the file with "
                f"label and difficulty"
            )
            raise DataError(message)
    return np.array(rows, dtype=np.str_)


def _table(cells: Texts, categories: dict[str, Texts]) -> NslTable:
    columns: list[Floats] = []
    names: list[str] = []
    for place, feature in enumerate(FEATURES):
        values = cells[:, place]
        if feature in CATEGORICAL:
            columns += [(values == known).astype(np.float64) for known in categories[feature]]
            names += [f"{feature}={known}" for known in categories[feature]]
        else:
            columns.append(values.astype(np.float64))
            names.append(feature)
    X = np.ascontiguousarray(np.stack(columns, axis=1))
    return NslTable(
        X,
        tuple(names),
        cells[:, -2],
        cells[:, -1].astype(np.int64),
        cells[:, FEATURES.index("service")],
    )
