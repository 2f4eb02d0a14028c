"""Turn groups of flows that passed a level into stories.

What belongs here: the joins that all patterns share. What does not: any pattern's condition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

from eddyline.features.columns import WINDOW_US
from eddyline.incidents.patterns.levels import Sight
from eddyline.incidents.story import EVIDENCE_COLUMNS, Story

SERVICE = pl.col("ip_proto").fill_null(255).cast(pl.Int32) * 65537 + pl.col("port") + 1
"""Protocol and port as one number."""

Describe = Callable[[dict[str, Any]], Story]


def stories(
    groups: pl.DataFrame,
    flows: pl.DataFrame,
    keys: Sequence[str],
    describe: Describe,
    at: Sight | None = None,
) -> list[Story]:
    """Make a story of each group, with its flows.

    Parameters
    ----------
    groups
        One row a group that passed, with ``keys`` and its counts.
    flows
        The flows that show the pattern, with ``keys``.
    keys
        Columns that join the two.
    describe
        From a row of ``groups`` to a story; its flows are put in here.
    at
        Says which stories are wanted; None for all.
    """
    if groups.is_empty():
        return []
    ordered = groups.sort(*[pl.col(key).cast(pl.String) for key in keys])
    found = []
    for row in ordered.iter_rows(named=True):
        story = describe(row)
        story.window = row["window"]
        if at is not None and at.window_us > WINDOW_US and story.grain == "host":
            story.grain = "host_hour"  # an hour is held against hours
        found.append(story)
    if at is not None and at.keep is not None:
        wanted = [at.keep(story) for story in found]
        found = [story for story, is_wanted in zip(found, wanted, strict=True) if is_wanted]
        ordered = ordered.filter(pl.Series(wanted, dtype=pl.Boolean))
    if not found:
        return []
    numbered = ordered.select(keys).with_row_index("group")
    shown = flows.join(numbered, on=list(keys), how="inner")
    evidence = shown.select("group", *EVIDENCE_COLUMNS)
    parts = evidence.partition_by("group", as_dict=True, include_key=False)
    for number, story in enumerate(found):
        story.flows = parts[(number,)]
    return found


def frequent(flows: pl.DataFrame, keys: Sequence[str], least: float) -> pl.DataFrame:
    """Keep the flows of groups with enough of them: what is costly is worked out for few.

    Parameters
    ----------
    flows
        Flows with ``keys``.
    keys
        Columns that make a group.
    least
        Fewest flows of a group to keep.
    """
    counts = flows.group_by(*keys).len().filter(pl.col("len") >= least)
    return flows.join(counts.drop("len"), on=list(keys), how="semi", maintain_order="left")


def nothing() -> pl.DataFrame:
    """Give the empty frame that stands in a story until its flows are put in."""
    return pl.DataFrame()


def spread(column: str, where: pl.Expr | None = None) -> pl.Expr:
    """Tell how unlike values are: median absolute deviation over the median.

    Parameters
    ----------
    column
        Column of numbers.
    where
        Which rows count; None for all.
    """
    values = pl.col(column) if where is None else pl.col(column).filter(where)
    return (values - values.median()).abs().median() / values.median().clip(1.0)


def span_s() -> pl.Expr:
    """Seconds from the first start to the last start, at least one."""
    return ((pl.col("ts").max() - pl.col("ts").min()) / 1e6).clip(1.0)
