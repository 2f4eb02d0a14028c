"""Which detectors exist, by name; nothing is imported before it is asked for.

What belongs here: names, where each class lives, and the check of those that others bring. What does not:
choosing among them, which is the pipeline's.
"""

from __future__ import annotations

import inspect
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final

from eddyline.errors import UsageError

if TYPE_CHECKING:
    from eddyline.detectors.detector import MatrixDetector, SequenceDetector
    from eddyline.detectors.stream import StreamDetector

MATRIX: Final = {
    "isolation_forest": "eddyline.detectors.isolation_forest:IsolationForest",
    "neighbours": "eddyline.detectors.neighbours:Neighbours",
    "tails": "eddyline.detectors.tails:Tails",
    "union": "eddyline.detectors.union:Union",
    "random": "eddyline.detectors.baselines:RandomScore",
    "single_column": "eddyline.detectors.baselines:SingleColumn",
}
"""Our matrix detectors: name to ``module:class``."""

SEQUENCE: Final = {
    "ngram": "eddyline.detectors.ngram:NGram",
    "online_ngram": "eddyline.detectors.online:OnlineNGram",
    "causal": "eddyline.detectors.deep.causal:Causal",
    "radford": "eddyline.detectors.deep.radford:Radford",
    "session": "eddyline.detectors.deep.session:Session",
}
"""Our sequence detectors: name to ``module:class``."""

STREAM: Final = {
    "online_forest": "eddyline.detectors.online_forest:OnlineForest",
    "half_space_trees": "eddyline.detectors.half_space_trees:HalfSpaceTrees",
    "kitnet": "eddyline.detectors.kitnet:KitNet",
    "midas": "eddyline.detectors.midas:Midas",
    "midas_r": "eddyline.detectors.midas:MidasR",
    "midas_f": "eddyline.detectors.midas:MidasF",
    "anoedge": "eddyline.detectors.edges:AnoEdge",
}
"""Our stream detectors: name to ``module:class``; ``detector_class`` has none, for they learn row by row."""

CLASSICAL: Final = {
    "kmeans": "eddyline.detectors.classical.kmeans:KMeansDistance",
    "dbscan": "eddyline.detectors.classical.density_clusters:DBSCANDistance",
    "hdbscan": "eddyline.detectors.classical.density_clusters:HDBSCANDistance",
    "plain_forest": "eddyline.detectors.classical.forests:PlainIsolationForest",
    "extended_forest": "eddyline.detectors.classical.forests:ExtendedIsolationForest",
    "lof": "eddyline.detectors.classical.lof:LocalOutlierFactor",
    "knn": "eddyline.detectors.classical.knn:PlainNeighbours",
    "one_class_svm": "eddyline.detectors.classical.one_class_svm:OneClassSVM",
    "random_feature_svm": "eddyline.detectors.classical.one_class_svm:RandomFeatureSVM",
    "hbos": "eddyline.detectors.classical.hbos:HBOS",
    "ecod": "eddyline.detectors.classical.ecdf:ECOD",
    "copod": "eddyline.detectors.classical.ecdf:COPOD",
    "gaussian_mixture": "eddyline.detectors.classical.gaussians:GaussianMixtureDensity",
    "robust_covariance": "eddyline.detectors.classical.gaussians:RobustCovariance",
}
"""The published methods that experiments compare with: name to ``module:class``."""

DENSITY: Final = {
    "vae": "eddyline.detectors.density.vae:VAE",
    "rvae": "eddyline.detectors.density.rvae:RVAE",
    "grand": "eddyline.detectors.density.grand:Grand",
    "autoencoder": "eddyline.detectors.density.autoencoder:Autoencoder",
    "pca": "eddyline.detectors.density.pca:PCA",
    "flow_density": "eddyline.detectors.density.flow:FlowDensity",
    "dagmm": "eddyline.detectors.density.dagmm:DAGMM",
    "cleaned_neighbours": "eddyline.detectors.density.cleaned:CleanedNeighbours",
}
"""Our matrix detectors that learn a density, all but ``pca`` with torch: name to ``module:class``."""

ENTRY_POINTS: Final = "eddyline.detectors"
"""Entry point group by which other packages bring detectors of their own."""


def detector_names() -> tuple[str, ...]:
    """Give every name that ``detector_class`` knows: ours first, then those of other packages, sorted."""
    ours = (*MATRIX, *CLASSICAL, *DENSITY, *SEQUENCE)
    return (*ours, *sorted(set(_third_party()) - set(ours)))


def detector_class(name: str) -> type[MatrixDetector] | type[SequenceDetector]:
    """Give the class behind a name, importing it now.

    Parameters
    ----------
    name
        One of ``detector_names()``.

    Raises
    ------
    UsageError
        When nothing has that name, or a third party's class breaks the contract.
    """
    path = (MATRIX | CLASSICAL | DENSITY | SEQUENCE).get(name)
    if path is not None:
        module, _, attribute = path.partition(":")
        ours: type[MatrixDetector] | type[SequenceDetector] = getattr(
            import_module(module), attribute
        )
        return ours
    brought = _third_party().get(name)
    if brought is None:
        message = (
            f"a detector must be one of {', '.join(detector_names())}, got {name!r}; check the "
            f"spelling"
        )
        raise UsageError(message)
    return _checked_class(name, brought)


def matrix_detector(name: str) -> type[MatrixDetector]:
    """Give the matrix detector behind a name.

    Parameters
    ----------
    name
        One of ``detector_names()``.

    Raises
    ------
    UsageError
        When the name is unknown or a sequence detector's.
    """
    from eddyline.detectors.detector import MatrixDetector

    found = detector_class(name)
    if not issubclass(found, MatrixDetector):
        message = (
            f"{name!r} must score rows of numbers, but scores sequences; use it on a view of "
            f"tokens"
        )
        raise UsageError(message)
    return found


def sequence_detector(name: str) -> type[SequenceDetector]:
    """Give the sequence detector behind a name.

    Parameters
    ----------
    name
        One of ``detector_names()``.

    Raises
    ------
    UsageError
        When the name is unknown or a matrix detector's.
    """
    from eddyline.detectors.detector import SequenceDetector

    found = detector_class(name)
    if not issubclass(found, SequenceDetector):
        message = (
            f"{name!r} must score token sequences, but scores rows; use it on a view of features"
        )
        raise UsageError(message)
    return found


def stream_detector(name: str) -> type[StreamDetector]:
    """Give the stream detector behind a name, importing it now.

    Parameters
    ----------
    name
        One of ``STREAM``.

    Raises
    ------
    UsageError
        When no stream detector has that name.
    """
    if name not in STREAM:
        message = (
            f"a stream detector must be one of {', '.join(STREAM)}, got {name!r}; check the "
            f"spelling"
        )
        raise UsageError(message)
    module, _, attribute = STREAM[name].partition(":")
    found: type[StreamDetector] = getattr(import_module(module), attribute)
    return found


def _third_party() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def _checked_class(name: str, point: EntryPoint) -> type[MatrixDetector] | type[SequenceDetector]:
    """Load a third party's class and hold it to the shape of the contract."""
    from eddyline.detectors.detector import MatrixDetector, SequenceDetector

    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        message = (
            f"detector {name!r} must be importable, {point.value} is not: {error}; reinstall the "
            f"package that brings it"
        )
        raise UsageError(message) from error
    if not (inspect.isclass(found) and issubclass(found, (MatrixDetector, SequenceDetector))):
        message = (
            f"detector {name!r} must be a MatrixDetector or SequenceDetector, {point.value} is "
            f"{found!r}; "
            f"subclass one of them and run eddyline.testing.check_detector"
        )
        raise UsageError(message)
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        message = f"detector {name!r} must define {missing}, {point.value} does not; add it"
        raise UsageError(message)
    parameters = inspect.signature(found).parameters
    if "seed" not in parameters or any(
        p.default is inspect.Parameter.empty for p in parameters.values()
    ):
        message = (
            f"detector {name!r} must take `seed` and have defaults for all arguments, "
            f"{point.value} takes "
            f"({', '.join(parameters)}); add them"
        )
        raise UsageError(message)
    return found
