"""What the header of a Zeek log says: separator, marks and column names, and the names that count.

What belongs here: lines that start with ``#``, headers without it, and Zeek's column names. What does
not: rows (``zeek.py``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from eddyline.errors import InputError
from eddyline.flows.text import neutral_text

SIGNATURE: Final = frozenset({"id.orig_h", "id.resp_h", "proto"})
CONN_ONLY: Final = frozenset({"conn_state", "orig_bytes", "orig_pkts", "orig_ip_bytes"})
LABELS: Final = {
    "label": "label",
    "detailedlabel": "label_detail",
    "detailed-label": "label_detail",
    "detailed_label": "label_detail",
}
COUNTS: Final = {
    "payload_out": "orig_bytes",
    "payload_in": "resp_bytes",
    "missed_bytes": "missed_bytes",
    "pkts_out": "orig_pkts",
    "bytes_out": "orig_ip_bytes",
    "pkts_in": "resp_pkts",
    "bytes_in": "resp_ip_bytes",
}
USED: Final = (
    "ts",
    "uid",
    "id.orig_h",
    "id.orig_p",
    "id.resp_h",
    "id.resp_p",
    "proto",
    "service",
    "duration",
    "conn_state",
    "history",
    "local_orig",
    "local_resp",
    "tunnel_parents",
    "vlan",
    "inner_vlan",
    "community_id",
    "ip_proto",
    *COUNTS.values(),
)
"""Columns of a connection log that become columns of the record."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the lines that start with ``#`` say about the rows behind them.

    Parameters
    ----------
    separator
        One byte between fields.
    set_separator
        Text between the members of a set.
    unset, empty
        Marks of a missing value and of an empty one.
    names
        Column names, in order.
    tail
        Names that hide inside the last column, three spaces apart, as IoT-23 writes its labels.
    """

    separator: bytes = b"\t"
    set_separator: str = ","
    unset: str = "-"
    empty: str = "(empty)"
    names: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()


def _unescape(text: str) -> str:
    r"""Turn ``\x09`` into the character it stands for."""
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)


def with_line(header: Header, line: bytes) -> Header:
    """Give the header as changed by one ``#`` line.

    Parameters
    ----------
    header
        The one so far.
    line
        With its ``#``.

    Raises
    ------
    InputError
        When the separator is not one byte.
    """
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    key, _, rest = text.partition(" ")
    if key == "#separator":
        separator = _unescape(rest.strip() or "\\x09").encode("latin-1", "replace")
        if len(separator) != 1 or separator in b'\n\r"':
            message = (
                f"#separator must be one byte, got {neutral_text(rest, longest=20)!r}; "
                "write the log with a separator such as \\x09"
            )
            raise InputError(message)
        return Header(separator)
    mark = header.separator.decode("latin-1")
    key, _, rest = text.partition(mark)
    old = (header.separator, header.set_separator, header.unset, header.empty)
    if key == "#set_separator":
        return Header(old[0], _unescape(rest) or ",", old[2], old[3], header.names, header.tail)
    if key == "#unset_field":
        return Header(*old[:2], _unescape(rest), old[3], header.names, header.tail)
    if key == "#empty_field":
        return Header(*old[:3], _unescape(rest), header.names, header.tail)
    if key == "#fields":
        return Header(*old, *_split_tail(rest.split(mark)))
    return header


def _split_tail(names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take names out of the last one when spaces join them: ``tunnel_parents   label   detailed-label``."""
    last = re.split(r" {2,}", names[-1].strip())
    return (*names[:-1], last[0]), tuple(last[1:])


def bare_header(line: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Read a header without ``#``, as tables made from conn.log have it: the separator and the names.

    Parameters
    ----------
    line
        First line of the log.
    """
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    for mark in ("\t", "|", ",", ";"):
        names = tuple(text.split(mark))
        if set(names) >= SIGNATURE:
            return mark.encode(), names
    return b"\t", ()


def is_conn(names: tuple[str, ...]) -> bool:
    """Tell whether some column names are those of a connection log.

    Parameters
    ----------
    names
        In any order.
    """
    return set(names) >= SIGNATURE and not CONN_ONLY.isdisjoint(names)
