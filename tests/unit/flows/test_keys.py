"""The Community ID agrees with every vector of its baseline, in both directions and for both seeds."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import UsageError
from eddyline.flows.keys import community_id, community_ids
from eddyline.flows.record import CORE_SCHEMA

VECTORS = [
    (
        58,
        "fe80::200:86ff:fe05:80da",
        135,
        "fe80::260:97ff:fe07:69ea",
        136,
        "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
        "1:kHa1FhMYIT6Ym2Vm2AOtoOARDzY=",
    ),
    (
        58,
        "fe80::260:97ff:fe07:69ea",
        136,
        "fe80::200:86ff:fe05:80da",
        135,
        "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=",
        "1:kHa1FhMYIT6Ym2Vm2AOtoOARDzY=",
    ),
    (
        58,
        "fe80::260:97ff:fe07:69ea",
        135,
        "fe80::200:86ff:fe05:80da",
        136,
        "1:zavyT/cezQr1fmImYCwYnMXbgck=",
        "1:2hSqmsDZ2kdcY9kbiUzOEBic0iM=",
    ),
    (
        58,
        "fe80::200:86ff:fe05:80da",
        136,
        "fe80::260:97ff:fe07:69ea",
        135,
        "1:zavyT/cezQr1fmImYCwYnMXbgck=",
        "1:2hSqmsDZ2kdcY9kbiUzOEBic0iM=",
    ),
    (
        58,
        "3ffe:501:1800:2345::2",
        3,
        "3ffe:507:0:1:200:86ff:fe05:80da",
        0,
        "1:2ObVBgIn28oZvibYZhZMBgh7WdQ=",
        "1:lVEtCZpYu84Xqaa++3lXFyuu2n4=",
    ),
    (
        58,
        "3ffe:501:410:0:2c0:dfff:fe47:33e",
        1,
        "3ffe:507:0:1:200:86ff:fe05:80da",
        4,
        "1:hLZd0XGWojozrvxqE0dWB1iM6R0=",
        "1:W8MHwXpWzpoSTD+cGcaJr4u0ys8=",
    ),
    (
        58,
        "3ffe:507:0:1:200:86ff:fe05:80da",
        128,
        "3ffe:501:0:1001::2",
        129,
        "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg=",
        "1:GfZxjAkDk2MkegpBYHV6tadtFXQ=",
    ),
    (
        58,
        "3ffe:501:0:1001::2",
        129,
        "3ffe:507:0:1:200:86ff:fe05:80da",
        128,
        "1:+TW+HtLHvV1xnGhV1lv7XoJrqQg=",
        "1:GfZxjAkDk2MkegpBYHV6tadtFXQ=",
    ),
    (
        58,
        "fe80::200:86ff:fe05:80da",
        133,
        "ff02::2",
        134,
        "1:hO+sN4H+MG5MY/8hIrXPqc4ZQz0=",
        "1:L7Ka0ZMYu+J3bL4ulW2PrqyXNo8=",
    ),
    (
        58,
        "fe80::260:97ff:fe07:69ea",
        134,
        "ff02::1",
        133,
        "1:pkvHqCL88/tg1k4cPigmZXUtL00=",
        "1:K/ee5UCqAMAQXDorP5nSa2CGLjc=",
    ),
    (
        1,
        "192.168.0.89",
        8,
        "192.168.0.1",
        0,
        "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=",
        "1:03g6IloqVBdcZlPyX8r0hgoE7kA=",
    ),
    (
        1,
        "192.168.0.1",
        0,
        "192.168.0.89",
        8,
        "1:X0snYXpgwiv9TZtqg64sgzUn6Dk=",
        "1:03g6IloqVBdcZlPyX8r0hgoE7kA=",
    ),
    (
        1,
        "10.0.0.1",
        11,
        "10.0.0.2",
        0,
        "1:YHxtAirCG//0OzkcVAukqKQN9xM=",
        "1:XjUibYHaafLQ3pxQeiMI8g25q20=",
    ),
    (
        6,
        "2001:470:e5bf:dead:4957:2174:e82c:4887",
        63943,
        "2607:f8b0:400c:c03::1a",
        25,
        "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
        "1:eJYTW6AOzFLlSUoESovMjnu7rMw=",
    ),
    (
        6,
        "2607:f8b0:400c:c03::1a",
        25,
        "2001:470:e5bf:dead:4957:2174:e82c:4887",
        63943,
        "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
        "1:eJYTW6AOzFLlSUoESovMjnu7rMw=",
    ),
    (
        132,
        "192.168.170.8",
        7,
        "192.168.170.56",
        7,
        "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=",
        "1:5w3ZRjeKBzqT3zsaEECDGjUbYeg=",
    ),
    (
        132,
        "192.168.170.56",
        7,
        "192.168.170.8",
        7,
        "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=",
        "1:5w3ZRjeKBzqT3zsaEECDGjUbYeg=",
    ),
    (
        6,
        "128.232.110.120",
        34855,
        "66.35.250.204",
        80,
        "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
        "1:3V71V58M3Ksw/yuFALMcW0LAHvc=",
    ),
    (
        6,
        "66.35.250.204",
        80,
        "128.232.110.120",
        34855,
        "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
        "1:3V71V58M3Ksw/yuFALMcW0LAHvc=",
    ),
    (
        17,
        "192.168.1.52",
        54585,
        "8.8.8.8",
        53,
        "1:d/FP5EW3wiY1vCndhwleRRKHowQ=",
        "1:Q9We8WO3piVF8yEQBNJF4uiSVrI=",
    ),
    (
        17,
        "8.8.8.8",
        53,
        "192.168.1.52",
        54585,
        "1:d/FP5EW3wiY1vCndhwleRRKHowQ=",
        "1:Q9We8WO3piVF8yEQBNJF4uiSVrI=",
    ),
    (
        46,
        "10.1.12.1",
        None,
        "10.1.12.2",
        None,
        "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw=",
        "1:rYir8gphR31noO9iDRQmF/BteEI=",
    ),
    (
        46,
        "10.1.12.2",
        None,
        "10.1.12.1",
        None,
        "1:KHlLkgoJW7ifUTyTSgyVfkFHzKw=",
        "1:rYir8gphR31noO9iDRQmF/BteEI=",
    ),
]
"""Protocol, source, its port, destination, its port, id for seed 0, id for seed 1: the official baseline."""

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
PORTS = st.integers(0, 65_535)


@pytest.mark.parametrize("vector", VECTORS)
def test_gives_the_ids_of_the_baseline(vector):
    """All 23 rows, both seeds."""
    proto, src, sport, dst, dport, zero, one = vector

    assert community_id(proto, src, dst, sport, dport) == zero
    assert community_id(proto, src, dst, sport, dport, seed=1) == one


@given(st.sampled_from([6, 17, 132]), st.data(), PORTS, PORTS)
@settings(deadline=None)
def test_both_directions_share_an_id(proto, data, out, back):
    """Whoever sends first, the id is one."""
    version = data.draw(st.sampled_from([4, 6]))
    one, two = (str(data.draw(st.ip_addresses(v=version))) for _ in range(2))

    assert community_id(proto, one, two, out, back) == community_id(proto, two, one, back, out)


@given(st.sampled_from([3, 4, 5, 11, 12]), st.integers(0, 255))
def test_one_way_icmp_keeps_its_direction(kind, code):
    """An error message and its reverse are two flows."""
    there = community_id(1, "10.0.0.1", "10.0.0.2", kind, code)
    back = community_id(1, "10.0.0.2", "10.0.0.1", kind, code)

    assert there != back


@given(st.text(max_size=30), st.integers(0, 255), st.none() | PORTS, st.none() | PORTS)
@settings(deadline=None)
def test_hostile_addresses_have_no_id(text, proto, out, back):
    """Text that is no address gives None, never an exception."""
    found = community_id(proto, text, "10.0.0.1", out, back)

    assert found is None or found.startswith("1:")


def test_mixed_versions_have_no_id():
    """An IPv4 and an IPv6 address cannot be one flow."""
    assert community_id(6, "10.0.0.1", "fe80::1", 1, 2) is None


@pytest.mark.parametrize("seed", [-1, 65_536])
def test_a_seed_that_does_not_fit_is_refused(seed):
    """The message names the value."""
    with pytest.raises(UsageError, match=str(seed)):
        community_id(6, "10.0.0.1", "10.0.0.2", 1, 2, seed=seed)


def _frame(vectors):
    """Put vectors into columns of the record, ICMP types and codes where they belong."""
    icmp = [v[0] in (1, 58) for v in vectors]
    columns = {
        "ip_proto": [v[0] for v in vectors],
        "src_ip": [v[1] for v in vectors],
        "dst_ip": [v[3] for v in vectors],
        "src_port": [None if i else v[2] for v, i in zip(vectors, icmp, strict=True)],
        "dst_port": [None if i else v[4] for v, i in zip(vectors, icmp, strict=True)],
        "icmp_type": [v[2] if i else None for v, i in zip(vectors, icmp, strict=True)],
        "icmp_code": [v[4] if i else None for v, i in zip(vectors, icmp, strict=True)],
    }
    return pl.DataFrame(columns, schema={name: CORE_SCHEMA[name] for name in columns})


def test_many_at_once_give_the_same_ids_in_order():
    """Repeated tuples are worked out once and land where they stood."""
    vectors = VECTORS + VECTORS[::-1]

    assert community_ids(_frame(vectors)).to_list() == [v[5] for v in vectors]
    assert community_ids(_frame(vectors), seed=1).to_list() == [v[6] for v in vectors]


def test_rows_without_what_an_id_needs_are_null():
    """A missing port, address or protocol gives null in its row only."""
    good = (6, "10.0.0.1", 1, "10.0.0.2", 2, "", "")
    bad = [(6, "10.0.0.1", None, "10.0.0.2", 2, "", ""), (6, "x", 1, "10.0.0.2", 2, "", "")]

    ids = community_ids(_frame([good, *bad, good]))

    assert ids.null_count() == 2
    assert ids[0] == ids[3] == community_id(6, "10.0.0.1", "10.0.0.2", 1, 2)
