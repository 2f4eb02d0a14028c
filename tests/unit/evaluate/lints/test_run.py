"""What is found in whole data sets, of flows and of any columns."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from eddyline.cli.lint import run_lint
from eddyline.errors import InputError, UsageError
from eddyline.evaluate.corpora import registry
from eddyline.evaluate.corpora.card import CorpusCard
from eddyline.evaluate.lints.run import lint_flows, lint_table, read_table, unknown_files
from eddyline.flows.batch import FlowBatch
from eddyline.flows.write import write_flows
from eddyline.testing.traffic import quiet


def _table(n: int = 400) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    attack = rng.random(n) < 0.3
    return pl.DataFrame(
        {
            "bytes": rng.lognormal(6.0 + attack, 1.0, n),
            "gap_ms": rng.lognormal(3.0 - attack, 1.0, n),
            "label": np.where(attack, "scan", "benign"),
        }
    )


def _lint(path: Path, **options: Any) -> int:
    """Run the command on one path."""
    defaults: dict[str, Any] = {"features": None, "normal": None, "unsafe": None, "out": None}
    return run_lint([str(path)], "label", **(defaults | options))


def test_copies_of_rows_leak_through_a_row_split():
    """A table doubled row by row is refused; as it was it passes."""
    doubled = pl.concat([_table(), _table()])

    assert lint_table(_table(), "label").findings == []
    found = lint_table(doubled, "label")
    assert found.refused
    assert "duplicate-rows-across-splits" in {f.lint for f in found.findings}
    assert sum(found.classes.values()) == 800


def test_tables_are_recognised_by_content(tmp_path: Path):
    """Parquet and CSV by what is in them; another file, or one without the column, is none."""
    table = _table()
    table.write_parquet(tmp_path / "a.csv")
    table.write_csv(tmp_path / "b.parquet")
    (tmp_path / "c").write_bytes(b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00")

    for name in ("a.csv", "b.parquet"):
        read = read_table(tmp_path / name, "label")
        assert read is not None
        assert read.shape == table.shape
        assert read_table(tmp_path / name, "class") is None
    assert read_table(tmp_path / "c", "label") is None
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "absent", "label")


def test_the_command_prints_names_and_exits_by_the_gravest(tmp_path: Path, capsys):
    """A refused rule gives 3, a waived one 0; the JSON holds what the screen says."""
    path = tmp_path / "flows.csv"
    address = pl.format("10.0.0.{}", pl.int_range(pl.len()) % 99).alias("src_ip")
    _table().with_columns(address).write_csv(path)

    refused = _lint(path)
    printed = capsys.readouterr().out
    waived = _lint(path, unsafe=["id-feature"], out="-")
    told = json.loads(capsys.readouterr().out)

    assert refused == 3
    assert "refuse  id-feature: 'src_ip' names who" in printed
    assert waived == 0
    assert told["waived"] == ["id-feature"]
    assert [f["lint"] for f in told["findings"]] == ["id-feature", "unknown-dataset"]
    assert _lint(path, features=["bytes"]) == 0


def test_names_from_the_data_cannot_write_on_the_terminal(tmp_path: Path, capsys):
    """A column called like an escape sequence is shown in neutral letters."""
    path = tmp_path / "evil.csv"
    _table().with_columns(pl.lit(1).alias("a\x1b[31m")).write_csv(path)

    _lint(path)

    assert "\x1b" not in capsys.readouterr().out


def test_unknown_lints_and_options_without_a_table_are_errors(tmp_path: Path):
    """A waiver must name a lint; columns are named of tables only."""
    with pytest.raises(UsageError, match="--unsafe must name a lint, got nonsense"):
        _lint(tmp_path, unsafe=["nonsense"])
    with pytest.raises(UsageError, match="--features and --normal are for a table"):
        _lint(tmp_path, features=["a"])


def _labelled(label: pl.Expr) -> FlowBatch:
    """A quiet office whose flows carry labels."""
    frame = quiet(n_hosts=4, hours=1.0).frame
    labels = frame.select("uid", label=label, label_detail=pl.lit("")).drop("uid")
    return FlowBatch(frame, labels)


def test_flows_are_parted_by_group_and_their_shortcuts_named():
    """Calling every ping malicious makes the protocol a shortcut; no group leaks."""
    ping = pl.col("proto").cast(pl.String) == "icmp"
    batch = _labelled(pl.when(ping).then(pl.lit("Malicious")).otherwise(pl.lit("Benign")))

    found = lint_flows([batch])

    assert found.split == "group"
    assert found.areas["proto"] == 1.0
    subjects = {f.subject for f in found.findings if f.lint == "single-feature-shortcut"}
    assert "proto" in subjects
    assert "group-leak" not in {f.lint for f in found.findings}
    assert not {"src_ip", "dst_ip", "ts", "ts_end", "uid"} & set(found.areas)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_our_own_tables_are_linted_as_flows(tmp_path: Path, capsys, suffix: str):
    """Written and read again, labelled flows give no identifier or time as a feature, and no traceback."""
    ping = pl.col("proto").cast(pl.String) == "icmp"
    batch = _labelled(pl.when(ping).then(pl.lit("Malicious")).otherwise(pl.lit("Benign")))
    path = tmp_path / f"flows.{suffix}"
    write_flows([batch], path)

    code = _lint(path)

    printed = capsys.readouterr().out
    assert code == 0
    assert "id-feature" not in printed
    assert "absolute-time-feature" not in printed
    assert "by group" in printed


def test_wrong_columns_and_classes_are_named(tmp_path: Path):
    """A label column that is not there, a normal class that no row has, and lists as features are errors."""
    path = tmp_path / "t.parquet"
    _table().with_columns(pl.lit([1, 2]).alias("tags")).write_parquet(path)

    with pytest.raises(UsageError, match="got lists in tags"):
        _lint(path)
    with pytest.raises(
        UsageError, match=r"normal labels must be .* got nope; it has benign, scan"
    ):
        _lint(path, features=["bytes"], normal=["nope"])
    missing = tmp_path / "missing.csv"
    _table().rename({"label": "verdict"}).write_csv(missing)
    with pytest.raises(
        InputError, match=r"label column 'label', got the columns bytes, gap_ms, ver"
    ):
        _lint(missing)
    with pytest.raises(
        UsageError,
        match=r"--labels must name a column of a table, not 'foo'.* got the columns bytes, gap_ms, label",
    ):
        run_lint([str(path)], "foo", features=None, normal=None, unsafe=None, out=None)


def test_flows_without_labels_cannot_be_linted():
    """Labels must be beside the flows, and say attack or normal."""
    with pytest.raises(InputError, match="must carry labels"):
        lint_flows([quiet(n_hosts=2, hours=0.5)])
    with pytest.raises(InputError, match="must be called attack or normal"):
        lint_flows([_labelled(pl.lit("Unknown"))])


def test_published_files_are_known_by_their_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file with a card's hash is known under any name; one byte more and it is not."""
    path = tmp_path / "renamed"
    path.write_bytes(b"published")
    digest = hashlib.sha256(b"published").hexdigest()
    card = CorpusCard("a-set", {"table.csv": digest}, "a test", "nobody", "none")
    monkeypatch.setattr(registry, "CARDS", (card,))

    assert registry.identify(path) is card
    assert unknown_files([path, tmp_path]) == []
    path.write_bytes(b"published!")
    assert [f.lint for f in unknown_files([path])] == ["unknown-dataset"]


def test_rows_that_are_neither_attack_nor_normal_are_counted():
    """Background is left out, and said to be; the split that the lint makes is no leak of time."""
    told = pl.when(pl.int_range(pl.len()) < 5).then(pl.lit("Background"))
    ping = pl.col("proto").cast(pl.String) == "icmp"
    batch = _labelled(told.when(ping).then(pl.lit("Malicious")).otherwise(pl.lit("Benign")))
    linted = lint_flows([batch])
    assert linted.n_unjudged == 5
    assert linted.n_rows == len(batch) - 5
    assert "time-leak" not in {one.lint for one in linted.findings}


def test_unknown_files_are_one_finding(tmp_path: Path):
    """Two files that nobody published are one sentence."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x")
    findings = unknown_files([tmp_path / "a.csv", tmp_path / "b.csv", tmp_path])
    assert [one.subject for one in findings] == ["a.csv"]
    assert "1 more" in findings[0].sentence
