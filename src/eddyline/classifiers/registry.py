"""Which classifiers exist, by name; nothing is imported before it is asked for.

What belongs here: names, where each class lives, and the check of those that others bring. What does not:
choosing among them, which is the user's.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final

from eddyline.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from eddyline.classifiers.classifier import Classifier

CLASSIFIERS: Final = {
    "boosting": "eddyline.classifiers.boosting:Boosting",
    "histogram_boosting": "eddyline.classifiers.histogram:HistogramBoosting",
    "random_forest": "eddyline.classifiers.bagged:RandomForest",
    "bagging": "eddyline.classifiers.bagged:Bagging",
    "adaboost": "eddyline.classifiers.bagged:AdaBoost",
    "logistic": "eddyline.classifiers.linear:Logistic",
    "linear_svm": "eddyline.classifiers.margins:LinearSVM",
    "kernel_svm": "eddyline.classifiers.margins:KernelSVM",
    "knn": "eddyline.classifiers.nearest_rows:KNN",
    "mlp": "eddyline.classifiers.layers:MLP",
    "cnn": "eddyline.classifiers.deep.cnn:CNN",
    "rnn": "eddyline.classifiers.deep.rnn:RNN",
    "snn": "eddyline.classifiers.deep.snn:SNN",
    "tabm": "eddyline.classifiers.deep.tabm:TabM",
}
"""Our classifiers: name to ``module:class``."""

ENTRY_POINTS: Final = "eddyline.classifiers"
"""Entry point group by which other packages bring classifiers of their own."""


def classifier_names() -> tuple[str, ...]:
    """Give every name that ``classifier_class`` knows: ours first, then those of other packages, sorted."""
    return (*CLASSIFIERS, *sorted(set(_third_party()) - set(CLASSIFIERS)))


def classifier_class(name: str) -> type[Classifier]:
    """Give the class behind a name, importing it now.

    Parameters
    ----------
    name
        One of ``classifier_names()``.

    Raises
    ------
    UsageError
        When nothing has that name, or a third party's class breaks the contract.
    MissingExtraError
        When the classifier needs a library that is not installed.
    """
    path = CLASSIFIERS.get(name)
    if path is not None:
        module, _, attribute = path.partition(":")
        try:
            ours: type[Classifier] = getattr(import_module(module), attribute)
        except ModuleNotFoundError as error:
            if error.name not in {"torch", "tabm", "zuko"}:
                raise
            message = (
                f"classifier {name!r} needs {error.name}, which is not installed; "
                f"pip install 'eddyline[deep]'"
            )
            raise MissingExtraError(message) from error
        return ours
    brought = _third_party().get(name)
    if brought is None:
        message = (
            f"a classifier must be one of {', '.join(classifier_names())}, got {name!r}; check the "
            f"spelling"
        )
        raise UsageError(message)
    return _checked_class(name, brought)


def _third_party() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _checked_class(name: str, point: EntryPoint) -> type[Classifier]:
    """Load a third party's class and hold it to the shape of the contract."""
    from eddyline.classifiers.classifier import Classifier

    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        message = (
            f"classifier {name!r} must be importable, {point.value} is not: {error}; reinstall the "
            f"package that brings it"
        )
        raise UsageError(message) from error
    if not (inspect.isclass(found) and issubclass(found, Classifier)):
        message = (
            f"classifier {name!r} must be a Classifier, {point.value} is {found!r}; subclass it and "
            f"run eddyline.testing.check_classifier"
        )
        raise UsageError(message)
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        message = f"classifier {name!r} must define {missing}, {point.value} does not; add it"
        raise UsageError(message)
    parameters = inspect.signature(found).parameters
    if "seed" not in parameters or any(
        p.default is inspect.Parameter.empty for p in parameters.values()
    ):
        message = (
            f"classifier {name!r} must take `seed` and have defaults for all arguments, "
            f"{point.value} takes ({', '.join(parameters)}); add them"
        )
        raise UsageError(message)
    return found
