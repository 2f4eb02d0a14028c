"""A fitted leg as arrays and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from eddyline.errors import ModelError, UsageError
from eddyline.features.registry import VIEWS
from eddyline.verdicts.archive import read_archive, write_archive
from eddyline.verdicts.leg import Leg, LegRows, LegSpec
from eddyline.verdicts.saved import describe, leg_arrays, load_leg

SPECS = [
    LegSpec("host", "tails"),
    LegSpec("host", "tails", own=True),
    LegSpec("segment", "neighbours", weight=0.3),
    LegSpec("dyad", "ngram", params={"order": 1}),
    LegSpec("host", "isolation_forest", params={"n_trees": 20}),
]


def made_rows(view: str, n: int = 300) -> LegRows:
    """Make rows of some entities over many windows."""
    rng = np.random.default_rng(0)
    pair = "|10.9.9.9" if len(VIEWS[view].keys) > 1 else ""
    entities = np.array([f"10.0.0.{i}{pair}" for i in rng.integers(0, 20, n)])
    X = np.round(rng.lognormal(2.0, 1.0, (n, len(VIEWS[view].names))), 3)
    tokens = pl.Series([[f"tcp/{p}:9" for p in rng.integers(1, 9, 1 + i % 4)] for i in range(n)])
    return LegRows(X, entities, np.sort(rng.integers(0, 60, n)), tokens)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_saved_leg_scores_to_the_bit(spec, tmp_path) -> None:
    """Whatever the detector, also through a file."""
    rows = made_rows(spec.view)
    leg = Leg.fit(spec, rows, 0)
    entry = describe(spec) | {"fitted_rows": leg.fitted_rows}
    write_archive(tmp_path / "m.eddy", {"entry": entry}, {"leg": leg_arrays(leg)})
    manifest, groups = read_archive(tmp_path / "m.eddy")
    loaded = load_leg(manifest["entry"], groups["leg"])

    expected = leg.score(rows, held_out=False)
    assert np.array_equal(loaded.score(rows, held_out=False), expected)
    assert np.array_equal(loaded.calibrator.p_values(expected), leg.calibrator.p_values(expected))
    others = replace(rows, entities=np.full(len(rows), "10.3.3.3|10.4.4.4"))
    expected_p = leg.p_values(others, expected, held_out=False)
    assert np.array_equal(loaded.p_values(others, expected, held_out=False), expected_p)
    assert (loaded.spec, loaded.fitted_rows) == (spec, len(rows))
    assert np.array_equal(loaded.score(rows, held_out=True), expected)


@pytest.mark.parametrize("gone", ["detector_", "calibration_", "past_"])
def test_a_leg_without_a_part_is_refused(gone) -> None:
    """No detector, no calibration, no past: no leg."""
    spec = LegSpec("host", "tails", own=True)
    leg = Leg.fit(spec, made_rows("host"))
    arrays = {k: v for k, v in leg_arrays(leg).items() if not k.startswith(gone)}

    with pytest.raises(ModelError):
        load_leg(describe(spec) | {"fitted_rows": 300}, arrays)


@pytest.mark.parametrize("name", ["magic", "", "os.system"])
def test_a_detector_that_nobody_knows_is_refused(name) -> None:
    """A model file names a registered detector and nothing else."""
    spec = LegSpec("host", "tails")
    leg = Leg.fit(spec, made_rows("host"))

    with pytest.raises(UsageError, match="a detector must be one of"):
        load_leg(describe(spec) | {"fitted_rows": 300, "detector": name}, leg_arrays(leg))
