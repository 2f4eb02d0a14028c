"""Ended flows → frame: the columns of the record from the numbers of the flows.

What belongs here: which column comes from which number. What does not: when a flow ends, and how its
numbers are told apart (``unpack.py``).
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.flows.meter.layout import (
    O_BYTES_IN,
    O_BYTES_OUT,
    O_FIRST_US,
    O_LAST_US,
    O_PACKETS_IN,
    O_PACKETS_OUT,
    O_PAYLOAD_IN,
    O_PAYLOAD_OUT,
    T_BYTES,
    T_DURATION,
    T_FIRST,
    T_FLAGS,
    T_LAST,
    T_MAX_GAP,
    T_MAX_PS,
    T_MIN_GAP,
    T_MIN_PS,
    T_PACKETS,
    T_WAY,
    X_HIGH_SRC,
    X_HISTORY,
    X_LETTERS,
    X_LOW_SRC,
    X_UID,
    X_VLANS,
    Y_MEAN_GAP,
    Y_MEAN_PS,
    Y_VARIANCE_GAP,
    Y_VARIANCE_PS,
    Y_WAY,
    Z_FLAGS_IN,
    Z_FLAGS_OUT,
    Z_HAS_FLAGS,
    Z_HAS_ICMP,
    Z_HAS_PORTS,
    Z_ICMP_CODE,
    Z_ICMP_TYPE,
    Z_PROTO,
    Z_QUALITY,
    Z_STATE,
    Z_VERSION,
    Integers,
)
from eddyline.flows.meter.states import LETTERS, name_state
from eddyline.flows.meter.text import AddressBook, hex_texts, number_words
from eddyline.flows.meter.unpack import Columns
from eddyline.flows.protocols import NAME_OF
from eddyline.flows.record import STATES, STATISTICS_SCHEMA

Small = NDArray[np.uint8]

_FLAG_NAMES: Final = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr")
_WORDS: Final = {
    "first_seen_ms": T_FIRST,
    "last_seen_ms": T_LAST,
    "duration_ms": T_DURATION,
    "packets": T_PACKETS,
    "bytes": T_BYTES,
    "min_ps": T_MIN_PS,
    "max_ps": T_MAX_PS,
    "min_piat_ms": T_MIN_GAP,
    "max_piat_ms": T_MAX_GAP,
    **{f"{name}_packets": T_FLAGS + bit for bit, name in enumerate(_FLAG_NAMES)},
}
_REALS: Final = {
    "mean_ps": Y_MEAN_PS,
    "stddev_ps": Y_VARIANCE_PS,
    "mean_piat_ms": Y_MEAN_GAP,
    "stddev_piat_ms": Y_VARIANCE_GAP,
}
_WAYS: Final = ("bidirectional", "src2dst", "dst2src")


@functools.cache
def _texts(*values: str) -> pl.Series:
    return pl.Series(values, dtype=pl.Categorical())


@functools.cache
def _protocols() -> pl.Series:
    return _texts(*(protocol_name(number) for number in range(256)))


@functools.cache
def state_numbers() -> Integers:
    """Give numbers to states: TCP's by ends, a SYN seen, payload seen (8 × 8 × 2 × 2), then S0 and SF."""
    names = [
        name_state(i & 7, (i >> 3) & 7, began=bool(i & 64), payload=bool(i & 128))
        for i in range(256)
    ]
    return np.array([STATES.index(name) for name in (*names, "S0", "SF")], dtype=np.int64)


def protocol_name(number: int) -> str:
    """Name a transport protocol.

    Parameters
    ----------
    number
        IANA number, 0 to 255.
    """
    return NAME_OF.get(number, f"ip-{number}")


def _histories(words: Integers) -> pl.Series:
    """Spell the history letters; each distinct history is spelled once."""
    # The number of letters is kept modulo 16: when all sixteen are there, the last is the one that is
    # missing among the others, so nothing is lost by shifting it out.
    ids, first = number_words((words[X_HISTORY] << 4) | (words[X_LETTERS] & 15))
    spelled = []
    for row in first.tolist():
        letters, length = int(words[X_HISTORY, row]), int(words[X_LETTERS, row])
        codes = [(letters >> (4 * place)) & 15 for place in range(length)]
        spelled.append(
            "".join(LETTERS[code & 7].upper() if code >= 8 else LETTERS[code] for code in codes)
        )
    return pl.Series(spelled, dtype=pl.String)[ids]


def _optional(values: NDArray[np.uint8] | NDArray[np.uint16], known: Small) -> pl.Series:
    """Make a column that is null where a value is not known."""
    series = pl.Series(values)
    if known.all():
        return series
    return series.set(pl.Series(known == 0), None)


def _vlans(tags: Integers) -> pl.Series:
    """List the VLAN tags of each flow, outermost first; 0 is none."""
    if not tags.any():
        return pl.Series([[]], dtype=pl.List(pl.UInt16())).new_from_index(0, len(tags))
    frame = pl.DataFrame({"outer": tags >> 12, "inner": tags & 0xFFF})
    known = [pl.when(pl.col(name) != 0).then(pl.col(name)) for name in ("outer", "inner")]
    return frame.select(
        pl.concat_list(*known).list.drop_nulls().cast(pl.List(pl.UInt16()))
    ).to_series()


def core_columns(
    columns: Columns, rows: int, sensor: str, book: AddressBook
) -> dict[str, pl.Series]:
    """Give the record's columns of some flows.

    Parameters
    ----------
    columns
        Numbers of the flows.
    rows
        How many flows, ``>= 1``.
    sensor
        Name of the file or device that saw them.
    book
        Knows the addresses of earlier flows.
    """
    high = columns.words[X_HIGH_SRC : X_HIGH_SRC + 2]
    low = columns.words[X_LOW_SRC : X_LOW_SRC + 2]
    longs, words = columns.longs[:, :rows], columns.words[:, :rows]
    small, ports = columns.small[:, :rows], columns.ports[:, :rows]
    texts = book.texts(high, low, small[Z_VERSION])
    has_ports, has_flags, has_icmp = small[Z_HAS_PORTS], small[Z_HAS_FLAGS], small[Z_HAS_ICMP]
    return {
        "ts": pl.Series(longs[O_FIRST_US]),
        "ts_end": pl.Series(longs[O_LAST_US]),
        "duration_s": pl.Series(columns.duration[:rows]),
        "uid": hex_texts(words[X_UID]),
        "src_ip": texts[:rows],
        "dst_ip": texts[rows:],
        "src_port": _optional(ports[0], has_ports),
        "dst_port": _optional(ports[1], has_ports),
        "proto": _protocols()[small[Z_PROTO]],
        "ip_proto": pl.Series(small[Z_PROTO]),
        "ip_version": pl.Series(small[Z_VERSION]),
        "bytes_out": _unsigned(longs[O_BYTES_OUT]),
        "bytes_in": _unsigned(longs[O_BYTES_IN]),
        "payload_out": _unsigned(longs[O_PAYLOAD_OUT]),
        "payload_in": _unsigned(longs[O_PAYLOAD_IN]),
        "pkts_out": _unsigned(longs[O_PACKETS_OUT]),
        "pkts_in": _unsigned(longs[O_PACKETS_IN]),
        "state": _texts(*STATES)[small[Z_STATE]],
        "history": _histories(words),
        "tcp_flags_out": _optional(small[Z_FLAGS_OUT], has_flags),
        "tcp_flags_in": _optional(small[Z_FLAGS_IN], has_flags),
        "vlan": _vlans(words[X_VLANS]),
        "icmp_type": _optional(small[Z_ICMP_TYPE], has_icmp),
        "icmp_code": _optional(small[Z_ICMP_CODE], has_icmp),
        "sensor": _texts(sensor).new_from_index(0, rows),
        "sampling_rate": pl.Series([1], dtype=pl.UInt32).new_from_index(0, rows),
        "quality": pl.Series(small[Z_QUALITY]),
    }


def statistics_columns(columns: Columns, rows: int) -> dict[str, pl.Series]:
    """Give NFStream's columns of some flows.

    Parameters
    ----------
    columns
        Numbers of the flows.
    rows
        How many flows.
    """
    n, x = columns.stats[:, :rows], columns.reals[:, :rows]
    found: dict[str, pl.Series] = {}
    for block, way in enumerate(_WAYS):
        for name, column in _WORDS.items():
            found[f"{way}_{name}"] = _unsigned(n[block * T_WAY + column])
        for name, column in _REALS.items():
            values = x[block * Y_WAY + column]
            if "stddev" in name:
                np.sqrt(values, out=values)
            found[f"{way}_{name}"] = pl.Series(values)
    return {name: found[name] for name in STATISTICS_SCHEMA}


def _unsigned(values: Integers) -> pl.Series:
    """Make a column of what is never negative, without copying it."""
    return pl.Series(values.view(np.uint64))
