"""The outermost frame of the command line: what an unforeseen error says, and its exit code."""

from __future__ import annotations

import pytest

from eddyline.cli import main


def test_a_defect_is_not_taken_for_incidents(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends with 70, not with the 1 of incidents, shows where it was, and asks for a report."""

    def broken() -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(main, "app", broken)
    monkeypatch.setattr("gc.set_threshold", lambda *_: None)
    monkeypatch.setattr("atexit.register", lambda *_: None)

    with pytest.raises(SystemExit) as ended:
        main.run()

    said = capsys.readouterr().err
    assert ended.value.code == 70
    assert "RuntimeError: unforeseen" in said
    assert "a defect of Eddyline" in said
