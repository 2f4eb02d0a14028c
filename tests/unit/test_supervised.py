"""Train and classify flows: the file is safe, the batches do not matter, days are left out whole."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from eddyline.classifiers.model import Recipe
from eddyline.classifiers.periods import DAY_US, periods_of
from eddyline.errors import DataError, ModelError, UsageError
from eddyline.flows.batch import FlowBatch
from eddyline.incidents.classes import ClassWatch
from eddyline.pipeline import Pipeline
from eddyline.supervised import FlowModel, train
from eddyline.verdicts.archive import read_archive, write_archive

QUICK = Recipe(params={"rounds": 12})
START = 19_000 * DAY_US


def traffic(seed=0, days=3, per_day=240, start=START):
    """Give days of flows: browsing, a scanner of ports, and a flood of pings, each of its own host."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    kind = rng.choice(3, n, p=(0.7, 0.2, 0.1))
    ends = start + np.sort(rng.integers(0, days * DAY_US, n))
    client = np.array(["10.0.0.5", "10.9.9.9", "10.8.8.8"])[kind]
    frame = pl.DataFrame(
        {
            "ts": ends - 1000,
            "ts_end": ends,
            "duration_s": 0.001,
            "uid": [f"{seed}-{i}" for i in range(n)],
            "src_ip": client,
            "dst_ip": np.where(kind == 0, "10.0.0.80", "10.0.0.1"),
            "src_port": rng.integers(40_000, 60_000, n),
            "dst_port": np.where(kind == 1, rng.integers(1, 2000, n), 443),
            "proto": np.where(kind == 2, "udp", "tcp"),
            "ip_proto": np.where(kind == 2, 17, 6),
            "payload_out": np.where(kind == 0, rng.integers(200, 900, n), kind * 8),
            "payload_in": np.where(kind == 0, rng.integers(2_000, 9_000, n), 0),
            "pkts_out": 3,
            "pkts_in": np.where(kind == 0, 4, 0),
        }
    )
    labels = pl.DataFrame(
        {"label": np.array(["calm", "scan", "flood"])[kind], "label_detail": [None] * n},
        schema_overrides={"label_detail": pl.String},
    )
    return FlowBatch.of(frame, labels)


@pytest.fixture(scope="module")
def model():
    return train([traffic()], recipe=QUICK)


def test_another_day_is_labelled(model):
    new = traffic(1, days=1, start=START + 5 * DAY_US)
    table = model.classify([new])

    assert (table["verdict"] == new.labels["label"]).mean() > 0.95
    assert table["uid"].to_list() == new.frame["uid"].to_list()
    p = table.select("p_calm", "p_flood", "p_scan").to_numpy()
    assert p.sum(axis=1) == pytest.approx(np.ones(len(p)))


@pytest.mark.parametrize("sessions", [False, True])
@pytest.mark.parametrize("prior_correction", [False, True])
def test_batches_do_not_matter(model, sessions, prior_correction):
    new = traffic(2, days=1)
    options = {"sessions": sessions, "prior_correction": prior_correction}
    whole = model.classify([new], **options)
    pieces = model.classify([new.slice(0, 1), new.slice(1, 100), new.slice(101, 139)], **options)

    assert whole.equals(pieces)


def test_without_prior_correction_later_flows_do_not_matter(model):
    new = traffic(3, days=1)

    first = model.classify([new.slice(0, 90)], sessions=True)

    assert first.equals(model.classify([new], sessions=True)[:90])


def test_sessions_vote_as_trained_unless_told_otherwise(model, tmp_path):
    new = traffic(5, days=1)
    voting = replace(model, votes=True)
    voting.save(tmp_path / "votes.eddy")
    loaded = FlowModel.load(tmp_path / "votes.eddy")

    assert voting.classify([new]).equals(model.classify([new], sessions=True))
    assert voting.classify([new], sessions=False).equals(model.classify([new], sessions=False))
    assert loaded.votes
    assert loaded.classify([new]).equals(voting.classify([new]))


def test_the_card_says_what_votes_were_worth(model):
    told = model.card["sessions"]

    assert told["vote"] == model.votes
    assert [one["period"] for one in told["tried"]] == [0, 1, 2]
    assert all(0 < one[name] <= 1 for one in told["tried"] for name in ("alone", "voted"))


def test_an_unknown_choice_of_sessions_is_refused_before_training():
    with pytest.raises(UsageError, match="got 'perhaps'"):
        train([traffic()], recipe=Recipe(sessions="perhaps"))


def test_the_file_gives_identical_outputs(model, tmp_path):
    path = tmp_path / "site.eddy"
    model.save(path)
    loaded = FlowModel.load(path)
    new = traffic(4, days=1)

    assert loaded.classify([new]).equals(model.classify([new]))
    assert loaded.card == json.loads(json.dumps(model.card))
    again = tmp_path / "again.eddy"
    loaded.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_a_tampered_file_is_refused(model, tmp_path):
    path = tmp_path / "site.eddy"
    model.save(path)
    manifest, groups = read_archive(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["classifier.npz"] = parts["classifier.npz"].replace(b"\x00", b"\x01", 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with pytest.raises(ModelError, match="must match its hash"):
        FlowModel.load(path)
    wrong = {
        "names": ["a"],
        "feature_set": "unknown",
        "method": 3,
        "params": {"leavs": 3},
        "kind": "other",
    }
    for key, value in wrong.items():
        write_archive(path, {**manifest, key: value}, groups)
        with pytest.raises((ModelError, UsageError)):
            FlowModel.load(path)
    forest = {**groups["classifier"], "left_": np.zeros_like(groups["classifier"]["left_"])}
    write_archive(path, manifest, {**groups, "classifier": forest})
    with pytest.raises(ModelError, match="children after their parent"):
        FlowModel.load(path)


def test_a_baseline_model_is_no_classifier(tmp_path):
    path = tmp_path / "baseline.eddy"
    write_archive(path, {"legs": []}, {})

    with pytest.raises(ModelError, match="made by 'eddyline train'"):
        FlowModel.load(path)


def test_strangers_are_told(model):
    new = traffic(5, days=1)
    moved = replace(
        new, frame=new.frame.with_columns(pl.lit("10.7.7.7").cast(pl.Categorical).alias("src_ip"))
    )

    assert set(model.classify([new])["familiarity"]) == {"familiar", "new service"}
    assert set(model.classify([moved])["familiarity"]) == {"stranger"}


def test_the_card_tells_what_left_out_days_said(model):
    assert model.card["periods"] == 3
    assert model.card["classes"]["calm"] > 400
    assert [part["period"] for part in model.card["left_out"]] == [0, 1, 2]
    assert min(min(part["f1"]) for part in model.card["left_out"]) > 0.8


def test_flows_without_labels_are_surroundings_only():
    given = traffic()
    some = given.labels.with_columns(
        pl.when(pl.int_range(pl.len()) % 3 > 0).then(pl.col("label")).alias("label")
    )
    model = train([FlowBatch(given.frame, some)], recipe=QUICK)

    assert model.card["unlabelled"] == 240
    with pytest.raises(DataError, match="must have labels"):
        train([FlowBatch(given.frame)], recipe=QUICK)
    with pytest.raises(DataError, match="got none"):
        train([], recipe=QUICK)


def test_groups_are_never_remembered():
    model = train([traffic()], recipe=QUICK, split="group")

    assert model.site.memories == ()
    assert set(model.classify([traffic(1)])["familiarity"]) == {"familiar"}


def test_periods_are_days_parts_or_groups():
    times = np.arange(400) * (DAY_US // 100) + START
    pairs = np.array(["a|b", "c|d"] * 200)

    assert np.bincount(periods_of(times, pairs, "auto")).tolist() == [100] * 4
    assert np.bincount(periods_of(times[:50], pairs[:50], "auto")).tolist() == [13, 12, 13, 12]
    # three minutes before midnight belong to the day behind them
    early = np.concatenate([[START - 1], times[:200]])
    assert np.bincount(periods_of(early, np.repeat("a", 201), "day")).tolist() == [101, 100]
    assert len(set(periods_of(times, pairs, "group")[::2])) == 1
    month = np.arange(3000) * (DAY_US // 100) + START
    assert np.bincount(periods_of(month, np.repeat("a", 3000), "auto")).tolist() == [600] * 5
    with pytest.raises(DataError, match="at least 2 days"):
        periods_of(times[:50], pairs[:50], "day")
    with pytest.raises(UsageError, match="auto, day, group"):
        periods_of(times, pairs, "week")  # type: ignore[arg-type]


def renamed(batch, **names):
    """Give a batch with other names of its labels."""
    labels = batch.labels.with_columns(pl.col("label").replace(names))
    return FlowBatch(batch.frame, labels)


def test_the_class_called_normal_is_normal_however_rare(model):
    """A name decides before a count; where no class is called so, the commonest is normal."""
    named = train([renamed(traffic(), scan="Benign")])

    assert named.card["normal"] == "Benign"
    assert model.card["normal"] == "calm"


def test_labels_travel_beside_the_verdicts(model):
    """Truth can be drawn beside the prediction; flows without labels have no such column."""
    new = traffic(5, days=1)

    assert model.classify([new])["label"].to_list() == new.labels["label"].to_list()
    assert "label" not in model.classify([FlowBatch(new.frame)]).columns


def test_a_classifier_is_no_baseline(model, tmp_path):
    """A scan says which command the file is for."""
    model.save(tmp_path / "site.eddy")

    with pytest.raises(ModelError, match="give a trained one to --classes"):
        Pipeline.load(tmp_path / "site.eddy")


def test_each_day_may_be_ranked_by_itself(tmp_path):
    """A day whose sizes are ten times larger is judged alike; the file remembers it."""
    recipe = replace(QUICK, day_ranks=True)
    ranked = train([traffic()], recipe=recipe)
    ranked.save(tmp_path / "ranked.eddy")
    loaded = FlowModel.load(tmp_path / "ranked.eddy")
    new = traffic(1, days=1, start=START + 5 * DAY_US)
    sizes = pl.col("payload_out", "payload_in") * 10
    larger = FlowBatch(new.frame.with_columns(sizes), new.labels)

    assert loaded.recipe == recipe
    assert (loaded.classify([larger])["verdict"] == new.labels["label"]).mean() > 0.9
    assert loaded.classify([larger]).equals(ranked.classify([larger]))


def test_what_ranks_whole_days_cannot_judge_as_flows_come():
    """A scan says so before it begins."""
    ranked = train([traffic()], recipe=replace(QUICK, day_ranks=True), normal="calm")

    with pytest.raises(ModelError, match="must judge flows as they come"):
        ClassWatch.of(ranked)
