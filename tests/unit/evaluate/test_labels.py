"""Labels keep their meaning in any spelling, and stay beside their flows."""

from __future__ import annotations

import polars as pl
import pytest
from tests.unit.evaluate.tables import make_flows

from eddyline.errors import DataError
from eddyline.evaluate.labels import Watch, meaning, with_verdicts
from eddyline.flows.batch import FlowBatch


def _labels(*pairs: tuple[str | None, str | None]) -> pl.DataFrame:
    schema = {"label": pl.String(), "label_detail": pl.String()}
    return pl.DataFrame(pairs, schema=schema, orient="row")


@pytest.mark.parametrize(
    ("label", "detail", "attack", "name"),
    [
        ("Malicious", None, True, "attack"),
        ("malicious", "C&C", True, "C&C"),
        ("Malicious   C&C", None, True, "C&C"),
        (" ATTACK", "DDoS", True, "DDoS"),
        ("Benign", None, False, None),
        ("normal", "Microsoft", False, None),
        ("Background", None, None, None),
        ("-", None, None, None),
        (None, None, None, None),
        ("(empty)", None, None, None),
        ("Malicious", "DoS - Attempted", None, None),
    ],
)
def test_a_label_says_attack_normal_or_nothing(label, detail, attack, name):
    """The first word decides; what was only attempted, and what is unknown, says nothing."""
    told = meaning(_labels((label, detail)))

    assert told.row(0) == (attack, name)


def _batch(uids: list[str], labels: list[str] | None) -> FlowBatch:
    n = len(uids)
    frame = pl.DataFrame(
        {
            "ts": range(n),
            "ts_end": range(n),
            "uid": uids,
            "src_ip": ["10.0.0.1"] * n,
            "dst_ip": ["10.0.0.2"] * n,
            "proto": ["tcp"] * n,
            "bytes_out": [5] * n,
        }
    )
    given = None if labels is None else _labels(*((text, None) for text in labels))
    return FlowBatch.of(frame, given)


def test_a_watch_gives_batches_on_and_keeps_labels_in_order():
    """Unlabelled batches count as unknown, and nothing that passes is changed."""
    batches = [_batch(["a", "b"], ["Malicious", "Benign"]), _batch(["c"], None)]
    watch = Watch()

    passed = list(watch.over(batches))
    flows = watch.flows()

    assert passed == batches
    assert flows["uid"].to_list() == ["a", "b", "c"]
    assert flows["attack"].to_list() == [True, False, None]
    assert flows["bytes"].to_list() == [5, 5, 5]
    assert flows["row"].to_list() == [0, 1, 2]
    assert watch.n_labelled == 2


def test_no_flows_is_an_error_and_not_an_empty_figure():
    """Figures of nothing are not zero."""
    with pytest.raises(DataError, match="got none"):
        Watch().flows()


def test_verdicts_of_other_flows_are_refused():
    """A verdict is never given to a flow that it is not of."""
    flows = make_flows([{}, {}]).drop("score", "incident")
    verdicts = pl.DataFrame({"uid": ["u1", "u0"], "score": [1.0, 2.0], "incident": [None, "i"]})

    with pytest.raises(DataError, match="same flows in the same order"):
        with_verdicts(flows, verdicts)
    told = with_verdicts(flows, verdicts.reverse())
    assert told["score"].to_list() == [2.0, 1.0]
