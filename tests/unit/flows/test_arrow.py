"""Text lent to Polars: what is read is what was written, and the memory can be used again."""

from __future__ import annotations

import gc
import threading

import numpy as np
import polars as pl
from hypothesis import given, strategies as st

from eddyline.flows.meter.arrow import LentText

ROOM = 64


def lend(lines: list[str]) -> tuple[LentText, np.ndarray, np.ndarray]:
    written = [line.encode() for line in lines]
    characters = np.zeros(ROOM * (len(lines) + 1), dtype=np.uint8)
    text = b"".join(written)
    characters[: len(text)] = np.frombuffer(text, dtype=np.uint8)
    offsets = np.zeros(len(lines) + 1, dtype=np.int64)
    np.cumsum([len(line) for line in written], out=offsets[1:])
    return LentText(characters, offsets), characters, offsets


@given(st.lists(st.text(max_size=12), max_size=20))
def test_the_column_says_what_was_written(lines: list[str]) -> None:
    lent, _, _ = lend(lines)
    assert lent.column(len(lines)).to_list() == lines


def test_fewer_lines_than_are_there_can_be_taken() -> None:
    lent, _, _ = lend(["10.0.0.1", "10.0.0.2", "2001:db8::a-long-one-that-no-view-holds-inline"])
    assert lent.column(2).to_list() == ["10.0.0.1", "10.0.0.2"]
    assert lent.column(3).dtype == pl.String


def test_memory_is_used_again_after_the_text_became_categories() -> None:
    lent, characters, _ = lend(["aaaa-aaaa-aaaa-aaaa", "bbbb-bbbb-bbbb-bbbb"])
    first = lent.column(2).cast(pl.Categorical())
    characters[:38] = ord("c")
    second = lent.column(2).cast(pl.Categorical())
    assert first.cast(pl.String).to_list() == ["aaaa-aaaa-aaaa-aaaa", "bbbb-bbbb-bbbb-bbbb"]
    assert second.cast(pl.String).to_list() == ["c" * 19, "c" * 19]


def test_a_column_can_be_dropped_by_another_thread_and_by_the_collector() -> None:
    lent, _, _ = lend(["x" * 30] * 3)
    held: list[pl.Series] = [lent.column(3)]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    ring: list[object] = [lent.column(3)]
    ring.append(ring)
    del ring
    gc.collect()
    assert lent.column(3).to_list() == ["x" * 30] * 3
