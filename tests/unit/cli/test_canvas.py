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
from eddyline.report.raster import COLOURS
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


def test_an_unknown_class_to_highlight_is_refused_by_name(told, tmp_path) -> None:
    """The error names the classes that there are; a known one is drawn."""
    out = tmp_path / "x.png"
    with pytest.raises(UsageError, match=r"must be one of Normal, scan, got 'scna'"):
        draw(told, out, highlight="scna")
    assert not out.exists()
    assert draw(told, out, highlight="scan") == 0


def test_ports_that_gather_nothing_give_way_to_networks(told, tmp_path, capsys) -> None:
    """A pair of ports for nearly every flow is no group; two ports in all are."""
    many = tmp_path / "many.parquet"
    own = pl.int_range(pl.len()).cast(pl.UInt16).alias("src_port")
    pl.read_parquet(told).with_columns(own).write_parquet(many)
    assert draw(many, tmp_path / "x.html", group=["auto"], quiet=False) == 0
    assert "groups of src_net, dst_net" in capsys.readouterr().err

    few = tmp_path / "few.parquet"
    ports = pl.lit(7, dtype=pl.UInt16)
    pl.read_parquet(told).with_columns(src_port=ports, dst_port=ports).write_parquet(few)
    assert draw(few, tmp_path / "y.html", group=["auto"], quiet=False) == 0
    assert "1 groups of src_port, dst_port" in capsys.readouterr().err


def test_the_verdicts_of_a_scan_are_grouped_by_network(told, tmp_path, capsys) -> None:
    """They have no source port."""
    path = tmp_path / "verdicts.parquet"
    pl.read_parquet(told).drop("src_port", "label").write_parquet(path)

    assert draw(path, tmp_path / "x.html", group=["auto"], colour="verdict", quiet=False) == 0
    assert "groups of src_net, dst_net" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_every_table_of_classify_is_read(tmp_path, suffix) -> None:
    """Truth beside prediction from any format that classify writes."""
    table = traffic.quiet(n_hosts=3, hours=0.5).frame.select(
        "uid", "ts", "ts_end", "src_ip", "src_port", "dst_ip", "dst_port", "proto"
    )
    n = table.height
    table = table.with_columns(
        pl.Series("label", ["Benign"] * n),
        pl.Series("verdict", ["Benign" if i % 4 else "scan" for i in range(n)]),
    )
    path, out = tmp_path / f"told{suffix}", tmp_path / "x.html"
    if suffix == ".parquet":
        table.write_parquet(path)
    elif suffix == ".csv":
        table.write_csv(path)
    else:
        table.write_ndjson(path)

    assert draw(path, out, group=["src_net", "dst_port"], beside="verdict", colour="label") == 0
    assert "scan" in out.read_text("utf-8")


def test_background_is_told_from_benign() -> None:
    """Both are no attack, and somebody labelled them apart."""
    assert COLOURS["background"] != COLOURS["normal"]
