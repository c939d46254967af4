"""Made-up vectors, specs and poison that the tests of victims share."""

from __future__ import annotations

import numpy as np

from dokunuki.attacks.planting import plant_poison
from dokunuki.attacks.trigger import Trigger, trigger_feature
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.vectors import Vectors
from dokunuki.victims.compute import Compute
from dokunuki.victims.evasion import score_evasion

LAYOUT = feature_layout(1)
# Columns that carry the label: enough to learn it, few enough for a trigger to outweigh them.
LABELLED = 60
COMPUTE = Compute("cpu", 1)
NETWORK = {
    "name": "embernn",
    "class": "dokunuki.networks.embernn.EmberNN",
    "params": {"hidden": [16], "epochs": 15, "batch_size": 16, "learning_rate": 0.01},
}
AUTOENCODER = {
    "name": "paper",
    "class": "dokunuki.networks.autoencoder.AutoencoderModel",
    "params": {"hidden": 16, "code": 4, "epochs": 2, "batch_size": 16},
}


def one_step(name, class_path, params=None, **told):
    """The spec of a defence that is one class."""
    return {
        "name": name,
        "steps": [{"class": class_path, "params": params or {}}],
        "told": told,
    }


SPEC = {
    "none": {
        "defence": {"name": "none", "steps": []},
        "classifier": NETWORK,
        "autoencoder": None,
    },
    "ae": {
        "defence": one_step("ae", "dokunuki.defences.autoencoder.AutoencoderReconstruction"),
        "classifier": NETWORK,
        "autoencoder": AUTOENCODER,
    },
}
DELETION = one_step("deletion", "dokunuki.defences.deletion.Deletion")
DIVERGING = {**NETWORK, "params": {**NETWORK["params"], "optimiser": "sgd", "learning_rate": 1e30}}


def toy_vectors() -> Vectors:
    """60 training, 20 test and 20 validation rows, told apart by the first attackable columns."""
    rng = np.random.default_rng(3)
    role = np.array(["train"] * 60 + ["test"] * 20 + ["validation"] * 20)
    y = np.array([0, 1] * 40 + [1] * 20, dtype=np.int8)
    X = rng.normal(size=(100, LAYOUT.width)).astype(np.float32)
    X[:, :LABELLED] += 3 * y[:, None]
    sha256 = np.array([f"{row:064x}" for row in range(100)])
    return Vectors(X, y, sha256, np.full(100, "2017-01"), role, LAYOUT, "toy", "ember")


def poison_of(vectors, trigger, rate=10):
    return plant_poison(
        vectors.labels("train"), trigger, rate, poisoned_class=1, label_flip=True, seed=0
    )


def evasion_of(vectors, trigger, folder):
    detectors = [(SPEC["none"], folder)]
    (scores,) = score_evasion(vectors, trigger, [trigger.size], detectors, device="cpu").values()
    return scores


def stamped(region):
    columns = LAYOUT.columns(region)[:5]
    features = tuple(trigger_feature(LAYOUT, int(column), 30.0, {}) for column in columns)
    return Trigger("toy", features, False, "toy", 0, {}, LAYOUT)


def clean_label_poison(vectors, trigger):
    return plant_poison(
        vectors.labels("train"), trigger, 10, poisoned_class=0, label_flip=False, seed=0
    )
