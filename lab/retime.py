"""From the raw capture to the day: move packets to planned time, write the day and its ground truth."""

from __future__ import annotations

import csv
import gzip
import io
import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from lab.clock import Clock
from lab.packets import Headers, parse, read, shorten, write
from lab.plan import Session
from lab.spec import Attack, Day

PROTO = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp"}
NEIGHBOUR_DISCOVERY = frozenset(range(130, 138)) | {143}
TRUTH_COLUMNS = (
    *("attack_id", "key", "neighbours", "sources", "relays", "destinations", "ports", "proto"),
    *("start_us", "end_us", "flows", "packets", "bytes", "tool", "note"),
)
FLOW_COLUMNS = (
    *("attack_id", "key", "src_ip", "dst_ip", "src_port", "dst_port", "proto"),
    *("start_us", "end_us", "packets"),
)

Tuple5 = tuple[str, str, int, int, int]


@dataclass(slots=True)
class Conversation:
    """One 5-tuple of an attack, as its first packet went."""

    start_us: int
    end_us: int
    packets: int = 0
    nbytes: int = 0


@dataclass(slots=True)
class Story:
    """What an attack left on the wire."""

    flows: dict[Tuple5, Conversation] = field(default_factory=dict)


def _both(headers: Headers) -> tuple[Tuple5, Tuple5]:
    h = headers
    if h.proto in (1, 58):
        return (h.src, h.dst, 0, 0, h.proto), (h.dst, h.src, 0, 0, h.proto)
    return (h.src, h.dst, h.sport, h.dport, h.proto), (h.dst, h.src, h.dport, h.sport, h.proto)


def _belongs(headers: Headers | None, actors: set[str]) -> bool:
    """Say whether a packet of an attack's session is the attack's, not the network's own upkeep."""
    if headers is None:
        return False
    if headers.proto == 58 and headers.sport in NEIGHBOUR_DISCOVERY:
        return False
    return headers.src in actors or headers.dst in actors


def _actors(attack: Attack, day: Day) -> set[str]:
    net = day.network
    actors = {net.hosts[attack.source].ip, net.hosts[attack.source].ip6} - {""}
    if "victim" in attack.args:
        actors.add(net.hosts[attack.args["victim"]].ip)
    if attack.key == "tunnel":
        actors.add(net.hosts[net.tunnel["server"]].ip)
    return actors


def _note(story: Story, time_us: int, headers: Headers) -> None:
    forth, back = _both(headers)
    key = back if back in story.flows else forth
    seen = story.flows.setdefault(key, Conversation(time_us, time_us))
    seen.start_us, seen.end_us = min(seen.start_us, time_us), max(seen.end_us, time_us)
    seen.packets += 1
    seen.nbytes += headers.length


def allowed(day: Day) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """List the prefixes that may occur in a capture of this day."""
    own = [p for s in day.network.subnets.values() for p in (s.prefix, s.prefix6) if p]
    special = [
        "224.0.0.0/4",
        "255.255.255.255/32",
        "0.0.0.0/32",
        "ff00::/8",
        "fe80::/10",
        "::/128",
    ]
    return own + [ipaddress.ip_network(text) for text in special]


def assert_planned(day: Day, addresses: set[str]) -> None:
    """Refuse a capture that holds an address outside the plan."""
    nets = allowed(day)
    for text in addresses:
        address = ipaddress.ip_address(text)
        if not any(address in net for net in nets if net.version == address.version):
            raise RuntimeError(f"the capture holds {text}, which is not in the plan")


def retime(
    day: Day, sessions: list[Session], clock: Clock, raw: Path, out: Path
) -> dict[str, Story]:
    """Write the day's capture and give what each attack left in it."""
    attacks = {attack.id: attack for attack in day.attacks}
    actors = {name: _actors(attack, day) for name, attack in attacks.items()}
    stories = {name: Story() for name in attacks}
    end_us = day.start_us + int(day.length_s * 1e6)
    moved: list[tuple[int, int, int, bytes]] = []
    addresses: set[str] = set()
    for number, (real_us, length, data) in enumerate(read(raw)):
        placed = clock.place(real_us)
        if placed is None or not day.start_us <= placed[0] < end_us:
            continue
        time_us, index = placed
        headers = parse(data)
        if headers:
            addresses |= {headers.src, headers.dst}
        moved.append((time_us, number, length, shorten(data, headers)))
        name = sessions[index].attack
        if name and headers and _belongs(headers, actors[name]):
            _note(stories[name], time_us, headers)
    assert_planned(day, addresses)
    moved.sort(key=lambda row: row[:2])
    write(out, ((time_us, length, data) for time_us, _, length, data in moved))
    return stories


def _sides(attack: Attack, story: Story, day: Day) -> tuple[list[str], list[str], list[str]]:
    """Give (sources, relays, destinations) of an attack as its packets name them."""
    net = day.network
    source = net.hosts[attack.source].ip
    flows = list(story.flows)
    if attack.key == "smurf":
        victim = net.hosts[attack.args["victim"]]
        relays = sorted({f[0] for f in flows} - {victim.ip, victim.broadcast})
        return [victim.ip], relays, [victim.broadcast, victim.ip]
    relays = sorted({f[0] for f in flows} - {source}) if attack.key == "tunnel" else []
    return (
        [source],
        relays,
        sorted({f[1] for f in flows if f[0] == source}, key=ipaddress.ip_address),
    )


def _shorter(values: list[str], day: Day) -> str:
    """Write many addresses as their subnets, few as they are."""
    if len(values) <= 24:
        return ";".join(values)
    nets = {
        str(s.prefix)
        for s in day.network.subnets.values()
        if any(ipaddress.ip_address(v) in s.prefix for v in values if ":" not in v)
    }
    return ";".join(sorted(nets))


def _truth_row(attack: Attack, story: Story, day: Day) -> dict[str, object]:
    sources, relays, destinations = _sides(attack, story, day)
    forward = [f for f in story.flows if f[0] in sources]
    ports = sorted({f[3] for f in forward if f[4] in (6, 17)})
    few = ";".join(map(str, ports)) if len(ports) <= 12 else f"{len(ports)} ports"
    seen = list(story.flows.values())
    return {
        "attack_id": attack.id,
        "key": attack.key,
        "neighbours": ";".join(attack.neighbours),
        "sources": ";".join(sources),
        "relays": _shorter(relays, day),
        "destinations": _shorter(destinations, day),
        "ports": few,
        "proto": ";".join(sorted({PROTO.get(f[4], str(f[4])) for f in forward})),
        "start_us": min(one.start_us for one in seen),
        "end_us": max(one.end_us for one in seen),
        "flows": len(seen),
        "packets": sum(one.packets for one in seen),
        "bytes": sum(one.nbytes for one in seen),
        "tool": attack.kind,
        "note": attack.note,
    }


def write_truth(day: Day, stories: dict[str, Story], truth: Path, flows: Path) -> None:
    """Write one row an attack, and one row for each 5-tuple of each attack."""
    for attack in day.attacks:
        if not stories[attack.id].flows:
            raise RuntimeError(f"attack {attack.id} left no packet in the capture")
    with truth.open("w", newline="") as file:
        table = csv.DictWriter(file, TRUTH_COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(_truth_row(attack, stories[attack.id], day) for attack in day.attacks)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(FLOW_COLUMNS)
    for attack in day.attacks:
        for (src, dst, sport, dport, proto), one in sorted(
            stories[attack.id].flows.items(), key=lambda item: (item[1].start_us, item[0])
        ):
            ports = [sport, dport] if proto in (6, 17) else ["", ""]
            rows.writerow(
                [
                    *(attack.id, attack.key, src, dst, *ports, PROTO.get(proto, proto)),
                    *(one.start_us, one.end_us, one.packets),
                ]
            )
    with flows.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write(text.getvalue().encode())
