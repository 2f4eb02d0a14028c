"""Real servers: nginx, dnsmasq, OpenSSH, chrony, an FTP and an SMTP server, sinks for print and syslog."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from lab.plan import object_sizes
from lab.spec import Host, Network
from lab.world import World

REPOSITORY = Path(__file__).resolve().parent.parent


def prepare(folder: Path) -> None:
    """Make keys, a certificate, web objects and password files for the servers."""
    for name in ("www/o", "up", "ftp", "log", "keys", "scratch"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    line = b"The harbour master keeps the log of every tide and every ship. "
    for index, size in enumerate(object_sizes()):
        (folder / "www/o" / str(index)).write_bytes((line * (size // len(line) + 1))[:size])
    (folder / "www/beat").write_text("wait\n")
    (folder / "www/index.html").write_text("<html>ok</html>\n")
    argv = ["openssl", "passwd", "-apr1", "not-in-any-list-41"]
    secret = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()
    (folder / "keys/htpasswd").write_text(f"admin:{secret}\n")
    keys = folder / "keys"
    if not (keys / "host").exists():
        for name in ("host", "client"):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)]
            subprocess.run(argv, check=True)
        (keys / "authorized").write_text((keys / "client.pub").read_text())
        subprocess.run(
            [
                *["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"],
                *["-days", "3650", "-subj", "/CN=lab"],
                *["-keyout", str(keys / "tls.key"), "-out", str(keys / "tls.crt")],
            ],
            check=True,
            capture_output=True,
        )
    Path("/run/sshd").mkdir(exist_ok=True)


def _web(host: Host, folder: Path) -> list[list[str]]:
    listen6 = "listen [::]:80; listen [::]:443 ssl;" if host.ip6 else ""
    conf = folder / f"nginx-{host.name}.conf"
    conf.write_text(
        f"""user root; worker_processes 1; daemon off; pid {folder}/scratch/nginx-{host.name}.pid;
error_log {folder}/log/nginx-{host.name}.log;
events {{ worker_connections 512; }}
http {{ access_log off; default_type text/html; client_max_body_size 100m; sendfile on;
 client_body_temp_path {folder}/scratch/b-{host.name}; proxy_temp_path {folder}/scratch/p-{host.name};
 fastcgi_temp_path {folder}/scratch/f-{host.name}; uwsgi_temp_path {folder}/scratch/u-{host.name};
 scgi_temp_path {folder}/scratch/s-{host.name};
 server {{ listen 80; listen 443 ssl; {listen6} root {folder}/www;
  ssl_certificate {folder}/keys/tls.crt; ssl_certificate_key {folder}/keys/tls.key;
  location /up/ {{ alias {folder}/up/; dav_methods PUT; create_full_put_path on; }}
  location /admin {{ auth_basic "staff"; auth_basic_user_file {folder}/keys/htpasswd; }}
 }} }}
"""
    )
    return [["nginx", "-c", str(conf), "-e", f"{folder}/log/nginx-{host.name}.log"]]


def _dns(host: Host, network: Network, folder: Path) -> list[list[str]]:
    lines = ["no-resolv", "no-hosts", "user=root", "cache-size=2000", "no-daemon", "pid-file="]
    lines += ["bind-interfaces", "local=/example/", "dns-forward-max=300"]
    for other in network.hosts.values():
        domain = network.domain if other.internal else "example"
        record = f"host-record={other.name}.{domain},{other.ip}"
        lines.append(record + (f",{other.ip6}" if other.ip6 else ""))
    if network.tunnel:
        server = network.hosts[network.tunnel["server"]].ip
        lines.append(f"server=/{network.tunnel['domain']}/{server}")
    conf = folder / f"dnsmasq-{host.name}.conf"
    conf.write_text("\n".join(lines) + "\n")
    return [["dnsmasq", f"--conf-file={conf}"]]


def _ssh(host: Host, folder: Path) -> list[list[str]]:
    conf = folder / f"sshd-{host.name}.conf"
    conf.write_text(
        f"""Port 22
HostKey {folder}/keys/host
AuthorizedKeysFile {folder}/keys/authorized
PidFile {folder}/scratch/sshd-{host.name}.pid
UsePAM no
PermitRootLogin yes
PasswordAuthentication yes
StrictModes no
UseDNS no
MaxStartups 200
Subsystem sftp internal-sftp
"""
    )
    return [["/usr/sbin/sshd", "-D", "-e", "-f", str(conf)]]


def _ntp(host: Host, folder: Path) -> list[list[str]]:
    conf = folder / f"chrony-{host.name}.conf"
    pid = folder / f"scratch/chrony-{host.name}.pid"
    conf.write_text(f"local stratum 2\nallow all\ncmdport 0\nbindcmdaddress /\npidfile {pid}\n")
    return [["chronyd", "-x", "-d", "-u", "root", "-f", str(conf)]]


def commands(host: Host, network: Network, folder: Path) -> list[list[str]]:
    """Give the command lines of a host's servers."""
    python = sys.executable
    sink = [python, str(REPOSITORY / "lab/sinks.py")]
    made = {
        "web": lambda: _web(host, folder),
        "dns": lambda: _dns(host, network, folder),
        "ssh": lambda: _ssh(host, folder),
        "ntp": lambda: _ntp(host, folder),
        "ftp": lambda: [
            [python, "-m", "pyftpdlib", "-i", host.ip, "-p", "21", "-w", "-d", str(folder / "ftp")]
        ],
        "smtp": lambda: [
            [python, "-m", "aiosmtpd", "-n", "-l", f"{host.ip}:25", "-c", "aiosmtpd.handlers.Sink"]
        ],
        "print": lambda: [[*sink, "print", host.ip]],
        "syslog": lambda: [[*sink, "syslog", host.ip]],
        "tunnel": lambda: [tunnel_end(host)],
    }
    return [argv for service in host.services for argv in made[service]()]


def tunnel_end(host: Host) -> list[str]:
    """Give the command line of the DNS tunnel's far end."""
    return [sys.executable, str(REPOSITORY / "lab/sinks.py"), "tunnel", host.ip]


def uplink() -> list[str]:
    """Give the command line of the wire between the two switches."""
    return [sys.executable, str(REPOSITORY / "lab/wan.py"), "w1", "x1"]


def start(world: World, folder: Path) -> None:
    """Start every server of the network and wait until the slowest listens."""
    prepare(folder)
    for host in world.network.hosts.values():
        for argv in commands(host, world.network, folder):
            world.start(host.name, argv, folder / "log" / f"{host.name}.log")
    if any(host == "storage" for host in world.network.hosts):
        with world.inside("storage"):
            rule = "iptables -A INPUT -p tcp --dport 8443 -j DROP"
            subprocess.run(rule.split(), check=True)
    time.sleep(4)
    dead = [child.args for child in world.children if child.poll() is not None]
    if dead:
        raise RuntimeError(f"servers ended at once: {dead}; see {folder}/log")
