"""What holds for every defence and classifier of the catalogue: it leaves as ONNX, or is named."""

from __future__ import annotations

import re

import numpy as np
import pytest

from contract.entries import (
    COMPUTE,
    CONFIG,
    LAYOUT,
    REPOSITORY,
    SEED,
    made,
    of_every,
    standardised,
    toy_rows,
)
from dokunuki.deployment.exporting import TOLERANCE
from dokunuki.deployment.graph import ExportError
from dokunuki.deployment.model import load_model
from dokunuki.parts.building import MissingPackageError
from dokunuki.study.specs import detector_spec, part_spec
from dokunuki.victims.building import build_detector, told

# All others of our own catalogue leave; an entry of a user's may have no ONNX form.
CANNOT = {
    "added-noise": "dokunuki.defences.added_noise.AddedNoise",
    "quantile": "sklearn.preprocessing._data.QuantileTransformer",
}
_REFUSAL = re.compile(
    r"([\w.]+) cannot be exported as ONNX: .+; .*(keep the detector's folder|use )"
)

# Of so few rows: fewer than quantiles, and a variance of one row.
pytestmark = [
    pytest.mark.filterwarnings("ignore:n_quantiles"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning"),
]


def _fitted(defence, classifier):
    X, y, poison = toy_rows()
    spec = detector_spec(CONFIG, defence, classifier)
    autoencoder = None
    if spec["autoencoder"]:
        rows = standardised()[:, LAYOUT.attackable]
        name = spec["autoencoder"]["name"]
        autoencoder = made(part_spec(CONFIG, "autoencoders", name)).fit(rows)
    knows = told(spec)
    try:
        detector = build_detector(spec, LAYOUT, seed=SEED, compute=COMPUTE, autoencoder=autoencoder)
    except MissingPackageError as error:
        pytest.skip(str(error))
    return detector.fit(
        X,
        y,
        clean=toy_rows(12, 1)[:2] if knows["clean_rows"] else None,
        poison=poison if knows["poison"] else None,
    )


def _leaves_or_is_named(kind, name, detector, folder):
    X, _, _ = toy_rows()
    paths = [folder / "a.onnx", folder / "b.onnx"]
    refusal = None
    try:
        for path in paths:
            assert detector.to_onnx(path, X) <= TOLERANCE
    except ExportError as error:
        refusal = str(error)
    is_ours = (REPOSITORY / "workflow" / "catalogue" / kind / f"{name}.yaml").is_file()
    if is_ours:
        assert (refusal is not None) == (name in CANNOT), refusal
    if refusal is not None:
        named = _REFUSAL.match(refusal)
        assert named, refusal
        assert named[1] == CANNOT.get(name, named[1])
        assert not list(folder.iterdir())
        return
    assert paths[0].read_bytes() == paths[1].read_bytes()
    scores = load_model(paths[0]).malware_scores(X)
    np.testing.assert_allclose(scores, detector.malware_scores(X), rtol=0, atol=TOLERANCE)


@of_every("defences")
def test_a_defended_network_leaves_or_is_named(name, tmp_path):
    _leaves_or_is_named("defences", name, _fitted(name, "embernn"), tmp_path)


@of_every("classifiers")
@pytest.mark.parametrize("defence", ["none", "deletion"])
def test_a_classifier_leaves_or_is_named(name, defence, tmp_path):
    _leaves_or_is_named("classifiers", name, _fitted(defence, name), tmp_path)
