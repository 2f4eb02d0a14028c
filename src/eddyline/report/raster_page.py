"""The picture of flows as one HTML file: zoom, drag, and what lies under the pointer; nothing from elsewhere.

What belongs here: what the page holds and its safety. What does not: which pixel shows what (``raster.py``).

Each panel carries three small pictures: dots for the whole view, dots for zooming, flows of each dot. A
policy allows the page's own style sheet and script by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import InputError, UsageError
from eddyline.flows.text import neutral_text
from eddyline.report.png import data_uri, png
from eddyline.report.raster import HEIGHT, WIDTH, Raster, dot_size, paint, palette

FACTOR: Final = 3
"""How many times finer the picture for zooming is."""

MOST_NAMES: Final = 20_000
"""Names of columns that the page carries; the first ones."""

_EXACT: Final = 200  # flows of a dot that are told exactly; beyond, thirds of a doubling


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of the page.

    Parameters
    ----------
    title
        What its colours tell, such as ``truth``.
    raster
        Its dots.
    """

    title: str
    raster: Raster


def raster_html(panels: Sequence[Panel], title: str, *, highlight: str | None = None) -> str:
    """Give the page.

    Parameters
    ----------
    panels
        One picture, or two of the same flows side by side, such as truth and prediction.
    title
        Heading.
    highlight
        Class that alone has a colour; None for all.

    Raises
    ------
    UsageError
        When there is no panel, or they are of different flows.
    """
    first = _same_flows(panels)
    shown = [_panel(number, panel, highlight) for number, panel in enumerate(panels)]
    colours = "".join(_styles(number, panel, highlight) for number, panel in enumerate(panels))
    style, script = _part("raster.css") + colours, _part("raster.js")
    data = {
        "first_us": first.first_us,
        "span_us": first.rows * first.step_us,
        "step_us": first.step_us,
        "rows": first.rows,
        "groups": first.groups,
        "group": ", ".join(first.group),
        "names": [_shown(first.name(k)) for k in range(min(first.groups, MOST_NAMES))],
        "width": WIDTH,
        "height": HEIGHT,
        "factor": FACTOR,
        "panels": [panel["data"] for panel in shown],
    }
    return _rendered(
        title=_shown(title),
        caption=f"{sum(first.totals):,} flows, {first.groups:,} columns, {len(first.x):,} dots.",
        group=", ".join(first.group),
        panels=shown,
        style=style,
        script=script,
        data=json.dumps(data).replace("<", "\\u003c"),
        policy=_policy(style, script),
    )


def write_raster_html(
    panels: Sequence[Panel], path: Path, title: str, *, highlight: str | None = None
) -> None:
    """Write the page, UTF-8.

    Parameters
    ----------
    panels, title, highlight
        See ``raster_html``.
    path
        File to write, replaced when it exists.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    page = raster_html(panels, title, highlight=highlight)
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        message = f"{path}: the picture must go to a file that can be written, {error.strerror}; "
        raise InputError(message + "choose another path") from error


def _same_flows(panels: Sequence[Panel]) -> Raster:
    """Check that panels can stand side by side."""
    if not panels:
        message = "a page must have a picture, got none; pass a panel"
        raise UsageError(message)
    rasters = [panel.raster for panel in panels]
    facts = {(r.groups, r.rows, r.first_us, r.step_us, r.group) for r in rasters}
    if len(facts) > 1:
        message = (
            f"panels must be of the same flows, groups and steps, got {len(facts)} kinds; "
            "make both from one table"
        )
        raise UsageError(message)
    return rasters[0]


def _panel(number: int, panel: Panel, highlight: str | None) -> dict[str, Any]:
    """Give what the page shows of one picture."""
    raster, colours = panel.raster, palette(panel.raster, highlight)
    distinct = _distinct(colours)
    coarse = paint(raster, highlight=highlight)
    fine = paint(raster, width=FACTOR * WIDTH, height=FACTOR * HEIGHT, highlight=highlight)
    lookup = [
        [(red << 16) | (green << 8) | blue, _shown(name)]
        for name, (red, green, blue) in zip(raster.classes, distinct[1:], strict=True)
    ]
    title = _shown(panel.title)
    return {
        "number": number,
        "title": title,
        "coarse": data_uri(png(coarse, colours)),
        "fine": data_uri(png(fine, distinct)),
        "counts": data_uri(png(_levels(raster), tuple((k, k, k) for k in range(256)))),
        "legend": [
            {"name": _shown(name), "flows": f"{flows:,}"}
            for name, flows in zip(raster.classes, raster.totals, strict=True)
        ],
        "data": {"title": title, "palette": lookup},
    }


def _distinct(colours: Sequence[tuple[int, int, int]]) -> tuple[tuple[int, int, int], ...]:
    """Make colours that look the same differ in their last bits, so that the page can tell classes."""
    seen: set[tuple[int, int, int]] = set()
    out = []
    for red, green, blue in colours:
        while (red, green, blue) in seen:
            blue = blue - 1 if blue else 255
        seen.add((red, green, blue))
        out.append((red, green, blue))
    return tuple(out)


def _levels(raster: Raster) -> NDArray[np.uint8]:
    """Give the flows of each dot as a level: exact up to 200, then three levels a doubling."""
    beyond = _EXACT + np.round(3 * np.log2(np.maximum(raster.flows, _EXACT) / _EXACT))
    level = np.minimum(np.where(raster.flows <= _EXACT, raster.flows, beyond), 255).astype(
        np.uint8
    )
    width, height = FACTOR * WIDTH, FACTOR * HEIGHT
    pixels = np.zeros((height, width), dtype=np.uint8)
    x = raster.x.astype(np.int64) * width // raster.groups
    y = raster.row.astype(np.int64) * height // raster.rows
    wide, high = dot_size(raster, width, height)
    order = np.argsort(level, kind="stable")
    for dx in range(wide):
        for dy in range(high):
            spot = np.minimum(y + dy, height - 1)[order], np.minimum(x + dx, width - 1)[order]
            pixels[spot] = level[order]
    return pixels


def _styles(number: int, panel: Panel, highlight: str | None) -> str:
    """Give the colours of a legend as rules, since the policy allows no style in an element."""
    colours = palette(panel.raster, highlight)[1:]
    return "".join(
        f".c{k}p{number}{{background:rgb({red},{green},{blue})}}"
        for k, (red, green, blue) in enumerate(colours)
    )


def _shown(text: str) -> str:
    return neutral_text(text, longest=120)


def _part(name: str) -> str:
    return resources.files("eddyline.report").joinpath("page", name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")

    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest(style)}'; "
        f"script-src 'sha256-{digest(script)}'; base-uri 'none'; form-action 'none'"
    )


def _rendered(**values: Any) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("eddyline.report", "page"), autoescape=True, undefined=StrictUndefined
    )
    # Style, script and data are ours: the data is JSON in which no tag can begin.
    trusted = {name: Markup(values.pop(name)) for name in ("style", "script", "data")}  # noqa: S704
    return environment.get_template("raster.html.j2").render(**values, **trusted)
