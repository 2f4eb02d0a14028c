"""What people, things and jobs do on a normal day: one function for each kind of session."""

from __future__ import annotations

import contextlib
import email.message
import ftplib
import io
import random
import smtplib
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.clock import Clock
from lab.spec import Host
from lab.world import World

Args = dict[str, Any]
SSH_OPTIONS = [
    *["-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"],
    *["-o", "LogLevel=ERROR", "-o", "GSSAPIAuthentication=no"],
]


@dataclass(slots=True)
class Bench:
    """What a session needs: the world, the clock, its host, a folder, a source of small randomness."""

    world: World
    clock: Clock
    host: Host
    folder: Path
    rng: random.Random


def run(argv: list[str], *, limit_s: float = 60, stdin: str | None = None) -> str:
    """Run a client program in the namespace of this thread and give what it printed."""
    done = subprocess.run(
        argv, input=stdin, capture_output=True, text=True, timeout=limit_s, check=False
    )
    return done.stdout + done.stderr


# ------------------------------------------------------------------ DNS
def question(name: str, kind: int, rng: random.Random) -> bytes:
    """Build one DNS question (RFC 1035): recursion desired, class IN."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    head = struct.pack(">6H", rng.randrange(65536), 0x0100, 1, 0, 0, 0)
    return head + labels + b"\0" + struct.pack(">2H", kind, 1)


def ask(resolver: str, name: str, kind: int, rng: random.Random) -> None:
    """Ask a resolver once and wait for its answer."""
    family = socket.AF_INET6 if ":" in resolver else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect((resolver, 53))
        client.send(question(name, kind, rng))
        client.recv(4096)


def lookups(bench: Bench, args: Args) -> None:
    """Look up several names."""
    for name in args["names"]:
        ask(args["resolver"], name, 1, bench.rng)
        if bench.rng.random() < 0.4:
            ask(args["resolver"], name, 28, bench.rng)
        bench.clock.rest(args["gap_s"] * bench.rng.uniform(0.3, 2))


# ------------------------------------------------------------------ web
def _fetch(part: Args) -> None:
    scheme, port = ("https", 443) if part["tls"] else ("http", 80)
    address = f"[{part['address']}]" if ":" in part["address"] else part["address"]
    lines = [f'resolve = "{part["name"]}:{port}:{address}"', "insecure", "silent"]
    lines += ["parallel", "parallel-immediate", f"parallel-max = {part['parallel']}"]
    for index in part["objects"]:
        lines.append(f'url = "{scheme}://{part["name"]}/o/{index}"\noutput = "/dev/null"')
    run(["curl", "-q", "--http1.1", "-K", "-"], stdin="\n".join(lines))


def browse(bench: Bench, args: Args) -> None:
    """Load pages: names first, then each site's objects over parallel connections."""
    for at, page in enumerate(args["pages"]):
        if at:
            bench.clock.rest(page["rest_s"])
        for part in page["parts"]:
            if at == 0:
                ask(args["resolver"], part["name"], 1, bench.rng)
                if bench.host.ip6 or bench.rng.random() < 0.5:
                    ask(args["resolver"], part["name"], 28, bench.rng)
            _fetch(part)
            bench.clock.rest(bench.rng.uniform(0.05, 0.8))


def chat(bench: Bench, args: Args) -> None:
    """Keep one TLS connection open for many minutes, with a small exchange now and then."""
    import http.client
    import ssl

    ask(args["resolver"], "office365.example", 1, bench.rng)
    context = ssl._create_unverified_context()
    client = http.client.HTTPSConnection(args["address"], 443, timeout=10, context=context)
    for gap_s, index in zip(args["gaps_s"], args["objects"], strict=False):
        client.request("GET", "/beat" if index % 4 else f"/o/{index}")
        client.getresponse().read()
        bench.clock.rest(min(gap_s, 74), connected=True)
    client.close()


def _put(bench: Bench, address: str, nbytes: int, *, tls: bool) -> None:
    source = bench.folder / "scratch" / "upload"
    source.write_bytes(b"manifest of goods; " * (nbytes // 19 + 1))
    scheme = "https" if tls else "http"
    url = f"{scheme}://{address}/up/{bench.rng.randrange(10**9)}"
    run(["curl", "-q", "-k", "-s", "--http1.1", "-T", str(source), url])


def cloud_put(bench: Bench, args: Args) -> None:
    """Save a document to the storage service."""
    ask(args["resolver"], "storage.example", 1, bench.rng)
    _put(bench, args["address"], args["nbytes"], tls=True)


def telemetry(bench: Bench, args: Args) -> None:
    """Report a device's readings over plain HTTP."""
    if args["resolver"]:
        ask(args["resolver"], "telemetry.example", 1, bench.rng)
    _put(bench, args["address"], args["nbytes"], tls=False)


# ------------------------------------------------------------------ mail, files, print
def mail_send(bench: Bench, args: Args) -> None:
    """Hand a message to the mail server."""
    ask(args["resolver"], "mail.harbour.example", 1, bench.rng)
    message = email.message.EmailMessage()
    message["From"], message["To"] = f"{bench.host.name}@firm.example", "all@firm.example"
    message["Subject"] = "tides"
    message.set_content("High water at noon, low water at six.\n" * (args["nbytes"] // 39 + 1))
    with smtplib.SMTP(args["address"], 25, local_hostname=bench.host.name, timeout=20) as client:
        client.send_message(message)


def _scp(bench: Bench, address: str, nbytes: int, *, fetch: bool) -> None:
    local, remote = bench.folder / "scratch" / "scp", bench.folder / "scratch" / "scp-far"
    (remote if fetch else local).write_bytes(b"bill of lading; " * (nbytes // 16 + 1))
    there = f"root@{address}:{remote}"
    ends = [there, str(local)] if fetch else [str(local), there]
    run(["scp", "-q", "-i", str(bench.folder / "keys/client"), *SSH_OPTIONS, *ends])


def _ftp(bench: Bench, address: str, nbytes: int, *, fetch: bool) -> None:
    (bench.folder / "ftp" / "file").write_bytes(b"cargo list; " * (nbytes // 12 + 1))
    with ftplib.FTP(address, timeout=20) as client:
        client.login()
        if fetch:
            client.retrbinary("RETR file", lambda _: None)
        else:
            client.storbinary("STOR sent", io.BytesIO(b"cargo list; " * (nbytes // 12 + 1)))


def file_get(bench: Bench, args: Args) -> None:
    """Fetch a file from the file server."""
    copy = _scp if args["how"] == "scp" else _ftp
    copy(bench, args["address"], args["nbytes"], fetch=True)


def file_put(bench: Bench, args: Args) -> None:
    """Bring a file to the file server."""
    copy = _scp if args["how"] == "scp" else _ftp
    with contextlib.suppress(ftplib.error_perm):
        copy(bench, args["address"], args["nbytes"], fetch=False)


def transfer(bench: Bench, args: Args) -> None:
    """Copy much, as the backup and mirror jobs do."""
    if args["how"] == "scp":
        _scp(bench, args["address"], args["nbytes"], fetch=False)
    else:
        _put(bench, args["address"], args["nbytes"], tls=True)


def print_(_bench: Bench, args: Args) -> None:
    """Send a job to the printer's raw port."""
    with socket.create_connection((args["address"], 9100), timeout=5) as client:
        client.sendall(b"%!PS 0 0 moveto\n" * (args["nbytes"] // 16 + 1))


# ------------------------------------------------------------------ ssh
def ssh(bench: Bench, args: Args) -> None:
    """Work on a server: commands one after the other with time to think between them."""
    key = str(bench.folder / "keys/client")
    argv = ["ssh", "-T", "-i", key, *SSH_OPTIONS, f"root@{args['address']}", "sh"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as client:
        if client.stdin is None or client.stdout is None:
            raise RuntimeError("ssh was started without pipes")
        gaps = args["gaps_s"]
        for at, size in enumerate(args["outputs"]):
            client.stdin.write(
                f"head -c {size} /dev/zero | tr '\\0' x; echo; echo done\n".encode()
            )
            client.stdin.flush()
            while (line := client.stdout.readline()) and line != b"done\n":
                pass
            if at < len(gaps):
                bench.clock.rest(gaps[at], connected=True)
        client.stdin.close()


def rollout(bench: Bench, args: Args) -> None:
    """Visit every server in turn with one command each, as configuration tools do."""
    for address in args["addresses"]:
        ssh(bench, {"address": address, "outputs": [700], "gaps_s": []})
        bench.clock.rest(args["gap_s"])


def mistyped(bench: Bench, args: Args) -> None:
    """Log in with a wrong password, once or twice, then give up."""
    for _ in range(args["tries"]):
        run(
            [
                *[
                    "sshpass",
                    "-p",
                    "wrogn",
                    "ssh",
                    *SSH_OPTIONS,
                    "-o",
                    "NumberOfPasswordPrompts=1",
                ],
                *["-o", "PubkeyAuthentication=no", f"{bench.host.name}@{args['address']}", "true"],
            ]
        )
        bench.clock.rest(bench.rng.uniform(3, 12))


# ------------------------------------------------------------------ clocks, logs, checks
def sntp(address: str) -> None:
    """Ask a time server once (RFC 4330)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect((address, 123))
        client.send(b"\x23" + 47 * b"\0")
        client.recv(128)


def ntp(bench: Bench, args: Args) -> None:
    """Ask the host's time servers."""
    for address in args["addresses"]:
        sntp(address)
        bench.clock.rest(bench.rng.uniform(0.5, 3))


def syslog(bench: Bench, args: Args) -> None:
    """Send a few log lines."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((args["address"], 514))
        for number in range(args["lines"]):
            client.send(
                f"<13>{bench.host.name} cron[{number}]: job done\n".encode()
                * bench.rng.randint(1, 4)
            )
            bench.clock.rest(bench.rng.uniform(0.01, 0.5))


def _connect(address: str, port: int, limit_s: float) -> None:
    with contextlib.suppress(OSError), socket.create_connection((address, port), limit_s):
        pass


def _check(bench: Bench, address: str, service: str) -> None:
    if service == "web":
        run(["curl", "-q", "-s", "-o", "/dev/null", "--max-time", "3", f"http://{address}/"])
    elif service == "dns":
        ask(address, "monitor.harbour.example", 1, bench.rng)
    elif service == "ntp":
        sntp(address)
    else:
        port = {"ssh": 22, "smtp": 25, "ftp": 21}[service]
        with socket.create_connection((address, port), 3) as client:
            client.recv(200)


def poll(bench: Bench, args: Args) -> None:
    """Ping every server and try each of its services, as monitoring does all day."""
    for check in args["checks"]:
        run(["ping", "-n", "-c", "2", "-i", "0.02", "-w", "2", check["address"]])
        for service in check["services"]:
            if service in {"syslog", "tunnel", "print"}:
                continue
            _check(bench, check["address"], service)
            bench.clock.rest(bench.rng.uniform(0.02, 0.6))
        bench.clock.rest(bench.rng.uniform(0.1, 1.5))


# ------------------------------------------------------------------ what goes wrong every day
def refused(bench: Bench, args: Args) -> None:
    """Try a port where nothing listens."""
    for _ in range(args["tries"]):
        _connect(args["address"], args["port"], 2)
        bench.clock.rest(bench.rng.uniform(1, 20))


def unreachable(bench: Bench, args: Args) -> None:
    """Try a server that is no longer there."""
    for _ in range(args["tries"]):
        _connect(args["address"], args["port"], 2)
        time.sleep(0.05)
        bench.clock.rest(bench.rng.uniform(2, 30))


def filtered(_bench: Bench, args: Args) -> None:
    """Try a port whose packets a firewall drops, until the second repetition."""
    _connect(args["address"], args["port"], 3.2)


# ------------------------------------------------------------------ what devices say to everybody
def _shout(group: str, port: int, data: bytes, source: int, repeat: int, bench: Bench) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        client.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
        client.bind(("", source))
        for _ in range(repeat):
            client.sendto(data, (group, port))
            bench.clock.rest(bench.rng.uniform(0.2, 3))


def chatter(bench: Bench, args: Args) -> None:
    """Announce and ask on multicast and broadcast addresses: mDNS, SSDP, NetBIOS, LLMNR, DHCP."""
    what, count, rng = args["what"], args["count"], bench.rng
    if what == "mdns":
        _shout("224.0.0.251", 5353, question("_ipp._tcp.local", 12, rng), 5353, count, bench)
    elif what == "llmnr":
        _shout("224.0.0.252", 5355, question("wpad", 1, rng), 0, count, bench)
    elif what == "ssdp":
        lines = 'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 2\r\n\r\n'
        _shout("239.255.255.250", 1900, lines.encode(), 0, count, bench)
    elif what == "netbios":
        name = b"\x20" + b"CA" * 16 + b"\0"
        data = (
            struct.pack(">6H", rng.randrange(65536), 0x0110, 1, 0, 0, 0) + name + b"\0\x20\0\x01"
        )
        _shout(bench.host.broadcast, 137, data, 137, count, bench)
    else:
        ip = socket.inet_aton(bench.host.ip)
        head = b"\x01\x01\x06\x00" + rng.randbytes(4) + bytes(4) + ip + bytes(12)
        options = b"\x63\x82\x53\x63\x35\x01\x08\xff"
        _shout("255.255.255.255", 67, head + bytes(16 + 64 + 128) + options, 68, 1, bench)


KINDS: dict[str, Callable[[Bench, Args], None]] = {
    "browse": browse,
    "intranet": browse,
    "webmail": browse,
    "updates": browse,
    "chat": chat,
    "cloud_put": cloud_put,
    "telemetry": telemetry,
    "mail_send": mail_send,
    "file_get": file_get,
    "file_put": file_put,
    "transfer": transfer,
    "print": print_,
    "lookups": lookups,
    "ssh": ssh,
    "git": ssh,
    "rollout": rollout,
    "mistyped": mistyped,
    "ntp": ntp,
    "syslog": syslog,
    "poll": poll,
    "refused": refused,
    "unreachable": unreachable,
    "filtered": filtered,
    "chatter": chatter,
}
"""Every kind of normal session."""

FAR = frozenset({"browse", "updates", "chat", "cloud_put", "telemetry", "transfer", "filtered"})
"""Kinds that talk to hosts at the far end of the uplink."""
