"""``eddyline bench sequences`` names what is missing and writes what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eddyline.cli.sequences import run_sequences
from eddyline.errors import DataError, UsageError

DATA = Path(__file__).parents[4] / "shared" / "data" / "zeek"


def run(folder: Path, cache: Path, *, models: str, json_out: Path | None = None) -> None:
    run_sequences(
        *(folder, cache),
        models=models,
        regimes="clean",
        seeds=1,
        draws=100,
        kept_only=False,
        json_out=json_out,
    )


def test_a_folder_without_captures_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds none"):
        run(tmp_path, tmp_path, models="counted")


@pytest.mark.corpus
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/zeek, which is not here")
def test_tables_and_json_are_of_the_same_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    run(DATA, tmp_path / "cache", models="n-gram 1, frequency", json_out=out)
    told = json.loads(out.read_text(encoding="utf-8"))
    default = [
        one for one in told["figures"] if (one["model"], one["score"]) == ("n-gram 1", "sum")
    ]
    printed = capsys.readouterr().out

    assert len(told["captures"]) == 6
    assert all(f"{one['auc']:.3f}" in printed for one in default)
    with pytest.raises(UsageError, match="got 'lstm'"):
        run(DATA, tmp_path / "cache", models="lstm")
