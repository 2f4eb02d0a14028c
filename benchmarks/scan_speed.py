"""How fast a scan with a saved model is, and how it grows: flows a second of 1, 2, 5, 10 million flows.

    python benchmarks/scan_speed.py --flows 1000000 --out speed.json

The flows are those of the bundled quiet morning at 36 sites (addresses and minutes moved): 250,000 a day,
repeated day after day until there are enough. The model learns the day before.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

EXAMPLE = Path(__file__).parent.parent / "examples" / "quiet-morning.pcap.gz"
DAY_US = 86_400_000_000
SITES = 36


def morning():
    from eddyline.read.flows import read_flows

    return pl.concat([batch.frame for batch in read_flows(EXAMPLE)])


def moved(frame, site):
    """Move a morning to another site: other second octets, another minute of the day."""

    def move(column):
        text = pl.col(column).cast(pl.String)
        parts = text.str.extract(r"^\d+\.(\d+)\.", 1).cast(pl.Int32)
        other = (parts + site % 180).cast(pl.String)
        v4 = text.str.replace(r"^(\d+)\.\d+\.", pl.format("$1.{}.", other))
        return (
            pl.when(text.str.starts_with("10.")).then(v4).otherwise(text).cast(pl.Categorical)
        ).alias(column)

    shift = (site * 7_919_000_000) % DAY_US
    return frame.with_columns(
        move("src_ip"),
        move("dst_ip"),
        pl.col("ts") + shift,
        pl.col("ts_end") + shift,
        (pl.col("uid") + f"-{site}").alias("uid"),
    )


def generate(flows, path, *, first_day=1):
    """Write so many flows, day by day, in event-time order."""
    from eddyline.flows.batch import FlowBatch
    from eddyline.flows.write import write_flows

    base = morning()
    day = pl.concat([moved(base, site) for site in range(SITES)]).sort("ts_end", "ts", "uid")

    def batches():
        left, number = flows, first_day
        while left > 0:
            # A day lasts two: its mornings are spread over 24 hours, so days must not overlap.
            shift = number * 2 * DAY_US
            today = day.head(left).with_columns(
                pl.col("ts") + shift,
                pl.col("ts_end") + shift,
                (pl.col("uid") + f"-{number}").alias("uid"),
            )
            for start in range(0, today.height, 100_000):
                yield FlowBatch.of(today.slice(start, 100_000))
            left -= today.height
            number += 1

    return write_flows(batches(), path)


def timed(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall_s": wall,
        "cpu_s": cpu,
        "peak_rss_mb": after.ru_maxrss / 1024,
        "said": done.stdout[-400:],
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--flows", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--out", default="-")
    args = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "m.eddy"
        eddyline = [sys.executable, "-m", "eddyline"]
        normal = Path(folder) / "normal.parquet"
        generate(250_000, normal, first_day=0)
        subprocess.run([*eddyline, "learn", str(normal), "-o", str(model), "-q"], check=True)
        for flows in args.flows:
            table = Path(folder) / f"{flows}.parquet"
            generate(flows, table)
            for _ in range(args.runs):
                figures = timed([*eddyline, "scan", str(table), "--model", str(model)])
                figures |= {"flows": flows, "flows_per_s": flows / figures["wall_s"]}
                results.append(figures)
                print(
                    json.dumps({k: v for k, v in figures.items() if k != "said"}), file=sys.stderr
                )
            table.unlink()
    text = json.dumps({"cores": os.cpu_count(), "results": results}, indent=1)
    if args.out == "-":
        print(text)
    else:
        Path(args.out).write_text(text)


if __name__ == "__main__":
    main()
