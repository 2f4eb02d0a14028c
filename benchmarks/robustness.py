"""Judge attacks that hide: padded, slowed down, spread over sources; and say how far the days lie apart.

    python benchmarks/robustness.py measure > docs/explanation/robustness.json
    python benchmarks/robustness.py page docs/explanation/robustness.json

On the lab's six days of five classes: three networks, for each an earlier day and a later one. A classifier
learns the labels of the earlier days; a scan without a model learns from the altered day itself. Both judge
the later days, whose attacks were altered. Contamination of the training is measured by
``eddyline bench contamination``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from eddyline.evaluate.curve import Curve
from eddyline.evaluate.robustness import drift, mimicry, probes
from eddyline.features.rows import flow_rows
from eddyline.features.sets import flow_set
from eddyline.flows.batch import FlowBatch
from eddyline.pipeline import Pipeline
from eddyline.read.flows import read_flows
from eddyline.read.ingest import IngestReport
from eddyline.scan import ScanSettings, scan_flows
from eddyline.supervised import FlowModel, train

FIVE = Path(__file__).resolve().parent.parent / "examples" / "five-classes"
NETWORKS = ("harbour", "quarry", "orchard")
NORMAL = "Normal"


def day(number: int) -> FlowBatch:
    batches = list(read_flows([str(FIVE / f"five-{number}.parquet")]))
    labels = pl.concat([batch.labels for batch in batches if batch.labels is not None])
    return FlowBatch(pl.concat([batch.frame for batch in batches]), labels)


def attacks(flows: FlowBatch) -> np.ndarray:
    return (flows.labels["label"] != NORMAL).to_numpy()


def by_classifier(model: FlowModel, flows: FlowBatch) -> tuple[np.ndarray, np.ndarray]:
    table = model.classify([flows])
    return 1.0 - table[f"p_{NORMAL}"].to_numpy(), (table["verdict"] != NORMAL).to_numpy()


def by_scan(flows: FlowBatch) -> tuple[np.ndarray, np.ndarray]:
    """Scan as a user without a model does: what is normal is learned from the altered day itself."""
    settings = ScanSettings(flow_verdicts=True)
    batch = FlowBatch(flows.frame, None)
    told = scan_flows(
        [batch], IngestReport(), pipeline=Pipeline(), settings=settings
    ).flow_verdicts
    return told["score"].fill_null(0.0).to_numpy(), told["incident"].is_not_null().to_numpy()


def figures(flows: FlowBatch, score: np.ndarray, flagged: np.ndarray) -> dict[str, Any]:
    """Give the area under the precision-recall curve, and recall of each class at the model's own cut."""
    attack = attacks(flows)
    told: dict[str, Any] = {"pr_auc": Curve.of(attack, score).average_precision}
    told["false_positive_rate"] = float(flagged[~attack].mean())
    for name in sorted(flows.labels["label"].unique()):
        if name != NORMAL:
            own = (flows.labels["label"] == name).to_numpy()
            told[name] = float(flagged[own].mean())
    return told


def probed(model: FlowModel, later: dict[str, FlowBatch]) -> list[dict[str, Any]]:
    """Give the mean over the networks of every figure for every probe and model."""
    rows = []
    for probe in probes():
        for kind in ("classifier", "scan"):
            found = []
            for flows in later.values():
                altered = probe.apply(flows, attacks(flows))
                if kind == "classifier":
                    found.append(figures(altered, *by_classifier(model, altered)))
                else:
                    found.append(figures(altered, *by_scan(altered)))
            names = {name for one in found for name in one}
            mean = {
                name: float(np.mean([one[name] for one in found if name in one]))
                for name in sorted(names)
            }
            rows.append({"probe": probe.kind, "level": probe.level, "model": kind, **mean})
            print(rows[-1], file=sys.stderr, flush=True)
    return rows


def measure() -> dict[str, Any]:
    earlier = {name: day(place) for place, name in enumerate(NETWORKS, 1)}
    later = {name: day(place) for place, name in enumerate(NETWORKS, 4)}
    model = train(list(earlier.values()), normal=NORMAL)
    names = flow_set("around").names
    families = {"the flow alone": range(15), "its surroundings": range(15, len(names))}
    moved, apart = [], {}
    for network, flows in later.items():
        rows = flow_rows([flows], "around")
        X = {"untouched": rows.X.astype(np.float64), **mimicry(rows.X, attacks(flows), families)}
        for family, values in X.items():
            site = model.site
            shares = site.probabilities(values.astype(rows.X.dtype), rows.keys)
            score = 1.0 - shares[:, site.normal]
            area = Curve.of(attacks(flows), score).average_precision
            moved.append({"network": network, "family": family, "pr_auc": area})
        first = flow_rows([earlier[network]], "around").X[~attacks(earlier[network])]
        found = drift(first, rows.X[~attacks(flows)], names)
        apart[network] = [{"column": d.name, "psi": d.psi, "ks": d.ks} for d in found[:5]]
    return {"probes": probed(model, later), "mimicry": moved, "drift": apart}


HEAD = """# When attacks hide

An attack can be padded with bytes, slowed down, or spread over several sources.
Here the attacks of three later lab days are altered so.
They are judged by a classifier (`eddyline train`, labels of three earlier days, on which the same hosts \
had \
other addresses) and by a scan without a model (`eddyline scan`, which learns from the altered day itself).
Figures are means over the three networks, made by

```sh
python benchmarks/robustness.py measure > docs/explanation/robustness.json
python benchmarks/robustness.py page docs/explanation/robustness.json
```

A class's column is its recall at the model's own cut: the share of its flows that the classifier names an \
attack, or that lie in an incident of the scan; `false_positive_rate` is the share of normal flows that do.
What contamination of the training does is on [its own page](contamination.md).
"""


READING = """
Padding changes little: what tells these attacks is how many hosts and ports a source meets.
Gaps a hundred times longer and twenty sources work: they are what the counts of a minute and of an hour \
are \
made of.
A sweep over twenty sources leaves each of them a few hosts, which is no sweep any more.
"""


def page(told: dict[str, Any]) -> str:
    first = told["probes"][0]
    names = [name for name in first if name not in ("probe", "level", "model")]
    lines = [HEAD, f"| probe | model | {' | '.join(names)} |"]
    lines.append("|---|---|" + "---:|" * len(names))
    for row in told["probes"]:
        what = {"none": "untouched", "padding": "padded by {:.0%}", "slow": "gaps × {:g}"}
        shown = what.get(row["probe"], "spread over {:g} sources").format(row["level"])
        cells = " | ".join(f"{row[name]:.3f}" if name in row else "" for name in names)
        lines.append(f"| {shown} | {row['model']} | {cells} |")
    lines += [READING, "", "## Which features carry the classifier", ""]
    lines += [
        "Features of the attacks are moved to the median of normal flows, one family at a time."
    ]
    lines += ["", "| network | family moved | pr_auc |", "|---|---|---:|"]
    for row in told["mimicry"]:
        lines.append(f"| {row['network']} | {row['family']} | {row['pr_auc']:.3f} |")
    lines += ["", "## How far the normal flows of the later day lie from the earlier", ""]
    lines += ["The five columns of the largest population stability index (PSI) of each network."]
    lines += ["", "| network | column | PSI | KS |", "|---|---|---:|---:|"]
    for network, columns in told["drift"].items():
        for one in columns:
            cells = f"{one['psi']:.3f} | {one['ks']:.3f}"
            lines.append(f"| {network} | {one['column']} | {cells} |")
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="what", required=True)
    commands.add_parser("measure")
    paging = commands.add_parser("page")
    paging.add_argument("figures", type=Path)
    chosen = parser.parse_args()
    if chosen.what == "measure":
        print(json.dumps(measure(), indent=1))
        return
    text = page(json.loads(chosen.figures.read_text(encoding="utf-8")))
    chosen.figures.with_suffix(".md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
