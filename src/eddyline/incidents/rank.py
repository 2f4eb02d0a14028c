"""How bad and how sure: severity, confidence and the order of incidents.

What belongs here: the scales. What does not: what happened (``find.py``) or its words (``name.py``).

Incidents are ordered by expected value, severity × confidence: what would hurt most if it is what it seems
to be, times how likely it is that.
"""

from __future__ import annotations

import math
from typing import Final

from eddyline.incidents.saga import Saga

BASE: Final = {
    "exfiltration": 75,
    "tunnel": 72,
    "c2_beacon": 66,
    "guessing": 66,
    "flood": 68,
    "reflection": 68,
    "smurf": 68,
    "ip_sweep": 60,
    "nmap_scan": 58,
    "port_sweep": 55,
    "ip_sweep_external": 32,
    "port_sweep_external": 30,
    "new_service": 35,
    "unusual": 35,
}
"""Severity of a behaviour just beyond its level, 0-100."""

CALLED: Final = 50
"""Least severity of what a class names that somebody labelled: it is not merely unusual."""


def severity(saga: Saga) -> int:
    """Tell how bad an incident is, 0-100: its kind, and how far it went.

    Parameters
    ----------
    saga
        The incident.
    """
    reach = 3.0 * math.log2(max(1.0, saga.strength))
    base = max(BASE[saga.attack], CALLED) if saga.called else BASE[saga.attack]
    return int(min(100, base + min(20.0, reach)))


def confidence(saga: Saga) -> int:
    """Tell how sure it is, 0-100: what generic levels and learned legs say, together more than each.

    Parameters
    ----------
    saga
        The incident.
    """
    sure = 0.0
    if saga.strict:
        sure = 60.0 + min(30.0, 6.0 * math.log2(max(1.0, saga.strength)))
    if saga.p_value is not None:
        learned = 40.0 + min(45.0, 5.0 * -math.log10(max(saga.p_value, 1e-12)))
        sure = max(sure, learned) + (5.0 if saga.strict else 0.0)
    if saga.attack == "new_service":
        sure = max(sure, 60.0)  # that it is new is a fact; whether it is wrong is not
    return int(min(99, sure))


def value(saga: Saga) -> float:
    """Give the expected value that incidents are ordered by.

    Parameters
    ----------
    saga
        The incident.
    """
    return severity(saga) * confidence(saga) / 100.0
