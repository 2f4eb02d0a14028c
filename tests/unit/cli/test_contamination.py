"""The command says what is missing, prints its tables, and writes what its cache holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eddyline.cli.contamination import run_contamination
from eddyline.errors import InputError

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "nsl-kdd"


def run(folder: Path, tmp_path: Path, methods: str) -> None:
    run_contamination(
        folder,
        tmp_path / "runs.jsonl",
        protocol="full",
        methods=methods,
        seeds=1,
        shares=(0.10,),
        preprocessing="log",
        json_out=tmp_path / "all.json",
        plot=None,
    )


def test_an_absent_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"KDDTrain\+.txt.gz.*is absent"):
        run(tmp_path, tmp_path, "pca")


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.skipif(not FOLDER.is_dir(), reason="NSL-KDD is not at ../shared/data/nsl-kdd")
def test_tables_and_json_of_one_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(FOLDER, tmp_path, "pca")
    shown = capsys.readouterr().out
    written = json.loads((tmp_path / "all.json").read_text())

    assert "| PCA |" in shown
    assert written["corpus"]["worth"].startswith("historic")
    assert [found["method"] for found in written["runs"]] == ["pca"]
