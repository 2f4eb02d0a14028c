"""Numbers and names as a person reads them: counts, bytes, spans of time, chances, severities.

What belongs here: turning one value into words, for every report alike. What does not: layout, colour
(``terminal.py``, ``page/``), and anything that decides how severe or how rare something is.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

from eddyline.incidents.incident import ATTACKS, Incident
from eddyline.verdicts.alarm import SMALLEST_P

ATTACK_TITLES: Final[dict[str, str]] = {
    "ip_sweep": "address sweep",
    "ip_sweep_external": "address sweep from outside",
    "port_sweep": "port sweep",
    "port_sweep_external": "port sweep from outside",
    "nmap_scan": "nmap scan",
    "smurf": "smurf flood",
    "flood": "flood",
    "reflection": "reflection",
    "service_exhaustion": "service exhaustion",
    "guessing": "password guessing",
    "c2_beacon": "beacon to a controller",
    "tunnel": "tunnel",
    "dga": "generated domain names",
    "exfiltration": "data leaving",
    "lateral_movement": "lateral movement",
    "iot_botnet": "spreading botnet",
    "relay": "relay",
    "new_service": "new service",
    "unusual": "unusual traffic",
}
"""What each behaviour of ``ATTACKS`` is called in a report."""

SEVERITY_BANDS: Final = (
    (80, "critical"),
    (60, "high"),
    (40, "medium"),
    (20, "low"),
    (0, "info"),
)
"""Lowest severity of each band, from the table of scales in the conventions."""

FULL_PORTS: Final = 20
"""Ports that an incident keeps at the most."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_FIRST_US: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _US
_LAST_US: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _US
_SECONDS_IN: Final = {"s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "min": 60.0, "h": 3600.0}

CHANGING_UNITS: Final = frozenset({*_SECONDS_IN, "bytes", "bytes/s", "share", "fraction"})
"""Units that become another one with the size of the value; all others stand as they are."""


def severity_word(severity: int) -> str:
    """Give the band of a severity.

    Parameters
    ----------
    severity
        0-100.
    """
    return next((word for low, word in SEVERITY_BANDS if severity >= low), "info")


def severity_level(severity: int) -> int:
    """Give the band of a severity as a number from 1 (info) to 5 (critical).

    Parameters
    ----------
    severity
        0-100.
    """
    return 1 + sum(severity >= low for low, _ in SEVERITY_BANDS[:-1])


def attack_title(attack: str) -> str:
    """Say a behaviour in words.

    Parameters
    ----------
    attack
        One of ``ATTACKS``; another key is said as it is.
    """
    return ATTACK_TITLES[attack] if attack in ATTACKS else attack


def count(number: float) -> str:
    """Write a count with a comma between thousands; three significant digits below 1,000 if not whole.

    Parameters
    ----------
    number
        Any number; one that is not finite is said to be unknown.
    """
    if not math.isfinite(number):
        return "unknown"
    if float(number).is_integer() or abs(number) >= 1000:
        return f"{number:,.0f}" if abs(number) < 1e15 else f"{number:.2e}"
    if abs(number) < 1e-3:
        return f"{number:.2g}"
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    return f"{number:.{digits}f}".rstrip("0").rstrip(".")


def plural(number: int, noun: str, nouns: str = "") -> str:
    """Write a count with its noun in the right number.

    Parameters
    ----------
    number
        ``>= 0``.
    noun
        For one.
    nouns
        For any other count; default is ``noun`` with an s.
    """
    return f"{count(number)} {noun if number == 1 else nouns or noun + 's'}"


def data_size(number: float) -> str:
    """Write bytes in powers of ten: B, kB, MB, GB, TB, PB.

    Parameters
    ----------
    number
        Bytes.
    """
    if not math.isfinite(number):
        return "unknown"
    for scale, name in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(number) >= scale:
            return f"{count(float(f'{number / scale:.3g}'))} {name}"
    return f"{count(number)} B"


def span(seconds: float) -> str:
    """Write a span of time in the unit that a person would choose, from µs to days.

    Parameters
    ----------
    seconds
        Length, of any sign.
    """
    if not math.isfinite(seconds):
        return "unknown"
    size = abs(seconds)
    if size == 0:
        return "0 s"
    hours, minutes = divmod(round(size / 60), 60)
    if 120 <= hours * 60 + minutes < 2880:
        rest = f" {minutes} min" if minutes else ""
        return f"{'−' if seconds < 0 else ''}{hours} h{rest}"
    steps = (
        (172_800, 86_400, "days"),
        (7_200, 3_600, "h"),
        (120, 60, "min"),
        (1, 1, "s"),
        (1e-3, 1e-3, "ms"),
        (0, 1e-6, "µs"),
    )
    unit_s, name = next((unit, name) for least, unit, name in steps if size >= least)
    number = seconds / unit_s
    return f"{count(round(number) if abs(number) >= 100 else float(f'{number:.3g}'))} {name}"


def quantity(value: float | None, unit: str) -> str:
    """Write a value with its unit.

    Parameters
    ----------
    value
        In ``unit``; None when there is none.
    unit
        As in the feature dictionary; ``""`` for a count. Bytes and times change to a fitting unit.
    """
    if value is None or not math.isfinite(value):
        return "unknown"
    if unit in _SECONDS_IN:
        return span(value * _SECONDS_IN[unit])
    if unit == "bytes":
        return data_size(value)
    if unit == "bytes/s":
        return f"{data_size(value)}/s"
    if unit in {"share", "fraction"}:
        return f"{count(float(f'{value * 100:.3g}'))} %"
    return f"{count(value)} {unit}".rstrip()


def chance(p_value: float | None) -> str:
    """Write a p-value as a chance: "1 in 25,000".

    Parameters
    ----------
    p_value
        In [0, 1]; None when there is no normal to compare with.
    """
    if p_value is None or not math.isfinite(p_value):
        return "none"
    if p_value <= 0:
        return "below any normal seen"
    if p_value <= SMALLEST_P:
        return f"less than 1 in {count(1e-9 / SMALLEST_P)} billion"
    odds = 1 / p_value
    rounded = float(f"{odds:.2g}") if odds >= 10 else float(f"{odds:.1f}")
    if rounded >= 1e6:
        return f"1 in {count(rounded / 1e6)} million"
    return f"1 in {count(rounded)}"


def moment(time_us: int) -> datetime:
    """Give a time of the record as a datetime in UTC; before year 1 and after 9999, the nearest that exists.

    Parameters
    ----------
    time_us
        µs since the epoch.
    """
    return _EPOCH + timedelta(microseconds=min(max(int(time_us), _FIRST_US), _LAST_US))


def rfc3339(time_us: int) -> str:
    """Write a time as RFC 3339 in UTC with six digits of the second.

    Parameters
    ----------
    time_us
        µs since the epoch.
    """
    return moment(time_us).strftime("%Y-%m-%dT%H:%M:%S.%f").rjust(26, "0") + "Z"


def clock(time_us: int) -> str:
    """Write the time of day, UTC, to the second.

    Parameters
    ----------
    time_us
        µs since the epoch.
    """
    return moment(time_us).strftime("%H:%M:%S")


def interval(first_us: int, last_us: int) -> str:
    """Write an interval: its day once when it is one day, its times, its length.

    Parameters
    ----------
    first_us, last_us
        µs since the epoch, both included.
    """
    first, last = moment(first_us), moment(last_us)
    start = first.strftime("%Y-%m-%d %H:%M:%S")
    if last_us <= first_us:
        return f"{start} UTC"
    same_day = first.date() == last.date()
    end = last.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S")
    length = span((last_us - first_us) / 1e6)
    if start.endswith(end):
        return f"{start} UTC ({length})"
    return f"{start} – {end} UTC ({length})"


def several(names: list[str], most: int) -> str:
    """List names, the first ones in full and the rest as a count.

    Parameters
    ----------
    names
        Any number.
    most
        Names to write out, ``>= 1``.
    """
    if len(names) <= most:
        return ", ".join(names)
    return ", ".join(names[:most]) + f" and {count(len(names) - most)} more"


def side(names: list[str], number: int, most: int, noun: str) -> str:
    """Name one side of an incident: its addresses or networks, or how many they are when they are all over.

    Parameters
    ----------
    names
        Addresses or networks.
    number
        Different addresses; 0 when that is not known.
    most
        Names to write out, ``>= 1``.
    noun
        What one is called, such as ``source``.
    """
    everywhere = {"0.0.0.0/0", "::/0"} & set(names)
    return plural(number, noun) if everywhere and number else several(names, most)


def service(incident: Incident, most: int = 5) -> str:
    """Write protocol and ports of an incident: "tcp port 22", "udp ports 53, 123 and 4 more".

    Parameters
    ----------
    incident
        The story.
    most
        Ports to write out; of a full list, nobody knows how many more there are.
    """
    if not incident.ports:
        return incident.proto
    noun = "port" if len(incident.ports) == 1 else "ports"
    ports = [str(port) for port in incident.ports]
    kind = "" if incident.proto == "mixed" else f"{incident.proto} "
    full = len(ports) >= FULL_PORTS
    listed = f"{', '.join(ports[:most])} and others" if full else several(ports, most)
    return f"{kind}{noun} {listed}"
