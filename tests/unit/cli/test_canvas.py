"""``eddyline canvas``: which columns it reads and what it says."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from eddyline.cli.canvas import run_canvas
from eddyline.cli.main import app
from eddyline.errors import UsageError
from eddyline.flows.write import write_flows
from eddyline.testing import traffic
from eddyline.testing.nad import nad_csv


@pytest.fixture
def told(tmp_path):
    """Give a Parquet file of flows with labels, predictions and incidents."""
    frame = traffic.quiet(n_hosts=3, hours=1.0).frame
    n = frame.height
    classes = pl.Series(["Normal" if i % 5 else "scan" for i in range(n)])
    path = tmp_path / "told.parquet"
    frame.with_columns(
        classes.alias("label"),
        classes.reverse().alias("prediction"),
        pl.Series([None if i % 9 else "i-1" for i in range(n)], dtype=pl.String).alias("incident"),
        pl.Series(["left", "right"] * n)[:n].alias("half"),
    ).write_parquet(path)
    return path


def draw(path, out, **options):
    """Run the command with its usual options."""
    chosen: dict[str, Any] = {"group": ["src_net", "dst_port"], "colour": "label", "beside": None}
    chosen |= {"time_bin": "10s", "highlight": None, "quiet": True, **options}
    return run_canvas([str(path)], out, **chosen)


@pytest.mark.parametrize("colour", ["label", "prediction", "verdict", "agreement", "half"])
def test_any_column_can_be_the_colour(told, tmp_path, colour) -> None:
    """By its own name, or by what it tells; beside it another one."""
    out = tmp_path / "x.html"

    assert draw(told, out, colour=colour, beside="label") == 0
    page = out.read_text("utf-8")
    assert {"agreement": "false alarm", "half": "left", "verdict": "i-1"}.get(
        colour, "scan"
    ) in page


def test_labelled_logs_are_drawn_as_they_come(tmp_path) -> None:
    """Any format with labels, with the whole command line."""
    log, out = tmp_path / "1203_firewall.csv", tmp_path / "x.html"
    log.write_text("".join(nad_csv(300)))
    done = CliRunner().invoke(
        app, ["canvas", str(log), "-o", str(out), "--group", "src_port,dst_port", "--bin", "1m"]
    )

    assert done.exit_code == 0, done.output
    assert "Probing-IP sweep" in out.read_text("utf-8")
    assert "300 flows" in done.output


def test_unlabelled_flows_are_refused_for_a_label(tmp_path) -> None:
    """And so are a group that is no column, a strange suffix, and nothing at all."""
    path, out = tmp_path / "plain.parquet", tmp_path / "x.html"
    write_flows([traffic.quiet(n_hosts=2, hours=0.2)], str(path))
    with pytest.raises(UsageError, match="label must come from a column label"):
        draw(path, out)
    with pytest.raises(UsageError, match="'nowhere' is none"):
        draw(path, out, group=["nowhere"])
    with pytest.raises(UsageError, match=r"must go to \.html or \.png"):
        draw(path, tmp_path / "x.svg")
    with pytest.raises(UsageError, match="agreement must come from"):
        draw(path, out, colour="agreement")
