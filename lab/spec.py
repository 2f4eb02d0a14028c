"""What a day is: networks, hosts, rhythm and attacks, read from TOML and checked.

A day names a network (``networks/NAME.toml``) and a seed; everything that happens follows from the two.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

KEYS = frozenset(
    [
        *["ip_sweep", "port_sweep", "nmap_scan", "smurf", "flood", "guessing"],
        *["c2_beacon", "tunnel", "exfiltration", "ip_sweep_external", "port_sweep_external"],
    ]
)
SERVICES = frozenset(["dns", "web", "ssh", "ftp", "smtp", "ntp", "print", "syslog", "tunnel"])


class SpecError(ValueError):
    """A day or a network that cannot be built."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """One network segment behind the router."""

    name: str
    prefix: ipaddress.IPv4Network
    prefix6: ipaddress.IPv6Network | None
    internal: bool


@dataclass(frozen=True, slots=True)
class Host:
    """One machine: one namespace with one interface."""

    name: str
    subnet: str
    role: str
    ip: str
    ip6: str
    broadcast: str
    services: tuple[str, ...] = ()
    internal: bool = True


@dataclass(frozen=True, slots=True)
class Network:
    """Subnets, hosts and how busy each role is."""

    name: str
    domain: str
    gateway: int
    subnets: dict[str, Subnet]
    hosts: dict[str, Host]
    roles: dict[str, dict[str, float]]
    jobs: dict[str, dict[str, Any]]
    tunnel: dict[str, str]

    def serving(self, service: str, *, internal: bool) -> list[Host]:
        """List hosts that offer ``service`` inside or outside, except the attackers' own."""
        return [
            host
            for host in self.hosts.values()
            if service in host.services
            and host.internal == internal
            and host.name not in {self.tunnel.get("server", "")}
        ]

    def address(self, text: str) -> str:
        """Give the address of a host, or the prefix of a subnet; what is neither stays as it is."""
        if text in self.subnets:
            return str(self.subnets[text].prefix)
        return self.hosts[text].ip if text in self.hosts else text


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack of a day.

    ``key`` is the attack key of the conventions, ``neighbours`` the keys that describe it nearly as
    well, ``kind`` the program of ``attacks.py`` that carries it out with ``args``.
    """

    id: str
    key: str
    kind: str
    source: str
    at_s: float
    neighbours: tuple[str, ...] = ()
    args: dict[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """One capture to build."""

    name: str
    network: Network
    seed: int
    start_us: int
    length_s: float
    profile: tuple[float, ...]
    scale: dict[str, float]
    attacks: tuple[Attack, ...]
    title: str = ""


def _subnets(rows: list[dict[str, Any]], moved: Mapping[str, str]) -> dict[str, Subnet]:
    unknown = sorted(set(moved) - {row["name"] for row in rows})
    if unknown:
        raise SpecError(f"prefixes must name subnets of the network, got {unknown[0]}")
    return {
        row["name"]: Subnet(
            row["name"],
            ipaddress.IPv4Network(moved.get(row["name"], row["prefix"])),
            ipaddress.IPv6Network(row["prefix6"]) if "prefix6" in row else None,
            bool(row.get("internal", False)),
        )
        for row in rows
    }


def _host(
    subnet: Subnet, name: str, role: str, number: int, services: tuple[str, ...], v6: bool
) -> Host:
    wrong = set(services) - SERVICES
    if wrong:
        raise SpecError(f"host {name}: service must be one of {sorted(SERVICES)}, got {wrong}")
    ip6 = str(subnet.prefix6[number]) if v6 and subnet.prefix6 else ""
    return Host(
        name,
        subnet.name,
        role,
        str(subnet.prefix[number]),
        ip6,
        str(subnet.prefix.broadcast_address),
        services,
        subnet.internal,
    )


def load_network(path: Path, moved: Mapping[str, str] | None = None) -> Network:
    """Read a network's TOML file; ``moved`` gives subnets another prefix for one day."""
    raw = tomllib.loads(path.read_text())
    subnets = _subnets(raw["subnets"], moved or {})
    hosts: list[Host] = []
    for group in raw["groups"]:
        every = int(group.get("v6_every", 0))
        for index in range(group["count"]):
            v6 = bool(every) and index % every == 0
            number = group["first"] + index
            name = f"{group['name']}{index + 1:02d}"
            hosts.append(_host(subnets[group["subnet"]], name, group["role"], number, (), v6))
    for row in raw["servers"]:
        subnet = subnets[row["subnet"]]
        role = "server" if subnet.internal else "far"
        services = tuple(row["services"])
        hosts.append(
            _host(subnet, row["name"], role, row["number"], services, row.get("v6", False))
        )
    if len({host.name for host in hosts}) != len(hosts) or len({h.ip for h in hosts}) != len(
        hosts
    ):
        raise SpecError(f"{path.name}: names and addresses of hosts must be unique")
    return Network(
        raw["name"],
        raw["domain"],
        raw["gateway"],
        subnets,
        {host.name: host for host in hosts},
        raw["roles"],
        raw.get("jobs", {}),
        raw.get("tunnel", {}),
    )


def seconds(clock: str) -> float:
    """Give seconds since midnight of ``HH:MM`` or ``HH:MM:SS``."""
    parts = [int(part) for part in clock.split(":")] + [0]
    return parts[0] * 3600.0 + parts[1] * 60.0 + parts[2]


def _attack(row: dict[str, Any], network: Network, start_s: float, length_s: float) -> Attack:
    if row["key"] not in KEYS:
        raise SpecError(f"attack {row['id']}: key must be one of {sorted(KEYS)}, got {row['key']}")
    if row["source"] not in network.hosts:
        raise SpecError(f"attack {row['id']}: source must be a host, got {row['source']}")
    at_s = seconds(row["at"]) - start_s
    if not 0 <= at_s < length_s:
        raise SpecError(f"attack {row['id']}: must start within the day, got {row['at']}")
    named = {"id", "key", "kind", "source", "at", "neighbours", "note"}
    return Attack(
        row["id"],
        row["key"],
        row["kind"],
        row["source"],
        at_s,
        tuple(row.get("neighbours", ())),
        {name: value for name, value in row.items() if name not in named},
        row.get("note", ""),
    )


def load_day(name: str, folder: Path = HERE) -> Day:
    """Read ``days/NAME.toml`` and the network it names."""
    raw = tomllib.loads((folder / "days" / f"{name}.toml").read_text())
    network = load_network(folder / "networks" / f"{raw['network']}.toml", raw.get("prefixes"))
    start_s, end_s = seconds(raw["from"]), seconds(raw["to"])
    midnight = datetime.combine(raw["date"], datetime.min.time(), tzinfo=UTC)
    attacks = tuple(
        _attack(row, network, start_s, end_s - start_s) for row in raw.get("attacks", [])
    )
    if len({attack.id for attack in attacks}) != len(attacks):
        raise SpecError(f"day {name}: ids of attacks must be unique")
    return Day(
        name,
        network,
        int(raw["seed"]),
        int((midnight.timestamp() + start_s) * 1e6),
        end_s - start_s,
        tuple(raw["profile"]),
        dict(raw.get("scale", {})),
        attacks,
        raw.get("title", ""),
    )
