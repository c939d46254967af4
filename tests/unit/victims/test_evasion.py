"""Triggers on detectors trained without poison."""

from __future__ import annotations

import numpy as np

from dokunuki.detector import Detector
from dokunuki.victims.evasion import score_evasion
from dokunuki.victims.training import train_unpoisoned
from toy_victims import COMPUTE, SPEC


def test_triggers_of_every_size_meet_the_unpoisoned_detector(vectors, trigger, unpoisoned):
    folder, _, _ = unpoisoned
    sizes = (1, 30)
    scores = score_evasion(vectors, trigger, sizes, [(SPEC["none"], folder)], device="cpu")
    malware, _ = vectors.part("validation")
    detector = Detector.load(folder)
    assert scores.keys() == {("none", "embernn", size) for size in sizes}
    for (_, _, size), values in scores.items():
        stamped = trigger.prefix(size).stamp(malware)
        np.testing.assert_array_equal(values, detector.malware_scores(stamped))


def test_steps_of_a_users_own_are_loaded_for_evasion(toys, vectors, trigger, tmp_path):
    classes = ["toy_parts.RemovesFirst", "toy_parts.Halves"]
    steps = [{"class": path, "params": {}} for path in classes]
    spec = {**SPEC["none"], "defence": {"name": "toy", "steps": steps}}
    train_unpoisoned(vectors, spec, None, seed=0, compute=COMPUTE, folder=tmp_path / "detector")
    detectors = [(spec, tmp_path / "detector")]
    (scores,) = score_evasion(vectors, trigger, [2], detectors, device="cpu").values()
    malware = trigger.prefix(2).stamp(vectors.part("validation")[0])
    detector = Detector.load(tmp_path / "detector", trusted=classes)
    np.testing.assert_array_equal(scores, detector.malware_scores(malware))
    assert [type(part) for part in detector.transformers_] == [toys.Halves]
