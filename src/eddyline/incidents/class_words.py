"""A user's class in our words: the behaviour that its label names, and what spoke for it.

What belongs here: reading a label and saying a feature. What does not: which flows are called so
(``classes.py``).
"""

from __future__ import annotations

import re
from typing import Final

from eddyline.features.dictionary import Feature
from eddyline.verdicts.reason import amount, compare

PORTS: Final = frozenset({"port", "service"})
"""Features whose value is a port's number, negative without one."""

KEYS: Final = (
    (re.compile(r"smurf"), "smurf"),
    (re.compile(r"nmap"), "nmap_scan"),
    (re.compile(r"(ip|host)[ _-]?(sweep|scan)|horizontal"), "ip_sweep"),
    (re.compile(r"port[ _-]?(sweep|scan)|vertical"), "port_sweep"),
    (re.compile(r"brute|guess|patator|login"), "guessing"),
    (re.compile(r"beacon|c&c|c2|heartbeat"), "c2_beacon"),
    (re.compile(r"exfil"), "exfiltration"),
    (re.compile(r"tunnel"), "tunnel"),
    (re.compile(r"d?dos|flood"), "flood"),
)
"""Words in a label, in lower case, and the behaviour they name; the first that fits."""


def behaviour_of(label: str) -> str:
    """Give the attack key that a label names; ``unusual`` when it names none that is known.

    Parameters
    ----------
    label
        A class of the user's.

    Examples
    --------
    >>> behaviour_of("Probing-IP sweep"), behaviour_of("DDOS-smurf"), behaviour_of("malicious")
    ('ip_sweep', 'smurf', 'unusual')
    """
    text = label.lower()
    return next((key for words, key in KEYS if words.search(text)), "unusual")


def reason_words(
    feature: Feature, value: float, normal: tuple[float, float, float], unit: str
) -> str:
    """Say what spoke for a class: against the normal range outside it, else against the usual value.

    Parameters
    ----------
    feature
        The dictionary's entry.
    value
        Value of the flow.
    normal
        Lower end, median and upper end of normal.
    unit
        Unit of the four values.
    """
    low, middle, high = normal
    if feature.name in PORTS:
        shown = [f"{number:.0f}" if number >= 0 else "none" for number in (value, middle)]
        return f"{feature.words}: {shown[0]}; usual on this network: {shown[1]}"
    if feature.name == "ip_proto":
        return f"protocol number {value:.0f}; usual on this network: {middle:.0f}"
    if low <= value <= high:
        usual = amount(middle, unit)
        return f"{amount(value, unit)} {feature.words}; usual on this network: {usual}"
    return compare(feature, value, low, high, "", own=False, unit=unit)
