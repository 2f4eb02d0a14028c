"""Tokens in words: what a flow's token says to a person, and why a flow surprised.

What belongs here: reading our own tokens back. What does not: making them (``tokens.py``) and their
probabilities, which a model gives.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from eddyline.features.tokens import OTHER_PORT

_SERVICE: Final = re.compile(r"^([a-z0-9.-]+)/(\d{1,5})([<>]?)(?::(\d{1,2})|~(\^|\d{1,3}))?$")
_BYTES: Final = re.compile(r"^([A-Z0-9-]+):(\d{1,2})$")
_PORT: Final = re.compile(r"^port:(\d{1,5})$")

_UNITS: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_TIMES: Final = ((7_200.0, 3_600.0, "h"), (120.0, 60.0, "min"), (1.0, 1.0, "s"))


def token_words(token: str) -> str:
    """Say what a token of any of our sets stands for; a text of another set is quoted.

    Parameters
    ----------
    token
        Its text.

    Examples
    --------
    >>> token_words("tcp/443:10")
    'tcp/443 with 1.0-2.0 kB'
    >>> token_words("udp/123~31")
    'udp/123 about 78 s after the flow before'
    """
    if found := _SERVICE.match(token):
        proto, port, way, size, gap = found.groups()
        side = {">": " from the first host", "<": " from the second host", "": ""}[way]
        return f"{_service(proto, int(port))}{side}{_size(size)}{_gap(gap)}"
    if found := _BYTES.match(token):
        return f"{found[1].lower()}{_size(found[2])}"
    if found := _PORT.match(token):
        return "a high port" if int(found[1]) >= OTHER_PORT else f"port {found[1]}"
    return "a flow of another kind" if token == "another" else repr(token)  # noqa: S105 - a word


def surprise_words(
    token: str,
    before: Sequence[str],
    probability: float,
    expected: Sequence[tuple[str, float]],
) -> str:
    """Say which flow surprised, after what, how unlikely it was, and what was expected instead.

    Parameters
    ----------
    token
        Token of the flow that surprised.
    before
        Tokens just before it between the same hosts, oldest first.
    probability
        What the model gave it, in [0, 1].
    expected
        Tokens that the model expected with their probabilities, likeliest first.

    Examples
    --------
    >>> surprise_words("port:21", ["port:53"], 0.0004, [("port:443", 0.62)])
    'port 21 after port 53: 1 in 2,500 here; usual next: port 443 (62 %)'
    """
    place = (
        f" after {', '.join(token_words(one) for one in before)}" if before else " first of all"
    )
    rare = f"1 in {1.0 / max(probability, 1e-9):,.0f} here"
    if probability < 1e-8:
        rare = "never seen here"
    told = [
        f"{token_words(one)} ({100 * chance:.0f} %)" for one, chance in expected if chance >= 0.01
    ]
    usual = f"; usual next: {', '.join(told)}" if told else ""
    return f"{token_words(token)}{place}: {rare}{usual}"


def _service(proto: str, port: int) -> str:
    if port >= OTHER_PORT:
        return f"{proto} on a high port"
    return f"{proto}/{port}" if port else proto


def _size(exponent: str | None) -> str:
    if exponent is None:
        return ""
    low, high = 2 ** int(exponent) - 1, 2 ** (int(exponent) + 1) - 2
    if high == 0:
        return " without bytes"
    unit, name = next(((u, n) for u, n in _UNITS if high >= u), (1.0, "B"))
    return f" with {_short(low / unit)}-{_short(high / unit)} {name}"


def _gap(step: str | None) -> str:
    if step is None:
        return ""
    if step == "^":
        return ", first of its hour"
    seconds = 2.0 ** ((int(step) + 0.5) / 5.0) - 1.0
    for least, unit, name in _TIMES:
        if seconds >= least:
            return f" about {seconds / unit:.0f} {name} after the flow before"
    return " less than a second after the flow before"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.1f}"
