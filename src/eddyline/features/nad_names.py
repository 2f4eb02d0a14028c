"""The dictionary of the NAD feature sets: each column's name, unit, formula and words, in the order of X.

What belongs here: names. What does not: how a value is computed (``nad_rows.py``).

Source of the 113: Arjona-Medina et al., A Deep Learning Approach for Network Anomaly Detection, 2021, and its
companion listing, which name families and base columns; 66 follow from the text, the members of the ratio and
distance families are ours. Source of the extras: the system descriptions of Yang et al. and of Liu et al.,
ICASSP 2021.
"""

from __future__ import annotations

from itertools import combinations
from typing import Final, Literal

from eddyline.errors import UsageError
from eddyline.features.dictionary import Feature
from eddyline.features.runs import RUN_NAMES
from eddyline.features.window import COUNTERS

FeatureSet = Literal["nad113", "nad113+", "flow-noip", "flow-noip+"]
Form = Literal["causal", "look-ahead"]

SETS: Final[tuple[FeatureSet, ...]] = ("nad113", "nad113+", "flow-noip", "flow-noip+")
"""Feature sets; those without ip leave out what only an IPv4 address has, ``+`` adds what won."""

APPS: Final = tuple(
    "aim auth bgp bootpc bootps domain finger ftp h323 http https icmp icq igmp irc isakmp "  # noqa: SIM905
    "microsoft-ds msn netbios-dgm netbios-ns netbios-ssn news nfs nntp others pop3 pptp rcmd "
    "real-audio rexec rlogin roadrunner rtsp sftp smtp snmp snmp-trap sql-net ssdp ssh syslog "
    "tacacs telnet tftp vdolive".split()
)
"""The 45 applications of the NAD files, in alphabetic order."""

FLAGGED_APPS: Final = ("http", "https", "ftp", "ssh", "icmp", "snmp", "domain", "ssdp", "others")
"""Applications with a column of their own."""

FLAGGED_PROTOS: Final = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17}
"""Protocols with a column of their own."""

_WINDOWS: Final = {"": "in 5 s", "_slow": "in 60 s", "_conn": "in the last 100 flows"}
_COUNTED: Final = {
    "dst": "destinations of the source",
    "src": "sources of the destination",
    "serv_src": "flows of the source to this port",
    "serv_dst": "flows to the destination from this source port",
}


def _words(counter: str) -> str:
    """Say a counter."""
    for window in ("_slow", "_conn", ""):
        if counter.endswith(window):
            what = counter.removeprefix("cnt_").removesuffix(window)
            return f"{_COUNTED[what]} {_WINDOWS[window]}"
    raise AssertionError(counter)


def _ratio(first: str, second: str) -> Feature:
    formula = f"ln(1 + {first}) − ln(1 + {second})"
    return Feature(
        f"ratio_{first}__{second}", "nat", formula, f"{first} against {second}", low_side=True
    )


def _distance(first: str, second: str) -> Feature:
    formula = f"ln(1 + |{first} − {second}|)"
    return Feature(f"dist_{first}__{second}", "nat", formula, f"apart: {first} and {second}")


def _plain() -> list[Feature]:
    """Give the families up to the logarithms."""
    raw = [Feature(name, "", "see window.py", _words(name)) for name in COUNTERS]
    protos = [
        Feature(f"proto_{name}", "", f"1 when the protocol is {number}, else 0", f"by {name}")
        for name, number in FLAGGED_PROTOS.items()
    ]
    apps = [
        Feature(f"app_{name}", "", f"1 when app = {name}, else 0", f"of {name}")
        for name in FLAGGED_APPS
    ]
    zeros = [
        Feature(f"zero_{name}", "", f"1 when {name} = 0, else 0", f"without {name}")
        for name in (
            "duration",
            "in_bytes",
            "out_bytes",
            *(name for name in COUNTERS if "serv" in name),
        )
    ]
    logs = [
        Feature(
            f"log_{name}",
            "nat",
            f"ln(1 + {name})",
            f"{name}, on a logarithmic scale",
            scale="ln1p",
        )
        for name in (
            "duration",
            "in_bytes",
            "out_bytes",
            "cnt_src",
            "cnt_dst",
            "cnt_serv_src",
            "cnt_serv_dst",
        )
    ]
    return [*raw, *protos, *apps, *zeros, *logs]


def _addresses() -> list[Feature]:
    """Give the families that only IPv4 addresses have."""
    areas = [
        Feature(f"{end}_is_{area}", "", f"1 when the {end} address is {area}", f"{end} {area}")
        for end in ("src", "dst")
        for area in ("global", "link_local", "unspecified")
    ]
    ways = [
        Feature(f"flow_{name}", "", f"1 when {rule}", rule)
        for name, rule in (
            ("internet", "global → global"),
            ("intranet", "private → private"),
            ("ingress", "global → private"),
            ("egress", "private → global"),
        )
    ]
    match = Feature(
        "ip_binary_match", "bits", "equal leading bits of src and dst", "leading bits in common"
    )
    bits = [
        Feature(f"{end}_one_bits", "bits", f"one bits of the {end} address", f"one bits in {end}")
        for end in ("src", "dst")
    ]
    return [*areas, *ways, match, *bits]


def _ports_and_runs() -> list[Feature]:
    areas = [
        Feature(f"{port}_{area}", "", f"1 when {port} is {span}", f"{port} {area}")
        for port in ("spt", "dpt")
        for area, span in (
            ("well_known", "0-1023"),
            ("registered", "1024-49151"),
            ("ephemeral", "49152-65535"),
        )
    ]
    match = Feature("port_match", "", "1 when spt = dpt, else 0", "from a port to the same port")
    return [*areas, match, *_runs("seg", "source and destination network", 60)]


def _runs(prefix: str, group: str, gap_s: int) -> list[Feature]:
    said = (
        "flows",
        "distinct destinations",
        "distinct source ports",
        "distinct ports",
        "applications",
    )
    rule = f"of the run of flows of one {group} with gaps below {gap_s} s"
    return [
        Feature(f"{prefix}_{name}", "", f"{what} {rule}", f"{what} without a pause")
        for name, what in zip(RUN_NAMES, said, strict=True)
    ]


def _derived() -> list[Feature]:
    """Give ratios and distances."""
    kinds, windows = tuple(_COUNTED), tuple(_WINDOWS)
    within = [
        _ratio(f"cnt_{a}{w}", f"cnt_{b}{w}") for w in windows for a, b in combinations(kinds, 2)
    ]
    across = [
        _ratio(f"cnt_{c}{a}", f"cnt_{c}{b}")
        for c in kinds
        for a, b in (("", "_slow"), ("", "_conn"), ("_conn", "_slow"))
    ]
    apart = [
        _distance(f"cnt_{c}{a}", f"cnt_{c}{b}")
        for c in kinds
        for a, b in (("", "_slow"), ("", "_conn"), ("_slow", "_conn"))
    ]
    volume = [
        _ratio(a, b)
        for a, b in (
            ("in", "out"),
            ("in", "total"),
            ("in", "duration"),
            ("out", "duration"),
            ("total", "duration"),
        )
    ]
    return [*within, *across, *apart, *volume]


IP_FEATURES: Final = tuple(_addresses())
"""What the sets without ip leave out."""

NAD113: Final = (*_plain(), *IP_FEATURES, *_ports_and_runs(), *_derived())
"""The 113 features."""

ADDRESS_EXTRAS: Final = (
    Feature(
        "dst_is_broadcast",
        "",
        "1 when the host bits of dst are all ones (/24 unless told)",
        "to a broadcast address",
    ),
    Feature("inner_src", "", "1 when src is in RFC 1918, else 0", "from a private address"),
    Feature("inner_dst", "", "1 when dst is in RFC 1918, else 0", "to a private address"),
    Feature("same_16", "", "1 when src and dst share two octets, else 0", "between neighbours"),
)
"""Extras that only IPv4 addresses have."""

FLOW_EXTRAS: Final = (
    Feature("prt_zero", "", "1 when spt = dpt = 0, else 0", "without ports"),
    Feature("flow_diff", "", "sign of in − out", "more in than out", low_side=True),
    *_runs("src_seg60", "source", 60),
    *_runs("src_seg3600", "source", 3600),
)
"""Extras of any flow."""

_PER_DST: Final = tuple(
    name for name in COUNTERS if "_src" in name.replace("serv_src", "") or "serv_dst" in name
)
_PER_NET: Final = tuple(name for name in COUNTERS if name not in _PER_DST)

FILE_EXTRAS: Final = (
    *(
        Feature(
            f"grp_dst_max_{name}", "", f"largest {name} of the dst in the file", f"largest {name}"
        )
        for name in _PER_DST
    ),
    Feature("grp_dst_flows", "", "flows to the dst in the file", "flows to the destination"),
    *(
        Feature(
            f"grp_net_max_{name}",
            "",
            f"largest {name} of (src, dst network) in the file",
            f"largest {name}",
        )
        for name in _PER_NET
    ),
    Feature(
        "grp_net_flows", "", "flows of (src, dst network) in the file", "flows to the network"
    ),
    Feature(
        "grp_net_n_dst",
        "",
        "distinct dst of (src, dst network) in the file",
        "hosts of the network",
    ),
    Feature(
        "grp_net_n_spt", "", "distinct spt of (src, dst network) in the file", "source ports used"
    ),
    Feature(
        "grp_net_n_dpt",
        "",
        "distinct dpt of (src, dst network) in the file",
        "ports of the network",
    ),
)
"""Extras that need the whole file, so only the form that looks ahead has them."""

PROBE_EXTRAS: Final = (
    Feature(
        "probe_run",
        "",
        "k distinct last octets of (src, dst network) when k > 7 and |(k − 1) − (max − min)| < 2, else 0",
        "hosts of a network in a row",
    ),
    Feature("is_probe", "", "1 when probe_run / seconds >= 0.1, else 0", "a quick row of hosts"),
)
"""The same, of IPv4 addresses alone."""

SWEEP: Final = Feature(
    "is_sweep",
    "",
    "1 when src is that of the flow before and dst differs in the last octet alone, else 0",
    "next to the flow before",
)
"""Helped where it was tuned and hurt on later days, so it must be asked for."""


def features_of(
    chosen: FeatureSet, form: Form = "causal", *, sweep: bool = False
) -> tuple[Feature, ...]:
    """Give the features of a set, in the order of the columns of X.

    Parameters
    ----------
    chosen
        One of ``SETS``.
    form
        Causal sets leave out what needs the whole file.
    sweep
        True to add ``is_sweep``, of IPv4 addresses alone.

    Raises
    ------
    UsageError
        When there is no such set or form.

    Examples
    --------
    >>> len(features_of("nad113")), len(features_of("flow-noip"))
    (113, 100)
    """
    if chosen not in SETS or form not in ("causal", "look-ahead"):
        message = (
            f"a feature set must be one of {', '.join(SETS)}, causal or look-ahead, got {chosen!r}, "
            f"{form!r}; check the spelling"
        )
        raise UsageError(message)
    with_ip = not chosen.startswith("flow-noip")
    left_out = set() if with_ip else {feature.name for feature in IP_FEATURES}
    features = [feature for feature in NAD113 if feature.name not in left_out]
    if chosen.endswith("+"):
        features += [*(ADDRESS_EXTRAS if with_ip else ()), *FLOW_EXTRAS]
        if form == "look-ahead":
            features += [*FILE_EXTRAS, *(PROBE_EXTRAS if with_ip else ())]
    if sweep and with_ip:
        features.append(SWEEP)
    return tuple(features)
