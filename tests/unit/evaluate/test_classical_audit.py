"""What the comparison tells beside its figures: lints of the sets, groups, and memory."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from eddyline.evaluate.classical_cell import by_group
from eddyline.evaluate.classical_lints import audit
from eddyline.evaluate.classical_parts import NORMAL, Drawn, Part
from eddyline.evaluate.peak import Peak, memory_is_exact
from eddyline.report.classical import lint_table


def labelled_part(n: int, groups: list[int], attack: list[bool]) -> Part:
    """Give rows whose only column is their number."""
    kinds = np.where(attack, "attack", NORMAL)
    X = np.arange(n, dtype=np.float64)[:, None] + 1000 * min(groups)
    return Part(X, np.array(attack), kinds, kinds, np.array(groups), {})


def test_groups_are_attacks_when_they_hold_one() -> None:
    """A group's score is its worst row's; too few groups of a kind say nothing."""
    groups = np.repeat(np.arange(60), 2)
    attack = (groups < 25) & (np.arange(120) % 2 == 0)
    part = labelled_part(120, groups.tolist(), attack.tolist())
    score = np.where(attack, 5.0, 0.0)

    told = by_group(part, score)

    assert told == {"n_groups": 60, "n_attacks": 25, "pr_auc": 1.0, "roc_auc": 1.0}
    assert by_group(labelled_part(4, [0, 0, 1, 1], [True, False, False, False]), score[:4]) is None


def test_a_peak_does_not_depend_on_what_was_measured_before() -> None:
    """Pages that an earlier method freed are handed back before the next one is measured."""
    if not memory_is_exact():
        pytest.skip("free pages cannot be handed back on this system")

    def grown(n_pieces: int) -> float:
        peak = Peak()
        pieces = [np.ones(4_000) for _ in range(n_pieces)]
        told = peak.grown()
        assert told is not None
        assert len(pieces) == n_pieces
        return told

    first, again = grown(2_000), grown(2_000)

    assert first == pytest.approx(2_000 * 4_000 * 8 / 2**20, rel=0.1)
    assert again == pytest.approx(first, rel=0.1)


def test_the_audit_of_a_set_names_a_group_on_both_sides() -> None:
    """Fitted and validating rows must share no group; the report tells it in a line."""
    sides = [
        labelled_part(30, [0] * 15 + [1] * 15, [False] * 15 + [True] * 15),
        labelled_part(30, [1] * 15 + [2] * 15, [True] * 15 + [False] * 15),
        labelled_part(30, [3] * 30, [True] * 15 + [False] * 15),
    ]
    drawn = Drawn(sides[0], sides[1], sides[2], ("x",), 1.0)

    found = audit(drawn, by_rows=False)

    (leak,) = [one for one in found if one.lint == "group-leak"]
    assert leak.level == "refuse"
    heads, rows = lint_table([asdict(one) for one in found])
    assert heads[0] == "lint"
    assert ["group-leak", "refuse", "1", "groups", leak.sentence] in [list(row) for row in rows]
