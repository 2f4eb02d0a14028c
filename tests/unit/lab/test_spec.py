"""Days and networks: what their files must hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lab import actions, attacks
from lab.spec import HERE, SpecError, load_day, seconds

DAYS = sorted(path.stem for path in (HERE / "days").glob("*.toml"))


def _changed(tmp_path: Path, name: str, old: str, new: str) -> Path:
    for folder in ("days", "networks"):
        shutil.copytree(HERE / folder, tmp_path / folder)
    path = tmp_path / "days" / f"{name}.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    return tmp_path


@pytest.mark.parametrize("name", DAYS)
def test_every_day_loads_and_names_only_what_exists(name: str) -> None:
    """Attacks start on hosts of the network and use programs that are there."""
    day = load_day(name)

    assert day.length_s > 0
    assert len(day.profile) * 3600 >= day.length_s
    for attack in day.attacks:
        assert attack.source in day.network.hosts
        assert attack.kind in attacks.KINDS
        known = {*day.network.hosts, *day.network.subnets}
        assert attack.args.get("to", attack.source) in known
        assert attack.args.get("victim", attack.source) in day.network.hosts
        if "first" in attack.args and attack.args["to"] in day.network.subnets:
            prefix = day.network.subnets[attack.args["to"]].prefix
            assert attack.args["last"] < prefix.num_addresses
    for rates in day.network.roles.values():
        assert set(rates) <= set(actions.KINDS)


@pytest.mark.parametrize("name", DAYS)
def test_far_hosts_bear_documentation_addresses(name: str) -> None:
    """No capture shows an address that belongs to somebody."""
    for subnet in load_day(name).network.subnets.values():
        for prefix in (subnet.prefix, subnet.prefix6):
            assert prefix is None or prefix.is_private
        if not subnet.internal:
            assert str(subnet.prefix) in {"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('key = "tunnel"', 'key = "tunel"', "key must be one of"),
        ('source = "office11"', 'source = "office99"', "source must be a host"),
        ('at = "13:08:20"', 'at = "19:08:20"', "must start within the day"),
        ('id = "a02-beacon"', 'id = "a01-dns-tunnel"', "must be unique"),
    ],
)
def test_a_wrong_day_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    """A mistake in a day's file is named before anything runs."""
    folder = _changed(tmp_path, "afternoon", old, new)

    with pytest.raises(SpecError, match=words):
        load_day("afternoon", folder)


def test_a_day_may_move_subnets(tmp_path: Path) -> None:
    """Hosts, their broadcast address and a sweep's target follow the day's own prefix."""
    folder = _changed(tmp_path, "five-4", '"172.29.65.0/25"', '"172.29.65.128/25"')
    day = load_day("five-4", folder)

    assert day.network.hosts["eng01"].ip == "172.29.65.159"
    assert day.network.hosts["eng01"].broadcast == "172.29.65.255"
    assert day.network.address("eng") == "172.29.65.128/25"


def test_only_known_subnets_move(tmp_path: Path) -> None:
    """A prefix for a subnet that the network lacks is a mistake."""
    folder = _changed(tmp_path, "five-4", "eng = ", "engine = ")

    with pytest.raises(SpecError, match="must name subnets"):
        load_day("five-4", folder)


def test_seconds_reads_a_clock() -> None:
    """Minutes and seconds count; seconds may be left out."""
    assert seconds("08:30") == 8 * 3600 + 30 * 60
    assert seconds("00:00:07") == 7
