"""Measure the meter beside its peers on one capture: CPU seconds of whole processes, memory, flows.

    python benchmarks/meter.py busy.pcap --tools eddyline nfstream softflowd nfpcapd warm --runs 5 > busy.json

Runs are paired: each round runs every tool once, in turn; the figures are medians over the rounds. CPU is
user and system time of the process and its children, start-up included; kernels and byte code are on disk
before the first round, as they are for a user's second capture. Memory is the peak of anonymous memory of the
process tree, sampled every 50 ms (a mapped file is not anonymous). NFStream is called with statistics on,
no dissection and one meter. `warm` reads the capture twice in one process and says
the packets a second of CPU of the second time, columns of the flows included.
`meter_traffic.py` writes the captures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

NO_BYTE_CODE = "PYTHONDONTWRITEBYTECODE"
EDDYLINE = """
import atexit, gc, os, sys
from pathlib import Path
gc.set_threshold(100_000, 20, 100)  # these three as the command line does
atexit.register(gc.freeze)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
from eddyline.read import pcap
from eddyline.read.ingest import IngestReport
from eddyline.read.source import Source
report, flows = IngestReport(), 0
data = Source("bench", Path(sys.argv[1]), named=True).open(report)
for batch in pcap.read(data, name="bench", report=report, statistics=True):
    flows += len(batch)
print(flows)
"""
WARM = """
import sys, time
from pathlib import Path
from eddyline.read import pcap
from eddyline.read.ingest import IngestReport
from eddyline.read.source import Source
for _ in range(2):
    report, begun = IngestReport(), time.process_time()
    data = Source("bench", Path(sys.argv[1]), named=True).open(report)
    packets = sum(
        int(batch.frame["bidirectional_packets"].sum())
        for batch in pcap.read(data, name="bench", report=report, statistics=True)
    )
    passed = time.process_time() - begun
print(f"{packets / passed:.0f} packets a second of CPU")
"""
NFSTREAM = """
import sys
from nfstream import NFStreamer
if __name__ == "__main__":
    flows = 0
    for flow in NFStreamer(sys.argv[1], statistical_analysis=True, n_dissections=0, idle_timeout=120,
                           active_timeout=1800, accounting_mode=0, n_meters=1):
        flows += 1
    print(flows)
"""


def command(tool: str, capture: Path, folder: Path) -> list[str]:
    scripts = {"eddyline": EDDYLINE, "nfstream": NFSTREAM, "warm": WARM}
    if tool in scripts:
        script = folder / f"bench_{tool}.py"
        script.write_text(scripts[tool])
        return [sys.executable, str(script), str(capture)]
    if tool == "softflowd":
        return ["softflowd", "-d", "-r", str(capture), "-v", "9", "-n", "127.0.0.1:9", "-m", "4000000",
                "-p", str(folder / "pid")]  # fmt: skip
    if tool == "nfpcapd":
        flows = folder / "flows"
        flows.mkdir(exist_ok=True)
        return ["nfpcapd", "-r", str(capture), "-w", str(flows), "-e", "1800,120"]
    raise SystemExit(f"no such tool: {tool}")


def tree(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                waiting.extend(int(child) for child in task.read_text().split())
            except OSError:
                continue
    return found


def anonymous_kb(pid: int) -> int:
    total = 0
    for one in tree(pid):
        try:
            lines = Path(f"/proc/{one}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
    return total


def run(tool: str, capture: Path) -> dict[str, float | int | str]:
    with tempfile.TemporaryDirectory() as name:
        arguments = command(tool, capture, Path(name))
        begun = time.perf_counter()
        process = subprocess.Popen(
            arguments,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={key: value for key, value in os.environ.items() if key != NO_BYTE_CODE},
        )
        peak = 0
        over = threading.Event()

        def watch() -> None:
            nonlocal peak
            while not over.wait(0.05):
                peak = max(peak, anonymous_kb(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        out = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        over.set()
        watcher.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        return {
            "tool": tool,
            "cpu_s": round(usage.ru_utime + usage.ru_stime, 3),
            "wall_s": round(time.perf_counter() - begun, 3),
            "anonymous_mb": round(peak / 1024, 1),
            "exit": process.returncode,
            "said": out.strip()[-40:],
        }


def summary(tool: str, runs: list[dict]) -> dict[str, float | int | str]:
    mine = [one for one in runs if one["tool"] == tool]
    return {
        "tool": tool,
        "cpu_s": statistics.median(one["cpu_s"] for one in mine),
        "cpu_s_lowest": min(one["cpu_s"] for one in mine),
        "cpu_s_highest": max(one["cpu_s"] for one in mine),
        "wall_s": statistics.median(one["wall_s"] for one in mine),
        "anonymous_mb": max(one["anonymous_mb"] for one in mine),
        "runs": len(mine),
        "exit": max(one["exit"] for one in mine),
        "said": mine[-1]["said"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("capture", type=Path)
    parser.add_argument(
        "--tools", nargs="+", default=["eddyline", "nfstream", "softflowd", "nfpcapd"]
    )
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    tools = [
        one for one in chosen.tools if one in ("eddyline", "nfstream", "warm") or shutil.which(one)
    ]
    run("eddyline", chosen.capture)
    runs = []
    for _ in range(chosen.runs):
        for tool in tools:
            runs.append(run(tool, chosen.capture))
            print(runs[-1], file=sys.stderr)
    found = [summary(tool, runs) for tool in tools]
    ours = next((one["cpu_s"] for one in found if one["tool"] == "eddyline"), None)
    for one in found:
        one["times_ours"] = round(one["cpu_s"] / ours, 2) if ours else None
    json.dump(
        {
            "capture": chosen.capture.name,
            "bytes": chosen.capture.stat().st_size,
            "tools": found,
            "runs": runs,
        },
        sys.stdout,
        indent=1,
    )


if __name__ == "__main__":
    main()
