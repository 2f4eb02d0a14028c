"""What each part of the deep classifier is worth on the days of LUFlow: experiments E1-E6.

    python benchmarks/deep_shift.py DIR --cache runs.jsonl --output deep_shift.json

DIR holds the zips of LUFlow. Each run is one seed of one setting on one task; it is kept in the cache,
and a broken off program goes on where it ended. The net stops by a part of the training days
(``split``); the predicted day is only ever seen without labels, by the runs marked transductive, and
no setting was chosen by it. The settings of E1-E4 and E6 differ from the default in one thing each; their
nets are smaller than the default, so that many fit into an hour. Those of E5 stand beside boosting on the
same rows: the net in its full size, and TabM in the size of ``TABM``. ``deep_shift_page.py`` makes the page
of the JSON. Everything is told as a mean with its 80 % band over the
seeds, and each setting's difference from the setting it is compared with is paired by seed: only a band
without 0 is an effect.
"""

import argparse
import json
import time
import warnings
from pathlib import Path

import numpy as np

from eddyline.classifiers.boosting import Boosting
from eddyline.classifiers.deep.snn import SNN
from eddyline.classifiers.deep.tabm import TabM
from eddyline.errors import SplitWarning
from eddyline.evaluate.bands import band, paired_band
from eddyline.evaluate.corpora.luflow import CLASSES, TASKS, read_day
from eddyline.evaluate.scores import (
    LUFLOW_COST,
    challenge_score,
    confusion_matrix,
    constant_floor,
)
from eddyline.evaluate.strategies import split_flows
from eddyline.features.nad import nad_table
from eddyline.features.nad_options import NadOptions
from eddyline.flows.batch import FlowBatch
from eddyline.read.luflow import columns_beside

BASE = {
    "updates": 800,
    "every": 100,
    "patience": 4,
    "batch": 256,
    "width": 128,
    "latent": 64,
    "criterion": "challenge",
    "cost": LUFLOW_COST,
}
"""The small net; all else as in the default."""

FULL = {
    "updates": 5_000,
    "every": 250,
    "patience": 6,
    "batch": 256,
    "criterion": "challenge",
    "cost": LUFLOW_COST,
}
"""The net in its full size, 256 columns and 128 latents; its batch is a quarter of the default's."""

TABM = {
    "updates": 3_000,
    "every": 250,
    "patience": 4,
    "members": 16,
    "width": 128,
    "criterion": "challenge",
    "cost": LUFLOW_COST,
}
"""Half the members of TabM's default and a quarter of its width."""

PORTS = 24
"""Ports, the commonest of the training days, that have a flag of their own, for each side."""

JUDGED = 8_000
"""Rows of the validation that are judged at each point of the curve."""

CURVE = 5_000
"""Rows of the predicted day that are judged at each point of the curve; the end is judged on all."""

MEAN_OF = ({"method": "boosting"}, {"method": "full", "alignment": "none"})
"""What the mean of E5 is made of."""

# name: (what it varies, transductive, split, form of the segments, arguments, compared with)
SETTINGS = {
    "cmd": ("E2", True, "group_block", "causal", {}, "plain"),
    "plain": ("E2", False, "group_block", "causal", {}, None),
    "plain-row": ("E1", False, "row", "causal", {}, "plain"),
    "plain-day": ("E1", False, "day", "causal", {}, "plain"),
    "cmd-trained-mix": ("E2", True, "group_block", "causal", {"reference": "trained"}, "cmd"),
    "cmd-weight-0.3": ("E3", True, "group_block", "causal", {"align_weight": 0.3}, "cmd"),
    "cmd-weight-3": ("E3", True, "group_block", "causal", {"align_weight": 3.0}, "cmd"),
    "cmd-moments-1": ("E4", True, "group_block", "causal", {"moments": 1}, "cmd"),
    "cmd-moments-3": ("E4", True, "group_block", "causal", {"moments": 3}, "cmd"),
    "cmd-moments-7": ("E4", True, "group_block", "causal", {"moments": 7}, "cmd"),
    "sampler-0": ("E6", False, "group_block", "causal", {"power": 0.0}, "plain"),
    "sampler-1": ("E6", False, "group_block", "causal", {"power": 1.0}, "plain"),
    "no-heads": ("E6", False, "group_block", "causal", {"head_weight": 0.0}, "plain"),
    "even-even": ("E6", False, "group_block", "causal", {"shake": "even-even"}, "plain"),
    "even-shake": ("E6", False, "group_block", "causal", {"shake": "even-shake"}, "plain"),
    "shake-shake": ("E6", False, "group_block", "causal", {"shake": "shake-shake"}, "plain"),
    "shake-keep": ("E6", False, "group_block", "causal", {"shake": "shake-keep"}, "plain"),
    "look-ahead": ("E6", False, "group_block", "look-ahead", {}, "plain"),
    "boosting": ("E5", False, "group_block", "causal", MEAN_OF[0], "plain"),
    "full-snn": ("E5", False, "group_block", "causal", MEAN_OF[1], "boosting"),
    "full-cmd": ("E5", True, "group_block", "causal", {"method": "full"}, "full-snn"),
    "tabm": ("E5", False, "group_block", "causal", {"method": "tabm"}, "boosting"),
    "snn+boosting": ("E5", False, "group_block", "causal", {"method": "mean"}, "boosting"),
    "coral": ("E2", True, "group_block", "causal", {"alignment": "coral"}, "plain"),
    "dann": ("E2", True, "group_block", "causal", {"alignment": "dann"}, "plain"),
}


class Days:
    """The days' flows, features and classes, each read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read: dict[str, tuple] = {}
        self.made: dict[tuple[str, str], tuple] = {}
        self.members: dict[tuple[str, int], dict] = {}

    def day(self, name: str) -> tuple:
        """Flows, causal and look-ahead features, native columns, classes."""
        if name not in self.read:
            batch = read_day(self.folder, name)
            frame = batch.frame
            path = self.folder / f"{name}.zip"
            beside = columns_beside(path.read_bytes(), path.name)
            joined = frame.select("uid").join(beside, on="uid", how="left", maintain_order="left")
            native = np.column_stack(
                [
                    frame[column].cast(float).fill_null(-1.0).to_numpy()
                    for column in (
                        "duration_s", "payload_out", "payload_in", "pkts_out", "pkts_in",
                        "bidirectional_mean_piat_ms",
                    )
                ]
                + [
                    joined[column].fill_null(-1.0).to_numpy()
                    for column in ("native_entropy", "native_total_entropy")
                ]
            )  # fmt: skip
            tables = {
                form: nad_table(frame, NadOptions("flow-noip", form)).X
                for form in ("causal", "look-ahead")
            }
            label = batch.labels["label"].to_numpy().astype(str)
            label = np.char.lower(label)
            self.read[name] = (batch, tables, native, np.searchsorted(CLASSES, label), label)
        return self.read[name]

    def task(self, task, form: str) -> tuple:
        """Flows, rows and names of classes of the training days; rows and names of the predicted one."""
        if (task.name, form) not in self.made:
            self.made[task.name, form] = self.make(task, form)
        return self.made[task.name, form]

    def make(self, task, form: str) -> tuple:
        """The same, made now; what is no flag is logged here, once for all runs."""
        days = [self.day(name) for name in task.train]
        test = self.day(task.test)
        flags = []
        for side in ("src_port", "dst_port"):
            seen = np.concatenate([port_of(day[0], side) for day in days])
            ports, counts = np.unique(seen, return_counts=True)
            flags.append((side, ports[np.argsort(-counts, kind="stable")[:PORTS]]))

        def rows(day: tuple) -> np.ndarray:
            ports = [
                (port_of(day[0], side)[:, None] == common).astype(np.float32)
                for side, common in flags
            ]
            return np.hstack([day[1][form], day[2].astype(np.float32), *ports])

        flows = FlowBatch.concat([day[0] for day in days])
        X, X_test = np.vstack([rows(day) for day in days]), rows(test)
        for column in range(X.shape[1]):
            if not np.isin(X[:, column], (0, 1)).all():
                for part in (X, X_test):
                    part[:, column] = np.sign(part[:, column]) * np.log1p(np.abs(part[:, column]))
        return flows, X, np.concatenate([day[4] for day in days]), X_test, test[4]


def plain(arguments: dict) -> dict:
    """The arguments without the costs, which the criterion names."""
    return {key: value for key, value in arguments.items() if key != "cost"}


def port_of(batch: FlowBatch, side: str) -> np.ndarray:
    return batch.frame[side].cast(int).fill_null(-1).to_numpy()


def worth(truth: np.ndarray, told: np.ndarray) -> dict:
    counts = confusion_matrix(truth, told, CLASSES)
    score = challenge_score(counts, LUFLOW_COST)
    hits = np.diag(counts)
    f1 = 2 * hits / np.maximum(counts.sum(0) + counts.sum(1), 1)
    return {
        "score": score.value,
        **{f"f1_{name}": float(value) for name, value in zip(CLASSES, f1, strict=True)},
    }


class Mean:
    """The mean of the probabilities of boosting and of the net in its full size."""

    def __init__(self, members: list) -> None:
        self.members = members

    def predict(self, X: np.ndarray) -> np.ndarray:
        shares = np.mean([model.predict_proba(X) for model in self.members], axis=0)
        return self.members[0].classes_[shares.argmax(1)]


def trained(arguments: dict, seed: int, rows: tuple, members: dict, **beside) -> object:
    """Train what a setting asks for; ``members`` keeps what a mean needs again, ``beside`` is for nets."""
    method = arguments.get("method", "small")
    own = {key: value for key, value in arguments.items() if key != "method"}
    if method == "mean":
        return Mean([trained(one, seed, rows, members, **beside) for one in MEAN_OF])
    place = MEAN_OF.index(arguments) if arguments in MEAN_OF else None
    if place in members:
        return members[place]
    if method == "boosting":
        model = Boosting(seed=seed).fit(*rows)
    elif method == "tabm":
        model = TabM(**{**TABM, "seed": seed}).fit(*rows, **{**beside, "target": None})
    else:
        size = FULL if method == "full" else BASE
        model = SNN(**{**size, **own, "seed": seed}).fit(*rows, **beside)
    if place is not None:
        members[place] = model
    return model


def run(days: Days, task, setting: str, seed: int) -> dict:
    _, transductive, split_name, form, arguments, _ = SETTINGS[setting]
    flows, X, y, X_test, y_test = days.task(task, form)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", SplitWarning
        )  # whether the split fits is part of the result
        split = split_flows(flows.frame, y, split_name, seed=seed)[0]
    rng = np.random.default_rng(seed)
    judged = np.sort(rng.permutation(split.validation)[:JUDGED])
    shown = np.sort(rng.permutation(len(X_test))[:CURVE])
    curve: list[float] = []
    began = time.process_time()
    model = trained(
        arguments,
        seed,
        (X[split.train], y[split.train]),
        days.members.setdefault((task.name, seed), {}),
        target=X_test if transductive else None,
        validation=(X[judged], y[judged]),
        watch=lambda _, now: curve.append(
            worth(y_test[shown], now.predict(X_test[shown]))["score"]
        ),
    )
    took = time.process_time() - began
    validation = worth(y[split.validation], model.predict(X[split.validation]))
    test = worth(y_test, model.predict(X_test))
    return {
        "task": task.name,
        "setting": setting,
        "seed": seed,
        "validation": validation,
        "test": test,
        "gap": validation["score"] - test["score"],
        "split_fits": split.fits,
        **told_of_training(model, curve),
        "cpu_s": round(took, 1),
    }


def told_of_training(model: object, curve: list[float]) -> dict:
    """Where a net stopped and its curve; nothing of what is no net."""
    if not hasattr(model, "history_"):
        return {}
    return {
        "stopped_at": int(model.history_[int(model.best_), 0]),
        "curve": {
            "update": model.history_[:, 0].astype(int).tolist(),
            "training_loss": model.history_[:, 1].round(4).tolist(),
            "validation_loss": model.history_[:, 2].round(4).tolist(),
            "validation_score": model.history_[:, 3].round(4).tolist(),
            "test_score": np.round(curve, 4).tolist(),
        },
    }


def told(values: list[float]) -> dict:
    if len(values) < 2:
        return {"mean": round(values[0], 4), "n": 1}
    found = band(values)
    return {
        "mean": round(found.mean, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "n": found.n,
    }


def summary(runs: list[dict]) -> dict:
    """Means with bands for every task and setting, and paired differences from what it is compared with."""
    by = {(r["task"], r["setting"], r["seed"]): r for r in runs}
    result: dict = {}
    for task in sorted({r["task"] for r in runs}):
        result[task] = {}
        for setting, (experiment, transductive, split, form, arguments, other) in SETTINGS.items():
            mine = {s: r for (t, name, s), r in by.items() if (t, name) == (task, setting)}
            if not mine:
                continue
            seeds = sorted(mine)
            entry: dict = {
                "experiment": experiment,
                "transductive": transductive,
                "split": split,
                "segments": form,
                "changed": arguments,
                "seeds": seeds,
                "validation_score": told([mine[s]["validation"]["score"] for s in seeds]),
                "gap": told([mine[s]["gap"] for s in seeds]),
                "test": {
                    key: told([mine[s]["test"][key] for s in seeds])
                    for key in mine[seeds[0]]["test"]
                },
            }
            both = [s for s in seeds if (task, other, s) in by]
            if other is not None and len(both) >= 2:
                entry["minus"] = other
                entry["difference"] = {}
                for key in ("score", "f1_malicious", "f1_outlier"):
                    found = paired_band(
                        [mine[s]["test"][key] for s in both],
                        [by[task, other, s]["test"][key] for s in both],
                    )
                    entry["difference"][key] = {
                        "mean": round(found.mean, 4),
                        "low": round(found.low, 4),
                        "high": round(found.high, 4),
                        "n": found.n,
                        "effect": found.excludes_zero,
                    }
            result[task][setting] = entry
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("deep_shift.jsonl"))
    parser.add_argument("--output", type=Path)
    parser.add_argument("--tasks", default="A,B")
    parser.add_argument("--settings", default=",".join(SETTINGS))
    parser.add_argument("--seeds", default="0,1,2,3,4")
    parser.add_argument("--minutes", type=float, default=1e9, help="start no run after so many")
    chosen = parser.parse_args()
    runs = []
    if chosen.cache.exists():
        runs = [json.loads(line) for line in chosen.cache.read_text().splitlines()]
    done = {(r["task"], r["setting"], r["seed"]) for r in runs}
    days, began = Days(chosen.folder), time.monotonic()
    tasks = [task for task in TASKS if task.name in chosen.tasks.split(",")]
    for setting in chosen.settings.split(","):
        for seed in map(int, chosen.seeds.split(",")):
            for task in tasks:
                late = time.monotonic() - began > 60 * chosen.minutes
                if (task.name, setting, seed) in done or late:
                    continue
                runs.append(run(days, task, setting, seed))
                with chosen.cache.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(runs[-1]) + "\n")
    floors = {
        task.name: constant_floor(np.bincount(days.day(task.test)[3], minlength=3), LUFLOW_COST)[1]
        for task in tasks
    }
    result = {
        "data": "LUFlow",
        "tasks": {
            t.name: {"train": t.train, "test": t.test, "floor": floors[t.name]} for t in tasks
        },
        "features": "flow-noip of NAD 2021, 8 native columns, flags of the 24 commonest ports a side; "
        "logarithms of all but flags",
        "net": plain(BASE),
        "full_net": plain(FULL),
        "tabm": plain(TABM),
        "nad_2021": "not run (data under signed agreement)",
        "summary": summary(runs),
        "runs": runs,
    }
    text = json.dumps(result, indent=1)
    if chosen.output:
        chosen.output.write_text(text + "\n", encoding="utf-8")
    print(json.dumps(result["summary"], indent=1))


if __name__ == "__main__":
    main()
