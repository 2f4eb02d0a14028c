"""What a trained model calls flows becomes incidents with a name, a p-value and reasons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from eddyline.classifiers.model import Recipe
from eddyline.errors import ModelError
from eddyline.features.sets import dictionary
from eddyline.flows.batch import FlowBatch
from eddyline.incidents.class_words import behaviour_of, reason_words
from eddyline.incidents.classes import ClassWatch, with_classes
from eddyline.incidents.saga import Saga
from eddyline.pipeline import Pipeline
from eddyline.read.ingest import IngestReport
from eddyline.report.json import schema, to_json
from eddyline.scan import ScanSettings, scan_flows
from eddyline.supervised import FlowModel, train
from eddyline.testing import traffic

HOUR_US = 3_600_000_000
START = 19_000 * 24 * HOUR_US
LABEL = "probing: odd services"


def day(number: int, *, attack: bool, seed: int = 0) -> FlowBatch:
    """Give six hours of ten clients, and for ten minutes a host that tries odd services."""
    rng = np.random.default_rng([seed, number])
    n, m = 900, 60 if attack else 0
    start = START + 24 * HOUR_US * number
    ends = np.concatenate(
        [
            start + rng.integers(0, 6 * HOUR_US, n),
            start + 2 * HOUR_US + rng.integers(0, HOUR_US // 6, m),
        ]
    )
    frame = pl.DataFrame(
        {
            "ts": ends - 1000,
            "ts_end": ends,
            "duration_s": 0.001,
            "uid": [f"{number}-{i}" for i in range(n + m)],
            "src_ip": [f"10.0.0.{i}" for i in rng.integers(1, 11, n)] + ["10.0.0.66"] * m,
            "dst_ip": ["10.0.9.80"] * n + [f"10.0.9.{i}" for i in rng.integers(1, 6, m)],
            "src_port": rng.integers(40_000, 60_000, n + m),
            "dst_port": np.concatenate([np.full(n, 443), rng.integers(2_000, 9_000, m)]),
            "proto": "tcp",
            "ip_proto": 6,
            "direction": "internal",
            "payload_out": np.concatenate([rng.integers(200, 900, n), np.full(m, 3)]),
            "payload_in": np.concatenate([rng.integers(2_000, 9_000, n), np.full(m, 40)]),
            "pkts_out": 3,
            "pkts_in": 4,
        }
    )
    labels = pl.DataFrame(
        {"label": ["normal"] * n + [LABEL] * m, "label_detail": [None] * (n + m)},
        schema_overrides={"label_detail": pl.String},
    )
    order = np.argsort(ends, kind="stable")
    return FlowBatch.of(frame[order], labels[order])


@pytest.fixture(scope="module")
def model() -> FlowModel:
    """Train on three days."""
    recipe = Recipe(params={"rounds": 15})
    return train([day(number, attack=True) for number in range(3)], recipe=recipe)


def scanned(batches, classes, pipeline=None):
    """Scan without the shipped levels, with classes."""
    return scan_flows(
        batches,
        IngestReport(),
        pipeline=Pipeline() if pipeline is None else pipeline,
        settings=ScanSettings(rules=False, classes=classes),
    )


def test_an_attack_is_named_by_its_class(model) -> None:
    """Source, flows, p-value, reasons and the model's own name are told."""
    result = scanned([day(7, attack=True)], model)
    named = [one for one in result.incidents if one.called]

    assert len(named) == 1
    (incident,) = named
    assert incident.called == {LABEL: 60}
    assert incident.sources == ["10.0.0.66"]
    assert LABEL in incident.reason
    assert incident.p_value is not None
    assert incident.p_value < 0.01
    assert incident.contributions
    assert all("on this network: " in part.words for part in incident.contributions)
    assert incident.detectors["classes/classes"] > 60


def test_a_quiet_day_is_quiet(model) -> None:
    """Nothing is named where nothing happens."""
    result = scanned([day(8, attack=False)], model)

    assert not [one for one in result.incidents if one.called]


def test_batches_do_not_matter(model) -> None:
    """One batch, or pieces of any size, give the same incidents."""
    whole = day(7, attack=True)
    cut = traffic.cut(whole, [1, 7, 300, 301])

    assert scanned(cut, model).incidents == scanned([whole], model).incidents


def test_a_saved_baseline_and_a_saved_model_work_together(model, tmp_path) -> None:
    """Files give what objects give, under the file's name."""
    path = tmp_path / "site.eddy"
    model.save(path)
    baseline = Pipeline().fit([day(5, attack=False)])
    result = scanned([day(7, attack=True)], path, baseline)
    (incident,) = [one for one in result.incidents if one.called]
    legs = {leg.name: leg for leg in result.model.legs}

    assert incident.called == {LABEL: 60}
    assert legs["classes/site.eddy"].judged_rows == 960
    assert result.settings["classes"] == "site.eddy"


def test_the_json_report_keeps_its_schema(model) -> None:
    """The classes are part of the contract."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema checks the contract")
    told = to_json(scanned([day(7, attack=True)], model))

    jsonschema.validate(told, schema())
    assert {LABEL: 60} in [incident["called"] for incident in told["incidents"]]


def test_a_model_that_cannot_tell_normal_is_refused(model) -> None:
    """Without left-out normal flows there is no p-value, and none is made up."""
    with pytest.raises(ModelError, match="normal flows"):
        ClassWatch.of(replace(model, normal=None))


@pytest.mark.parametrize(
    ("label", "key"),
    [
        ("DDOS-smurf", "smurf"),
        ("Probing-IP sweep", "ip_sweep"),
        ("Probing-Port sweep", "port_sweep"),
        ("Probing-Nmap", "nmap_scan"),
        ("PartOfAHorizontalPortScan", "ip_sweep"),
        ("SSH-Patator", "guessing"),
        ("DDoS", "flood"),
        ("C&C-HeartBeat", "c2_beacon"),
        ("malicious", "unusual"),
    ],
)
def test_labels_name_behaviours(label, key) -> None:
    """A name that says what it is gets that technique; another stays unusual, under its own name."""
    assert behaviour_of(label) == key


def watched(model) -> ClassWatch:
    """Watch the attack day pass."""
    watch = ClassWatch.of(model)
    assert len(list(watch.over([day(7, attack=True)]))) == 1
    return watch


def of_pattern(told: Saga, attack: str, flows: pl.DataFrame) -> Saga:
    """Give an incident of a pattern on some of a class's flows."""
    return replace(
        told, attack=attack, kind=attack, parts=[flows], called={}, p_value=None, mostly=False
    )


def test_a_pattern_that_tells_of_the_flows_takes_the_name(model) -> None:
    """One story stays one incident, now with a class and its p-value."""
    (told,) = watched(model).sagas(2.0)
    pattern = of_pattern(told, "port_sweep", told.flows().head(40))
    (joined,) = with_classes([replace(pattern, entity="10.7.7.7", anchor=("10.7.7.7",))], [told])

    assert (joined.attack, joined.called) == ("port_sweep", {LABEL: 40})
    assert joined.p_value == told.p_value


def test_the_rest_of_a_class_is_told_by_the_pattern_of_its_actor(model) -> None:
    """A pattern that counts most of what a host does takes what the class adds, but for others' flows."""
    (told,) = watched(model).sagas(2.0)
    flows = told.flows()
    pattern = of_pattern(told, "port_sweep", flows.head(40))
    other = replace(of_pattern(told, "beacon", flows.tail(5)), entity="10.7.7.7")
    joined, beside = with_classes([pattern, other], [told])

    assert (joined.attack, joined.called) == ("port_sweep", {LABEL: 55})
    assert joined.flows().height == 55
    assert beside.flows().height == 5


def test_what_was_merely_unusual_is_taken_over(model) -> None:
    """The class says more; no flow is told twice."""
    (told,) = watched(model).sagas(2.0)
    (joined,) = with_classes([of_pattern(told, "unusual", told.flows().head(10))], [told])

    assert joined.called == {LABEL: 60}
    assert joined.flows().height == 60


def test_a_pattern_of_few_of_the_flows_stays_beside(model) -> None:
    """Each flow is in one incident."""
    (told,) = watched(model).sagas(2.0)
    pattern = of_pattern(told, "port_sweep", told.flows().head(10))
    first, second = with_classes([pattern], [told])

    assert first.flows().height == 10
    assert second.called == {LABEL: 50}
    assert not first.flows().join(second.flows(), on="flow").height


@pytest.mark.parametrize(
    ("name", "value", "normal", "words"),
    [
        ("port", -1.0, (22.0, 443.0, 9100.0), "responder's port: none; usual on this network: 443"),
        ("ip_proto", 1.0, (1.0, 6.0, 58.0), "protocol number 1; usual on this network: 6"),
        ("payload_out", 3.0, (0.0, 480.0, 9e3), "3 B payload sent; usual on this network: 480 B"),
        ("payload_out", 5e4, (0.0, 480.0, 9e3), "50.0 kB payload sent; normal on this network: 0 B–9.0 kB"),
    ],
)  # fmt: skip
def test_a_value_inside_the_normal_range_is_told_against_the_usual_one(
    name, value, normal, words
) -> None:
    """A range that holds it says nothing; ports and protocols are numbers without units."""
    feature = next(one for one in dictionary("around") if one.name == name)

    assert reason_words(feature, value, normal, feature.unit) == words


@pytest.mark.parametrize(("size", "incidents"), [(5, 1), (30, 2)])
def test_a_few_flows_beside_a_named_incident_of_their_host_are_a_part_of_it(
    model, size, incidents
) -> None:
    """Many are an incident of their own, under their own name."""
    (told,) = watched(model).sagas(2.0)
    first = replace(told, parts=[told.flows().tail(60 - size)])
    second = replace(told, parts=[told.flows().head(size)], called={"another": size})

    assert len(with_classes([first], [second])) == incidents
