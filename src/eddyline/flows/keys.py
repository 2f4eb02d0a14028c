"""Keys over flows: the Community ID, which many tools share.

What belongs here: identifiers that are worked out from the fields of one flow. What does not: keys that
need several flows (features).
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from typing import Final

import polars as pl

from eddyline.errors import UsageError
from eddyline.flows.addresses import pack

_ICMP: Final = 1
_ICMP6: Final = 58
_PORTED: Final = frozenset({6, 17, 132})
_TWO_WAY: Final[dict[int, dict[int, int]]] = {
    _ICMP: {8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 10: 9, 9: 10, 17: 18, 18: 17},
    _ICMP6: {
        128: 129,
        129: 128,
        133: 134,
        134: 133,
        135: 136,
        136: 135,
        130: 131,
        131: 130,
        139: 140,
        140: 139,
        144: 145,
        145: 144,
    },
}
"""ICMP types that ask, with those that answer, both ways round."""


def community_id(
    ip_proto: int,
    src_ip: str,
    dst_ip: str,
    src_port: int | None = None,
    dst_port: int | None = None,
    *,
    seed: int = 0,
) -> str | None:
    """Give the Community ID v1 of a flow: the same for both of its directions.

    Source: the Community ID specification, https://github.com/corelight/community-id-spec.

    Parameters
    ----------
    ip_proto
        IANA protocol number, 0 to 255.
    src_ip, dst_ip
        Addresses as text, both of one version.
    src_port, dst_port
        Ports of TCP, UDP and SCTP; of ICMP and ICMPv6 type and code. Other protocols have none.
    seed
        0 to 65,535; the same in all tools that are to agree.

    Returns
    -------
    str or None
        None when an address is not one, the versions differ, or a port is missing.

    Raises
    ------
    UsageError
        When the seed does not fit.

    Examples
    --------
    >>> community_id(6, "128.232.110.120", "66.35.250.204", 34855, 80)
    '1:LQU9qZlK+B5F3KDmev6m5PMibrg='
    """
    if not 0 <= seed <= 0xFFFF:
        message = (
            f"seed must be 0 to 65535, got {seed}; use the one of your other tools, usually 0"
        )
        raise UsageError(message)
    ports = _ports(ip_proto, src_port, dst_port)
    return _hashed(seed.to_bytes(2, "big"), ip_proto, pack(src_ip), pack(dst_ip), ports)


def _seed_bytes(seed: int) -> bytes:
    """Give the two bytes of a seed.

    Raises
    ------
    UsageError
        When it does not fit.
    """
    if not 0 <= seed <= 0xFFFF:
        message = (
            f"seed must be 0 to 65535, got {seed}; use the one of your other tools, usually 0"
        )
        raise UsageError(message)
    return seed.to_bytes(2, "big")


def _hashed(
    seed: bytes,
    ip_proto: int,
    source: bytes | None,
    target: bytes | None,
    ports: tuple[bytes, bytes, bool] | None,
) -> str | None:
    """Put the parts in order and hash them."""
    if source is None or target is None or ports is None or len(source) != len(target):
        return None
    out, back, one_way = ports
    if not one_way and (target, back) < (source, out):
        source, target, out, back = target, source, back, out
    text = b"".join((seed, source, target, bytes((ip_proto, 0)), out, back))
    digest = hashlib.sha1(text, usedforsecurity=False).digest()
    return "1:" + b2a_base64(digest, newline=False).decode("ascii")


def _ports(
    ip_proto: int, src_port: int | None, dst_port: int | None
) -> tuple[bytes, bytes, bool] | None:
    """Give the bytes that stand for ports, and whether the flow has only one direction."""
    answer = None if src_port is None else _TWO_WAY.get(ip_proto, {}).get(src_port)
    counterpart = dst_port if answer is None else answer
    if ip_proto not in _PORTED and ip_proto not in _TWO_WAY:
        return b"", b"", False
    if src_port is None or counterpart is None:
        return None
    one_way = ip_proto in _TWO_WAY and answer is None
    return src_port.to_bytes(2, "big"), counterpart.to_bytes(2, "big"), one_way


def community_ids(frame: pl.DataFrame, *, seed: int = 0) -> pl.Series:
    """Give the Community ID v1 of many flows; each distinct 5-tuple is worked out once.

    Parameters
    ----------
    frame
        Columns of the flow record: addresses, ports, ``ip_proto``, ``icmp_type``, ``icmp_code``.
    seed
        See ``community_id``.

    Returns
    -------
    polars.Series
        ``community_id``, as many as rows; null where the protocol or the addresses have none.
    """
    tuples = frame.select(
        "ip_proto",
        pl.col("src_ip").cast(pl.String),
        pl.col("dst_ip").cast(pl.String),
        pl.coalesce("src_port", pl.col("icmp_type").cast(pl.UInt16)).alias("out"),
        pl.coalesce("dst_port", pl.col("icmp_code").cast(pl.UInt16)).alias("back"),
    )
    distinct = tuples.unique(maintain_order=True)
    texts = pl.concat([distinct["src_ip"], distinct["dst_ip"]]).unique().drop_nulls().to_list()
    packed: dict[str | None, bytes | None] = {text: pack(text) for text in texts}
    packed[None] = None
    start = _seed_bytes(seed)
    ids = [
        None
        if proto is None
        else _hashed(start, proto, packed[src], packed[dst], _ports(proto, out, back))
        for proto, src, dst, out, back in distinct.iter_rows()
    ]
    known = distinct.with_columns(pl.Series("community_id", ids, dtype=pl.String))
    joined = tuples.join(
        known, on=tuples.columns, how="left", nulls_equal=True, maintain_order="left"
    )
    return joined["community_id"]
