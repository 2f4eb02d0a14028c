"""NSL-KDD becomes 122 columns, labels stay apart, and the drawn shares are the published ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from eddyline.errors import DataError, InputError, UsageError
from eddyline.evaluate.corpora.card import HISTORIC
from eddyline.evaluate.corpora.nsl_kdd import (
    CARD,
    CONTAMINATION,
    FEATURES,
    NslKdd,
    draw_small,
    draw_training,
    parse_nsl_kdd,
    read_nsl_kdd,
)

FOLDER = Path(__file__).parents[5] / "shared" / "data" / "nsl-kdd"

needs_corpus = [
    pytest.mark.corpus,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="NSL-KDD is not at ../shared/data/nsl-kdd"),
]


def line(protocol: str, service: str, label: str, duration: int = 0) -> str:
    numbers = ["0"] * 37
    return ",".join([str(duration), protocol, service, "SF", *numbers, label, "21"])


def tiny() -> NslKdd:
    train = [line("tcp", "http", "normal", i) for i in range(20)]
    train += [line("udp", "domain_u", "neptune", i) for i in range(10)]
    return parse_nsl_kdd("\n".join(train), line("icmp", "eco_i", "saint"))


def test_columns_come_from_the_training_categories() -> None:
    corpus = tiny()

    assert len(FEATURES) == 41
    assert corpus.train.X.shape == (30, 38 + 2 + 2 + 1)
    assert "service=http" in corpus.train.names
    assert corpus.train.names == corpus.test.names


def test_a_category_that_training_lacks_is_all_zeros() -> None:
    corpus = tiny()
    one_hot = [i for i, name in enumerate(corpus.test.names) if "=" in name]

    assert corpus.test.X[0, one_hot].sum() == 1  # the flag alone is known
    assert corpus.test.services[0] == "eco_i"


def test_label_and_difficulty_are_no_feature() -> None:
    corpus = tiny()

    assert corpus.train.is_attack.sum() == 10
    assert set(corpus.train.difficulty) == {21}
    assert not {"label", "difficulty"} & set(corpus.train.names)


def test_a_line_of_another_width_is_named() -> None:
    with pytest.raises(DataError, match=r"train:2: a row must have 43 fields, got 3"):
        parse_nsl_kdd(line("tcp", "http", "normal") + "\n1,2,3", "")


def test_a_drawn_share_is_of_all_rows_and_repeats_by_seed() -> None:
    corpus = tiny()
    first, again, other = (draw_training(corpus, 0.2, seed) for seed in (1, 1, 2))

    assert first.is_attack.sum() == 5
    assert len(first.X) == 25
    assert np.array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)


def test_a_share_that_cannot_be_drawn_is_named() -> None:
    with pytest.raises(UsageError, match="got 10"):
        draw_training(tiny(), 0.39, 0)
    with pytest.raises(UsageError, match="got 5"):
        draw_training(tiny(), 5, 0)


def test_another_file_of_the_same_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is absent"):
        read_nsl_kdd(tmp_path)
    for name in CARD.files:
        (tmp_path / name).write_bytes(b"not these")
    with pytest.raises(DataError, match="SHA-256"):
        read_nsl_kdd(tmp_path)


def test_the_card_says_what_the_figures_are_worth() -> None:
    assert CARD.worth == HISTORIC


class TestCorpus:
    pytestmark = needs_corpus

    def test_published_sizes(self) -> None:
        """122 columns, 67,343 normal rows, and the attacks of each share, as published."""
        corpus = read_nsl_kdd(FOLDER)
        sizes = [draw_training(corpus, share, 0).is_attack.sum() for share in CONTAMINATION]
        drawn, X_test, is_attack = draw_small(corpus, 0.1, 0)

        assert corpus.train.X.shape == (125_973, 122)
        assert corpus.test.X.shape == (22_544, 122)
        assert (~corpus.train.is_attack).sum() == 67_343
        assert sizes == [0, 3_544, 7_483, 11_884]
        assert (len(drawn.X), len(X_test)) == (6_667, 14_544)
        assert round(float(is_attack.mean()), 2) == 0.74
