"""Other tools' names for the columns of a flow, in tables whose user gave no map.

What belongs here: names only. What does not: units and values (``csv.py``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from eddyline.flows.record import STATISTICS_SCHEMA

NEEDED: Final = frozenset({"ts", "src_ip", "dst_ip", "ip_proto"})
"""What a table must give; ``proto`` stands for ``ip_proto``."""

TOTALS: Final = {
    "bytes_total": ("bytes_out", "bytes_in"),
    "pkts_total": ("pkts_out", "pkts_in"),
}
"""Sums of both ways, as Argus gives them: less the one way they are the other."""

_SYNONYMS: Final[dict[str, str]] = {
    "ts": "ts timestamp starttime start stime time first_seen firstseen te_start flow_start ts_start "
    "bidirectional_first_seen_ms flowstartmilliseconds flow_start_milliseconds first_switched "
    "date_first_seen event_start start_time timestamp_start frame_time",
    "ts_end": "ts_end endtime end etime ltime last_seen lastseen bidirectional_last_seen_ms "
    "flowendmilliseconds flow_end_milliseconds last_switched date_last_seen event_end end_time time_end",
    "duration_s": "duration_s duration dur flow_duration bidirectional_duration_ms event_duration td",
    "uid": "uid flow_id flowid id",
    "community_id": "community_id communityid network_community_id",
    "src_ip": "src_ip srcip srcaddr src_addr src source sip sa source_ip sourceip source_address "
    "sourceipv4address ipv4_src_addr id_orig_h orig_h srcipaddr",
    "dst_ip": "dst_ip dstip dstaddr dst_addr dst dest dest_ip destip dip da destination destination_ip "
    "destinationip destination_address destinationipv4address ipv4_dst_addr id_resp_h resp_h dstipaddr",
    "src_port": "src_port srcport sport sp spt source_port sourceport sourcetransportport l4_src_port "
    "id_orig_p orig_p src_pt",
    "dst_port": "dst_port dstport dport dp dpt dest_port destport destination_port destinationport "
    "destinationtransportport l4_dst_port id_resp_p resp_p dst_pt",
    "ip_proto": "ip_proto protocol proto prot pr protocol_identifier protocolidentifier ip_protocol "
    "network_transport transport protocol_name",
    "app": "app application application_name app_proto appname service l7_proto applicationname",
    "bytes_out": "bytes_out src2dst_bytes srcbytes src_bytes sbytes orig_ip_bytes in_bytes ibyt "
    "octetdeltacount bytes_toserver source_bytes bytes_sent out_bytes_src",
    "bytes_in": "bytes_in dst2src_bytes dstbytes dst_bytes dbytes resp_ip_bytes bytes_toclient "
    "destination_bytes bytes_received",
    "bytes_total": "bytes_total totbytes tot_bytes total_bytes bidirectional_bytes",
    "pkts_out": "pkts_out src2dst_packets srcpkts src_pkts spkts orig_pkts in_pkts ipkt packetdeltacount "
    "pkts_toserver source_packets total_fwd_packets tot_fwd_pkts packets_sent",
    "pkts_in": "pkts_in dst2src_packets dstpkts dst_pkts dpkts resp_pkts pkts_toclient "
    "destination_packets total_backward_packets tot_bwd_pkts packets_received",
    "pkts_total": "pkts_total totpkts tot_pkts total_packets bidirectional_packets",
    "payload_out": "payload_out orig_bytes total_length_of_fwd_packets totlen_fwd_pkts",
    "payload_in": "payload_in resp_bytes total_length_of_bwd_packets totlen_bwd_pkts",
    "state": "state conn_state",
    "history": "history",
    "missed_bytes": "missed_bytes",
    "direction": "direction",
    "icmp_type": "icmp_type",
    "icmp_code": "icmp_code",
    "sensor": "sensor observer_name",
    "sampling_rate": "sampling_rate",
    "label": "label class attack_label",
    "label_detail": "label_detail detailed_label detailedlabel attack attack_cat",
}

_ONE_WAY: Final = {
    "bytes": "bytes_out",
    "octets": "bytes_out",
    "packets": "pkts_out",
    "pkts": "pkts_out",
}
"""Names of one-way records, taken only when no other column counts the same."""

_SPLIT: Final = re.compile(r"[^a-z0-9]+")


def _plain(name: str) -> str:
    """Write a column name without case, spaces and signs."""
    return _SPLIT.sub("", name.lower())


_OURS: Final = {_plain(word): ours for ours, words in _SYNONYMS.items() for word in words.split()}


def guess(names: Sequence[str]) -> dict[str, str]:
    """Give our names for the columns of a table, as far as they are known.

    Where several columns would be the same thing, the one that stands first in our list of names counts.

    Parameters
    ----------
    names
        Column names.
    """
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(_plain(name), name)
    found: dict[str, str] = {}
    for known, ours in _OURS.items():
        if known in plain and ours not in found:
            found[ours] = plain[known]
    for known, ours in _ONE_WAY.items():
        if known in plain and ours not in found:
            found[ours] = plain[known]
    found.update((name, name) for name in names if name in STATISTICS_SCHEMA)
    return found
