"""What the classes of five labelled lab days name on the sixth, and on days without attacks.

    python benchmarks/class_incidents.py examples/five-classes QUIET.pcap.gz … --output class_incidents.json

Each labelled day is left out once: a model is trained on the others, by default settings, and ``scan`` is
given it with no baseline. Told are the share of each class's flows that are in incidents which are called by
that class most, the incidents called by a class though they hold no attack flow, and the seconds. Quiet
captures are scanned with the model of all labelled days. Prints Markdown.
"""

import argparse
import json
import time
from pathlib import Path

import polars as pl

from eddyline.evaluate.lab_days import read_days
from eddyline.evaluate.scores import NAD_CLASSES
from eddyline.evaluate.shift import joined
from eddyline.features.rows import FlowRows, flow_rows
from eddyline.scan import ScanResult, ScanSettings, scan
from eddyline.supervised import FlowModel, train_rows

ATTACKS = NAD_CLASSES[1:]


def trained(rows: list[FlowRows]) -> FlowModel:
    """Train on some days by default settings."""
    return train_rows(joined(rows))


def mostly(result: ScanResult) -> dict[str, str]:
    """Give the class that each named incident is called by most."""
    return {
        one.uid: max(one.called, key=lambda label: one.called[label])
        for one in result.incidents
        if one.called
    }


def named(path: Path, result: ScanResult) -> dict[str, object]:
    """Hold the named incidents of a labelled day against its labels."""
    called = mostly(result)
    truth = pl.read_parquet(path).select("uid", "label")
    assert result.flow_verdicts is not None
    flows = result.flow_verdicts.join(truth, on="uid").with_columns(
        pl.col("incident").replace_strict(called, default=None).alias("called")
    )
    attack = flows.filter(pl.col("label") != NAD_CLASSES[0])
    hit = set(attack["incident"].drop_nulls().to_list())
    return {
        "shares": {
            name: float((part["called"] == name).sum() / part.height)
            for name in ATTACKS
            if (part := attack.filter(pl.col("label") == name)).height
        },
        "named": len(called),
        "false": len([uid for uid in called if uid not in hit]),
        "incidents": len(result.incidents),
    }


def main() -> None:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("quiet", type=Path, nargs="*")
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    days = {name: flow_rows([batch], "around") for name, batch in read_days(asked.folder).items()}
    told: dict[str, dict[str, object]] = {"attacked": {}, "quiet": {}}
    print(f"| day left out | {' | '.join(ATTACKS)} | named | of them false |")
    print("| --- |" + " --- |" * (len(ATTACKS) + 2))
    for day in days:
        model = trained([rows for name, rows in days.items() if name != day])
        began = time.perf_counter()
        path = asked.folder / f"{day}.parquet"
        found = named(path, scan(path, settings=ScanSettings(classes=model, flow_verdicts=True)))
        told["attacked"][day] = found | {"scan_s": time.perf_counter() - began}
        shares = found["shares"]
        assert isinstance(shares, dict)
        cells = " | ".join(f"{100 * shares[name]:.0f} %" for name in ATTACKS)
        print(f"| {day} | {cells} | {found['named']} | {found['false']} |", flush=True)
    model = trained(list(days.values()))
    print("\n| quiet day | flows | incidents called by a class |\n| --- | --- | --- |")
    for path in asked.quiet:
        result = scan(path, settings=ScanSettings(classes=model))
        name = path.parent.name if path.name.startswith("day") else path.name.split(".")[0]
        told["quiet"][name] = {"flows": result.flows_judged, "named": len(mostly(result))}
        print(f"| {name} | {result.flows_judged:,} | {len(mostly(result))} |", flush=True)
    if asked.output is not None:
        asked.output.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
