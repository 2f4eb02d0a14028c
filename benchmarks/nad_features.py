"""Measure the 113 NAD features with segments beside polars, vectorised pandas and a plain loop; print JSON.

    python benchmarks/nad_features.py --flows 1000000 --rounds 3 > nad_features.json
    python benchmarks/nad_features.py --large 10000000 --part 1000000 > nad_large.json

Each round runs every tool once on the same generated flows, in turn, and the ratio of a round is that of its
CPU seconds (user and system, all threads); given are medians over the rounds, the kernel warm. All look
ahead over whole segments and their values are compared, every column of every row. Ours comes in chunks of
32,768 flows, as training reads it; polars and pandas give whole frames of single precision. The loop does
a part of the flows, since it would take an hour; its rate is compared with ours on all of them. The large
run makes each part anew and keeps none, once with as many flows as a part and once with all; memory is the
largest resident size of the process. The last part cuts the causal form into batches of 1, 100 and all.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from nad_flows import flows, parts
from nad_peers import by_loop, by_pandas, by_polars

from eddyline.features.nad import NadStream, nad_chunks
from eddyline.features.nad_input import nad_input
from eddyline.features.nad_options import NadOptions

AHEAD = NadOptions(form="look-ahead")


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop-flows", type=int, default=10_000)
    parser.add_argument(
        "--large", type=int, default=0, help="run in parts with so many flows alone"
    )
    parser.add_argument("--part", type=int, default=1_000_000)
    parser.add_argument("--form", choices=["causal", "look-ahead"], default="look-ahead")
    parser.add_argument("--one", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one_large(options.one, options.part, options.form)))
    elif options.large:
        print(json.dumps(large(options.large, options.part), indent=2))
    else:
        print(json.dumps(beside_peers(options), indent=2))


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """Give CPU seconds and the result."""
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def ours(frame: pl.DataFrame, options: NadOptions = AHEAD) -> int:
    """Make all features chunk by chunk; gives the flows."""
    ready = nad_input(frame)
    return sum(len(part) for part in nad_chunks(lambda: [ready], options))


def pandas_frame(frame: pl.DataFrame) -> Any:
    """Give the same flows to pandas, texts as categories."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for name in frame.columns:
        column = frame[name]
        if column.dtype == pl.Categorical:
            texts, codes = np.unique(column.cast(pl.String).to_numpy(), return_inverse=True)
            columns[name] = pd.Categorical.from_codes(codes, texts)
        else:
            columns[name] = column.to_numpy()
    return pd.DataFrame(columns)


def beside_peers(options: argparse.Namespace) -> dict[str, Any]:
    """Run ours and the peers in turn."""
    import pandas as pd

    frame = flows(options.flows)
    as_pandas = pandas_frame(frame)
    few = frame[: options.loop_flows]
    ours(frame), ours(frame, NadOptions())
    by_polars(few), by_pandas(pandas_frame(few))
    names = ("ours", "ours_causal", "polars", "pandas", "loop")
    spent: dict[str, list[float]] = {name: [] for name in names}
    differences: dict[str, float] = {}
    ready = nad_input(frame)
    for _ in range(options.rounds):
        spent["ours"].append(cpu(lambda: ours(frame))[0])
        spent["ours_causal"].append(cpu(lambda: ours(frame, NadOptions()))[0])
        seconds, made = cpu(lambda: by_polars(frame))
        spent["polars"].append(seconds)
        differences["polars"] = difference(ready, made.columns, made.to_numpy())
        seconds, made = cpu(lambda: by_pandas(as_pandas))
        spent["pandas"].append(seconds)
        differences["pandas"] = difference(ready, list(made.columns), made.to_numpy())
        del made
        seconds, looped = cpu(lambda: by_loop(few))
        spent["loop"].append(seconds * options.flows / options.loop_flows)
    differences["loop"] = difference(nad_input(few), list(AHEAD.names), looped)
    ratios = {
        name: statistics.median(p / o for p, o in zip(spent[name], spent["ours"], strict=True))
        for name in ("polars", "pandas", "loop")
    }
    return {
        "flows": options.flows,
        "features": len(AHEAD.names),
        "versions": {"polars": pl.__version__, "pandas": pd.__version__, "numpy": np.__version__},
        "cpu_s": {name: [round(s, 3) for s in values] for name, values in spent.items()},
        "flows_per_cpu_s": {
            n: round(options.flows / statistics.median(v)) for n, v in spent.items()
        },
        "times_faster_than": {name: round(value, 1) for name, value in ratios.items()},
        "largest_difference": differences,
        "loop_flows": options.loop_flows,
        "same_bits_in_batches": same_bits(frame),
        "load": os.getloadavg(),
    }


def difference(ready: Any, names: list[str], values: np.ndarray) -> float:
    """Give the largest difference of any value, relative above 1."""
    if tuple(names) != AHEAD.names:
        raise SystemExit(f"columns differ: {set(names) ^ set(AHEAD.names)}")
    worst, at = 0.0, 0
    for part in nad_chunks(lambda: [ready], AHEAD):
        theirs = values[at : at + len(part)]
        worst = max(worst, float((np.abs(part.X - theirs) / np.maximum(1, np.abs(theirs))).max()))
        at += len(part)
    return worst


def same_bits(frame: pl.DataFrame, singles: int = 2_000) -> dict[str, bool]:
    """Cut the causal form into batches of 1, 100 and all, and compare every bit."""
    found = {}
    for size, n in ((1, singles), (100, min(100_000, frame.height)), (frame.height, frame.height)):
        few = frame[:n]
        ready = nad_input(few)
        stream = NadStream()
        same = True
        made = (stream.update(few[at : at + size]).X for at in range(0, n, size))
        pieces = iter(made)
        kept = np.empty((0, 113), np.float32)
        for part in nad_chunks(lambda: [ready], NadOptions()):  # noqa: B023 - used at once
            while len(kept) < len(part):
                kept = np.concatenate(
                    [kept, *[p for _, p in zip(range(1000), pieces, strict=False)]]
                )
            same &= kept[: len(part)].tobytes() == part.X.tobytes()
            kept = kept[len(part) :]
        found[f"{size}"] = same
    return found


def one_large(n: int, size: int, form: str) -> dict[str, float]:
    """Make the features of n flows in parts that are made anew each time."""
    options = NadOptions(form=form)
    ours(flows(10_000), options)
    making = 0.0

    def batches() -> Any:
        nonlocal making
        for frame in timed(parts(n, size)):
            yield nad_input(frame)

    def timed(made: Any) -> Any:
        nonlocal making
        while True:
            begin = time.process_time()
            frame = next(made, None)
            making += time.process_time() - begin
            if frame is None:
                return
            yield frame

    begin = time.process_time()
    done = sum(len(part) for part in nad_chunks(batches, options))
    spent = time.process_time() - begin - making
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "flows": done,
        "cpu_s": round(spent, 2),
        "making_s": round(making, 2),
        "peak_mb": peak // 1024,
    }


def large(n: int, size: int) -> dict[str, Any]:
    """Compare n flows with one part, each in a process of its own."""
    found: dict[str, Any] = {}
    for form in ("causal", "look-ahead"):
        runs = []
        for count in (size, n):
            command = [
                sys.executable,
                __file__,
                "--one",
                str(count),
                "--part",
                str(size),
                "--form",
                form,
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            runs.append(json.loads(done.stdout))
        found[form] = {
            "runs": runs,
            "times_as_long": round(runs[1]["cpu_s"] / runs[0]["cpu_s"], 2),
        }
    return found | {"load": os.getloadavg()}


if __name__ == "__main__":
    main()
