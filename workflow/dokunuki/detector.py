"""A detector: scaler, defences and classifier, all fitted on the contaminated rows alone."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dokunuki.corpus.layout_record import layout_from_record, layout_record
from dokunuki.defences.protocol import defence_kind
from dokunuki.errors import ConfigError, DokunukiError, damaged_file
from dokunuki.parts.building import path_of
from dokunuki.parts.estimator import checked_rows
from dokunuki.parts.saving import parameters_of, read_part, write_part
from dokunuki.parts.standardising import Standardiser
from dokunuki.storage.files import atomic_folder, read_json, write_json
from dokunuki.storage.row_blocks import picked_rows, row_blocks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.defences.row_choice import RowChoice

_DESCRIPTION_FILE = "detector.json"
_FORMAT = 3
_MALWARE = 1
# What a defence may be told beside the contaminated rows: the method that takes it, and the key of
# the configuration's ledger that allows it.
_TOLD = {"give_clean_rows": "clean_rows", "give_poison": "poison"}


class Detector:
    """StandardScaler, then the defences in order, then the classifier.

    `defences` are a list, as the steps of a Pipeline of imbalanced-learn, of the three kinds of
    `dokunuki.defences.protocol`; none of them leaves the classifier undefended. Samplers change the
    rows to train on, for the steps after them. Transformers change those and all rows that are
    scored. A meta-estimator trains the classifier, and can only come last. `classifier` is any with
    scikit-learn's `fit` and `predict_proba`. All are fitted in place, not copied: networks are
    large, and a fitted autoencoder may be shared.

    After `fit` or `load`: `scaler_`; `transformers_`, those of the defences that change rows which
    are scored; `classifier_`, which predicts: the classifier, or the meta-estimator around it;
    `train_rows_` and `removed_rows_` (by samplers); `sampled_indices_` (int64, the training rows
    that samplers left, in order; None where one leaves it open); `kept_indices_` (the same where a
    sampler tells which it kept; else None, as after `load`); `description_` says of what class and
    parameters all were.

    `layout` (of the raw rows) and `thresholds` (by name, from where on a score is malware's, beside
    0.5) may be set by whoever knows them; they are saved, and go with the detector when it is
    exported.
    """

    def __init__(self, defences: Sequence[Any], classifier: Any) -> None:  # noqa: ANN401 - by protocol
        self.defences = list(defences)
        self.classifier = classifier
        self._kinds = [defence_kind(defence) for defence in self.defences]
        self.layout: FeatureLayout | None = None
        self.thresholds: dict[str, float] = {}
        for defence, kind in zip(self.defences[:-1], self._kinds, strict=False):
            if kind == "meta-estimator":
                raise ConfigError(
                    f"{path_of(defence)} trains the classifier, so it must be the last step"
                )
        for defence in self.defences if len(self.defences) > 1 else ():
            if getattr(defence, "raw_rows", False):
                raise ConfigError(
                    f"{path_of(defence)} takes raw rows (raw_rows), so it cannot be combined with "
                    "other steps: leave them out"
                )

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        copy: bool = True,
        *,
        clean: tuple[np.ndarray, np.ndarray] | None = None,
        poison: np.ndarray | None = None,
    ) -> Self:
        """Fit on raw contaminated rows, float32 (n, width), and labels 0 goodware, 1 malware.

        With `copy` False the rows may be overwritten, which saves the memory of as many. `clean`,
        raw rows float32 (c, width) and their labels (c,), and `poison`, bool (n,), True for the
        poisoned rows, go to the defences that have `give_clean_rows` or `give_poison`. Raises
        DokunukiError when a class is absent, at first or after a sampler, and ConfigError when no
        defence takes what is told, or one takes what it is not told.
        """
        return self.fit_classifier(*self.fit_defences(X, y, copy, clean=clean, poison=poison))

    def fit_defences(
        self,
        X: np.ndarray,
        y: np.ndarray,
        copy: bool = True,
        *,
        clean: tuple[np.ndarray, np.ndarray] | None = None,
        poison: np.ndarray | None = None,
        chosen: RowChoice | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """The first half of `fit`: the rows and labels that the classifier is to be trained on.

        `chosen` is what the first steps, all of them samplers, left of these rows; they are then
        not fitted. Raises ValueError when it is none of these rows.
        """
        X, y = np.asarray(X), np.asarray(y)
        self._check_classes(y, "the training rows")
        self._check_told({"give_clean_rows": clean is not None, "give_poison": poison is not None})
        raw = any(getattr(defence, "raw_rows", False) for defence in self.defences)
        self.scaler_ = Standardiser().fit_identity(X) if raw else Standardiser().fit(X)
        if clean is not None:
            clean = self.scaler_.transform(np.asarray(clean[0])), np.asarray(clean[1])
        rows = self.scaler_.transform(X) if copy else self.scaler_.transform_in_place(X)
        labels = y
        kept: np.ndarray | None = np.arange(len(labels))
        told = False
        self.transformers_: list[Any] = []
        self.classifier_ = self.classifier
        done = 0
        if chosen is not None:
            self._check_choice(chosen, len(labels))
            done, told, kept = chosen.steps, chosen.filters, chosen.indices
            rows, labels = picked_rows(rows, kept), chosen.labels
            self._check_classes(labels, "what samplers left of the training rows")
        for defence, kind in list(zip(self.defences, self._kinds, strict=True))[done:]:
            if clean is not None and hasattr(defence, "give_clean_rows"):
                defence.give_clean_rows(*clean)
            if poison is not None and hasattr(defence, "give_poison"):
                if kept is None:
                    raise ConfigError(
                        f"{path_of(defence)}: a step before it does not tell which rows it kept, "
                        "and this defence must know which of them are poisoned; put it first"
                    )
                defence.give_poison(np.asarray(poison)[kept])
            if kind == "transformer":
                fitted = defence.fit(rows, labels)
                self.transformers_.append(defence)
                if clean is not None:
                    clean = np.asarray(fitted.transform(clean[0])), clean[1]
                # Others than our own may keep the rows that they were fitted on.
                rows = np.asarray(getattr(fitted, "transform_in_place", fitted.transform)(rows))
            elif kind == "sampler":
                before = len(labels)
                width = rows.shape[1]
                rows, labels = defence.fit_resample(rows, labels)
                try:
                    rows, labels = checked_rows(rows, width), np.asarray(labels)
                except ValueError as error:
                    raise DokunukiError(f"{path_of(defence)}.fit_resample: {error}") from error
                self._check_classes(labels, f"what {path_of(defence)} left of the training rows")
                sampled = getattr(defence, "sample_indices_", None)
                told = told or sampled is not None
                if sampled is not None:
                    kept = None if kept is None else kept[np.asarray(sampled, dtype=np.int64)]
                elif len(labels) != before:
                    kept = None
            else:
                self.classifier_ = defence.set_params(estimator=self.classifier)
        self.sampled_indices_ = kept
        self.kept_indices_ = kept if told else None
        self.train_rows_ = len(X)
        self.removed_rows_ = len(X) - len(labels)
        return rows, labels

    def fit_classifier(self, rows: np.ndarray, labels: np.ndarray) -> Self:
        """The second half of `fit`: train on what `fit_defences` gave."""
        self.classifier_.fit(rows, labels)
        self.description_ = {
            "defences": [
                {"kind": kind, "class": path_of(part), "parameters": parameters_of(part)}
                for part, kind in zip(self.defences, self._kinds, strict=True)
            ],
            "classifier": {
                "class": path_of(self.classifier),
                "parameters": parameters_of(self.classifier),
            },
        }
        return self

    def standardise(self, X: np.ndarray) -> np.ndarray:
        """Raw rows in units of the contaminated training rows, float32 (n, width)."""
        X = np.asarray(X)
        self._check_width(X)
        return self.scaler_.transform(X)

    def malware_scores(self, X: np.ndarray) -> np.ndarray:
        """The probability that each raw row is malware, float32 (n,); malware from 0.5 on."""
        X = np.asarray(X)
        scores = np.empty(len(X), dtype=np.float32)
        column = int(np.flatnonzero(np.asarray(self.classifier_.classes_) == _MALWARE)[0])
        for rows in row_blocks(len(X)):
            scores[rows] = self.classifier_.predict_proba(self.represent(X[rows]))[:, column]
        return scores

    @property
    def certificate(self) -> str:
        """What an attacker may alter within `certified_radius`; empty where nothing is certified.

        "rows" of the training set, or "features" of training rows and of the row to classify. Only
        a meta-estimator by itself certifies, since a step before it is fitted on all rows.
        """
        if self._kinds != ["meta-estimator"]:
            return ""
        certifying = getattr(self, "classifier_", None) or self.defences[0]
        return str(getattr(certifying, "certificate", ""))

    def certified_radius(self, X: np.ndarray) -> np.ndarray:
        """How many at most may be altered for each raw row to be called as it is, int32 (n,).

        Of shape (0,) where nothing is certified.
        """
        radius = np.zeros(len(X) if self.certificate else 0, dtype=np.int32)
        for rows in row_blocks(len(radius)):
            radius[rows] = self.classifier_.certified_radius(self.represent(X[rows]))
        return radius

    def represent(self, X: np.ndarray) -> np.ndarray:
        """What the classifier is given of raw rows: standardised and, by transformers, changed."""
        rows = self.standardise(X)
        for transformer in self.transformers_:
            rows = np.asarray(transformer.transform(rows))
        return rows

    def save(self, folder: str | Path) -> None:
        """Write the fitted detector as a folder of files without pickle, all or nothing.

        Raises DokunukiError when a part cannot be written so, or `folder` holds other things.
        """
        with atomic_folder(folder, _DESCRIPTION_FILE) as temporary:
            saved: dict[str, Any] = {
                "scaler": write_part(temporary, "scaler", self.scaler_),
                "classifier": write_part(temporary, "classifier", self.classifier_),
                "transformers": [
                    write_part(temporary, f"transformer-{number}", part)
                    for number, part in enumerate(self.transformers_, start=1)
                ],
            }
            description = {
                "format": _FORMAT,
                "training": {"rows": self.train_rows_, "removed_rows": self.removed_rows_},
                **self.description_,
                "files": saved,
            }
            if self.layout is not None or self.thresholds:
                layout = None if self.layout is None else layout_record(self.layout)
                description["deployment"] = {"layout": layout, "thresholds": self.thresholds}
            write_json(temporary / _DESCRIPTION_FILE, description)

    def to_onnx(
        self,
        path: str | Path,
        rows: np.ndarray | None = None,
        *,
        layout: FeatureLayout | None = None,
        thresholds: Mapping[str, float] | None = None,
        provenance: Mapping[str, Any] | None = None,
        tolerance: float = 1e-5,
        may_differ: float = 0.0,
    ) -> float:
        """Write the fitted detector as one ONNX file, and hold it against itself on raw `rows`.

        Returns the largest difference of two scores. Arguments and errors are those of
        `dokunuki.deployment.exporting.export_detector`.
        """
        # By name: training must not depend on how detectors are exported, nor be done again for an
        # edit there.
        exporting = importlib.import_module("dokunuki.deployment.exporting")
        check = exporting.export_detector(
            self,
            path,
            rows,
            layout=layout,
            thresholds=thresholds,
            provenance=provenance,
            tolerance=tolerance,
            may_differ=may_differ,
        )
        return float(check.worst)

    @classmethod
    def load(
        cls, folder: str | Path, device: str | None = None, trusted: Collection[str] = ()
    ) -> Detector:
        """Read what `save` wrote; it scores the same.

        `device` replaces the one that the parts were fitted on. `trusted` names classes outside
        this package and scikit-learn (dotted paths) that may be loaded. Raises DataFileError for
        a missing, damaged or foreign folder.
        """
        folder = Path(folder)
        path = folder / _DESCRIPTION_FILE
        try:
            description = read_json(path, folder)
            if description["format"] != _FORMAT:
                raise damaged_file(path, f"format {description['format']}, not {_FORMAT}", folder)
            saved, training = description["files"], description["training"]
            scaler = read_part(folder, saved["scaler"], trusted, device)
            classifier = read_part(folder, saved["classifier"], trusted, device)
            transformers = [read_part(folder, p, trusted, device) for p in saved["transformers"]]
            detector = cls(transformers, classifier)
            detector.train_rows_ = training["rows"]
            detector.removed_rows_ = training["removed_rows"]
            detector.description_ = {key: description[key] for key in ("defences", "classifier")}
            detector._kinds = [part["kind"] for part in description["defences"]]
            deployment = description.get("deployment", {"layout": None, "thresholds": {}})
            if deployment["layout"] is not None:
                detector.layout = layout_from_record(deployment["layout"])
            detector.thresholds = deployment["thresholds"]
        except DokunukiError:
            raise
        except Exception as error:  # whatever parts raise of a content that they did not write
            raise damaged_file(
                path, f"damaged, or not written by this version ({error!r})", folder
            ) from error
        detector.kept_indices_ = detector.sampled_indices_ = None
        detector.transformers_ = transformers
        detector.classifier_ = classifier
        detector.scaler_ = scaler
        return detector

    def _check_width(self, X: np.ndarray) -> None:
        width = len(self.scaler_.mean_)
        if X.ndim != 2 or X.shape[1] != width:
            raise DokunukiError(
                f"the detector was fitted on {width} columns; the rows have shape {X.shape}"
            )

    def _check_choice(self, chosen: RowChoice, rows: int) -> None:
        """The choice belongs to samplers of this detector, and to so many rows."""
        outside = bool(np.any((chosen.indices < 0) | (chosen.indices >= rows)))
        samplers = self._kinds[: chosen.steps] == ["sampler"] * chosen.steps
        if outside or not samplers or len(chosen.indices) != len(chosen.labels):
            raise ValueError(
                f"the rows chosen by {chosen.steps} samplers are not chosen from these {rows} "
                f"rows by {' and '.join(map(path_of, self.defences)) or 'no defence'}"
            )

    def _check_told(self, told: Mapping[str, bool]) -> None:
        """A defence is told what its ledger says, and takes all that it is told."""
        for method, key in _TOLD.items():
            takes = [path_of(defence) for defence in self.defences if hasattr(defence, method)]
            if takes and not told[method]:
                raise ConfigError(
                    f"{takes[0]}: has {method}, but its ledger does not declare it: set "
                    f"ledger: {{{key}: true}} in its entry of defences"
                )
            if told[method] and not takes:
                named = " and ".join(map(path_of, self.defences)) or "no defence"
                raise ConfigError(
                    f"{named}: has no {method}, but its ledger declares it: leave "
                    f"ledger: {{{key}: true}} out of its entry of defences"
                )

    @staticmethod
    def _check_classes(y: np.ndarray, where: str) -> None:
        found = sorted(set(np.unique(y).tolist()))
        if found != [0, 1]:
            raise DokunukiError(
                f"{where} hold the labels {found}; a detector needs 0 (goodware) and 1 (malware)"
            )
