"""The generic levels of each pattern: what is called by its name on any network.

What belongs here: numbers and their reasons. What does not: how they are counted.

There are three sets. ``STRICT`` says what is reported with no model at all: far above what working
networks do. ``LENIENT`` names what a learned leg has already found strange; it only chooses the word.
``CONTINUED`` says when a lasting condition that was told goes on; it never tells a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from eddyline.incidents.story import Story


@dataclass(frozen=True, slots=True)
class Levels:
    """Least counts in one window for a pattern to be called by its name.

    Parameters
    ----------
    scan_ports
        Distinct ports of one host tried in vain. No client tries many ports of one server.
    sweep_hosts
        Distinct hosts tried in vain on one port, or pinged.
    spread_hosts, spread_ports
        Distinct hosts and ports tried in vain when no single port explains it.
    probe_sources
        Distinct outside sources of vain attempts against one inside host in an hour.
    flood_flows, flood_sources, flood_rate
        Vain flows to one host; distinct sources of them; flows a second from a single source.
    packet_flood, packet_rate
        Unanswered packets of one flow, and packets a second.
    ping_flood
        Echo requests of one flow, answered or not, that are as fast.
    reflection_sources
        Distinct hosts that answer a question never asked.
    broadcast_pkts
        ICMP packets to a broadcast address.
    logins, web_logins
        Attempts alike against a login service, or a web server.
    login_rate
        Attempts a second that tell a guesser from a beacon on the web.
    calls
        Vain attempts to reach one outside service in an hour.
    beacons
        Regular contacts with one outside service in an hour.
    dns_pkts, dns_payload
        DNS packets of one pair, and mean bytes a question carries. Names of people fit in 50.
    dns_long
        DNS packets of one conversation; a look-up takes two.
    icmp_pkts, icmp_payload
        ICMP packets of one pair, and mean bytes each carries. Ping carries 32 or 56.
    upload_bytes
        Bytes sent to one outside host in a window.
    """

    scan_ports: int
    sweep_hosts: int
    spread_hosts: int
    spread_ports: int
    probe_sources: int
    flood_flows: int
    flood_sources: int
    flood_rate: float
    packet_flood: int
    packet_rate: float
    ping_flood: int
    reflection_sources: int
    broadcast_pkts: int
    logins: int
    web_logins: int
    login_rate: float
    calls: int
    beacons: int
    dns_pkts: int
    dns_payload: float
    dns_long: int
    icmp_pkts: int
    icmp_payload: float
    upload_bytes: float


@dataclass(frozen=True, slots=True)
class Sight:
    """What a pattern looks with.

    Parameters
    ----------
    levels
        Least counts.
    window_us
        Length of the window, µs.
    keep
        Which stories are wanted, asked before their flows are put in; None for all.
    """

    levels: Levels
    window_us: int
    keep: Callable[[Story], bool] | None = None


STRICT: Final = Levels(
    scan_ports=15,
    sweep_hosts=20,
    spread_hosts=15,
    spread_ports=15,
    probe_sources=20,
    flood_flows=1000,
    flood_sources=100,
    flood_rate=20.0,
    packet_flood=5000,
    packet_rate=200.0,
    ping_flood=1000,
    reflection_sources=50,
    broadcast_pkts=50,
    logins=20,
    web_logins=60,
    login_rate=0.5,
    calls=30,
    beacons=20,
    dns_pkts=100,
    dns_payload=75.0,
    dns_long=500,
    icmp_pkts=100,
    icmp_payload=150.0,
    upload_bytes=250e6,
)
"""What is reported without a model."""

LENIENT: Final = Levels(
    scan_ports=6,
    sweep_hosts=8,
    spread_hosts=8,
    spread_ports=8,
    probe_sources=10,
    flood_flows=200,
    flood_sources=30,
    flood_rate=5.0,
    packet_flood=500,
    packet_rate=20.0,
    ping_flood=200,
    reflection_sources=15,
    broadcast_pkts=5,
    logins=8,
    web_logins=20,
    login_rate=0.2,
    calls=12,
    beacons=8,
    dns_pkts=40,
    dns_payload=60.0,
    dns_long=100,
    icmp_pkts=30,
    icmp_payload=100.0,
    upload_bytes=1e6,
)
"""What names a row that a learned leg pointed to."""

CONTINUED: Final = replace(
    LENIENT, sweep_hosts=5, spread_hosts=4, spread_ports=4, probe_sources=4, calls=6
)
"""What still belongs to a condition that was told within a day: about a quarter of the strict levels."""
