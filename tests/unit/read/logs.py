"""Small logs for the tests of the readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from eddyline.flows.batch import FlowBatch
from eddyline.read.ingest import IngestReport

ZEEK_HEADER = (
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
    "#open\t2026-03-01-08-00-00\n"
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\t"
    "resp_bytes\tconn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\torig_ip_bytes\t"
    "resp_pkts\tresp_ip_bytes\ttunnel_parents\n"
    "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\t"
    "count\tstring\tcount\tcount\tcount\tcount\tset[string]\n"
)

ZEEK_ROWS = (
    "1655071198.444458\tCa\t10.0.0.1\t62771\t40.74.108.123\t443\ttcp\tssl,http\t1.135424\t1596\t4039\tSF\tT\tF\t5138"
    "\tShADdaFf\t14\t1016\t16\t1226\tCx,Cy\n"
    "1655071231.749548\tCb\t193.201.9.232\t46563\t10.0.0.1\t3933\ttcp\t-\t-\t-\t-\tS0\tF\tT\t0\tS\t2\t80\t0\t0"
    "\t(empty)\n"
    "1655071232.000001\tCc\tfe80::1\t135\tff02::1:ff00:2\t136\ticmp\t-\t-\t-\t-\tOTH\t-\t-\t0\t-\t1\t72\t0\t0\t-\n"
    "1655071233.5\tCd\t10.0.0.1\t8\t10.0.0.2\t0\ticmp\t-\t0.000010\t56\t56\tOTH\tT\tT\t0\t-\t1\t84\t1\t84\t-\n"
)

ZEEK_LOG = ZEEK_HEADER + ZEEK_ROWS + "#close\t2026-03-01-09-00-00\n"

ZEEK_JSON = (
    '{"ts":1655071198.444458,"uid":"Ca","id.orig_h":"10.0.0.1","id.orig_p":62771,"id.resp_h":"40.74.108.123",'
    '"id.resp_p":443,"proto":"tcp","service":"ssl,http","duration":1.135424,"orig_bytes":1596,"resp_bytes":4039,'
    '"conn_state":"SF","local_orig":true,"local_resp":false,"missed_bytes":5138,"history":"ShADdaFf",'
    '"orig_pkts":14,"orig_ip_bytes":1016,"resp_pkts":16,"resp_ip_bytes":1226,"tunnel_parents":["Cx","Cy"]}\n'
    '{"ts":1655071231.749548,"uid":"Cb","id.orig_h":"193.201.9.232","id.orig_p":46563,"id.resp_h":"10.0.0.1",'
    '"id.resp_p":3933,"proto":"tcp","conn_state":"S0","local_orig":false,"local_resp":true,"missed_bytes":0,'
    '"history":"S","orig_pkts":2,"orig_ip_bytes":80,"resp_pkts":0,"resp_ip_bytes":0,"tunnel_parents":[]}\n'
    '{"ts":1655071232.000001,"uid":"Cc","id.orig_h":"fe80::1","id.orig_p":135,"id.resp_h":"ff02::1:ff00:2",'
    '"id.resp_p":136,"proto":"icmp","conn_state":"OTH","missed_bytes":0,"orig_pkts":1,"orig_ip_bytes":72,'
    '"resp_pkts":0,"resp_ip_bytes":0}\n'
    '{"ts":1655071233.5,"uid":"Cd","id.orig_h":"10.0.0.1","id.orig_p":8,"id.resp_h":"10.0.0.2","id.resp_p":0,'
    '"proto":"icmp","duration":0.000010,"orig_bytes":56,"resp_bytes":56,"conn_state":"OTH","local_orig":true,'
    '"local_resp":true,"missed_bytes":0,"orig_pkts":1,"orig_ip_bytes":84,"resp_pkts":1,"resp_ip_bytes":84}\n'
)

CSV_TABLE = (
    "StartTime,Dur,Proto,SrcAddr,Sport,DstAddr,Dport,TotPkts,TotBytes,SrcPkts,SrcBytes,Label\n"
    '2019/04/04 16:23:00.325010,0.027947,udp,10.8.0.69,48427,8.8.8.8,53,2,142,1,63,"a, b"\n'
    "2019/04/04 16:23:01.000000,1.5,tcp,10.8.0.69,1024,8.8.4.4,443,20,4000,9,900,\n"
    "2019/04/04 16:23:02.000001,0,icmp,10.8.0.69,0x0303,10.8.0.1,0xb7a1,1,70,1,70,flow=x\n"
)


def rows_of(
    read: Callable[..., Iterator[FlowBatch]], text: str | bytes, name: str = "conn.log", **more
) -> tuple[FlowBatch, IngestReport]:
    """Read a small input with one reader: the flows in its order, and the reader's account."""
    data = text.encode() if isinstance(text, str) else text
    report = IngestReport()
    return FlowBatch.concat(list(read(data, name=name, report=report, **more))), report
