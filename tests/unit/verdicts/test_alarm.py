"""Rows alarm as often as the budget says, for reasons that carry them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from eddyline.features.registry import VIEWS
from eddyline.flows.batch import FlowBatch
from eddyline.pipeline import Pipeline
from eddyline.testing import shapes, traffic
from eddyline.verdicts.alarm import HINT, LEAST, MAX_ALARMS, SMALLEST_P, Alarm, raise_alarms
from eddyline.verdicts.fuse import fuse_min
from eddyline.verdicts.judged import Judged
from eddyline.verdicts.leg import Leg, LegRows, LegSpec
from eddyline.verdicts.normal import ViewNormal
from eddyline.verdicts.reason import Contribution
from eddyline.verdicts.rows import leg_rows

HOST = VIEWS["host"]
WIDTH = len(HOST.names)
DAY_US = 86_400_000_000


def drawn(n: int, seed: int, n_entities: int = 60) -> LegRows:
    """Draw rows of hosts from one distribution."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.lognormal(1.0, 0.7, (n, WIDTH)), 2)
    shares = np.array([feature.unit == "share" for feature in HOST.features])
    X[:, shares] = rng.random((n, int(shares.sum()))) * 0.2
    entities = np.array([f"10.0.0.{i}" for i in rng.integers(0, n_entities, n)])
    return LegRows(X, entities, np.sort(rng.integers(0, n // 50 + 1, n)))


@pytest.fixture(scope="module")
def learned():
    """Give two legs and normal of 4,000 rows."""
    rows = drawn(4000, seed=1)
    legs = [Leg.fit(LegSpec("host", name), rows) for name in ("tails", "neighbours")]
    return legs, ViewNormal.fit(HOST, rows, len(rows), 2 * DAY_US)


def verdicts(learned, rows: LegRows, level: float):
    """Judge rows; give their p-values and alarms."""
    legs, normal = learned
    scores = {leg.spec.name: leg.score(rows, held_out=False) for leg in legs}
    each = {
        leg.spec.name: leg.p_values(rows, scores[leg.spec.name], held_out=False) for leg in legs
    }
    weights = np.array([leg.spec.weight for leg in legs])
    fused = fuse_min(np.column_stack(list(each.values())), weights)
    keys = pl.DataFrame({"window": rows.windows, "entity": rows.entities})
    alarms = raise_alarms(
        HOST,
        rows,
        keys,
        legs=legs,
        scores=scores,
        each=each,
        p_values=fused,
        normal=normal,
        levels=np.full(len(rows), level),
    )
    return fused, alarms


def planted(column: str, factor: float, n: int = 40) -> LegRows:
    """Draw rows and raise one feature far above its largest normal value."""
    rows = drawn(n, seed=9)
    place = HOST.names.index(column)
    rows.X[:, place] = drawn(4000, seed=1).X[:, place].max() * factor
    return rows


def test_quiet_rows_fall_below_the_level_as_often_as_it_says(learned) -> None:
    """100 of 10,000 at a level of 0.01, within a wide band; fewer of them are sure, since few are news."""
    rows = drawn(10_000, seed=2)
    fused, alarms = verdicts(learned, rows, 0.01)

    assert 40 <= int((fused <= 0.01).sum()) <= 170
    assert len(alarms) <= int((fused <= 0.01).sum())
    assert len([alarm for alarm in alarms if alarm.sure]) < len(alarms)


@pytest.mark.parametrize("column", ["n_hosts", "pkts_out", "bytes_out", "in_sources", "logins"])
def test_what_is_planted_alarms_and_is_named_first(learned, column) -> None:
    """Each row, with its value, a normal range below it, and words."""
    factor = 1e5 if column == "bytes_out" else 100.0
    rows = planted(column, factor)
    _, alarms = verdicts(learned, rows, 1e-4)

    assert len(alarms) == len(rows)
    for alarm in alarms[::8]:
        first = alarm.explain()[0]
        assert first.feature == column
        assert first.value > (first.normal_high or 0.0)
        assert "normal" in first.words
        assert 0.0 < first.share <= 1.0
        assert len(first.normal_quantiles) == 8
        assert alarm.p_value >= SMALLEST_P
        assert set(alarm.scores) == {"host/tails", "host/neighbours"}


def test_an_unlikely_combination_of_ordinary_values_is_no_news(learned) -> None:
    """Every value inside its range, or a little above it: at most a hint, however unlikely."""
    _, normal = learned
    rows = drawn(40, seed=9)
    ordinary = replace(
        rows,
        X=np.broadcast_to(normal.high, rows.X.shape) * 1.0,
        entities=np.array(["never seen"] * len(rows)),
    )
    fused, alarms = verdicts(learned, ordinary, 1e-4)

    assert (fused <= 1e-4).all()
    assert not any(alarm.sure for alarm in alarms)


@pytest.mark.parametrize("column", ["n_hosts", "pkts_out", "bytes_out", "fruitless_share"])
def test_news_begins_at_the_floor_of_its_unit(learned, column) -> None:
    """From the least amount above normal on, and at least twice normal."""
    _, normal = learned
    place = HOST.names.index(column)
    unit = HOST.features[place].unit
    rows = drawn(30, seed=9)
    rows.X[:] = normal.centre
    entities = np.array(["never seen"] * len(rows))
    top = float(normal.high[place])
    floor = top + (0.25 if unit == "share" else max(LEAST[unit], top))
    counts = []
    for value in (floor * 0.99, floor * 1.001):
        X = rows.X.copy()
        X[:, place] = value
        X[:, HOST.names.index("in_bytes")] = 5000.0  # unlikely here, but no news
        alarms = verdicts(learned, LegRows(X, entities, rows.windows), 0.01)[1]
        counts.append(sum(alarm.sure for alarm in alarms))

    assert counts[0] == 0
    assert counts[1] == len(rows)


def test_a_hint_is_up_to_thirty_times_likelier(learned) -> None:
    """It is there to be asked for a pattern, and never sure of itself."""
    rows = planted("n_hosts", 30.0)
    fused, _ = verdicts(learned, rows, 1e-9)
    p = float(fused.max())
    sure = verdicts(learned, rows, p)[1]
    hints = verdicts(learned, rows, p / HINT * 1.01)[1]

    assert len(sure) == len(hints) == len(rows)
    assert all(alarm.sure for alarm in sure)
    assert not all(alarm.sure for alarm in hints)
    assert verdicts(learned, rows, float(fused.min()) / HINT * 0.99)[1] == []


def test_alarms_of_a_window_are_bounded(learned) -> None:
    """The least unlikely beyond two hundred are dropped, window by window."""
    rows = planted("n_hosts", 100.0, n=700)
    windows = np.repeat([3, 4], 350)
    _, alarms = verdicts(learned, replace(rows, windows=windows), 1e-3)
    backwards, _ = [a.window for a in alarms], alarms

    assert len(alarms) == 2 * MAX_ALARMS
    assert backwards == sorted(backwards)
    assert (
        len({(a.window, a.addresses, a.p_value, tuple(a.scores.values())) for a in alarms}) > 300
    )


def test_a_row_finds_its_flows() -> None:
    """By host, pair, network or uid."""
    day = traffic.mixed(
        traffic.flows("10.0.0.1", "10.0.1.2", [0], tag="a"),
        traffic.flows("10.0.1.2", "10.0.0.1", [1], tag="b"),
        traffic.flows("10.0.0.1", "10.0.1.9", [2], tag="c"),
        traffic.flows("10.0.0.3", "10.0.1.9", [3], tag="d"),
    )
    frame = day.frame.with_columns(
        dst_net=pl.Series(["10.0.1.0/24", "x", "10.0.1.0/24", "10.0.1.0/24"])
    )

    def uids(view: str, addresses: tuple[str, ...], uid: str = "") -> str:
        alarm = Alarm(view, 0, 1, addresses, uid, 0.1, True, {}, list)
        hit = frame.filter(alarm.where(pl.col("src_ip"), pl.col("dst_ip")))
        return "".join(text[0] for text in hit["uid"])

    assert uids("host", ("10.0.1.2",)) == "ab"
    assert uids("dyad", ("10.0.0.1", "10.0.1.2")) == "ab"
    assert uids("segment", ("10.0.0.1", "10.0.1.0/24")) == "ac"
    assert uids("flow", ("10.0.0.3", "10.0.1.9"), "d.0") == "d"


# ------------------------------------------------------------------ a whole pipeline


@pytest.fixture(scope="module")
def planted_day() -> FlowBatch:
    """Give two hours in which eight known hosts misbehave in five ways."""
    start = traffic.START_US + DAY_US
    begin = start + 1_700_000_000
    parts = [traffic.quiet(n_hosts=8, hours=2.0, start_us=start, seed=7)]
    for i in range(4):
        at = begin + i * 400_000_000
        one, two, three, four, five = (traffic.host((i + k) % 8) for k in range(5))
        parts += [
            shapes.sweep(one, n_hosts=40 + 40 * i, start_us=at, tag=f"s{i}"),
            shapes.host_scan(two, n_ports=40 + 30 * i, start_us=at + 60_000_000, tag=f"p{i}"),
            shapes.guessing(three, n_tries=45 + 20 * i, start_us=at, tag=f"g{i}"),
            shapes.tunnel(four, n_questions=130 * (i + 1), start_us=at, tag=f"t{i}"),
            shapes.upload(five, start_us=at, tag=f"u{i}", n_bytes=10**8 * (i + 1)),
        ]
    return traffic.mixed(*parts)


def without(
    judged: Judged, alarm: Alarm, reasons: list[Contribution], pipeline: Pipeline
) -> float:
    """Give the p-value of an alarm's row once the named features are normal."""
    verdict = next(v for v in judged.verdicts if v.view.name == alarm.view)
    rows = leg_rows(verdict.view, verdict.table)
    near = (rows.entities == "|".join(alarm.addresses)) & (rows.windows == alarm.window)
    near &= np.maximum(verdict.p_values, SMALLEST_P) == alarm.p_value
    row = rows.take(np.flatnonzero(near)[:1])
    X = row.X.copy()
    for reason in reasons:
        assert reason.normal_low is not None
        assert reason.normal_high is not None
        place = verdict.view.names.index(reason.feature)
        X[0, place] = np.clip(X[0, place], reason.normal_low, reason.normal_high)
    legs = [leg for leg in pipeline.fitted.values() if leg.spec.view == alarm.view]
    changed = replace(row, X=X)
    scores = [leg.score(changed, held_out=False) for leg in legs]
    each = [leg.p_values(changed, s, held_out=False) for leg, s in zip(legs, scores, strict=True)]
    weights = np.array([leg.spec.weight for leg in legs])
    return float(fuse_min(np.column_stack(each), weights)[0])


def test_setting_three_named_features_to_normal_silences_the_alarm(office, planted_day) -> None:
    """In at least nine of ten planted rows: the reasons are what carries the verdict."""
    silenced = []
    for judged in office.judge([planted_day]):
        for alarm in judged.alarms:
            reasons = alarm.explain()[:3] if alarm.sure else []
            if reasons and reasons[0].normal_high is not None:
                rows_per_day = office.normals[alarm.view].rows_per_day
                level = min(office.budget / len(office.views) / rows_per_day, 0.01)
                silenced.append(without(judged, alarm, reasons, office) > level)

    assert len(silenced) >= 20
    assert np.mean(silenced) >= 0.9
