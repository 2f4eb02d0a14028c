"""The page and the pictures of ``deep_shift.py``, from its JSON and nothing else.

    python benchmarks/deep_shift_page.py docs/explanation/deep-model.json --training deep-training.json

Writes ``deep-model.md`` and one SVG a task beside the JSON: the score over updates with its 80 % band, on
the predicted day and on the validation, as the article drew it. A curve ends where the first of its seeds
had stopped, so that each band is over all of them.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from deep_shift import SETTINGS
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from eddyline.evaluate.bands import band

HEAD = Path(__file__).with_name("deep_shift_head.md")

TITLES = {
    "E1": "E1: what the net stops by",
    "E2": "E2: matching the days",
    "E3": "E3: the weight of matching",
    "E4": "E4: the number of moments",
    "E5": "E5: boosting, and nets in full size",
    "E6": "E6: other parts of the net",
}

PANELS = (
    ("E1", ("plain", "plain-row", "plain-day")),
    ("E2", ("plain", "cmd", "coral", "dann")),
    ("E3", ("plain", "cmd", "cmd-weight-0.3", "cmd-weight-3")),
    ("E4", ("cmd", "cmd-moments-1", "cmd-moments-3", "cmd-moments-7")),
    ("E6", ("plain", "even-even", "even-shake", "shake-shake", "shake-keep")),
    ("E5", ("full-snn", "full-cmd", "tabm")),
)
"""Which curves are drawn together."""

COLOURS = ("#444444", "#c0392b", "#2874a6", "#1e8449", "#b7950b")

COLUMNS = (
    "setting",
    "seeds",
    "score on validation",
    "score on the day",
    "gap",
    "F1 malicious",
    "F1 outlier",
    "score minus",
)


def shown(found: dict, signed: bool = False) -> str:
    mark = "+" if signed else ""
    if "low" not in found:
        return f"{found['mean']:{mark}.3f}"
    return f"{found['mean']:{mark}.3f} ({found['low']:{mark}.3f} to {found['high']:{mark}.3f})"


def row(name: str, entry: dict) -> str:
    mark = " (transductive)" if entry["transductive"] else ""
    cells = [
        f"`{name}`{mark}",
        str(len(entry["seeds"])),
        shown(entry["validation_score"]),
        *(shown(found) for found in (entry["test"]["score"], entry["gap"])),
        *(shown(entry["test"][key]) for key in ("f1_malicious", "f1_outlier")),
        difference(entry),
    ]
    return "| " + " | ".join(cells) + " |"


def difference(entry: dict) -> str:
    if "difference" not in entry:
        return ""
    found = entry["difference"]["score"]
    return (
        f"{entry['minus']}: {shown(found, signed=True)}{' **' if found['effect'] else ''}".replace(
            "**", r"\*\*"
        )
    )


def tables(result: dict) -> list[str]:
    lines = []
    for task, about in result["tasks"].items():
        if task not in result["summary"]:
            continue
        lines += [
            f"## Task {task}: {', '.join(about['train'])} → {about['test']}",
            "",
            f"Always the best single class: {about['floor']:.3f}.",
            "",
        ]
        for experiment, title in TITLES.items():
            mine = {
                name: entry
                for name, entry in result["summary"][task].items()
                if entry["experiment"] == experiment
            }
            if not mine:
                continue
            lines += [f"### {title}", "", "| " + " | ".join(COLUMNS) + " |"]
            lines += ["| " + " | ".join("---" for _ in COLUMNS) + " |"]
            lines += [row(name, entry) for name, entry in mine.items()] + [""]
        lines += [
            "NAD 2021: not run (data under signed agreement).",
            "",
            f"![score over updates, task {task}](deep-model-{task.lower()}.svg)",
            "",
        ]
    return lines


def findings(result: dict) -> list[str]:
    """One sentence for each setting that is compared with another: what the bands of both tasks show."""
    told: dict[str, list[str]] = {}
    effects = compared = 0
    for task, entries in result["summary"].items():
        for name, entry in entries.items():
            if "difference" not in entry:
                continue
            found = entry["difference"]["score"]
            compared += 1
            effects += found["effect"]
            word = (
                "no effect shown"
                if not found["effect"]
                else ("better" if found["mean"] > 0 else "worse")
            )
            about = f"{word} on {task} ({shown(found, signed=True)})"
            told.setdefault(f"`{name}` against `{entry['minus']}`", []).append(about)
    lines = ["## What the bands show", ""]
    lines += [f"- {what}: {'; '.join(parts)}." for what, parts in told.items()]
    lines += [
        "",
        f"Of {compared} differences {effects} leave out 0; with 80 % bands about {compared / 5:.0f} would by "
        "chance alone, so an effect on one day is a hint, and one that holds on both days is more.",
    ]
    return lines


def sizes(result: dict) -> list[str]:
    def words(arguments: dict) -> str:
        return ", ".join(f"{name} {value}" for name, value in arguments.items())

    run = {name for entries in result["summary"].values() for name in entries}
    lines = [f"Small net (E1 to E4, E6): {words(result['net'])}; all else as in the default."]
    if run & {"full-snn", "full-cmd"}:
        lines.append(
            f"Full net (E5): {words(result['full_net'])}; all else as in the default: 256 columns, "
            "128 latents."
        )
    if "tabm" in run:
        lines.append(
            f"TabM (E5): {words(result['tabm'])}; its default, 32 members of 512 columns, takes days on "
            "two processors."
        )
    absent = [f"`{name}`" for name in SETTINGS if name not in run]
    if absent:
        lines.append(f"Settings of the program that have not been run: {', '.join(absent)}.")
    lines += [
        "Read differences between small nets, and not their heights.",
        f"Rows: {result['features']}.",
        "",
    ]
    return lines


def training(found: dict) -> list[str]:
    """What an update costs, from the JSON of ``snn_training.py``."""
    lines = [
        "",
        "## What training costs",
        "",
        "<!-- not run: an hour -->",
        "```console",
        "$ python benchmarks/snn_training.py --updates 50000 --batch 512 --threads 1 --profile",
        "```",
        "",
        f"The net in its full size, {found['updates']:,} updates of {found['rows_an_update']} rows on "
        f"{found['threads']} thread, beside its own matrix products alone, of the same shapes forward and "
        "backward, by turns every 100 updates of the same run.",
        f"An update takes {found['cpu_ms_update']:.1f} ms of processor time, its products "
        f"{found['cpu_ms_products']:.1f} ms: **{found['cpu_ratio']:.2f} times** (the aim was 2).",
        f"By the clock it is {found['wall_ratio_median_of_pairs']:.2f} times, the median of the turns, on a "
        "machine that had other work.",
    ]
    if "ended_early" in found:
        lines.append(found["ended_early"])
    if "profile" in found:
        parts = ", ".join(
            f"`{name}` {100 * share:.0f} %" for name, share in found["profile"].items()
        )
        lines.append(f"Own processor time by operation, of 100 updates under a profiler: {parts}.")
    return lines


def curves(result: dict, task: str, name: str) -> tuple[np.ndarray, dict[str, np.ndarray]] | None:
    """Updates that all seeds reached, and both scores there, one row a seed."""
    runs = [
        r for r in result["runs"] if (r["task"], r["setting"]) == (task, name) and "curve" in r
    ]
    if len(runs) < 2:
        return None
    ends = min(len(r["curve"]["update"]) for r in runs)
    kept = ("test_score", "validation_score")
    return (
        np.array(runs[0]["curve"]["update"][:ends]),
        {key: np.array([r["curve"][key][:ends] for r in runs]) for key in kept},
    )


def draw(result: dict, task: str, path: Path) -> None:
    figure = Figure(figsize=(11.5, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = [
        (experiment, names)
        for experiment, names in PANELS
        if sum(curves(result, task, name) is not None for name in names) > 1
    ]
    for place, (experiment, names) in enumerate(panels):
        axes = figure.add_subplot(2, 3, place + 1)
        for name, colour in zip(names, COLOURS, strict=False):
            found = curves(result, task, name)
            if found is None:
                continue
            updates, scores = found
            bands = [band(column) for column in scores["test_score"].T]
            axes.fill_between(
                updates,
                [b.low for b in bands],
                [b.high for b in bands],
                color=colour,
                alpha=0.15,
                linewidth=0,
            )
            axes.plot(updates, [b.mean for b in bands], color=colour, label=name)
            axes.plot(
                updates,
                scores["validation_score"].mean(axis=0),
                color=colour,
                linestyle=":",
                linewidth=1,
            )
        axes.set_title(TITLES[experiment], fontsize=10)
        axes.set_xlabel("updates")
        axes.grid(color="#dddddd")
        axes.set_ylim(0.4, 0.85)
        axes.legend(fontsize=7, frameon=False, loc="upper right", ncols=2)
        if place % 3 == 0:
            axes.set_ylabel("score")
    figure.suptitle(
        f"Task {task}: score over updates on the predicted day, mean and 80 % band over seeds; "
        "dotted: on validation",
        fontsize=10,
    )
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json", type=Path)
    parser.add_argument("--training", type=Path, help="JSON of snn_training.py")
    chosen = parser.parse_args()
    result = json.loads(chosen.json.read_text(encoding="utf-8"))
    lines = [*sizes(result), *tables(result), *findings(result)]
    if chosen.training is not None:
        lines += training(json.loads(chosen.training.read_text(encoding="utf-8")))
    text = HEAD.read_text(encoding="utf-8") + "\n".join(lines) + "\n"
    chosen.json.with_suffix(".md").write_text(text, encoding="utf-8")
    for task in result["summary"]:
        draw(result, task, chosen.json.with_name(f"{chosen.json.stem}-{task.lower()}.svg"))


if __name__ == "__main__":
    main()
