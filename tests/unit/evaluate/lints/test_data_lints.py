"""Each lint of data catches its planted defect and is silent without it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from eddyline.errors import DataError, RefusedError, UsageError
from eddyline.evaluate.lints.data import lint_data, single_areas
from eddyline.evaluate.lints.finding import LINTS, Finding, refuse
from eddyline.evaluate.lints.table import LintTable


def _clean(n: int = 2_000, seed: int = 0) -> pl.DataFrame:
    """Flows whose attack can be guessed from two features, but from neither alone."""
    rng = np.random.default_rng(seed)
    attack = rng.random(n) < 0.2
    return pl.DataFrame(
        {
            "bytes": rng.lognormal(6.0 + attack, 1.0, n),
            "gap_ms": rng.lognormal(3.0 - 0.5 * attack, 1.0, n),
            "flags": rng.integers(0, 8, n),
            "service": rng.choice(["dns", "http", "ssh"], n),
            "label": np.where(attack, np.where(rng.random(n) < 0.5, "scan", "flood"), "normal"),
        }
    )


def _lints(frame: pl.DataFrame) -> dict[str, Finding]:
    return {f"{f.lint}/{f.subject}": f for f in lint_data(LintTable.of(frame, "label"))}


def test_sound_data_pass_in_silence():
    """Nothing is found where nothing is planted, for several draws."""
    for seed in range(5):
        assert _lints(_clean(seed=seed)) == {}


ATTACK = pl.col("label") != "normal"


@pytest.mark.parametrize(
    ("lint", "planted"),
    [
        (
            "single-feature-shortcut/dst_port",
            pl.when(ATTACK).then(pl.lit(4444)).otherwise(pl.int_range(pl.len()) % 900).alias("dst_port"),
        ),
        (
            "single-feature-shortcut/tool",
            pl.when(ATTACK).then(pl.lit("x")).otherwise(pl.lit("y")).alias("tool"),
        ),
        ("constant-feature/ttl", pl.lit(64).alias("ttl")),
        ("id-feature/src_ip", pl.format("10.0.0.{}", pl.int_range(pl.len()) % 9).alias("src_ip")),
        ("id-feature/session", pl.format("s{}", pl.int_range(pl.len())).alias("session")),
        ("absolute-time-feature/begin", (1_600_000_000 + pl.int_range(pl.len())).alias("begin")),
        ("absolute-time-feature/ts", (pl.int_range(pl.len()) % 86_400).alias("ts")),
        ("label-derived-feature/score_class", (pl.int_range(pl.len()) % 3).alias("score_class")),
        (
            "label-derived-feature/kind",
            pl.col("label").replace_strict({"normal": 3, "scan": 1, "flood": 2}).alias("kind"),
        ),
        (
            "dependent-features/scan",
            pl.when(pl.col("label") == "scan").then(255).otherwise(pl.int_range(pl.len()) % 60).alias("ttl"),
        ),
    ],
)  # fmt: skip
def test_a_planted_feature_is_named(lint, planted):
    """A shortcut, an identifier, a time, the label in disguise, a tool's trace: each by name."""
    assert lint in _lints(_clean().with_columns(planted))


@pytest.mark.parametrize("name", ["num_file_creations", "file_size", "rowing_speed", "sent_ips"])
def test_a_count_is_no_identifier(name):
    """A name that merely holds a word such as file is not one."""
    frame = _clean().with_columns((pl.int_range(pl.len()) % 30).alias(name))

    assert not [f for f in _lints(frame).values() if f.lint == "id-feature"]


def test_equal_rows_of_two_classes_are_counted():
    """A hundred copied rows with the label turned are two hundred conflicting rows."""
    frame = _clean()
    turned = frame.filter(~ATTACK).head(100).with_columns(pl.lit("scan").alias("label"))

    found = _lints(pl.concat([frame, turned]))["label-conflict/rows"]

    assert found.value == pytest.approx(200 / 2_100)
    assert "normal 100" in found.sentence


def test_a_class_of_one_row_is_collapsed():
    """A flood of one packet size and gap is one row to four digits."""
    frame = _clean()
    one = frame.head(1).with_columns(pl.lit("flood2").alias("label"))
    noise = pl.col("bytes") * (1 + 1e-7 * pl.int_range(pl.len()))

    found = _lints(pl.concat([frame, *[one] * 50]).with_columns(noise))

    assert found["collapsed-class/flood2"].value == 1.0
    assert "collapsed-class/scan" not in found


def test_attempts_are_kept_apart():
    """A class called an attempt is named while it counts as an attack, not when the user excludes it."""
    early, named = pl.int_range(pl.len()) < 50, pl.lit("scan - Attempted")
    frame = _clean().with_columns(pl.when(early).then(named).otherwise("label").alias("label"))
    kept_apart = LintTable.of(frame, "label", normal=["normal", "scan - attempted"])

    assert "attempted-as-attack/scan - Attempted" in _lints(frame)
    assert not [f for f in lint_data(kept_apart) if f.lint == "attempted-as-attack"]


def test_areas_are_the_better_direction():
    """A feature that is low in attacks separates as well as one that is high."""
    attack = np.arange(100) < 30
    frame = pl.DataFrame({"low": -attack.astype(float), "label": np.where(attack, "a", "benign")})

    assert single_areas(LintTable.of(frame, "label")) == {"low": 1.0}


def test_rows_without_label_are_left_out_and_missing_columns_named():
    """A null label is no class; a column that is not there is an error."""
    frame = pl.DataFrame({"x": [1.0, 2.0, None], "label": ["normal", "a", None]})

    assert LintTable.of(frame, "label").features.height == 2
    with pytest.raises(UsageError, match="got y"):
        LintTable.of(frame, "label", features=["y"])
    with pytest.raises(DataError, match="hold rows and features"):
        LintTable.of(frame.head(0), "label")


def test_a_broken_rule_stops_unless_it_is_waived():
    """A finding of level refuse raises with the rule's name first; a warning never does."""
    bad = Finding.of("id-feature", "src_ip", "'src_ip' names who")
    mild = Finding.of("constant-feature", "ttl", "'ttl' has one value")

    refuse([mild])
    refuse([bad], waived=["id-feature"])
    with pytest.raises(RefusedError, match=r"^id-feature: 'src_ip' names who"):
        refuse([mild, bad])
    assert all(level in ("refuse", "warn") and told for level, told in LINTS.values())
