"""What ``eddyline bench incidents`` does: scan each set with each seed, keep the figures, write the report.

What belongs here: which scans there are, what their results depend on, files. What does not: figures
(``eddyline.evaluate.incident_budgets``, ``incident_document``) and the page (``eddyline.report.incidents``).
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from eddyline.cli.evaluate import scan_watched
from eddyline.errors import UsageError
from eddyline.evaluate.incident_budgets import BUDGETS, at_budgets
from eddyline.evaluate.incident_document import document
from eddyline.evaluate.incident_sets import (
    LabDay,
    day_row,
    first_incident,
    lab_days,
    logs_in,
    read_captures,
)
from eddyline.evaluate.truth import read_truth
from eddyline.scan import ScanSettings, learn, scan

PROTOCOL: Final = 1
"""Raised when a figure changes its meaning: kept results are then measured again."""

ROOMS: Final = (
    "flows",
    "read",
    "features",
    "detectors",
    "verdicts",
    "incidents",
    "evaluate/incident_budgets.py",
    "pipeline.py",
    "scan.py",
)
"""The code that a result depends on."""


@dataclass(frozen=True, slots=True)
class _Set:
    """A set to scan: files, the capture learned before (None: the input itself), the truth."""

    name: str
    kind: str
    scan: Path
    learn: Path | None
    truth: Path | None
    max_false: int | None

    @classmethod
    def of_day(cls, day: LabDay) -> _Set:
        return cls(day.name, "day", day.scan, day.learn, day.truth, day.max_false)

    @property
    def files(self) -> list[Path]:
        listed = [self.scan, self.learn, self.truth]
        return [path for path in listed if path is not None]


def run_bench_incidents(
    days: Sequence[Path],
    data: Path | None,
    out: Path,
    *,
    seeds: int,
    budget: float,
    page: Path | None,
    quiet: bool,
) -> None:
    """Scan what the folder lacks and write the report.

    Parameters
    ----------
    days
        Folders with days of the lab.
    data
        Folder with ``zeek`` and ``pcap/attacks``, or None.
    out
        Folder of the report; ``scans`` inside it keeps every result.
    seeds
        Scans of each set.
    budget
        False alarms a day that the scans promise.
    page
        Markdown page to write too, or None.
    quiet
        Print no progress.
    """
    tell = _silent if quiet else _line
    begun = time.perf_counter()
    settings = ScanSettings(budget=budget)
    sets, not_run = _sets(days, data)
    cache = out / "scans"
    cache.mkdir(parents=True, exist_ok=True)
    try:
        found = [_runs(one, settings, seeds, cache, tell) for one in sets]
        captures = _captures(data, settings, cache, tell)
    except KeyboardInterrupt:
        print("\nbroken off; the same command goes on from here", file=sys.stderr)
        raise SystemExit(130) from None
    if captures is None:
        not_run.append("captures of one attack each: --data holds no pcap/attacks/truth.csv")
    told = document(
        found,
        captures,
        command=_command(days, data, seeds),
        settings={"budget": budget, "alerts_a_day": list(BUDGETS)},
        seeds=range(seeds),
        not_run=not_run,
        wall_s=time.perf_counter() - begun,
    )
    _write(told, out, page)


def _sets(days: Sequence[Path], data: Path | None) -> tuple[list[_Set], list[str]]:
    sets = [_Set.of_day(day) for day in lab_days(days)]
    left_out = [] if days else ["days of the lab: no --days was given"]
    logs = [] if data is None else logs_in(data / "zeek")
    sets += [_Set(name, "log", path, None, None, None) for name, path in logs]
    if not logs:
        left_out.append("labelled logs: --data holds no zeek folder with them")
    if not sets:
        message = (
            "bench incidents must have a set, got none; pass --days examples (or tests/cases) of a "
            "checkout, or --data DIR with zeek"
        )
        raise UsageError(message)
    return sets, left_out


def _runs(
    one: _Set, settings: ScanSettings, seeds: int, cache: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    digests = [_digest(path) for path in one.files]
    runs = []
    for seed in range(seeds):
        parts = [PROTOCOL, code_hash(), digests, settings.budget, seed, list(BUDGETS)]
        path = _kept(cache, parts)
        if not path.is_file():
            _keep(path, _run(one, replace(settings, seed=seed)))
        run = json.loads(path.read_text(encoding="utf-8"))
        ours = run["methods"][0] if run["methods"] else None
        said = (
            f"{run['n_false']} false"
            if ours is None
            else f"{ours['n_detected']} of {run['n_attacks']} attacks, {run['n_false']} false"
        )
        tell(f"{one.kind} {one.name}, seed {seed}: {said}, {run['seconds']:.1f} s")
        runs.append(run)
    return {
        "name": one.name,
        "kind": one.kind,
        "model": "the capture itself" if one.learn is None else one.learn.name,
        "files": [path.name for path in one.files],
        "sha256": digests,
        "runs": runs,
    }


def _run(one: _Set, settings: ScanSettings) -> dict[str, Any]:
    begun = time.perf_counter()
    model = None if one.learn is None else learn(one.learn, settings=settings)
    result, flows = scan_watched([str(one.scan)], model, settings)
    seconds = time.perf_counter() - begun
    quiet_day = one.kind == "day" and one.truth is None
    listed = None if one.truth is None else read_truth(one.truth)
    methods = (
        [] if quiet_day else at_budgets(flows, result.incidents, listed=listed, seed=settings.seed)
    )
    grade = (
        day_row(flows, result.incidents, one.truth, seed=settings.seed)
        if one.kind == "day"
        else None
    )
    ends = flows["ts_end"].to_numpy()
    return {
        "seed": settings.seed,
        "seconds": seconds,
        "n_flows": result.flows_judged,
        "n_attacks": methods[0]["n_attacks"] if methods else 0,
        "n_false": methods[0]["n_false"] if methods else len(result.incidents),
        "days": max(1.0, float(ends.max() - ends.min()) / 86_400e6),
        "truth": one.truth.name if one.truth else ("none" if quiet_day else "labels"),
        "max_false": one.max_false,
        "methods": methods,
        "grade": grade,
    }


def _captures(
    data: Path | None, settings: ScanSettings, cache: Path, tell: Callable[[str], None]
) -> dict[str, Any] | None:
    """Scan captures of one attack each; the random of a scan changes nothing that is told here."""
    folder = None if data is None else data / "pcap" / "attacks"
    if folder is None or not (folder / "truth.csv").is_file():
        return None
    rows = []
    for row in read_captures(folder):
        path = folder / row["file"]
        kept = _kept(cache, [PROTOCOL, code_hash(), _digest(path), settings.budget, row])
        if not kept.is_file():
            _keep(kept, _capture(row, path, settings))
        rows.append(json.loads(kept.read_text(encoding="utf-8")))
        tell(f"capture {row['file']}: {rows[-1]['said'] or 'nothing'}")
    visible = [one for one in rows if one["visible"] == "yes"]
    unseen = [one for one in rows if one["visible"] == "no"]
    return {
        "points": sum(one["points"] for one in visible),
        "of": len(visible),
        "first_is_right": sum(one["points"] == 1.0 for one in visible),
        "false_accusations": sum(one["accusations"] for one in unseen),
        "without_attack": len(unseen),
        "rows": rows,
    }


def _capture(row: dict[str, str], path: Path, settings: ScanSettings) -> dict[str, Any]:
    incidents = scan(path, settings=settings).incidents
    told = {
        "file": row["file"],
        "visible": row["visible_in_flows"],
        "attack": row["attack"],
        "incidents": len(incidents),
        "accusations": sum(one.attack != "unusual" for one in incidents),
        "said": incidents[0].attack if incidents else "",
        "points": 0.0,
        "rank": None,
    }
    if row["visible_in_flows"] != "no":
        first = first_incident(row, incidents)
        told |= {name: first[name] for name in ("points", "rank")}
    return told


# ------------------------------------------------------------------ files


@lru_cache(maxsize=1)
def code_hash() -> str:
    """Give the SHA-256 of the code that scans and of what the figures are made by."""
    root = resources.files("eddyline")
    whole = hashlib.sha256()
    with resources.as_file(root) as folder:
        for room in ROOMS:
            place = folder / room
            for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
                whole.update(path.read_bytes())
    return whole.hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _kept(cache: Path, parts: Sequence[Any]) -> Path:
    return cache / f"{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]}.json"


def _keep(path: Path, told: dict[str, Any]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(told, allow_nan=False), encoding="utf-8")
    part.replace(path)


def _write(told: dict[str, Any], out: Path, docs: Path | None) -> None:
    from eddyline.report.incidents import page

    found = page(told)
    text = json.dumps(told, indent=1, allow_nan=False)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    (out / "report.html").write_text(found.html(), encoding="utf-8")
    (out / "report.md").write_text(found.markdown(), encoding="utf-8")
    print(f"{out / 'report.html'}, report.json and report.md are written", file=sys.stderr)
    if docs is not None:
        docs.write_text(found.markdown(), encoding="utf-8")
    for line in told["sentences"]:
        print(line)


def _command(days: Sequence[Path], data: Path | None, seeds: int) -> str:
    parts = ["eddyline bench incidents", *(f"--days {_tail(path)}" for path in days)]
    parts += [] if data is None else ["--data DATA"]
    return " ".join([*parts, f"--seeds {seeds} -o report"])


def _tail(path: Path) -> str:
    """Give a folder as seen from a checkout: no machine's path belongs on a page."""
    parts = path.resolve().parts
    return "/".join(parts[-2:]) if parts[-2:-1] == ("tests",) else parts[-1]


def _line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _silent(line: str) -> None:
    """Say nothing."""
