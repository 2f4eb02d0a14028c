"""Flows as the arrays that the NAD features count with; each distinct address and application is read once.

What belongs here: from columns of the flow record to plain arrays. What does not: any feature.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import DataError
from eddyline.features.nad_names import APPS
from eddyline.features.window import Counters
from eddyline.flows.addresses import in_networks, networks, pack, pack_all
from eddyline.tables import Floats, Integers

NOT_GLOBAL: Final = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "240.0.0.0/4",
)
"""Blocks that are not global; fixed here, because library rules change between releases."""

PRIVATE: Final = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
"""RFC 1918."""

GLOBAL, LINK_LOCAL, UNSPECIFIED, INNER, BROADCAST, IS_V4, INSIDE = (1 << bit for bit in range(7))
"""Bits of an address's flags."""

TimeColumn = Literal["ts", "ts_end"]

_HASHED: Final = 1 << 62
_MOST_BYTES: Final = 1 << 62
_SAME_APP: Final = {
    "dns": "domain",
    "ssl": "https",
    "tls": "https",
    "dhcp": "bootps",
    "ftp-data": "ftp",
    "ike": "isakmp",
    "smb": "microsoft-ds",
}
_APP_OF_PORT: Final = {
    20: "ftp", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 49: "tacacs", 53: "domain",
    67: "bootps", 68: "bootpc", 69: "tftp", 79: "finger", 80: "http", 110: "pop3", 113: "auth",
    119: "nntp", 137: "netbios-ns", 138: "netbios-dgm", 139: "netbios-ssn", 161: "snmp",
    162: "snmp-trap", 179: "bgp", 194: "irc", 443: "https", 445: "microsoft-ds", 500: "isakmp",
    512: "rexec", 513: "rlogin", 514: "syslog", 554: "rtsp", 1521: "sql-net", 1720: "h323",
    1723: "pptp", 1900: "ssdp", 2049: "nfs", 5190: "aim", 6667: "irc", 7000: "vdolive", 7070: "real-audio",
}  # fmt: skip
_OTHERS: Final = APPS.index("others")


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """What the distinct addresses of some flows tell, m of them.

    Parameters
    ----------
    key
        A number that means the same address in every batch: the 32 bits of IPv4, a hash of others.
    net
        The same for its network: /24 of IPv4, /64 of IPv6, the address itself otherwise.
    v4
        The 32 bits of an IPv4 address, 0 of others.
    one_bits
        How many of them are one.
    flags
        Bits ``GLOBAL`` to ``INSIDE``.
    """

    key: Integers
    net: Integers
    v4: NDArray[np.uint32]
    one_bits: NDArray[np.uint8]
    flags: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class NadInput:
    """Flows as arrays, n of them, in order of time.

    Parameters
    ----------
    t_us
        Time of each flow, µs.
    src, dst
        Places of its addresses in ``facts``.
    spt, dpt
        Ports, 0 without.
    duration_s
        Duration, ``>= 0``.
    out_bytes, in_bytes
        Bytes each way, 0 when not counted.
    proto
        IANA number, −1 when not known.
    app
        Place in ``APPS``, −1 for another one.
    app_key
        A number that means the same application in every batch.
    facts
        The distinct addresses.
    counters
        Window counters that the source gives, in the order of ``COUNTERS``; None to compute them.
    """

    t_us: Integers
    src: NDArray[np.int32]
    dst: NDArray[np.int32]
    spt: NDArray[np.int32]
    dpt: NDArray[np.int32]
    duration_s: Floats
    out_bytes: Integers
    in_bytes: Integers
    proto: NDArray[np.int16]
    app: NDArray[np.int16]
    app_key: Integers
    facts: AddressFacts
    counters: Counters | None = None

    def __len__(self) -> int:
        return len(self.t_us)

    def take(self, rows: Any) -> NadInput:
        """Give some of the flows.

        Parameters
        ----------
        rows
            A slice, or row numbers.
        """
        parts: dict[str, Any] = {
            name: getattr(self, name)[rows]
            for name in self.__slots__
            if name not in ("facts", "counters")
        }
        counters = None if self.counters is None else self.counters[rows]
        return NadInput(**parts, facts=self.facts, counters=counters)

    def src_keys(self) -> Integers:
        """Give the key of each flow's source."""
        return self.facts.key[self.src]

    def dst_keys(self) -> Integers:
        """Give the key of each flow's destination."""
        return self.facts.key[self.dst]


def nad_input(
    frame: pl.DataFrame,
    *,
    counters: Counters | None = None,
    time: TimeColumn = "ts_end",
    inside: Sequence[str] | None = None,
    prefixes: Sequence[str] = (),
) -> NadInput:
    """Turn flows into arrays.

    Parameters
    ----------
    frame
        Flows with the columns of the record; ``app`` may be null: the port then tells it.
    counters
        Window counters that the source gives, shape ``(n, 12)``.
    time
        Column that orders flows and fills windows: ``ts_end`` as flows travel, ``ts`` as a file has them.
    inside
        Networks whose addresses count as partners; None for all addresses.
    prefixes
        Networks whose broadcast address is known; elsewhere one ends in .255.

    Raises
    ------
    DataError
        When counters and flows have different lengths.
    """
    if counters is not None and counters.shape != (frame.height, 12):
        message = (
            f"counters must have shape ({frame.height}, 12), got {counters.shape}; "
            "pass one row a flow, or None to compute them"
        )
        raise DataError(message)
    src, dst, texts = _address_codes(frame)
    ports = [_small(frame[name], 0, pl.Int32()) for name in ("src_port", "dst_port")]
    dpt, proto = ports[1].to_numpy(), _small(frame["ip_proto"], -1, pl.Int16()).to_numpy()
    app, app_key = _apps(frame["app"], proto, dpt)
    return NadInput(
        t_us=frame[time].to_numpy(),
        src=src,
        dst=dst,
        spt=ports[0].to_numpy(),
        dpt=dpt,
        duration_s=_durations(frame),
        out_bytes=_bytes(frame, "out"),
        in_bytes=_bytes(frame, "in"),
        proto=proto,
        app=app,
        app_key=app_key,
        facts=address_facts(texts, inside=inside, prefixes=prefixes),
        counters=None if counters is None else np.ascontiguousarray(counters, dtype=np.int32),
    )


def _small(values: pl.Series, missing: int, dtype: pl.DataType) -> pl.Series:
    """Give small whole numbers, one for those that are missing."""
    values = values.cast(dtype)
    return values.fill_null(missing) if values.null_count() else values


def _durations(frame: pl.DataFrame) -> Floats:
    """Give durations, from the ends where they are missing; what needs no repair is not copied."""
    spans = frame["duration_s"]
    if spans.null_count():
        spans = frame.select(
            pl.col("duration_s").fill_null((pl.col("ts_end") - pl.col("ts")) / 1e6)
        ).to_series()
    values: Floats = spans.cast(pl.Float64).to_numpy()
    # Not the other way round: what is not a number is not less than 0 either.
    if not (values >= 0.0).all():
        values = np.where(values > 0.0, values, 0.0)
    return values


def _bytes(frame: pl.DataFrame, way: str) -> Integers:
    """Give the bytes one way, or the payload where only that was counted."""
    given = [name for name in (f"bytes_{way}", f"payload_{way}") if name in frame.columns]
    if not given:
        return np.zeros(frame.height, dtype=np.int64)
    values = frame[given[0]]
    if values.null_count():
        values = frame.select(pl.coalesce([*given, pl.lit(0)])).to_series()
    if values.dtype == pl.UInt64 and (values.max() or 0) <= _MOST_BYTES:  # type: ignore[operator]
        return values.to_numpy().view(np.int64)
    return values.clip(0, _MOST_BYTES).cast(pl.Int64).to_numpy()


def _address_codes(
    frame: pl.DataFrame,
) -> tuple[NDArray[np.int32], NDArray[np.int32], pl.Series]:
    """Give the places of both addresses of each flow among the distinct ones, and their texts."""
    ends = [frame[name].cast(pl.Categorical()).to_physical() for name in ("src_ip", "dst_ip")]
    codes = _distinct(*(end.to_numpy() for end in ends))
    places = [_places(end, codes) for end in ends]
    return places[0], places[1], pl.Series(codes).cat.to(pl.Categorical()).cast(pl.String)


def address_facts(
    texts: pl.Series, *, inside: Sequence[str] | None = None, prefixes: Sequence[str] = ()
) -> AddressFacts:
    """Tell what each address is by itself.

    Parameters
    ----------
    texts
        Distinct addresses.
    inside
        Networks whose addresses count as partners; None for all.
    prefixes
        Networks whose broadcast address is known.
    """
    is_v4, v4 = _ipv4(texts)
    key, net = v4.astype(np.int64), (v4 >> np.uint32(8)).astype(np.int64)
    for place in np.flatnonzero(~is_v4).tolist():
        key[place], net[place] = _hashed(texts[place])
    flags = np.where(is_v4, IS_V4, 0).astype(np.uint8)
    flags[is_v4 & ~_within(v4, NOT_GLOBAL)] |= GLOBAL
    flags[is_v4 & _within(v4, ("169.254.0.0/16",))] |= LINK_LOCAL
    flags[is_v4 & (v4 == 0)] |= UNSPECIFIED
    flags[is_v4 & _within(v4, PRIVATE)] |= INNER
    flags[is_v4 & _broadcast(v4, prefixes)] |= BROADCAST
    if inside is None:
        flags |= np.uint8(INSIDE)
    else:
        flags[in_networks(pack_all(texts.to_list()), networks(inside))] |= INSIDE
    one_bits = np.unpackbits(v4.view(np.uint8).reshape(-1, 4), axis=1).sum(axis=1, dtype=np.uint8)
    return AddressFacts(key, net, v4, one_bits, flags)


def _ipv4(texts: pl.Series) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
    """Tell which texts are IPv4 addresses in their usual writing, and their bits."""
    parts = texts.alias("a").to_frame().select(pl.col("a").str.split_exact(".", 3).struct.unnest())
    octets = parts.select(pl.all().cast(pl.UInt8, strict=False).cast(pl.UInt32))
    a, b, c, d = (pl.col(name) for name in octets.columns)
    made = octets.select(
        (((a * 256 + b) * 256 + c) * 256 + d).alias("v4"),
        pl.format("{}.{}.{}.{}", a, b, c, d).alias("text"),
    )
    is_v4 = (made["text"] == texts).fill_null(value=False).to_numpy()
    return is_v4, np.where(is_v4, made["v4"].fill_null(0).to_numpy(), 0).astype(np.uint32)


def _hashed(text: str | None) -> tuple[int, int]:
    """Give numbers for an address that is not IPv4, and for its network."""
    packed = None if text is None else pack(text)
    whole = packed if packed is not None else (text or "").encode()
    return _number(whole), _number(
        whole[:8] if packed is not None and len(packed) == 16 else whole
    )


def _number(content: bytes) -> int:
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return _HASHED | (int.from_bytes(digest, "little") >> 2)


def _within(v4: NDArray[np.uint32], blocks: Sequence[str]) -> NDArray[np.bool_]:
    found = np.zeros(len(v4), dtype=np.bool_)
    for net in networks(blocks):
        found |= (v4 & np.uint32(int(net.netmask))) == np.uint32(int(net.network_address))
    return found


def _broadcast(v4: NDArray[np.uint32], prefixes: Sequence[str]) -> NDArray[np.bool_]:
    """Tell broadcast addresses: of the narrowest declared network, else ending in .255."""
    found: NDArray[np.bool_] = (v4 & np.uint32(0xFF)) == 0xFF
    declared = [net for net in networks(prefixes) if net.version == 4]
    for net in sorted(declared, key=lambda net: net.prefixlen):
        member = (v4 & np.uint32(int(net.netmask))) == np.uint32(int(net.network_address))
        found[member] = v4[member] == np.uint32(int(net.broadcast_address))
    return found


def _apps(
    apps: pl.Series, proto: NDArray[np.int16], dpt: NDArray[np.int32]
) -> tuple[NDArray[np.int16], Integers]:
    """Give each flow's application: its place in ``APPS`` or −1, and its number; null goes by the port."""
    apps = apps.cast(pl.Categorical())
    distinct = apps.drop_nulls().unique()
    texts = [str(text).strip().lower() for text in distinct.to_list()]
    place = {name: i for i, name in enumerate(APPS)}
    known = [place.get(_SAME_APP.get(text, text), -1) for text in texts]
    keys = [
        code if code >= 0 else _number(text.encode())
        for code, text in zip(known, texts, strict=True)
    ]
    by_port = np.full(65_536, _OTHERS, dtype=np.int16)
    by_port[list(_APP_OF_PORT)] = [place[name] for name in _APP_OF_PORT.values()]
    numbers = distinct.to_physical().to_numpy()
    at = _places(apps.to_physical().fill_null(int(numbers[0]) if len(numbers) else 0), numbers)
    code = np.array([*known, 0], dtype=np.int16)[at]
    key = np.array([*keys, 0], dtype=np.int64)[at]
    if not apps.null_count():
        return code, key
    missing = apps.is_null().to_numpy()
    ported = (proto == 6) | (proto == 17)
    guess = np.where(ported, by_port[dpt & 0xFFFF], _OTHERS)
    guess = np.where((proto == 1) | (proto == 58), place["icmp"], guess)
    guess = np.where(proto == 2, place["igmp"], guess).astype(np.int16)
    code = np.where(missing, guess, code).astype(np.int16)
    return code, np.where(missing, guess.astype(np.int64), key)


def _distinct(*columns: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Give the distinct codes of some columns in order; by a table unless codes are far apart."""
    most = max((int(codes.max(initial=0)) for codes in columns), default=0)
    if most > 4 * sum(len(codes) for codes in columns) + 1024:
        return np.unique(np.concatenate(columns))
    seen = np.zeros(most + 1, dtype=np.bool_)
    for codes in columns:
        seen[codes] = True
    return np.flatnonzero(seen).astype(np.uint32)


def _places(values: pl.Series, distinct: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Give the place of each value among the distinct ones; by a table unless codes are far apart."""
    codes = values.to_numpy()
    order = np.argsort(distinct)
    if not len(distinct):
        return np.zeros(len(codes), dtype=np.int32)
    if int(distinct[order[-1]]) > 4 * len(codes) + 1024:
        return order[np.searchsorted(distinct[order], codes)].astype(np.int32)
    table = np.zeros(int(distinct[order[-1]]) + 1, dtype=np.int32)
    table[distinct] = np.arange(len(distinct), dtype=np.int32)
    found: NDArray[np.int32] = table[codes]
    return found
