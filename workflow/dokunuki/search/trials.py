"""One trial of a search: settings that the paper leaves open, tried on clean rows.

A trial trains on the unpoisoned training rows of a seed that no grid uses, and measures the
accuracies on that seed's test rows. It is given rows and labels and nothing else: neither poison
nor a trigger has a place in its interface, and this package may import no attack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from dokunuki.defences.autoencoder import AutoencoderCode, AutoencoderReconstruction
from dokunuki.defences.deletion import Deletion
from dokunuki.detector import Detector
from dokunuki.errors import DataFileError
from dokunuki.networks.settings import TrainingDivergedError
from dokunuki.parts.building import build
from dokunuki.progress import logger
from dokunuki.seeding import stream_seed
from dokunuki.storage.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.corpus.vectors import Vectors

Spec = dict[str, Any]
Result = dict[str, Any]

OK, DIVERGED = "ok", "diverged"


@dataclass(frozen=True)
class CleanRows:
    """Unpoisoned raw rows, float32 (n, width), labels 0 goodware and 1 malware, and the layout."""

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    layout: FeatureLayout

    @classmethod
    def of(cls, vectors: Vectors) -> CleanRows:
        """The train and test parts of a vectors file."""
        return cls(vectors.part("train"), vectors.part("test"), vectors.layout)


class Trial:
    """What all trials of a search share: the rows, the seed, and what they run on."""

    def __init__(
        self, rows: CleanRows, *, seed: int, device: str, threads: int, precision: str = "auto"
    ) -> None:
        self._rows = rows
        self._seed = seed
        self._compute = {"device": device, "threads": threads, "precision": precision}

    def classifier(self, spec: Spec) -> Result:
        """Accuracy of a classifier without a defence, and behind Deletion.

        `spec` is its name, class and params. The result has `spec`, `seed`, `status` ("ok" or
        "diverged") and, where it is ok, the accuracies `none` and `deletion`, and of the first the
        last training `loss` and the number of `epochs`, None for a classifier without a history.
        """

        def tried() -> Result:
            undefended = self._fit([], spec)
            history = getattr(undefended.classifier_, "history_", None)
            return {
                "none": self._accuracy(undefended),
                "loss": history.loss[-1] if history else None,
                "epochs": len(history.loss) if history else None,
                "deletion": self._accuracy(self._fit([Deletion(self._rows.layout)], spec)),
            }

        return self._result(spec, tried)

    def autoencoder(self, spec: Spec, classifier: Spec) -> Result:
        """Accuracies of a classifier behind AE and behind AE enc, with one autoencoder for both.

        Both specs are name, class and params. The result has `spec`, `classifier`, `seed`,
        `status` and, where it is ok, the accuracies `ae` and `ae_enc`, the last training `loss` of
        the autoencoder, the number of its `epochs`, and `unexplained`: the squared error of the
        test rows' reconstruction as a share of their variance around the training rows' means.
        """

        def tried() -> Result:
            layout = self._rows.layout
            model = self._build(spec, "autoencoder")
            rebuilding = AutoencoderReconstruction(layout, model)
            defended = self._fit([rebuilding], classifier)
            fitted = rebuilding.autoencoder_
            encoding = AutoencoderCode(layout, FrozenEstimator(fitted))
            return {
                "ae": self._accuracy(defended),
                "ae_enc": self._accuracy(self._fit([encoding], classifier)),
                "loss": fitted.history_.loss[-1],
                "epochs": len(fitted.history_.loss),
                "unexplained": self._unexplained(defended),
            }

        return {**self._result(spec, tried), "classifier": classifier}

    def _result(self, spec: Spec, tried: Callable[[], Result]) -> Result:
        result: Result = {"spec": spec, "seed": self._seed, "status": OK}
        try:
            result |= tried()
        except TrainingDivergedError as error:
            logger.warning("%s", error)
            result["status"] = DIVERGED
        return result

    def _build(self, spec: Spec, stream: str) -> Any:  # noqa: ANN401 - of any class
        return build(
            spec["class"],
            spec["params"],
            seed=stream_seed(self._seed, "search", stream),
            layout=self._rows.layout,
            **self._compute,
        )

    def _fit(self, defences: Sequence[Any], classifier: Spec) -> Detector:
        # All trials of a seed start alike: what differs between two of them are their settings.
        detector = Detector(defences, self._build(classifier, "classifier"))
        return detector.fit(*self._rows.train)

    def _accuracy(self, detector: Detector) -> float:
        rows, labels = self._rows.test
        return float(np.mean((detector.malware_scores(rows) >= 0.5) == labels))

    def _unexplained(self, defended: Detector) -> float:
        columns = self._rows.layout.attackable
        rows = defended.standardise(self._rows.test[0])[:, columns].astype(np.float64)
        rebuilt = defended.represent(self._rows.test[0])[:, columns]
        # The means of the training rows are 0 here.
        return float(np.square(rebuilt - rows).sum() / np.square(rows).sum())


def write_result(path: str | Path, result: Mapping[str, Any]) -> None:
    """Write a trial's result as JSON."""
    write_json(path, result)


def read_result(path: str | Path) -> Result:
    """Read what `write_result` wrote; raises DataFileError for anything else."""
    result: Result = read_json(path)
    if not {"spec", "seed", "status"} <= result.keys():
        raise DataFileError(
            f"{path}: is not the result of a trial; delete it and run the same command again"
        )
    return result
