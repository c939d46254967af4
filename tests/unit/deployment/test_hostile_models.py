"""ONNX files and detectors' folders that somebody made to do harm."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.layout_record import layout_record
from dokunuki.deployment.model import load_model
from dokunuki.detector import Detector
from dokunuki.errors import DataFileError
from dokunuki.storage.files import read_json, write_json
from dokunuki.storage.seals import UNSEALED, seal
from exported import network

LAYOUT = feature_layout(1)


def model_of(weights, nodes=None):
    """A model of one sum, with the metadata of a detector of ours."""
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes
        or [
            onnx.helper.make_node("Mul", ["x", "w"], ["product"]),
            onnx.helper.make_node("ReduceSum", ["product", "axes"], ["y"], keepdims=0),
        ],
        "graph",
        [value("x", onnx.TensorProto.FLOAT, ["rows", LAYOUT.width])],
        [value("y", onnx.TensorProto.FLOAT, ["rows"])],
        [weights, onnx.numpy_helper.from_array(np.array([1]), "axes")],
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9
    )
    facts = {
        "layout": layout_record(LAYOUT),
        "thresholds": {},
        "version": "1",
        "detector": {},
        "provenance": {},
        "columns": list(LAYOUT.names),
    }
    for name, fact in facts.items():
        model.metadata_props.add(key=f"dokunuki.{name}", value=json.dumps(fact))
    return model


def written(path, model):
    """The model with a seal near its start, as dokunuki writes it."""
    model.producer_name = UNSEALED
    path.write_bytes(model.SerializeToString())
    seal(path)
    return path


def outside(location):
    """Weights that another file holds."""
    weights = onnx.TensorProto(
        name="w", data_type=onnx.TensorProto.FLOAT, dims=[LAYOUT.width], data_location=1
    )
    for key, value in (("location", location), ("offset", "0"), ("length", str(4 * LAYOUT.width))):
        weights.external_data.add(key=key, value=value)
    return weights


def test_the_model_as_such_is_sound(tmp_path):
    weights = onnx.numpy_helper.from_array(np.zeros(LAYOUT.width, np.float32), "w")
    model = load_model(written(tmp_path / "model.onnx", model_of(weights)))
    assert model.malware_scores(np.ones((2, LAYOUT.width), np.float32)).tolist() == [0, 0]


@pytest.mark.parametrize("location", ["../secret.bin", "{folder}/secret.bin", "link.bin"])
def test_weights_outside_of_its_folder_are_not_read(tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(bytes(4 * LAYOUT.width))
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link.bin").symlink_to("../secret.bin")
    model = model_of(outside(location.format(folder=tmp_path)))
    with pytest.raises(DataFileError, match="cannot load it"):
        load_model(written(inside / "model.onnx", model))


def test_an_operator_of_a_library_of_its_own_is_refused(tmp_path):
    weights = onnx.numpy_helper.from_array(np.zeros(LAYOUT.width, np.float32), "w")
    node = onnx.helper.make_node("Run", ["x", "w"], ["y"], domain="evil")
    model = model_of(weights, [node])
    model.opset_import.add(domain="evil", version=1)
    with pytest.raises(DataFileError, match="cannot load it"):
        load_model(written(tmp_path / "model.onnx", model))


def test_scores_that_are_none_a_row_are_refused(tmp_path):
    weights = onnx.numpy_helper.from_array(np.zeros(LAYOUT.width, np.float32), "w")
    node = onnx.helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=1)
    model = load_model(written(tmp_path / "model.onnx", model_of(weights, [node])))
    with pytest.raises(DataFileError, match="not give one score for each row"):
        model.malware_scores(np.ones((2, LAYOUT.width), np.float32))


@pytest.mark.parametrize("file", ["../outside.safetensors", "{folder}/outside.safetensors"])
def test_a_folder_that_names_a_file_outside_of_it_is_refused(tmp_path, file):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, LAYOUT.width)).astype(np.float32)
    folder = tmp_path / "detector"
    Detector([], network(hidden=[2], epochs=1)).fit(X, np.arange(40) % 2).save(folder)
    description = read_json(folder / "detector.json")
    entry = description["files"]["classifier"]
    (tmp_path / "outside.safetensors").write_bytes((folder / entry["file"]).read_bytes())
    entry["file"] = file.format(folder=tmp_path)
    write_json(folder / "detector.json", description)
    with pytest.raises(DataFileError, match="names a file outside this folder"):
        load_model(folder)
