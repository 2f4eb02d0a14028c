"""What votes of sessions are worth on training days that are left out: by key and silence.

    python benchmarks/session_votes.py LUFLOW --lab examples/five-classes --output session_votes.json

LUFLOW holds the zips of LUFlow. Of each set of days each is left out once, ``eddyline train`` without votes
learns the others, and the day is judged flow by flow and with votes of several kinds. Told is the change of
the macro F1 by votes, the mean over the days left out, with its 80 % band over the seeds: what the default
was chosen by, without a look at a predicted day. Prints Markdown.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from eddyline.classifiers.model import Recipe, SiteModel, fit_site_model
from eddyline.classifiers.voting import MINUTE_US, gap_sessions, vote
from eddyline.classifiers.weights import macro_f
from eddyline.evaluate.bands import band
from eddyline.evaluate.corpora.luflow import read_day
from eddyline.evaluate.lab_days import read_days
from eddyline.evaluate.shift import joined
from eddyline.features.rows import FlowRows, flow_rows

SETS = {
    "2020-07-08, 07-09": ("2020.07.08", "2020.07.09"),
    "2020-07-08, 07-09, 07-11": ("2020.07.08", "2020.07.09", "2020.07.11"),
    "2020-12-16, 12-21": ("2020.12.16", "2020.12.21"),
}
"""Days that labels are taken from in the tasks of ``eddyline bench shift``."""

KINDS = {
    "pair and service, 1 min": ("services", 1),
    "pair and service, 10 min": ("services", 10),
    "pair and service, 60 min": ("services", 60),
    "pair, 60 min": ("pairs", 60),
}
"""What ends a session: the key, and the minutes of silence."""


def worth(site: SiteModel, rows: FlowRows, day: np.ndarray) -> dict[str, float]:
    """The mean macro F1 over left-out days, without votes and with each kind."""
    times = rows.frame["ts_end"].to_numpy()
    truth = np.searchsorted(site.classes, rows.labels.to_numpy().astype(str))
    told: dict[str, list[float]] = {name: [] for name in ("alone", *KINDS)}
    for left in site.left_out:
        inside = day == left.period
        shares = {"alone": left.part.probabilities}
        for name, (key, minutes) in KINDS.items():
            keys = getattr(rows, key)[inside]
            sessions = gap_sessions(keys, times[inside], minutes * MINUTE_US)
            shares[name] = vote(
                left.part.probabilities, sessions, times=times[inside], causal=True
            )
        for name, given in shares.items():
            counts = np.zeros((len(site.classes),) * 2, np.int64)
            np.add.at(counts, (truth[inside], site.decide(given, left.part.strata)), 1)
            told[name].append(macro_f(counts, 1.0))
    return {name: float(np.mean(values)) for name, values in told.items()}


def runs(parts: list[FlowRows], seeds: int) -> list[dict[str, float]]:
    """One account a seed."""
    rows = joined(parts)
    day = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    labels = rows.labels.to_numpy().astype(str)
    found = []
    for seed in range(seeds):
        recipe = Recipe(params={"seed": seed})
        site = fit_site_model(rows.X, labels, rows.keys, day, recipe=recipe)
        found.append(worth(site, rows, day))
    return found


def line(name: str, found: list[dict[str, float]]) -> str:
    cells = [f"{np.mean([one['alone'] for one in found]):.4f}"]
    for kind in KINDS:
        change = band([one[kind] - one["alone"] for one in found])
        cells.append(f"{change.mean:+.4f} ± {change.half_width:.4f}")
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("luflow", type=Path)
    parser.add_argument("--lab", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    sets = {
        name: [flow_rows([read_day(chosen.luflow, day)], "around") for day in days]
        for name, days in SETS.items()
    }
    if chosen.lab is not None:
        sets["six lab days"] = [flow_rows([b], "around") for b in read_days(chosen.lab).values()]
    print(f"| left out, one at a time | without votes | {' | '.join(KINDS)} |")
    print("| --- |" + " --- |" * (len(KINDS) + 1))
    told = {}
    for name, parts in sets.items():
        told[name] = runs(parts, chosen.seeds)
        print(line(name, told[name]), flush=True)
    if chosen.output is not None:
        chosen.output.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
