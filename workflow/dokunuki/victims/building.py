"""How a detector is made from a spec: the defence and the classifier that the config names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dokunuki.detector import Detector
from dokunuki.parts.building import build, classes_of
from dokunuki.seeding import stream_seed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.victims.compute import Compute


@dataclass(frozen=True)
class _Unfitted:
    """Gives new instances of the victim's classifier, for a defence that trains models of its own.

    A class, since a detector's description holds the `repr` of what a defence was made with.
    """

    class_path: str
    params: Mapping[str, Any]
    context: Mapping[str, Any] = field(repr=False)

    def __call__(self) -> Any:  # noqa: ANN401 - by protocol
        return build(self.class_path, self.params, **self.context)


def build_detector(
    spec: Mapping[str, Any],
    layout: FeatureLayout,
    *,
    seed: int,
    compute: Compute,
    autoencoder: Any = None,  # noqa: ANN401 - the model that the defence asks for, fitted
) -> Detector:
    """The `defence` (name, steps) and the `classifier` (name, class, params) of a spec, not fitted.

    Each step (class, params) of several has a random stream of its own. All are offered the same
    autoencoder, that of the contaminated rows as they were at first.
    """
    context = _context(layout, compute)
    classifier = spec["classifier"]
    unfitted = _Unfitted(
        classifier["class"],
        classifier["params"],
        {**context, "seed": stream_seed(seed, "classifier of a defence", spec["defence"]["name"])},
    )
    steps = spec["defence"]["steps"]
    defences = build_steps(
        {**spec["defence"], "several_steps": len(steps) > 1},
        layout,
        seed=seed,
        compute=compute,
        classifier=unfitted,
        **({} if autoencoder is None else {"autoencoder": autoencoder}),
    )
    return Detector(
        defences,
        build(
            classifier["class"],
            classifier["params"],
            **context,
            seed=stream_seed(seed, "classifier", classifier["name"]),
        ),
    )


def build_steps(
    spec: Mapping[str, Any],
    layout: FeatureLayout,
    *,
    seed: int,
    compute: Compute,
    **given: Any,  # noqa: ANN401 - what steps may ask for by the names of their parameters
) -> list[Any]:
    """The first `steps` (class, params each) of the defence with the `name` of a spec, not fitted.

    `several_steps` says whether the defence has more than one in all: each then has a random stream
    of its own.
    """
    return [
        build(
            step["class"],
            step["params"],
            **_context(layout, compute),
            **given,
            seed=stream_seed(
                seed, "defence", spec["name"], *([number] if spec["several_steps"] else [])
            ),
        )
        for number, step in enumerate(spec["steps"], start=1)
    ]


def _context(layout: FeatureLayout, compute: Compute) -> dict[str, Any]:
    """What every part may ask for."""
    return {
        "layout": layout,
        "device": compute.device,
        "threads": compute.threads,
        "precision": compute.precision,
    }


def load_detector(folder: str | Path, spec: Mapping[str, Any], *, device: str) -> Detector:
    """A detector that was made from `spec`, read from the folder it was saved to.

    Classes that the configuration names are trusted: they ran when the detector was trained.
    """
    trusted = [path for role in ("defence", "classifier") for path in classes_of(spec[role])]
    return Detector.load(folder, device=device, trusted=trusted)


def told(spec: Mapping[str, Any]) -> dict[str, bool]:
    """Whether the defence of a spec is told the `clean_rows` and the `poison`."""
    told = spec["defence"].get("told", {})
    return {key: bool(told.get(key)) for key in ("clean_rows", "poison")}
