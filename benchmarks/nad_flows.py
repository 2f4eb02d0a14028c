"""Generated flows for the feature benchmark: sessions, servers, name look-ups, sweeps, port scans, a flood.

Made from a seed alone; the mix only has to keep every counter and every segment busy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

PORTS = np.array([443, 80, 53, 22, 25, 123, 445, 3389, 8080, 5353])
APPS = np.array(
    ["https", "http", "domain", "ssh", "smtp", "others", "microsoft-ds", "others", "http", "ssdp"]
)
RATE = 100  # flows a second
START_US = 1_606_953_600_000_000


def texts(numbers: np.ndarray) -> pl.Series:
    """Write 32-bit numbers as addresses, each distinct one once."""
    distinct, inverse = np.unique(numbers, return_inverse=True)
    octets = [(distinct >> shift) & 255 for shift in (24, 16, 8, 0)]
    parts = pl.DataFrame({str(k): o for k, o in enumerate(octets)})
    written = parts.select(
        pl.format("{}.{}.{}.{}", *parts.columns).cast(pl.Categorical())
    ).to_series()
    return written[inverse]


def flows(n: int, seed: int = 0, start_us: int = START_US) -> pl.DataFrame:
    """Give n flows in order of time, with the columns that features need."""
    rng = np.random.default_rng(seed)
    t = start_us + np.sort(rng.integers(0, n * 1_000_000 // RATE, n))
    n_sessions = max(1, n // 12)
    begin = np.sort(rng.integers(0, n, n_sessions))
    client = 0x0A000000 + (rng.zipf(1.3, n_sessions) % 6_000).astype(np.int64)
    outside = rng.random(n_sessions) < 0.6
    server = np.where(
        outside,
        0x5DB80000 + rng.zipf(1.2, n_sessions) % 50_000,
        0x0A010000 + rng.integers(0, 300, n_sessions),
    )
    service = rng.choice(
        len(PORTS), n_sessions, p=[0.4, 0.15, 0.2, 0.03, 0.02, 0.05, 0.05, 0.02, 0.05, 0.03]
    )
    session = np.searchsorted(begin, np.arange(n), side="right") - 1 - rng.geometric(0.02, n)
    session = session % n_sessions
    src, dst, place = client[session], server[session].astype(np.int64), service[session]
    dpt, proto = PORTS[place].copy(), np.where(np.isin(place, (2, 5, 9)), 17, 6)
    app = APPS[place].astype(object)
    kind = (np.arange(n) // 400) % 60  # attacks last for 400 flows' time and take a third of them
    attack = rng.random(n) < 0.33
    run = np.arange(n) % 400
    sweep, scan, flood = (attack & (kind == k) for k in (7, 23, 41))
    for chosen in (sweep, scan, flood):
        src[chosen] = 0x0A020000 + kind[chosen]
    dst[sweep] = 0x0A010000 + run[sweep] % 256
    dpt[sweep], app[sweep] = 22, "ssh"
    dst[scan], dpt[scan], app[scan] = 0x0A010005, 1 + run[scan], "others"
    dst[flood], dpt[flood], proto[flood], app[flood] = 0x0A0100FF, 0, 1, "icmp"
    spt = rng.integers(1024, 65_536, n)
    spt[flood] = 0
    return pl.DataFrame(
        {
            "ts": t,
            "ts_end": t,
            "src_ip": texts(src),
            "dst_ip": texts(dst),
            "src_port": spt.astype(np.uint16),
            "dst_port": dpt.astype(np.uint16),
            "ip_proto": proto.astype(np.uint8),
            "app": pl.Series(app.tolist()).cast(pl.Categorical()),
            "bytes_out": (rng.geometric(1e-3, n) * (rng.random(n) < 0.95)).astype(np.uint64),
            "bytes_in": (rng.geometric(1e-4, n) * (rng.random(n) < 0.8)).astype(np.uint64),
            "duration_s": np.round(rng.exponential(3.0, n) * (rng.random(n) < 0.7), 3),
        }
    )


def parts(n: int, size: int, seed: int = 0) -> Iterator[pl.DataFrame]:
    """Give n flows in parts that follow each other in time, none of them kept."""
    for number in range(0, n, size):
        few = min(size, n - number)
        yield flows(few, seed + number, START_US + number * 1_000_000 // RATE)
