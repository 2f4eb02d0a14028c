"""A flow and its surroundings: what the same pair, service and host did in the last minute and hour.

What belongs here: the feature set ``around`` of single flows, for classifiers. What does not: features of a
window as a row (``host.py``, ``dyad.py``) and the counters of NAD 2021 (``nad.py``).

Nothing of a flow's addresses enters, only how often they were met just before; of ports the service's number
does, the lower of the two. Every count is of flows that ended before, or at the same time and earlier in the
input, so the set is causal. Sums are whole numbers, so that cutting the input changes no bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from eddyline.features.columns import derive
from eddyline.features.dictionary import Feature
from eddyline.tables import Floats, Integers

MINUTE_US: Final = 60_000_000
HOUR_US: Final = 3_600_000_000

SPANS: Final = ((MINUTE_US, "min", "in the last minute"), (HOUR_US, "hour", "in the last hour"))
"""Length, short name and words of the two windows; a flow exactly that old is outside."""

PAIR: Final = "pair"
KEYS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    PAIR: (("low", "high"), "flows between these two hosts"),
    "pair_service": (("low", "high", "service", "ip_proto"), "flows of this service between them"),
    "service": (("service", "ip_proto"), "flows of this service"),
    "shape": (("service", "ip_proto", "payload_out", "payload_in"), "flows with the same sizes"),
    "src": (("src",), "flows from this source"),
    "dst": (("dst",), "flows to this responder"),
}
"""What is counted: the columns that must agree, and the words."""

VALUES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "ports": (("port",), "responder's ports between the two hosts"),
    "src_ports": (("sport",), "source ports between the two hosts"),
    "sizes": (("payload_out", "payload_in"), "different sizes between the two hosts"),
}
"""What is told apart within a pair."""

MEANS: Final[dict[str, str]] = {
    "payload_out": "bytes sent by a flow between the two hosts",
    "payload_in": "bytes received by a flow between the two hosts",
    "lasted": "µs that a flow between the two hosts lasts",
}
"""What is averaged within a pair, over the window and the flow itself."""

ALONE: Final = (
    Feature("payload_out", "bytes", "payload_out", "payload sent"),
    Feature("payload_in", "bytes", "payload_in", "payload received"),
    Feature("bytes_out", "bytes", "bytes_out, 0 when not counted", "bytes sent"),
    Feature("bytes_in", "bytes", "bytes_in, 0 when not counted", "bytes received"),
    Feature("pkts_out", "packets", "pkts_out", "packets sent"),
    Feature("pkts_in", "packets", "pkts_in", "packets received"),
    Feature("duration_s", "s", "duration_s", "duration"),
    Feature("ip_proto", "", "IANA number, 255 unknown", "transport protocol"),
    Feature("port", "", "responder's port, −1 without", "responder's port"),
    Feature("service", "", "min(source port, responder's port)", "port of the service"),
    Feature("turned", "", "1 when the source has the lower port", "answer of a service"),
    Feature("same_port", "", "1 when both ports are equal", "both ports equal"),
    Feature("balance", "ln", "ln(1 + payload_in) − ln(1 + payload_out)", "received against sent"),
    Feature(
        "payload_per_pkt_out", "bytes", "payload_out / (1 + pkts_out)", "payload a packet sent"
    ),
    Feature(
        "payload_per_pkt_in", "bytes", "payload_in / (1 + pkts_in)", "payload a packet received"
    ),
)
"""What a flow says by itself."""


def _dictionary() -> tuple[Feature, ...]:
    found = list(ALONE)
    for _, span, when in SPANS:
        found.extend(
            Feature(
                f"{key}_{span}",
                "ln",
                f"ln(1 + {words} {when}), itself left out",
                f"{words} {when}",
                scale="ln1p",
            )
            for key, (_, words) in KEYS.items()
        )
        found.extend(
            Feature(
                f"{name}_{span}",
                "ln",
                f"ln({words} {when}), its own counted",
                f"{words} {when}",
                scale="ln",
            )
            for name, (_, words) in VALUES.items()
        )
        found.extend(
            Feature(
                f"mean_{name}_{span}",
                "ln",
                f"ln(1 + mean {words} {when})",
                f"{words} {when}",
                scale="ln1p",
            )
            for name, words in MEANS.items()
        )
        found.append(
            Feature(
                f"since_{span}",
                "ln",
                f"ln(1 + s since the pair's first flow {when})",
                f"since the pair's first flow {when}",
                scale="ln1p",
                plain_unit="s",
            )
        )
    return tuple(found)


FEATURES: Final = _dictionary()
"""The features, in the order of the columns."""

NAMES: Final = tuple(feature.name for feature in FEATURES)
"""Their names."""

_KEPT: Final = ("ts_end", "low", "high", "src", "dst", "service", "ip_proto", "port", "sport",
                "payload_out", "payload_in", "lasted")  # fmt: skip


@dataclass(slots=True)
class Around:
    """Give each flow its row, from flows in event-time order; keeps the flows of the last hour.

    Memory is bounded by the flows of an hour. Batches of any size give the same rows; small ones cost more,
    since each goes through the hour again.

    Attributes
    ----------
    names
        Names of the columns.
    dictionary
        What each column means.
    """

    names: tuple[str, ...] = NAMES
    dictionary: tuple[Feature, ...] = FEATURES
    _held: pl.DataFrame | None = field(default=None, repr=False)

    def update(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """Give the rows of some flows, shape ``(n, d)``, finite.

        Parameters
        ----------
        frame
            Flows with the core columns of the record, by ``ts_end``, none before those given earlier.
        """
        if frame.is_empty():
            return np.empty((0, len(NAMES)), np.float32)
        flows = counted(derive(frame))
        past = flows.clear().select(_KEPT) if self._held is None else self._held
        together = pl.concat([past, flows.select(_KEPT)])
        around = _surroundings(together)[past.height :]
        newest = int(together["ts_end"][-1])
        self._held = together.filter(pl.col("ts_end") > newest - HOUR_US)
        single = flows.select(alone()).to_numpy()
        return np.concatenate([single, around], axis=1).astype(np.float32)


def counted(derived: pl.DataFrame) -> pl.DataFrame:
    """Give what is counted with, as whole numbers or text.

    Parameters
    ----------
    derived
        From ``columns.derive``.
    """
    src, dst = pl.col("src_ip").cast(pl.String), pl.col("dst_ip").cast(pl.String)
    return derived.with_columns(
        src.alias("src"),
        dst.alias("dst"),
        pl.min_horizontal(src, dst).alias("low"),
        pl.max_horizontal(src, dst).alias("high"),
        pl.min_horizontal("sport", "port").alias("service"),
        pl.col("ip_proto").cast(pl.Int32).fill_null(255),
        pl.col("payload_out").round().cast(pl.Int64),
        pl.col("payload_in").round().cast(pl.Int64),
        (pl.col("duration_s") * 1e6).round().cast(pl.Int64).alias("lasted"),
    )


def alone() -> list[pl.Expr]:
    """Give what a flow says by itself, in the order of ``ALONE``, from the frame of ``counted``."""
    out, back = pl.col("payload_out"), pl.col("payload_in")
    return [
        out.cast(pl.Float64),
        back.cast(pl.Float64),
        pl.col("bytes_out"),
        pl.col("bytes_in"),
        pl.col("pkts_out"),
        pl.col("pkts_in"),
        pl.col("duration_s"),
        pl.col("ip_proto").cast(pl.Float64),
        pl.col("port").cast(pl.Float64),
        pl.col("service").cast(pl.Float64),
        (pl.col("sport") < pl.col("port")).cast(pl.Float64).alias("turned"),
        (pl.col("sport") == pl.col("port")).cast(pl.Float64).alias("same_port"),
        (back.log1p() - out.log1p()).alias("balance"),
        (out / (pl.col("pkts_out") + 1)).alias("per_out"),
        (back / (pl.col("pkts_in") + 1)).alias("per_in"),
    ]


def _surroundings(flows: pl.DataFrame) -> Floats:
    """Give the columns behind those of the flow alone, in the order of ``FEATURES``."""
    times = flows["ts_end"].to_numpy()
    codes = {key: _codes(flows, columns) for key, (columns, _) in KEYS.items()}
    pairs = _Sorted.by(codes[PAIR], times)
    inner = {
        name: _codes(flows, (*KEYS[PAIR][0], *columns)) for name, (columns, _) in VALUES.items()
    }
    columns: list[Floats] = []
    for span, _, _ in SPANS:
        for key in KEYS:
            ordered = pairs if key == PAIR else _Sorted.by(codes[key], times)
            columns.append(np.log1p(ordered.back(ordered.place - ordered.starts(span))))
        start = pairs.starts(span)
        columns.extend(
            np.log(pairs.back(distinct(start, inner[name][pairs.order]))) for name in VALUES
        )
        for name in MEANS:
            sums = np.append(0, np.cumsum(flows[name].to_numpy()[pairs.order]))
            mean = (sums[pairs.place + 1] - sums[start]) / (pairs.place + 1 - start)
            columns.append(np.log1p(pairs.back(mean.clip(min=0.0))))
        age = (pairs.times - pairs.times[start]) / 1e6
        columns.append(np.log1p(pairs.back(age)))
    return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Rows by key, then time, then their order in the input."""

    order: Integers
    keys: Integers
    times: Integers
    place: Integers

    @classmethod
    def by(cls, keys: Integers, times: Integers) -> _Sorted:
        order = np.lexsort((times, keys))
        return cls(order, keys[order], times[order], np.arange(len(order)))

    def starts(self, span: int) -> Integers:
        """Give the place of the first row in each row's window; the row's own when it is alone."""
        out = np.empty(len(self.order), np.int64)
        _window_starts(self.keys, self.times, span, out)
        return out

    def back(self, values: NDArray[Any]) -> Floats:
        """Give values to the rows in the order of the input."""
        out = np.empty(len(values), np.float64)
        out[self.order] = values
        return out


def _codes(flows: pl.DataFrame, columns: tuple[str, ...]) -> Integers:
    """Give each combination of some columns a number: that of its first row."""
    numbered = flows.select(*columns).with_row_index("row")
    first = numbered.select(pl.col("row").first().over(columns)).to_series()
    return first.to_numpy().astype(np.int64)


def distinct(start: Integers, codes: Integers) -> Integers:
    """Count the different values in the window that ends with each row, its own included.

    Parameters
    ----------
    start
        Place of the first row of each row's window, never falling.
    codes
        Value of each row; rows of different keys have different values.
    """
    dense = np.unique(codes, return_inverse=True)[1].astype(np.int64)
    out = np.empty(len(codes), np.int64)
    _distinct(start, dense, np.zeros(int(dense.max(initial=-1)) + 1, np.int64), out)
    return out


@njit(cache=True, nogil=True)
def _window_starts(
    keys: Integers, times: Integers, span: int, out: Integers
) -> None:  # pragma: no cover
    start = 0
    for row in range(len(keys)):
        while keys[start] != keys[row] or times[row] - times[start] >= span:
            start += 1
        out[row] = start


@njit(cache=True, nogil=True)
def _distinct(
    start: Integers, codes: Integers, seen: Integers, out: Integers
) -> None:  # pragma: no cover
    first, different = 0, 0
    for row in range(len(codes)):
        if seen[codes[row]] == 0:
            different += 1
        seen[codes[row]] += 1
        while first < start[row]:
            seen[codes[first]] -= 1
            if seen[codes[first]] == 0:
                different -= 1
            first += 1
        out[row] = different
