"""Measure our matrix detectors beside scikit-learn's and PyOD's in one run, and hold their scores together.

    python benchmarks/detector_speed.py measure [--nsl-kdd DIR] > docs/explanation/detector-speed.json
    python benchmarks/detector_speed.py page docs/explanation/detector-speed.json

`measure` runs where PyOD and torch are installed beside eddyline, one thread each: set OMP_NUM_THREADS=1,
and unset OPENBLAS_CORETYPE where something set it, since it slows the peers. Figures are rows a second of
CPU time, the median of three calls after a first one. `page` writes the page of the documentation from \
them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from eddyline.detectors.registry import matrix_detector
from eddyline.detectors.scaling import RobustScale

Rows = np.ndarray
Measured = dict[str, Any]

TRAIN_ROWS = 20_000
SCORED_ROWS = 100_000
COLUMNS = 30
REPEATS = 3
BARS = {
    "isolation forest": 1.5,
    "ECOD": 5.0,
    "neighbours": 1.8,
    "autoencoder": 8.0,
}
"""Times a peer's rows a second that we promise, by method."""


def rate(work: Callable[[], object], n_rows: int) -> int:
    """Give rows a second of CPU time, the median of some calls after a first."""
    work()
    spent = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return round(n_rows / float(np.median(spent)))


def skewed(n: int, seed: int = 0) -> Rows:
    """Give rows of 30 heavy-tailed columns that five hidden factors move."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(5, COLUMNS))
    rng = np.random.default_rng(seed)
    factors, noise = rng.normal(size=(n, 5)), rng.normal(size=(n, COLUMNS))
    return np.exp(0.5 * factors @ mixing + 0.3 * noise)


def standard(X: Rows) -> Rows:
    logs = np.log(X)
    return np.ascontiguousarray((logs - logs.mean(axis=0)) / logs.std(axis=0))


def row(
    method: str, rows: str, ours: int, peers: dict[str, int], *, bar: bool = True, note: str = ""
) -> Measured:
    """Put one comparison together; ``bar`` says whether the promise is about it."""
    told = {"method": method, "rows": rows, "ours": ours, "peers": peers, "note": note}
    told["times"] = {name: round(ours / theirs, 2) for name, theirs in peers.items()}
    told["bar"] = BARS.get(method) if bar else None
    print(json.dumps(told), file=sys.stderr, flush=True)
    return told


def forests(train: Rows, asked: Rows) -> list[Measured]:
    from pyod.models.iforest import IForest
    from sklearn.ensemble import IsolationForest

    theirs = IsolationForest(n_estimators=100, max_samples=256, random_state=0, n_jobs=1).fit(
        train
    )
    pyod = IForest(n_estimators=100, max_samples=256, random_state=0, n_jobs=1).fit(train)
    peers = {
        "scikit-learn": rate(lambda: theirs.score_samples(asked), len(asked)),
        "PyOD": rate(lambda: pyod.decision_function(asked), len(asked)),
    }
    found = []
    for name in ("isolation_forest", "plain_forest"):
        model = matrix_detector(name)(n_trees=100).fit(train)
        ours = rate(lambda m=model: m.anomaly_score(asked), len(asked))
        found.append(row("isolation forest", f"{name}, 100 trees of 256 rows", ours, peers))
    return found


def columnwise(train: Rows, asked: Rows) -> list[Measured]:
    """ECOD, COPOD and HBOS; PyOD sorts its training rows anew with every call of the first two."""
    from pyod.models.copod import COPOD
    from pyod.models.ecod import ECOD
    from pyod.models.hbos import HBOS

    found = []
    for name, peer in (("ECOD", ECOD()), ("COPOD", COPOD()), ("HBOS", HBOS())):
        theirs = peer.fit(train)
        model = matrix_detector(name.lower())().fit(train)
        for n in (1_000, 10_000, len(asked)) if name == "ECOD" else (len(asked),):
            part = asked[:n]
            ours = rate(lambda m=model, p=part: m.anomaly_score(p), n)
            peers = {"PyOD": rate(lambda m=theirs, p=part: m.decision_function(p), n)}
            found.append(row(name, f"{n:,} rows a call", ours, peers))
    return found


def neighbours(sets: dict[str, Rows]) -> list[Measured]:
    """Exact 5th neighbour; the last 2,000 rows of a set ask the first ones."""
    from pyod.models.knn import KNN
    from sklearn.neighbors import NearestNeighbors

    found = []
    for name, X in sets.items():
        asked = np.ascontiguousarray(X[-2_000:])
        for n in (20_000, 100_000):
            reference = np.ascontiguousarray(X[:n])
            theirs = NearestNeighbors(n_neighbors=5, n_jobs=1).fit(reference)
            model = matrix_detector("knn")(scaling="none").fit(reference)
            # PyOD's class scores its whole training set in fit, minutes at 100,000 rows; the search is set
            # into a class that was fitted on few, which leaves its own scoring as it is.
            pyod = KNN(n_neighbors=5, n_jobs=1).fit(reference[:1_000])
            pyod.neigh_ = theirs
            peers = {"PyOD": rate(lambda m=pyod, a=asked: m.decision_function(a), len(asked))}
            ours = rate(lambda m=model, a=asked: m.anomaly_score(a), len(asked))
            away = np.abs(pyod.decision_function(asked) - model.anomaly_score(asked)).max()
            note = f"largest difference {away:.0e}"
            what = f"{n:,} references, {name}"
            found.append(row("neighbours", what, ours, peers, note=note))
    return found


def factors(train: Rows, asked: Rows) -> list[Measured]:
    from sklearn.neighbors import LocalOutlierFactor

    train, asked = standard(train), standard(asked[:5_000])
    theirs = LocalOutlierFactor(20, novelty=True, n_jobs=1).fit(train)
    model = matrix_detector("lof")(scaling="none").fit(train)
    ours = rate(lambda: model.anomaly_score(asked), len(asked))
    peers = {"scikit-learn": rate(lambda: theirs.score_samples(asked), len(asked))}
    return [row("local outlier factor", "20,000 references, five factors", ours, peers)]


def autoencoders(train: Rows, asked: Rows) -> list[Measured]:
    """Both 30-122-8-122-30 with rectifiers on z-scores, each trained a little by its own loop."""
    import torch
    from pyod.models.auto_encoder import AutoEncoder

    torch.set_num_threads(1)
    model = matrix_detector("autoencoder")(epochs=1, least_steps=50, preprocessing="standard")
    model.fit(train)
    ours = rate(lambda: model.anomaly_score(asked), len(asked))
    found = []
    for batch in (32, 1024):
        theirs = AutoEncoder(
            hidden_neuron_list=[122, 8], epoch_num=1, batch_size=batch, verbose=0, device="cpu"
        ).fit(train)
        peers = {"PyOD": rate(lambda m=theirs: m.decision_function(asked[:20_000]), 20_000)}
        note = "PyOD's default" if batch == 32 else "PyOD told to take larger batches"
        what = f"30-122-8-122-30, PyOD in batches of {batch:,}"
        found.append(row("autoencoder", what, ours, peers, bar=batch == 32, note=note))
    return found


def agreements(train: Rows, asked: Rows) -> list[Measured]:
    """Hold the scores of equal methods together: the same up to rounding, or the same order."""
    from pyod.models.copod import COPOD
    from pyod.models.ecod import ECOD
    from pyod.models.hbos import HBOS
    from scipy.stats import spearmanr
    from sklearn.decomposition import PCA
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
    from sklearn.preprocessing import StandardScaler

    train, asked = train[:5_000], asked[:5_000]
    flat, flat_asked = standard(train), standard(asked)
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=0).fit(train)
    factor = LocalOutlierFactor(20, novelty=True).fit(flat)
    nearest = NearestNeighbors(n_neighbors=5).fit(flat)
    scaler = StandardScaler().fit(train)
    plane = PCA(0.9, svd_solver="full").fit(scaler.transform(train))
    scaled = scaler.transform(asked)
    lost = scaled - plane.inverse_transform(plane.transform(scaled))
    plain = {"scaling": "none"}
    equal = {
        "isolation forest (plain_forest)": (
            matrix_detector("plain_forest")().fit(train).anomaly_score(asked),
            -forest.score_samples(asked),
        ),
        "local outlier factor (lof)": (
            matrix_detector("lof")(**plain).fit(flat).anomaly_score(flat_asked),
            -factor.score_samples(flat_asked),
        ),
        "5th neighbour (knn)": (
            matrix_detector("knn")(**plain).fit(flat).anomaly_score(flat_asked),
            nearest.kneighbors(flat_asked)[0][:, -1],
        ),
        "principal components (pca)": (
            matrix_detector("pca")(preprocessing="standard").fit(train).anomaly_score(asked),
            0.5 * (lost**2).sum(axis=1),
        ),
    }
    told = [
        {"method": name, "peer": "scikit-learn", "largest": float(np.abs(a / b - 1).max())}
        for name, (a, b) in equal.items()
    ]
    for name, peer in (("ecod", ECOD()), ("copod", COPOD()), ("hbos", HBOS())):
        given = {"logarithm": False} if name == "hbos" else {}
        ours = matrix_detector(name)(**given).fit(train).anomaly_score(train)
        theirs = peer.fit(train).decision_scores_
        ranks = float(spearmanr(ours, theirs).statistic)
        told.append({"method": name, "peer": "PyOD", "spearman on training rows": ranks})
    return told


def measure(nsl_kdd: Path | None) -> Measured:
    X = skewed(TRAIN_ROWS + SCORED_ROWS)
    train, asked = X[:TRAIN_ROWS], np.ascontiguousarray(X[TRAIN_ROWS:])
    noise = np.random.default_rng(1).normal(size=(102_000, COLUMNS))
    sets = {"five factors": standard(X[:102_000])}
    if nsl_kdd is not None:
        from detectors import load  # the program beside this one

        real = load(nsl_kdd)[0]
        real = real[np.random.default_rng(0).permutation(len(real))[:102_000]]
        sets["NSL-KDD"] = RobustScale.of(real).apply(real)
    sets["white noise"] = noise
    speed = forests(train, asked) + columnwise(train, asked) + autoencoders(train, asked)
    speed += factors(train, asked) + neighbours(sets)
    return {
        "machine": f"{cpu()}, one thread",
        "python": platform.python_version(),
        "versions": {
            name: version(name) for name in ("numpy", "numba", "scikit-learn", "pyod", "torch")
        },
        "openblas": os.environ.get("OPENBLAS_CORETYPE", "its own choice"),
        "speed": speed,
        "agreement": agreements(train, asked),
    }


def cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


HEAD = """# How fast the detectors score, beside others

Rows a second of CPU time on one thread, ours and theirs in one run, made by

```sh
python benchmarks/detector_speed.py measure --nsl-kdd DIR > docs/explanation/detector-speed.json
python benchmarks/detector_speed.py page docs/explanation/detector-speed.json
```

where PyOD is installed beside Eddyline.
Rows are 30 heavy-tailed columns that five hidden factors move, 20,000 of them for training, unless the \
table says otherwise.
"""

WHY = """
What makes the difference:

- **Forest.** Trees are walked for a fixed number of steps without a branch, eight rows side by side.
- **ECOD, COPOD.** A row is scored by the training rows alone: a search in sorted columns, all rows of a \
block in step.
  PyOD puts the rows of a call among the training rows and sorts everything again, so that a row's score \
depends on its neighbours in the call, and small calls cost as much as large ones.
- **Neighbours.** Rows are first compared along the few directions that hold 90 % of the variance; what \
that cannot rule out is measured exactly.
  On white noise every direction counts alike and nothing is ruled out so: there a matrix product in single \
precision rules pairs out by a proven bound.
  PyOD's neighbours are scikit-learn's search.
- **Autoencoder.** Scoring needs no torch: a compiled loop runs the layers, and a row keeps its bits \
whatever rows stand beside it.
  PyOD fetches row by row from a data loader.
"""

AGREEMENT = """
## Are they the same methods?

Scores of rows that were not trained on, against scikit-learn, as the largest relative difference; order \
of training rows against PyOD, as Spearman's correlation.
"""

NOTES = """
PyOD's ECOD and COPOD agree on training rows only: elsewhere theirs depends on the call.
Our HBOS takes the density of a bin relative to the highest of its column, PyOD's the density itself, \
which depends on the column's unit; the order differs where columns have different units.
`isolation_forest` departs from the published forest on purpose (logarithmic cuts, near-copies counted \
once) and is not compared by score.
"""


def page(told: Measured) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items())
    lines = [HEAD, f"{told['machine']}; Python {told['python']}, {versions}.", ""]
    lines += ["| method | what | ours | peer | peer's | times | promised |"]
    lines += ["|---|---|---:|---|---:|---:|---:|"]
    for part in told["speed"]:
        bar = f"{part['bar']:g}" if part["bar"] else ""
        what = part["rows"] + (f" ({part['note']})" if part["note"] else "")
        for peer, theirs in part["peers"].items():
            times = part["times"][peer]
            shown = (
                f"{times:.1f}" if not part["bar"] or times >= part["bar"] else f"**{times:.1f}**"
            )
            cells = [part["method"], what, f"{part['ours']:,}", peer, f"{theirs:,}", shown, bar]
            lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "A figure in bold misses its promise.", WHY, AGREEMENT]
    lines += ["| method | peer | agreement |", "|---|---|---|"]
    for part in told["agreement"]:
        if "largest" in part:
            said = f"largest relative difference {part['largest']:.0e}"
        else:
            said = f"rank correlation {part['spearman on training rows']:.6f}"
        lines.append(f"| {part['method']} | {part['peer']} | {said} |")
    return "\n".join([*lines, NOTES]).replace("\n\n\n", "\n\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--nsl-kdd", type=Path, help="folder with KDDTrain+.txt.gz")
    paging = commands.add_parser("page")
    paging.add_argument("figures", type=Path)
    chosen = parser.parse_args()
    if chosen.what == "measure":
        print(json.dumps(measure(chosen.nsl_kdd), indent=1))
        return
    text = page(json.loads(chosen.figures.read_text()))
    chosen.figures.with_suffix(".md").write_text(text)


if __name__ == "__main__":
    main()
