"""Rows in the exact schema of the NAD 2021 files, made from nothing but a seed.

What belongs here: text that a reader of those files must take. What does not: any quality: the rows resemble
no network, no figure measured on them means anything, and none is derived from the licence-bound files.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal

import numpy as np

from eddyline.errors import UsageError
from eddyline.read.nad import COLUMNS

Spelling = Literal["spaces", "underscores"]

START: Final = datetime(2020, 12, 3, tzinfo=UTC)
"""Midnight of the first generated day."""

_APPS: Final = ("http", "https", "domain", "others", "ssh", "snmp", "smtp", "ssdp", "irc", "rtsp")
_KINDS: Final = (
    ("Normal", 0.9),
    ("Probing-IP sweep", 0.05),
    ("Probing-Port sweep", 0.03),
    ("DDOS-smurf", 0.015),
    ("Probing-Nmap", 0.005),
)
_SECOND_SPELLING: Final = {
    "DDOS-smurf": "DOS-smurf",
    "Probing-IP sweep": "Probing-Ipsweep",
}


def nad_csv(
    n_rows: int,
    *,
    seed: int = 0,
    day: int = 0,
    labels: bool = True,
    spelling: Spelling = "spaces",
    missing: float = 0.0,
) -> Iterator[str]:
    """Give the lines of a day, header first, each with its newline.

    Parameters
    ----------
    n_rows
        Rows, ``>= 0``; spread over 24 hours.
    seed
        Of everything.
    day
        Days after ``START``.
    labels
        False for a test file, which has no labels.
    spelling
        Of the byte columns and of two labels.
    missing
        Part of the byte cells that are empty or NaN, in ``[0, 1]``.

    Raises
    ------
    UsageError
        When an argument is out of its range.

    Examples
    --------
    >>> lines = list(nad_csv(2))
    >>> lines[0][:20], len(lines)
    ('time,src,dst,spt,dpt', 3)
    """
    if n_rows < 0 or not 0 <= missing <= 1:
        message = (
            f"n_rows must be >= 0 and missing in [0, 1], got {n_rows} and {missing}; use 0.01"
        )
        raise UsageError(message)
    names = [name for name in COLUMNS if labels or name != "label"]
    if spelling == "spaces":
        names = [{"out_bytes": "out (bytes)", "in_bytes": "in (bytes)"}.get(n, n) for n in names]
    yield ",".join(names) + "\n"
    rng = np.random.default_rng([seed, day])
    seconds = np.sort(rng.integers(0, 86_400, n_rows))
    for at in range(0, n_rows, 10_000):
        yield from _lines(seconds[at : at + 10_000], day, rng, labels, spelling, missing)


def _lines(
    seconds: np.ndarray[tuple[int], np.dtype[np.int64]],
    day: int,
    rng: np.random.Generator,
    labels: bool,
    spelling: Spelling,
    missing: float,
) -> Iterator[str]:
    """Give some rows."""
    n = len(seconds)
    kinds = rng.choice(len(_KINDS), n, p=[share for _, share in _KINDS])
    hosts = rng.integers(1, 255, (n, 3))
    ports = rng.integers(0, 65_536, (n, 2))
    sizes = rng.geometric(1e-3, (n, 2)) * rng.integers(0, 2, (n, 2))
    counters = rng.poisson(3.0, (n, 12))
    holes = rng.random((n, 2)) < missing
    start = int(START.timestamp()) + 86_400 * day
    for i in range(n):
        kind = _KINDS[int(kinds[i])][0]
        time = datetime.fromtimestamp(start + int(seconds[i]), tz=UTC)
        dst = 255 if kind == "DDOS-smurf" else int(hosts[i, 2])
        proto = 1 if kind == "DDOS-smurf" else int(rng.choice([6, 17, 1, 2]))
        spt, dpt = (int(ports[i, 0]), int(ports[i, 1])) if proto in (6, 17) else (0, 0)
        app = {1: "icmp", 2: "igmp"}.get(proto) or _APPS[int(rng.integers(len(_APPS)))]
        cells = [
            time.strftime("%Y-%m-%d %H:%M:%S"),
            f"10.0.{hosts[i, 0] % 8}.{hosts[i, 1]}",
            f"172.16.{hosts[i, 0] % 4}.{dst}",
            str(spt),
            str(dpt),
            str(int(rng.integers(0, 90))),
            *(("", "NaN")[i % 2] if holes[i, k] else str(sizes[i, k]) for k in range(2)),
            str(proto),
            app,
            *map(str, counters[i].tolist()),
        ]
        if labels:
            cells.append(_SECOND_SPELLING.get(kind, kind) if spelling == "underscores" else kind)
        yield ",".join(cells) + "\n"
