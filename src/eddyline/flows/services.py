"""Names of services by their registered port, for sentences only; nothing is decided by them.

What belongs here: port to name. What does not: recognising an application.
"""

from __future__ import annotations

from typing import Final

_NAMES: Final = {
    20: "ftp-data", 21: "ftp", 22: "ssh", 23: "telnet", 25: "smtp", 53: "dns", 67: "dhcp",
    69: "tftp", 80: "http", 88: "kerberos", 110: "pop3", 111: "rpc", 123: "ntp", 135: "msrpc",
    137: "netbios-ns", 139: "netbios", 143: "imap", 161: "snmp", 179: "bgp", 389: "ldap",
    443: "https", 445: "smb", 465: "smtps", 500: "ike", 502: "modbus", 514: "syslog", 587: "submission",
    636: "ldaps", 853: "dns-over-tls", 993: "imaps", 995: "pop3s", 1194: "openvpn", 1433: "mssql",
    1521: "oracle", 1883: "mqtt", 1900: "ssdp", 2049: "nfs", 3306: "mysql", 3389: "rdp", 3478: "stun",
    5060: "sip", 5353: "mdns", 5432: "postgresql", 5900: "vnc", 5985: "winrm", 6379: "redis",
    6667: "irc", 8080: "http-alt", 8443: "https-alt", 9200: "elasticsearch", 11211: "memcached",
    27017: "mongodb", 51820: "wireguard",
}  # fmt: skip


def service_name(proto: str, port: int) -> str:
    """Say a service: ``ssh (tcp/22)``, or ``tcp/4975`` when the port has no common name.

    Parameters
    ----------
    proto
        Transport protocol.
    port
        Port, 0-65535.
    """
    name = _NAMES.get(port)
    return f"{name} ({proto}/{port})" if name else f"{proto}/{port}"
