"""The memory that the meter's arrays stand in: it grows in place, is asked for ahead, and is used again."""

from __future__ import annotations

import gc
import mmap
import resource

import numpy as np
import pytest

from eddyline.flows.meter.memory import (
    LARGE_BYTES,
    RESERVED_ROWS,
    Buffers,
    lengthen,
    prepare,
    reserve,
    zeros,
)

ROWS, COLUMNS = 65_536, 16


def test_a_table_grows_in_place_and_by_copy_beyond_what_was_reserved() -> None:
    table = reserve(4, 3, np.int64)
    table[:] = np.arange(12).reshape(4, 3)
    longer = lengthen(table, 1000)
    assert longer.shape == (1000, 3)
    assert np.shares_memory(table, longer)
    assert not longer[4:].any()
    assert longer[:4].tolist() == table.tolist()

    beyond = lengthen(longer, RESERVED_ROWS + 1)
    assert not np.shares_memory(longer, beyond)
    assert beyond[:1000].tolist() == longer.tolist()
    assert not beyond[1000:2000].any()


def test_a_table_can_be_made_where_addresses_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(size: int, *, large: bool = False) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("eddyline.flows.meter.memory._map", refuse)
    table = reserve(4, 3, np.int64)
    table[:] = 5
    assert lengthen(table, 8).tolist() == [[5, 5, 5]] * 4 + [[0, 0, 0]] * 4


@pytest.mark.parametrize("large", [False, True])
def test_large_arrays_are_zeros(large: bool) -> None:
    assert not zeros((LARGE_BYTES // 8, 2), np.int64, large=large).any()


def faults_of_writing(array: np.ndarray) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    array[:] = 7
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_prepared_rows_are_there_before_they_are_touched() -> None:
    table = reserve(ROWS, COLUMNS, np.int64)
    table[1000] = 5
    if not prepare(table, 1000, 20_000):
        pytest.skip("this system gives memory page by page only")

    assert (table[1000] == 5).all()
    assert not table[1001:20_000].any()
    pages = 20_000 * table.strides[0] // mmap.PAGESIZE
    assert faults_of_writing(table[1000:20_000]) < pages // 10
    assert faults_of_writing(table[20_100:40_000]) > pages // 2


def test_preparing_reaches_no_further_than_the_array() -> None:
    """Rows beyond the last are left out, a part of an array is found in its memory, and nothing changes."""
    table = reserve(ROWS, COLUMNS, np.int64)
    table[:] = np.arange(COLUMNS)
    part = table[ROWS // 2 :]

    prepare(part, ROWS // 4, 10 * ROWS)
    prepare(table, ROWS, ROWS + 1)
    prepare(table, 5, 5)

    assert (table == np.arange(COLUMNS)).all()


def test_memory_of_others_is_not_prepared() -> None:
    assert not prepare(np.zeros((ROWS, COLUMNS), dtype=np.int64), 0, ROWS)


def test_a_system_that_cannot_prepare_gives_pages_as_they_are_touched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("eddyline.flows.meter.memory.POPULATE_WRITE", 9_999)
    table = reserve(ROWS, COLUMNS, np.int64)

    assert not prepare(table, 0, ROWS)
    table[:] = 3
    assert (table == 3).all()
    assert not prepare(Buffers().take((8, LARGE_BYTES // 8), np.int64), 0, 8)


def test_a_buffer_is_used_again_only_when_nobody_sees_it() -> None:
    buffers = Buffers()
    shape = (8, LARGE_BYTES // 8)
    first = buffers.take(shape, np.int64)
    address = first.ctypes.data
    column = first[3]
    del first
    gc.collect()
    second = buffers.take(shape, np.int64)
    assert not np.shares_memory(column, second)
    column[:] = 7
    second[:] = 9
    assert (column == 7).all()
    del column
    gc.collect()
    third = buffers.take(shape, np.float64)
    assert third.ctypes.data == address
