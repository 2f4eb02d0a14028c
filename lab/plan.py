"""The plan of a day: which session starts when, on which host, with which arguments.

Everything random is drawn here from the day's seed, a generator for each host and kind, so that the same
specification gives the same plan and one more host leaves the others' sessions as they were.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from lab.spec import Attack, Day, Host, Network, seconds

N_OBJECTS = 64
"""Web objects that every web server offers, ``/o/0`` to ``/o/63``."""

PERIODIC = frozenset({"telemetry", "webmail", "ntp", "updates"})
"""Kinds that come at regular intervals; the others arrive at random."""


@dataclass(frozen=True, slots=True)
class Session:
    """One action of one host; ``attack`` is empty for everything that is normal."""

    start_s: float
    host: str
    kind: str
    args: dict[str, Any] = field(default_factory=dict)
    attack: str = ""


def object_sizes() -> list[int]:
    """Give the sizes in bytes of the web objects: lognormal, median 5 KB, at most 120 KB."""
    rng = random.Random(7)
    return [min(120_000, int(rng.lognormvariate(8.5, 1.2)) + 90) for _ in range(N_OBJECTS)]


def _times(rng: random.Random, per_hour: float, day: Day) -> list[float]:
    """Draw arrival times: a Poisson process that follows the day's hourly profile."""
    peak = per_hour * max(day.profile)
    times, now = [], 0.0
    while peak > 0:
        now += rng.expovariate(peak / 3600)
        if now >= day.length_s:
            break
        hour = min(int(now // 3600), len(day.profile) - 1)
        if rng.random() < day.profile[hour] / max(day.profile):
            times.append(now)
    return times


def _ticks(rng: random.Random, per_hour: float, day: Day, spread: float) -> list[float]:
    """Draw times at a fixed period with ``spread`` (a share of the period) of jitter."""
    period = 3600 / per_hour
    times, now = [], rng.random() * period
    while now < day.length_s:
        times.append(now)
        now += period * (1 + rng.uniform(-spread, spread))
    return times


def _mark(host: Host, other: Host, rng: random.Random) -> str:
    """Choose the address of ``other`` that ``host`` uses: IPv6 half of the time where both have it."""
    return other.ip6 if host.ip6 and other.ip6 and rng.random() < 0.5 else other.ip


class Chooser:
    """Draws the arguments of a kind of session."""

    def __init__(self, network: Network, rng: random.Random, host: Host) -> None:
        self.net, self.rng, self.host = network, rng, host

    def args(self, kind: str) -> dict[str, Any]:
        """Give the arguments of one session."""
        choose = getattr(self, f"_{kind}")
        made: dict[str, Any] = choose()
        return made

    def _names(self, count: int, missing: float = 0.04) -> list[str]:
        names = [
            f"{host.name}.{self.net.domain if host.internal else 'example'}"
            for host in self.net.hosts.values()
            if host.services and host.name != self.net.tunnel.get("server")
        ]
        rng = self.rng
        return [
            f"old{rng.randrange(40)}.{self.net.domain}"
            if rng.random() < missing
            else rng.choice(names)
            for _ in range(count)
        ]

    def _resolver(self) -> str:
        servers = self.net.serving("dns", internal=True)
        first = servers[0] if self.rng.random() < 0.8 else self.rng.choice(servers)
        return _mark(self.host, first, self.rng)

    def _objects(self, low: int, high: int) -> list[int]:
        return [self.rng.randrange(N_OBJECTS) for _ in range(self.rng.randint(low, high))]

    def _page(self, sites: list[Host], low: int, high: int) -> dict[str, Any]:
        rng = self.rng
        site = rng.choice(sites)
        return {
            "address": _mark(self.host, site, rng),
            "name": f"{site.name}.{self.net.domain if site.internal else 'example'}",
            "tls": rng.random() < (0.35 if site.internal else 0.85),
            "objects": self._objects(low, high),
            "parallel": rng.choice([4, 6, 6, 8]),
        }

    def _sites(self, *names: str) -> list[Host]:
        skip = {"telemetry", "updates", "storage", "office365", "printer"}
        sites = self.net.serving("web", internal=not names)
        if names:
            return [host for host in sites if host.name in names]
        return [host for host in sites if host.name not in skip]

    def _far(self) -> list[Host]:
        skip = {"telemetry", "updates", "storage", "office365"}
        return [h for h in self.net.serving("web", internal=False) if h.name not in skip]

    def _browse(self) -> dict[str, Any]:
        rng = self.rng
        pages = [
            {
                "parts": [
                    self._page(self._far(), 3, 14 if part == 0 else 6)
                    for part in range(rng.randint(1, 3))
                ],
                "rest_s": rng.uniform(8, 150),
            }
            for _ in range(rng.choice([1, 1, 2, 3]))
        ]
        return {"resolver": self._resolver(), "pages": pages}

    def _intranet(self) -> dict[str, Any]:
        parts = [self._page(self._sites(), 2, 9)]
        return {
            "resolver": self._resolver(),
            "pages": [{"parts": parts, "rest_s": self.rng.uniform(5, 60)}],
        }

    def _webmail(self) -> dict[str, Any]:
        site = self.net.hosts["mail"] if "mail" in self.net.hosts else self._sites()[0]
        part = self._page([site], 1, 2)
        part["tls"] = True
        return {"resolver": self._resolver(), "pages": [{"parts": [part], "rest_s": 1.0}]}

    def _updates(self) -> dict[str, Any]:
        part = self._page(self._sites("updates"), 1, 1)
        part["tls"] = True
        if self.rng.random() < 0.08:
            part["objects"] = self._objects(10, 25)
        return {"resolver": self._resolver(), "pages": [{"parts": [part], "rest_s": 1.0}]}

    def _telemetry(self) -> dict[str, Any]:
        site = self._sites("telemetry")[0]
        return {
            "address": site.ip,
            "resolver": self._resolver() if self.rng.random() < 0.3 else "",
            "nbytes": self.rng.randint(600, 900),
        }

    def _cloud_put(self) -> dict[str, Any]:
        size = min(900_000, int(self.rng.lognormvariate(11.0, 1.2)) + 2000)
        return {
            "address": self._sites("storage")[0].ip,
            "resolver": self._resolver(),
            "nbytes": size,
        }

    def _mail_send(self) -> dict[str, Any]:
        size = min(250_000, int(self.rng.lognormvariate(8.2, 1.3)) + 300)
        host = self.rng.choice(self.net.serving("smtp", internal=True))
        return {"address": host.ip, "nbytes": size, "resolver": self._resolver()}

    def _file_get(self) -> dict[str, Any]:
        size = min(400_000, int(self.rng.lognormvariate(10.6, 1.1)) + 1000)
        host = self.rng.choice(self.net.serving("ftp", internal=True))
        return {"address": host.ip, "nbytes": size, "how": self.rng.choice(["ftp", "ftp", "scp"])}

    _file_put = _file_get

    def _print(self) -> dict[str, Any]:
        host = self.rng.choice(self.net.serving("print", internal=True))
        return {
            "address": host.ip,
            "nbytes": min(200_000, int(self.rng.lognormvariate(10.3, 0.9))),
        }

    def _lookups(self) -> dict[str, Any]:
        count = self.rng.choice([1, 2, 2, 3, 5, 12])
        return {
            "resolver": self._resolver(),
            "names": self._names(count, 0.12),
            "gap_s": self.rng.choice([0.01, 0.2, 1.5]),
        }

    def _ntp(self) -> dict[str, Any]:
        inside = self.net.serving("ntp", internal=True)
        outside = self.net.serving("ntp", internal=False)
        rng = random.Random(self.host.name)
        mine = [rng.choice(inside)] + ([rng.choice(outside)] if rng.random() < 0.5 else [])
        return {"addresses": [host.ip for host in mine]}

    def _chat(self) -> dict[str, Any]:
        rng = self.rng
        return {
            "address": self._sites("office365")[0].ip,
            "resolver": self._resolver(),
            "gaps_s": [rng.gauss(55, 6) + 20 for _ in range(rng.randint(6, 22))],
            "objects": self._objects(22, 22),
        }

    def _chatter(self) -> dict[str, Any]:
        return {
            "what": self.rng.choice(["mdns", "mdns", "ssdp", "netbios", "llmnr", "dhcp"]),
            "count": self.rng.randint(1, 4),
        }

    def _syslog(self) -> dict[str, Any]:
        host = self.rng.choice(self.net.serving("syslog", internal=True))
        return {"address": host.ip, "lines": self.rng.choice([1, 1, 2, 5, 14])}

    def _ssh_hosts(self) -> list[Host]:
        return [h for h in self.net.serving("ssh", internal=True) if h.name != self.host.name]

    def _ssh(self) -> dict[str, Any]:
        rng = self.rng
        sizes = [int(rng.lognormvariate(6.5, 1.4)) for _ in range(rng.randint(2, 9))]
        return {
            "address": rng.choice(self._ssh_hosts()).ip,
            "outputs": [min(size, 60_000) for size in sizes],
            "gaps_s": [rng.lognormvariate(2.2, 1.0) for _ in sizes],
        }

    def _git(self) -> dict[str, Any]:
        git = [h for h in self._ssh_hosts() if h.name == "git"] or self._ssh_hosts()
        size = min(300_000, int(self.rng.lognormvariate(9.2, 1.6)) + 400)
        return {"address": git[0].ip, "outputs": [size], "gaps_s": []}

    def _rollout(self) -> dict[str, Any]:
        rng = self.rng
        hosts = self._ssh_hosts()
        rng.shuffle(hosts)
        return {"addresses": [host.ip for host in hosts], "gap_s": rng.uniform(1, 8)}

    def _refused(self) -> dict[str, Any]:
        host = self.rng.choice(
            [h for h in self.net.hosts.values() if h.role == "server" and h.services]
        )
        return {
            "address": host.ip,
            "port": self.rng.choice([8081, 8443, 5900, 3389, 631]),
            "tries": self.rng.choice([1, 1, 2, 3]),
        }

    def _retired(self) -> str:
        prefix = self.net.subnets[self.net.serving("dns", internal=True)[0].subnet].prefix
        return str(prefix[self.rng.choice([77, 78, 99])])

    def _unreachable(self) -> dict[str, Any]:
        return {
            "address": self._retired(),
            "port": self.rng.choice([445, 80, 443, 22]),
            "tries": self.rng.choice([1, 2, 3]),
        }

    def _filtered(self) -> dict[str, Any]:
        return {"address": self._sites("storage")[0].ip, "port": 8443, "tries": 1}

    def _mistyped(self) -> dict[str, Any]:
        return {
            "address": self.rng.choice(self._ssh_hosts()).ip,
            "tries": self.rng.choice([1, 2]),
        }


def _of_host(day: Day, host: Host) -> list[Session]:
    sessions: list[Session] = []
    for kind, per_hour in day.network.roles.get(host.role, {}).items():
        rng = random.Random(f"{day.seed}/{host.name}/{kind}")
        rate = per_hour * day.scale.get(kind, 1.0) * day.scale.get(host.role, 1.0)
        if rate <= 0:
            continue
        if kind in PERIODIC:
            times = _ticks(rng, rate, day, 0.02 if kind == "telemetry" else 0.1)
        else:
            times = _times(rng, rate * rng.uniform(0.5, 1.5), day)
        chooser = Chooser(day.network, rng, host)
        sessions.extend(Session(at, host.name, kind, chooser.args(kind)) for at in times)
    return sessions


def _jobs(day: Day) -> list[Session]:
    sessions: list[Session] = []
    net = day.network
    rng = random.Random(f"{day.seed}/jobs")
    midnight_s = (day.start_us // 1_000_000) % 86_400
    for name, job in net.jobs.items():
        if name == "monitor":
            checks = [
                {"address": host.ip, "services": list(host.services)}
                for host in net.hosts.values()
                if host.role == "server" and host.name != job["host"]
            ]
            at = rng.uniform(0, job["every_s"])
            while at < day.length_s:
                sessions.append(Session(at, job["host"], "poll", {"checks": checks}))
                at += job["every_s"] + rng.uniform(-1.5, 1.5)
            continue
        for clock, mbytes in zip(job["at"], job["mbytes"], strict=True):
            at = seconds(clock) - midnight_s + rng.uniform(0, 40)
            if 0 <= at < day.length_s:
                size = int(mbytes * 1e6 * rng.uniform(0.85, 1.15))
                to = net.hosts[job["to"]]
                how = "scp" if "ssh" in to.services else "http"
                args = {"address": to.ip, "nbytes": size, "how": how}
                sessions.append(Session(at, job["host"], "transfer", args))
    return sessions


def attack_session(attack: Attack) -> Session:
    """Give the session that carries out an attack."""
    return Session(attack.at_s, attack.source, attack.kind, attack.args, attack.id)


def plan(day: Day) -> list[Session]:
    """Give every session of a day in order of start.

    Parameters
    ----------
    day
        The specification; the same specification gives the same list.
    """
    sessions = _jobs(day)
    for host in day.network.hosts.values():
        sessions.extend(_of_host(day, host))
    sessions.extend(attack_session(attack) for attack in day.attacks)
    return sorted(sessions, key=lambda one: (one.start_s, one.host, one.kind))
