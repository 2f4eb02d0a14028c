"""Put each method of ``learn --method`` beside the legs of every scan, and let it judge alone.

    python benchmarks/legs.py --cache RUNS.jsonl [--data DIR] [--methods vae,rvae] [--markdown F.md]

The cases are those of ``detection.py``, at the same budget: the lab's days by a learned model, with and
without the generic levels, the captures of one attack each and the labelled flow logs by themselves. A
method is run *beside* the legs of every scan, where it may harm, and *alone*, without generic levels, where
one sees what it finds by itself. Broken off, the next call goes on from the cache; the tables are of all that
it holds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import detection
import numpy as np

from eddyline.evaluate.evaluation import evaluate
from eddyline.evaluate.incident_sets import LOGS, LabDay, first_incident, lab_days, read_captures
from eddyline.evaluate.keys import grade
from eddyline.evaluate.labels import Watch, with_verdicts
from eddyline.evaluate.truth import read_truth
from eddyline.flows.batch import FlowBatch
from eddyline.incidents.find import plainly_strange
from eddyline.pipeline import DEFAULT_LEGS, Pipeline
from eddyline.read.flows import read_flows
from eddyline.read.ingest import IngestReport
from eddyline.scan import ScanResult, ScanSettings, scan_flows
from eddyline.verdicts.leg import Leg, LegRows, LegSpec
from eddyline.verdicts.methods import METHODS, with_more

BASE = "base"
KINDS = ("days", "captures", "logs")
SETTINGS = ScanSettings()


# ------------------------------------------------------------------ what is run


def own_legs() -> dict[str, tuple[LegSpec, ...]]:
    """Give the legs of every scan by kind, to be run alone."""
    kinds: dict[str, list[LegSpec]] = {}
    for leg in DEFAULT_LEGS:
        kinds.setdefault("own past" if leg.own else leg.detector, []).append(leg)
    return {f"{kind} (of every scan)": tuple(legs) for kind, legs in kinds.items()}


def ways(chosen: list[str]) -> Iterator[tuple[str, str, tuple[LegSpec, ...]]]:
    """Give method, way and legs; the legs of every scan by themselves come first."""
    without = tuple(leg for leg in DEFAULT_LEGS if leg.detector != "ngram")
    yield BASE, "beside", DEFAULT_LEGS
    yield "none, the n-grams left out", "beside", without
    for kind, legs in own_legs().items():
        yield kind, "alone", legs
    for method in chosen:
        if method != "ngram":  # it is among the legs of every scan
            yield method, "beside", with_more(DEFAULT_LEGS, METHODS[method])
            yield method, "alone", METHODS[method]


@dataclass(frozen=True, slots=True)
class Row:
    """What one way to judge made of one case.

    Parameters
    ----------
    method, way
        Which legs.
    case
        The case: a day with or without generic levels, a capture or a flow log.
    found
        Points of each attack by its name, or of the whole log ``recall`` and ``share``.
    false
        Incidents that no attack stands behind; of a log, a day.
    told
        What those say.
    seconds
        Wall time.
    """

    method: str
    way: str
    case: str
    found: dict[str, float]
    false: float
    told: list[str]
    seconds: float


# ------------------------------------------------------------------ the cases

Figures = tuple[dict[str, float], float, list[str]]
"""Points by attack, false incidents, and what those say."""

Case = Callable[[tuple[LegSpec, ...], bool], Figures]
"""From legs, and whether the generic levels judge too, to figures."""


@cache
def flows_of(path: Path) -> tuple[FlowBatch, ...]:
    return tuple(read_flows([str(path)]))


def judged(path: Path, model: Pipeline, settings: ScanSettings) -> tuple[ScanResult, Any]:
    watch = Watch()
    wanted = replace(settings, flow_verdicts=True)
    kept = watch.over(iter(flows_of(path)))
    result = scan_flows(kept, IngestReport(), pipeline=model, settings=wanted)
    return result, with_verdicts(watch.flows(), result.flow_verdicts)


def settings_for(rules: bool) -> ScanSettings:
    return replace(SETTINGS, rules=rules)


def lab_cases() -> Iterator[tuple[str, Case]]:
    for day in lab_days([detection.ROOT / "examples", detection.ROOT / "tests" / "cases"]):

        def run(legs: tuple[LegSpec, ...], rules: bool, day: LabDay = day) -> Figures:
            quiet = iter(flows_of(day.learn))
            model = Pipeline(legs).fit(quiet, plainly_strange if rules else None)
            return lab_figures(day.scan, day.truth, model, settings_for(rules))

        yield f"day {day.name}", run


def lab_figures(
    capture: Path, truth: Path | None, model: Pipeline, settings: ScanSettings
) -> Figures:
    result, flows = judged(capture, model, settings)
    if truth is None:
        told = [f"{one.attack}: {one.reason}" for one in result.incidents]
        return {}, float(len(told)), told
    listed = read_truth(truth)
    level = evaluate(flows, result.incidents, listed=listed, top=10, seed=settings.seed)
    graded = grade(listed[0], result.incidents, level.pairs, within=len(listed[0]) + 2)
    kinds = level.incidents.iter_rows(named=True)
    false = [
        f"{one.attack}: {one.reason}"
        for one, row in zip(result.incidents, kinds, strict=True)
        if row["kind"] == "false"
    ]
    points = {f"{one.attack.name} ({one.attack.key})": one.points for one in graded}
    return points, float(len(false)), false


def capture_cases(folder: Path) -> Iterator[tuple[str, Case]]:
    for row in read_captures(folder):

        def run(legs: tuple[LegSpec, ...], rules: bool, row: dict[str, str] = row) -> Figures:
            result, _ = judged(folder / row["file"], Pipeline(legs), settings_for(rules))
            told = [f"{one.attack}: {one.reason}" for one in result.incidents]
            if row["visible_in_flows"] == "no":
                accused = [one for one in result.incidents if one.attack != "unusual"]
                return {}, float(len(accused)), told
            found = first_incident(row, result.incidents)
            return {row["attack"]: found["points"]}, float(found.get("others", 0)), []

        yield f"capture {row['file']}", run


def log_cases(folder: Path) -> Iterator[tuple[str, Case]]:
    for name in LOGS:

        def run(legs: tuple[LegSpec, ...], rules: bool, name: str = name) -> Figures:
            result, flows = judged(folder / name, Pipeline(legs), settings_for(rules))
            ours = evaluate(flows, result.incidents).incident_level[0]
            found = {"recall": ours.recall or 0.0, "share": ours.found_share or 0.0}
            return found, float(ours.false_per_day), []

        yield f"log {log_title(name)}", run


def log_title(file: str) -> str:
    """Give the name of a log's case."""
    return file.replace("CTU-IoT-Malware-Capture-", "").split("conn")[0].strip("./-")


def cases(data: Path, only: Sequence[str]) -> Iterator[tuple[str, Case]]:
    if "days" in only:
        yield from lab_cases()
    if "captures" in only and data.is_dir():
        yield from capture_cases(data / "pcap" / "attacks")
    if "logs" in only and data.is_dir():
        yield from log_cases(data / "zeek")


FITTED: dict[tuple[str, str, int, str], Leg] = {}
"""Legs of the case at hand: a leg that learned the same rows is not fitted twice."""


def remember_legs() -> None:
    """Let legs that were fitted on the very same rows be used again, as their fit has no other input."""
    fit = Leg.fit

    def remembered(spec: LegSpec, rows: LegRows, seed: int = 0, **others: bool) -> Leg:
        digest = sha256(np.ascontiguousarray(rows.X).tobytes())
        digest.update("\n".join(rows.entities.tolist()).encode())
        digest.update(rows.windows.tobytes())
        key = (spec.name, repr(spec), seed, f"{others} {digest.hexdigest()}")
        if key not in FITTED:
            FITTED[key] = fit(spec, rows, seed, **others)
        return replace(FITTED[key], spec=spec)

    Leg.fit = remembered  # type: ignore[method-assign,assignment]


def run_all(data: Path, only: Sequence[str], chosen: list[str], kept: Path) -> list[Row]:
    lines = kept.read_text().splitlines() if kept.exists() else []
    known = {(row.method, row.way, row.case): row for row in (Row(**json.loads(x)) for x in lines)}
    remember_legs()
    for title, run in cases(data, only):
        FITTED.clear()
        for method, way, legs in ways(chosen):
            levels = (False,) if way == "alone" else (True, False)
            for rules in levels if title.startswith("day") else levels[:1]:
                case = f"{title}, generic levels {'on' if rules else 'off'}"
                if (method, way, case) not in known:
                    row = one_run(method, way, case, lambda: run(legs, rules))  # noqa: B023
                    known[(method, way, case)] = row
                    with kept.open("a") as file:
                        file.write(json.dumps(asdict(row)) + "\n")
        print(title, file=sys.stderr, flush=True)
    return list(known.values())


def one_run(method: str, way: str, case: str, run: Callable[[], Figures]) -> Row:
    begun = time.perf_counter()
    found, false, told = run()
    return Row(method, way, case, found, false, told, round(time.perf_counter() - begun, 2))


# ------------------------------------------------------------------ the page


def markdown(rows: list[Row]) -> str:
    head = Path(__file__).with_name("legs_head.md").read_text()
    tables = [beside_table(rows), harm_table(rows), alone_table(rows), missed_table(rows)]
    return "\n".join([head, in_short(rows), *tables])


def in_short(rows: list[Row]) -> str:
    """Say which methods lower a whole case, and what the nets and the legs of every scan see alone."""
    base = of(rows, BASE, "beside")
    added = [one for one in methods_of(rows, "beside") if one in METHODS]
    harm = [one for one in added if lowered(base, of(rows, one, "beside"))]
    told = f"Of {len(added)} added methods {len(harm) or 'none'} lowers a whole case that was measured"
    seen = set()
    for one in own_legs():
        seen |= found_on_days(of(rows, one, "alone"))
    fresh = {one for one in added if found_on_days(of(rows, one, "alone")) - seen}
    more = f"{', '.join(sorted(fresh))} find" if fresh else "None of them finds"
    return (
        f"## In short\n\n{told}{': ' + ', '.join(harm) if harm else ''}.\n"
        f"{more} an attack of the days that no leg of every scan finds by itself"
        f"{'' if fresh else '; what they add is a second opinion'}.\n"
        f"The captures of one attack hold too few flows to learn from: their attacks are told by the generic "
        f"levels, and no leg finds any alone.\n"
        f"Where a table says *not run* or counts fewer cases, the method was not measured on the others.\n"
    )


def lowered(base: dict[str, Row], mine: dict[str, Row]) -> int:
    return sum(was >= 1.0 > now for _, _, was, now in changes(base, mine))


def found_on_days(some: dict[str, Row]) -> set[tuple[str, str]]:
    return {
        (case, attack)
        for case, row in some.items()
        if case.startswith("day")
        for attack, points in row.found.items()
        if points >= 1.0
    }


def of(rows: list[Row], method: str, way: str) -> dict[str, Row]:
    return {row.case: row for row in rows if (row.method, row.way) == (method, way)}


def methods_of(rows: list[Row], way: str) -> list[str]:
    return [one for one in dict.fromkeys(r.method for r in rows if r.way == way) if one != BASE]


def changes(
    before: dict[str, Row], after: dict[str, Row]
) -> Iterator[tuple[str, str, float, float]]:
    """Give case, attack, and what was found before and after, where that differs."""
    for case, row in after.items():
        for attack, points in row.found.items():
            if abs(points - before[case].found[attack]) > 1e-9:
                yield case, attack, before[case].found[attack], points


def sums(some: dict[str, Row], start: str, end: str = "") -> list[Any]:
    mine = [r for case, r in some.items() if case.startswith(start) and case.endswith(end)]
    points = [p for row in mine for p in row.found.values()]
    if not mine:
        return ["not run", ""]
    return [f"{sum(points):g} of {len(points)}", f"{sum(r.false for r in mine):g}"]


def mean_share(some: dict[str, Row]) -> list[Any]:
    mine = [row for case, row in some.items() if case.startswith("log")]
    if not mine:
        return ["not run", ""]
    share = sum(row.found["share"] for row in mine) / len(mine)
    return [f"{share:.3f}", f"{sum(row.false for row in mine):.2f}"]


def log_shares(base: dict[str, Row], mine: dict[str, Row]) -> list[str]:
    """Give how many logs have another share than by the legs of every scan, and the false a day."""
    logs = [case for case in mine if case.startswith("log")]
    if not logs:
        return ["not run", ""]
    gaps = [mine[case].found["share"] - base[case].found["share"] for case in logs]
    moved = f"{sum(g < -1e-9 for g in gaps)}, {sum(g > 1e-9 for g in gaps)} of {len(logs)}"
    before = sum(base[case].false for case in logs)
    return [moved, f"{sum(mine[case].false for case in logs):.2f} (without: {before:.2f})"]


def beside_table(rows: list[Row]) -> str:
    base = of(rows, BASE, "beside")
    names = ["added", "whole cases lowered", "raised", "days, generic levels on", "false", "days, off",
             "false", "captures", "false", "logs: share lowered, raised", "false a day"]  # fmt: skip
    table = []
    for method in [BASE, *methods_of(rows, "beside")]:
        mine = of(rows, method, "beside")
        moved = list(changes(base, mine))
        raised = sum(now > was for _, _, was, now in moved)
        cells = [*sums(mine, "day", "on"), *sums(mine, "day", "off"), *sums(mine, "capture")]
        title = "nothing" if method == BASE else method
        table.append([title, lowered(base, mine), raised, *cells, *log_shares(base, mine)])
    return "## Beside the legs of every scan\n\n" + detection.table(names, table)


def harm_table(rows: list[Row]) -> str:
    base = of(rows, BASE, "beside")
    names = ["added", "case", "attack", "by the legs of every scan", "with it"]
    table = [
        [method, case, attack, f"{was:.3f}", f"{now:.3f}"]
        for method in methods_of(rows, "beside")
        for case, attack, was, now in changes(base, of(rows, method, "beside"))
    ]
    return "Every figure of a case that moved:\n\n" + detection.table(names, table)


def alone_table(rows: list[Row]) -> str:
    names = ["alone", "days", "false", "captures", "false", "logs, mean share", "false a day"]
    table = []
    for method in methods_of(rows, "alone"):
        mine = of(rows, method, "alone")
        table.append([method, *sums(mine, "day"), *sums(mine, "capture"), *mean_share(mine)])
    return "## Alone, without generic levels\n\n" + detection.table(names, table)


def missed_table(rows: list[Row]) -> str:
    """Name the attacks of the days that each method misses by itself, and the share of each log."""
    names = ["alone", "days: missed", "share of each log"]
    table = []
    for method in methods_of(rows, "alone"):
        mine = of(rows, method, "alone")
        missed = [
            attack.partition(" ")[0]
            for case, row in mine.items()
            if case.startswith("day")
            for attack, points in row.found.items()
            if points < 1.0
        ]
        shares = [
            f"{short(case)} {row.found['share']:.2f}"
            for case, row in mine.items()
            if case.startswith("log")
        ]
        table.append([method, *(", ".join(one) or "none" for one in (missed, shares))])
    return "What each does not find whole by itself:\n\n" + detection.table(names, table)


def short(case: str) -> str:
    """Give the name of a case without its kind and levels."""
    return case.partition(" ")[2].partition(", generic")[0].removesuffix("/data")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=detection.ROOT.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--only", nargs="*", choices=KINDS, default=KINDS)
    parser.add_argument("--markdown", type=Path)
    chosen = parser.parse_args()
    rows = run_all(chosen.data, chosen.only, chosen.methods.split(","), chosen.cache)
    if chosen.markdown:
        chosen.markdown.write_text(markdown(rows))
    else:
        print(markdown(rows))


if __name__ == "__main__":
    main()
