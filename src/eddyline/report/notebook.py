"""The picture of flows as a HoloViews element that Datashader draws, for notebooks.

What belongs here: the element. What does not: counting flows (``raster.py``).

Source: Arjona-Medina et al., A Deep Learning Approach for Network Anomaly Detection, 2021, who drew theirs
with HoloViews and Datashader.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from eddyline.errors import MissingExtraError
from eddyline.report.raster import HEIGHT, WIDTH, Raster, palette


def raster_element(
    raster: Raster, *, highlight: str | None = None, width: int = WIDTH, height: int = HEIGHT
) -> Any:
    """Give an element that draws itself at any zoom: points shaded by their class.

    Choose a backend of HoloViews before it is shown, such as ``holoviews.extension("bokeh")``.

    Parameters
    ----------
    raster
        From ``flow_raster``.
    highlight
        Class that alone has a colour; None for all.
    width, height
        Size in pixels.

    Raises
    ------
    MissingExtraError
        When HoloViews or Datashader is not installed.
    """
    try:
        import datashader
        import holoviews
        import pandas
        from holoviews.operation import datashader as shading
    except ImportError as error:
        message = (
            f"a notebook element must have HoloViews and Datashader, {error.name} is not installed; "
            "pip install 'eddyline[notebook]'"
        )
        raise MissingExtraError(message) from error
    time = (raster.first_us + raster.row.astype(np.int64) * raster.step_us).astype(
        "datetime64[us]"
    )
    # Classes in the order of the palette; a category needs a flow, or Datashader finds no colour for it.
    names = [f"{code}" for code in range(len(raster.classes))]
    table = pandas.DataFrame(
        {
            "group": raster.x,
            "time": time,
            "class": pandas.Categorical.from_codes(raster.label.astype(np.int64), names),
        }
    )
    points = holoviews.Points(table, kdims=["group", "time"], vdims=["class"])
    colours = {
        name: "#{:02x}{:02x}{:02x}".format(*colour)
        for name, colour in zip(names, palette(raster, highlight)[1:], strict=True)
    }
    counted = shading.rasterize(
        points, aggregator=datashader.count_cat("class"), width=width, height=height, dynamic=False
    )
    shaded = shading.shade(
        counted, color_key=colours, min_alpha=200, cnorm="linear", dynamic=False
    )
    spread = shading.spread(shaded, px=1, how="over", dynamic=False)
    named = spread.relabel(f"{sum(raster.totals):,} flows by {', '.join(raster.group)}")
    loaded = holoviews.Store.loaded_backends()
    if "bokeh" in loaded:
        named = named.opts(width=width, height=height, invert_yaxis=True, backend="bokeh")
    if "matplotlib" in loaded:
        size = (width / 100, height / 100)
        named = named.opts(
            aspect=width / height, fig_inches=size, invert_yaxis=True, backend="matplotlib"
        )
    return named
