"""Ensembles of trees as one node: scikit-learn's forests and boosting, and LightGBM.

The converters for them are not used. onnxmltools rounds LightGBM's thresholds to the nearest
float32, so that rows at a threshold may fall on the other side; skl2onnx fails on histogram
boosting, and gives other bytes each time. Here a threshold is rounded down: a float32 is at most
the threshold exactly when it is at most the largest float32 that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.deployment.graph import ExportError, Graph, Value, refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import lightgbm

_KEEP = "keep the detector's folder, which can be scored too"


# A node takes some 40 bytes of a file, which has at most 2 GB, and more while it is written.
_MOST_NODES = 40_000_000


@dataclass(frozen=True)
class Tree:
    """A tree by node, the root first, all (nodes,).

    A row goes to `left` where its column `feature` is at most `threshold`, float64, else to
    `right`. Both are -1 in a leaf, which has a `value`, float64.
    """

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray


def float32_below(thresholds: np.ndarray) -> np.ndarray:
    """The largest float32 that is at most each threshold, of float64."""
    with np.errstate(over="ignore"):
        nearest = np.asarray(thresholds, dtype=np.float64).astype(np.float32)
    lower = np.nextafter(nearest, np.float32(-np.inf))
    return np.asarray(np.where(nearest > thresholds, lower, nearest))


def tree_nodes(graph: Graph, value: Value, trees: Sequence[Tree], base: float) -> Value:
    """`base` and the sum of the trees' leaves for each row; ExportError for too many nodes."""
    sizes = [len(tree.value) for tree in trees]
    if sum(sizes) > _MOST_NODES:
        raise ExportError(
            f"the {len(trees)} trees have {sum(sizes)} nodes, more than an ONNX file of 2 GB holds;"
            f" lower n_estimators, or raise min_samples_leaf, or {_KEEP}"
        )
    inside = np.concatenate([tree.left >= 0 for tree in trees])
    owner = np.repeat(np.arange(len(trees)), sizes)
    place = np.concatenate([np.arange(size) for size in sizes])

    def joined(field: str, leaf: int = 0) -> np.ndarray:
        values = np.concatenate([getattr(tree, field) for tree in trees])
        return np.where(inside, values, leaf)

    leaves = ~inside
    weights = np.concatenate([tree.value for tree in trees])[leaves]
    name = graph.node(
        "TreeEnsembleRegressor",
        value.name,
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        base_values=[float(np.float32(base))],
        nodes_treeids=owner.tolist(),
        nodes_nodeids=place.tolist(),
        nodes_modes=np.where(inside, "BRANCH_LEQ", "LEAF").tolist(),
        nodes_featureids=joined("feature").tolist(),
        nodes_values=float32_below(joined("threshold")).tolist(),
        nodes_truenodeids=joined("left").tolist(),
        nodes_falsenodeids=joined("right").tolist(),
        target_treeids=owner[leaves].tolist(),
        target_nodeids=place[leaves].tolist(),
        target_ids=np.zeros(len(weights), dtype=int).tolist(),
        target_weights=weights.astype(np.float32).tolist(),
    )
    return Value(name, 1)


def forest_nodes(graph: Graph, value: Value, forest: Any, malware: int) -> Value:  # noqa: ANN401
    """The mean share of malware in the leaves of a forest, or of one tree, of scikit-learn."""
    members = getattr(forest, "estimators_", [forest])
    trees = []
    for member in members:
        tree = member.tree_
        shares = tree.value[:, 0, :]
        share = shares[:, malware] / shares.sum(axis=1)
        trees.append(_sklearn_tree(tree, share / len(members)))
    return tree_nodes(graph, value, trees, 0.0)


def boosting_nodes(graph: Graph, value: Value, boosting: Any) -> Value:  # noqa: ANN401
    """The probability that scikit-learn's GradientBoostingClassifier gives of two classes."""
    from sklearn.dummy import DummyClassifier

    known = boosting.loss == "log_loss" and (
        boosting.init_ == "zero" or isinstance(boosting.init_, DummyClassifier)
    )
    if not known:
        raise refused(
            boosting, "its loss or init is not the usual one", "use log_loss, and no init"
        )
    start = boosting._raw_predict_init(np.zeros((1, value.width), dtype=np.float32))
    trees = [
        _sklearn_tree(member.tree_, boosting.learning_rate * member.tree_.value[:, 0, 0])
        for member in boosting.estimators_[:, 0]
    ]
    return graph.chain(tree_nodes(graph, value, trees, float(start[0, 0])), "Sigmoid")


def histogram_boosting_nodes(graph: Graph, value: Value, boosting: Any) -> Value:  # noqa: ANN401
    """The probability that HistGradientBoostingClassifier gives of two classes."""
    trees = []
    for (predictor,) in boosting._predictors:
        nodes = predictor.nodes
        if nodes["is_categorical"].any():
            raise refused(boosting, "it has categorical splits", _NO_CATEGORIES)
        inside = nodes["is_leaf"] == 0
        left, right = (np.where(inside, nodes[side].astype(int), -1) for side in ("left", "right"))
        feature = nodes["feature_idx"].astype(int)
        trees.append(Tree(feature, nodes["num_threshold"], left, right, nodes["value"]))
    base = float(np.ravel(boosting._baseline_prediction)[0])
    return graph.chain(tree_nodes(graph, value, trees, base), "Sigmoid")


_NO_CATEGORIES = f"fit it without categorical features, which standardising undoes, or {_KEEP}"


def lightgbm_nodes(graph: Graph, value: Value, part: Any) -> Value:  # noqa: ANN401
    """The probability that LightGBM's classifier of two classes gives."""
    booster: lightgbm.Booster = part.booster_
    # As `predict` does, up to the best iteration where training stopped early.
    model = booster.dump_model()
    words = str(model.get("objective", "")).split()
    if words[:1] != ["binary"]:
        raise refused(
            part, f"its objective is {' '.join(words) or 'unknown'}", f"use binary, or {_KEEP}"
        )
    steepness = next(float(word[8:]) for word in words if word.startswith("sigmoid:"))
    trees = [_lightgbm_tree(tree["tree_structure"], part) for tree in model["tree_info"]]
    total = tree_nodes(graph, value, trees, 0.0)
    factor = steepness / (len(trees) if model.get("average_output") else 1)
    if factor != 1:
        total = graph.chain(total, "Mul", graph.number(factor))
    return graph.chain(total, "Sigmoid")


def _sklearn_tree(tree: Any, value: np.ndarray) -> Tree:  # noqa: ANN401
    return Tree(tree.feature, tree.threshold, tree.children_left, tree.children_right, value)


def _lightgbm_tree(root: Mapping[str, Any], part: object) -> Tree:
    """A tree of nested nodes, numbered as they come."""
    nodes = list(_walk(root))
    numbers = {id(node): number for number, node in enumerate(nodes)}
    rows: list[tuple[int, float, int, int, float]] = []
    for node in nodes:
        if "split_index" not in node:
            if node.get("leaf_coeff"):
                raise refused(part, "its leaves are linear", f"set linear_tree: false, or {_KEEP}")
            rows.append((0, 0.0, -1, -1, float(node["leaf_value"])))
            continue
        if node["decision_type"] != "<=":
            raise refused(part, "it has categorical splits", _NO_CATEGORIES)
        if node["missing_type"] == "Zero":
            raise refused(part, "it takes 0 for missing", f"set zero_as_missing: false, or {_KEEP}")
        left, right = (numbers[id(node[side])] for side in ("left_child", "right_child"))
        rows.append((int(node["split_feature"]), float(node["threshold"]), left, right, 0.0))
    return Tree(*map(np.array, zip(*rows, strict=True)))


def _walk(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    # Not by recursion: a chain of leaves can be deeper than Python's stack.
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        if "split_index" in node:
            pending += [node["right_child"], node["left_child"]]
