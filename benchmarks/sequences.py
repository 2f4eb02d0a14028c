"""What sequence models cost and what they find that volumes do not: one run, JSON or Markdown.

python benchmarks/sequences.py cost          flows a second, scored once each, all models in one run
python benchmarks/sequences.py changes       planted changes, twenty draws of everything
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from eddyline.detectors.deep.causal import Causal
from eddyline.detectors.deep.radford import Radford
from eddyline.detectors.deep.session import Session
from eddyline.detectors.ngram import NGram
from eddyline.detectors.online import OnlineNGram
from eddyline.features.sentences import sentences
from eddyline.nets.recurrence import gru_step, surprise_of
from eddyline.nets.windows import cut_windows
from eddyline.tables import TokenGroups
from eddyline.testing.changes import find_change, office_day

RUNS = 7
"""Timed rounds, all models in each; the best of each model counts, for others use the machine too."""

CHANGES = (
    ("beat", {"order": 1, "group": "sum"}, "service-bytes"),
    ("order", {"order": 1, "group": "sum"}, "service-bytes"),
    ("none", {"order": 1, "group": "sum"}, "service-bytes"),
    ("beat on a usual port", {"order": 1, "group": "sum"}, "service-bytes"),
    ("beat on a usual port", {"order": 1, "group": "mean"}, "service-gap"),
    ("none", {"order": 1, "group": "mean"}, "service-gap"),
)


def main() -> None:
    """Run what is asked."""
    what = sys.argv[1] if len(sys.argv) > 1 else "cost"
    told = {"cost": cost, "changes": changes}[what]()
    if "--json" in sys.argv:
        print(json.dumps(told, indent=2))
        return
    heads = list(told[0])
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    for row in told:
        print("| " + " | ".join(str(row[head]) for head in heads) + " |")


def cost() -> list[dict[str, Any]]:
    """Score four hours of an office, a host's hour a group, by every model and the causal net both ways."""
    learned = sentences(office_day(20, 2, 0), "proto-bytes", group_by="source_hour")
    day = office_day(40, 6, 1)
    groups = sentences(day, "proto-bytes", group_by="source_hour")
    causal = Causal(least_steps=50, epochs=1).fit(learned)
    radford = Radford(least_steps=20, epochs=1, batch=64).fit(learned)
    online = OnlineNGram().fit(learned)
    scorers = {
        "causal GRU, each group read once": causal.token_scores,
        "the same GRU, ten tokens anew for each flow": _windowed(causal),
        "Radford, every window": _every_window(radford),
        "Radford, equal windows once": radford.token_scores,
        "session, both sides": Session(least_steps=20, epochs=1).fit(learned).token_scores,
        "n-gram 2": NGram().fit(learned).token_scores,
        "online n-gram 2, scored and learned": online.score_then_learn,
    }
    # The paper's token set; the last layer grows with the tokens and is paid once a flow either way.
    n = len(groups.tokens)
    best = dict.fromkeys(scorers, np.inf)
    for _ in range(RUNS):
        for name, scorer in scorers.items():
            start = time.process_time()
            scorer(groups)
            best[name] = min(best[name], time.process_time() - start)
    rows = [
        {"model": name, "flows": n, "flows a second": round(n / spent)}
        for name, spent in best.items()
    ]
    first = rows[0]["flows a second"]
    for row in rows:
        row["causal is faster by"] = round(first / row["flows a second"], 2)
    return rows


def changes() -> list[dict[str, Any]]:
    """Plant each change into twenty draws and tell who found it."""
    rows = []
    for change, params, tokens in CHANGES:
        found = find_change(change, NGram(**params), tokens)
        best = max(found.volumes, key=lambda name: found.volumes[name])
        rows.append(
            {
                "change": change,
                "tokens": tokens,
                "score": f"n-gram {params['order']}, {params['group']}",
                "found": f"{found.model:.0%}",
                "best volume": f"{best}: {found.volumes[best]:.0%}",
                "few distinct tokens": f"{found.repetition:.0%}",
                "other dyad-hours above": f"{found.false:.2%}",
                "flows moved": f"{found.flows:.1%}",
                "bytes moved": f"{found.bytes:.2%}",
            }
        )
    return rows


def _windowed(model: Causal) -> Callable[[TokenGroups], Any]:
    """Read the ten tokens before each flow anew by the same net and ask only about the flow."""

    def score(groups: TokenGroups) -> Any:
        windows = cut_windows(model._encode(groups.tokens), np.asarray(groups.offsets))
        every = windows.place
        scores = np.empty(len(every))
        _gru_windows(
            *(windows.contexts[every], windows.lengths[every], windows.targets[every]),
            *(model.table_, model.recurrent_, model.bias_, model.out_weights_, model.out_bias_),
            scores,
        )
        return scores

    return score


@njit(nogil=True, fastmath=True)
def _gru_windows(contexts, lengths, targets, table, recurrent, bias, out, out_bias, scores):
    h = np.zeros(recurrent.shape[0], np.float32)
    gates = np.empty(recurrent.shape[1], np.float32)
    logits = np.empty(len(out_bias), np.float32)
    for w in range(len(targets)):
        h[:] = 0
        for i in range(lengths[w]):
            gru_step(table[contexts[w, i]], recurrent, bias, h, gates)
        scores[w] = surprise_of(h, out, out_bias, targets[w], logits)


def _every_window(model: Radford) -> Callable[[TokenGroups], Any]:
    """Score each window, also those that were seen before."""

    def score(groups: TokenGroups) -> Any:
        windows = cut_windows(model._encode(groups.tokens), np.asarray(groups.offsets))
        every = windows.place
        scores = np.empty(len(every))
        model._read(
            windows.contexts[every], windows.lengths[every], windows.targets[every], scores
        )
        return scores

    return score


if __name__ == "__main__":
    main()
