"""Flows of the training are known again, others hardly ever."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.classifiers import trained_on
from eddyline.classifiers.trained_on import Seen, TrainedOn, digest
from eddyline.errors import DataError, ModelError


def digests(start: int, n: int) -> trained_on.Digests:
    """Give digests of flows numbered from a start."""
    numbers = np.arange(start, start + n)
    return digest([np.array([f"10.0.0.{i % 7}" for i in numbers])], [numbers * 1_000_003])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3_000), st.integers(1, 3_000))
def test_no_flow_of_the_training_is_missed(n: int, asked: int) -> None:
    """Of flows that are half known, all known ones are known."""
    model = TrainedOn.of(digests(0, n))

    assert model.ask(digests(0, n)).n_known == n
    assert model.ask(digests(n, asked)).n_known <= max(5, 0.03 * asked)


def test_the_share_is_told_within_its_chance() -> None:
    """The filter's own rate is taken off; strange flows alone give no warning."""
    model = TrainedOn.of(digests(0, 20_000))
    mixed = np.concatenate([digests(0, 3_000), digests(50_000, 7_000)])

    strange, some, all_ = (
        model.ask(asked) for asked in (digests(50_000, 20_000), mixed, digests(0, 50))
    )

    assert not strange.certain
    assert strange.sentence("m.eddy") == ""
    assert strange.n_known / strange.n_asked == pytest.approx(strange.chance, abs=0.003)
    assert some.share == pytest.approx(0.3, abs=0.01)
    assert "m.eddy was trained on 30% of these flows (1 in 1" in some.sentence("m.eddy")
    assert all_.share == 1.0


def test_many_flows_are_held_by_a_part_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file stays small; the same part is asked for."""
    monkeypatch.setattr(trained_on, "MOST", 1_000)
    model = TrainedOn.of(digests(0, 6_000))

    told = model.ask(digests(0, 6_000))

    assert model.every == 8
    assert told.n_known == told.n_asked
    assert 500 < told.n_asked < 1_000
    assert len(model.bits) < 1_400


def test_it_is_saved_as_plain_arrays_and_a_changed_file_is_refused() -> None:
    """Bits and two counts."""
    model = TrainedOn.of(digests(0, 100))
    arrays = model.to_arrays()

    assert TrainedOn.from_arrays(arrays).ask(digests(0, 100)) == model.ask(digests(0, 100))
    for broken in (
        {**arrays, "bits": arrays["bits"].astype(np.float64)},
        {**arrays, "bits": arrays["bits"][:2]},
        {**arrays, "told": np.array([3, 100])},
        {**arrays, "told": np.array([1, -1])},
        {"bits": arrays["bits"]},
    ):
        with pytest.raises(ModelError, match="filter"):
            TrainedOn.from_arrays(broken)


def test_columns_of_other_lengths_are_refused() -> None:
    """They would be of other flows."""
    with pytest.raises(DataError, match="one length"):
        digest([np.array(["a"])], [np.arange(2)])


def test_nothing_asked_is_nothing_known() -> None:
    """No share of nothing."""
    assert Seen(0, 0, 0.01).share == 0.0
    assert not Seen(0, 0, 0.01).certain
