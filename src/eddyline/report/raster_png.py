"""The picture of flows as a PNG with axes and a legend, drawn by Matplotlib.

What belongs here: one figure. What does not: which pixel shows what (``raster.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from eddyline.errors import InputError, MissingExtraError
from eddyline.report.raster import HEIGHT, WIDTH, paint, palette
from eddyline.report.raster_page import Panel
from eddyline.report.scale import time_ticks

_DPI = 100


def write_raster_png(
    panels: Sequence[Panel], path: Path, title: str, *, highlight: str | None = None
) -> None:
    """Write the picture; several panels stand side by side.

    Parameters
    ----------
    panels
        One or two pictures of the same flows.
    path
        File to write, replaced when it exists.
    title
        Heading.
    highlight
        Class that alone has a colour; None for all.

    Raises
    ------
    MissingExtraError
        When Matplotlib is not installed.
    InputError
        When the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        message = (
            "a PNG with axes must have Matplotlib to draw it, it is not installed; "
            "pip install 'eddyline[lab]', or write .html"
        )
        raise MissingExtraError(message) from error
    size = ((WIDTH * len(panels) + 120) / _DPI, (HEIGHT + 150) / _DPI)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for place, panel in enumerate(panels, start=1):
        _draw(figure.add_subplot(1, len(panels), place), panel, highlight)
    try:
        figure.savefig(path, format="png")
    except OSError as error:
        message = f"{path}: the picture must go to a file that can be written, {error.strerror}; "
        raise InputError(message + "choose another path") from error


def _draw(axes: Any, panel: Panel, highlight: str | None) -> None:
    """Draw one panel."""
    from matplotlib.patches import Patch

    raster = panel.raster
    colours = np.array(palette(raster, highlight), dtype=np.uint8)
    axes.imshow(
        colours[paint(raster, highlight=highlight)], aspect="auto", interpolation="nearest"
    )
    last_us = raster.first_us + raster.rows * raster.step_us
    ticks = time_ticks(raster.first_us, last_us)
    places = [(time - raster.first_us) / (last_us - raster.first_us) * HEIGHT for time, _ in ticks]
    axes.set_yticks(places, [text for _, text in ticks])
    axes.set_xticks([])
    axes.set_xlabel(f"{raster.groups:,} groups by {', '.join(raster.group)}, by their first flow")
    axes.set_ylabel("time, UTC")
    axes.set_title(panel.title)
    named = list(zip(raster.classes, raster.totals, colours[1:], strict=True))[:12]
    handles = [
        Patch(facecolor=colour / 255.0, edgecolor="#888888", label=f"{name} ({flows:,})")
        for name, flows, colour in named
    ]
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.05), ncols=4, frameon=False
    )
