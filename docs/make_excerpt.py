"""Put what today's demo prints into the README; ``tests/test_docs.py`` compares them.

What belongs here: which incidents are quoted. What does not: any text of theirs.
Run it by ``scripts/docs``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

README: Final = Path(__file__).parents[1] / "README.md"
QUOTED: Final = ("nmap_scan", "c2_beacon", "exfiltration")
"""Names of the incidents that are shown: one that anybody would see, and two that hide."""

BLOCK: Final = re.compile(r"(?<=```text\n).*?(?=```)", re.DOTALL)


def excerpt() -> str:
    """Give the head of the demo's table and the incidents that are quoted, as printed at 100 columns."""
    with tempfile.TemporaryDirectory() as folder:
        printed = subprocess.run(
            [sys.executable, "-m", "eddyline", "demo"],
            cwd=folder,
            env={**os.environ, "COLUMNS": "100"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        report = json.loads(Path(folder, "eddyline-demo", "report.json").read_text("utf-8"))
    lines = [line.rstrip() for line in printed.splitlines()]
    head = next(i for i, line in enumerate(lines) if line.startswith("─"))
    start = next(i for i, line in enumerate(lines) if " incidents in " in line)
    ranks = {}
    for incident in report["incidents"]:
        ranks.setdefault(incident["attack"], incident["rank"])
    shown = lines[start : head + 1]
    for place, rank in enumerate(sorted(ranks[name] for name in QUOTED)):
        skipped = rank > 1 if place == 0 else True
        shown += ["…"] * skipped + _rows(lines[head + 1 :], rank)
    return "\n".join([*shown, "…"]) + "\n"


def _rows(lines: list[str], rank: int) -> list[str]:
    """Give the lines of one incident."""
    begin = next(i for i, line in enumerate(lines) if re.match(rf" *{rank} +[a-z]+ ", line))
    end = next(i for i in range(begin, len(lines)) if not lines[i])
    return lines[begin:end]


if __name__ == "__main__":
    page = README.read_text(encoding="utf-8")
    quoted = excerpt()
    README.write_text(BLOCK.sub(lambda _: quoted, page, count=1), encoding="utf-8")
