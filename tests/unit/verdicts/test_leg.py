"""A leg is calibrated by rows that its detector did not see."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from eddyline.errors import TooFewRowsError
from eddyline.features.registry import VIEWS
from eddyline.tables import TokenGroups
from eddyline.testing import traffic
from eddyline.verdicts.leg import (
    FOLDS,
    MIN_FIT_ROWS,
    Leg,
    LegRows,
    LegSpec,
    min_windows,
    token_groups,
)
from eddyline.verdicts.rows import joined, leg_rows, numbered, windows

SPECS = [
    LegSpec("host", "tails"),
    LegSpec("host", "tails", own=True),
    LegSpec("segment", "neighbours", weight=0.3),
    LegSpec("dyad", "ngram", params={"order": 1}),
    LegSpec("host", "isolation_forest", params={"n_trees": 20}),
]


def made_rows(n: int = 300, n_entities: int = 20, seed: int = 0, width: int = 4) -> LegRows:
    """Make rows of some entities over many windows."""
    rng = np.random.default_rng(seed)
    entities = np.array([f"10.0.0.{i}" for i in rng.integers(0, n_entities, n)])
    X = np.round(rng.lognormal(2.0, 1.0, (n, width)), 3)
    tokens = pl.Series([[f"tcp/{p}:9" for p in rng.integers(1, 9, 1 + i % 4)] for i in range(n)])
    return LegRows(X, entities, np.sort(rng.integers(0, 60, n)), tokens)


@pytest.fixture(scope="module")
def real_rows():
    """Give the rows of each view over two quiet hours."""
    kept: dict[str, list[LegRows]] = {name: [] for name in VIEWS}
    batches = [traffic.quiet(n_hosts=8, hours=3.0)]
    for closed in windows(list(VIEWS.values()), numbered(batches)):
        for view, table in closed.tables[""]:
            kept[view.name].append(leg_rows(view, table))
    return {name: joined(parts) for name, parts in kept.items()}


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_held_out_scores_do_not_know_the_rows_entity(real_rows, spec) -> None:
    """However wild its other rows are, a row's score stays: the part that judges it saw none of them.

    A leg with an own past is dealt by time instead: there the other rows of its block do not matter.
    """
    rows = real_rows[spec.view]
    leg = Leg.fit(spec, rows, 0)
    held = leg.score(rows, held_out=True)
    target = len(rows) // 2
    near = rows.windows if spec.own else rows.entities
    others = near == near[target]
    others[target] = False
    X = np.where(others[:, None], rows.X * 50.0 + 1e6, rows.X)
    tokens = None
    if rows.tokens is not None:
        pairs = zip(rows.tokens, others, strict=True)
        tokens = pl.Series([["x/0:0"] if other else list(t) for t, other in pairs])
    wild = LegRows(X, rows.entities, rows.windows, tokens)
    again = Leg.fit(spec, wild, 0)

    assert others.any()
    assert again.score(wild, held_out=True)[target] == held[target]
    assert np.array_equal(np.sort(held), leg.calibrator.scores)
    assert not np.array_equal(leg.score(rows, held_out=False), held)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_row_is_scored_alike_alone_and_among_others(real_rows, spec) -> None:
    """The rows beside it do not matter, nor does the order."""
    rows = real_rows[spec.view]
    leg = Leg.fit(spec, rows, 0)
    whole = leg.score(rows, held_out=False)
    some = np.random.default_rng(0).permutation(len(rows))[:25]

    assert np.array_equal(leg.score(rows.take(some), held_out=False), whole[some])
    for row in some[:5]:
        assert leg.score(rows.take(np.array([row])), held_out=False).tolist() == [whole[row]]


def test_too_few_rows_refuse_by_name() -> None:
    """Forty rows at least."""
    rows = made_rows(MIN_FIT_ROWS - 1)

    with pytest.raises(TooFewRowsError, match=r"host/tails needs at least 40 rows.*got 39"):
        Leg.fit(LegSpec("host", "tails"), rows)
    Leg.fit(LegSpec("host", "tails"), made_rows(MIN_FIT_ROWS))


def test_one_entity_cannot_vouch_for_itself() -> None:
    """Nothing can be held out; an own past can, by time, unless there is one window only."""
    rows = made_rows(100, n_entities=1)
    still = LegRows(rows.X, made_rows(100).entities, np.zeros(100, dtype=np.int64))

    with pytest.raises(TooFewRowsError, match=r"host/tails .* more than one entity"):
        Leg.fit(LegSpec("host", "tails"), rows)
    Leg.fit(LegSpec("host", "tails", own=True), rows)
    with pytest.raises(TooFewRowsError, match="host/own_past"):
        Leg.fit(LegSpec("host", "tails", own=True), still)


def test_a_sequence_leg_needs_sequences() -> None:
    """Numbers are never put in their place."""
    rows = made_rows(100)
    bare = LegRows(rows.X, rows.entities, rows.windows)

    with pytest.raises(TooFewRowsError, match="dyad/ngram needs token sequences"):
        Leg.fit(LegSpec("dyad", "ngram"), bare)


def test_no_rows_have_no_scores() -> None:
    """An empty window is judged too."""
    leg = Leg.fit(LegSpec("host", "tails"), made_rows())

    assert leg.score(made_rows().take(np.array([], dtype=np.int64)), held_out=False).shape == (0,)


def test_the_same_seed_gives_the_same_leg() -> None:
    """And the order of rows of equal time does not change the folds."""
    rows = made_rows()
    one, other = (Leg.fit(LegSpec("host", "isolation_forest"), rows, 3) for _ in range(2))

    assert np.array_equal(one.calibrator.scores, other.calibrator.scores)


def test_rows_are_taken_by_mask_or_number_with_their_tokens() -> None:
    """Everything of a row stays together."""
    rows = made_rows(50)
    mask = rows.X[:, 0] > 5.0
    by_mask, by_number = rows.take(mask), rows.take(np.flatnonzero(mask))

    assert np.array_equal(by_mask.X, by_number.X)
    assert by_mask.tokens is not None
    assert rows.tokens is not None
    kept = [list(t) for t, m in zip(rows.tokens, mask, strict=True) if m]
    assert by_mask.tokens.to_list() == kept


def test_token_lists_are_laid_end_to_end() -> None:
    """Offsets part the groups."""
    groups = token_groups(pl.Series([["a", "b"], ["ß|:"], ["c"]]))

    assert isinstance(groups, TokenGroups)
    assert groups.offsets.tolist() == [0, 2, 3, 4]
    assert groups.tokens.tolist() == ["a", "b", "ß|:", "c"]


def test_hours_make_a_past_sooner_than_minutes() -> None:
    """Two hours, or twelve windows of five minutes."""
    assert (min_windows("host"), min_windows("host_hour"), min_windows("dyad")) == (12, 2, 2)
    assert FOLDS == 5


def test_a_past_of_three_hours_is_too_short_to_hold_rows_against() -> None:
    """With an hour held out twice nobody has a past left, so the leg is refused by name."""
    rng = np.random.default_rng(0)
    names = np.array([f"10.0.0.{i % 20}" for i in range(120)])
    spec = LegSpec("segment", "tails", own=True)
    width = 5

    def rows(hours: int) -> LegRows:
        return LegRows(rng.normal(size=(120, width)), names, np.arange(120) % hours)

    with pytest.raises(TooFewRowsError, match="at least 4 windows"):
        Leg.fit(spec, rows(3))
    assert Leg.fit(spec, rows(4)).fitted_rows == 120


OWN = LegSpec("host", "tails", own=True)


def day_of(entities: list[str], seed: int, n_windows: int = 40) -> LegRows:
    """Make a day on which each entity keeps near a level of its own."""
    rng = np.random.default_rng(seed)
    levels = rng.lognormal(2.0, 1.5, (len(entities), 3))
    names = np.tile(np.array(entities), n_windows)
    X = np.tile(levels, (n_windows, 1)) * rng.lognormal(0.0, 0.2, (len(names), 3))
    return LegRows(X, names, np.repeat(np.arange(n_windows), len(entities)))


@pytest.mark.slow
def test_strangers_keep_the_promise_that_left_out_time_breaks() -> None:
    """On a day of pairs drawn anew, over twelve networks; by time alone seven times as many are strange."""
    shares, naive = [], []
    spec = LegSpec("segment", "tails", own=True)
    for seed in range(12):
        leg = Leg.fit(spec, day_of([f"10.0.0.{i}|10.1.0.{i}" for i in range(25)], seed))
        later = day_of([f"10.9.9.{i}|10.8.0.{i}" for i in range(25)], seed + 1_000)
        scores = leg.score(later, held_out=False)
        shares.append((leg.p_values(later, scores, held_out=False) <= 0.1).mean())
        naive.append((leg.calibrator.p_values(scores) <= 0.1).mean())
    error = np.std(shares) / np.sqrt(len(shares))

    assert np.mean(shares) <= 0.1 + 2 * error
    assert np.mean(naive) > 0.3


def test_those_with_a_past_are_judged_as_before() -> None:
    """Also rows that were learned from, and a leg that will judge no others."""
    rows = day_of([f"10.0.0.{i}" for i in range(25)], 0)
    leg = Leg.fit(OWN, rows)
    later = day_of([f"10.0.0.{i}" for i in range(25)], 1)
    scores = leg.score(later, held_out=False)

    assert leg.strangers is not None
    assert np.array_equal(
        leg.p_values(later, scores, held_out=False), leg.calibrator.p_values(scores)
    )
    held = leg.score(rows, held_out=True)
    assert np.array_equal(leg.p_values(rows, held, held_out=True), leg.calibrator.p_values(held))
    assert Leg.fit(OWN, rows, later=False).strangers is None
    assert Leg.fit(LegSpec("host", "tails"), rows).strangers is None


def test_a_newcomer_to_a_known_host_is_no_stranger() -> None:
    """Newcomers to known hosts were among the rows of left-out time, as they are on any day."""
    names = [f"10.0.0.{i}|10.0.1.{j}" for i in range(5) for j in range(5)]
    leg = Leg.fit(LegSpec("segment", "tails", own=True), day_of(names, 0))
    scores = np.full(3, float(leg.calibrator.scores[-1]))
    asked = ["10.0.0.1|10.7.7.7", "10.7.7.7|10.0.1.1", "10.8.8.8|10.7.7.7"]
    later = LegRows(np.zeros((3, 3)), np.array(asked), np.zeros(3, np.int64))
    p = leg.p_values(later, scores, held_out=False)

    assert (p[:2] == leg.calibrator.p_values(scores[:2])).all()
    assert p[2] > p[0]


def test_one_entity_leaves_no_strangers_calibration() -> None:
    """Its other rows are all there is to learn from."""
    assert Leg.fit(OWN, day_of(["10.0.0.1"], 0, n_windows=60)).strangers is None
