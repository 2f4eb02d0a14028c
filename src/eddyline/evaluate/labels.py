"""Labels in any spelling become attack, normal or unknown, and stand beside the flows that were judged.

What belongs here: reading one label's meaning and keeping flows and labels in one order. What does not:
which flows are one attack (``truth.py``) and what was found of it (``match.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from eddyline.errors import DataError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import LABEL_SCHEMA

ATTACK_STARTS: Final = ("malicious", "attack", "ddos-", "probing-")
"""How a label of an attack begins, in lower case."""

NORMAL_STARTS: Final = ("benign", "normal")
"""How a label of normal traffic begins, in lower case."""

KEPT: Final = (
    "uid",
    "community_id",
    "ts",
    "ts_end",
    "src_ip",
    "dst_ip",
    "src_port",
    "dst_port",
    "proto",
    "ip_proto",
    "icmp_type",
    "icmp_code",
    "bytes_out",
    "bytes_in",
)
"""Columns of the record that evaluation needs."""


def meaning(labels: pl.DataFrame) -> pl.DataFrame:
    """Give what each label says: ``attack`` (true, false, or null for unknown) and ``attack_class``.

    ``Malicious …`` and ``Attack …`` are attacks, ``Benign …`` and ``Normal …`` are not, anything else
    (``Background``, ``-``, none, an attack that was only attempted) neither confirms nor refutes. The
    class is the detail, or what the label says beyond its first word.

    Parameters
    ----------
    labels
        Columns ``label`` and ``label_detail``, text or null.
    """
    text = pl.col("label").str.strip_chars().str.to_lowercase()
    tried = pl.concat_str(text, pl.col("label_detail").str.to_lowercase(), ignore_nulls=True)
    attempted = tried.str.contains("attempted", literal=True)
    is_attack = pl.any_horizontal(text.str.starts_with(start) for start in ATTACK_STARTS)
    is_normal = pl.any_horizontal(text.str.starts_with(start) for start in NORMAL_STARTS)
    attack = pl.when(is_attack & ~attempted).then(True).when(is_normal).then(False)
    rest = pl.col("label").str.strip_chars().str.replace(r"^\S+\s*", "")
    name = pl.coalesce(
        pl.when(pl.col("label_detail").str.len_chars() > 0).then("label_detail"),
        pl.when(rest.str.len_chars() > 0).then(rest),
        pl.lit("attack"),
    )
    told = labels.select(attack.alias("attack"), name.alias("name"))
    return told.select("attack", pl.when("attack").then("name").alias("attack_class"))


@dataclass(slots=True)
class Watch:
    """Keep what evaluation needs of the flows that pass, in their order.

    Parameters
    ----------
    n_labelled
        Flows so far that came with a label column.
    """

    n_labelled: int = 0
    _facts: list[pl.DataFrame] = field(default_factory=list)
    _labels: list[pl.DataFrame] = field(default_factory=list)

    def over(self, batches: Iterable[FlowBatch]) -> Iterator[FlowBatch]:
        """Give batches on as they are.

        Parameters
        ----------
        batches
            Flows in event-time order.
        """
        for batch in batches:
            total = pl.col("bytes_out").fill_null(0) + pl.col("bytes_in").fill_null(0)
            texts = pl.col("src_ip", "dst_ip", "proto").cast(pl.String)
            facts = batch.frame.select(KEPT).with_columns(texts, total.alias("bytes"))
            self._facts.append(facts.drop("bytes_out", "bytes_in"))
            self._labels.append(
                pl.DataFrame(schema=LABEL_SCHEMA).clear(len(batch))
                if batch.labels is None
                else batch.labels
            )
            self.n_labelled += 0 if batch.labels is None else len(batch)
            yield batch

    def flows(self) -> pl.DataFrame:
        """Give the flows that passed: ``row``, the kept columns, ``bytes``, ``attack``, ``attack_class``.

        Raises
        ------
        DataError
            When no flow passed.
        """
        if not self._facts:
            message = "there must be flows to evaluate, got none; check the input"
            raise DataError(message)
        flows = pl.concat(self._facts).with_row_index("row")
        return pl.concat([flows, meaning(pl.concat(self._labels))], how="horizontal")


def with_verdicts(flows: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Put ``score`` and ``incident`` of each flow's verdict beside its label.

    Parameters
    ----------
    flows
        From ``Watch.flows``.
    verdicts
        One row a flow, in the same order, with ``uid``, ``score`` and ``incident``.

    Raises
    ------
    DataError
        When the two are not the same flows.
    """
    if flows.height != verdicts.height or not flows["uid"].equals(verdicts["uid"]):
        message = (
            f"verdicts must be of the same flows in the same order, got {verdicts.height} verdicts for "
            f"{flows.height} flows; scan and evaluate one input with one set of options"
        )
        raise DataError(message)
    return flows.with_columns(
        verdicts["score"].cast(pl.Float64), verdicts["incident"].cast(pl.String)
    )
