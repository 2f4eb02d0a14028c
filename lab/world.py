"""Namespaces: one for each host, one router, one switch; no way out of them.

All hosts hang on one bridge in a namespace of its own. A host reaches another subnet by way of the
router, so that addresses where nobody lives are asked for with real packets. The capture keeps each
packet once, on its way from its sender: frames that the router forwards are left out.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.spec import Host, Network

ROUTER_MAC = "02:00:00:00:00:01"
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

HOST_SETTINGS = {
    "ipv4/icmp_echo_ignore_broadcasts": "0",
    "ipv4/tcp_timestamps": "0",
    "ipv4/icmp_ratelimit": "20",
    "ipv4/icmp_msgs_per_sec": "10000",
    "ipv4/ping_group_range": "0 2147483647",
    "ipv6/conf/all/accept_dad": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/default/router_solicitations": "0",
    "ipv6/conf/default/autoconf": "0",
    "ipv6/conf/default/accept_ra": "0",
}
ROUTER_SETTINGS = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
    "ipv6/conf/all/forwarding": "1",
}


def _run(*argv: str, stdin: str | None = None) -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def _enter(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class World:
    """The namespaces of one network, made on entry and removed on exit.

    Parameters
    ----------
    network
        What to build.
    tag
        First letters of every namespace, so that two worlds can stand side by side.
    """

    def __init__(self, network: Network, tag: str) -> None:
        self.network, self.tag = network, tag
        self.root = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.fds: dict[str, int] = {}
        self.children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> World:
        try:
            self._build()
            self.assert_closed()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

    def ns(self, name: str) -> str:
        """Give the namespace of a host."""
        return f"{self.tag}-{name}"

    @contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """Move this thread, and what it starts, into a host's namespace."""
        _enter(self.fds[name])
        try:
            yield
        finally:
            _enter(self.root)

    def start(self, name: str, argv: list[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a program that stays, inside a host; it is ended with the world."""
        with self.inside(name), log.open("ab") as out:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        self.children.append(child)
        return child

    def end(self, argv: list[str]) -> None:
        """End the program that was started with this command line."""
        for child in self.children:
            if child.args == argv:
                child.terminate()
                child.wait(timeout=3)

    def _open(self, name: str) -> None:
        _run("ip", "netns", "add", self.ns(name))
        self.fds[name] = os.open(f"/run/netns/{self.ns(name)}", os.O_RDONLY)

    def _settings(self, name: str, settings: dict[str, str]) -> None:
        with self.inside(name):
            for key, value in settings.items():
                Path("/proc/sys/net", key).write_text(value)

    def _plug(self, index: int, name: str, mac: str, bridge: str = "br0") -> None:
        switch, port = self.ns("switch"), f"p{index}"
        _run(
            *f"ip -n {switch} link add {port} type veth peer name eth0".split(),
            *f"address {mac} netns {self.ns(name)}".split(),
        )
        _run(*f"ip -n {switch} link set {port} master {bridge} up".split())
        for where, device in (("switch", port), (name, "eth0")):
            with self.inside(where):
                _run(
                    "ethtool",
                    "-K",
                    device,
                    *["tso", "off", "gso", "off", "gro", "off", "tx", "off"],
                )

    def _build(self) -> None:
        self._open("switch")
        self._settings("switch", {"ipv6/conf/default/disable_ipv6": "1"})
        bridge = "type bridge mcast_snooping 0 forward_delay 0"
        lines = [f"link add br0 {bridge}", f"link add br1 {bridge}"]
        lines += ["link add w0 type veth peer name w1", "link add x0 type veth peer name x1"]
        lines += ["link set w0 master br0", "link set x0 master br1"]
        lines += [f"link set {device} up" for device in ["br0", "br1", "w0", "w1", "x0", "x1"]]
        _run("ip", "-n", self.ns("switch"), "-batch", "-", stdin="\n".join(lines) + "\n")
        with self.inside("switch"):
            for device in ["w0", "w1", "x0", "x1"]:
                _run(
                    "ethtool",
                    "-K",
                    device,
                    *["tso", "off", "gso", "off", "gro", "off", "tx", "off"],
                )
        self._router()
        for index, host in enumerate(self.network.hosts.values(), 2):
            self._host(index, host)

    def _router(self) -> None:
        self._open("router")
        self._settings("router", HOST_SETTINGS | ROUTER_SETTINGS)
        self._plug(1, "router", ROUTER_MAC)
        lines = ["link set lo up", "link set eth0 up"]
        for subnet in self.network.subnets.values():
            number, prefix, prefix6 = self.network.gateway, subnet.prefix, subnet.prefix6
            lines.append(
                f"addr add {prefix[number]}/{prefix.prefixlen} brd {prefix.broadcast_address} dev eth0"
            )
            if prefix6:
                lines.append(f"addr add {prefix6[number]}/{prefix6.prefixlen} dev eth0 nodad")
        _run("ip", "-n", self.ns("router"), "-batch", "-", stdin="\n".join(lines) + "\n")
        self._settings(
            "router",
            {
                "ipv4/conf/eth0/send_redirects": "0",
                "ipv4/neigh/eth0/mcast_solicit": "2",
                "ipv4/neigh/eth0/retrans_time_ms": "150",
            },
        )

    def _host(self, index: int, host: Host) -> None:
        self._open(host.name)
        v6 = {} if host.ip6 else {"ipv6/conf/default/disable_ipv6": "1"}
        self._settings(host.name, HOST_SETTINGS | v6)
        bridge = "br0" if host.internal else "br1"
        self._plug(index, host.name, f"02:00:00:00:{index >> 8:02x}:{index & 255:02x}", bridge)
        own = self.network.subnets[host.subnet]
        lines = [
            "link set lo up",
            "link set eth0 up",
            f"addr add {host.ip}/{own.prefix.prefixlen} brd {host.broadcast} dev eth0",
            "route add 224.0.0.0/4 dev eth0",
        ]
        if host.ip6 and own.prefix6:
            lines.append(f"addr add {host.ip6}/{own.prefix6.prefixlen} dev eth0 nodad")
        number = self.network.gateway
        for other in self.network.subnets.values():
            if other.name == own.name:
                continue
            lines.append(f"route add {other.prefix} via {own.prefix[number]}")
            if host.ip6 and own.prefix6 and other.prefix6:
                lines.append(f"-6 route add {other.prefix6} via {own.prefix6[number]}")
        batch = [line for line in lines if not line.startswith("-6")]
        batch6 = [line[3:] for line in lines if line.startswith("-6")]
        _run("ip", "-n", self.ns(host.name), "-batch", "-", stdin="\n".join(batch) + "\n")
        if batch6:
            _run(
                "ip", "-6", "-n", self.ns(host.name), "-batch", "-", stdin="\n".join(batch6) + "\n"
            )

    def assert_closed(self) -> None:
        """Refuse to go on when a namespace has a default route or a link that leads outside."""
        for name in self.fds:
            space = self.ns(name)
            for family in ("-4", "-6"):
                if _run("ip", family, "-n", space, "route", "show", "default").strip():
                    raise RuntimeError(f"{space} has a default route; the lab must be closed")
            links = _run("ip", "-n", space, "-o", "link").splitlines()
            for line in links:
                device = line.split(":")[1].strip().split("@")[0]
                if device not in {"lo", "eth0"} and not (name == "switch" and device[0] in "bpwx"):
                    raise RuntimeError(f"{space} has the link {device}; the lab must be closed")
        with self.inside("switch"):
            peers = _run("ip", "-o", "link", "show", "type", "veth").splitlines()
        ports = [line for line in peers if line.split(":")[1].strip()[0] == "p"]
        if any("link-netns lab" not in line for line in ports):
            raise RuntimeError("a port of the switch leads out of the lab")

    def capture_filter(self) -> str:
        """Give the filter that keeps each packet once: as its sender sent it."""
        number = self.network.gateway
        own = [str(s.prefix[number]) for s in self.network.subnets.values()]
        own += [str(s.prefix6[number]) for s in self.network.subnets.values() if s.prefix6]
        hosts = " or ".join(f"src host {address}" for address in [*own, "fe80::ff:fe00:1"])
        return f"not ether src {ROUTER_MAC} or arp or {hosts}"

    def remove(self) -> None:
        """End every program started here, then delete the namespaces."""
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(timeout=3)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for name, fd in self.fds.items():
            os.close(fd)
            subprocess.run(["ip", "netns", "del", self.ns(name)], check=False)
        self.fds.clear()
