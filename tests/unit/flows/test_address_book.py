"""Addresses as text: the same as the standard library's, however often their cards change hands."""

from __future__ import annotations

import ipaddress

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.flows.meter import text as texts
from eddyline.flows.meter.arrow import LentText
from eddyline.flows.meter.text import AddressBook

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

ADDRESSES = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    st.sampled_from([ipaddress.ip_address(f"10.0.0.{part}") for part in range(4)]),
    st.sampled_from([ipaddress.ip_address(f"::a00:{part}") for part in range(4)]),
)


def words(sides: list[tuple[Address, ...]]) -> np.ndarray:
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


def pairs(addresses: list[Address]) -> list[tuple[Address, ...]]:
    """Sources and destinations, both of one version."""
    sources = sorted(addresses, key=lambda address: address.version)
    fours = sum(address.version == 4 for address in sources)
    return [tuple(sources), tuple(sources[:fours][::-1] + sources[fours:][::-1])]


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

            for text, address in zip(written, (a for side in sides for a in side), strict=True):
                assert ipaddress.ip_address(text) == address
                assert (address.version == 6 and address.ipv4_mapped) or text == str(address)


def counted_writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give a book 64 cards, and the list into which it notes how many addresses it writes."""
    monkeypatch.setattr(texts, "CARDS", 64)
    written: list[int] = []
    column = LentText.column

    def counted(self: LentText, count: int) -> pl.Series:
        written.append(count)
        return column(self, count)

    monkeypatch.setattr(LentText, "column", counted)
    return written


def test_an_address_that_is_met_again_stays_while_others_pass(monkeypatch):
    """4,096 strangers on 64 cards rarely drive out a server that every flow names."""
    written = counted_writes(monkeypatch)
    book, server = AddressBook(), ipaddress.ip_address("10.0.0.1")
    strangers = [ipaddress.ip_address(0x08000000 + 7 * n) for n in range(4096)]

    for start in range(0, len(strangers), 8):
        some = tuple(strangers[start : start + 8])
        high, low = words([some, (server,) * len(some)])
        book.texts(high, low, np.full(len(some), 4, dtype=np.uint8))

    assert sum(written) < 4096 + 20


def test_an_address_named_a_few_times_in_a_row_is_written_once(monkeypatch):
    """A passing scanner that tries three ports of each host does not fight with servers for cards."""
    written = counted_writes(monkeypatch)
    book = AddressBook()
    hosts = [ipaddress.ip_address(0x08000000 + 7 * n) for n in range(1024)]

    for start in range(0, len(hosts), 4):
        some = tuple(host for host in hosts[start : start + 4] for _ in range(3))
        high, low = words([some, some])
        book.texts(high, low, np.full(len(some), 4, dtype=np.uint8))

    assert sum(written) < 1.1 * len(hosts)


@pytest.mark.parametrize("when", ["column", "learn"])
def test_an_interrupt_leaves_no_card_without_a_code(monkeypatch, when):
    """What was looked up and not learned is written again, not taken for another address."""
    book = AddressBook()
    first = tuple(ipaddress.ip_address(f"10.0.0.{n}") for n in range(1, 9))
    high, low = words([first, first])
    with monkeypatch.context() as patch:

        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(
            *((LentText, "column") if when == "column" else (texts, "learn")), interrupted
        )
        with pytest.raises(KeyboardInterrupt):
            book.texts(high, low, np.full(8, 4, dtype=np.uint8))
    again = (ipaddress.ip_address("10.0.0.9"), *first[::-1][:7])

    high, low = words([again, first])
    found = book.texts(high, low, np.full(8, 4, dtype=np.uint8))

    assert found.to_list() == [str(address) for address in (*again, *first)]
