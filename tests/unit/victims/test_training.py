"""Victims on made-up vectors: what a cell records, whatever happens in it."""

from __future__ import annotations

import importlib
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from dokunuki.attacks.poisoning import plant_poison
from dokunuki.attacks.trigger import Trigger, trigger_feature
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.vectors import Vectors, read_vectors, write_vectors
from dokunuki.detector import Detector
from dokunuki.errors import AttackError, ConfigError, DataFileError
from dokunuki.networks.embernn import EmberNN
from dokunuki.networks.training import TrainingDivergedError
from dokunuki.search.trials import search_settings, write_search
from dokunuki.surrogate.training import explain_surrogate, train_surrogate
from dokunuki.victims.autoencoders import train_autoencoder
from dokunuki.victims.calibration import calibration_rows
from dokunuki.victims.compute import Compute
from dokunuki.victims.contamination import contaminated_rows
from dokunuki.victims.cost import write_cost
from dokunuki.victims.evasion import score_evasion
from dokunuki.victims.training import train_unpoisoned, train_victim

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
SPEC = {
    "none": {
        "defence": {
            "name": "none",
            "steps": [],
            "params": {},
        },
        "classifier": NETWORK,
        "autoencoder": None,
    },
    "ae": {
        "defence": {
            "name": "ae",
            "class": "dokunuki.defences.autoencoder.AutoencoderReconstruction",
            "params": {},
        },
        "classifier": NETWORK,
        "autoencoder": AUTOENCODER,
    },
}
DELETION = {"name": "deletion", "class": "dokunuki.defences.deletion.Deletion", "params": {}}
DIVERGING = {**NETWORK, "params": {**NETWORK["params"], "optimiser": "sgd", "learning_rate": 1e30}}


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """60 training, 20 test and 20 validation rows, told apart by the first attackable columns."""
    rng = np.random.default_rng(3)
    role = np.array(["train"] * 60 + ["test"] * 20 + ["validation"] * 20)
    y = np.array([0, 1] * 40 + [1] * 20, dtype=np.int8)
    X = rng.normal(size=(100, LAYOUT.width)).astype(np.float32)
    X[:, :LABELLED] += 3 * y[:, None]
    sha256 = np.array([f"{row:064x}" for row in range(100)])
    return Vectors(X, y, sha256, np.full(100, "2017-01"), role, 1, "toy", "ember")


@pytest.fixture(scope="module")
def trigger() -> Trigger:
    columns = tuple(
        trigger_feature(LAYOUT, int(column), 30.0, {}) for column in LAYOUT.non_hashed[:30]
    )
    return Trigger("toy", columns, True, "toy", 0, {}, 1)


def poison_of(vectors, trigger, rate=10):
    return plant_poison(
        vectors.labels("train"), trigger, rate, poisoned_class=1, label_flip=True, seed=0
    )


def evasion_of(vectors, trigger, folder):
    references = [(SPEC["none"], folder)]
    (scores,) = score_evasion(vectors, trigger, [trigger.size], references, device="cpu").values()
    return scores


@pytest.fixture(scope="module")
def reference(vectors, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference") / "detector"
    scores, timing = train_unpoisoned(
        vectors, SPEC["none"], None, seed=0, compute=COMPUTE, folder=folder
    )
    return folder, scores, timing


def test_poison_opens_a_backdoor_that_the_reference_does_not_have(vectors, trigger, reference):
    folder, clean, _ = reference
    poison = poison_of(vectors, trigger)
    scores, timing = train_victim(
        vectors, poison, trigger, SPEC["none"], None, seed=0, compute=COMPUTE, reference=clean
    )
    unpoisoned = evasion_of(vectors, trigger, folder)
    assert scores.status == clean.status == "ok"
    assert (scores.poison_rows, scores.train_rows) == (6, 60)
    assert (scores.triggered < 0.5).mean() > 0.9
    assert (unpoisoned < 0.5).mean() < 0.5
    # What the trigger does, the malware does not do without it.
    assert (scores.triggered < 0.5).mean() - (scores.validation < 0.5).mean() > 0.5
    assert timing.seconds_training > 0
    assert timing.peak_memory_mib > 50


def test_evasion_scores_triggers_of_every_size_on_the_reference(vectors, trigger, reference):
    folder, _, _ = reference
    sizes = (1, 30)
    scores = score_evasion(vectors, trigger, sizes, [(SPEC["none"], folder)], device="cpu")
    malware, _ = vectors.part("validation")
    detector = Detector.load(folder)
    assert scores.keys() == {("none", "embernn", size) for size in sizes}
    for (_, _, size), values in scores.items():
        stamped = trigger.prefix(size).stamp(malware)
        np.testing.assert_array_equal(values, detector.malware_scores(stamped))


@pytest.mark.parametrize(
    ("region", "label_flip", "trained"),
    [("non_hashed", False, False), ("non_hashed", True, True), ("undefended", False, True)],
)
def test_a_victim_that_sees_what_the_reference_saw_is_not_trained(
    vectors, tmp_path, monkeypatch, region, label_flip, trained
):
    spec = {**SPEC["none"], "defence": DELETION}
    clean, _ = train_unpoisoned(
        vectors, spec, None, seed=0, compute=COMPUTE, folder=tmp_path / "detector"
    )
    columns = LAYOUT.columns(region)[:5]
    features = tuple(trigger_feature(LAYOUT, int(column), 30.0, {}) for column in columns)
    trigger = Trigger("toy", features, label_flip, "toy", 0, {}, 1)
    poison = plant_poison(
        vectors.labels("train"), trigger, 10, poisoned_class=0, label_flip=label_flip, seed=0
    )
    fits = []
    fit = EmberNN.fit
    monkeypatch.setattr(EmberNN, "fit", lambda *rows: fits.append(1) or fit(*rows))
    victim = {"seed": 0, "compute": COMPUTE}
    scores, _ = train_victim(vectors, poison, trigger, spec, None, reference=clean, **victim)
    assert bool(fits) == trained
    # What is taken from the reference is what training gives.
    unlike = replace(clean, training_sha256="")
    anew, _ = train_victim(vectors, poison, trigger, spec, None, reference=unlike, **victim)
    for name in ("test", "validation", "triggered"):
        np.testing.assert_array_equal(getattr(scores, name), getattr(anew, name))
    assert scores.poison_rows == anew.poison_rows == 6


# A user's own parts, by dotted path.
TOY_PARTS = """
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import BaggingClassifier

from dokunuki.defences.deletion import Deletion


class RemovesFirst(BaseEstimator):
    def __init__(self, classifier=None):
        self.classifier = classifier

    def fit_resample(self, X, y):
        RemovesFirst.made = self.classifier(), self.classifier()
        first = [np.flatnonzero(y == label)[:6] for label in (0, 1)]
        self.sample_indices_ = np.setdiff1d(np.arange(len(y)), np.concatenate(first))
        return X[self.sample_indices_], y[self.sample_indices_]


class Told(Deletion):
    def give_clean_rows(self, X, y):
        Told.clean = X, y

    def give_poison(self, mask):
        Told.mask = mask


class Halves(BaseEstimator):
    def fit(self, X, y):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X / 2


class Certified(BaggingClassifier):
    certificate = "rows"

    def certified_radius(self, X):
        return np.full(len(X), 6, dtype=np.int32)
"""


@pytest.fixture
def toys(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("toys")
    (folder / "toy_parts.py").write_text(TOY_PARTS)
    monkeypatch.syspath_prepend(folder)
    yield importlib.import_module("toy_parts")
    sys.modules.pop("toy_parts")


def defended(name, params=None, **knowledge):
    part = {"name": "toy", "class": f"toy_parts.{name}", "params": params or {}}
    return {**SPEC["none"], "defence": {**part, "knowledge": knowledge}}


def both(vectors, poison, trigger, spec, folder):
    victim = {"seed": 0, "compute": COMPUTE}
    clean, _ = train_unpoisoned(vectors, spec, None, folder=folder, **victim)
    scores, _ = train_victim(vectors, poison, trigger, spec, None, reference=clean, **victim)
    return clean, scores


def test_a_combination_of_a_users_own_parts_is_loaded_for_evasion(toys, vectors, trigger, tmp_path):
    steps = [{"class": "toy_parts.RemovesFirst"}, {"class": "toy_parts.Halves"}]
    combination = {"class": "dokunuki.defences.combination.Combination", "params": {"steps": steps}}
    spec = {**SPEC["none"], "defence": {"name": "toy", **combination}}
    train_unpoisoned(vectors, spec, None, seed=0, compute=COMPUTE, folder=tmp_path / "detector")
    references = [(spec, tmp_path / "detector")]
    (scores,) = score_evasion(vectors, trigger, [2], references, device="cpu").values()
    malware = trigger.prefix(2).stamp(vectors.part("validation")[0])
    trusted = [step["class"] for step in steps]
    detector = Detector.load(tmp_path / "detector", trusted=trusted)
    np.testing.assert_array_equal(scores, detector.malware_scores(malware))
    assert [type(part) for part in detector.classifier_.transformers_] == [toys.Halves]


@pytest.fixture(scope="module")
def extended(vectors):
    """The vectors with 40 calibration rows and 6 clean ones."""
    rng = np.random.default_rng(5)
    y = np.tile(np.int8([0, 1]), 23)
    X = rng.normal(size=(46, LAYOUT.width)).astype(np.float32)
    X[:, :LABELLED] += 3 * y[:, None]
    return Vectors(
        np.concatenate([vectors.X, X]),
        np.concatenate([vectors.y, y]),
        np.array([f"{row:064x}" for row in range(146)]),
        np.full(146, "2017-01"),
        np.concatenate([vectors.role, ["calibration"] * 40, ["clean"] * 6]),
        1,
        "toy",
        "ember",
    )


def test_calibration_rows_are_poisoned_as_the_training_rows_are(extended, trigger):
    X, y = extended.part("calibration")
    same, labels = calibration_rows(extended, None, None, seed=0)
    np.testing.assert_array_equal(same, X)
    np.testing.assert_array_equal(labels, y)
    # 6 of 60 training rows: 4 of 40.
    poison = poison_of(extended, trigger)
    altered, labels = calibration_rows(extended, poison, trigger, seed=0)
    rows = np.flatnonzero((altered != X).any(axis=1))
    assert len(rows) == 4
    assert (y[rows] == 1).all()
    np.testing.assert_array_equal(np.flatnonzero(labels != y), rows)
    np.testing.assert_array_equal(
        altered[np.ix_(rows, trigger.indices)], np.tile(trigger.values, (4, 1))
    )
    untouched = np.setdiff1d(np.arange(LAYOUT.width), trigger.indices)
    np.testing.assert_array_equal(altered[:, untouched], X[:, untouched])
    # A smaller rate poisons the first of the same rows; another seed other ones.
    less, _ = calibration_rows(extended, poison.cell(30, 5), trigger, seed=0)
    assert set(np.flatnonzero((less != X).any(axis=1))) < set(rows)
    other, _ = calibration_rows(extended, poison, trigger, seed=1)
    assert set(np.flatnonzero((other != X).any(axis=1))) != set(rows)
    # Where a poisoned row kept a value of its own, so does the calibration row.
    values = poison.values.copy()
    values[:, 0] = 7.0
    partly, _ = calibration_rows(extended, replace(poison, values=values), trigger, seed=0)
    column = trigger.indices[0]
    np.testing.assert_array_equal(partly[:, column], X[:, column])
    np.testing.assert_array_equal(partly[:, trigger.indices[1:]], altered[:, trigger.indices[1:]])


def test_a_cell_scores_its_calibration_rows_as_they_are_labelled(
    extended, vectors, trigger, tmp_path, reference
):
    poison = poison_of(extended, trigger)
    clean, scores = both(extended, poison, trigger, SPEC["none"], tmp_path / "detector")
    X, y = extended.part("calibration")
    np.testing.assert_array_equal(
        clean.calibration, Detector.load(tmp_path / "detector").malware_scores(X)
    )
    np.testing.assert_array_equal(clean.calibration_labels, y)
    assert np.count_nonzero(scores.calibration_labels != y) == 4
    # Such rows change nothing else.
    np.testing.assert_array_equal(clean.test, reference[1].test)
    assert len(reference[1].calibration) == 0
    assert reference[1].calibration_sha256 == ""


def stamped(region):
    columns = LAYOUT.columns(region)[:5]
    features = tuple(trigger_feature(LAYOUT, int(column), 30.0, {}) for column in columns)
    return Trigger("toy", features, False, "toy", 0, {}, 1)


def clean_label_poison(vectors, trigger):
    return plant_poison(
        vectors.labels("train"), trigger, 10, poisoned_class=0, label_flip=False, seed=0
    )


def test_scores_are_taken_only_where_the_calibration_rows_are_the_same_too(
    extended, tmp_path, monkeypatch
):
    trigger = stamped("non_hashed")
    poison = clean_label_poison(extended, trigger)
    spec = {**SPEC["none"], "defence": DELETION}
    victim = {"seed": 0, "compute": COMPUTE}
    clean, _ = train_unpoisoned(extended, spec, None, folder=tmp_path / "detector", **victim)
    fits = []
    fit = EmberNN.fit
    monkeypatch.setattr(EmberNN, "fit", lambda *rows: fits.append(1) or fit(*rows))
    scores, _ = train_victim(extended, poison, trigger, spec, None, reference=clean, **victim)
    assert not fits
    np.testing.assert_array_equal(scores.calibration, clean.calibration)
    unlike = replace(clean, calibration_sha256="other rows")
    train_victim(extended, poison, trigger, spec, None, reference=unlike, **victim)
    assert fits


def test_a_filter_says_what_it_removed_and_has_the_classifier_to_train(
    vectors, trigger, tmp_path, toys
):
    poison = poison_of(vectors, trigger)
    spec = defended("RemovesFirst")
    clean, scores = both(vectors, poison, trigger, spec, tmp_path / "detector")
    assert (clean.poison_removed, clean.goodware_removed, clean.malware_removed) == (0, 6, 6)
    # Malware poisoned and labelled goodware is neither of the two.
    _, y = contaminated_rows(vectors, poison)
    removed = np.concatenate([np.flatnonzero(y == label)[:6] for label in (0, 1)])
    found = np.isin(removed, poison.indices).sum()
    assert found > 0
    assert (scores.poison_removed, scores.goodware_removed) == (found, 6 - found)
    assert (scores.malware_removed, scores.goodware_rows) == (6, 30)
    first, second = toys.RemovesFirst.made
    assert first is not second
    assert (type(first), first.hidden) == (EmberNN, [16])
    context = {"seed": 0, "compute": COMPUTE}
    folder = tmp_path / "again"
    train_unpoisoned(vectors, spec, None, folder=folder, **context)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "detector" / path.name).read_bytes()


def test_where_scores_are_taken_the_counts_of_a_filter_are_its_own(vectors, tmp_path, toys):
    trigger = stamped("undefended")
    X = vectors.X.copy()
    X[:, trigger.indices] = trigger.values  # so that neither poison nor trigger changes a row
    unchanged = replace(vectors, X=X)
    poison = clean_label_poison(unchanged, trigger)
    spec = defended("RemovesFirst")
    _, scores = both(unchanged, poison, trigger, spec, tmp_path / "detector")
    assert scores.training_sha256
    found = np.isin(np.flatnonzero(vectors.labels("train") == 0)[:6], poison.indices).sum()
    assert (scores.poison_removed, scores.goodware_removed) == (found, 6 - found)
    assert (scores.malware_removed, scores.goodware_rows, scores.poison_rows) == (6, 24, 6)


def test_a_defence_is_told_what_its_ledger_says_and_then_always_trained(
    extended, tmp_path, toys, monkeypatch
):
    trigger = stamped("non_hashed")
    poison = clean_label_poison(extended, trigger)
    fits = []
    fit = EmberNN.fit
    monkeypatch.setattr(EmberNN, "fit", lambda *rows: fits.append(1) or fit(*rows))
    spec = defended("Told", clean_rows=True, poison=True)
    victim = {"seed": 0, "compute": COMPUTE}
    clean, _ = train_unpoisoned(extended, spec, None, folder=tmp_path / "detector", **victim)
    assert toys.Told.mask.shape == (60,)
    assert not toys.Told.mask.any()
    rows, labels = toys.Told.clean
    raw, expected = extended.part("clean")
    assert rows.shape == raw.shape
    np.testing.assert_array_equal(labels, expected)
    train_victim(extended, poison, trigger, spec, None, reference=clean, **victim)
    np.testing.assert_array_equal(np.flatnonzero(toys.Told.mask), np.sort(poison.indices))
    # The rows are those of the reference, as Deletion's are; what it was told is not.
    assert len(fits) == 2
    unsaid = defended("Told", poison=True)
    with pytest.raises(ConfigError, match="has give_clean_rows"):
        train_victim(extended, poison, trigger, unsaid, None, reference=clean, **victim)


def test_a_certificate_is_recorded_for_every_test_row(vectors, trigger, tmp_path, toys):
    spec = defended("Certified", {"n_estimators": 2, "random_state": 0})
    tree = {"name": "tree", "class": "sklearn.tree.DecisionTreeClassifier", "params": {}}
    spec = {**spec, "classifier": tree}
    poison = poison_of(vectors, trigger)
    clean, attacked = both(vectors, poison, trigger, spec, tmp_path / "detector")
    assert (clean.flipped_rows, attacked.flipped_rows) == (0, 6)
    for scores in (clean, attacked):
        assert scores.certificate == "rows"
        np.testing.assert_array_equal(scores.test_radius, np.full(20, 6))
    loaded = Detector.load(tmp_path / "detector", trusted=["toy_parts.Certified"])
    assert loaded.certificate == "rows"
    rows = vectors.part("test")[0]
    np.testing.assert_array_equal(loaded.certified_radius(rows), clean.test_radius)


def test_a_shared_autoencoder_is_trained_once_and_used(vectors, trigger, tmp_path):
    path = tmp_path / "autoencoder.safetensors"
    poison = poison_of(vectors, trigger)
    timing = train_autoencoder(vectors, poison, AUTOENCODER, seed=0, compute=COMPUTE, path=path)
    assert timing.seconds_defence > 0
    folder = tmp_path / "detector"
    files = [str(path), str(tmp_path / "cost.json")]
    write_cost(files[1], timing)
    scores, cost = train_unpoisoned(
        vectors, SPEC["ae"], files, seed=0, compute=COMPUTE, folder=folder
    )
    assert scores.status == "ok"
    assert cost.seconds_defence == timing.seconds_defence
    assert (folder / "defence.safetensors").is_file()


def test_divergence_is_a_status_and_reaches_what_hangs_on_it(vectors, trigger, tmp_path):
    spec = {**SPEC["none"], "classifier": DIVERGING}
    folder = tmp_path / "detector"
    scores, _ = train_unpoisoned(vectors, spec, None, seed=0, compute=COMPUTE, folder=folder)
    assert scores.status == "diverged"
    assert "diverged in epoch" in scores.detail
    poison = poison_of(vectors, trigger)
    victim = {"seed": 0, "compute": COMPUTE, "reference": scores}
    sound, _ = train_victim(vectors, poison, trigger, SPEC["none"], None, **victim)
    assert sound.status == "ok"
    broken, _ = train_victim(vectors, poison, trigger, spec, None, **victim)
    assert (broken.status, broken.poison_rows) == ("diverged", 6)
    assert len(evasion_of(vectors, trigger, folder)) == 0


def test_a_diverged_autoencoder_makes_its_victims_diverge(vectors, trigger, tmp_path):
    absurd = {**AUTOENCODER["params"], "optimiser": "sgd", "learning_rate": 1e30}
    spec = {**AUTOENCODER, "params": absurd}
    path = tmp_path / "autoencoder.safetensors"
    timing = train_autoencoder(vectors, None, spec, seed=0, compute=COMPUTE, path=path)
    files = [str(path), str(tmp_path / "cost.json")]
    write_cost(files[1], timing)
    scores, _ = train_unpoisoned(
        vectors, SPEC["ae"], files, seed=0, compute=COMPUTE, folder=tmp_path / "detector"
    )
    assert scores.status == "diverged"


def test_the_same_seed_gives_the_same_scores(vectors, reference, tmp_path):
    again, _ = train_unpoisoned(
        vectors, SPEC["none"], None, seed=0, compute=COMPUTE, folder=tmp_path / "detector"
    )
    np.testing.assert_array_equal(again.test, reference[1].test)
    other, _ = train_unpoisoned(
        vectors, SPEC["none"], None, seed=1, compute=COMPUTE, folder=tmp_path / "other"
    )
    assert not np.array_equal(other.test, again.test)


def test_poison_of_other_rows_is_refused(vectors, trigger):
    poison = replace(poison_of(vectors, trigger), train_rows=61)
    with pytest.raises(AttackError, match="training part of its own split"):
        contaminated_rows(vectors, poison)


def test_poison_never_touches_rows_that_are_held_out(vectors, trigger):
    poison = poison_of(vectors, trigger)
    X, y = contaminated_rows(vectors, poison)
    assert (vectors.part("train")[0] != X).any(axis=1).sum() == poison.count
    assert (y != vectors.part("train")[1]).sum() == poison.count
    shared = vectors.sha256.copy()
    shared[70] = shared[poison.indices[0]]
    with pytest.raises(DataFileError, match="stand among the rows that are held out"):
        contaminated_rows(replace(vectors, sha256=shared), poison)


def test_the_surrogate_is_not_the_victim_and_explains_the_training_rows(vectors, reference):
    surrogate = train_surrogate(vectors, NETWORK, seed=0, device="cpu", threads=1)
    test_rows, _ = vectors.part("test")
    assert not np.array_equal(surrogate.malware_scores(test_rows), reference[1].test)
    explained = explain_surrogate(surrogate, vectors, background=5, samples=3, seed=0)
    assert explained.shape == vectors.part("train")[0].shape
    # The columns that carry the label explain more than the others.
    weight = np.abs(explained).mean(axis=0)
    assert weight[:LABELLED].mean() > 1.5 * weight[LABELLED:].mean()


@pytest.mark.parametrize("kind", ["classifiers", "autoencoders"])
def test_the_search_tries_every_combination_and_sorts_by_held_out_loss(vectors, kind, tmp_path):
    part = NETWORK if kind == "classifiers" else AUTOENCODER
    rates = [0.001, 0.01, 1e30]
    spec = {
        "values": {part["name"]: {"learning_rate": rates, "optimiser": ["sgd"], "epochs": [3]}},
        "parts": {part["name"]: part},
        "seed": 7,
        "validation_share": 0.25,
    }
    table = search_settings(vectors, kind, spec, device="cpu", threads=1)
    assert len(table) == 3
    assert table["status"].tolist() == ["ok", "ok", "diverged"]
    assert table["validation_loss"][:2].is_monotonic_increasing
    assert table["best_epoch"][:2].between(1, 3).all()
    write_search(tmp_path / "search.csv", table)
    assert (
        (tmp_path / "search.csv").read_text().splitlines()[0].startswith("part,settings,best_epoch")
    )


def test_a_surrogate_that_diverges_is_an_error(vectors):
    with pytest.raises(TrainingDivergedError):
        train_surrogate(vectors, DIVERGING, seed=0, device="cpu", threads=1)


@pytest.fixture
def stored(tmp_path, monkeypatch) -> Vectors:
    """2,000 training rows left in their file, and blocks small enough not to be counted as rows."""
    for name in (
        "storage.row_blocks._BLOCK_ROWS",
        "networks.estimator.BLOCK_ROWS",
        "defences.autoencoder.BLOCK_ROWS",
        "surrogate.explanations._ROWS_PER_BLOCK",
    ):
        monkeypatch.setattr(f"dokunuki.{name}", 64)
    rng = np.random.default_rng(4)
    role = np.repeat(["train", "test", "validation"], [2000, 200, 100])
    y = np.arange(len(role), dtype=np.int8) % 2
    X = rng.integers(0, 3, size=(len(role), LAYOUT.width)).astype(np.float32)
    nothing = np.full(len(role), "")
    write_vectors(tmp_path / "vectors.h5", Vectors(X, y, nothing, nothing, role, 1, "toy", "ember"))
    return read_vectors(tmp_path / "vectors.h5")


@pytest.mark.parametrize("job", ["reference", "victim", "ae", "autoencoder", "explanation"])
def test_a_job_holds_its_training_rows_once(stored, trigger, tmp_path, job):
    small = {**NETWORK["params"], "epochs": 1, "hidden": [4], "batch_size": 64}
    spec = {**SPEC["none"], "classifier": {**NETWORK, "params": small}}
    weights = [str(tmp_path / "ae.safetensors"), str(tmp_path / "ae.json")]

    def autoencoder():
        write_cost(
            weights[1],
            train_autoencoder(stored, None, AUTOENCODER, seed=0, compute=COMPUTE, path=weights[0]),
        )

    def reference(parts=spec, files=None):
        scores, _ = train_unpoisoned(
            stored, parts, files, seed=0, compute=COMPUTE, folder=tmp_path / "reference"
        )
        return scores

    poison = poison_of(stored, trigger, rate=1)
    clean = reference() if job == "victim" else None
    if job == "ae":
        autoencoder()
    surrogate = train_surrogate(stored, spec["classifier"], seed=0, device="cpu", threads=1)
    jobs = {
        "reference": reference,
        "victim": lambda: train_victim(
            stored,
            poison,
            trigger,
            spec,
            None,
            seed=0,
            compute=COMPUTE,
            reference=clean,
        ),
        "ae": lambda: reference({**SPEC["ae"], "classifier": spec["classifier"]}, weights),
        "autoencoder": autoencoder,
        "explanation": lambda: explain_surrogate(
            surrogate, stored, background=5, samples=1, seed=0
        ),
    }
    importlib.import_module("shap")  # the modules' own memory is not the job's
    # Numpy reports its memory to tracemalloc. torch does not: see the tests of shared_tensor.
    tracemalloc.start()
    try:
        jobs[job]()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The rows, and what stands beside them in blocks; not those to be scored as well.
    assert 1 < peak / (2000 * LAYOUT.width * 4) < 1.3
