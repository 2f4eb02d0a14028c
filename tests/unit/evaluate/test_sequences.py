"""The experiment on sequences tells trivial scores apart from knowledge, and its bands are of pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from eddyline.errors import DataError, UsageError
from eddyline.evaluate.sequences import (
    Corpus,
    dyad_hours,
    labelled,
    pairs,
    read_corpus,
    trivial_scores,
    word_numbers,
)
from eddyline.evaluate.sequences_models import CONTENDERS, DEFAULT, REGIMES, folds, score_flows
from eddyline.evaluate.sequences_run import run
from eddyline.evaluate.sequences_tables import Ranking, default_table, markdown
from eddyline.flows.batch import FlowBatch
from eddyline.testing.changes import office_day, with_change

DATA = Path(__file__).parents[4] / "shared" / "data" / "zeek"

FREQUENCY = [one for one in CONTENDERS if one.name in ("frequency", "plane", "n-gram 1")]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Give two captures of an office, in each of them some hours with a beat on a new port."""
    frames, attacks = [], []
    for seed in (1, 2):
        day = office_day(8, 10, seed).with_columns(pl.lit(value=False).alias("bad"))
        for hour in (3, 6, 8):
            told = with_change(day, "beat", hour, seed)
            day = told.with_columns((pl.col("bad") | pl.col("changed")).alias("bad"))
        attacks.append(day["bad"].to_numpy())
        frames.append(
            FlowBatch.of(
                day.drop("bad", "changed", "routine", "visit").with_columns(
                    pl.col("ts").alias("ts_end")
                )
            ).frame
        )
    capture = np.repeat([0, 1], [frame.height for frame in frames])
    return Corpus(pl.concat(frames), np.concatenate(attacks), capture, ("first", "second"))


def test_units_hold_the_flows_of_their_pair(corpus: Corpus) -> None:
    groups = corpus.groups("proto-bytes")
    hours, both = dyad_hours(groups, corpus.attack), pairs(groups, corpus.attack)

    assert (
        sorted(hours.flows.tolist())
        == sorted(both.flows.tolist())
        == list(range(len(corpus.attack)))
    )
    assert len(np.unique(hours.owner)) == len(both.lengths)
    assert hours.attack.sum() == 6
    assert (np.bincount(hours.owner, hours.lengths) == both.lengths).all()


def test_a_score_equal_to_the_length_is_the_flow_count(corpus: Corpus) -> None:
    groups = corpus.groups("proto-bytes")
    units = dyad_hours(groups, corpus.attack)
    told = trivial_scores(units, corpus, word_numbers(groups, len(corpus.attack)))
    ranking = Ranking("dyad-hours", "dirty", units, units.kept, 200)
    figures = {one.score: one for one in ranking.trivial(told)}
    mine = ranking.figure("mine", "-", "length", [units.lengths.astype(float)])

    assert mine.auc == figures["flow count"].auc
    assert mine.auc == pytest.approx(
        roc_auc_score(units.attack[units.kept], units.lengths[units.kept])
    )
    assert (mine.auc_low, mine.auc_high) == (
        figures["flow count"].auc_low,
        figures["flow count"].auc_high,
    )


def test_shuffled_labels_cannot_be_ranked(corpus: Corpus) -> None:
    groups = corpus.groups("proto-bytes")
    units = dyad_hours(groups, corpus.attack)
    rng = np.random.default_rng(0)
    areas = []
    for _ in range(30):
        shuffled = rng.permutation(units.attack[units.kept])
        areas.append(roc_auc_score(shuffled, units.lengths[units.kept]))

    assert np.mean(areas) == pytest.approx(0.5, abs=0.05)


def test_bands_of_pairs_are_wider_than_of_units_when_pairs_repeat() -> None:
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(40), 10)
    attack = owner % 2 == 0
    score = (attack + rng.normal(0, 1.5, 40)[owner]).astype(float)
    from eddyline.evaluate.intervals import GroupBootstrap

    by_pair = GroupBootstrap(attack, owner, n_resamples=300).interval(score, "roc_auc")
    by_unit = GroupBootstrap(attack, np.arange(400), n_resamples=300).interval(score, "roc_auc")

    assert by_pair.high - by_pair.low > 1.5 * (by_unit.high - by_unit.low)


@pytest.mark.parametrize("regime", REGIMES)
def test_no_regime_but_the_dirty_ones_scores_what_it_learned(corpus: Corpus, regime: str) -> None:
    groups = corpus.groups("proto-bytes")
    lengths = np.diff(groups.offsets)
    seen = list(folds(regime, corpus, groups))

    assert seen
    for train, _, test in seen:
        assert lengths[train].sum() > 0
        if regime in ("clean", "rolling"):
            assert not (train & test).any()
        if regime == "clean":
            assert len(np.unique(groups.rows["capture"][test])) == 1
        if regime == "rolling":
            assert groups.rows["window"][train].max() < groups.rows["window"][test].min()


def test_a_run_is_kept_and_told(corpus: Corpus, tmp_path: Path) -> None:
    lines: list[str] = []
    arguments = {"regimes": ("dirty", "clean"), "draws": 100, "cache": tmp_path}
    figures = run(corpus, FREQUENCY, tell=lines.append, **arguments)  # type: ignore[arg-type]
    again = run(corpus, FREQUENCY, **arguments)  # type: ignore[arg-type]
    found = {(one.unit, one.regime, one.model, one.tokens, one.score): one for one in figures}
    new_port = found["dyad-hours", "clean", "frequency", "service-port", "max"]

    assert figures == again
    assert len(lines) == 2 * (3 + 1 + 3)
    assert new_port.auc > 0.95
    assert new_port.over_trivial is not None
    assert new_port.over_trivial >= 0
    assert "| frequency | service-port | 1 |" in markdown(figures, "dyad-hours", "clean")
    assert markdown(figures, "dyad-hours", "rolling") == ""
    assert default_table(figures, DEFAULT).count("\n") == 8


def test_flows_count_once_and_only_with_a_label() -> None:
    frame = pl.DataFrame(
        {"ts": [2, 1, 1, 3], "ts_end": [2, 1, 1, 3], "src_ip": ["10.0.0.1"] * 4,
         "dst_ip": ["10.0.0.2"] * 4, "uid": list("abcd"), "proto": ["tcp"] * 4}
    )  # fmt: skip
    labels = pl.DataFrame(
        {"label": ["Malicious", "Benign", "Benign", "Background"], "label_detail": [None] * 4}
    )
    kept, attack = labelled(FlowBatch.of(frame, labels))

    assert kept["uid"].to_list() == ["b", "a"]
    assert attack.tolist() == [False, True]


def test_senseless_input_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds none"):
        read_corpus(tmp_path)
    with pytest.raises(DataError, match="must have labels"):
        labelled(FlowBatch.empty())
    with pytest.raises(UsageError, match="got 'nightly'"):
        score_flows(CONTENDERS[0], "nightly", "proto-bytes", corpus, 0, None)


@pytest.mark.corpus
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/zeek, which is not here")
def test_the_default_beats_every_trivial_score_on_dyad_hours() -> None:
    default = [one for one in CONTENDERS if one.name == DEFAULT[0]]
    figures = run(read_corpus(DATA), default, regimes=("clean", "rolling"), draws=1000)
    mine = [
        one
        for one in figures
        if (one.model, one.tokens, one.score) == DEFAULT and one.unit == "dyad-hours"
    ]

    assert [one.regime for one in mine] == ["clean", "rolling"]
    for one in mine:
        assert one.over_low is not None
        assert one.over_low > 0
