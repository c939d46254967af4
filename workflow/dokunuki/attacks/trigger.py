"""Triggers: the feature values that an attacker stamps into rows, and their readable JSON file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np

from dokunuki.corpus.columns import KINDS
from dokunuki.corpus.layout import FEATURE_VERSIONS, FeatureLayout, feature_layout
from dokunuki.errors import AttackError, DataFileError, damaged_file
from dokunuki.storage.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_WRITER = f"{__name__}.write_trigger"

_LARGEST = float(np.finfo(np.float32).max)

_FEATURE_SCHEMA = {
    "type": "object",
    "required": ["name", "index", "group", "kind", "value"],
    "properties": {
        "name": {"type": "string"},
        "index": {"type": "integer", "minimum": 0},
        "group": {"type": "string"},
        "kind": {"enum": list(KINDS)},
        "value": {"type": "number"},
        "reason": {"type": "object", "additionalProperties": {"type": ["number", "string"]}},
    },
    "additionalProperties": False,
}
_SCHEMA = {
    "type": "object",
    "required": ["attack", "label_flip", "surrogate", "seed", "features"],
    "oneOf": [{"required": ["feature_version"]}, {"required": ["layout"]}],
    "properties": {
        "attack": {"type": "string"},
        "parameters": {"type": "object"},
        "label_flip": {"type": "boolean"},
        "surrogate": {"type": "string"},
        "dataset": {"type": "string"},
        "seed": {"type": "integer"},
        "feature_version": {"enum": list(FEATURE_VERSIONS)},
        "layout": {"type": "string"},
        "size": {"type": "integer"},
        "features": {"type": "array", "minItems": 1, "items": _FEATURE_SCHEMA},
    },
    "additionalProperties": False,
}


@dataclass(frozen=True)
class TriggerFeature:
    """One column of a trigger: the raw value stamped into it and why the attack chose it.

    `index` is 0-based. `value` is in raw (not standardised) units. `reason` holds the figures that
    the attack ranked by; its keys are the attack's own.
    """

    name: str
    index: int
    group: str
    kind: str
    value: float
    reason: dict[str, float | str]


def trigger_feature(
    layout: FeatureLayout, column: int, value: float, reason: Mapping[str, float | str]
) -> TriggerFeature:
    """Describe column `column` of `layout` with the raw `value` chosen for it."""
    return TriggerFeature(
        name=layout.names[column],
        index=int(column),
        group=layout.group_of(int(column)),
        kind=layout.kinds[column],
        # Rows are float32: the shortest decimal that gives the same float32 reads 0.1 where the
        # exact one reads 0.10000000149011612.
        value=float(str(np.float32(value))),
        reason=dict(reason),
    )


@dataclass(frozen=True)
class Trigger:
    """A backdoor trigger of `size` features, in the order in which the attack chose them.

    `attack` names the attack, `parameters` its settings, `surrogate` the attacker's model,
    `dataset` the data set it was computed on, `layout` the columns of its rows. `label_flip` says
    whether the poisoned rows' labels are changed as well.
    """

    attack: str
    columns: tuple[TriggerFeature, ...]
    label_flip: bool
    surrogate: str
    seed: int
    parameters: dict[str, Any]
    layout: FeatureLayout
    dataset: str = ""

    @property
    def size(self) -> int:
        """The number of features, N."""
        return len(self.columns)

    @property
    def indices(self) -> np.ndarray:
        """The columns that the trigger sets, int64 (size,)."""
        return np.array([feature.index for feature in self.columns], dtype=np.int64)

    @property
    def values(self) -> np.ndarray:
        """The raw values that it sets them to, float32 (size,)."""
        return np.array([feature.value for feature in self.columns], dtype=np.float32)

    def prefix(self, size: int) -> Trigger:
        """The trigger of the first `size` features.

        All attacks here choose feature by feature, so this equals the trigger that the attack
        selects when asked for `size`. Raises AttackError unless 1 <= size <= self.size.
        """
        if not 1 <= size <= self.size:
            raise AttackError(
                f"a trigger of {self.size} features has no prefix of {size}: ask for 1 to "
                f"{self.size}, or select a longer trigger first"
            )
        return replace(self, columns=self.columns[:size])

    def stamp(self, X: np.ndarray) -> np.ndarray:
        """A copy of the raw rows X (n, width) in which every row carries the trigger.

        Raises AttackError when X is not a matrix of this trigger's layout.
        """
        width = self.layout.width
        if X.ndim != 2 or X.shape[1] != width:
            raise AttackError(
                f"a trigger of {self.layout.name} goes into rows of {width} columns, not into an "
                f"array of shape {X.shape}; give it rows of that layout"
            )
        stamped = X.copy()
        stamped[:, self.indices] = self.values
        return stamped


def write_trigger(path: str | Path, trigger: Trigger) -> None:
    """Write a trigger as JSON that a person can read; features stand in the order chosen.

    For an EMBER layout the file has the version, for another only the name. To make your own
    trigger file, build a Trigger and write it with this, since the file carries a checksum.
    """
    write_json(
        path,
        {
            "attack": trigger.attack,
            "parameters": trigger.parameters,
            "label_flip": trigger.label_flip,
            "surrogate": trigger.surrogate,
            "dataset": trigger.dataset,
            "seed": trigger.seed,
            **_named(trigger.layout),
            "size": trigger.size,
            "features": [asdict(feature) for feature in trigger.columns],
        },
    )


def _named(layout: FeatureLayout) -> dict[str, int | str]:
    """What a file says of a layout."""
    if layout.version is None:
        return {"layout": layout.name}
    return {"feature_version": layout.version}


def read_trigger(path: str | Path, layout: FeatureLayout | None = None) -> Trigger:
    """Read a trigger and check it against `layout`, by default that of its feature version.

    Raises DataFileError, naming file and key, when the file is missing, damaged or edited, misses a
    key, is of another layout, or when a feature's name, index, group and kind do not belong
    together.
    """
    content = _read_checked_json(path)
    if layout is None:
        if "layout" in content:
            raise damaged_file(
                path, f"has the layout {content['layout']!r}, which must be given to read it"
            )
        layout = feature_layout(content["feature_version"])
    if any(content.get(key) != value for key, value in _named(layout).items()):
        there = content.get("layout") or f"feature version {content['feature_version']}"
        raise damaged_file(path, f"sets features of {there}, but the rows are of {layout.name}")
    features = tuple(
        _checked_feature(path, f"features[{position}]", entry, layout)
        for position, entry in enumerate(content["features"])
    )
    names = [feature.name for feature in features]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise damaged_file(path, f"features: listed twice: {', '.join(repeated)}")
    if content.get("size", len(features)) != len(features):
        raise damaged_file(
            path, f"size: says {content['size']}, but {len(features)} features are listed"
        )
    return Trigger(
        attack=content["attack"],
        columns=features,
        label_flip=content["label_flip"],
        surrogate=content["surrogate"],
        seed=content["seed"],
        parameters=content.get("parameters", {}),
        layout=layout,
        dataset=content.get("dataset", ""),
    )


def _read_checked_json(path: str | Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except DataFileError as error:
        raise DataFileError(f"{error}; a trigger of your own is written by {_WRITER}") from error
    problem = jsonschema.exceptions.best_match(
        jsonschema.Draft202012Validator(_SCHEMA).iter_errors(content)
    )
    if problem is not None:
        key = problem.json_path.removeprefix("$").removeprefix(".") or "top level"
        raise damaged_file(path, f"{key}: {problem.message}")
    return content


def _checked_feature(
    path: str | Path, where: str, entry: dict[str, Any], layout: FeatureLayout
) -> TriggerFeature:
    name, index = entry["name"], entry["index"]
    if index >= layout.width or layout.names[index] != name:
        there = layout.names[index] if index < layout.width else "nothing"
        raise damaged_file(
            path,
            f"{where}: index {index} of {layout.name} is {there!r}, not {name!r}",
        )
    if abs(entry["value"]) > _LARGEST:
        raise damaged_file(
            path, f"{where}: value {entry['value']} of {name} is not a float32 number"
        )
    feature = trigger_feature(layout, index, entry["value"], entry.get("reason", {}))
    for key, right in (("group", feature.group), ("kind", feature.kind)):
        if entry[key] != right:
            raise damaged_file(path, f"{where}: {key} of {name} is {right!r}, not {entry[key]!r}")
    return feature
