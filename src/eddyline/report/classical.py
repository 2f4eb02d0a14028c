"""The pages of ``bench classical``: one HTML file that needs nothing else, and a Markdown page for the docs.

What belongs here: putting tables and pictures in order. What does not: their words (``classical_words.py``),
their drawing (``classical_plots.py``), their numbers (``evaluate/classical_document.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from eddyline.report import classical_plots as plots, classical_words as words
from eddyline.report.bench import Table, by_sentence, html_table, markdown_table

SUBJECTS: Final = 4
"""Columns or classes of a lint that are named in its line."""

BEST: Final = 6
"""Methods of each kind in the tables of the Markdown page."""


def html_page(told: Mapping[str, Any]) -> str:
    """Give the whole page.

    Parameters
    ----------
    told
        The document, as ``report.json`` holds it.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    """
    from jinja2 import Environment

    source = resources.files("eddyline.report").joinpath("page/classical.html.j2")
    template = Environment(autoescape=True).from_string(source.read_text(encoding="utf-8"))
    ranks = [
        plots.critical_difference(one, kind)
        for kind, one in told["ranks"].items()
        if one is not None
    ]
    return template.render(
        told=told,
        tasks=[_task(task, told) for task in told["tasks"]],
        ranks=ranks,
        leak=html_table(words.leak_table(told)),
        carried=html_table(words.carried(told)) if "matrices" in told else "",
        cross=[(name, html_table(table)) for name, table in words.cross_tables(told)],
        not_run=html_table(words.not_run_table(told)),
        protocol=words.protocol(told),
        machine=words.machine(told),
        progress=words.progress(told),
        files=html_table(_files(told)),
    )


def _done(task: str, told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in told["models"] if one["task"] == task and one["state"] == "done"]


def _task(task: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    models = _done(task["name"], told)
    if not models:
        return {**task, "sizes": "No method has a result here."}
    base = task["base_rate"]
    best = [one for one in models if one["key"] == task["best"].get("classifier")]
    return {
        **task,
        "sizes": words.sizes(task),
        "areas": plots.areas(models, base),
        "table": html_table(words.main_table(models)),
        "curves": plots.curves(models, base),
        "distributions": plots.distributions(models),
        "recalls": plots.recalls(models),
        "confusion": plots.confusion(best[0]) if best else "",
        "rare": html_table(words.rare_table(models)),
        "costs": plots.costs(models),
        "linted": html_table(lint_table(task["lints"])) if task.get("lints") else "",
    }


def lint_table(findings: Sequence[Mapping[str, Any]]) -> Table:
    """Give the ``lints`` of a set, a line a lint: how often, where, and the gravest in words.

    Parameters
    ----------
    findings
        As the task holds them.
    """
    rows = []
    for name in sorted({one["lint"] for one in findings}):
        mine = [one for one in findings if one["lint"] == name]
        worst = max(mine, key=lambda one: (one["level"] == "refuse", one["value"] or 0.0))
        subjects = list(dict.fromkeys(one["subject"] for one in mine))
        shown = ", ".join(subjects[:SUBJECTS]) + (" …" if len(subjects) > SUBJECTS else "")
        rows.append([name, worst["level"], str(len(mine)), shown, worst["sentence"]])
    return ("lint", "level", "findings", "of", "the gravest"), rows


def _files(told: Mapping[str, Any]) -> Table:
    rows = [
        [task["name"], ", ".join(task["files"]), task["sha256"][:16]] for task in told["tasks"]
    ]
    return ("set", "files", "SHA-256"), rows


def briefly(told: Mapping[str, Any]) -> dict[str, Any]:
    """Give the document without curves, distributions and recall by attack at the second threshold.

    Parameters
    ----------
    told
        The document.
    """
    models = []
    for one in told["models"]:
        kept = {key: value for key, value in one.items() if key not in ("curve", "histogram")}
        if "cuts" in kept:
            kept["cuts"] = {**kept["cuts"], "f1": {**kept["cuts"]["f1"], "attacks": []}}
        models.append(kept)
    brief: dict[str, Any] = _rounded({**told, "models": models})
    return brief


def _rounded(value: Any) -> Any:
    """Give plain values with six digits a number."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: _rounded(held) for key, held in value.items()}
    return [_rounded(held) for held in value] if isinstance(value, (list, tuple)) else value


def pictures(told: Mapping[str, Any]) -> dict[str, str]:
    """Give the pictures that stand beside the Markdown page, by the name of the task.

    Parameters
    ----------
    told
        The document.
    """
    return {
        task["name"]: plots.areas(models, task["base_rate"])
        for task in told["tasks"]
        if not task["stamp"] and (models := _done(task["name"], told))
    }


def markdown_page(told: Mapping[str, Any], stem: str = "classical") -> str:
    """Give the page of the documentation.

    Parameters
    ----------
    told
        The document.
    stem
        How the names of its pictures begin.
    """
    parts = [
        "# Classical methods, one protocol",
        "Every detector of rows, every classifier and every trivial score on the same rows, with the same "
        "thresholds and the same intervals. Made from `classical.json` by the program that ran it:",
        f"<!-- not run: needs the data sets, and takes an hour of two cores -->\n"
        f"```console\n$ {told['command']}\n```",
        f"Seeds {', '.join(map(str, told['seeds']))}. {words.progress(told)} {words.machine(told)}",
        "## What can be said",
        "\n".join(f"- {line}" for line in told["sentences"]),
        *_ranked(told),
        "## Rules",
        "\n".join(f"- {line}" for line in words.protocol(told)),
    ]
    for task in told["tasks"]:
        parts += _markdown_task(task, _done(task["name"], told), stem)
    if told["leak"]:
        parts += [
            "## What single rows overstate",
            "PR-AUC of the same methods on the same captures: single rows dealt at random, whole groups, "
            "and a later part of each capture.",
            markdown_table(words.leak_table(told)),
        ]
    if "matrices" in told:
        parts += ["## Train here, test there", CARRIED, markdown_table(words.carried(told))]
        for name, table in words.cross_tables(told):
            parts += [
                f"`{name}`, trained on the row, tested on the column:",
                markdown_table(table),
            ]
    if told["not_run"]:
        parts += ["## Too slow, undefined, or run once", markdown_table(words.not_run_table(told))]
    parts += ["## What each family is good for", _FAMILIES]
    return "\n\n".join(by_sentence(part) for part in parts) + "\n"


_FAMILIES: Final = "\n".join(
    (
        "- Clustering (`kmeans`, `dbscan`, `hdbscan`): easy and quick; as good as clusters and settings.",
        "- Density (`isolation_forest`, `lof`, `knn`, `gaussian_mixture`, `hbos`, `ecod`): robust to noise; "
        "distances cost time.",
        "- Projection (`pca`, `autoencoder`, `vae`, `rvae`): fewer dimensions; what they leave out is lost.",
        "- Classifiers (`logistic`, `linear_svm`, `kernel_svm`, `knn`): easy; need labels and may not carry "
        "over to new attacks.",
        "- Ensembles (`random_forest`, `bagging`, `boosting`, `histogram_boosting`): accurate, tolerate "
        "noise; cost memory.",
        "- Nets (`mlp`, `cnn`, `rnn`, `snn`, `tabm`): complex patterns; need many labels and much time.",
    )
)
"""What to expect of each family."""


LINTED: Final = "What the lints find in its rows and in its split:"

CARRIED: Final = (
    "Mean ROC-AUC of one model a day or capture, learned on its first 70 %: judged on the rest of it, on the "
    "other days or captures of its data set, and on those of another one. Made with `--cross`.\n"
    "A first version parted the day by groups of hosts; its figures on the same unit were 0.70 "
    "(`isolation_forest`) and 0.64 (`logistic`), and the parting by time was chosen after seeing them."
)


def _ranked(told: Mapping[str, Any]) -> list[str]:
    said = []
    for kind, one in told["ranks"].items():
        if one is None:
            continue
        first = ", ".join(f"{m['method']} {m['rank']:.1f}" for m in one["methods"][:5])
        said.append(
            f"Mean ranks of the {kind}s over {', '.join(one['sets'])}, the best five: {first}. Ranks that "
            f"differ by less than {one['critical_difference']:.1f} cannot be told apart (Nemenyi, 5 %)."
        )
    return said


def _markdown_task(
    task: Mapping[str, Any], models: Sequence[Mapping[str, Any]], stem: str
) -> list[str]:
    parts = [f"## {task['name']}", f"{task['words']}. {words.sizes(task)}"]
    if task["stamp"]:
        parts.append(f"**{task['stamp']}**")
    elif models:
        words_ = f"PR-AUC of every method on {task['name']} with 95 % intervals"
        parts.append(f"![{words_}]({stem}-{task['name']}.svg)")
    if models:
        base = f"Chance level of PR-AUC: {task['base_rate']:.3f}. The best {BEST} of each kind:"
        parts += [base, markdown_table(words.short_table(models, BEST))]
        classes = words.class_table(models)
        if classes is not None and len(classes[0]) > 4:
            parts += ["F1 of each class, over all seeds:", markdown_table(classes)]
    if task.get("lints"):
        parts += [LINTED, markdown_table(lint_table(task["lints"]))]
    return parts
