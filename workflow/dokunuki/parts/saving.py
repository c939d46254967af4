"""Fitted parts as files without pickle: safetensors for our own, text for LightGBM, skops else.

Reading such a file runs no code from it. Equal parts of our own give equal bytes; what skops writes
varies from run to run.
"""

from __future__ import annotations

import json
import math
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from dokunuki.corpus.layout import FeatureLayout
from dokunuki.corpus.layout_record import layout_from_record, layout_record
from dokunuki.errors import (
    ConfigError,
    DataFileError,
    DokunukiError,
    damaged_file,
)
from dokunuki.parts.building import load_class, path_of
from dokunuki.parts.estimator import unfrozen
from dokunuki.storage.files import atomic_write, verify_checksum, write_checksum
from dokunuki.storage.seals import check_seal
from dokunuki.storage.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_PACKAGE = "dokunuki"
# Types in scikit-learn's own fitted models that skops does not trust unasked.
_SKOPS_TRUSTED = (
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
)


def to_json(value: Any) -> Any:  # noqa: ANN401 - a parameter can be anything
    """A parameter as JSON; the layout as its record, an estimator as class and parameters.

    What JSON cannot hold becomes its `repr`: readable, not restorable.
    """
    if isinstance(value, FeatureLayout):
        return layout_record(value)
    value = unfrozen(value)
    if hasattr(value, "get_params"):
        return {"class": path_of(value), "parameters": parameters_of(value)}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if isinstance(value, str | int | float | None) else repr(value)


def parameters_of(part: Any) -> dict[str, Any]:  # noqa: ANN401 - any estimator
    """The constructor parameters of a scikit-learn style estimator, as JSON."""
    return {name: to_json(value) for name, value in part.get_params(deep=False).items()}


def _from_json(value: Any, compute: Mapping[str, Any]) -> Any:  # noqa: ANN401
    if isinstance(value, dict) and value.keys() in ({"feature_version"}, {"layout", "columns"}):
        return layout_from_record(value)
    if isinstance(value, dict) and value.keys() == {"class", "parameters"}:
        return _class_of(value["class"], ())(**_restored(value["parameters"], compute))
    return value


def _restored(parameters: Mapping[str, Any], compute: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters from JSON, nested ones too; what `compute` gives a value for is replaced."""
    restored = {name: _from_json(value, compute) for name, value in parameters.items()}
    replaced = {name: value for name, value in compute.items() if value is not None}
    return restored | {name: value for name, value in replaced.items() if name in restored}


def _class_of(class_path: str, trusted: Collection[str]) -> type:
    """A class that a file names: one of this package, or one that the caller trusts by name."""
    if class_path.partition(".")[0] != _PACKAGE and class_path not in trusted:
        raise DataFileError(
            f"the file names class {class_path}, which is not of this package; when you know "
            f"where the file comes from, load it with trusted={[class_path]!r}"
        )
    try:
        return load_class(class_path)
    except ConfigError as error:
        raise DataFileError(f"the file was written by another version: {error}") from error


class SavedAsTensors:
    """Mixin: `save` and `load` an estimator as one safetensors file with its settings inside.

    A subclass gives its fitted arrays, takes them back, and may add JSON facts of its fit.
    """

    file_suffix: ClassVar[str] = ".safetensors"

    def _fitted_arrays(self) -> dict[str, np.ndarray]:
        return {}

    def _fitted_facts(self) -> dict[str, Any]:
        return {}

    def _saved_parameters(self) -> dict[str, Any]:
        return parameters_of(self)

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        """Take back what `_fitted_arrays` and `_fitted_facts` gave."""

    def save(self, path: str | Path) -> None:
        """Write parameters and fitted state, atomically; the same fit gives the same bytes."""
        settings = {
            "class": path_of(self),
            "parameters": self._saved_parameters(),
            "fitted": self._fitted_facts(),
        }
        write_tensors(path, self._fitted_arrays(), settings)

    @classmethod
    def load(cls, path: str | Path, device: str | None = None, threads: int | None = None) -> Self:
        """Read what `save` wrote; `device` and `threads` replace those it was fitted with.

        Raises DataFileError when the file is missing, damaged or of another class.
        """
        arrays, settings = read_tensors(path)
        try:
            if settings["class"] != f"{cls.__module__}.{cls.__qualname__}":
                raise DataFileError(f"{path}: holds a {settings['class']}, not a {cls.__name__}")
            compute = {"device": device, "threads": threads}
            part = cls(**_restored(settings["parameters"], compute))
            part._restore(arrays, settings["fitted"])
        except (KeyError, TypeError, RuntimeError) as error:
            raise damaged_file(path, f"was written by another version ({error})") from error
        return part


class SavedWithParts(SavedAsTensors):
    """Mixin for an estimator that holds fitted parts of whatever classes: one file for them all.

    A subclass lists its parts and takes them back in the same order. Its parameter `estimator`,
    which they are copies of, is not kept: after `load` it is None.
    """

    def _fitted_parts(self) -> list[Any]:
        raise NotImplementedError

    def _restore_parts(self, parts: list[Any], facts: dict[str, Any]) -> None:
        """Take back what `_fitted_parts` and `_fitted_facts` gave."""
        raise NotImplementedError

    @classmethod
    def load(
        cls,
        path: str | Path,
        device: str | None = None,
        threads: int | None = None,
        trusted: Collection[str] = (),
    ) -> Self:
        """Read what `save` wrote; `trusted` as in `read_part`, for the parts.

        Raises DataFileError when the file is missing, damaged or of another class.
        """
        whole = super().load(path, device, threads)
        arrays, facts = whole.__dict__.pop("_packed")
        packed = [arrays[str(number)] for number in range(len(arrays))]
        whole._restore_parts([unpack_part(part, device, trusted) for part in packed], facts)
        return whole

    def _saved_parameters(self) -> dict[str, Any]:
        return super()._saved_parameters() | {"estimator": None}

    def _fitted_arrays(self) -> dict[str, np.ndarray]:
        return {str(number): pack_part(part) for number, part in enumerate(self._fitted_parts())}

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        self._packed = arrays, facts


class Saveable(Protocol):
    """A part that keeps itself in one file of its own format."""

    def save(self, path: str | Path) -> None:
        """Write the fitted part to `path`."""

    @classmethod
    def load(cls, path: str | Path, device: str | None = None) -> Self:
        """Read what `save` wrote."""


class LoadedBooster:
    """A LightGBM classifier as read from its text: enough to predict and to explain."""

    def __init__(self, booster: Any, classes: np.ndarray, threads: int) -> None:  # noqa: ANN401
        self.booster_ = booster
        self.classes_ = classes
        self.threads = threads

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of both classes, float64 (n, 2)."""
        malware = self.booster_.predict(X, num_threads=self.threads)
        return np.column_stack([1.0 - malware, malware])


def write_part(folder: Path, stem: str, part: Any) -> dict[str, Any]:  # noqa: ANN401
    """Write a fitted part into `folder`; the entry that `read_part` needs to read it back.

    Parts with `save` and `load` write one file themselves, LightGBM goes to text, all else
    through skops. Raises DokunukiError for a part that none of these can hold.
    """
    if hasattr(part, "save") and hasattr(type(part), "load"):
        name = stem + getattr(part, "file_suffix", ".model")
        entry: dict[str, Any] = {"format": "own", "file": name, "class": path_of(part)}
        part.save(folder / name)
    elif is_lightgbm(part):
        name = f"{stem}.txt"
        threads = getattr(part, "threads", None) or getattr(part, "n_jobs", None) or 1
        classes = np.asarray(part.classes_).tolist()
        entry = {"format": "lightgbm", "file": name, "classes": classes, "threads": threads}
        (folder / name).write_text(part.booster_.model_to_string(), encoding="utf-8")
    else:
        name = f"{stem}.skops"
        entry = {"format": "skops", "file": name}
        _write_skops(folder / name, part)
    if not isinstance(part, SavedAsTensors):
        write_checksum(folder / name)
    return entry


def read_part(
    folder: Path, entry: Mapping[str, Any], trusted: Collection[str], device: str | None
) -> Any:  # noqa: ANN401
    """The part that `write_part` wrote.

    `trusted` names classes outside this package (dotted paths) that may be loaded. Raises
    DataFileError for a missing or damaged file and for a class that nobody trusts.
    """
    path = folder / entry["file"]
    if path.parent != folder:
        raise DataFileError(
            f"{folder}: names a file outside this folder, {entry['file']!r}; save the detector "
            "again"
        )
    if not path.is_file():
        raise damaged_file(path, "no such file", folder)
    # Asked first, since LightGBM aborts the whole process on a damaged text.
    own = entry["format"] == "own" and _class_of(entry["class"], trusted)
    if own and issubclass(own, SavedAsTensors):
        check_seal(path, folder)
    else:
        verify_checksum(path, folder, required=True)
    return _load_part(path, entry, trusted, device)


def _load_part(
    path: Path, entry: Mapping[str, Any], trusted: Collection[str], device: str | None
) -> Any:  # noqa: ANN401
    if entry["format"] == "own":
        cls: Any = _class_of(entry["class"], trusted)
        if issubclass(cls, SavedWithParts):
            return cls.load(path, device=device, trusted=trusted)
        return cls.load(path, device=device)
    if entry["format"] == "lightgbm":
        import lightgbm

        booster = lightgbm.Booster(model_str=path.read_text(encoding="utf-8"))
        return LoadedBooster(booster, np.array(entry["classes"]), entry["threads"])
    return _read_skops(path, trusted)


def pack_part(part: Any) -> np.ndarray:  # noqa: ANN401
    """What `write_part` writes of a fitted part, uint8, to be an array of a part that holds it."""
    with tempfile.TemporaryDirectory() as folder:
        entry = write_part(Path(folder), "part", part)
        content = (Path(folder) / entry["file"]).read_bytes()
    header = json.dumps(entry, sort_keys=True).encode() + b"\n"
    return np.frombuffer(header + content, dtype=np.uint8)


def unpack_part(
    packed: np.ndarray, device: str | None = None, trusted: Collection[str] = ()
) -> Any:  # noqa: ANN401
    """The part that `pack_part` packed; classes of other packages as in `read_part`."""
    header, _, content = packed.tobytes().partition(b"\n")
    entry = json.loads(header)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(entry["file"]).name
        path.write_bytes(content)
        # The file that holds it was checked as a whole.
        return _load_part(path, entry, trusted, device)


def is_lightgbm(part: object) -> bool:
    """Whether it is a fitted LightGBM classifier; asked without importing LightGBM."""
    ours = isinstance(part, LoadedBooster)
    return ours or any(cls.__module__.startswith("lightgbm.") for cls in type(part).__mro__)


def _write_skops(path: Path, part: Any) -> None:  # noqa: ANN401
    import skops.io

    try:
        content = skops.io.dumps(part)
        unknown = set(skops.io.get_untrusted_types(data=content)) - set(_SKOPS_TRUSTED)
        # Read back at once: what skops writes, a lambda say, it cannot always read.
        skops.io.loads(content, trusted=[*_SKOPS_TRUSTED, *unknown])
    except Exception as error:  # skops raises whatever the object's own code raises
        raise _not_storable(part, str(error)) from error
    # A user's own part may hold types of its own package; whoever reads it must trust them.
    foreign = {
        name for name in unknown if name.partition(".")[0] != path_of(part).partition(".")[0]
    }
    if foreign:
        raise _not_storable(part, f"unknown types {', '.join(sorted(foreign))}")
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _not_storable(part: object, reason: str) -> DokunukiError:
    return DokunukiError(
        f"{path_of(part)} cannot be written without pickle ({reason}); give the class "
        "save(path) and load(path, device)"
    )


def _read_skops(path: Path, trusted: Collection[str]) -> Any:  # noqa: ANN401
    import skops.io

    allowed = {*_SKOPS_TRUSTED, *trusted}
    try:
        unknown = set(skops.io.get_untrusted_types(file=path)) - allowed
        if not unknown:
            return skops.io.load(path, trusted=sorted(allowed))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, ImportError) as error:
        raise damaged_file(path, f"damaged ({error})", path.parent) from error
    raise DataFileError(
        f"{path}: holds types that are not scikit-learn's or numpy's: {', '.join(sorted(unknown))};"
        " when you know where the file comes from, name them in `trusted`"
    )
