"""Names give classes without importing the others; what others bring is checked."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from eddyline.detectors import registry
from eddyline.detectors.detector import MatrixDetector, SequenceDetector
from eddyline.errors import UsageError
from eddyline.testing.check_detector import check_detector, crowd


@pytest.mark.parametrize("name", [*registry.MATRIX, *registry.SEQUENCE])
def test_every_name_gives_its_class(name: str) -> None:
    assert issubclass(registry.detector_class(name), (MatrixDetector, SequenceDetector))


def test_names_of_another_kind_are_refused() -> None:
    with pytest.raises(UsageError, match="scores sequences"):
        registry.matrix_detector("ngram")
    with pytest.raises(UsageError, match="scores rows"):
        registry.sequence_detector("tails")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"isolation_forest.*got 'forest'"):
        registry.detector_class("forest")


def test_the_registry_imports_no_detector() -> None:
    program = (
        "import sys, eddyline.detectors.registry as r; r.detector_names();"
        "print([m for m in sys.modules if m.split('.')[0] in ('sklearn', 'numba', 'torch')])"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert out.stdout.strip() == "[]"


def point(value: str) -> EntryPoint:
    return EntryPoint("theirs", value, registry.ENTRY_POINTS)


def test_a_sound_third_party_class_is_used() -> None:
    found = registry._checked_class("theirs", point("eddyline.detectors.tails:Tails"))

    assert found.__name__ == "Tails"


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("eddyline.no_such_room:Thing", "must be importable"),
        ("eddyline.detectors.tails:NoSuchClass", "must be importable"),
        ("collections:OrderedDict", "must be a MatrixDetector"),
        ("eddyline.detectors.detector:MatrixDetector", "must define _fit, _score"),
    ],
)
def test_a_broken_third_party_class_is_named(value: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        registry._checked_class("theirs", point(value))


def test_an_installed_plug_in_is_found_checked_and_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a package brings by entry point scores like our own and passes the suite."""
    (tmp_path / "brought.py").write_text(
        "from eddyline.detectors.tails import Tails\n"
        "class Louder(Tails):\n"
        "    __doc__ = Tails.__doc__\n"
        "    def _score(self, X):\n"
        "        return 2 * super()._score(X)\n"
    )
    info = tmp_path / "brought-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brought\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[eddyline.detectors]\nlouder = brought:Louder\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert "louder" in registry.detector_names()
    louder = registry.matrix_detector("louder")
    check_detector(louder)
    ours = registry.matrix_detector("tails")().fit(crowd()).anomaly_score(crowd(1))
    assert np.array_equal(louder().fit(crowd()).anomaly_score(crowd(1)), 2 * ours)
