"""The report page: one HTML file that needs nothing else and opens anywhere, also without a network.

What belongs here: gathering what the page shows, and the page's safety. What does not: the sentences
(``summary.py``, ``words.py``), places on axes (``strip.py``, ``timeline.py``), pictures (``picture.py``).

Every text passes through ``neutral_text`` and the template engine's escaping; the page's own policy
(CSP) allows its one style sheet and its one script by their hashes, pictures inside the page, and
nothing from anywhere else.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from eddyline.errors import InputError
from eddyline.flows.text import neutral_text
from eddyline.incidents.incident import Contribution, Incident
from eddyline.report import summary, words
from eddyline.report.canvas import CanvasGrid, aggregate
from eddyline.report.picture import Picture, picture
from eddyline.report.scale import Scale
from eddyline.report.strip import Strip, strip
from eddyline.report.timeline import timeline
from eddyline.scan import ScanResult

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_CARDS: Final = 500
"""Incidents that the page shows; the JSON report has all."""

OPEN_CARDS: Final = 8
"""Incidents that are open when the page opens."""

MOST_EVIDENCE: Final = 50
"""Flows of evidence in the page for one incident."""

EVIDENCE_IN_ALL: Final = 3000
"""Flows of evidence in the whole page, shared evenly; keeps 500 incidents below 5 MB."""

MOST_STRIPS: Final = 6
"""Evidence strips of one incident."""

LONGEST: Final = 400
"""Characters of one text from the input."""

LONGEST_ID: Final = 60
"""Characters of one value in a table of flows."""

CANVAS_ROWS: Final = 190
"""Steps of time: two points of the page each."""

CANVASES: Final = (("dst_port", "destination port"), ("src_ip", "source address"))
"""Groups that the page draws a canvas of, with their words."""


@dataclass(frozen=True, slots=True)
class Card:
    """One incident as the page shows it.

    Parameters
    ----------
    incident
        The story.
    open
        True when all of it shows at once.
    strips
        Features with their evidence strips.
    flows
        Rows of evidence: names of ``ScanResult.flow_verdicts`` and ``community_id``.
    """

    incident: Incident
    open: bool
    strips: Sequence[tuple[Contribution, Strip]]
    flows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Canvas:
    """One time × group canvas as the page shows it.

    Parameters
    ----------
    name
        What a column is.
    grid
        Its numbers.
    picture
        Its look.
    data
        What the page's script needs for hovering.
    busiest
        The busiest columns as a table: name, flows, flows in cells with an incident.
    """

    name: str
    grid: CanvasGrid
    picture: Picture
    data: Mapping[str, Any]
    busiest: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Volume:
    """Flows over time as an area of the timeline.

    Parameters
    ----------
    x, width
        Per cent of the timeline.
    path
        Outline in a box of as many units as steps of time, 100 high.
    """

    x: float
    width: float
    path: str


def render_html(result: ScanResult) -> str:
    """Give the report page.

    Parameters
    ----------
    result
        What a scan found.
    """
    style, script = _part("page.css"), _part("page.js")
    canvases = _canvases(result)
    first_us, last_us = _ends(result, canvases)
    cards = _cards(result)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            result=result,
            policy=_policy(style, script),
            style=style,
            script=script,
            cards=cards,
            hidden=max(0, len(result.incidents) - len(cards)),
            timeline=timeline(result.incidents[:MOST_CARDS], first_us, last_us),
            volume=_volume(canvases[0].grid, first_us, last_us) if canvases else None,
            canvases=canvases,
            summary=summary,
            words=words,
        )
    )


def write_html(result: ScanResult, path: Path | str) -> None:
    """Write the report page, UTF-8.

    Parameters
    ----------
    result
        What a scan found.
    path
        File to write, replaced when it exists.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    page = render_html(result)
    try:
        Path(path).write_text(page, "utf-8")
    except OSError as error:
        message = f"{path}: the report must go to a file that can be written, {error.strerror}; "
        raise InputError(message + "choose another path") from error


def _part(name: str) -> str:
    return resources.files("eddyline.report").joinpath("page", name).read_text("utf-8")


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def safe(value: Any) -> Any:
        if isinstance(value, str) and not isinstance(value, Markup):
            return neutral_text(value, longest=LONGEST)
        return value

    return Environment(
        loader=PackageLoader("eddyline.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=safe,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _policy(style: str, script: str) -> str:
    """Give the content security policy: own style and script by hash, nothing from outside."""

    def allowed(text: str) -> str:
        digest = hashlib.sha256(text.encode("utf-8")).digest()
        return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"

    return (
        f"default-src 'none'; img-src data:; style-src {allowed(style)}; "
        f"script-src {allowed(script)}; base-uri 'none'; form-action 'none'"
    )


def _cards(result: ScanResult) -> list[Card]:
    shown = result.incidents[:MOST_CARDS]
    each = min(MOST_EVIDENCE, max(4, EVIDENCE_IN_ALL // max(1, len(shown))))
    strips = MOST_STRIPS if len(shown) <= 100 else 2
    flows = _flows(result.flow_verdicts, [e.uid for one in shown for e in one.evidence[:each]])
    return [
        Card(
            incident=incident,
            open=place < OPEN_CARDS,
            strips=[(part, strip(part)) for part in incident.contributions[:strips]],
            flows=[
                _short({**flows.get(e.uid, {}), "uid": e.uid, "community_id": e.community_id})
                for e in incident.evidence[:each]
            ],
        )
        for place, incident in enumerate(shown)
    ]


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    """Cut the texts of a row to what a table cell shows."""
    return {
        name: neutral_text(value, longest=LONGEST_ID) if isinstance(value, str) else value
        for name, value in row.items()
    }


def _flows(frame: pl.DataFrame | None, uids: list[str]) -> dict[str, dict[str, Any]]:
    """Give the verdict rows of some flows by uid; of two with one uid, the first."""
    if frame is None or not uids:
        return {}
    found = frame.filter(pl.col("uid").is_in(pl.Series(uids).unique().implode()))
    return {row["uid"]: row for row in reversed(found.to_dicts())}


def _canvases(result: ScanResult) -> list[Canvas]:
    frame = result.flow_verdicts
    if frame is None or frame.height == 0:
        return []
    ranks = {incident.uid: incident.rank for incident in result.incidents}
    titles = {one.rank: words.attack_title(one.attack) for one in result.incidents}
    canvases = []
    for column, name in CANVASES:
        grid = aggregate(frame, (column,), CANVAS_ROWS)
        painted = picture(grid, ranks, titles)
        data = {
            "rows": painted.rows,
            "columns": painted.columns,
            "first": int(grid.edges_us[0]) // 1000,
            "last": int(grid.edges_us[-1]) // 1000,
            "names": [neutral_text(text, longest=LONGEST_ID) for text in grid.names],
            "cells": painted.cells,
            "titles": {str(rank): title for rank, title in titles.items()},
        }
        canvases.append(Canvas(name, grid, painted, data, _busiest(grid)))
    return canvases


def _busiest(grid: CanvasGrid) -> list[tuple[str, str, str]]:
    flows = grid.counts.sum(axis=0)
    marked = (grid.counts * (grid.category >= 0)).sum(axis=0)
    order = (-flows).argsort(kind="stable")[:20]
    return [(grid.names[i], words.count(flows[i]), words.count(marked[i])) for i in order]


def _ends(result: ScanResult, canvases: Sequence[Canvas]) -> tuple[int, int]:
    """Give the ends of the timeline: what is drawn or was read, and all incidents within."""
    report, times = result.input, []
    if canvases:
        times += [int(canvases[0].grid.edges_us[0]), int(canvases[0].grid.edges_us[-1])]
    elif report.first_us is not None and report.last_us is not None:
        times += [report.first_us, report.last_us]
    for incident in result.incidents[:MOST_CARDS]:
        times += [incident.first_us, incident.last_us]
    return (min(times), max(times)) if times else (0, 0)


def _volume(grid: CanvasGrid, first_us: int, last_us: int) -> Volume:
    """Give the number of flows over time as the outline of an area."""
    axis = Scale(float(first_us), float(max(last_us, first_us + 1)))
    start, end = axis.at(float(grid.edges_us[0])), axis.at(float(grid.edges_us[-1]))
    flows = grid.counts.sum(axis=1)
    most = max(1, int(flows.max()))
    steps = " ".join(
        f"L{i} {100 - 96 * v / most:.1f}H{i + 1}" for i, v in enumerate(flows.tolist())
    )
    width = max(round(end - start, 2), 0.3)
    return Volume(min(start, 100 - width), width, f"M0 100{steps}L{len(flows)} 100Z")
