"""Run every detection bar at one setting and write the figures: JSON on stdout or in a file, tables beside.

    python benchmarks/detection.py [--data DIR] [--only lab zeek attacks] [--json F.json] [--markdown F.md]

`lab` needs nothing but the repository: `examples/` and `tests/cases/lab-*`, each day with the model that its
`expect.toml` names, without a model, and with `--no-rules`. `attacks` and `zeek` read `DIR/pcap/attacks` and
`DIR/zeek`, which are public captures that are not part of the repository; they are left out, and said to
be, where DIR is absent.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from eddyline.cli.evaluate import document, said, scan_watched
from eddyline.evaluate.evaluation import evaluate
from eddyline.evaluate.incident_sets import LOGS, day_row, first_incident, lab_days, read_captures
from eddyline.scan import ScanSettings, learn, scan

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ScanSettings()
BROWSING = {"http_espn.pcapng", "tcp_ports.pcapng"}
FEW = 20


# ------------------------------------------------------------------ the lab's days


def lab() -> list[dict[str, Any]]:
    rows = []
    for day in lab_days([ROOT / "examples", ROOT / "tests" / "cases"]):
        for model_name, rules in (
            ("model", True),
            ("model", False),
            ("none", True),
            ("none", False),
        ):
            if day.truth is None and model_name == "none":
                continue
            settings = replace(SETTINGS, rules=rules)
            model = learn(day.learn, settings=settings) if model_name == "model" else None
            begun = time.perf_counter()
            result, flows = scan_watched([str(day.scan)], model, settings)
            row = day_row(flows, result.incidents, day.truth, seed=settings.seed)
            seconds = round(time.perf_counter() - begun, 2)
            rows.append(
                {
                    "day": day.name,
                    "model": model_name,
                    "rules": rules,
                    "false_allowed": day.max_false,
                    **row,
                    "seconds": seconds,
                }
            )
            progress(
                f"lab {day.name} model={model_name} rules={rules}: {row.get('right')}/{row['attacks']}"
            )
    return rows


# ------------------------------------------------------------------ captures of one attack each


def attacks(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for row in read_captures(folder):
        result = scan(folder / row["file"], settings=SETTINGS)
        told = [f"{one.attack}: {one.reason}" for one in result.incidents]
        out: dict[str, Any] = {
            "file": row["file"],
            "visible": row["visible_in_flows"],
            "attack": row["attack"],
        }
        if row["visible_in_flows"] == "no":
            named = [one for one in result.incidents if one.attack != "unusual"]
            must = 0 if row["file"] in BROWSING else None
            out |= {
                "false_accusations": len(named),
                "quiet": not result.incidents,
                "must_be_quiet": must == 0,
            }
        else:
            out |= first_incident(row, result.incidents)
        out["told"] = told[:5]
        out["incidents"] = len(told)
        rows.append(out)
        progress(f"attacks {row['file']}: {told[:1]}")
    return rows


# ------------------------------------------------------------------ labelled flow logs


def zeek(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for name in LOGS:
        begun = time.perf_counter()
        result, flows = scan_watched([str(folder / name)], None, SETTINGS)
        figures = evaluate(flows, result.incidents)
        seconds = round(time.perf_counter() - begun, 2)
        rows.append({"set": name, "seconds": seconds, **document(result, figures)})
        progress(f"zeek {name}: share {said(figures.incident_level[0].found_share)}")
    return rows


# ------------------------------------------------------------------ tables


def markdown(figures: dict[str, Any]) -> str:
    head = Path(__file__).with_name("detection_head.md").read_text()
    parts = [head.format(**figures)]
    if figures.get("zeek"):
        parts.append(summary_table(figures["zeek"]))
    if figures.get("lab"):
        parts.append(lab_table(figures["lab"]))
        parts.append(lab_totals(figures["lab"]))
    if figures.get("attacks"):
        parts.append(attacks_table(figures["attacks"]))
    if figures.get("zeek"):
        parts.append(zeek_tables(figures["zeek"]))
    return "\n".join(parts)


def table(names: list[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines.extend(
        "| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |" for row in rows
    )
    return "\n".join(lines) + "\n"


def lab_table(rows: list[dict[str, Any]]) -> str:
    names = [
        "day",
        "model",
        "generic levels",
        "right key and source, first N + 2",
        "points",
        "hit",
        "false",
        "not right",
    ]
    return "## The lab's days\n\n" + table(
        names,
        (
            [
                row["day"],
                "learned" if row["model"] == "model" else "the capture itself",
                "on" if row["rules"] else "off",
                f"{row['right']} of {row['attacks']}" if row["attacks"] else "quiet day",
                row.get("points", ""),
                row.get("hit_at_any_rank", ""),
                row["false"],
                "; ".join([*row.get("not_right", []), *(f"false: {one}" for one in row["told"])]),
            ]
            for row in rows
        ),
    )


def lab_totals(rows: list[dict[str, Any]]) -> str:
    """Give the sum over the days of each way to judge."""
    ways = dict.fromkeys((row["model"], row["rules"]) for row in rows)
    lines = []
    for model, rules in ways:
        mine = [
            row
            for row in rows
            if (row["model"], row["rules"]) == (model, rules) and row["attacks"]
        ]
        n = sum(row["attacks"] for row in mine)
        right, points = (sum(row[name] for row in mine) for name in ("right", "points"))
        false = sum(row["false"] for row in mine)
        name = "learned" if model == "model" else "the capture itself"
        lines.append(
            [name, "on" if rules else "off", f"{right} of {n}", f"{right / n:.0%}", points, false]
        )
    names = [
        "model",
        "generic levels",
        "right key and source, first N + 2",
        "share",
        "points",
        "false",
    ]
    return "All days with attacks:\n\n" + table(names, lines)


def attacks_table(rows: list[dict[str, Any]]) -> str:
    graded = [row for row in rows if row["visible"] == "yes"]
    points = sum(row["points"] for row in graded)
    title = f"## Captures of one attack each: {points:g} of {len(graded)} points\n\n"
    first = table(
        ["capture", "attack", "visible", "first incident", "points", "right rank", "other incidents"],
        (
            [row["file"], row["attack"], row["visible"], row["said"] or "none", f"{row['points']:g}",
             row["rank"] or "none", row.get("others", 0)]
            for row in rows
            if row["visible"] != "no"
        ),
    )  # fmt: skip
    second = table(
        ["capture without a visible attack", "incidents", "false accusations", "must be quiet"],
        (
            [
                row["file"],
                row["incidents"],
                row["false_accusations"],
                "yes" if row["must_be_quiet"] else "",
            ]
            for row in rows
            if row["visible"] == "no"
        ),
    )
    return title + first + "\n" + second


def summary_table(rows: list[dict[str, Any]]) -> str:
    """Give the bar of the labelled logs beside the best trivial incidents."""
    names = ["set", "attack flows", "share in pure top 10 (bar 0.8)", "false a day (bar 5)"]
    names += ["best trivial share", "of", "its false a day"]

    def line(row: dict[str, Any]) -> list[Any]:
        ours, *others = row["incident_level"]
        best = max(others, key=lambda one: (one["found_share"] or 0.0, -one["false_per_day"]))
        n_attack = row["flow_level"]["n_attack"]
        share = said(ours["found_share"])
        if n_attack < FEW:
            share = "found" if ours["first_true"] else "not found"
        cells = [
            row["set"].split("/conn")[0],
            f"{n_attack:,}",
            share,
            f"{ours['false_per_day']:.2f}",
        ]
        return [*cells, said(best["found_share"]), best["method"], f"{best['false_per_day']:.2f}"]

    return "## Labelled flow logs, in short\n\n" + table(names, map(line, rows))


def zeek_tables(rows: list[dict[str, Any]]) -> str:
    head = ["incidents of", "n", "true", "dup", "false", "false a day", "recall", "recall@10", "precision@10",
            "first hit", "share of attack flows in pure top 10"]  # fmt: skip
    parts = ["## Labelled flow logs\n"]
    for row in rows:
        level = row["flow_level"]
        title = (
            f"### {row['set']}\n\n{level['n_attack']:,} attack, {level['n_normal']:,} normal and "
        )
        title += f"{level['n_unknown']:,} unlabelled flows; {row['attacks']:,} attacks"
        title += (
            "; fewer than 20 attack flows: found or not found.\n"
            if level["n_attack"] < FEW
            else ".\n"
        )
        parts.append(title)
        parts.append(
            table(
                head,
                (
                    [one["method"], one["n_incidents"], one["n_true"], one["n_duplicate"], one["n_false"],
                     f"{one['false_per_day']:.2f}", said(one["recall"]), said(one["recall_at_top"]),
                     said(one["precision_at_top"]), one["first_true"] or "none", said(one["found_share"])]
                    for one in row["incident_level"]
                ),
            )
        )  # fmt: skip
        parts.append(
            table(
                ["flow score", "AUC", "AP"],
                (
                    [one["method"], said(one["auc"]), said(one["average_precision"])]
                    for one in level["scores"]
                ),
            )
        )
    return "\n".join(parts)


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument(
        "--only", nargs="+", choices=("lab", "attacks", "zeek"), default=("lab", "attacks", "zeek")
    )
    chosen = parser.parse_args()
    figures: dict[str, Any] = {"budget": SETTINGS.budget, "seed": SETTINGS.seed, "left_out": []}
    if "lab" in chosen.only:
        figures["lab"] = lab()
    for name, folder, run in (("attacks", "pcap/attacks", attacks), ("zeek", "zeek", zeek)):
        if name not in chosen.only:
            continue
        if (chosen.data / folder).is_dir():
            figures[name] = run(chosen.data / folder)
        else:
            figures["left_out"].append(f"{name}: {chosen.data / folder} is absent")
    text = json.dumps(figures, indent=2)
    if chosen.json:
        chosen.json.write_text(text + "\n")
    else:
        print(text)
    if chosen.markdown:
        chosen.markdown.write_text(markdown(figures))


if __name__ == "__main__":
    main()
