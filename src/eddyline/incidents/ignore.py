"""The ignore file: what is known here and not to be told, such as a vulnerability scanner.

What belongs here: its grammar and its effect on flows. What does not: suppressions made of verdicts.

One rule a line; ``#`` begins a comment. A rule is an address or a network (CIDR), optionally with
``-> address or network`` and ``port N``: ``10.0.9.4``, ``10.0.9.4 -> 10.0.0.0/8 port 443``. A flow is left
out when its originator is in the first network, its responder in the second and its port is N. Flows
left out are counted by the rule that took them.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from eddyline.errors import UsageError
from eddyline.flows.batch import FlowBatch

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_RULE: Final = re.compile(r"^(\S+)(?:\s*->\s*(\S+))?(?:\s+port\s+(\d{1,5}))?$")


@dataclass(frozen=True, slots=True)
class IgnoreRule:
    """One rule.

    Parameters
    ----------
    text
        As it stands in the file.
    src
        Network of the originator.
    dst
        Network of the responder; None for any.
    port
        Port of the responder; None for any.
    """

    text: str
    src: Network
    dst: Network | None
    port: int | None


@dataclass(slots=True)
class IgnoreList:
    """The rules of an ignore file and what they took.

    Parameters
    ----------
    rules
        In the order of the file.
    taken
        Flows that each rule left out.
    """

    rules: tuple[IgnoreRule, ...] = ()
    taken: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, path: str | Path) -> IgnoreList:
        """Read an ignore file.

        Parameters
        ----------
        path
            Text file, UTF-8.

        Raises
        ------
        UsageError
            When the file cannot be read or a line is no rule.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            message = f"the ignore file must be readable text, got {str(path)!r}: {error}"
            raise UsageError(message) from error
        rules = []
        for number, line in enumerate(lines, start=1):
            text = line.partition("#")[0].strip()
            if text:
                rules.append(_rule(text, f"{Path(path).name}:{number}"))
        return cls(tuple(rules))

    def kept(self, batches: Iterable[FlowBatch]) -> Iterator[FlowBatch]:
        """Give batches without the flows that a rule takes.

        Parameters
        ----------
        batches
            Flows in event-time order.
        """
        for batch in batches:
            yield self._without(batch) if self.rules else batch

    def _without(self, batch: FlowBatch) -> FlowBatch:
        left = pl.repeat(value=True, n=len(batch), eager=True)
        for rule in self.rules:
            hit = _inside(batch.frame["src_ip"], rule.src)
            if rule.dst is not None:
                hit &= _inside(batch.frame["dst_ip"], rule.dst)
            if rule.port is not None:
                hit &= (batch.frame["dst_port"] == rule.port).fill_null(value=False)
            hit &= left
            self.taken[rule.text] += int(hit.sum())
            left &= ~hit
        labels = None if batch.labels is None else batch.labels.filter(left)
        return FlowBatch(batch.frame.filter(left), labels)

    def __str__(self) -> str:
        if not self.rules:
            return "nothing"
        return "; ".join(f"{rule.text} ({self.taken[rule.text]:,} flows)" for rule in self.rules)


def _inside(addresses: pl.Series, network: Network) -> pl.Series:
    """Tell which addresses are in a network, asking each distinct one once."""
    distinct = [text for text in addresses.unique().cast(pl.String).to_list() if text is not None]
    hits = [text for text in distinct if _contains(network, text)]
    return addresses.cast(pl.String).is_in(hits).fill_null(value=False)


def _contains(network: Network, text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.version == network.version and address in network


def _rule(text: str, place: str) -> IgnoreRule:
    match = _RULE.match(text)
    if match is None:
        message = f"{place}: must be 'network [-> network] [port N]', got {text!r}; mend the line"
        raise UsageError(message)
    src, dst, port = match.groups()
    if port is not None and int(port) > 65_535:
        message = f"{place}: a port must be at most 65535, got {port}; mend the line"
        raise UsageError(message)
    try:
        return IgnoreRule(
            text,
            ipaddress.ip_network(src, strict=False),
            ipaddress.ip_network(dst, strict=False) if dst else None,
            int(port) if port else None,
        )
    except ValueError as error:
        message = (
            f"{place}: must name addresses or networks, got {text!r} ({error}); mend the line"
        )
        raise UsageError(message) from error
