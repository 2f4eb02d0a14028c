"""Addresses as text: the same as the standard library's, however often their cards change hands."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.flows.meter import text as texts
from eddyline.flows.meter.text import AddressBook

ADDRESSES = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    st.sampled_from([ipaddress.ip_address(f"10.0.0.{part}") for part in range(4)]),
    st.sampled_from([ipaddress.ip_address(f"::a00:{part}") for part in range(4)]),
)


def words(sides: list[tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]]) -> np.ndarray:
    """High and low words of both sides, as the meter keeps them, shape (2, 2, n)."""
    numbers = [[int(address) for address in side] for side in sides]
    found = np.array(
        [
            [[n >> 64 for n in side] for side in numbers],
            [[n % 2**64 for n in side] for side in numbers],
        ],
        dtype=np.uint64,
    )
    return found.view(np.int64)


def pairs(addresses: list) -> list[tuple]:
    """Sources and destinations, both of one version."""
    fours = [a for a in addresses if a.version == 4]
    sixes = [a for a in addresses if a.version == 6]
    sources = fours + sixes
    return [tuple(sources), tuple(fours[::-1] + sixes[::-1])]


@given(st.lists(st.lists(ADDRESSES, min_size=1, max_size=40), min_size=1, max_size=6))
@settings(deadline=None)
def test_addresses_are_those_of_the_standard_library(batches):
    """A book of four cards, eight at a time: most cards are fought for, by both versions."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "CARDS", 4)
        patch.setattr(texts, "AT_ONCE", 8)
        book = AddressBook()
        for addresses in batches:
            sides = pairs(addresses)
            high, low = words(sides)
            version = np.array([a.version for a in sides[0]], dtype=np.uint8)

            written = book.texts(high, low, version)

            assert written.to_list() == [str(a) for side in sides for a in side]


def test_an_address_that_is_met_again_stays_while_others_pass(monkeypatch):
    """4,096 strangers on 64 cards rarely drive out a server that every flow names."""
    monkeypatch.setattr(texts, "CARDS", 64)
    written: list[int] = []
    column = texts.LentText.column
    monkeypatch.setattr(
        texts.LentText,
        "column",
        lambda self, count: (written.append(count), column(self, count))[1],
    )
    book, server = AddressBook(), ipaddress.ip_address("10.0.0.1")
    strangers = [ipaddress.ip_address(0x08000000 + 7 * n) for n in range(4096)]

    for start in range(0, len(strangers), 8):
        some = tuple(strangers[start : start + 8])
        high, low = words([some, (server,) * len(some)])
        book.texts(high, low, np.full(len(some), 4, dtype=np.uint8))

    assert sum(written) < 4096 + 20
