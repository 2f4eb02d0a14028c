"""Ended flows → frame: the columns of the record from the integers of the table.

What belongs here: which column comes from which number. What does not: when a flow ends.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.flows.meter.headers import ICMP, ICMP6, SCTP, TCP, UDP
from eddyline.flows.meter.layout import (
    F_BYTES_IN,
    F_BYTES_OUT,
    F_FIRST_US,
    F_FLAGS_IN,
    F_FLAGS_OUT,
    F_HISTORY,
    F_ICMP,
    F_LAST_US,
    F_PACKETS_IN,
    F_PACKETS_OUT,
    F_PAYLOAD_IN,
    F_PAYLOAD_OUT,
    F_QUALITY,
    F_STATES,
    F_SWAPPED,
    F_UID,
    K_HIGH_A,
    K_HIGH_B,
    K_KIND,
    K_LOW_A,
    K_LOW_B,
    K_PORTS,
    N_BOTH,
    N_FLAGS,
    N_IN,
    N_OUT,
    W_BYTES,
    W_FIRST,
    W_LAST,
    W_MAX_GAP,
    W_MAX_PS,
    W_MEAN_GAP,
    W_MEAN_PS,
    W_MIN_GAP,
    W_MIN_PS,
    W_PACKETS,
    W_SPREAD_GAP,
    W_SPREAD_PS,
    X_BOTH,
    X_IN,
    X_OUT,
    Floats,
    Integers,
)
from eddyline.flows.meter.states import LETTERS, SYN_LETTER, name_state
from eddyline.flows.meter.text import address_texts, hex_texts
from eddyline.flows.protocols import NAME_OF
from eddyline.flows.record import QUALITY, STATES, STATISTICS_SCHEMA

Mask = NDArray[np.bool_]

_WAYS: Final = (
    ("bidirectional", N_BOTH, X_BOTH),
    ("src2dst", N_OUT, X_OUT),
    ("dst2src", N_IN, X_IN),
)
_FLAG_NAMES: Final = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")


def _texts(values: list[str]) -> pl.Series:
    return pl.Series(values, dtype=pl.Categorical())


def _state_codes() -> Integers:
    """Tabulate ``name_state`` over ends, a SYN seen, payload seen: 8 × 8 × 2 × 2."""
    codes = [
        STATES.index(name_state(i & 7, (i >> 3) & 7, began=bool(i & 64), payload=bool(i & 128)))
        for i in range(256)
    ]
    return np.array(codes, dtype=np.int64)


def protocol_name(number: int) -> str:
    """Name a transport protocol.

    Parameters
    ----------
    number
        IANA number, 0 to 255.
    """
    return NAME_OF.get(number, f"ip-{number}")


def _states(n: Integers, proto: Integers) -> pl.Series:
    """Name the connection state of each flow; what is not TCP either got an answer or did not."""
    ends = n[F_STATES]
    began = (ends >> (8 + SYN_LETTER + 8)) & 1
    payload = (n[F_PAYLOAD_OUT] + n[F_PAYLOAD_IN]) > 0
    tcp = _state_codes()[(ends & 63) | (began << 6) | (payload.astype(np.int64) << 7)]
    other = np.where(n[F_PACKETS_IN] > 0, STATES.index("SF"), STATES.index("S0"))
    return _texts(list(STATES)).gather(pl.Series(np.where(proto == TCP, tcp, other)))


def _histories(n: Integers) -> pl.Series:
    """Spell the history letters; each distinct history is spelled once."""
    # The number of letters is kept modulo 16: when all sixteen are there, the last is the one that is
    # missing among the others, so nothing is lost by shifting it out.
    words = (n[F_HISTORY] << 4) | ((n[F_STATES] >> 32) & 15)
    _, first, ids = np.unique(words, return_index=True, return_inverse=True)
    spelled = []
    for row in first.tolist():
        letters, length = int(n[F_HISTORY, row]), int(n[F_STATES, row]) >> 32
        codes = [(letters >> (4 * place)) & 15 for place in range(length)]
        spelled.append(
            "".join(LETTERS[code & 7].upper() if code >= 8 else LETTERS[code] for code in codes)
        )
    return pl.Series(spelled, dtype=pl.String).gather(pl.Series(ids))


def _optional(values: Integers, known: Mask) -> pl.Series:
    """Make a column that is null where a value is not known."""
    series = pl.Series(values)
    if known.all():
        return series
    return pl.select(pl.when(pl.Series(known)).then(series)).to_series()


def _vlans(n: Integers) -> pl.Series:
    """List the VLAN tags of each flow, outermost first."""
    outer = (n[K_PORTS] >> 12) & 0xFFF
    inner = n[K_PORTS] & 0xFFF
    tags = (outer != 0).astype(np.int64) + (inner != 0)
    if not tags.any():
        return pl.Series([[]], dtype=pl.List(pl.UInt16())).new_from_index(0, n.shape[1])
    frame = pl.DataFrame(
        {"outer": _optional(outer, outer != 0), "inner": _optional(inner, inner != 0)}
    )
    return frame.select(
        pl.concat_list("outer", "inner").list.drop_nulls().cast(pl.List(pl.UInt16()))
    ).to_series()


def _quality(n: Integers) -> Integers:
    quality: Integers = n[F_QUALITY].copy()
    quality[n[F_PACKETS_IN] == 0] |= QUALITY["unidirectional"]
    return quality


def core_columns(n: Integers, sensor: str) -> dict[str, pl.Series]:
    """Give the record's columns of some flows.

    Parameters
    ----------
    n
        Integers of the flows, a column a row: shape ``(CORE_INTEGERS or INTEGERS, n)``, ``n >= 1``.
    sensor
        Name of the file or device that saw them.
    """
    rows = n.shape[1]
    swapped = n[F_SWAPPED] == 1
    version = n[K_KIND] >> 8
    ports = n[K_PORTS]
    port_a, port_b = (ports >> 48) & 0xFFFF, (ports >> 32) & 0xFFFF
    proto = (ports >> 24) & 0xFF
    high = np.where(swapped, (n[K_HIGH_B], n[K_HIGH_A]), (n[K_HIGH_A], n[K_HIGH_B]))
    low = np.where(swapped, (n[K_LOW_B], n[K_LOW_A]), (n[K_LOW_A], n[K_LOW_B]))
    addresses = np.stack([high.ravel(), low.ravel(), np.tile(version, 2)], axis=1)
    texts = address_texts(addresses)
    has_ports = np.isin(proto, (TCP, UDP, SCTP)) & ((port_a | port_b) != 0)
    tcp, icmp = proto == TCP, np.isin(proto, (ICMP, ICMP6)) & (n[F_ICMP] >= 0)
    first, last = n[F_FIRST_US], n[F_LAST_US]
    protocols = _texts([protocol_name(number) for number in range(256)])
    return {
        "ts": pl.Series(first),
        "ts_end": pl.Series(last),
        "duration_s": pl.Series((last - first) / 1e6),
        "uid": hex_texts(np.ascontiguousarray(n[F_UID])),
        "src_ip": texts[:rows],
        "dst_ip": texts[rows:],
        "src_port": _optional(np.where(swapped, port_b, port_a), has_ports),
        "dst_port": _optional(np.where(swapped, port_a, port_b), has_ports),
        "proto": protocols.gather(pl.Series(proto)),
        "ip_proto": pl.Series(proto),
        "ip_version": pl.Series(version),
        "bytes_out": _unsigned(n[F_BYTES_OUT]),
        "bytes_in": _unsigned(n[F_BYTES_IN]),
        "payload_out": _unsigned(n[F_PAYLOAD_OUT]),
        "payload_in": _unsigned(n[F_PAYLOAD_IN]),
        "pkts_out": _unsigned(n[F_PACKETS_OUT]),
        "pkts_in": _unsigned(n[F_PACKETS_IN]),
        "state": _states(n, proto),
        "history": _histories(n),
        "tcp_flags_out": _optional(n[F_FLAGS_OUT], tcp),
        "tcp_flags_in": _optional(n[F_FLAGS_IN], tcp),
        "vlan": _vlans(n),
        "icmp_type": _optional(n[F_ICMP] >> 8, icmp),
        "icmp_code": _optional(n[F_ICMP] & 255, icmp),
        "sensor": _texts([sensor]).new_from_index(0, rows),
        "sampling_rate": pl.Series([1], dtype=pl.UInt32).new_from_index(0, rows),
        "quality": pl.Series(_quality(n)),
    }


def _spread(sums: Floats, packets: Integers, least: int) -> Floats:
    """Give the sample standard deviation from the sum of squares; 0 where there are too few packets."""
    enough = packets > least
    return np.sqrt(np.where(enough, sums / np.where(enough, packets - least, 1), 0.0))


def statistics_columns(n: Integers, x: Floats) -> dict[str, pl.Series]:
    """Give NFStream's columns of some flows.

    Parameters
    ----------
    n, x
        Integers and floats of the flows, a column a row.
    """
    found: dict[str, Integers | Floats] = {}
    for way, ints, reals in _WAYS:
        packets = n[ints + W_PACKETS]
        found[f"{way}_first_seen_ms"] = n[ints + W_FIRST]
        found[f"{way}_last_seen_ms"] = n[ints + W_LAST]
        found[f"{way}_duration_ms"] = n[ints + W_LAST] - n[ints + W_FIRST]
        found[f"{way}_packets"] = packets
        found[f"{way}_bytes"] = n[ints + W_BYTES]
        found[f"{way}_min_ps"] = n[ints + W_MIN_PS]
        found[f"{way}_mean_ps"] = x[reals + W_MEAN_PS]
        found[f"{way}_stddev_ps"] = _spread(x[reals + W_SPREAD_PS], packets, 1)
        found[f"{way}_max_ps"] = n[ints + W_MAX_PS]
        found[f"{way}_min_piat_ms"] = n[ints + W_MIN_GAP]
        found[f"{way}_mean_piat_ms"] = x[reals + W_MEAN_GAP]
        found[f"{way}_stddev_piat_ms"] = _spread(x[reals + W_SPREAD_GAP], packets, 2)
        found[f"{way}_max_piat_ms"] = n[ints + W_MAX_GAP]
    for bit, flag in enumerate(_FLAG_NAMES):
        counter = n[N_FLAGS + bit]
        out, back = counter & 0xFFFFFFFF, counter >> 32
        found[f"bidirectional_{flag}_packets"] = out + back
        found[f"src2dst_{flag}_packets"] = out
        found[f"dst2src_{flag}_packets"] = back
    return {name: _unsigned(found[name]) for name in STATISTICS_SCHEMA}


def _unsigned(values: Integers | Floats) -> pl.Series:
    """Make a column of what is never negative, without copying it."""
    return pl.Series(values.view(np.uint64) if values.dtype == np.int64 else values)
