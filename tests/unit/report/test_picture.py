"""Pictures are valid PNG files in which an incident has its own colour."""

from __future__ import annotations

import base64
import itertools
import struct
import zlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from eddyline.errors import DataError
from eddyline.report.canvas import aggregate
from eddyline.report.picture import HUES, TRAFFIC_STEPS, picture
from eddyline.report.png import data_uri, png

GREYS = tuple((i, i, i) for i in range(256))


def read_png(data):
    """Read a palette PNG chunk by chunk, checking every checksum."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(
            kind + content
        )
        chunks[kind] = content
        at += 12 + length
    width, height, depth, colours, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colours) == (8, 3)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), dtype=np.uint8).reshape(
        height, width + 1
    )
    assert not lines[:, 0].any()
    palette = [tuple(chunks[b"PLTE"][i : i + 3]) for i in range(0, len(chunks[b"PLTE"]), 3)]
    return lines[:, 1:], palette


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)))
def test_a_written_picture_reads_back(pixels):
    """Every pixel and colour survives."""
    read, palette = read_png(png(pixels, GREYS))

    assert np.array_equal(read, pixels)
    assert tuple(palette) == GREYS


def test_a_picture_without_pixels_or_colours_is_refused():
    """No file that a browser would show as broken is ever written."""
    with pytest.raises(DataError, match="at least one pixel"):
        png(np.zeros((0, 3), dtype=np.uint8), GREYS)
    with pytest.raises(DataError, match="got index 2"):
        png(np.full((1, 1), 2, dtype=np.uint8), GREYS[:2])


def test_data_uri_holds_the_picture():
    """A page carries the picture as text."""
    assert (
        base64.b64decode(data_uri(b"\x89PNG").removeprefix("data:image/png;base64,")) == b"\x89PNG"
    )


def painted(n_incidents):
    rows = [(i, 443, None) for i in range(50)] + [
        (i, 1000 + i, f"u{i}") for i in range(n_incidents)
    ]
    frame = pl.DataFrame(
        rows, schema={"ts": pl.Int64, "dst_port": pl.UInt16, "incident": pl.String}, orient="row"
    ).sort("ts")
    grid = aggregate(frame, ("dst_port",), 10, 160)
    return grid, picture(grid, {f"u{i}": i + 1 for i in range(n_incidents)}, {1: "flood"})


@given(st.integers(0, 20))
def test_cells_of_an_incident_have_a_colour_and_the_others_none(n_incidents):
    """Light and dark hold the same pixels; colours stand exactly where incidents are."""
    grid, shown = painted(n_incidents)
    light, _ = read_png(base64.b64decode(shown.light.partition(",")[2]))
    dark, _ = read_png(base64.b64decode(shown.dark.partition(",")[2]))

    assert np.array_equal(light, dark)
    assert np.array_equal(light > TRAFFIC_STEPS, grid.category >= 0)
    assert np.array_equal(light == 0, grid.counts == 0)
    assert len(shown.legend) == min(n_incidents, len(HUES)) + (n_incidents > len(HUES))
    assert [mark.rank for mark in shown.marks] == list(range(1, min(n_incidents, len(HUES)) + 1))


def test_cells_tell_flows_and_incident_for_hovering():
    """The list for the page's script names each cell that holds flows, once."""
    grid, shown = painted(3)
    cells = np.array(shown.cells).reshape(-1, 3)

    assert cells[:, 1].sum() == grid.counts.sum()
    assert set(cells[:, 2].tolist()) == {0, 1, 2, 3}
    assert len(np.unique(cells[:, 0])) == len(cells)


def test_names_under_the_picture_do_not_overlap():
    """At full width two names keep their distance, whatever their length."""
    rng = np.random.default_rng(4)
    names = [f"host-{'x' * int(n)}-{i}" for i, n in enumerate(rng.integers(0, 20, 120))]
    frame = pl.DataFrame(
        {"ts": range(1200), "src_ip": names * 10, "incident": [None] * 1200},
        schema_overrides={"incident": pl.String},
    )
    shown = picture(aggregate(frame, ("src_ip",), 10, 160), {}, {})

    ends = []
    for tick in shown.x_ticks:
        width = 1.5 * len(tick.text)
        start = tick.place - {"start": 0, "middle": 0.5, "end": 1}[tick.anchor] * width
        ends.append((start, start + width))
    assert len(ends) >= 3
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(ends))
