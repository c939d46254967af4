"""What a detector consists of, part by part, as nodes of a graph.

A part is found by its class or one that it inherits from, by dotted path, so that nothing is
imported that the detector does not use. A class of one's own is exported when it has a method
`onnx_nodes(graph, value)`: it gives, as a `Value`, what a transformer makes of rows, or the
probability of malware that a classifier gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.deployment.graph import Graph, Value, refused
from dokunuki.deployment.trees import (
    boosting_nodes,
    forest_nodes,
    histogram_boosting_nodes,
    lightgbm_nodes,
)
from dokunuki.parts.estimator import unfrozen
from dokunuki.parts.saving import is_lightgbm

if TYPE_CHECKING:
    from collections.abc import Callable

    from dokunuki.defences.attackable import AttackableTransform
    from dokunuki.defences.autoencoder import AutoencoderCode, AutoencoderReconstruction
    from dokunuki.defences.clipping import Clipping
    from dokunuki.defences.deletion import Deletion
    from dokunuki.defences.reduced_features import GainSelection
    from dokunuki.defences.subspace_compression import SubspaceCompression
    from dokunuki.networks.autoencoder import AutoencoderModel
    from dokunuki.parts.standardising import Standardiser

_MALWARE = 1
# The score of a tie of votes, as in `VotingEnsemble`.
_TIE = np.nextafter(np.float32(0.5), np.float32(0))
_FOLDER = "keep the detector's folder, which can be scored too"


def standardiser_nodes(graph: Graph, value: Value, scaler: Standardiser) -> Value:
    """Clip and standardise in float64, as `Standardiser.transform` does, bit for bit."""
    scale = scaler.scale_
    if not np.isfinite(scaler.maximum_).any() and (scale == 1).all() and not scaler.mean_.any():
        return value  # rows pass unchanged
    factor = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    name = value.name
    if scaler.minimum_.dtype != np.float32:
        name = graph.cast(name, np.float64)
    limits = scaler.minimum_, scaler.maximum_
    if scaler.minimum_.dtype != np.float32:
        limits = tuple(limit.astype(np.float64) for limit in limits)
    name = graph.node("Max", name, graph.constant(limits[0]))
    name = graph.node("Min", name, graph.constant(limits[1]))
    if scaler.minimum_.dtype == np.float32:
        name = graph.cast(name, np.float64)
    name = graph.node("Sub", name, graph.constant(scaler.mean_))
    name = graph.node("Mul", name, graph.constant(factor))
    return Value(graph.cast(name, np.float32), value.width)


def transformer_nodes(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401 - any defence
    """What a fitted transformer makes of rows; ExportError for one that is not known here."""
    part = unfrozen(part)
    if hasattr(part, "onnx_nodes"):
        return Value(*part.onnx_nodes(graph, value))
    if (reason := _found(_CANNOT, part)) is not None:
        raise refused(part, reason, _FOLDER)
    nodes = _found(_TRANSFORMERS, part)
    if nodes is None:
        raise refused(part, "no nodes are known for this transformer", _own(part))
    return Value(*nodes(graph, value, part))


def classifier_nodes(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401
    """The probability of malware that a fitted classifier gives rows, one column.

    Raises ExportError for one that is not known here, or inside which such a part stands.
    """
    part = unfrozen(part)
    if hasattr(part, "onnx_nodes"):
        return Value(*part.onnx_nodes(graph, value))
    classes = np.asarray(part.classes_).tolist()
    if classes != [0, 1]:
        raise refused(part, f"its classes are {classes}", "fit it on rows labelled 0 and 1")
    if is_lightgbm(part):
        return lightgbm_nodes(graph, value, part)
    nodes = _found(_CLASSIFIERS, part)
    if nodes is None:
        raise refused(part, "no nodes are known for this classifier", _own(part))
    return Value(*nodes(graph, value, part))


def _own(part: object) -> str:
    return f"give {type(part).__name__} a method onnx_nodes(graph, value), or {_FOLDER}"


def _found(known: dict[str, Any], part: object) -> Any:  # noqa: ANN401
    names = (f"{cls.__module__}.{cls.__qualname__}" for cls in type(part).__mro__)
    return next((known[name] for name in names if name in known), None)


# Transformers.


def _deletion(graph: Graph, value: Value, part: Deletion) -> Value:
    deleted = part.layout.columns(part.region)
    return graph.take(value, np.setdiff1d(np.arange(value.width), deleted))


def _selection(graph: Graph, value: Value, part: GainSelection) -> Value:
    return graph.take(value, part.columns_)


def _clipping(graph: Graph, value: Value, part: Clipping) -> Value:
    limit = np.full(value.width, np.inf, dtype=np.float32)
    limit[part.layout.attackable] = part.limit
    value = graph.chain(value, "Max", graph.constant(-limit))
    return graph.chain(value, "Min", graph.constant(limit))


def _compression(graph: Graph, value: Value, part: SubspaceCompression) -> Value:
    columns = part.layout.attackable
    seen = graph.take(value, columns)
    # Rows of zeros, as long as the batch, where no column has a second interval.
    numbers = graph.cast(graph.node("Sub", seen.name, seen.name), np.float64)
    for boundaries in part.boundaries_.T:
        above = graph.node("GreaterOrEqual", seen.name, graph.constant(boundaries))
        numbers = graph.node("Add", numbers, graph.cast(above, np.float64))
    scale = np.where(part.scale_ > 0, part.scale_, 1.0)
    name = graph.node("Sub", numbers, graph.constant(part.mean_))
    name = graph.node("Div", name, graph.constant(scale))
    return _replaced(graph, value, columns, Value(graph.cast(name, np.float32), len(columns)))


def _reconstruction(graph: Graph, value: Value, part: AutoencoderReconstruction) -> Value:
    from dokunuki.deployment.modules import module_nodes

    model: AutoencoderModel = part.autoencoder_
    columns = part.layout.attackable
    seen = _unit_range(graph, graph.take(value, columns), model)
    rebuilt = module_nodes(graph, seen, model.network_)
    if model.unit_range:
        rebuilt = graph.chain(rebuilt, "Mul", graph.constant(model.span_))
        rebuilt = graph.chain(rebuilt, "Add", graph.constant(model.low_))
    return _replaced(graph, value, columns, rebuilt)


def _code(graph: Graph, value: Value, part: AutoencoderCode) -> Value:
    from dokunuki.deployment.modules import module_nodes

    model: AutoencoderModel = part.autoencoder_
    seen = _unit_range(graph, graph.take(value, part.layout.attackable), model)
    code = module_nodes(graph, seen, model.network_.encoder)
    return graph.join(graph.take(value, part.layout.undefended), code)


def _unit_range(graph: Graph, value: Value, model: AutoencoderModel) -> Value:
    if not model.unit_range:
        return value
    span = model.span_
    inverse = np.divide(1, span, out=np.zeros_like(span), where=span > 0)
    value = graph.chain(value, "Sub", graph.constant(model.low_))
    return graph.chain(value, "Mul", graph.constant(inverse))


def _attackable(graph: Graph, value: Value, part: AttackableTransform) -> Value:
    columns, inner = part.layout.attackable, part.transformer_
    code = transformer_nodes(graph, graph.take(value, columns), inner)
    if part.output == "code":
        return graph.join(graph.take(value, part.layout.undefended), code)
    inverse = _found(_INVERSES, inner)
    if inverse is None:
        raise refused(inner, "no nodes are known for its inverse_transform", _FOLDER)
    return _replaced(graph, value, columns, inverse(graph, code, inner))


def _replaced(graph: Graph, value: Value, columns: np.ndarray, new: Value) -> Value:
    """The rows with other values in these columns."""
    rest = np.setdiff1d(np.arange(value.width), columns)
    if not len(rest):
        return graph.put((new, columns))
    return graph.put((graph.take(value, rest), rest), (new, columns))


def _pca(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401 - scikit-learn's
    weight = part.components_.astype(np.float64)
    if part.whiten:
        weight = weight / _whitening(part)[:, None]
    return graph.dense(value, weight, -weight @ part.mean_.astype(np.float64))


def _pca_inverse(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401
    weight = part.components_.astype(np.float64).T
    return graph.dense(value, weight * _whitening(part) if part.whiten else weight, part.mean_)


def _whitening(part: Any) -> np.ndarray:  # noqa: ANN401
    scale = np.sqrt(part.explained_variance_.astype(np.float64))
    return np.asarray(np.maximum(scale, np.finfo(part.explained_variance_.dtype).eps))


def _projection(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401
    weight = _full(part.components_)
    return graph.dense(value, weight, np.zeros(len(weight)))


def _projection_inverse(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401
    weight = getattr(part, "inverse_components_", None)
    weight = np.linalg.pinv(_full(part.components_)) if weight is None else weight
    return graph.dense(value, weight, np.zeros(len(weight)))


def _full(matrix: Any) -> np.ndarray:  # noqa: ANN401 - an array, or scipy's sparse one
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix)


# Classifiers.


def _embernn(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401 - late import
    from dokunuki.deployment.modules import module_nodes

    return graph.chain(module_nodes(graph, value, part.network_), "Sigmoid")


def _logistic(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401 - scikit-learn's
    return graph.chain(graph.dense(value, part.coef_, part.intercept_), "Sigmoid")


def _forest(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401
    return forest_nodes(graph, value, part, _MALWARE)


def _bagging(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401
    members = [
        classifier_nodes(graph, graph.take(value, columns), member)
        for member, columns in zip(part.estimators_, part.estimators_features_, strict=True)
    ]
    return Value(graph.node("Mean", *(member.name for member in members)), 1)


def _training(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401
    return classifier_nodes(graph, value, part.classifier_)


def _superimposed(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401
    """What mixtures with the donors say of a row, and what the classifier does; all of each row."""
    donors, width = part.donors_.shape
    alone = graph.node("Reshape", value.name, graph.constant(np.array([-1, 1, width])))
    own = np.isin(np.arange(width), part.layout.columns(part.region))
    mixed = graph.node("Where", graph.constant(own), alone, graph.constant(part.donors_))
    mixtures = Value(graph.node("Reshape", mixed, graph.constant(np.array([-1, width]))), width)
    scores = classifier_nodes(graph, mixtures, part.classifier_)
    by_row = graph.node("Reshape", scores.name, graph.constant(np.array([-1, donors])))
    mean = graph.node("ReduceMean", by_row, axes=[1], keepdims=1)
    as_it_is = classifier_nodes(graph, value, part.classifier_).name
    stable = graph.node("Less", mean, graph.number(part.threshold_))
    passes = graph.node("Less", as_it_is, graph.number(0.5))
    found = graph.node("And", stable, passes)
    return Value(graph.node("Where", found, graph.number(1.0), as_it_is), 1)


def _partitions_of_columns(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401
    # Its own way of dividing rows, asked with their column numbers.
    columns = np.arange(value.width)[None]
    views = [graph.take(value, view[0]) for view in part._views(columns)]
    return _votes(graph, value, part, views)


def _partitions_of_rows(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401
    scalers = iter(part.scalers_)
    views = [
        value if isinstance(member, int) else standardiser_nodes(graph, value, next(scalers))
        for member in part.members_
    ]
    return _votes(graph, value, part, views)


def _votes(graph: Graph, value: Value, part: Any, views: list[Value]) -> Value:  # noqa: ANN401
    """The share of the members that vote for malware; a tie is goodware's."""
    votes = [
        graph.cast(
            graph.node(
                "GreaterOrEqual",
                classifier_nodes(graph, view, member).name,
                graph.number(0.5),
            ),
            np.float32,
        )
        for member, view in zip(part.members_, views, strict=True)
        if not isinstance(member, int)
    ]
    # Members that always say the same, for each row: a column times 0 is of the batch's length.
    constant = float(sum(member for member in part.members_ if isinstance(member, int)))
    first = graph.take(value, np.array([0]))
    none = graph.node("Sub", first.name, first.name)
    total = graph.node("Sum", none, graph.number(constant), *votes)
    count = graph.number(part.partitions)
    tie = graph.node("Equal", graph.node("Add", total, total), count)
    below = graph.number(_TIE)
    return Value(graph.node("Where", tie, below, graph.node("Div", total, count)), 1)


_DEFENCES = "dokunuki.defences"
_TREES = "sklearn.ensemble"
_TRANSFORMERS: dict[str, Callable[[Graph, Value, Any], Value]] = {
    f"{_DEFENCES}.deletion.Deletion": _deletion,
    f"{_DEFENCES}.reduced_features.GainSelection": _selection,
    f"{_DEFENCES}.clipping.Clipping": _clipping,
    f"{_DEFENCES}.subspace_compression.SubspaceCompression": _compression,
    f"{_DEFENCES}.autoencoder.AutoencoderReconstruction": _reconstruction,
    f"{_DEFENCES}.autoencoder.AutoencoderCode": _code,
    f"{_DEFENCES}.attackable.AttackableTransform": _attackable,
    "dokunuki.parts.standardising.Standardiser": standardiser_nodes,
    "sklearn.decomposition._pca.PCA": _pca,
    "sklearn.random_projection.BaseRandomProjection": _projection,
}
_INVERSES: dict[str, Callable[[Graph, Value, Any], Value]] = {
    "sklearn.decomposition._pca.PCA": _pca_inverse,
    "sklearn.random_projection.BaseRandomProjection": _projection_inverse,
}
_CLASSIFIERS: dict[str, Callable[[Graph, Value, Any], Value]] = {
    "dokunuki.networks.embernn.EmberNN": _embernn,
    f"{_DEFENCES}.classifier_training.ClassifierTraining": _training,
    f"{_DEFENCES}.superimposing.SuperimposedRows": _superimposed,
    f"{_DEFENCES}.deep_partition_aggregation.DeepPartitionAggregation": _partitions_of_rows,
    f"{_DEFENCES}.feature_partition_aggregation.FeaturePartitionAggregation": (
        _partitions_of_columns
    ),
    f"{_TREES}._forest.ForestClassifier": _forest,
    f"{_TREES}._bagging.BaggingClassifier": _bagging,
    f"{_TREES}._gb.GradientBoostingClassifier": boosting_nodes,
    f"{_TREES}._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier": (
        histogram_boosting_nodes
    ),
    "sklearn.tree._classes.DecisionTreeClassifier": _forest,
    "sklearn.linear_model._logistic.LogisticRegression": _logistic,
}
_CANNOT = {
    f"{_DEFENCES}.added_noise.AddedNoise": (
        "its noise is drawn from a digest of the row, which ONNX has no operator for"
    ),
}
