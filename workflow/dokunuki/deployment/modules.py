"""Networks of torch as nodes of a graph, layer by layer, as they are in evaluation mode.

torch's own exporter is not used: it needs two further packages, writes the paths of the machine
into the file, and takes seconds for what are four kinds of layers here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from dokunuki.deployment.graph import Graph, Value, refused
from dokunuki.networks.autoencoder import Autoencoder
from dokunuki.networks.layers import GaussianNoise

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

_ACTIVATIONS = {nn.ReLU: "Relu", nn.Tanh: "Tanh", nn.Sigmoid: "Sigmoid"}
# What does nothing outside of training.
_IN_TRAINING = (nn.Dropout, nn.Identity, GaussianNoise)


def module_nodes(graph: Graph, value: Value, module: nn.Module) -> Value:
    """What a network makes of rows; raises ExportError for a layer that is not known here."""
    # Batch normalisation scales and shifts each column, which the next dense layer takes in.
    scale, shift = np.ones(value.width), np.zeros(value.width)
    for layer in _layers(module):
        if isinstance(layer, nn.Linear):
            weight = _array(layer.weight)
            bias = np.zeros(len(weight)) if layer.bias is None else _array(layer.bias)
            value = graph.dense(value, weight * scale, weight @ shift + bias)
            scale, shift = np.ones(value.width), np.zeros(value.width)
            continue
        if isinstance(layer, nn.BatchNorm1d):
            factor, offset = _normalisation(layer)
            scale, shift = scale * factor, shift * factor + offset
            continue
        if isinstance(layer, _IN_TRAINING):
            continue
        value = _scaled(graph, value, scale, shift)
        scale, shift = np.ones(value.width), np.zeros(value.width)
        if isinstance(layer, nn.ELU):
            value = graph.chain(value, "Elu", alpha=float(layer.alpha))
        elif type(layer) in _ACTIVATIONS:
            value = graph.chain(value, _ACTIVATIONS[type(layer)])
        else:
            raise refused(
                layer,
                "no node is known for this layer",
                "build the network of dense layers, batch normalisation, dropout and ReLU, ELU, "
                "tanh or sigmoid, or keep the detector's folder, which can be scored too",
            )
    return _scaled(graph, value, scale, shift)


def _layers(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, nn.Sequential | Autoencoder):
        for child in module:
            yield from _layers(child)
    else:
        yield module


def _normalisation(layer: nn.BatchNorm1d) -> tuple[np.ndarray, np.ndarray]:
    assert layer.running_mean is not None
    assert layer.running_var is not None
    factor = _array(layer.weight) / np.sqrt(_array(layer.running_var) + layer.eps)
    return factor, _array(layer.bias) - _array(layer.running_mean) * factor


def _scaled(graph: Graph, value: Value, scale: np.ndarray, shift: np.ndarray) -> Value:
    if not (scale == 1).all():
        value = graph.chain(value, "Mul", graph.constant(scale.astype(np.float32)))
    if shift.any():
        value = graph.chain(value, "Add", graph.constant(shift.astype(np.float32)))
    return value


def _array(values: torch.Tensor) -> np.ndarray:
    return values.detach().cpu().numpy().astype(np.float64)
