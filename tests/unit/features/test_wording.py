"""A person can read what surprised, after what, and what was expected."""

from __future__ import annotations

import polars as pl
import pytest

from eddyline.detectors.ngram import NGram
from eddyline.features.sentences import sentences
from eddyline.features.tokens import TOKEN_SETS
from eddyline.features.wording import surprise_words, token_words
from eddyline.testing.changes import office_day, with_change


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("TCP:10", "tcp with 1.0-2.0 kB"),
        ("ICMP:0", "icmp without bytes"),
        ("port:443", "port 443"),
        ("port:10000", "a high port"),
        ("tcp/443>:20", "tcp/443 from the first host with 1.0-2.1 MB"),
        ("udp/10000<:6", "udp on a high port from the second host with 63-126 B"),
        ("icmp/0:5", "icmp with 31-62 B"),
        ("tcp/22~^", "tcp/22, first of its hour"),
        ("tcp/443~41", "tcp/443 about 5 min after the flow before"),
        ("tcp/443~3", "tcp/443 less than a second after the flow before"),
        ("another", "a flow of another kind"),
        ("what is this", "'what is this'"),
    ],
)
def test_tokens_in_words(token: str, expected: str) -> None:
    assert token_words(token) == expected


def test_the_first_flow_and_the_unheard_of() -> None:
    assert surprise_words("port:23", [], 1e-12, [("port:53", 0.004)]) == (
        "port 23 first of all: never seen here"
    )


@pytest.mark.parametrize("tokens", TOKEN_SETS)
def test_a_models_surprise_is_a_sentence_in_every_token_set(tokens: str) -> None:
    day = office_day(4, 4, 0)
    planted = with_change(day, "beat", 2, 0)
    model = NGram(order=1).fit(sentences(day, tokens))
    groups = sentences(planted.filter(pl.col("dst_ip").str.starts_with("203.0.113.")), tokens)
    (told,) = model.surprises(groups)
    expected = [(guess.token, guess.probability) for guess in told.expected]
    sentence = surprise_words(told.token, told.before, told.probability, expected)

    assert "usual next: " in sentence
    assert "'" not in sentence
