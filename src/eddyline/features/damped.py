"""Damped statistics: each flow against what its source, its pair and its service did just before.

What belongs here: statistics of streams of flows that fade with time, one row a flow, and their bounded
state. What does not: counters over a window (the views), or any detector.

Every stream keeps, at five speeds, a weight w, a sum LS and a sum of squares SS, which fade by
``2^(-speed x seconds)`` and grow by ``(1, x, x^2)``. A flow's row holds the streams after the flow itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import DataError, ModelError, UsageError
from eddyline.features.damping import N_FAMILIES, SPEEDS, WAYS, WIDTH, WIDTHS, update_rows
from eddyline.features.dictionary import Feature
from eddyline.tables import Floats

_ONE: Final = (
    ("weight", "", "w", "connections"),
    ("mean", "", "LS / w", "mean"),
    ("variance", "", "|SS / w - mean²|", "variance"),
)
_TWO: Final = (
    ("radius", "", "√(variance_out² + variance_in²)", "spread both ways"),
    ("magnitude", "", "√(mean_out² + mean_in²)", "size both ways"),
    ("covariance", "", "sum of residual products / weight", "size both ways together"),
    ("correlation", "", "covariance / (deviation_out · deviation_in)", "agreement both ways"),
)
_FAMILIES: Final = (
    ("source", _ONE, "of the source, in doublings of bytes sent"),
    ("pair", _ONE + _TWO, "of the pair of addresses, in doublings of bytes"),
    ("gap", _ONE, "of the pair's pauses, in doublings of milliseconds"),
    ("service", _ONE + _TWO, "of the pair at this service, in doublings of bytes"),
)


def _told(family: str, name: str, words: str, of: str) -> str:
    """Say what a statistic is of; a weight counts and has no unit."""
    if name != "weight":
        return f"{words} {of}"
    return "pauses of the pair" if family == "gap" else f"{words} {of.partition(',')[0]}"


FEATURES: Final = tuple(
    Feature(
        f"{family}_{name}_{speed:g}",
        unit,
        f"{formula} at speed {speed:g}/s",
        f"{_told(family, name, words, of)}, halved every {1 / speed:.3g} s",
    )
    for family, statistics, of in _FAMILIES
    for speed in SPEEDS
    for name, unit, formula, words in statistics
)
"""A hundred features, in the order of the columns."""

COLUMNS: Final = (
    "ts_end",
    "src_ip",
    "dst_ip",
    "ip_proto",
    "port",
    "bytes_out",
    "bytes_in",
)
"""Columns of derived flows that are read."""

DEFAULT_KEYS: Final = 32_768


class DampedStatistics:
    """Turn flows into rows of statistics that fade, in bounded memory.

    A row holds 100 numbers at the speeds 5, 3, 1, 0.1 and 0.01 a second: three of the flow's source, seven of
    its pair of addresses, three of the pair's pauses, seven of its pair at this service. Sizes are
    ``log2(1 + bytes)`` and pauses ``log2(1 + milliseconds)``: flows span eight orders of magnitude, and the
    squares of bytes would be those of the largest flow. The two directions of a pair are streams of their
    own, fed by the bytes that each end sent in the flow. Flows come by ``ts_end``; an earlier one fades
    nothing. Each family remembers ``n_keys`` keys; the one that was silent longest of eight makes room.

    Parameters
    ----------
    n_keys
        Keys a family remembers, a multiple of 8 that is a power of two, in [8, 2^24]; 2^15 keys take 34
        megabytes when all are in use.

    References
    ----------
    Mirsky, Doitshman, Elovici, Shabtai, "Kitsune: An ensemble of autoencoders for online network intrusion
    detection", NDSS 2018, doi:10.14722/ndss.2018.23204: AfterImage. We depart from it in taking flows in
    place of packets, sizes as logarithms, the service in place of the two ports (a client's port is new in
    each flow), the source's address without its MAC, and in bounding the memory.

    Examples
    --------
    >>> DampedStatistics().names[:3]
    ('source_weight_5', 'source_mean_5', 'source_variance_5')
    """

    def __init__(self, *, n_keys: int = DEFAULT_KEYS) -> None:
        if not WAYS <= n_keys <= 2**24 or n_keys & (n_keys - 1):
            message = (
                f"n_keys must be a power of two in [{WAYS}, {2**24}], got {n_keys}; "
                f"{DEFAULT_KEYS} is the default"
            )
            raise UsageError(message)
        self.n_keys = n_keys
        self.keys_ = np.zeros((N_FAMILIES, n_keys), np.uint64)
        self.times_ = np.zeros((N_FAMILIES, n_keys), np.int64)
        sources, pairs, services = (np.zeros((n_keys, width)) for width in WIDTHS)
        self.values_ = (sources, pairs, services)
        self.counts_ = np.zeros(2, np.int64)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the columns."""
        return tuple(feature.name for feature in FEATURES)

    @property
    def n_flows(self) -> int:
        """Flows seen."""
        return int(self.counts_[0])

    @property
    def n_forgotten(self) -> int:
        """Keys that made room for others; many mean that ``n_keys`` is too small for the network."""
        return int(self.counts_[1])

    def update(self, flows: pl.DataFrame) -> Floats:
        """Take flows in event-time order; give a row for each, shape ``(n, 100)``.

        Any cut of the flows into batches gives the same bits.

        Parameters
        ----------
        flows
            Derived flows, by ``ts_end``.

        Raises
        ------
        DataError
            When a column is missing.
        """
        missing = [name for name in COLUMNS if name not in flows.columns]
        if missing:
            message = (
                f"damped statistics need the columns {', '.join(COLUMNS)}, {', '.join(missing)} is "
                f"not there; give derived flows"
            )
            raise DataError(message)
        rows = np.empty((flows.height, WIDTH))
        if flows.is_empty():
            return rows
        ends = np.column_stack([_numbers(flows[name]) for name in ("src_ip", "dst_ip")])
        service = flows.select(
            pl.col("ip_proto").fill_null(255).cast(pl.UInt64) * 2**32
            + (pl.col("port") + 1).cast(pl.UInt64)
        ).to_series()
        sizes = flows.select(
            pl.col(name).fill_null(0).cast(pl.Float64) for name in ("bytes_out", "bytes_in")
        )
        update_rows(
            np.column_stack([ends, service.to_numpy()]),
            flows["ts_end"].cast(pl.Int64).to_numpy(),
            np.log2(1.0 + sizes.to_numpy()),
            (self.keys_, self.times_, self.counts_),
            self.values_,
            rows,
        )
        return rows

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the state as arrays: the keys in use, when they were seen, and their numbers."""
        arrays: dict[str, NDArray[Any]] = {
            "n_keys": np.array(self.n_keys, np.int64),
            "counts": self.counts_.copy(),
        }
        for family, values in enumerate(self.values_):
            used = np.flatnonzero(self.keys_[family])
            arrays[f"places_{family}"] = used
            arrays[f"keys_{family}"] = self.keys_[family, used]
            arrays[f"times_{family}"] = self.times_[family, used]
            arrays[f"values_{family}"] = values[used]
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Go on, bit for bit, where ``to_arrays`` was called.

        Parameters
        ----------
        arrays
            The state; checked before use.

        Raises
        ------
        ModelError
            When an array is missing or holds what no flows could have left.
        """
        try:
            made = cls(n_keys=int(arrays["n_keys"]))
            made.counts_[:] = _sound(arrays["counts"], "iu", (2,))
            for family, width in enumerate(WIDTHS):
                places = _sound(arrays[f"places_{family}"], "iu", (-1,))
                n = len(places)
                if n and not (places.min() >= 0 and places.max() < made.n_keys):
                    message = f"places_{family} must lie in [0, {made.n_keys}); learn again"
                    raise ModelError(message)
                made.keys_[family, places] = _sound(arrays[f"keys_{family}"], "iu", (n,))
                made.times_[family, places] = _sound(arrays[f"times_{family}"], "iu", (n,))
                made.values_[family][places] = _sound(arrays[f"values_{family}"], "f", (n, width))
        except (KeyError, TypeError, ValueError) as error:
            message = f"saved damped statistics must be whole: {error}; start them anew"
            raise ModelError(message) from error
        return made


def _sound(array: NDArray[Any], kinds: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Give an array back when it has the kind and shape that it must have."""
    found = np.asarray(array)
    fits = len(found.shape) == len(shape) and all(
        want in (-1, have) for want, have in zip(shape, found.shape, strict=True)
    )
    if not fits or found.dtype.kind not in kinds or not np.isfinite(found).all():
        message = f"saved damped statistics hold {found.dtype} {found.shape}, must be {shape}"
        raise ModelError(message)
    return found


def _numbers(addresses: pl.Series) -> NDArray[np.uint64]:
    """Give each address a number that is the same on every machine and in every process."""
    distinct = addresses.unique().cast(pl.String)
    digests = [
        int.from_bytes(hashlib.blake2b((text or "").encode(), digest_size=8).digest(), "little")
        for text in distinct
    ]
    table = pl.DataFrame({"text": distinct, "number": pl.Series(digests, dtype=pl.UInt64)})
    joined = pl.DataFrame({"text": addresses.cast(pl.String)}).join(
        table, on="text", how="left", maintain_order="left", nulls_equal=True
    )
    return joined["number"].to_numpy()
