"""A whole day of the lab in small: three hosts, a few sessions, one scan. Needs root and the tools."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from lab.flows import label, meter
from lab.spec import Day, load_day

TOOLS = ("ip", "ethtool", "tcpdump", "nginx", "dnsmasq", "ssh-keygen", "openssl", "curl", "nmap")


def _make() -> ModuleType:
    path = Path(__file__).resolve().parents[3] / "lab" / "make"
    loader = importlib.machinery.SourceFileLoader("lab_make", str(path))
    spec = importlib.util.spec_from_loader("lab_make", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _small_day() -> Day:
    day = load_day("afternoon")
    net = day.network
    hosts = {name: net.hosts[name] for name in ("office01", "eng04", "dns1", "intranet")}
    hosts = {
        name: replace(host, services=tuple(s for s in host.services if s != "ssh"))
        for name, host in hosts.items()
    }
    roles = {"office": {"intranet": 4.0, "lookups": 3.0, "refused": 1.0}}
    small = replace(net, hosts=hosts, roles=roles, jobs={}, tunnel={})
    attacks = tuple(attack for attack in day.attacks if attack.id == "a04-syn-scan")
    return replace(day, network=small, attacks=attacks)


@pytest.mark.slow
@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, TOOLS)),
    reason=f"building a day needs root and {', '.join(TOOLS)}",
)
def test_a_small_day_is_built_and_labelled(tmp_path: Path) -> None:
    """The capture holds normal flows and the scan, labelled; the namespaces are gone."""
    day = _small_day()

    _make().build(day, tmp_path / "out", tmp_path)

    flows = meter(tmp_path / "out" / "afternoon.pcap.gz")
    label(flows, tmp_path / "out" / "afternoon-flows-truth.csv.gz")
    scan = [flow for flow in flows if flow.attack]
    normal = [flow for flow in flows if not flow.attack]
    assert len(scan) == 1000
    assert {(f.src, f.dst) for f in scan} == {("10.20.2.34", "10.20.10.10")}
    assert {80, 443, 53} <= {flow.dport for flow in normal}
    assert not [f for f in normal if f.src == "10.20.2.34" and f.proto == 6]
    left = subprocess.check_output(["ip", "netns"], text=True)
    assert f"lab{os.getpid() % 1000}-" not in left
