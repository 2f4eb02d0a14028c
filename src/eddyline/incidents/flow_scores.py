"""Every flow's own verdict: the most unlikely row that it is part of, and its incident.

What belongs here: bringing rows' p-values back to flows. What does not: judging rows (``pipeline``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from eddyline.features.dyad import ordered_pairs
from eddyline.features.segment import segment_ids
from eddyline.flows.record import ADDRESS
from eddyline.incidents.saga import Saga
from eddyline.verdicts.judged import Judged, ViewVerdicts

COLUMNS: Final = ("uid", "ts", "ts_end", "src_ip", "dst_ip", "dst_port", "proto", "app", "bytes")
"""What is told of a flow beside its verdict."""

SCHEMA: Final[dict[str, pl.DataType]] = {
    "uid": pl.String(),
    "ts": pl.Int64(),
    "ts_end": pl.Int64(),
    "src_ip": ADDRESS,
    "dst_ip": ADDRESS,
    "dst_port": pl.Int32(),
    "proto": ADDRESS,
    "app": ADDRESS,
    "bytes": pl.Float64(),
    "score": pl.Float64(),
    "p_value": pl.Float64(),
    "incident": pl.String(),
}
"""The table of verdicts."""


@dataclass(slots=True)
class FlowScores:
    """Collect the p-values of each flow's rows.

    A flow belongs to rows of several views. Its p-value is the smallest of them times the number of views
    that judged it (Bonferroni), at most 1; its score is ``-log10`` of that.
    """

    _p: list[pl.DataFrame] = field(default_factory=list)
    _facts: list[pl.DataFrame] = field(default_factory=list)
    _window_us: int | None = None

    def add(self, judged: Judged) -> None:
        """Take the windows that were closed together.

        Parameters
        ----------
        judged
            Their flows and verdicts.
        """
        for verdict in judged.verdicts:
            if verdict.scores:
                self._p.append(_of_flows(verdict))
        if self._window_us is None:
            self._window_us = (
                judged.window_us
            )  # windows of every length hold all flows: one is enough
        if judged.window_us == self._window_us:
            port = pl.when(pl.col("port") >= 0).then(pl.col("port"))
            total = pl.col("bytes_out") + pl.col("bytes_in")
            facts = judged.flows.with_columns(port.alias("dst_port"), total.alias("bytes"))
            self._facts.append(facts.select("flow", *COLUMNS))

    def frame(self, sagas: Iterable[Saga]) -> pl.DataFrame:
        """Give one row a flow, in the order of the stream.

        Parameters
        ----------
        sagas
            The incidents, whose flows are marked.
        """
        if not self._facts:
            return pl.DataFrame(schema=SCHEMA)
        facts = pl.concat(self._facts).sort("flow")
        told = [saga.flows().select("flow", pl.lit(saga.uid).alias("incident")) for saga in sagas]
        if told:
            marks = pl.concat(told).unique("flow", keep="first", maintain_order=True)
            facts = facts.join(marks, on="flow", how="left", maintain_order="left")
        else:
            facts = facts.with_columns(pl.lit(None, dtype=pl.String).alias("incident"))
        if self._p:
            rows = pl.concat(self._p).filter(pl.col("p").is_not_nan())
            each = rows.group_by("flow").agg(pl.col("p").min(), pl.len().alias("n"))
            p_value = (pl.col("p") * pl.col("n")).clip(1e-300, 1.0)
            each = each.select("flow", p_value.alias("p_value"))
            facts = facts.join(each, on="flow", how="left", maintain_order="left")
        else:
            facts = facts.with_columns(pl.lit(None, dtype=pl.Float64).alias("p_value"))
        score = -pl.col("p_value").log10()
        return facts.with_columns(score.alias("score")).select(list(SCHEMA))


def _of_flows(verdict: ViewVerdicts) -> pl.DataFrame:
    """Give the p-value of each flow's row in one view; the smaller of two for an address view."""
    flows = verdict.table.flows
    rows = verdict.table.rows.with_columns(pl.Series("p", np.asarray(verdict.p_values)))
    name = verdict.view.name
    if verdict.view.of_flows:
        return pl.DataFrame({"flow": flows["flow"], "p": verdict.p_values})
    if name == "segment":
        numbered = segment_ids(flows).with_columns(
            pl.col("ts").min().over("window", "segment").alias("start")
        )
        keys = ["window", "src_ip", "dst_net", "start"]
        return numbered.join(rows.select(*keys, "p"), on=keys, how="left").select("flow", "p")
    if name == "dyad":
        paired = flows if "a" in flows.columns else ordered_pairs(flows)
        keys = ["window", "a", "b"]
        return paired.join(rows.select(*keys, "p"), on=keys, how="left").select("flow", "p")
    if name == "edge":
        keys = ["window", "src_ip", "dst_ip"]
        return flows.join(rows.select(*keys, "p"), on=keys, how="left").select("flow", "p")
    by_src = rows.select("window", pl.col("entity").alias("src_ip"), pl.col("p").alias("p_src"))
    by_dst = rows.select("window", pl.col("entity").alias("dst_ip"), pl.col("p").alias("p_dst"))
    both = flows.select("flow", "window", "src_ip", "dst_ip")
    both = both.join(by_src, on=["window", "src_ip"], how="left")
    both = both.join(by_dst, on=["window", "dst_ip"], how="left")
    return both.select("flow", pl.min_horizontal("p_src", "p_dst").alias("p"))
