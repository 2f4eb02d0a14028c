"""The words of a flow: how one flow becomes one token of a sentence, several ways.

What belongs here: token sets, each a text of one flow's own columns. What does not: which flows make a
sentence (``sentences.py``) and vocabularies, which detectors learn.

One token set is one model; the sets are never mixed. Sources: Radford et al., Network Traffic Anomaly
Detection Using Recurrent Neural Networks, 2018 (arXiv:1803.10769) for ``proto-bytes`` and ``service-port``;
Clausen, Grov, Aspinall, CBAM: A Contextual Model for Network Anomaly Detection, 2021
(doi:10.3390/computers10060079) for state and size. Departures: whole numbers are compared, not the text of
ports, nor binary logarithms in floating point, and protocols keep their whole name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from eddyline.errors import UsageError

OTHER_PORT: Final = 10_000
"""Ports from here on are one token: they are handed out, not services."""


def exponent(total: pl.Expr) -> pl.Expr:
    """Give ``floor(log2(total + 1))`` in whole numbers.

    Parameters
    ----------
    total
        Bytes, ``>= 0``; null counts as 0.
    """
    return _top_bit(total.fill_null(0).cast(pl.UInt64) + 1)


def paper_exponent(total: pl.Expr) -> pl.Expr:
    """Give ``floor(log2(total))`` as the paper of 2018 prints it; its code adds one first. 0 gives 0.

    Parameters
    ----------
    total
        Bytes, ``>= 0``; null counts as 0.
    """
    return _top_bit(total.fill_null(0).cast(pl.UInt64).clip(1))


def service_port() -> pl.Expr:
    """Give the lower of the two ports, each no higher than ``OTHER_PORT``; without ports 0."""
    ports = [
        pl.col(name).cast(pl.Int32).fill_null(0).clip(0, OTHER_PORT)
        for name in ("src_port", "dst_port")
    ]
    return pl.min_horizontal(ports)


def proto_bytes(*, first_letter: bool = False, paper_form: bool = False) -> pl.Expr:
    """Give ``TCP:10``: the protocol and the exponent of the bytes both ways.

    Parameters
    ----------
    first_letter
        True to keep the protocol's first letter only, as the authors' code does; ICMP and IGMP are one then.
    paper_form
        True for the exponent as printed, without the one that the code adds.
    """
    proto = pl.col("proto").cast(pl.String).str.to_uppercase()
    shown = proto.str.slice(0, 1) if first_letter else proto
    size = paper_exponent(_total()) if paper_form else exponent(_total())
    return pl.format("{}:{}", shown, size)


def service_bytes() -> pl.Expr:
    """Give ``tcp/443:10``: protocol, the lower port and the exponent of the bytes both ways."""
    return pl.format("{}/{}:{}", _proto(), service_port(), exponent(_total()))


def state_size() -> pl.Expr:
    """Give ``tcp/443>:10``: protocol, lower port, who asked whom, and the exponent of the bytes.

    ``>`` is a flow from the group's first address to its second, in the order of their bytes; it needs the
    column ``forward``.
    """
    way = pl.when("forward").then(pl.lit(">")).otherwise(pl.lit("<"))
    return pl.format("{}/{}{}:{}", _proto(), service_port(), way, exponent(_total()))


def service_gap() -> pl.Expr:
    """Give ``tcp/443~31``: protocol, lower port and how long ago the flow before it in the group began.

    The gap is told in fifths of a factor of two of a second, so that a beat stays in one or two tokens while
    what people do spreads over many; the first flow of a group has ``^``. Needs the column ``gap_us``.
    """
    step = (5.0 * (pl.col("gap_us") / 1e6 + 1.0).log(2.0)).floor().cast(pl.Int32)
    gap = pl.when(pl.col("gap_us").is_null()).then(pl.lit("^")).otherwise(step.cast(pl.String))
    return pl.format("{}/{}~{}", _proto(), service_port(), gap)


def _port_token() -> pl.Expr:
    return pl.format("port:{}", service_port())


TOKEN_SETS: Final[dict[str, Callable[[], pl.Expr]]] = {
    "proto-bytes": proto_bytes,
    "service-port": _port_token,
    "service-bytes": service_bytes,
    "state-size": state_size,
    "service-gap": service_gap,
}
"""Token sets by name; the first two are those of the paper."""


def token_set(name: str) -> pl.Expr:
    """Give the token set of a name.

    Parameters
    ----------
    name
        One of ``TOKEN_SETS``.

    Raises
    ------
    UsageError
        When there is no such set.
    """
    if name not in TOKEN_SETS:
        message = (
            f"a token set must be one of {', '.join(TOKEN_SETS)}, got {name!r}; check the spelling"
        )
        raise UsageError(message)
    return TOKEN_SETS[name]()


def _total() -> pl.Expr:
    return pl.col("bytes_out").fill_null(0) + pl.col("bytes_in").fill_null(0)


def _proto() -> pl.Expr:
    return pl.col("proto").cast(pl.String).str.to_lowercase()


def _top_bit(number: pl.Expr) -> pl.Expr:
    """Give the place of the highest bit; floating point errs at powers of two."""
    return 63 - number.bitwise_leading_zeros().cast(pl.Int32)
