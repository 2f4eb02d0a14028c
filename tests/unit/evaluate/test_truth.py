"""Truth incidents: grouped from labels, or read from lists."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given, strategies as st
from tests.unit.evaluate.tables import SECOND, make_flows

from eddyline.errors import InputError
from eddyline.evaluate.truth import from_labels, read_truth

LIST = "attack_id,key,neighbours,sources,relays,destinations,start_us,end_us\n"


def _attack(second: float, **changes: Any) -> dict[str, Any]:
    return {"ts": int(second * SECOND), "attack": True, "attack_class": "scan", **changes}


def test_a_sweep_of_a_network_is_one_attack():
    """254 hosts of one /24, seconds apart."""
    rows = [_attack(n, dst_ip=f"10.9.0.{n}") for n in range(1, 255)]

    flows, attacks = from_labels(make_flows(rows))

    assert len(attacks) == 1
    assert attacks[0].n_flows == 254
    assert attacks[0].destinations == ("10.9.0.0/24",)
    assert flows["truth"].to_list() == [0] * 254


def test_a_pause_of_a_minute_or_another_network_or_class_begins_another_attack():
    """Each of the four differs from the first in one thing."""
    rows: list[dict[str, Any]] = [
        _attack(0),
        _attack(59.9),
        _attack(119.9),
        _attack(1, dst_ip="10.9.1.1"),
        _attack(2, src_ip="10.0.0.2"),
        _attack(3, attack_class="ddos"),
        {"ts": 4 * SECOND, "attack": False},
        {"ts": 5 * SECOND},
    ]

    flows, attacks = from_labels(make_flows(rows))

    assert flows["truth"].to_list() == [0, 0, 4, 1, 2, 3, None, None]
    assert [attack.start_us for attack in attacks] == sorted(a.start_us for a in attacks)


def test_a_long_flow_bridges_the_pause():
    """What counts is the time since the last flow ended, not since the last one began."""
    rows = [_attack(0, ts_end=200 * SECOND), _attack(1), _attack(255)]

    _, attacks = from_labels(make_flows(rows))

    assert len(attacks) == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 500), st.sampled_from(["a", "b"]), st.booleans()), min_size=1
    )
)
def test_every_attack_flow_is_in_exactly_one_attack(rows):
    """Attack flows are all counted, once; others never."""
    table = make_flows(
        [
            {"ts": s * SECOND, "attack": bad, "attack_class": name if bad else None}
            for s, name, bad in rows
        ]
    )

    flows, attacks = from_labels(table)

    assert flows["row"].to_list() == table["row"].to_list()
    assert flows["truth"].is_not_null().to_list() == [bad for *_, bad in rows]
    assert sum(attack.n_flows for attack in attacks) == sum(bad for *_, bad in rows)


def test_an_attack_list_finds_the_flow_list_beside_it(tmp_path):
    """``X-truth.csv`` and ``X-flows-truth.csv.gz`` belong together."""
    path = tmp_path / "day-truth.csv"
    path.write_text(LIST + "a1,smurf,flood;reflection,10.0.0.1,,10.0.0.255;10.0.0.0/24,5,9\n")
    text = "attack_id,key,uid,start_us,end_us\na1,smurf,u7,5,9\n"
    (tmp_path / "day-flows-truth.csv.gz").write_bytes(gzip.compress(text.encode()))

    attacks, flow_list = read_truth(path)

    assert attacks[0].neighbours == ("flood", "reflection")
    assert attacks[0].destinations == ("10.0.0.255", "10.0.0.0/24")
    assert (attacks[0].start_us, attacks[0].end_us) == (5, 9)
    assert flow_list is not None
    assert flow_list["truth"].to_list() == [0]


def test_a_flow_list_alone_names_its_attacks(tmp_path):
    """Five attacks at one time stay five."""
    path = tmp_path / "flows.csv"
    rows = "".join(f"a{n},flood,u{n},{n},100\n" for n in range(5))
    path.write_text("attack_id,key,uid,start_us,end_us\n" + rows)

    attacks, flow_list = read_truth(path)

    assert [attack.name for attack in attacks] == ["a0", "a1", "a2", "a3", "a4"]
    assert flow_list is not None
    assert flow_list["truth"].to_list() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a,b\n1,2\n", "attack list or of a flow list"),
        ("attack_id,key,start_us,end_us,src_ip\na,flood,1,2,10.0.0.1\n", "match nothing"),
        (LIST + "a1,smurf,,10.0.0.1,,10.0.0.255,soon,9\n", "times in µs"),
        (LIST + "a1,smurf,,printer,,10.0.0.255,5,9\n", "must be addresses or networks"),
        ("", "readable CSV"),
    ],
)
def test_a_file_that_is_no_truth_is_refused(tmp_path, text, rule):
    """An address and a time alone are no key; a word is no time."""
    path = tmp_path / "truth.csv"
    path.write_text(text)

    with pytest.raises(InputError, match=rule):
        read_truth(path)
