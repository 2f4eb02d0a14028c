"""The 113 NAD features by other means: polars, vectorised pandas, and a plain Python loop; looking ahead.

Each is written as its users would write it well: sorting once per key, windows by binary search, distinct
counts by the interval in which a flow is the latest of its value, nothing row by row but in the loop.
"""

from __future__ import annotations

import ipaddress
import math
from collections import Counter, defaultdict, deque
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

FAST, SLOW, N_CONN, GAP = 5_000_000, 60_000_000, 100, 60_000_000
KINDS = ("dst", "src", "serv_src", "serv_dst")
WINDOWS = ("", "_slow", "_conn")
FLAGGED = ("http", "https", "ftp", "ssh", "icmp", "snmp", "domain", "ssdp", "others")
NOT_GLOBAL = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24",
    "203.0.113.0/24", "240.0.0.0/4",
)  # fmt: skip
ACROSS = (("", "_slow"), ("", "_conn"), ("_conn", "_slow"))
APART = (("", "_slow"), ("", "_conn"), ("_slow", "_conn"))
VOLUMES = (
    ("in", "out"),
    ("in", "total"),
    ("in", "duration"),
    ("out", "duration"),
    ("total", "duration"),
)


# ------------------------------------------------------------------ windows over sorted keys


def span(n: int, first: np.ndarray, following: np.ndarray) -> np.ndarray:
    """Count distinct values in windows: flow j is its value's latest until that repeats or j leaves."""
    place = np.arange(n)
    leaves = np.searchsorted(first, place, side="right")
    until = np.minimum(following + 1, leaves)
    change = np.bincount(place + 1, minlength=n + 2) - np.bincount(
        np.maximum(until, place + 1), minlength=n + 2
    )
    return np.cumsum(change)[:n]


def windows(
    order: np.ndarray, key: np.ndarray, t: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Give, in sorted order, the first flow of each window of a key, and each flow's place in its key."""
    key, t = key[order], t[order]
    place = np.arange(len(order))
    new = np.r_[True, key[1:] != key[:-1]]
    start = np.maximum.accumulate(np.where(new, place, 0))
    t = t - t.min()
    composite = (np.cumsum(new) - 1) * (int(t.max()) + SLOW + 1) + t
    firsts = [
        np.maximum(np.searchsorted(composite, composite - width, side="right"), start)
        for width in (FAST, SLOW)
    ]
    firsts.append(np.maximum(start, place - N_CONN))
    return start, firsts, place - start


def ratio_columns() -> list[tuple[str, str, str]]:
    """Name the ratios with their two terms, in order."""
    found = [(f"cnt_{a}{w}", f"cnt_{b}{w}") for w in WINDOWS for a, b in combinations(KINDS, 2)]
    found += [(f"cnt_{c}{a}", f"cnt_{c}{b}") for c in KINDS for a, b in ACROSS]
    return [(f"ratio_{a}__{b}", a, b) for a, b in found]


# ------------------------------------------------------------------ polars


def by_polars(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the 113 columns with polars expressions, windows with sorted Series."""
    flows = frame.with_row_index("row").join(
        _polars_facts(frame, "src"), on="src_ip", how="left", maintain_order="left"
    )
    flows = flows.join(_polars_facts(frame, "dst"), on="dst_ip", how="left", maintain_order="left")
    flows = flows.with_columns(
        pl.col("src_port").alias("spt").cast(pl.Int32),
        pl.col("dst_port").alias("dpt").cast(pl.Int32),
    )
    flows = flows.with_columns(_polars_counters(flows))
    flows = flows.with_columns(_polars_segments(flows))
    return flows.lazy().select(_polars_columns()).collect()


def _polars_facts(frame: pl.DataFrame, end: str) -> pl.DataFrame:
    distinct = frame.select(pl.col(f"{end}_ip").unique())
    octet = pl.col(f"{end}_ip").cast(pl.String).str.split_exact(".", 3).struct.unnest()
    octets = distinct.select(octet).cast(pl.UInt32)
    value = octets.select(
        pl.col("field_0") * 16777216
        + pl.col("field_1") * 65536
        + pl.col("field_2") * 256
        + pl.col("field_3")
    ).to_series()
    blocks = [ipaddress.ip_network(block) for block in NOT_GLOBAL]
    v = pl.col("v")
    local = pl.any_horizontal((v & int(b.netmask)) == int(b.network_address) for b in blocks)
    return distinct.with_columns(value.alias("v")).select(
        f"{end}_ip",
        v.alias(f"{end}_v4"),
        (v // 256).alias(f"{end}_net"),
        (~local).alias(f"{end}_is_global"),
        ((v & 0xFFFF0000) == 0xA9FE0000).alias(f"{end}_is_link_local"),
        (v == 0).alias(f"{end}_is_unspecified"),
        v.bitwise_count_ones().alias(f"{end}_one_bits"),
    )


def _polars_counters(flows: pl.DataFrame) -> list[pl.Series]:
    """Count over windows: one sort a key, binary search, cumulative sums."""
    out: dict[str, pl.Series] = {}
    n = flows.height
    for end, other, port, names in (
        ("src_v4", "dst_v4", "dpt", ("dst", "serv_src")),
        ("dst_v4", "src_v4", "spt", ("src", "serv_dst")),
    ):
        ordered = flows.select("row", "ts", end, other, port).sort(end, "row")
        following = pl.col("place").shift(-1).over(end, other).fill_null(2 * n)
        nxt = (
            ordered.with_row_index("place").select(following.cast(pl.Int64)).to_series().to_numpy()
        )
        rows = ordered["row"].to_numpy()
        _, firsts, within = windows(
            np.arange(n), ordered[end].to_numpy(), ordered["ts"].to_numpy()
        )
        for w, first in zip(WINDOWS, firsts, strict=True):
            values = np.empty(n, np.int32)
            values[rows] = span(n, first, nxt)
            out[f"cnt_{names[0]}{w}"] = pl.Series(f"cnt_{names[0]}{w}", values)
        served = ordered.with_columns(pl.Series("within", within)).sort(end, port, "row")
        rows = served["row"].to_numpy()
        key = served[end].to_numpy().astype(np.int64) * 65_536 + served[port].to_numpy()
        start, timed, _ = windows(np.arange(n), key, served["ts"].to_numpy())
        within = served["within"].to_numpy()
        code = np.cumsum(np.r_[True, key[1:] != key[:-1]]) * (n + N_CONN + 1) + within
        timed[2] = np.maximum(np.searchsorted(code, code - N_CONN, side="left"), start)
        for w, first in zip(WINDOWS, timed, strict=True):
            values = np.empty(n, np.int32)
            values[rows] = np.arange(n) - first
            out[f"cnt_{names[1]}{w}"] = pl.Series(f"cnt_{names[1]}{w}", values)
    return list(out.values())


def _polars_segments(flows: pl.DataFrame) -> list[pl.Series]:
    keys = ("src_v4", "dst_net")
    ordered = flows.select(
        "row", "ts", *keys, "dst_v4", "spt", "dpt", pl.col("app").to_physical()
    ).sort(*keys, "row")
    splits = pl.any_horizontal([pl.col(k) != pl.col(k).shift() for k in keys]) | (
        pl.col("ts").diff() >= GAP
    )
    ordered = ordered.with_columns(splits.fill_null(value=True).cum_sum().alias("segment"))
    values = ordered.group_by("segment").agg(
        pl.len().alias("seg_len"),
        *(
            pl.col(c).n_unique().alias(f"seg_n_{name}")
            for c, name in (("dst_v4", "dst"), ("spt", "spt"), ("dpt", "dpt"), ("app", "app"))
        ),
    )
    names = ["seg_len", "seg_n_dst", "seg_n_spt", "seg_n_dpt", "seg_n_app"]
    back = ordered.select("row", "segment").join(values, on="segment", how="left").sort("row")
    return [back[name] for name in names]


def _polars_columns() -> list[pl.Expr]:
    c = pl.col
    counters = [f"cnt_{k}{w}" for w in WINDOWS for k in KINDS]
    log = {name: c(name).cast(pl.Float64).log1p() for name in counters}
    sides = {
        "in": c("bytes_in"),
        "out": c("bytes_out"),
        "total": c("bytes_in") + c("bytes_out"),
        "duration": c("duration_s"),
    }
    logs = {name: expr.cast(pl.Float64).log1p() for name, expr in sides.items()}
    zero = {"duration": c("duration_s"), "in_bytes": c("bytes_in"), "out_bytes": c("bytes_out")}
    zero |= {name: c(name) for name in counters if "serv" in name}
    app = c("app").cast(pl.String)
    out = {name: c(name) for name in counters}
    out |= {
        f"proto_{p}": c("ip_proto") == v
        for p, v in (("icmp", 1), ("igmp", 2), ("tcp", 6), ("udp", 17))
    }
    out |= {f"app_{a}": app == a for a in FLAGGED}
    out |= {f"zero_{name}": expr == 0 for name, expr in zero.items()}
    out |= {
        "log_duration": logs["duration"],
        "log_in_bytes": logs["in"],
        "log_out_bytes": logs["out"],
    }
    out |= {f"log_cnt_{k}": log[f"cnt_{k}"] for k in ("src", "dst", "serv_src", "serv_dst")}
    out |= {
        f"{e}_is_{a}": c(f"{e}_is_{a}")
        for e in ("src", "dst")
        for a in ("global", "link_local", "unspecified")
    }
    g, h = c("src_is_global"), c("dst_is_global")
    out |= {
        "flow_internet": g & h,
        "flow_intranet": ~g & ~h,
        "flow_ingress": g & ~h,
        "flow_egress": ~g & h,
    }
    different = (
        c("src_v4").xor(c("dst_v4")) if hasattr(c("src_v4"), "xor") else c("src_v4") ^ c("dst_v4")
    )
    out["ip_binary_match"] = different.bitwise_leading_zeros()
    out |= {f"{e}_one_bits": c(f"{e}_one_bits") for e in ("src", "dst")}
    for port in ("spt", "dpt"):
        out |= {
            f"{port}_well_known": c(port) < 1024,
            f"{port}_registered": c(port).is_between(1024, 49_151),
            f"{port}_ephemeral": c(port) >= 49_152,
        }
    out["port_match"] = c("spt") == c("dpt")
    out |= {
        name: c(name) for name in ("seg_len", "seg_n_dst", "seg_n_spt", "seg_n_dpt", "seg_n_app")
    }
    out |= {name: log[a] - log[b] for name, a, b in ratio_columns()}
    for k in KINDS:
        for a, b in APART:
            out[f"dist_cnt_{k}{a}__cnt_{k}{b}"] = (
                (c(f"cnt_{k}{a}") - c(f"cnt_{k}{b}")).abs().cast(pl.Float64).log1p()
            )
    out |= {f"ratio_{a}__{b}": logs[a] - logs[b] for a, b in VOLUMES}
    return [expr.cast(pl.Float32).alias(name) for name, expr in out.items()]


# ------------------------------------------------------------------ pandas


def by_pandas(frame: Any) -> Any:
    """Give the 113 columns with vectorised pandas and NumPy; ``frame`` is a pandas frame with categories."""
    import pandas as pd

    n = len(frame)
    src, dst = (_pandas_facts(frame[f"{end}_ip"]) for end in ("src", "dst"))
    spt, dpt = (frame[name].to_numpy().astype(np.int64) for name in ("src_port", "dst_port"))
    t = frame["ts"].to_numpy()
    counters = _pandas_counters(t, src, dst, spt, dpt)
    app = frame["app"].cat.codes.to_numpy().astype(np.int64)
    segments = _pandas_segments(pd, t, src, dst, spt, dpt, app)
    sides = {
        "in": frame["bytes_in"].to_numpy(),
        "out": frame["bytes_out"].to_numpy(),
        "duration": frame["duration_s"].to_numpy(),
    }
    sides["total"] = sides["in"] + sides["out"]
    logs = {name: np.log1p(value.astype(np.float64)) for name, value in sides.items()}
    log = {name: np.log1p(value.astype(np.float64)) for name, value in counters.items()}
    out: dict[str, Any] = {f"cnt_{k}{w}": counters[f"cnt_{k}{w}"] for w in WINDOWS for k in KINDS}
    proto = frame["ip_proto"].to_numpy()
    out |= {
        f"proto_{p}": proto == v for p, v in (("icmp", 1), ("igmp", 2), ("tcp", 6), ("udp", 17))
    }
    out |= {
        f"app_{a}": (frame["app"] == a).to_numpy()
        if a in frame["app"].cat.categories
        else np.zeros(n, bool)
        for a in FLAGGED
    }
    zero = {"duration": sides["duration"], "in_bytes": sides["in"], "out_bytes": sides["out"]}
    zero |= {f"cnt_{k}{w}": counters[f"cnt_{k}{w}"] for w in WINDOWS for k in KINDS if "serv" in k}
    out |= {f"zero_{name}": value == 0 for name, value in zero.items()}
    out |= {
        "log_duration": logs["duration"],
        "log_in_bytes": logs["in"],
        "log_out_bytes": logs["out"],
    }
    out |= {f"log_cnt_{k}": log[f"cnt_{k}"] for k in ("src", "dst", "serv_src", "serv_dst")}
    for name, facts in (("src", src), ("dst", dst)):
        out |= {f"{name}_is_{a}": facts[a] for a in ("global", "link_local", "unspecified")}
    g, h = src["global"], dst["global"]
    out |= {
        "flow_internet": g & h,
        "flow_intranet": ~g & ~h,
        "flow_ingress": g & ~h,
        "flow_egress": ~g & h,
    }
    different = (src["v4"] ^ dst["v4"]).astype(np.float64)
    out["ip_binary_match"] = 32 - np.frexp(different)[1]
    out |= {"src_one_bits": src["ones"], "dst_one_bits": dst["ones"]}
    for name, port in (("spt", spt), ("dpt", dpt)):
        out |= {
            f"{name}_well_known": port < 1024,
            f"{name}_registered": (port >= 1024) & (port < 49_152),
            f"{name}_ephemeral": port >= 49_152,
        }
    out["port_match"] = spt == dpt
    out |= segments
    out |= {name: log[a] - log[b] for name, a, b in ratio_columns()}
    for k in KINDS:
        for a, b in APART:
            out[f"dist_cnt_{k}{a}__cnt_{k}{b}"] = np.log1p(
                np.abs(counters[f"cnt_{k}{a}"] - counters[f"cnt_{k}{b}"]).astype(np.float64)
            )
    out |= {f"ratio_{a}__{b}": logs[a] - logs[b] for a, b in VOLUMES}
    return pd.DataFrame(
        {name: np.asarray(value, dtype=np.float32) for name, value in out.items()}, copy=False
    )


def _pandas_facts(column: Any) -> dict[str, np.ndarray]:
    """Tell addresses once a category, then take them to the rows."""
    codes = column.cat.codes.to_numpy()
    octets = (
        column.cat.categories.to_series().str.split(".", expand=True).to_numpy().astype(np.uint32)
    )
    v = (octets * np.array([1 << 24, 1 << 16, 1 << 8, 1], np.uint32)).sum(axis=1, dtype=np.uint32)
    local = np.zeros(len(v), bool)
    for block in map(ipaddress.ip_network, NOT_GLOBAL):
        local |= (v & np.uint32(int(block.netmask))) == np.uint32(int(block.network_address))
    facts = {
        "v4": v,
        "global": ~local,
        "link_local": (v >> 16) == 0xA9FE,
        "unspecified": v == 0,
        "ones": np.bitwise_count(v),
    }
    return {name: value[codes] for name, value in facts.items()}


def _pandas_counters(
    t: np.ndarray, src: Any, dst: Any, spt: np.ndarray, dpt: np.ndarray
) -> dict[str, np.ndarray]:
    out, n = {}, len(t)
    for mine, other, port, names in (
        (src, dst, dpt, ("dst", "serv_src")),
        (dst, src, spt, ("src", "serv_dst")),
    ):
        key = mine["v4"].astype(np.int64)
        order = np.argsort(key, kind="stable")
        _, firsts, within = windows(order, key, t)
        pair = (key << 32 | other["v4"])[order]
        again = np.argsort(pair, kind="stable")
        nxt = np.full(n, 2 * n)
        same = pair[again][1:] == pair[again][:-1]
        nxt[again[:-1][same]] = again[1:][same]
        for w, first in zip(WINDOWS, firsts, strict=True):
            values = np.empty(n, np.int32)
            values[order] = span(n, first, nxt)
            out[f"cnt_{names[0]}{w}"] = values
        served = key[order] << 16 | port[order]
        by_service = np.argsort(served, kind="stable")
        start, timed, _ = windows(by_service, served, t[order])
        own = served[by_service]
        code = np.cumsum(np.r_[True, own[1:] != own[:-1]]) * (n + N_CONN + 1) + within[by_service]
        timed[2] = np.maximum(np.searchsorted(code, code - N_CONN, side="left"), start)
        for w, first in zip(WINDOWS, timed, strict=True):
            values = np.empty(n, np.int32)
            values[order[by_service]] = np.arange(n) - first
            out[f"cnt_{names[1]}{w}"] = values
    return out


def _pandas_segments(
    pd: Any, t: np.ndarray, src: Any, dst: Any, spt: np.ndarray, dpt: np.ndarray, app: np.ndarray
) -> dict[str, np.ndarray]:
    group = src["v4"].astype(np.int64) << 24 | dst["v4"] >> 8
    order = np.argsort(group, kind="stable")
    new = np.r_[True, (np.diff(group[order]) != 0) | (np.diff(t[order]) >= GAP)]
    segment = np.empty(len(t), np.int64)
    segment[order] = np.cumsum(new) - 1
    out = {"seg_len": np.bincount(segment)[segment]}
    for name, values in (
        ("dst", dst["v4"].astype(np.int64)),
        ("spt", spt),
        ("dpt", dpt),
        ("app", app),
    ):
        distinct = pd.Series(segment << 32 | values).drop_duplicates().to_numpy() >> 32
        out[f"seg_n_{name}"] = np.bincount(distinct)[segment]
    return out


# ------------------------------------------------------------------ a plain loop


def by_loop(frame: pl.DataFrame) -> np.ndarray:
    """Give the 113 columns row by row and group by group, as a first version is written."""
    rows = list(frame.iter_rows(named=True))
    segments = _loop_segments(rows)
    fast: deque[Any] = deque()
    slow: deque[Any] = deque()
    from_src: dict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=N_CONN))
    to_dst: dict[str, deque[Any]] = defaultdict(lambda: deque(maxlen=N_CONN))
    out = []
    for i, row in enumerate(rows):
        counts = []
        for window, width in ((fast, FAST), (slow, SLOW)):
            while window and row["ts"] - window[0]["ts"] >= width:
                window.popleft()
            mine = [r for r in window if r["src_ip"] == row["src_ip"]]
            theirs = [r for r in window if r["dst_ip"] == row["dst_ip"]]
            counts += _loop_counts(row, mine, theirs)
            window.append(row)
        mine, theirs = from_src[row["src_ip"]], to_dst[row["dst_ip"]]
        counts += _loop_counts(row, mine, theirs)
        mine.append(row)
        theirs.append(row)
        out.append(_loop_row(row, counts, segments[i]))
    return np.array(out, dtype=np.float32)


def _loop_counts(row: dict[str, Any], mine: Any, theirs: Any) -> list[int]:
    return [
        len({r["dst_ip"] for r in mine}),
        len({r["src_ip"] for r in theirs}),
        sum(r["dst_port"] == row["dst_port"] for r in mine),
        sum(r["src_port"] == row["src_port"] for r in theirs),
    ]


def _loop_segments(rows: list[dict[str, Any]]) -> list[list[int]]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        groups[row["src_ip"], row["dst_ip"].rpartition(".")[0]].append(i)
    values: list[list[int]] = [[] for _ in rows]
    for members in groups.values():
        segment: list[int] = []
        for i in [*members, None]:
            if segment and (i is None or rows[i]["ts"] - rows[segment[-1]]["ts"] >= GAP):
                columns = ("dst_ip", "src_port", "dst_port", "app")
                found = [len(segment), *(len({rows[j][c] for j in segment}) for c in columns)]
                for j in segment:
                    values[j] = found
                segment = []
            if i is not None:
                segment.append(i)
    return values


BLOCKS = [ipaddress.ip_network(block) for block in NOT_GLOBAL]


def _loop_row(row: dict[str, Any], counts: list[int], segment: list[int]) -> list[float]:
    c = Counter(dict(zip([f"cnt_{k}{w}" for w in WINDOWS for k in KINDS], counts, strict=True)))
    src, dst = (ipaddress.IPv4Address(row[f"{end}_ip"]) for end in ("src", "dst"))
    log = {name: math.log1p(value) for name, value in c.items()}
    sides = {
        "in": row["bytes_in"],
        "out": row["bytes_out"],
        "total": row["bytes_in"] + row["bytes_out"],
        "duration": row["duration_s"],
    }
    logs = {name: math.log1p(value) for name, value in sides.items()}
    served = [name for name in c if "serv" in name]
    g, h = (not any(address in block for block in BLOCKS) for address in (src, dst))
    out: list[float] = [
        *counts,
        *(row["ip_proto"] == p for p in (1, 2, 6, 17)),
        *(row["app"] == a for a in FLAGGED),
    ]
    out += [
        sides["duration"] == 0,
        sides["in"] == 0,
        sides["out"] == 0,
        *(c[name] == 0 for name in served),
    ]
    out += [
        logs["duration"],
        logs["in"],
        logs["out"],
        *(log[f"cnt_{k}"] for k in ("src", "dst", "serv_src", "serv_dst")),
    ]
    for address, is_global in ((src, g), (dst, h)):
        out += [is_global, address.is_link_local, int(address) == 0]
    out += [g and h, not g and not h, g and not h, h and not g]
    out += [32 - (int(src) ^ int(dst)).bit_length(), int(src).bit_count(), int(dst).bit_count()]
    for port in (row["src_port"], row["dst_port"]):
        out += [port < 1024, 1024 <= port < 49_152, port >= 49_152]
    out += [row["src_port"] == row["dst_port"], *segment]
    out += [log[a] - log[b] for _, a, b in ratio_columns()]
    out += [math.log1p(abs(c[f"cnt_{k}{a}"] - c[f"cnt_{k}{b}"])) for k in KINDS for a, b in APART]
    return [*out, *(logs[a] - logs[b] for a, b in VOLUMES)]
