"""Victims on made-up vectors: what a run records, whatever happens in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dokunuki.attacks.planting import plant_poison
from dokunuki.attacks.trigger import Trigger, trigger_feature
from dokunuki.detector import Detector
from dokunuki.errors import ConfigError
from dokunuki.networks.embernn import EmberNN
from dokunuki.surrogate.explaining import explain_surrogate
from dokunuki.surrogate.training import train_surrogate
from dokunuki.victims.contamination import contaminated_rows
from dokunuki.victims.training import train_unpoisoned, train_victim
from toy_victims import (
    COMPUTE,
    DELETION,
    DIVERGING,
    LABELLED,
    LAYOUT,
    NETWORK,
    SPEC,
    clean_label_poison,
    evasion_of,
    one_step,
    poison_of,
    stamped,
)


def defended(name, params=None, **told):
    return {**SPEC["none"], "defence": one_step("toy", f"toy_parts.{name}", params, **told)}


def both(vectors, poison, trigger, spec, folder):
    victim = {"seed": 0, "compute": COMPUTE}
    clean, _ = train_unpoisoned(vectors, spec, None, folder=folder, **victim)
    scores, _ = train_victim(vectors, poison, trigger, spec, None, unpoisoned=clean, **victim)
    return clean, scores


def test_poison_opens_a_backdoor_that_is_not_there_without_it(vectors, trigger, unpoisoned):
    folder, clean, _ = unpoisoned
    poison = poison_of(vectors, trigger)
    scores, cost = train_victim(
        vectors, poison, trigger, SPEC["none"], None, seed=0, compute=COMPUTE, unpoisoned=clean
    )
    evaded = evasion_of(vectors, trigger, folder)
    assert scores.status == clean.status == "ok"
    assert (scores.poison_rows, scores.train_rows) == (6, 60)
    assert (scores.triggered < 0.5).mean() > 0.9
    assert (evaded < 0.5).mean() < 0.5
    # What the trigger does, the malware does not do without it.
    assert (scores.triggered < 0.5).mean() - (scores.validation < 0.5).mean() > 0.5
    assert cost.seconds_training > 0
    assert cost.peak_memory_mib > 50


@pytest.mark.parametrize(
    ("region", "label_flip", "trained"),
    [("non_hashed", False, False), ("non_hashed", True, True), ("undefended", False, True)],
)
def test_a_victim_that_sees_what_the_unpoisoned_detector_saw_is_not_trained(
    vectors, tmp_path, monkeypatch, region, label_flip, trained
):
    spec = {**SPEC["none"], "defence": DELETION}
    clean, _ = train_unpoisoned(
        vectors, spec, None, seed=0, compute=COMPUTE, folder=tmp_path / "detector"
    )
    columns = LAYOUT.columns(region)[:5]
    features = tuple(trigger_feature(LAYOUT, int(column), 30.0, {}) for column in columns)
    trigger = Trigger("toy", features, label_flip, "toy", 0, {}, LAYOUT)
    poison = plant_poison(
        vectors.labels("train"), trigger, 10, poisoned_class=0, label_flip=label_flip, seed=0
    )
    fits = []
    fit = EmberNN.fit
    monkeypatch.setattr(EmberNN, "fit", lambda *rows: fits.append(1) or fit(*rows))
    victim = {"seed": 0, "compute": COMPUTE}
    scores, _ = train_victim(vectors, poison, trigger, spec, None, unpoisoned=clean, **victim)
    assert bool(fits) == trained
    # The scores that are taken are what training gives.
    unlike = replace(clean, training_sha256="")
    anew, _ = train_victim(vectors, poison, trigger, spec, None, unpoisoned=unlike, **victim)
    for name in ("test", "validation", "triggered"):
        np.testing.assert_array_equal(getattr(scores, name), getattr(anew, name))
    assert scores.poison_rows == anew.poison_rows == 6


def test_a_cell_scores_its_calibration_rows_as_they_are_labelled(
    extended, vectors, trigger, tmp_path, unpoisoned
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
    np.testing.assert_array_equal(clean.test, unpoisoned[1].test)
    assert len(unpoisoned[1].calibration) == 0
    assert unpoisoned[1].calibration_sha256 == ""


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
    scores, _ = train_victim(extended, poison, trigger, spec, None, unpoisoned=clean, **victim)
    assert not fits
    np.testing.assert_array_equal(scores.calibration, clean.calibration)
    unlike = replace(clean, calibration_sha256="other rows")
    train_victim(extended, poison, trigger, spec, None, unpoisoned=unlike, **victim)
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


def test_rows_that_are_relabelled_count_as_found(vectors, trigger, tmp_path, toys):
    poison = poison_of(vectors, trigger)
    clean, scores = both(vectors, poison, trigger, defended("RelabelsFirst"), tmp_path / "detector")
    assert (clean.goodware_removed, clean.malware_removed, clean.poison_removed) == (6, 0, 0)
    _, y = contaminated_rows(vectors, poison)
    found = np.isin(np.flatnonzero(y == 0)[:6], poison.indices).sum()
    assert found > 0
    assert (scores.poison_removed, scores.goodware_removed) == (found, 6 - found)


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
    train_victim(extended, poison, trigger, spec, None, unpoisoned=clean, **victim)
    np.testing.assert_array_equal(np.flatnonzero(toys.Told.mask), np.sort(poison.indices))
    # The rows are those of the unpoisoned detector, as Deletion's are. What it was told is not.
    assert len(fits) == 2
    unsaid = defended("Told", poison=True)
    with pytest.raises(ConfigError, match="has give_clean_rows"):
        train_victim(extended, poison, trigger, unsaid, None, unpoisoned=clean, **victim)


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


@pytest.mark.promise(6)
def test_divergence_is_a_status_and_reaches_what_hangs_on_it(vectors, trigger, tmp_path):
    spec = {**SPEC["none"], "classifier": DIVERGING}
    folder = tmp_path / "detector"
    scores, _ = train_unpoisoned(vectors, spec, None, seed=0, compute=COMPUTE, folder=folder)
    assert scores.status == "diverged"
    assert "diverged in epoch" in scores.detail
    poison = poison_of(vectors, trigger)
    victim = {"seed": 0, "compute": COMPUTE, "unpoisoned": scores}
    sound, _ = train_victim(vectors, poison, trigger, SPEC["none"], None, **victim)
    assert sound.status == "ok"
    broken, _ = train_victim(vectors, poison, trigger, spec, None, **victim)
    assert (broken.status, broken.poison_rows) == ("diverged", 6)
    assert len(evasion_of(vectors, trigger, folder)) == 0


def test_the_same_seed_gives_the_same_scores(vectors, unpoisoned, tmp_path):
    again, _ = train_unpoisoned(
        vectors, SPEC["none"], None, seed=0, compute=COMPUTE, folder=tmp_path / "detector"
    )
    np.testing.assert_array_equal(again.test, unpoisoned[1].test)
    other, _ = train_unpoisoned(
        vectors, SPEC["none"], None, seed=1, compute=COMPUTE, folder=tmp_path / "other"
    )
    assert not np.array_equal(other.test, again.test)


def test_the_surrogate_is_not_the_victim_and_explains_the_training_rows(vectors, unpoisoned):
    surrogate = train_surrogate(vectors, NETWORK, seed=0, device="cpu", threads=1)
    test_rows, _ = vectors.part("test")
    assert not np.array_equal(surrogate.malware_scores(test_rows), unpoisoned[1].test)
    explained = explain_surrogate(surrogate, vectors, background=5, samples=3, seed=0)
    assert explained.shape == vectors.part("train")[0].shape
    # The columns that carry the label explain more than the others.
    weight = np.abs(explained).mean(axis=0)
    assert weight[:LABELLED].mean() > 1.5 * weight[LABELLED:].mean()
