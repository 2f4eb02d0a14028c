"""Measure the matrix detectors on contaminated NSL-KDD; their speed is measured by ``detector_speed.py``.

    python benchmarks/detectors.py --data DIR [--seeds 3] [--small] > quality.json

`DIR` holds KDDTrain+.txt.gz and KDDTest+.txt. Training rows: all normals of the training file and attacks
drawn at random, so that they are 0, 5, 10 and 15 % of the rows; `copies` fills the same share with copies of
one attack row, `cluster` with near-copies. Test rows: KDDTest+ whole. Figures are AUROC; for copies and
clusters `own` is the AUROC of that very attack against the test's normals: below .5 it has hidden itself.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from eddyline.detectors.registry import MATRIX, matrix_detector

CATEGORICAL = (1, 2, 3)
N_FEATURES = 41
LABEL = 41


def read_rows(path: Path) -> list[list[str]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as lines:
        return [line.rstrip("\n").split(",") for line in lines if line.strip()]


def encode(rows: list[list[str]], categories: dict[int, list[str]]) -> np.ndarray:
    """One-hot the three categorical columns by the training file's categories; the rest as numbers."""
    columns = []
    for j in range(N_FEATURES):
        if j in CATEGORICAL:
            values = np.array([row[j] for row in rows])
            columns += [(values == category).astype(float) for category in categories[j]]
        else:
            columns.append(np.array([float(row[j]) for row in rows]))
    return np.ascontiguousarray(np.stack(columns, axis=1))


def load(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Give (X_train, is_attack_train, X_test, is_attack_test), 122 columns."""
    train, test = read_rows(folder / "KDDTrain+.txt.gz"), read_rows(folder / "KDDTest+.txt")
    categories = {j: sorted({row[j] for row in train}) for j in CATEGORICAL}
    truth = [np.array([row[LABEL] != "normal" for row in rows]) for rows in (train, test)]
    return encode(train, categories), truth[0], encode(test, categories), truth[1]


def contaminate(
    normal: np.ndarray, attacks: np.ndarray, share: float, kind: str, seed: int
) -> np.ndarray:
    """Add attacks until they are `share` of the rows: `drawn`, `copies` of one, or a `cluster` round one."""
    rng = np.random.default_rng(seed)
    n = round(share / (1 - share) * len(normal))
    if n == 0:
        return normal, None
    if kind == "drawn":
        added = attacks[rng.choice(len(attacks), n, replace=n > len(attacks))]
    else:
        added = np.repeat(attacks[rng.integers(len(attacks))][None], n, axis=0)
    if kind == "cluster":
        added = added * (1.0 + 0.01 * rng.standard_normal(added.shape))
    rows = np.concatenate([normal, added])
    return rows[rng.permutation(len(rows))], None if kind == "drawn" else added[:200]


def quality(
    folder: Path, seeds: int, small: bool, names: list[str]
) -> dict[str, dict[str, list[float]]]:
    X_train, bad_train, X_test, bad_test = load(folder)
    if small:
        pool = np.random.default_rng(0).permutation(len(X_test))
        normals = pool[~bad_test[pool]]
        train_rows, rest = normals[:6000], np.setdiff1d(pool, normals[:6000])
        normal, attacks = X_test[train_rows], X_train[bad_train]
        X_test, bad_test = X_test[rest], bad_test[rest]
    else:
        normal, attacks = X_train[~bad_train], X_train[bad_train]
    figures: dict[str, dict[str, list[float]]] = {}
    for kind in ("drawn", "copies", "cluster"):
        for share in (0.0, 0.05, 0.10, 0.15) if kind == "drawn" else (0.10,):
            for seed in range(seeds):
                rows, own = contaminate(normal, attacks, share, kind, seed)
                for name in names:
                    model = matrix_detector(name)(seed=seed).fit(rows)
                    scores = model.anomaly_score(X_test)
                    cells = {f"{kind} {share:.0%}": auroc(scores[bad_test], scores[~bad_test])}
                    if own is not None:
                        hidden = model.anomaly_score(own)
                        cells[f"{kind} {share:.0%} own"] = auroc(hidden, scores[~bad_test])
                    for cell, figure in cells.items():
                        figures.setdefault(name, {}).setdefault(cell, []).append(figure)
                    print(kind, share, "seed", seed, name, cells, file=sys.stderr, flush=True)
    return figures


def auroc(strange: np.ndarray, usual: np.ndarray) -> float:
    truth = np.repeat([1, 0], [len(strange), len(usual)])
    return round(float(roc_auc_score(truth, np.concatenate([strange, usual]))), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--small", action="store_true", help="6,000 normals of KDDTest+ as the training rows"
    )
    parser.add_argument("--detectors", nargs="*", default=list(MATRIX))
    chosen = parser.parse_args()
    answer = quality(chosen.data, chosen.seeds, chosen.small, chosen.detectors)
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
