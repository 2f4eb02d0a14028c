"""Attacks that fill the training data must not hide themselves; on synthetic rows, and on NSL-KDD."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from eddyline.detectors.registry import matrix_detector
from eddyline.testing.check_detector import crowd

LEGS = ("isolation_forest", "neighbours", "tails")
ROOT = Path(__file__).parents[3]
NSL_KDD = ROOT.parent / "shared" / "data" / "nsl-kdd"

FLOORS = {"isolation_forest": 0.90, "neighbours": 0.94, "tails": 0.90}
"""Least AUROC on NSL-KDD at every contamination up to 15 %; the figures stand in the printed table."""


def attacks(kind: str, n: int) -> np.ndarray:
    """One attack row n times over: large in two columns; near-copies differ by 1 %."""
    row = crowd(0)[0].copy()
    row[[1, 4]] = crowd(0)[:, [1, 4]].max(axis=0) * 8
    rows = np.repeat(row[None], n, axis=0)
    return (
        rows
        if kind == "copies"
        else rows * (1 + 0.01 * np.random.default_rng(9).normal(size=rows.shape))
    )


@pytest.mark.parametrize("kind", ["copies", "cluster"])
@pytest.mark.parametrize("share", [0.05, 0.10, 0.15])
@pytest.mark.parametrize("name", LEGS)
def test_a_packed_attack_stays_above_the_crowd(name: str, share: float, kind: str) -> None:
    normal, n = crowd(0, n=2000), round(share / (1 - share) * 2000)
    model = matrix_detector(name)().fit(np.concatenate([normal, attacks(kind, n)]))
    strange = model.anomaly_score(attacks(kind, 20))
    usual = model.anomaly_score(crowd(7, n=2000))
    figure = roc_auc_score(np.repeat([1, 0], [20, 2000]), np.concatenate([strange, usual]))

    assert figure > 0.9


def test_unfiltered_neighbours_would_have_inverted() -> None:
    """The trap is real: the same rows hide from plain nearest neighbours."""
    training = np.log1p(np.concatenate([crowd(0, n=2000), attacks("copies", 200)]))
    rows = np.log1p(np.concatenate([attacks("copies", 20), crowd(7, n=2000)]))
    distance = NearestNeighbors(n_neighbors=5).fit(training).kneighbors(rows)[0].mean(axis=1)

    assert roc_auc_score(np.repeat([1, 0], [20, 2000]), distance) < 0.05


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "detectors_benchmark", ROOT / "benchmarks" / "detectors.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.corpus
@pytest.mark.skipif(not NSL_KDD.is_dir(), reason="NSL-KDD is not at ../shared/data/nsl-kdd")
def test_nsl_kdd_contamination_inverts_no_leg(capsys: pytest.CaptureFixture[str]) -> None:
    """0 to 15 % of drawn attacks, copies and near-copies among the training rows of NSL-KDD."""
    figures = benchmark().quality(NSL_KDD, 1, False, list(LEGS))
    with capsys.disabled():
        sys.stdout.write(f"\n{json.dumps(figures, indent=1)}\n")

    for name, cells in figures.items():
        for cell, values in cells.items():
            floor = 0.9 if cell.endswith("own") else FLOORS[name]
            assert values[0] > floor, (name, cell)
