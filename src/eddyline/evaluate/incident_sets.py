"""The sets that incidents are judged on: days of the lab, captures of one attack each, labelled flow logs.

What belongs here: which there are in a folder, and where the truth of each is from. What does not: scanning
them (the caller scans) and figures (``incident_budgets.py``).
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from eddyline.errors import InputError
from eddyline.evaluate.evaluation import evaluate
from eddyline.evaluate.keys import grade
from eddyline.evaluate.match import pairs_by_entity
from eddyline.evaluate.truth import Attack, read_truth
from eddyline.incidents.incident import Incident

LOGS: Final = (
    "ctu50-008/data/conn.log.labeled",
    "ctu50-010/data/conn.log.labeled",
    "ctu-botnet-4/ground_truth/conn.log.labeled",
    "iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled",
    "iot23/CTU-IoT-Malware-Capture-21-1conn.log.labeled.csv",
    "iot23/CTU-IoT-Malware-Capture-42-1conn.log.labeled.csv",
)
"""Labelled Zeek logs, below the folder of the data's ``zeek``."""

EVER: Final = 1 << 62
"""End of an attack whose time the truth does not tell, µs."""

EXAMPLE: Final = ("afternoon", "quiet-morning.pcap.gz", "afternoon.pcap.gz", "afternoon-truth.csv")
"""The day of the examples: name, capture to learn, capture to scan, truth."""

EXAMPLE_FALSE: Final = 2
"""False incidents that the day of the examples may show."""


@dataclass(frozen=True, slots=True)
class LabDay:
    """A capture with its truth, and the quiet capture that is learned before it.

    Parameters
    ----------
    name
        For people.
    learn, scan
        Captures.
    truth
        Attack list; None for a quiet day.
    max_false
        False incidents that it may show.
    """

    name: str
    learn: Path
    scan: Path
    truth: Path | None
    max_false: int


def lab_days(folders: Sequence[Path]) -> list[LabDay]:
    """Find days: folders with ``expect.toml`` whose ``learn`` and ``scan`` name captures, and the examples.

    Parameters
    ----------
    folders
        Each holds days as folders, or is the folder of the examples, or is a day itself.

    Raises
    ------
    InputError
        When a folder holds none.
    """
    days: list[LabDay] = []
    for folder in folders:
        found = _days_in(folder)
        if not found:
            message = (
                f"{folder} must hold days (folders with expect.toml, learn and scan in it), holds none; "
                f"pass --days tests/cases or --days examples of a checkout"
            )
            raise InputError(message)
        days += found
    return days


def _days_in(folder: Path) -> list[LabDay]:
    name, morning, afternoon, truth = EXAMPLE
    days = []
    if (folder / afternoon).is_file():
        paths = folder / morning, folder / afternoon, folder / truth
        days.append(LabDay(name, *paths, EXAMPLE_FALSE))
    for expect in sorted([*folder.glob("expect.toml"), *folder.glob("*/expect.toml")]):
        told = tomllib.loads(expect.read_text(encoding="utf-8"))
        if {"learn", "scan", "max_false"} <= set(told):
            case = expect.parent
            listed = case / "truth.csv"
            days.append(
                LabDay(
                    case.resolve().name.removeprefix("lab-"),
                    (case / told["learn"]).resolve(),
                    case / told["scan"],
                    listed if listed.exists() else None,
                    int(told["max_false"]),
                )
            )
    return days


def logs_in(folder: Path) -> list[tuple[str, Path]]:
    """Give the labelled logs that a folder has: name and path.

    Parameters
    ----------
    folder
        Such as ``DATA/zeek``.
    """
    found = [(log_name(name), folder / name) for name in LOGS]
    return [(name, path) for name, path in found if path.is_file()]


def log_name(file: str) -> str:
    """Give the short name of a labelled log.

    Parameters
    ----------
    file
        One of ``LOGS``.
    """
    short = file.replace("CTU-IoT-Malware-Capture-", "").split("conn")[0].strip("./-")
    return short.removesuffix("/data").removesuffix("/ground_truth").replace("/", "-")


def read_captures(folder: Path) -> list[dict[str, str]]:
    """Read ``truth.csv`` of captures of one attack each.

    Parameters
    ----------
    folder
        Holds it and the captures.
    """
    with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def attack_of(row: dict[str, str]) -> tuple[Attack, tuple[str, ...]]:
    """Give the attack of a row of ``truth.csv``, and keys that the row says are accepted too.

    Parameters
    ----------
    row
        With ``file, attack, source, destination, note``.
    """
    also = tuple(re.findall(r"(\w+) is accepted too", row["note"]))
    sources, destinations = (
        tuple(filter(None, [row[name]])) for name in ("source", "destination")
    )
    return Attack(row["file"], row["attack"], (), sources, destinations, -EVER, EVER), also


def first_incident(row: dict[str, str], incidents: Sequence[Incident]) -> dict[str, Any]:
    """Say what the first incident of a capture is worth, and where the right one ranks.

    Parameters
    ----------
    row
        Of ``truth.csv``.
    incidents
        In rank order.

    Returns
    -------
    dict
        ``points`` of the first incident, ``said``, ``rank`` of the right one, ``others`` beside it.
    """
    attack, also = attack_of(row)
    best: dict[str, Any] = {"points": 0.0, "said": "", "rank": None, "false": len(incidents)}
    for key in (attack.key, *also):
        one = replace(attack, key=key)
        pairs = pairs_by_entity(incidents, [one])
        first = grade([one], incidents, pairs, within=1)[0]
        anywhere = grade([one], incidents, pairs)[0]
        if first.points >= best["points"]:
            best = {
                "points": first.points,
                "said": incidents[0].attack if incidents else "",
                "rank": anywhere.rank,
                "others": len(incidents) - pairs.height,
            }
    return best


def day_row(
    flows: Any, incidents: Sequence[Incident], truth: Path | None, *, seed: int
) -> dict[str, Any]:
    """Grade a day: right key and source within the first N + 2 of N attacks, false ones, what was not right.

    Parameters
    ----------
    flows
        From ``labels.with_verdicts``.
    incidents
        In rank order.
    truth
        Attack list; None for a quiet day, where every incident is false.
    seed
        Start of the randomness of the baselines.
    """
    if truth is None:
        told = [f"{one.attack}: {one.reason}" for one in incidents]
        return {"attacks": 0, "incidents": len(incidents), "false": len(told), "told": told}
    listed = read_truth(truth)
    figures = evaluate(flows, incidents, listed=listed, top=10, seed=seed)
    attacks = listed[0]
    within = len(attacks) + 2
    graded = grade(attacks, incidents, figures.pairs, within=within)
    ours = figures.incident_level[0]
    false = [
        f"{one.attack}: {one.reason}"
        for one, row in zip(incidents, figures.incidents.iter_rows(named=True), strict=True)
        if row["kind"] == "false"
    ]
    return {
        "attacks": len(attacks),
        "incidents": ours.n_incidents,
        "within": within,
        "right": sum(one.points == 1.0 for one in graded),
        "points": sum(one.points for one in graded),
        "hit_at_any_rank": sum(one.rank is not None for one in figures.graded),
        "false": ours.n_false,
        "duplicates": ours.n_duplicate,
        "told": false,
        "not_right": [
            f"{one.attack.name} ({one.attack.key}): {one.said or 'missed'}"
            + (f" at rank {one.rank}" if one.rank else "")
            for one in graded
            if one.points < 1.0
        ],
    }
