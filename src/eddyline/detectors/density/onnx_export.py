"""A trained density as an ONNX graph, scale included, and scoring it by ONNX Runtime.

What belongs here: building the graph from the frozen arrays, and asking it. What does not: training, and the
compiled score that needs neither (``energy.py``).

The graph is made node by node from the arrays, so exporting needs no torch. A matrix product rounds a row
differently with the size of its batch: scores agree with the detector's to 1e-4 of their size, not in every
bit, and an archive keeps the arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddyline.detectors.density.density import AutoencoderDensity
from eddyline.detectors.density.stack import ACTIVATIONS, Stack
from eddyline.errors import DataError, MissingExtraError, UsageError
from eddyline.tables import Floats, Integers

OPSET: Final = 17
IR_VERSION: Final = 8
"""What every ONNX Runtime since 1.14 reads."""

LOG_VARIANCE: Final = 8.0
"""Log-variances are held within this of 0, as in training."""

SHORT_GAP: Final = 8
"""Columns between two with a logarithm that are rather taken with them than cut out."""

MOST_CUTS: Final = 12
"""Cuts beyond which all columns are taken together."""

_FUNCTIONS: Final = {"relu": "Relu", "tanh": "Tanh"}


@dataclass(slots=True)
class _Graph:
    """Nodes and constants while they are put together."""

    helper: Any
    numpy_helper: Any
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: ArrayLike, kind: type[np.generic]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(self.numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def stack(
        self,
        rows: str,
        stack: Stack,
        *,
        enters: Integers | slice = slice(None),
        leaves: Integers | slice = slice(None),
    ) -> str:
        """Add a stack whose inputs and outputs stand in another order."""
        layers = [[weights, biases] for weights, biases in stack.layers()]
        layers[0][0] = layers[0][0][enters]
        layers[-1] = [layers[-1][0][:, leaves], layers[-1][1][leaves]]
        for (weights, biases), kind in zip(layers, stack.activations, strict=True):
            held = self.constant(weights, np.float32), self.constant(biases, np.float32)
            rows = self.node("Gemm", rows, *held)
            function = _FUNCTIONS.get(ACTIVATIONS[int(kind)])
            if function:
                rows = self.node(function, rows)
        return rows

    def row_sum(self, rows: str) -> str:
        axis = self.constant([1], np.int64)
        return self.node("ReduceSum", rows, axis, keepdims=0)

    def row_squares(self, rows: str) -> str:
        return self.node("ReduceSumSquare", rows, axes=[1], keepdims=0)

    def split(self, rows: str, bounds: Sequence[int]) -> list[str]:
        """Cut columns at bounds, the first 0 and the last their number."""
        names = [f"piece_{len(self.nodes)}_{place}" for place in range(len(bounds) - 1)]
        sizes = self.constant(np.diff(bounds), np.int64)
        self.nodes.append(self.helper.make_node("Split", [rows, sizes], names, axis=1))
        return names


def to_onnx(density: AutoencoderDensity) -> bytes:
    """Give a trained autoencoder density as an ONNX model from raw rows to scores.

    Parameters
    ----------
    density
        Fitted; one without planar maps.

    Raises
    ------
    UsageError
        When it has planar maps.
    MissingExtraError
        When onnx is not installed.
    """
    onnx = _library("onnx")
    if len(density.map_offset_):
        message = (
            f"only a density without planar maps has a graph, got {len(density.map_offset_)} maps; "
            f"score with the detector itself"
        )
        raise UsageError(message)
    graph = _Graph(onnx.helper, onnx.numpy_helper)
    rows, order = _scaled(graph, density)
    energy = density.energy
    encoded, latent = graph.stack(rows, energy.encoder, enters=order), energy.decoder.n_in
    parts = [encoded]
    if energy.encoder.n_out == 2 * latent:
        parts = graph.split(encoded, [0, latent, 2 * latent])
    decoded = graph.stack(parts[0], energy.decoder, leaves=order)
    terms = [graph.row_squares(graph.node("Sub", rows, decoded))]
    if len(parts) == 2:
        terms += _divergence(graph, *parts)
    total = terms[0] if len(terms) == 1 else graph.node("Sum", *terms)
    score = graph.node("Mul", graph.constant(0.5, np.float32), total)
    return _finished(graph, onnx, score, density.n_features_in_)


def _scaled(graph: _Graph, density: AutoencoderDensity) -> tuple[str, Integers]:
    """Add the scale; give the name of the float32 rows and the order of their columns.

    Behind a logarithm float32 is enough, and twice as fast; plain z-scores may take the difference of large
    numbers, which is done in float64. Columns that need a logarithm are brought to the front, so that the
    others are spared it.
    """
    scale = density.scale
    kind: type[np.generic] = np.float32 if scale.logged.any() else np.float64
    values = graph.node("Cast", "X", to=1) if kind is np.float32 else "X"
    order = np.arange(len(scale.logged))
    if scale.logged.any():
        values, order = _logged(graph, values, scale.logged)
    centred = graph.node("Sub", values, graph.constant(scale.centre[order], kind))
    unit = graph.node("Mul", centred, graph.constant(1.0 / scale.spread[order], kind))
    ends = [graph.constant(end, kind) for end in (-scale.limit, scale.limit)]
    unit = graph.node("Clip", unit, *ends)
    return unit if kind is np.float32 else graph.node("Cast", unit, to=1), order


def _logged(graph: _Graph, values: str, logged: NDArray[np.bool_]) -> tuple[str, Integers]:
    """Add the signed logarithm of some columns; give the name of the rows and the order of their columns."""
    bounds = _runs(logged)
    pieces = graph.split(values, bounds) if len(bounds) > 2 else [values]
    spans = [np.arange(first, last) for first, last in pairwise(bounds)]
    with_it = [place for place, span in enumerate(spans) if logged[span].any()]
    without = [place for place in range(len(spans)) if place not in with_it]
    order = np.concatenate([spans[place] for place in (*with_it, *without)])
    front, back = [pieces[place] for place in with_it], [pieces[place] for place in without]
    mine = graph.node("Concat", *front, axis=1) if len(front) > 1 else front[0]
    size = graph.node("Abs", mine)
    size = graph.node("Log", graph.node("Add", size, graph.constant(1.0, np.float32)))
    told = graph.node("Mul", graph.node("Sign", mine), size)
    here = logged[np.concatenate([spans[place] for place in with_it])]
    if not here.all():
        told = graph.node("Where", graph.constant(here, np.bool_), told, mine)
    return graph.node("Concat", told, *back, axis=1) if back else told, order


def _runs(logged: NDArray[np.bool_]) -> list[int]:
    """Give where columns are cut into runs with and without a logarithm; short gaps count as with one."""
    wide = logged.copy()
    places = np.flatnonzero(logged)
    for first, last in pairwise(places):
        if last - first <= SHORT_GAP:
            wide[first:last] = True
    changes = np.flatnonzero(np.diff(wide)) + 1
    if len(changes) > MOST_CUTS:
        return [0, len(logged)]
    return [0, *changes.tolist(), len(logged)]


def _divergence(graph: _Graph, mean: str, log_variance: str) -> list[str]:
    """Add the parts of twice the divergence from a standard normal."""
    ends = [graph.constant(end, np.float32) for end in (-LOG_VARIANCE, LOG_VARIANCE)]
    held = graph.node("Clip", log_variance, *ends)
    less = graph.node("Sub", graph.node("Exp", held), graph.constant(1.0, np.float32))
    return [graph.row_squares(mean), graph.row_sum(graph.node("Sub", less, held))]


def _finished(graph: _Graph, onnx: Any, score: str, width: int) -> bytes:
    score = graph.node("Cast", score, to=onnx.TensorProto.DOUBLE)
    kind = onnx.TensorProto.DOUBLE
    made = onnx.helper.make_graph(
        graph.nodes,
        "density",
        [onnx.helper.make_tensor_value_info("X", kind, ["rows", width])],
        [onnx.helper.make_tensor_value_info(score, kind, ["rows"])],
        graph.constants,
    )
    opset = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(made, opset_imports=opset, producer_name="eddyline")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


class OnnxScorer:
    """Score raw rows by ONNX Runtime, on one thread.

    Parameters
    ----------
    model
        What ``to_onnx`` gave.
    providers
        ONNX Runtime's execution providers, the first that is there is used.

    Raises
    ------
    MissingExtraError
        When onnxruntime is not installed.
    """

    def __init__(self, model: bytes, providers: Sequence[str] = ("CPUExecutionProvider",)) -> None:
        runtime = _library("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = runtime.InferenceSession(model, options, providers=list(providers))
        self._outputs = [self._session.get_outputs()[0].name]
        self.width = int(self._session.get_inputs()[0].shape[1])

    def anomaly_score(self, X: ArrayLike) -> Floats:
        """Score rows; higher is stranger.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``, finite.

        Raises
        ------
        DataError
            When X is not a finite matrix of the width that was learned.
        """
        rows: NDArray[np.float64] = np.ascontiguousarray(X, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.width or not np.isfinite(rows).all():
            message = (
                f"X must be a finite matrix of {self.width} columns, got shape {rows.shape}; give "
                f"it the columns that were learned"
            )
            raise DataError(message)
        scores: Floats = self._session.run(self._outputs, {"X": rows})[0]
        return scores


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        message = (
            f"ONNX export and scoring need {name}, which is not installed ({error}); pip install "
            f"'eddyline[onnx]'"
        )
        raise MissingExtraError(message) from error
