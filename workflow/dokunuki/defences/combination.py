"""Several defences one after the other, as one: filter, then another representation, then train."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from dokunuki.defences.classifier_training import ClassifierTraining
from dokunuki.defences.protocol import defence_kind
from dokunuki.errors import ConfigError, DokunukiError
from dokunuki.parts.building import build, path_of
from dokunuki.seeding import stream_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dokunuki.corpus.layout import FeatureLayout

_STEP_KEYS = {"class", "params"}
# What a step cannot be given here: see `dokunuki.defences.protocol`.
_BEYOND = ("give_clean_rows", "give_poison", "raw_rows")


class Combination(ClassifierTraining):
    """Each of `steps` sees the rows and labels that the steps before it left.

    A step is a mapping of `class`, a defence's dotted path, and `params`, as in the configuration:

        steps:
          - {class: dokunuki.defences.cross_examination.CrossExamination}
          - {class: dokunuki.defences.autoencoder.AutoencoderReconstruction}

    Samplers change the rows to train on; transformers those and all rows that are scored; a
    meta-estimator trains the classifier, and can only come last. Each is built with what a defence
    gets by itself, with a seed of its own. The autoencoder that the entry names is that of the
    contaminated rows as they were at first. Nothing is certified: a certificate does not hold for
    what was fitted on all rows before. What a filter among the steps finds is not reported, so that
    the loud control says nothing of it: see it pass as a defence by itself first.

    After `fit`: `transformers_` (fitted, in order) and `classifier_`.
    """

    def __init__(
        self,
        steps: Sequence[Mapping[str, Any]],
        layout: FeatureLayout,
        estimator: Any = None,  # noqa: ANN401 - any classifier
        classifier: Callable[[], Any] | None = None,
        autoencoder: Any = None,  # noqa: ANN401 - any autoencoder
        seed: int = 0,
        device: str = "auto",
        threads: int = 1,
        precision: str = "auto",
    ) -> None:
        self.steps = steps
        self.layout = layout
        self.estimator = estimator
        self.classifier = classifier
        self.autoencoder = autoencoder
        self.seed = seed
        self.device = device
        self.threads = threads
        self.precision = precision

    def fit(self, X: np.ndarray, y: np.ndarray) -> Self:
        """Take the steps in turn on standardised rows, float32 (n, width), then train.

        Raises ConfigError for a step that is none, is told more than the rows, or comes after a
        meta-estimator; DokunukiError when a step leaves one class only.
        """
        steps = [self._built(number) for number in range(len(self.steps))]
        self.transformers_: list[Any] = []
        model = self.estimator
        rows, labels = X, np.asarray(y)
        for number, step in enumerate(steps):
            kind = defence_kind(step)
            if kind == "meta-estimator":
                if number < len(steps) - 1:
                    raise ConfigError(
                        f"steps: {path_of(step)} trains the classifier and must be the last step"
                    )
                model = step.set_params(estimator=self.estimator)
            elif kind == "sampler":
                rows, labels = step.fit_resample(rows, labels)
                if len(np.unique(labels)) < 2:
                    raise DokunukiError(f"{path_of(step)} left rows of one class only")
            else:
                rows = step.fit(rows, labels).transform(rows)
                self.transformers_.append(step)
        self.classifier_ = model.fit(rows, labels)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of both classes for standardised rows (n, width), (n, 2)."""
        self.check_fitted("classifier_")
        for transformer in self.transformers_:
            X = transformer.transform(X)
        return super().predict_proba(X)

    def _built(self, number: int) -> Any:  # noqa: ANN401
        step = self.steps[number]
        if "class" not in step or not step.keys() <= _STEP_KEYS:
            raise ConfigError(
                f"steps: step {number + 1} has the keys {', '.join(map(str, step))}; it needs "
                "class, and may have params"
            )
        made = build(
            step["class"],
            step.get("params") or {},
            layout=self.layout,
            classifier=self.classifier,
            autoencoder=self.autoencoder,
            seed=stream_seed(self.seed, "step of a combination", number),
            device=self.device,
            threads=self.threads,
            precision=self.precision,
        )
        for name in _BEYOND:
            if getattr(made, name, False):
                raise ConfigError(f"steps: {step['class']} has {name}: it only serves by itself")
        return made

    def _saved_parameters(self) -> dict[str, Any]:
        # Neither is needed to score, and the steps' own parts are kept.
        return super()._saved_parameters() | {"classifier": None, "autoencoder": None}

    def _fitted_parts(self) -> list[Any]:
        return [*super()._fitted_parts(), *self.transformers_]

    def _restore_parts(self, parts: list[Any], facts: dict[str, Any]) -> None:
        super()._restore_parts(parts[:1], facts)
        self.transformers_ = parts[1:]
