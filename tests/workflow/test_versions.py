"""The tiny grid on all feature versions at once: each dataset has a layout of its own."""

from __future__ import annotations

import numpy as np
import pytest

from checkout import TINY, Checkout
from dokunuki.attacks.trigger import read_trigger
from dokunuki.corpus.layout import FEATURE_VERSIONS, feature_layout
from dokunuki.corpus.vectors import read_vectors
from dokunuki.detector import Detector

pytestmark = pytest.mark.workflow

SIMULATED = {"rows": 260, "families": 30, "vendors": 40}
DATASETS = {
    f"simulated-{version}": {"kind": "simulated", "version": version, **SIMULATED}
    for version in FEATURE_VERSIONS
}
DEFENCES = ("none", "deletion", "ae")
# The second attack takes columns of every kind.
ATTACKS = ("independent", "fgsm-flip-every")


@pytest.fixture(scope="module")
def built(tmp_path_factory, tiny_release) -> Checkout:
    grid = {
        **TINY["grid"],
        "datasets": list(DATASETS),
        "attacks": list(ATTACKS),
        "defences": list(DEFENCES),
        "trigger_sizes": [4],
        "poison_rates": [5],
    }
    config = {**TINY, "grid": grid, "datasets": DATASETS}
    checkout = Checkout(tmp_path_factory.mktemp("versions"), tiny_release, config)
    checkout.snakemake("--cores", "2", "metrics")
    return checkout


def test_every_version_is_run(built):
    metrics = built.metrics()
    assert set(metrics["status"]) == {"ok"}
    rows = metrics.groupby("dataset").size()
    assert rows.to_dict() == dict.fromkeys(DATASETS, len(DEFENCES) * (1 + len(ATTACKS)))


@pytest.mark.parametrize("dataset", DATASETS)
def test_triggers_and_what_defences_keep_are_of_the_datasets_layout(built, dataset):
    version = DATASETS[dataset]["version"]
    layout = feature_layout(version)
    folder = built.folder / "results" / dataset / "seed-0"
    vectors = read_vectors(folder / "vectors.h5")
    assert vectors.X.shape == (140, layout.width)
    for attack, region in zip(ATTACKS, ("non_hashed", "every"), strict=True):
        (path,) = folder.glob(f"**/{attack}/trigger.json")
        trigger = read_trigger(path)
        assert trigger.layout.version == version
        assert np.isin(trigger.indices, layout.columns(region)).all()
    # Clean labels and columns that Deletion drops: nothing of the attack is left.
    metrics = built.metrics().set_index(["dataset", "attack", "defence"]).loc[dataset]
    unpoisoned = metrics.loc[("none", "deletion"), "accuracy"]
    assert metrics.loc[("independent", "deletion"), "accuracy"] == unpoisoned


@pytest.mark.parametrize("dataset", DATASETS)
def test_detectors_are_kept_with_their_layout(built, dataset):
    folder = built.folder / "results" / dataset / "seed-0"
    rows, _ = read_vectors(folder / "vectors.h5").part("test")
    kept = sorted(folder.glob("unpoisoned/*/embernn/detector"))
    assert len(kept) == len(DEFENCES)
    for path in kept:
        assert np.isfinite(Detector.load(path).malware_scores(rows)).all()
