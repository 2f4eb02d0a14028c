"""Points for the right behaviour and the right addresses."""

from __future__ import annotations

import polars as pl
import pytest
from tests.unit.evaluate.tables import make_incident

from eddyline.evaluate.keys import FAMILIES, grade, neighbours_of
from eddyline.evaluate.truth import Attack
from eddyline.incidents.incident import ATTACKS


def _attack(key="ip_sweep", **changes) -> Attack:
    fields = {"neighbours": (), "sources": ("10.0.0.1",), "destinations": ("10.9.0.0/24",)}
    return Attack("a", key, **{**fields, **changes})


def _pairs(*places: int) -> pl.DataFrame:
    return pl.DataFrame(
        [(place, 0, 1) for place in places],
        schema={"place": pl.UInt32, "truth": pl.UInt32, "hits": pl.UInt32},
        orient="row",
    )


@pytest.mark.parametrize(
    ("key", "said", "neighbours", "points"),
    [
        ("ip_sweep", "ip_sweep", (), 1.0),
        ("ip_sweep", "ip_sweep_external", (), 0.5),
        ("ip_sweep", "ip_sweep_external", ("ip_sweep_external",), 1.0),
        ("nmap_scan", "port_sweep", ("port_sweep",), 0.5),
        ("nmap_scan", "port_sweep", (), 0.5),
        ("nmap_scan", "guessing", (), 0.0),
        ("guessing", "c2_beacon", ("c2_beacon",), 0.5),
        ("smurf", "flood", (), 0.5),
        ("exfiltration", "unusual", (), 0.0),
    ],
)
def test_the_right_key_is_a_point_and_a_neighbour_half(key, said, neighbours, points):
    """Any other key is none."""
    told = grade(
        [_attack(key, neighbours=neighbours)], [make_incident("i", attack=said)], _pairs(1)
    )

    assert told[0].points == points
    assert told[0].said == said


def test_the_right_key_of_the_wrong_source_is_nothing():
    """Accusing somebody else is not half right; a wrong destination is said beside the points."""
    wrong_source = make_incident("i", sources=["10.0.0.9"])
    wrong_destination = make_incident("j", destinations=["10.8.0.1"])

    first, second = (
        grade([_attack()], [one], _pairs(1))[0] for one in (wrong_source, wrong_destination)
    )

    assert (first.points, first.source_right, first.destination_right) == (0.0, False, True)
    assert (second.points, second.source_right, second.destination_right) == (1.0, True, False)


def test_the_best_incident_within_the_ranks_counts():
    """The right one stands at rank 3."""
    incidents = [
        make_incident(uid, attack=key) for uid, key in (("a", "flood"), ("b", "port_sweep"))
    ]
    incidents.append(make_incident("c"))

    all_ranks = grade([_attack()], incidents, _pairs(1, 2, 3))[0]
    first_two = grade([_attack()], incidents, _pairs(1, 2, 3), within=2)[0]
    missed = grade([_attack()], incidents, _pairs(), within=2)[0]

    assert (all_ranks.rank, all_ranks.points) == (3, 1.0)
    assert (first_two.rank, first_two.points) == (2, 0.5)
    assert (missed.rank, missed.points, missed.said) == (None, 0.0, "")


def test_classes_of_a_data_set_are_not_graded():
    """``C&C`` is no key of ours, so nothing is said about it."""
    assert grade([_attack("C&C")], [make_incident("i")], _pairs(1)) == []


def test_families_name_known_keys_and_are_mutual():
    """A neighbour's neighbour is the key itself again."""
    for family in FAMILIES:
        assert family <= set(ATTACKS)
        for key in family:
            assert all(key in neighbours_of(_attack(near)) for near in family - {key})
