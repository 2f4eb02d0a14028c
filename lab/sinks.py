"""Small servers for which no package is worth its weight: raw printing, syslog, the tunnel's far end."""

from __future__ import annotations

import socket
import sys
import threading


def _drain(connection: socket.socket) -> None:
    with connection:
        while connection.recv(65536):
            pass


def serve_print(address: str) -> None:
    """Take print jobs on port 9100 as they come: read to the end, close."""
    with socket.create_server((address, 9100)) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_drain, args=(connection,), daemon=True).start()


def serve_syslog(address: str) -> None:
    """Receive syslog lines on UDP port 514."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 514))
        while True:
            server.recv(65536)


def serve_tunnel(address: str) -> None:
    """Answer every TXT question with 120 bytes of payload, as the far end of a DNS tunnel does."""
    from dnslib import QTYPE, RR, TXT, DNSRecord  # type: ignore[import-not-found]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 53))
        while True:
            data, peer = server.recvfrom(4096)
            question = DNSRecord.parse(data)
            answer = question.reply()
            text = (str(question.q.qname).replace(".", "")[::-1] * 6)[:120]
            answer.add_answer(RR(question.q.qname, QTYPE.TXT, rdata=TXT(text), ttl=0))
            server.sendto(answer.pack(), peer)


if __name__ == "__main__":
    {"print": serve_print, "syslog": serve_syslog, "tunnel": serve_tunnel}[sys.argv[1]](
        sys.argv[2]
    )
