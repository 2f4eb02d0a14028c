"""Dots of flows: which class a dot and a pixel show, what the page holds, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import re
import struct
import zlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import DataError, InputError, MissingExtraError, UsageError
from eddyline.report import raster as room
from eddyline.report.raster import agreement, flow_raster, paint, palette, time_step
from eddyline.report.raster_page import Panel, raster_html, write_raster_html

SECOND = 1_000_000
SMURF, PORT = (0xD6, 0x27, 0x28), (0xF2, 0xC2, 0x00)


def flows(rows):
    """Make flows of (second, port, class)."""
    seconds, ports, labels = zip(*rows, strict=True)
    return pl.DataFrame(
        {"ts": [s * SECOND for s in seconds], "dst_port": ports, "label": labels},
        schema_overrides={"dst_port": pl.UInt16, "label": pl.String},
    )


def pixels_of(uri):
    """Read the size and the indices of one of our PNGs."""
    raw = base64.b64decode(uri.split(",")[1])
    width, height = struct.unpack(">II", raw[16:24])
    at = raw.index(b"IDAT")
    (size,) = struct.unpack(">I", raw[at - 4 : at])
    lines = np.frombuffer(zlib.decompress(raw[at + 4 : at + 4 + size]), dtype=np.uint8)
    return lines.reshape(height, width + 1)[:, 1:]


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 4), st.sampled_from(["Normal", "a", "b"])),
        min_size=1,
        max_size=60,
    )
)
def test_a_dot_has_the_class_of_most_of_its_flows(rows) -> None:
    """Of equals the one that is rarer in all; columns stand in the order of first flows."""
    raster = flow_raster(flows(rows), ["dst_port"])
    total = {name: sum(r[2] == name for r in rows) for name in "ab"} | {
        "Normal": sum(r[2] == "Normal" for r in rows)
    }
    first = list(dict.fromkeys(port for _, port, _ in rows))
    start = min(r[0] for r in rows)
    for x, row, label, count in zip(raster.x, raster.row, raster.label, raster.flows, strict=True):
        own = [r[2] for r in rows if r[1] == first[x] and r[0] == start + row]
        most = max(own.count(name) for name in own)
        least = min(total[name] for name in own if own.count(name) == most)

        assert len(own) == count
        assert own.count(raster.classes[label]) == most
        assert total[raster.classes[label]] == least
    assert [raster.name(k) for k in range(raster.groups)] == [str(port) for port in first]
    assert sum(raster.flows) == len(rows)


def test_a_crowded_pixel_shows_the_rarest_attack() -> None:
    """However many normal dots fall on it; without a label is the first to give way."""
    rows: list[tuple[int, int, str | None]] = [(0, port, "Normal") for port in range(5000)]
    rows += [(0, 6000, None), (0, 6001, "Probing-Port sweep"), (0, 6002, "DDOS-smurf")]
    rows += [(0, 6003, "Probing-Port sweep")]
    raster = flow_raster(flows(rows), ["dst_port"])
    pixels = paint(raster, width=10, height=4)

    assert raster.classes[:2] == ("Normal", "Probing-Port sweep")
    assert palette(raster)[int(pixels[0, 9])] == SMURF
    assert palette(raster)[0] == (255, 255, 255)
    assert set(np.unique(pixels[:, :8]).tolist()) <= {0, 1}


def test_a_highlight_leaves_one_colour() -> None:
    """The chosen class over all others, the rest grey."""
    rows = [(0, 1, "Normal"), (1, 1, "DDOS-smurf"), (2, 1, "Probing-Port sweep"), (2, 2, "x")]
    raster = flow_raster(flows(rows), ["dst_port"])
    colours = dict(zip(raster.classes, palette(raster, "Probing-Port sweep")[1:], strict=True))

    assert colours.pop("Probing-Port sweep") == PORT
    assert set(colours.values()) == {(0xBB, 0xBB, 0xBB)}


def test_many_classes_share_the_last_colours() -> None:
    """More names than a palette holds become one."""
    rows = [(i % 7, i % 5, f"class {i:03d}") for i in range(300)]
    raster = flow_raster(flows(rows), ["dst_port"])

    assert len(raster.classes) == 250
    assert raster.classes[-1] == "all further classes"
    assert raster.totals[-1] == 51
    assert len(palette(raster)) == 251


def test_truth_and_prediction_agree_or_how_they_do_not() -> None:
    """Two words for normal agree; an alarm on normal is false, silence on an attack a miss."""
    frame = pl.DataFrame(
        {
            "truth": ["Normal", "benign", "scan", "scan", "Normal", None, "scan"],
            "told": ["Normal", "Normal", "scan", "Normal", "scan", "scan", "flood"],
        }
    )
    found = frame.select(agreement(pl.col("truth"), pl.col("told"))).to_series().to_list()

    assert found == ["right", "right", "right", "missed", "false alarm", None, "wrong class"]


def test_the_page_needs_nothing_from_elsewhere(tmp_path) -> None:
    """Its policy names its style and script by their hashes; pictures and data are inside."""
    rows = [(s, s % 3, "Normal" if s % 4 else "DDOS-smurf") for s in range(40)]
    hostile = [(41, 9, "</script><script>alert(1)</script>\x1b[2J")]
    frame = flows(rows + hostile)
    raster = flow_raster(frame, ["dst_port"])
    path = tmp_path / "canvas.html"
    write_raster_html([Panel("truth", raster), Panel("told", raster)], path, "<b>title</b>")
    page = path.read_text("utf-8")
    policy = re.search(r'Policy" content="([^"]+)"', page)
    style = re.search(r"<style>(.*?)</style>", page, re.S)
    script = re.search(r"<script>(.*?)</script>", page, re.S)
    assert policy is not None
    assert style is not None
    assert script is not None
    for part in (style.group(1), script.group(1)):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert digest in policy.group(1).replace("&#43;", "+")

    assert "http" not in re.sub(r'http-equiv|data:image/[^"]+', "", page)
    assert "alert(1)</script>" not in page
    assert "<b>title" not in page
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.S).group(1))  # type: ignore[union-attr]
    assert (data["groups"], data["rows"]) == (4, 42)
    assert data["names"] == ["0", "1", "2", "9"]
    colours = [colour for colour, _ in data["panels"][0]["palette"]]
    assert len(set(colours)) == len(raster.classes)


def test_the_page_tells_the_flows_of_a_dot() -> None:
    """Exactly up to 200, then in thirds of a doubling; a dot that is empty is 0."""
    rows = [(0, 1, "Normal")] * 150 + [(1, 1, "Normal")] * 100_000 + [(3, 1, "Normal")]
    page = raster_html([Panel("truth", flow_raster(flows(rows), ["dst_port"]))], "x")
    uri = re.search(r'id="counts-0" alt="" src="([^"]+)"', page)
    assert uri is not None
    levels = set(np.unique(pixels_of(uri.group(1))).tolist())

    assert levels == {0, 1, 150, 200 + round(3 * np.log2(500))}


def test_a_png_has_axes_and_a_legend(tmp_path) -> None:
    """Drawn by Matplotlib where it is installed."""
    pytest.importorskip("matplotlib", reason="needs the extra [lab]")
    from eddyline.report.raster_png import write_raster_png

    raster = flow_raster(flows([(s, s % 5, "Normal") for s in range(30)]), ["dst_port"])
    panels = [Panel("truth", raster), Panel("told", raster)]
    write_raster_png(panels, tmp_path / "x.png", "title")
    raw = (tmp_path / "x.png").read_bytes()

    assert raw.startswith(b"\x89PNG")
    assert struct.unpack(">II", raw[16:24]) == (2520, 950)
    with pytest.raises(InputError, match="choose another path"):
        write_raster_png(panels, tmp_path / "no" / "x.png", "title")


def test_a_notebook_element_shows_each_class() -> None:
    """With HoloViews and Datashader where they are installed; else the error says which extra."""
    from eddyline.report.notebook import raster_element

    rows = [(s, s % 5, "Normal" if s % 3 else "DDOS-smurf") for s in range(60)]
    raster = flow_raster(flows(rows), ["dst_port"])
    if importlib.util.find_spec("datashader") is None:
        with pytest.raises(MissingExtraError, match=r"eddyline\[notebook\]"):
            raster_element(raster)
        pytest.skip("HoloViews and Datashader are not installed: the extra [notebook]")
    picture = np.asarray(raster_element(raster).data.to_array())  # pragma: no cover
    assert picture.any()


def test_what_cannot_be_drawn_is_said(tmp_path) -> None:
    """No flows, a missing column, a step that is none, panels of different flows, no panel."""
    frame = flows([(0, 1, "Normal"), (5, 2, "Normal")])
    raster, other = flow_raster(frame, ["dst_port"]), flow_raster(frame[:1], ["dst_port"])
    with pytest.raises(DataError, match="got 0 flows"):
        flow_raster(frame[:0], ["dst_port"])
    with pytest.raises(DataError, match="no column 'src_port'"):
        flow_raster(frame, ["src_port"])
    for wrong in ("1", "s", "0s", "5 s", "1d"):
        with pytest.raises(UsageError, match="a step of time must be like"):
            time_step(wrong)
    with pytest.raises(UsageError, match="of the same flows"):
        raster_html([Panel("a", raster), Panel("b", other)], "x")
    with pytest.raises(UsageError, match="must have a picture"):
        raster_html([], "x")
    with pytest.raises(InputError, match="choose another path"):
        write_raster_html([Panel("a", raster)], tmp_path / "no" / "x.html", "x")
    assert time_step("500ms") == 500_000
    assert room.UNKNOWN == "not labelled"
