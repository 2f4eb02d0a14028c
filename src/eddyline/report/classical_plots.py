"""The pictures of ``bench classical``: curves, distributions, confusions, recall by attack, ranks, cost.

What belongs here: one function a picture, from the plain values of the document to SVG. What does not:
arithmetic, which the document has done, and the page around the pictures (``classical.py``).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from eddyline.errors import MissingExtraError

COLOURS: Final = {"detector": "#1f6f8b", "classifier": "#b5533c", "baseline": "#8a8a8a"}
"""One colour a kind, the same in every picture."""

LINES: Final = ("-", "--", "-.", ":")

SHOWN: Final = 4
"""Methods of each kind in a picture of curves."""

Model = Mapping[str, Any]


def svg(draw: Callable[[Any], None], width: float, height: float) -> str:
    """Draw with matplotlib and give the picture as SVG text that needs nothing else.

    Parameters
    ----------
    draw
        Takes matplotlib's figure.
    width, height
        Inches.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        message = "pictures need matplotlib, which is not installed; pip install 'eddyline[lab]'"
        raise MissingExtraError(message) from error
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "eddyline",
        "font.family": "sans-serif",
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


def areas(models: Sequence[Model], base_rate: float) -> str:
    """Draw PR-AUC of every method with its interval, the best above; the chance level is a line.

    Parameters
    ----------
    models
        Entries of one task that are done.
    base_rate
        Chance level.
    """
    ordered = sorted(models, key=lambda one: one["pr_auc"]["mean"])

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        for place, one in enumerate(ordered):
            told, colour = one["pr_auc"], COLOURS[one["kind"]]
            if told["low"] is not None:
                axes.plot(
                    [told["low"], told["high"]],
                    [place, place],
                    color=colour,
                    linewidth=3,
                    alpha=0.4,
                )
            axes.plot([told["mean"]], [place], "o", color=colour, markersize=4)
        axes.set_yticks(range(len(ordered)), [label(one) for one in ordered], fontsize=8)
        axes.axvline(base_rate, color="#444444", linewidth=0.8, linestyle=":")
        axes.set_xlim(-0.01, 1.01)
        axes.set_ylim(-0.7, len(ordered) - 0.3)
        axes.set_xlabel("PR-AUC, mean over seeds with 95 % interval; dotted: chance")
        axes.grid(axis="x", alpha=0.25)

    return svg(draw, 7.0, 0.6 + 0.19 * len(ordered))


def label(one: Model) -> str:
    """Give the name of a method as pictures show it.

    Parameters
    ----------
    one
        Its entry.
    """
    return f"{one['method']} ({one['kind']})" if one["kind"] != "detector" else str(one["method"])


def best_models(models: Sequence[Model], kind: str, n: int = SHOWN) -> list[Model]:
    """Give the best methods of a kind by PR-AUC.

    Parameters
    ----------
    models
        Entries of one task that are done.
    kind
        ``detector``, ``classifier`` or ``baseline``.
    n
        How many.
    """
    ours = [one for one in models if one["kind"] == kind]
    return sorted(ours, key=lambda one: -one["pr_auc"]["mean"])[:n]


def curves(models: Sequence[Model], base_rate: float) -> str:
    """Draw ROC and precision-recall curves of the best of each kind, with the chosen thresholds as dots.

    Parameters
    ----------
    models
        Entries of one task that are done.
    base_rate
        Chance level of precision.
    """
    shown = [
        *best_models(models, "classifier"),
        *best_models(models, "detector"),
        *best_models(models, "baseline", 1),
    ]

    def draw(figure: Any) -> None:
        roc, pr = figure.subplots(1, 2)
        counts: dict[str, int] = {}
        for one in shown:
            if "curve" not in one:
                continue
            kind = one["kind"]
            style = LINES[counts.setdefault(kind, 0) % len(LINES)]
            counts[kind] += 1
            tp, fp = one["curve"]["tp"], one["curve"]["fp"]
            n_attack, n_normal = tp[-1], fp[-1]
            recall = [0.0, *(value / n_attack for value in tp)]
            rate = [0.0, *(value / n_normal for value in fp)]
            precision = [t / (t + f) for t, f in zip(tp, fp, strict=True)]
            look = {"color": COLOURS[kind], "linestyle": style, "linewidth": 1.3}
            roc.plot(rate, recall, label=label(one), **look)
            pr.plot(recall[1:], precision, **look)
            told = one["cuts"]["promise"]
            if told["false_positive_rate"] is not None:
                dot = {"color": COLOURS[kind], "marker": "o", "markersize": 3.5}
                roc.plot([told["false_positive_rate"]], [told["recall"]], **dot)
        roc.set_xscale("symlog", linthresh=1e-4)
        roc.set(xlabel="false positive rate (log above 0.0001)", ylabel="recall", title="ROC")
        roc.set_xlim(0, 1)
        pr.axhline(base_rate, color="#444444", linewidth=0.8, linestyle=":")
        pr.set(xlabel="recall", ylabel="precision", title="precision and recall")
        pr.set_ylim(0, 1.02)
        figure.legend(loc="outside right center", fontsize=8, frameon=False)

    return svg(draw, 9.6, 3.6)


def distributions(models: Sequence[Model]) -> str:
    """Draw how the scores of the best detectors and classifiers are spread, with both thresholds.

    Parameters
    ----------
    models
        Entries of one task that are done.
    """
    shown = [
        one
        for one in (*best_models(models, "detector", 2), *best_models(models, "classifier", 2))
        if "histogram" in one
    ]

    def draw(figure: Any) -> None:
        for place, one in enumerate(shown):
            axes = figure.add_subplot(1, max(len(shown), 1), place + 1)
            told = one["histogram"]
            edges = told["edges"]
            for name, colour in (("normal", "#7aa6b5"), ("attack", "#c0392b")):
                whole = max(sum(told[name]), 1)
                shares = [count / whole for count in told[name]]
                axes.stairs(shares, edges, fill=True, alpha=0.5, color=colour, label=name)
            for name, style in (("f1", "--"), ("promise", "-")):
                at = min(max(one["thresholds"][name], edges[0]), edges[-1])
                axes.axvline(at, color="#222222", linestyle=style, linewidth=1)
            axes.set_yscale("log")
            axes.set_title(label(one), fontsize=9)
            axes.set_xlabel("score")
        if shown:
            figure.axes[0].set_ylabel("share of rows")
            figure.axes[0].legend(fontsize=7, frameon=False)

    return svg(draw, 9.6, 2.6)


def confusion(one: Model) -> str:
    """Draw the confusion of a classifier, shares of each true class, counts over all seeds.

    Parameters
    ----------
    one
        An entry with ``classes``.
    """
    told = one["classes"]
    counts, names = told["confusion"], told["names"]
    shares = [[value / max(sum(row), 1) for value in row] for row in counts]

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.pcolormesh(
            _centred(len(names)), _centred(len(names)), shares, vmin=0, vmax=1, cmap="Blues"
        )
        axes.invert_yaxis()
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="predicted", ylabel="true")
        axes.set_title(f"{label(one)}, counts over {len(one['seeds'])} seeds", fontsize=9)
        for i, row in enumerate(counts):
            for j, count in enumerate(row):
                colour = "white" if shares[i][j] > 0.6 else "#222222"
                axes.text(j, i, f"{count:,}", ha="center", va="center", color=colour, fontsize=8)

    return svg(draw, 1.8 + 0.9 * len(names), 1.4 + 0.6 * len(names))


def _centred(n: int) -> list[float]:
    """Give the borders of n cells around 0, 1, …; drawn as shapes, which no viewer blurs."""
    return [place - 0.5 for place in range(n + 1)]


def recalls(models: Sequence[Model], most: int = 24) -> str:
    """Draw the recall of each attack by the best methods at the threshold that promises 1 % false alarms.

    Parameters
    ----------
    models
        Entries of one task that are done.
    most
        Attacks shown, those with most rows.
    """
    shown = [*best_models(models, "classifier", 6), *best_models(models, "detector", 6)]
    attacks = shown[0]["cuts"]["promise"]["attacks"][:most] if shown else []

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        table = []
        for one in shown:
            told = {a["name"]: a["recall"] for a in one["cuts"]["promise"]["attacks"]}
            table.append([told.get(attack["name"], float("nan")) for attack in attacks])
        axes.pcolormesh(
            _centred(len(attacks)), _centred(len(shown)), table, vmin=0, vmax=1, cmap="viridis"
        )
        axes.invert_yaxis()
        axes.set_yticks(range(len(shown)), [label(one) for one in shown])
        names = [f"{attack['name']} ({attack['support']:,})" for attack in attacks]
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
        for i, row in enumerate(table):
            for j, recall in enumerate(row):
                colour = "white" if recall < 0.6 else "#222222"
                axes.text(
                    j, i, f"{recall:.2f}", ha="center", va="center", color=colour, fontsize=6
                )

    return svg(draw, 3.2 + 0.3 * max(len(attacks), 8), 4.6)


def critical_difference(told: Mapping[str, Any], kind: str) -> str:
    """Draw mean ranks over the sets; methods joined by a bar cannot be told apart.

    Parameters
    ----------
    told
        Ranks of one kind, the best first.
    kind
        Whose colour they have.
    """
    ordered, width = told["methods"], told["critical_difference"]
    bars: list[tuple[int, int]] = []
    for start, one in enumerate(ordered):
        inside = [
            i for i, other in enumerate(ordered) if 0 <= other["rank"] - one["rank"] <= width
        ]
        end = max(inside)
        if end > start and (not bars or end > bars[-1][1]):
            bars.append((start, end))

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        for place, one in enumerate(ordered):
            axes.plot([one["rank"]], [place], "o", color=COLOURS[kind], markersize=5)
            axes.text(one["rank"] + 0.25, place, one["method"], va="center", fontsize=8)
        for number, (start, end) in enumerate(bars):
            at = 0.4 - 0.5 * number
            axes.plot([at, at], [start - 0.2, end + 0.2], color="#222222", linewidth=3, alpha=0.7)
        axes.plot([1, 1 + width], [-1.5, -1.5], color="#222222", linewidth=2)
        axes.text(1, -2.1, f"critical difference {width:.1f}", fontsize=8)
        axes.invert_yaxis()
        axes.set_yticks([])
        axes.set_xlim(min(0.2, 0.2 - 0.5 * len(bars)), len(ordered) + 4)
        axes.set_xlabel(
            f"mean rank over {len(told['sets'])} sets; bars join what cannot be told apart"
        )

    return svg(draw, 7.5, 1.2 + 0.2 * len(ordered))


def costs(models: Sequence[Model]) -> str:
    """Draw PR-AUC against rows a second of scoring.

    Parameters
    ----------
    models
        Entries of one task that are done.
    """
    shown = [one for one in models if one["kind"] != "baseline"]

    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        for one in shown:
            x, y = one["cost"]["rows_a_second"], one["pr_auc"]["mean"]
            axes.plot([x], [y], "o", color=COLOURS[one["kind"]], markersize=4)
            axes.annotate(
                one["method"], (x, y), xytext=(3, 2), textcoords="offset points", fontsize=6.5
            )
        axes.set_xscale("log")
        axes.set(xlabel="rows scored a second of CPU", ylabel="PR-AUC")
        axes.grid(alpha=0.25)

    return svg(draw, 7.5, 4.2)
