"""Points and spans of time as people and standards write them.

What belongs here: text and µs. What does not: columns of times (``fields.py``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from eddyline.errors import UsageError

SECOND_US: Final = 1_000_000
HOUR_US: Final = 3600 * SECOND_US

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(stamp_us: int) -> str:
    """Write a time as RFC 3339, UTC, with µs.

    Parameters
    ----------
    stamp_us
        µs since the epoch.
    """
    moment = _EPOCH + timedelta(microseconds=stamp_us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"


def words_of_span(span_us: int) -> str:
    """Say a length of time in its two largest units.

    Parameters
    ----------
    span_us
        µs, ``>= 0``.
    """
    seconds = span_us / SECOND_US
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h" if hours else f"{days} days"


def instant(value: str | int | None, option: str) -> int | None:
    """Read a point in time, µs since the epoch.

    Parameters
    ----------
    value
        RFC 3339 text (UTC without a zone), µs, or None.
    option
        Its name, for the message.

    Raises
    ------
    UsageError
        When the text is no time.
    """
    if value is None or isinstance(value, int):
        return value
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) >= 12:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        message = (
            f"{option} must be a time, got {value!r}; "
            "write it like 2026-03-01T08:00:00Z or as µs since 1970"
        )
        raise UsageError(message) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
