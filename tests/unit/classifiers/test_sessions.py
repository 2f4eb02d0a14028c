"""Left-out days decide whether sessions vote: where sources keep to one thing, not where they do several."""

from __future__ import annotations

import numpy as np
import pytest

from eddyline.classifiers.model import Recipe, fit_site_model
from eddyline.classifiers.periods import DAY_US
from eddyline.classifiers.sessions import GAP_US, Trial, mean_worth, trials, voted, votes_wanted
from eddyline.errors import UsageError

QUICK = Recipe(params={"rounds": 20}, memory=False)


def days(*, steady, seed=0, n=1200):
    """Give three days of hosts in one session each; steady ones do one thing, others what comes."""
    rng = np.random.default_rng(seed)
    day = np.arange(n) * 3 // n
    host = rng.integers(0, 40, n)
    sign = host % 2 == 0 if steady else rng.random(n) < 0.5
    noise = rng.normal(size=n) * (1.2 if steady else 0.1)
    keys = np.char.add(host.astype(str), "|tcp/80")
    times = day * DAY_US + np.arange(n) * 1_000_000
    return (sign + noise)[:, None], np.where(sign, "scan", "calm"), keys, day, times


@pytest.mark.parametrize("steady", [True, False])
def test_votes_follow_what_left_out_days_say(steady):
    X, y, keys, day, times = days(steady=steady)
    site = fit_site_model(X, y, [keys], day, recipe=QUICK)
    tried = trials(site, np.searchsorted(site.classes, y), keys, times)

    assert [trial.period for trial in tried] == [0, 1, 2]
    assert all((trial.voted > trial.alone) == steady for trial in tried)
    assert votes_wanted("auto", tried) is steady
    assert votes_wanted("on", tried)
    assert not votes_wanted("off", tried)


def test_what_is_told_without_votes_is_what_the_left_out_part_was_worth():
    X, y, keys, day, times = days(steady=True)
    site = fit_site_model(X, y, [keys], day, recipe=QUICK)
    tried = trials(site, np.searchsorted(site.classes, y), keys, times)

    for left, trial in zip(site.left_out, tried, strict=True):
        hits, both = np.diag(left.confusion), left.confusion.sum(0) + left.confusion.sum(1)
        assert trial.alone == pytest.approx(float((2 * hits / both).mean()))


def test_a_vote_takes_no_later_row_and_ends_with_silence():
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.0, 1.0]])
    times = np.array([0, 1, 1 + GAP_US])

    shares = voted(p, np.array(["a", "a", "a"]), times)

    assert shares == pytest.approx(np.array([[0.9, 0.1], [0.55, 0.45], [0.0, 1.0]]))


def test_auto_without_left_out_days_is_off_and_a_tie_too():
    assert not votes_wanted("auto", [])
    assert not votes_wanted("auto", [Trial(0, 100, 0.5, 0.5)])


def test_a_short_part_has_little_to_say():
    tried = [Trial(0, 10, 0.2, 0.4), Trial(1, 10_000, 0.9, 0.89)]

    assert not votes_wanted("auto", tried)
    assert mean_worth(tried)[0] == pytest.approx(0.9, abs=0.001)


def test_an_unknown_choice_is_refused():
    with pytest.raises(UsageError, match="sessions must be one of auto, on, off, got 'always'"):
        votes_wanted("always", [])
