"""The NAD feature sets: widths, names, golden values, a plain loop as oracle, file and stream alike."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import DataError, UsageError
from eddyline.features.nad import NadStream, nad_chunks, nad_table
from eddyline.features.nad_input import address_facts, nad_input
from eddyline.features.nad_names import APPS, NAD113, features_of
from eddyline.features.nad_options import NadOptions
from eddyline.features.window import COUNTERS, WindowSettings
from eddyline.flows.batch import FlowBatch
from eddyline.testing import traffic

KINDS = ("dst", "src", "serv_src", "serv_dst")
WINDOWS = ("", "_slow", "_conn")
ADDRESSES = (
    "10.0.0.1",
    "10.0.0.9",
    "10.0.1.1",
    "192.168.1.10",
    "8.8.8.8",
    "224.0.0.251",
    "10.0.0.255",
)


def expected_names():
    """Spell the 113 names as the tables of the specification do."""
    counters = [f"cnt_{k}{w}" for w in WINDOWS for k in KINDS]
    served = [name for name in counters if "serv" in name]
    names = [*counters, *(f"proto_{p}" for p in ("icmp", "igmp", "tcp", "udp"))]
    names += [
        f"app_{a}"
        for a in ["http", "https", "ftp", "ssh", "icmp", "snmp", "domain", "ssdp", "others"]
    ]
    names += [f"zero_{z}" for z in ("duration", "in_bytes", "out_bytes", *served)]
    names += [f"log_{x}" for x in ("duration", "in_bytes", "out_bytes", "cnt_src", "cnt_dst")]
    names += ["log_cnt_serv_src", "log_cnt_serv_dst"]
    names += [
        f"{e}_is_{a}" for e in ("src", "dst") for a in ("global", "link_local", "unspecified")
    ]
    names += ["flow_internet", "flow_intranet", "flow_ingress", "flow_egress", "ip_binary_match"]
    names += ["src_one_bits", "dst_one_bits"]
    names += [
        f"{p}_{a}" for p in ("spt", "dpt") for a in ("well_known", "registered", "ephemeral")
    ]
    names += ["port_match", "seg_len", "seg_n_dst", "seg_n_spt", "seg_n_dpt", "seg_n_app"]
    names += [f"ratio_cnt_{a}{w}__cnt_{b}{w}" for w in WINDOWS for a, b in combinations(KINDS, 2)]
    for c in KINDS:
        names += [f"ratio_cnt_{c}__cnt_{c}_slow", f"ratio_cnt_{c}__cnt_{c}_conn"]
        names += [f"ratio_cnt_{c}_conn__cnt_{c}_slow"]
    for c in KINDS:
        names += [f"dist_cnt_{c}__cnt_{c}_slow", f"dist_cnt_{c}__cnt_{c}_conn"]
        names += [f"dist_cnt_{c}_slow__cnt_{c}_conn"]
    return [*names, "ratio_in__out", "ratio_in__total", "ratio_in__duration", "ratio_out__duration",
            "ratio_total__duration"]  # fmt: skip


def flows_of(n, seed=0, addresses=ADDRESSES):
    """Make flows among few addresses, in order of their end, with nulls where the record allows them."""
    rng = np.random.default_rng(seed)
    end = np.cumsum(rng.choice([0, 0, 300_000, 900_000, 5_000_000, 70_000_000], n))
    ports = rng.choice([0, 22, 53, 80, 443, 1024, 49_151, 49_152, 65_535], (2, n))
    frame = pl.DataFrame(
        {
            "ts": end - rng.integers(0, 3, n) * 500_000,
            "ts_end": end,
            "uid": [f"u{i}" for i in range(n)],
            "src_ip": rng.choice(addresses, n),
            "dst_ip": rng.choice(addresses, n),
            "src_port": ports[0],
            "dst_port": ports[1],
            "proto": ["x"] * n,
            "ip_proto": rng.choice([1, 2, 6, 17, 47], n),
            "app": rng.choice(["http", "dns", "others", "irc", "quic", "icmp"], n),
            "bytes_out": rng.integers(0, 3, n) * rng.integers(0, 10**9, n),
            "bytes_in": rng.integers(0, 3, n) * 700,
        }
    ).with_columns((pl.col("ts_end") - pl.col("ts")).truediv(1e6).alias("duration_s"))
    holes = pl.Series(rng.random(n) < 0.2)
    return FlowBatch.of(
        frame.with_columns(
            pl.when(~holes).then(pl.col(name)).alias(name)
            for name in ("src_port", "app", "bytes_in", "duration_s")
        )
    ).frame


def by_hand(row, counters, runs):
    """Compute the 113 values of one flow in plain Python."""
    src, dst = (ipaddress.IPv4Address(row[end]) for end in ("src_ip", "dst_ip"))
    c = dict(zip(COUNTERS, (int(value) for value in counters), strict=True))
    spt, dpt = row["src_port"] or 0, row["dst_port"] or 0
    x = {
        "duration": (row["ts_end"] - row["ts"]) / 1e6,
        "in": row["bytes_in"] or 0,
        "out": row["bytes_out"] or 0,
    }
    x["total"] = x["in"] + x["out"]
    x |= {"in_bytes": x["in"], "out_bytes": x["out"], **c}
    app = {"dns": "domain"}.get(row["app"], row["app"]) or guessed(row["ip_proto"], dpt)
    out: dict[str, float] = {name: c[name] for name in COUNTERS}
    out |= {
        f"proto_{n}": row["ip_proto"] == p
        for n, p in zip(("icmp", "igmp", "tcp", "udp"), (1, 2, 6, 17), strict=True)
    }
    areas = {"well_known": (0, 1023), "registered": (1024, 49_151), "ephemeral": (49_152, 65_535)}
    for name in expected_names():
        kind, _, rest = name.partition("_")
        if kind == "app":
            out[name] = app == rest
        elif kind == "zero":
            out[name] = x[rest] == 0
        elif kind == "log":
            out[name] = math.log(1 + x[rest])
        elif kind in ("ratio", "dist"):
            a, b = (x[part] for part in rest.split("__"))
            out[name] = (
                math.log(1 + a) - math.log(1 + b) if kind == "ratio" else math.log(1 + abs(a - b))
            )
        elif kind in ("spt", "dpt"):
            low, high = areas[rest]
            out[name] = low <= (spt if kind == "spt" else dpt) <= high
    for end, address in (("src", src), ("dst", dst)):
        out[f"{end}_is_global"] = is_global(address)
        out[f"{end}_is_link_local"] = address.is_link_local
        out[f"{end}_is_unspecified"] = int(address) == 0
        out[f"{end}_one_bits"] = int(address).bit_count()
    g, h = is_global(src), is_global(dst)
    out |= {
        "flow_internet": g and h,
        "flow_intranet": not g and not h,
        "flow_ingress": g and not h,
    }
    out |= {"flow_egress": h and not g, "port_match": spt == dpt}
    out["ip_binary_match"] = 32 - (int(src) ^ int(dst)).bit_length()
    out |= dict(zip([n for n in expected_names() if n.startswith("seg_")], runs, strict=True))
    return [float(out[name]) for name in expected_names()]


def guessed(proto, dpt):
    """Tell the application where the source does not."""
    names = {22: "ssh", 53: "domain", 80: "http", 443: "https"}
    return (
        names.get(dpt, "others")
        if proto in (6, 17)
        else {1: "icmp", 2: "igmp"}.get(proto, "others")
    )


def is_global(address):
    """Tell global addresses by the fixed list, multicast included."""
    return address.is_multicast or not (
        address.is_private or int(address) >> 22 == 0x64400000 >> 22
    )


def test_widths_and_names_are_pinned() -> None:
    """113 in the order of the tables; each has a formula, words, and a unit or none."""
    assert [feature.name for feature in NAD113] == expected_names()
    assert len(NAD113) == 12 + 4 + 9 + 9 + 7 + 6 + 4 + 1 + 2 + 6 + 1 + 5 + 18 + 12 + 12 + 5 == 113
    assert all(
        feature.formula and feature.words for feature in features_of("nad113+", "look-ahead")
    )
    assert len(APPS) == 45
    widths = {name: len(features_of(name)) for name in ("nad113+", "flow-noip", "flow-noip+")}
    assert widths == {"nad113+": 129, "flow-noip": 100, "flow-noip+": 112}
    names = [feature.name for feature in features_of("nad113+", "look-ahead", sweep=True)]
    assert len(names) == len(set(names)) == 149


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_every_value_is_that_of_a_plain_loop(seed) -> None:
    """All 113 columns, from flows with nulls, against Python's own arithmetic and addresses."""
    frame = flows_of(40, seed)
    X = nad_table(frame).X
    expected = [
        by_hand(row, X[i, :12], X[i, 66 - 5 : 66])
        for i, row in enumerate(frame.iter_rows(named=True))
    ]

    np.testing.assert_allclose(X, np.array(expected), rtol=2e-6, atol=1e-6)


def test_golden_formulas() -> None:
    """ln(1 + 60), ratio(12, 1), dist(12, 40), ratio(0, 60) to ten digits, as far as single precision goes."""
    counters = np.zeros((1, 12), dtype=np.int32)
    counters[0, [0, 1, 4, 5]] = (12, 1, 40, 60)
    frame = flows_of(1).with_columns(pl.lit(1).alias("ip_proto"))
    table = nad_table(nad_input(frame, counters=counters))
    value = dict(zip(table.names, table.X[0].tolist(), strict=True))

    assert value["cnt_src_slow"] == 60
    assert value["ratio_cnt_dst__cnt_src"] == pytest.approx(1.8718021769, rel=1e-7)
    assert value["dist_cnt_dst__cnt_dst_slow"] == pytest.approx(3.3672958300, rel=1e-7)
    assert value["ratio_cnt_src_slow__cnt_serv_src_slow"] == pytest.approx(4.1108738642, rel=1e-7)
    assert value["ratio_cnt_src_conn__cnt_src_slow"] == pytest.approx(-4.1108738642, rel=1e-7)


@pytest.mark.parametrize(
    ("first", "second", "bits"),
    [
        ("172.24.1.5", "172.24.1.255", 24),
        ("10.0.0.1", "192.168.1.1", 0),
        ("8.8.8.8", "8.8.8.8", 32),
        ("192.168.1.10", "192.168.1.11", 31),
        ("192.168.1.10", "172.24.1.255", 1),
    ],
)
def test_golden_leading_bits(first, second, bits) -> None:
    """Equal leading bits of two addresses."""
    frame = flows_of(1).with_columns(
        pl.lit(first).cast(pl.Categorical()).alias("src_ip"),
        pl.lit(second).cast(pl.Categorical()).alias("dst_ip"),
    )
    table = nad_table(frame)

    assert table.X[0, table.names.index("ip_binary_match")] == bits


def test_golden_addresses() -> None:
    """One bits, and what is global whatever a library thinks this year."""
    bits = address_facts(
        pl.Series(["255.255.255.255", "192.168.0.255", "172.24.1.255", "192.168.1.10"])
    )
    yes = address_facts(pl.Series(["224.0.0.251", "8.8.8.8"]))
    no = address_facts(
        pl.Series(
            ["100.64.1.1", "0.0.0.0", "169.254.1.1", "192.0.2.1", "198.18.0.1", "255.255.255.255"]  # noqa: S104
        )
    )

    assert bits.one_bits.tolist() == [32, 13, 15, 8]
    assert (yes.flags & 1).all()
    assert not (no.flags & 1).any()


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    name=st.sampled_from(["nad113", "nad113+", "flow-noip", "flow-noip+"]),
    sweep=st.booleans(),
)
def test_stream_and_file_give_the_same_bits(seed, cuts, name, sweep) -> None:
    """Whatever the batches, and however few rows a piece has."""
    frame = flows_of(200, seed)
    options = NadOptions(name, sweep=sweep)
    whole = nad_table(frame, options)
    stream = NadStream(options)
    bounds = [0, *sorted(cuts), 200]
    parts = [stream.update(frame[a:b]).X for a, b in pairwise(bounds)]
    ready = nad_input(frame)
    pieces = [part.X for part in nad_chunks(lambda: [ready], options, chunk_rows=7)]

    assert np.concatenate(parts).tobytes() == whole.X.tobytes()
    assert np.concatenate(pieces).tobytes() == whole.X.tobytes()
    assert set(stream.lost.values()) == {0}


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_looking_ahead_is_the_causal_value_at_the_last_flow_of_a_segment(seed) -> None:
    """And everything that is not of a segment is the same in both forms, also in batches."""
    frame = flows_of(150, seed)
    causal, ahead = nad_table(frame), nad_table(frame, NadOptions(form="look-ahead"))
    first, second = nad_input(frame[:60]), nad_input(frame[60:])
    parts = nad_chunks(lambda: [first, second], NadOptions(form="look-ahead"), chunk_rows=11)
    seg = [i for i, name in enumerate(causal.names) if name.startswith("seg_")]
    at_the_end = causal.X[:, seg[0]] == ahead.X[:, seg[0]]

    assert (np.delete(causal.X, seg, 1) == np.delete(ahead.X, seg, 1)).all()
    assert (causal.X[at_the_end][:, seg] == ahead.X[at_the_end][:, seg]).all()
    assert at_the_end.any()
    assert (np.concatenate([part.X for part in parts]) == ahead.X).all()


def test_rows_in_any_order_come_back_in_theirs() -> None:
    """A file is counted in order of time and given out as it came."""
    frame = flows_of(100).unique("ts_end", keep="first", maintain_order=True)
    order = np.random.default_rng(1).permutation(frame.height)

    assert (nad_table(frame).X[order] == nad_table(frame[order]).X).all()


def test_counters_of_the_source_are_taken_as_they_are() -> None:
    """A NAD row brings its own."""
    frame = flows_of(30)
    given_counters = np.arange(360, dtype=np.int32).reshape(30, 12)
    table = nad_table(nad_input(frame, counters=given_counters))

    assert (table.X[:, :12] == given_counters).all()
    with pytest.raises(DataError, match=r"shape \(30, 12\)"):
        nad_input(frame, counters=given_counters[:3])


def test_addresses_that_are_not_ipv4_leave_their_families_out() -> None:
    """The full set refuses them and says which to take; the other counts /64 and names as they are."""
    frame = flows_of(20, addresses=("2001:db8::1", "2001:db8::2", "AS 17", "10.0.0.1"))
    with pytest.raises(DataError, match="use flow-noip,"):
        nad_table(frame)
    table = nad_table(frame, NadOptions("flow-noip+"))
    nets = address_facts(
        pl.Series(["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::", "AS 17"])
    ).net

    assert table.X.shape == (20, 112)
    assert len(set(nets.tolist())) == 3
    assert nets[0] == nets[1]


def test_only_inner_partners_count_when_asked() -> None:
    """``inside`` thins the distinct addresses, not the flows."""
    frame = flows_of(200)
    everyone = nad_table(nad_input(frame)).X
    inner = nad_table(nad_input(frame, inside=["10.0.0.0/8"])).X

    assert (inner[:, [0, 1, 4, 5, 8, 9]] <= everyone[:, [0, 1, 4, 5, 8, 9]]).all()
    assert inner[:, 0].sum() < everyone[:, 0].sum()
    assert (inner[:, [2, 3]] == everyone[:, [2, 3]]).all()


def test_extras_say_what_they_are_called() -> None:
    """Broadcast with and without known networks, zero ports, inner addresses, probes in a row, sweeps."""
    n = 12
    batch = (
        traffic.quiet(n_hosts=2, hours=0.2)
        .frame[:n]
        .with_columns(
            pl.Series("ts_end", range(n)) * 1_000_000,
            pl.Series("src_ip", ["10.0.0.1"] * n).cast(pl.Categorical()),
            pl.Series("dst_ip", [f"10.0.5.{i}" for i in [*range(10), 255, 63]]).cast(
                pl.Categorical()
            ),
            pl.lit(0).cast(pl.UInt16).alias("src_port"),
            pl.lit(0).cast(pl.UInt16).alias("dst_port"),
        )
    )
    options = NadOptions("nad113+", "look-ahead", sweep=True)
    plain = frame_of(nad_table(batch, options))
    known = frame_of(nad_table(nad_input(batch, prefixes=["10.0.5.0/26"]), options))
    first_ten = frame_of(nad_table(batch[:10], options))

    assert plain["dst_is_broadcast"].to_list() == [0] * 10 + [1, 0]
    assert known["dst_is_broadcast"].to_list() == [0] * 10 + [1, 1]
    assert plain["prt_zero"].to_list() == [1] * n
    assert plain["inner_src"].to_list() == plain["same_16"].to_list() == [1] * n
    assert plain["is_sweep"].to_list() == [0] + [1] * (n - 1)
    assert plain["probe_run"].to_list() == [0] * n
    assert first_ten["probe_run"].to_list() == [10] * 10
    assert first_ten["is_probe"].to_list() == [1] * 10
    assert plain["grp_net_flows"].to_list() == plain["grp_net_n_dst"].to_list() == [n] * n
    assert plain["grp_net_max_cnt_dst_slow"].to_list() == [11] * n
    assert plain["src_seg60_n_dst"].to_list() == [n] * n
    assert (
        plain["flow_diff"].to_list()
        == (batch["bytes_in"].cast(pl.Int64) - batch["bytes_out"].cast(pl.Int64)).sign().to_list()
    )


def frame_of(table):
    """Give a table as a frame."""
    return pl.DataFrame(table.X, schema=list(table.names))


def test_unknown_applications_can_be_folded() -> None:
    """Those without a column of their own count as others when asked."""
    frame = flows_of(60)
    plain, folded = (frame_of(nad_table(frame, NadOptions(fold_apps=f))) for f in (False, True))
    flags = [name for name in plain.columns if name.startswith("app_")]

    assert plain.select(pl.sum_horizontal(flags)).to_series().min() == 0
    assert folded.select(pl.sum_horizontal(flags)).to_series().to_list() == [1.0] * 60


def test_a_model_is_served_with_what_it_was_trained_on() -> None:
    """Set, form and windows are part of it; a stream cannot look ahead."""
    options = NadOptions()
    options.must_equal(NadOptions())
    with pytest.raises(UsageError, match="form = 'causal'"):
        options.must_equal(NadOptions(form="look-ahead"))
    with pytest.raises(UsageError, match="window = "):
        options.must_equal(replace(options, window=WindowSettings(1)))
    with pytest.raises(UsageError, match="must have causal features"):
        NadStream(NadOptions(form="look-ahead"))
    with pytest.raises(UsageError, match="one of nad113"):
        NadOptions("nad114")  # type: ignore[arg-type]
    parts = [nad_input(flows_of(5)), nad_input(flows_of(5))]
    with pytest.raises(UsageError, match="a second batch"):
        list(nad_chunks(lambda: parts, NadOptions("nad113+", "look-ahead")))


def test_no_flows_give_no_rows() -> None:
    """In either form."""
    empty = FlowBatch.empty().frame

    assert nad_table(empty).X.shape == (0, 113)
    assert nad_table(empty, NadOptions(form="look-ahead")).X.shape == (0, 113)
