"""What was learned, asked one feature at a time; and as arrays and back."""

from __future__ import annotations

import numpy as np
import pytest

from eddyline.errors import ModelError
from eddyline.features.registry import VIEWS
from eddyline.verdicts.known import Known
from eddyline.verdicts.leg import LegRows
from eddyline.verdicts.normal import ViewNormal

HOST = VIEWS["host"]
WIDTH = len(HOST.names)
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def normal() -> ViewNormal:
    """Learn 200 rows: host a does 1 to 20 of everything, b is seen too rarely, the rest do 5."""
    X = np.full((200, WIDTH), 5.0)
    X[:20] = np.arange(1, 21).reshape(-1, 1)
    X[20] = 400.0
    entities = np.array(["a"] * 20 + ["b"] + [f"h{i % 9}" for i in range(179)])
    rows = LegRows(X, entities, np.arange(200))
    return ViewNormal.fit(HOST, rows, 1000, DAY_US // 2)


def test_an_entity_answers_for_its_own_past(normal) -> None:
    """Smallest, largest and median; None for one that was hardly seen."""
    known = Known({"host": normal})

    assert known.own_range("host", "a", "n_hosts") == (1.0, 20.0)
    assert known.own_habit("host", "a", "n_hosts") == 10.0
    assert known.own_range("host", "b", "n_hosts") is None
    assert known.own_habit("host", "nobody", "n_hosts") is None


def test_the_network_answers_for_everybody(normal) -> None:
    """Its range leaves out the rarest, its peak does not."""
    known = Known({"host": normal})

    assert known.network_range("host", "n_hosts") == (1.0, 20.0)
    assert known.network_peak("host", "n_hosts") == (400.0, 1 / 201)
    assert Known({"host": normal}, from_itself=True).network_peak("host", "n_hosts") is None
    assert normal.rows_per_day == 2000.0


@pytest.mark.parametrize(
    ("grain", "feature"), [("dyad", "n_hosts"), ("host", "nothing"), ("host", "")]
)
def test_what_was_not_learned_has_no_answer(normal, grain, feature) -> None:
    """Another view, another feature, nothing learned at all."""
    for known in (Known({"host": normal}), Known({})):
        assert known.own_range(grain, "a", feature) is None
        assert known.own_habit(grain, "a", feature) is None
        assert known.network_range(grain, feature) is None
        assert known.network_peak(grain, feature) is None


def test_normal_goes_through_arrays(normal) -> None:
    """Every answer is the same to the bit."""
    back = ViewNormal.from_arrays(normal.to_arrays(), WIDTH)
    arrays, again = normal.to_arrays(), back.to_arrays()

    assert arrays.keys() == again.keys()
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


def test_normal_of_another_shape_is_refused(normal) -> None:
    """A part missing, cut or turned into text."""
    arrays = normal.to_arrays()
    for name in arrays:
        for damaged in (None, np.zeros((2, 2, 2)), np.array(["x"])):
            odd = {k: v for k, v in arrays.items() if k != name}
            if damaged is not None:
                odd[name] = damaged
            if (
                name in ("past_entities", "past_ends")
                and damaged is not None
                and damaged.shape == (1,)
            ):
                continue  # one name, which the ranges do not fit either; checked by their number
            with pytest.raises(ModelError):
                ViewNormal.from_arrays(odd, WIDTH)
    with pytest.raises(ModelError):
        ViewNormal.from_arrays(arrays, WIDTH + 1)


def test_a_short_input_is_a_whole_window_of_rows_a_day() -> None:
    """Ten rows in a second are ten rows of five minutes, not a million a day."""
    rows = LegRows(np.ones((10, WIDTH)), np.array(["a"] * 10), np.zeros(10, dtype=np.int64))

    assert ViewNormal.fit(HOST, rows, 10, 1_000_000).rows_per_day == 10 * 288
