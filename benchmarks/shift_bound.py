"""How far labels of earlier days can tell malicious from outlier on a later one, chosen in hindsight.

    python benchmarks/shift_bound.py LUFLOW

LUFLOW holds the zips of LUFlow. The flows of a predicted day that are not benign, which a model must find
out by itself, are sorted by what earlier days said of them: malicious or outlier of their pair and service,
of their pair with other services only, or nothing. Each of these five kinds is called by one class, and the
classes that give most are looked up in the predicted day's own labels, which no model may do: a bound for
whoever knows no more than these kinds. Prints Markdown.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np

from eddyline.evaluate.corpora.luflow import TASKS, read_day
from eddyline.features.rows import FlowRows, flow_rows

KINDS = (
    "pair and service were outlier",
    "pair and service were malicious",
    "pair was outlier with other services",
    "pair was malicious with other services",
    "strangers",
)
LEAST = 0.35
"""F1 of outlier that a second bound must keep."""


def outliers(rows: FlowRows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whether each flow that is not benign is outlier, its pair, its pair and service."""
    label = rows.labels.to_numpy().astype(str)
    kept = label != "benign"
    return label[kept] == "outlier", rows.pairs[kept], rows.services[kept]


def shares(keys: np.ndarray, outlier: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The share of outlier that each asked key had; nan where it was not met."""
    known, place = np.unique(keys, return_inverse=True)
    share = np.bincount(place, weights=outlier) / np.bincount(place)
    found = np.searchsorted(known, asked).clip(max=len(known) - 1)
    return np.where(known[found] == asked, share[found], np.nan)


def kinds_of(training: list[FlowRows], test: FlowRows) -> tuple[np.ndarray, np.ndarray]:
    """The kind of each flow of the predicted day, and whether it is outlier."""
    parts = [outliers(rows) for rows in training]
    outlier, pairs, services = (np.concatenate(column) for column in zip(*parts, strict=True))
    truth, pair, service = outliers(test)
    by_service, by_pair = shares(services, outlier, service), shares(pairs, outlier, pair)
    kind = np.full(len(truth), 4)
    met = ~np.isnan(by_pair)
    kind[met] = np.where(by_pair[met] > 0.5, 2, 3)
    met = ~np.isnan(by_service)
    kind[met] = np.where(by_service[met] > 0.5, 0, 1)
    return kind, truth


def f1(truth: np.ndarray, told: np.ndarray) -> float:
    return 2 * float((truth & told).sum()) / float(truth.sum() + told.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("luflow", type=Path)
    folder = parser.parse_args().luflow
    for task in TASKS:
        read = {d: flow_rows([read_day(folder, d)], "around") for d in (*task.train, task.test)}
        kind, truth = kinds_of([read[day] for day in task.train], read[task.test])
        print(f"\n**Task {task.name}**\n\n| what earlier days said | flows | outlier |")
        print("| --- | --- | --- |")
        for place, words in enumerate(KINDS):
            mine = truth[kind == place]
            print(f"| {words} | {len(mine):,} | {mine.sum():,} |")
        found = []
        for choice in product((False, True), repeat=len(KINDS)):
            told = np.array(choice)[kind]
            found.append((f1(~truth, ~told), f1(truth, told)))
        best = max(found)
        kept = max(one for one in found if one[1] >= LEAST)
        print(
            f"\nIn hindsight malicious has {best[0]:.3f} at the most (outlier {best[1]:.3f}), and "
            f"{kept[0]:.3f} with outlier at {LEAST} or more ({kept[1]:.3f})."
        )


if __name__ == "__main__":
    main()
