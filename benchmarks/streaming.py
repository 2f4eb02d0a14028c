"""Measure the stream detectors: speed beside the peers, rankings on streams, and the example afternoon.

    python benchmarks/streaming.py speed --peers PYTHON --kitnet DIR > speed.json
    python benchmarks/streaming.py quality --data DIR --peers PYTHON [--seeds 5] > quality.json
    python benchmarks/streaming.py afternoon > afternoon.json

`PYTHON` is an interpreter with River and SciPy; `DIR` of `--kitnet` holds the authors' KitNET.py, dA.py,
corClust.py and utils.py (github.com/ymirsky/KitNET-py), of `--data` KDDTrain+.txt.gz of NSL-KDD. Peers run in
that interpreter, one after the other with ours on the same rows; times are CPU seconds of one thread.

Streams: all rows are scored first and learned after. `scattered`: normals of KDDTrain+ in the file's order
with attacks drawn at random, 5 % of 20,000 rows, at random places. `bursts`: the attacks of each type one
after the other at one random place. `http`: the rows of that service by duration and bytes alone, 2 %
attacks, scattered. Figures are AUROC over the rows after the first 5,000, in which KitNET learns; River runs
on the first seed alone.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np

TREES, DEPTH, WINDOW = 25, 15, 250
MAP_ROWS, TRAIN_ROWS = 1_000, 4_000
STREAM_ROWS, WARM_ROWS, FOREST_ROWS = 20_000, 5_000, 2_048
CATEGORICAL = (1, 2, 3)
NUMERIC_HTTP = (0, 4, 5)


def clocked(work):
    """Give what some work gives, and its CPU seconds."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


# ---------------------------------------------------------------- peers, in their own interpreter


def peer(task: str, given: Path, found: Path, folder: str) -> None:
    data = dict(np.load(given))
    made = peer_trees(data) if task == "river" else peer_kitnet(data, folder)
    np.savez(found, **made)


def peer_trees(data):
    """River's half-space trees over rows in [0, 1], or behind its own running scale."""
    from river import anomaly, compose, preprocessing

    model = anomaly.HalfSpaceTrees(
        n_trees=int(data["n_trees"]),
        height=int(data["depth"]),
        window_size=int(data["window"]),
        seed=int(data["seed"]),
    )
    if data["scaled"]:
        model = compose.Pipeline(preprocessing.MinMaxScaler(), model)
    rows = [{str(j): float(x) for j, x in enumerate(row)} for row in data["X"]]
    scores = [0.0] * len(rows)

    def run(first, end):
        for i in range(first, end):
            scores[i] = model.score_one(rows[i])
            model.learn_one(rows[i])

    _, built = clocked(lambda: run(0, 1))
    _, spent = clocked(lambda: run(1, len(rows)))
    return {"scores": np.array(scores), "seconds": spent, "build_seconds": built}


def peer_kitnet(data, folder: str):
    """The authors' program, which starts from the weights that it is given."""
    setattr(np, "Inf", np.inf)  # noqa: B010 - the program was written for an older numpy
    sys.path.insert(0, folder)
    import contextlib

    import KitNET

    X, map_rows, train_rows = data["X"], int(data["map_rows"]), int(data["train_rows"])
    with contextlib.redirect_stdout(sys.stderr):
        net = KitNET.KitNET(X.shape[1], 10, map_rows - 1, train_rows)
        scores = np.zeros(len(X))

        def run(first, end):
            for i in range(first, end):
                scores[i] = net.process(X[i])

        _, mapping = clocked(lambda: run(0, map_rows))
        place = 0
        for part in [*net.ensembleLayer, net.outputLayer]:
            part.W[...] = data["weights"][place : place + part.W.size].reshape(part.W.shape)
            place += part.W.size
        _, training = clocked(lambda: run(map_rows, map_rows + train_rows))
        _, scoring = clocked(lambda: run(map_rows + train_rows, len(X)))
    return {
        "scores": scores,
        "order": np.concatenate(net.v),
        "seconds": np.array([mapping, training, scoring]),
    }


def ask_peer(python: str, task: str, data, folder: str = ""):
    """Run a peer in its interpreter on the same rows."""
    with tempfile.TemporaryDirectory() as place:
        given, found = Path(place) / "given.npz", Path(place) / "found.npz"
        np.savez(given, **data)
        command = [python, __file__, "peer", task, str(given), str(found), folder]
        subprocess.run(command, check=True)
        return dict(np.load(found))


# ---------------------------------------------------------------- speed


def correlated(n: int, d: int = 100) -> np.ndarray:
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(n, 12))
    return np.exp(0.5 * causes @ rng.normal(size=(12, d)) + 0.3 * rng.normal(size=(n, d)))


def speed(python: str, folder: str):
    return {"kitnet": speed_kitnet(python, folder), "half_space_trees": speed_trees(python)}


def speed_kitnet(python: str, folder: str):
    from eddyline.detectors.kitnet import KitNet

    X = correlated(2 * WARM_ROWS)
    KitNet(map_rows=50, train_rows=50).score_and_learn(X[:200])  # compile
    net = KitNet(map_rows=MAP_ROWS, train_rows=TRAIN_ROWS)
    _, mapping = clocked(lambda: net.partial_fit(X[:MAP_ROWS]))
    weights, order = net.weights_.copy(), net.order_.copy()
    _, training = clocked(lambda: net.partial_fit(X[MAP_ROWS:WARM_ROWS]))
    scores, scoring = clocked(lambda: net.score_and_learn(X[WARM_ROWS:]))
    data = {"X": X, "map_rows": MAP_ROWS, "train_rows": TRAIN_ROWS, "weights": weights}
    theirs = ask_peer(python, "kitnet", data, folder)
    ours = np.array([mapping, training, scoring])
    rows = np.array([MAP_ROWS, TRAIN_ROWS, len(X) - WARM_ROWS])
    # The authors score the row after the last training row as the first one.
    difference = np.abs(scores - theirs["scores"][WARM_ROWS:]) / theirs["scores"][WARM_ROWS:]
    return {
        "columns": X.shape[1],
        "same map": bool(np.array_equal(order, theirs["order"])),
        "largest relative difference": float(difference.max()),
        "rows/s, map, training, scoring": {
            "authors": np.round(rows / theirs["seconds"]).tolist(),
            "ours": np.round(rows / ours).tolist(),
            "ours / authors": np.round(theirs["seconds"] / ours, 1).tolist(),
        },
        "ours / authors, whole stream": round(float(theirs["seconds"].sum() / ours.sum()), 1),
    }


def speed_trees(python: str):
    from eddyline.detectors.half_space_trees import HalfSpaceTrees

    figures = {}
    for d in (10, 41):
        X = np.random.default_rng(1).random((100_000, d)) ** 2
        arguments = {"n_trees": TREES, "depth": DEPTH, "window": WINDOW, "seed": 1}
        HalfSpaceTrees(scale="unit", **arguments).score_and_learn(X[:600])  # compile
        model = HalfSpaceTrees(scale="unit", **arguments)
        _, ours = clocked(lambda m=model, rows=X: m.score_and_learn(rows))
        few = X[:3_000]
        theirs = ask_peer(python, "river", {"X": few, "scaled": False, **arguments})
        mine, river = len(X) / ours, (len(few) - 1) / float(theirs["seconds"])
        figures[f"{d} columns"] = {
            "River rows/s": round(river),
            "ours rows/s": round(mine),
            "ours / River": round(mine / river, 1),
            "River builds its trees in s": round(float(theirs["build_seconds"]), 2),
        }
    return figures


# ---------------------------------------------------------------- quality


def read_rows(path: Path):
    with gzip.open(path, "rt") as lines:
        rows = [line.rstrip("\n").split(",") for line in lines if line.strip()]
    labels = np.array([row[41] for row in rows])
    columns = []
    for j in range(41):
        if j in CATEGORICAL:
            values = np.array([row[j] for row in rows])
            columns += [(values == name).astype(float) for name in sorted(set(values))]
        else:
            columns.append(np.array([float(row[j]) for row in rows]))
    service = np.array([row[2] for row in rows])
    bytes_only = np.array([[float(row[j]) for j in NUMERIC_HTTP] for row in rows])
    return np.stack(columns, axis=1), labels, service, bytes_only


def streams(folder: Path, seed: int):
    """Give name, rows and truth of each stream."""
    X, labels, service, bytes_only = read_rows(folder / "KDDTrain+.txt.gz")
    rng = np.random.default_rng(seed)
    for name, pool, rows, share in (
        ("scattered", np.ones(len(X), bool), X, 0.05),
        ("bursts", np.ones(len(X), bool), X, 0.05),
        ("http", service == "http", bytes_only, 0.02),
    ):
        n_bad = round(share * STREAM_ROWS)
        normal = np.flatnonzero(pool & (labels == "normal"))
        first = rng.integers(len(normal) - (STREAM_ROWS - n_bad))
        normal = normal[first : first + STREAM_ROWS - n_bad]
        bad = rng.choice(np.flatnonzero(pool & (labels != "normal")), n_bad, replace=False)
        if name == "bursts":
            kinds = {kind: rng.random() for kind in sorted(set(labels[bad]))}
            places = np.array([kinds[kind] for kind in labels[bad]])
        else:
            places = rng.random(n_bad)
        when = np.concatenate([np.arange(len(normal)) / len(normal), places])
        order = np.argsort(when, kind="stable")
        chosen = np.concatenate([normal, bad])[order]
        yield name, np.ascontiguousarray(rows[chosen]), labels[chosen] != "normal"


def windowed_forest(X: np.ndarray, seed: int):
    """Refit an isolation forest on each full window and score the next one by it."""
    from eddyline.detectors.isolation_forest import IsolationForest

    scores = np.zeros(len(X))
    for first in range(FOREST_ROWS, len(X), FOREST_ROWS):
        model = IsolationForest(n_trees=100, seed=seed).fit(X[first - FOREST_ROWS : first])
        scores[first : first + FOREST_ROWS] = model.anomaly_score(X[first : first + FOREST_ROWS])
    return scores


def quality(folder: Path, python: str | None, seeds: int):
    from sklearn.metrics import roc_auc_score

    from eddyline.detectors.registry import stream_detector

    made = {
        "half_space_trees, log": lambda s: stream_detector("half_space_trees")(seed=s),
        "half_space_trees, range": lambda s: stream_detector("half_space_trees")(
            scale="range", seed=s
        ),
        "online_forest, log": lambda s: stream_detector("online_forest")(seed=s),
        "online_forest, as published": lambda s: stream_detector("online_forest")(
            scale="none", seed=s
        ),
        "kitnet": lambda s: stream_detector("kitnet")(
            map_rows=MAP_ROWS, train_rows=TRAIN_ROWS, seed=s
        ),
    }
    figures: dict[str, dict[str, list[float]]] = {}
    for seed in range(seeds):
        for name, X, bad in streams(folder, seed):
            found = {}
            for method, make in made.items():
                found[method] = clocked(lambda m=make, s=seed, rows=X: m(s).score_and_learn(rows))
            found["windowed isolation forest"] = clocked(
                lambda s=seed, rows=X: windowed_forest(rows, s)
            )
            if python and seed == 0:  # a stream takes it a minute
                data = {
                    "X": X,
                    "scaled": True,
                    "n_trees": TREES,
                    "depth": DEPTH,
                    "window": WINDOW,
                    "seed": seed,
                }
                theirs = ask_peer(python, "river", data)
                found["River's trees"] = theirs["scores"], float(theirs["seconds"])
            for method, (scores, seconds) in found.items():
                auc = roc_auc_score(bad[WARM_ROWS:], scores[WARM_ROWS:])
                cell = figures.setdefault(name, {}).setdefault(method, [])
                cell.append((auc, len(X) / seconds))
                print(name, seed, method, round(auc, 4), file=sys.stderr, flush=True)
    return {
        name: {
            method: {
                "AUROC": round(float(np.mean([auc for auc, _ in cells])), 4),
                "sd": round(float(np.std([auc for auc, _ in cells])), 4),
                "runs": len(cells),
                "rows/s": round(float(np.median([rate for _, rate in cells]))),
            }
            for method, cells in methods.items()
        }
        for name, methods in figures.items()
    }


# ---------------------------------------------------------------- the example afternoon


def afternoon(examples: Path):
    """Learn the quiet morning, score the afternoon; AUROC over flows, all attacks and each alone."""
    import polars as pl
    from sklearn.metrics import roc_auc_score

    from eddyline.detectors.registry import matrix_detector, stream_detector
    from eddyline.features.damped import DampedStatistics
    from eddyline.features.flow import build

    morning = flows_of(examples / "quiet-morning.pcap.gz")
    later = flows_of(examples / "afternoon.pcap.gz")
    kind = labels_of(later, examples / "afternoon-flows-truth.csv.gz")
    kernel = DampedStatistics()
    DampedStatistics().update(morning[:10])  # compile
    damped, spent = clocked(lambda: [kernel.update(flows) for flows in (morning, later)])
    plain = [build(flows.with_columns(window=pl.lit(0))).X for flows in (morning, later)]
    both = [np.hstack(pair) for pair in zip(plain, damped, strict=True)]
    edges = [edges_of(flows) for flows in (morning, later)]
    n = len(morning)
    settings = {"kitnet": {"map_rows": 1_000, "train_rows": n - 1_000}}
    found = {}
    for rows_name, rows in (("flow", plain), ("damped", damped), ("flow + damped", both)):
        for name in ("kitnet", "online_forest", "half_space_trees"):
            model = stream_detector(name)(**settings.get(name, {})).partial_fit(rows[0])
            if name != "kitnet":  # it stands still after its training anyway
                found[f"{name} on {rows_name}, morning only"] = model.anomaly_score(rows[1])
            found[f"{name} on {rows_name}"] = model.score_and_learn(rows[1])
        for name in ("isolation_forest", "tails"):
            found[f"{name} on {rows_name}, morning only"] = (
                matrix_detector(name)().fit(rows[0]).anomaly_score(rows[1])
            )
    for name in ("midas", "midas_r", "midas_f", "anoedge"):
        model = stream_detector(name)().partial_fit(edges[0])
        found[f"{name}, ticks of a minute"] = model.score_and_learn(edges[1])
    found["bytes alone"] = later["bytes_out"].to_numpy()
    attacks = sorted(set(kind) - {""})
    normal = kind == ""
    table = {}
    for method, scores in found.items():
        cells = {"all": roc_auc_score(~normal, scores)}
        for attack in attacks:
            chosen = normal | (kind == attack)
            cells[attack] = roc_auc_score(~normal[chosen], scores[chosen])
        cells["mean of attacks"] = np.mean([cells[attack] for attack in attacks])
        table[method] = {cell: round(float(auc), 3) for cell, auc in cells.items()}
    return {
        "flows": [n, len(later)],
        "attack flows": {attack: int((kind == attack).sum()) for attack in attacks},
        "damped statistics, flows/s": round((n + len(later)) / spent),
        "AUROC": table,
    }


def flows_of(path: Path):
    import polars as pl

    from eddyline.features.columns import derive
    from eddyline.read.flows import read_flows

    return pl.concat([derive(batch.frame) for batch in read_flows(path)])


def edges_of(flows):
    """Number the addresses by their own bits, so that both captures agree, and count minutes."""
    from eddyline.features.damped import _numbers

    ends = [_numbers(flows[name]).astype(np.int64) for name in ("src_ip", "dst_ip")]
    return np.column_stack([*ends, flows["ts_end"].to_numpy().astype(np.int64) // 60_000_000])


def labels_of(flows, path: Path) -> np.ndarray:
    """Give each flow its attack: ends as in a row of the list, either way, and a time that touches it."""
    import polars as pl

    truth = pl.read_csv(path)
    back = truth.rename(
        {"src_ip": "dst_ip", "dst_ip": "src_ip", "src_port": "dst_port", "dst_port": "src_port"}
    )
    keys = ["src_ip", "dst_ip", "src_port", "dst_port", "proto"]
    columns = ["attack_id", *keys, "start_us", "end_us"]
    ports = [pl.col(name).cast(pl.Int64).fill_null(-1) for name in ("src_port", "dst_port")]
    rows = pl.concat([truth.select(columns), back.select(columns)]).with_columns(*ports)
    ours = flows.select(
        pl.int_range(pl.len()).alias("row"),
        pl.col("src_ip").cast(pl.String),
        pl.col("dst_ip").cast(pl.String),
        pl.when(pl.col("ip_proto").is_in([1, 58]))
        .then(-1)
        .otherwise("sport")
        .cast(pl.Int64)
        .alias("src_port"),
        pl.when(pl.col("ip_proto").is_in([1, 58]))
        .then(-1)
        .otherwise("port")
        .cast(pl.Int64)
        .alias("dst_port"),
        pl.col("proto").cast(pl.String),
        pl.col("ts").cast(pl.Int64),
        pl.col("ts_end").cast(pl.Int64),
    )
    hits = (
        ours.join(rows, on=keys, how="inner")
        .filter((pl.col("ts") <= pl.col("end_us")) & (pl.col("ts_end") >= pl.col("start_us")))
        .unique("row")
    )
    kind = np.full(flows.height, "", dtype="U32")
    kind[hits["row"].to_numpy()] = hits["attack_id"].to_numpy()
    return kind


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    quick = commands.add_parser("speed")
    quick.add_argument("--peers", required=True)
    quick.add_argument("--kitnet", required=True)
    good = commands.add_parser("quality")
    good.add_argument("--data", type=Path, required=True)
    good.add_argument("--peers")
    good.add_argument("--seeds", type=int, default=5)
    day = commands.add_parser("afternoon")
    day.add_argument("--examples", type=Path, default=Path(__file__).parents[1] / "examples")
    theirs = commands.add_parser("peer")
    for name in ("task", "given", "found", "folder"):
        theirs.add_argument(name)
    given = parser.parse_args()
    if given.command == "peer":
        peer(given.task, Path(given.given), Path(given.found), given.folder)
        return
    if given.command == "speed":
        figures = speed(given.peers, given.kitnet)
    elif given.command == "quality":
        figures = quality(given.data, given.peers, given.seeds)
    else:
        figures = afternoon(given.examples)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
