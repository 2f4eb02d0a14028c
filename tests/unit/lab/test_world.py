"""The namespaces themselves: that hosts reach each other, and nobody else. Needs root."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st
from lab.spec import load_day
from lab.wan import far_delay_s
from lab.world import ROUTER_MAC, World

TOOLS = ("ip", "ethtool", "ping")
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, TOOLS)),
    reason="making namespaces needs root, iproute2, ethtool and ping",
)


@pytest.fixture
def world() -> Iterator[World]:
    network = load_day("quiet-morning").network
    hosts = {name: network.hosts[name] for name in ("office01", "intranet", "news")}
    with World(replace(network, hosts=hosts), f"labt{os.getpid() % 1000}") as made:
        yield made


def _ping(world: World, host: str, address: str) -> int:
    with world.inside(host):
        argv = ["ping", "-n", "-c", "1", "-W", "1", address]
        return subprocess.run(argv, capture_output=True, check=False).returncode


@pytest.mark.slow
@needs_root
def test_hosts_reach_each_other_through_the_router_and_nobody_else(world: World) -> None:
    """Another subnet answers; an address outside the lab has no route."""
    hosts = world.network.hosts

    assert _ping(world, "office01", hosts["intranet"].ip) == 0
    assert _ping(world, "office01", hosts["intranet"].ip6) == 0
    assert _ping(world, "office01", "9.9.9.9") == 2


@pytest.mark.slow
@needs_root
def test_a_way_out_is_refused(world: World) -> None:
    """With a default route, or a link to somewhere else, the lab does not go on."""
    space = world.ns("office01")
    world.assert_closed()

    subprocess.run(["ip", "-n", space, "route", "add", "default", "via", "10.20.1.1"], check=True)
    with pytest.raises(RuntimeError, match="default route"):
        world.assert_closed()
    subprocess.run(["ip", "-n", space, "route", "del", "default"], check=True)
    veth = ["link", "add", "out0", "type", "veth", "peer", "name", "out1"]
    subprocess.run(["ip", "-n", space, *veth], check=True)
    with pytest.raises(RuntimeError, match="has the link out"):
        world.assert_closed()


@pytest.mark.slow
@needs_root
def test_namespaces_are_gone_afterwards(world: World) -> None:
    """Nothing stays behind."""
    assert world.ns("office01") in subprocess.check_output(["ip", "netns"], text=True)

    world.remove()

    assert world.tag + "-" not in subprocess.check_output(["ip", "netns"], text=True)


def test_the_capture_leaves_out_what_the_router_forwards() -> None:
    """The filter names the router's hardware address, and keeps what it says itself."""
    network = load_day("quiet-morning").network

    words = World(network, "x").capture_filter()

    assert words.startswith(f"not ether src {ROUTER_MAC} or ")
    assert all(f"src host {subnet.prefix[1]}" in words for subnet in network.subnets.values())


@given(tail=st.integers(1, 254))
def test_a_far_host_has_one_delay_both_ways(tail: int) -> None:
    """4 to 14 ms one way, the same there and back."""
    far, near = bytes([203, 0, 113, tail]), bytes([10, 20, 1, 21])
    out = bytes(12) + b"\x08\x00" + bytes(12) + near + far
    back = bytes(12) + b"\x08\x00" + bytes(12) + far + near

    assert 0.004 <= far_delay_s(out, outward=True) <= 0.0141
    assert far_delay_s(out, outward=True) == far_delay_s(back, outward=False)
