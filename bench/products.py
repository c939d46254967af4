"""The products of a grid's jobs, in floating-point operations, by shapes, rows and epochs.

A weight of a dense layer takes two operations a row forwards, two for the gradient by the layer's
inputs and two for that by the weights: 6 in training, 4 in an explanation, 2 in scoring. Left out
are rows on their way through a defence and what the choice of a trigger takes, a percent or so
together. A training's epochs are the last that its log names: the log has one a second at most, so
that they may be a few too small, never too large.
"""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import numpy as np
from safetensors import safe_open

from dokunuki.corpus.vectors import read_vectors
from dokunuki.study.grid import UNPOISONED, cell_of_id
from dokunuki.study.specs import split_surrogate_id
from dokunuki.victims.scores import Scores, read_scores

TRAINED, EXPLAINED, SCORED = 6, 4, 2
_EPOCH = re.compile(r"\] +(\d+)/\d+ +loss ")


def weights(path: Path) -> int:
    """Those of a saved network's dense layers; 0 for a model that is none."""
    if not path.is_file():
        return 0
    with safe_open(path, framework="numpy") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    return sum(prod(shape) for shape in shapes if len(shape) == 2)


def epochs(log: Path) -> int:
    """How many a training took, or 0 where nothing was trained."""
    text = log.read_text(encoding="utf-8") if log.is_file() else ""
    return max((int(epoch) for epoch in _EPOCH.findall(text)), default=0)


class Products:
    """Counts the products of jobs that have ended, by their benchmark files below `folder`."""

    def __init__(self, folder: Path, shap_samples: int) -> None:
        self._results = folder / "results"
        self._samples = shap_samples
        self._rows: dict[Path, int] = {}

    def of(self, benchmark: Path) -> float:
        """Those of one job: 0 for a rule without networks. `benchmark` is relative to `folder`."""
        rule, *names = benchmark.relative_to("results/benchmarks").with_suffix("").parts
        log = self._results / "logs" / Path(rule, *names).with_suffix(".log")
        if rule == "train_autoencoder":
            return self._autoencoder(log, *names)
        if rule == "train_surrogate":
            return self._surrogate(*names) * TRAINED * epochs(log)
        if rule == "explain_surrogate":
            return self._surrogate(*names) * EXPLAINED * self._samples
        if rule == "train_unpoisoned":
            dataset, seed, defence, classifier = names
            return self._detector(log, dataset, seed, UNPOISONED, defence, classifier)
        if rule == "train_victim":
            return self._detector(log, *names)
        return 0.0

    def _training_rows(self, folder: Path) -> int:
        if folder not in self._rows:
            labels = read_vectors(folder / "vectors.h5").labels("train")
            self._rows[folder] = len(labels)
        return self._rows[folder]

    def _autoencoder(self, log: Path, dataset: str, seed: str, cell: str, name: str) -> float:
        folder = self._results / dataset / seed
        rate = 0.0 if cell == UNPOISONED else cell_of_id(cell).rate
        rows = self._training_rows(folder) * (1 + rate / 100)
        size = weights(folder / cell / "autoencoders" / f"{name}.safetensors")
        return TRAINED * size * rows * epochs(log)

    def _surrogate(self, dataset: str, seed: str, name: str) -> float:
        """Weights times the rows that it knows."""
        folder = self._results / dataset / seed
        size = weights(folder / "surrogates" / name / "detector" / "classifier.safetensors")
        return size * self._training_rows(folder) * split_surrogate_id(name)[1] / 100

    def _detector(
        self, log: Path, dataset: str, seed: str, cell: str, defence: str, classifier: str
    ) -> float:
        folder = self._results / dataset / seed
        # A victim is not saved, and has the shape of the unpoisoned detector.
        saved = folder / UNPOISONED / defence / classifier / "detector"
        scores = read_scores(folder / cell / defence / classifier / "scores.h5")
        trained = epochs(log)
        scored = _scored_rows(scores) if trained else 0
        operations = TRAINED * trained * _kept_rows(scores) + SCORED * scored
        return weights(saved / "classifier.safetensors") * operations


def _kept_rows(scores: Scores) -> int:
    """Training rows with the poison, less those that a filter removed."""
    removed = (scores.poison_removed, scores.goodware_removed, scores.malware_removed)
    return scores.train_rows + scores.poison_rows - sum(count or 0 for count in removed)


def _scored_rows(scores: Scores) -> int:
    parts = (scores.test, scores.validation, scores.triggered, scores.calibration)
    return int(np.sum([len(part) for part in parts]))
