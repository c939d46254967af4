"""What a stage of an audit hands to the next, as a file: the records of `results`, without pickle.

A record's arrays are HDF5's, and all else is JSON beside them. Only classes of `results` are read,
by name. The detectors of a fit are folders of their own, as `Detector.save` writes them.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.audit import results
from dokunuki.detector import Detector
from dokunuki.errors import damaged_file
from dokunuki.storage.arrays import open_arrays, read_array, write_arrays

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dokunuki.audit.results import Fit

_RECORD = "record"
_CLASSES: dict[str, Any] = {
    name: held for name, held in vars(results).items() if is_dataclass(held)
}


def write_record(path: str | Path, record: Any) -> None:  # noqa: ANN401
    """Write a record of `results`, a tuple of such, or None, atomically.

    Raises TypeError for anything else.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = _tree(record, arrays)
    write_arrays(path, {_RECORD: np.array(json.dumps(tree)), **arrays})


def read_record(path: str | Path) -> Any:  # noqa: ANN401
    """Read what `write_record` wrote; raises DataFileError when it is missing or damaged."""
    with open_arrays(path) as file:
        tree = json.loads(str(read_array(file, _RECORD)))
        arrays = {name: read_array(file, name) for name in file if name != _RECORD}
    try:
        return _value(tree, arrays)
    except (KeyError, TypeError) as error:
        raise damaged_file(path, f"not written by this version ({error})") from error


def write_fit(path: str | Path, folder: str | Path, fit: Fit | None) -> None:
    """Write a fit to `path`, and its detectors to folders in `folder`, which None leaves empty."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for fold, detector in enumerate(() if fit is None else fit.detectors):
        detector.save(folder / f"fold-{fold}")
    write_record(path, None if fit is None else replace(fit, detectors=()))


def read_fit(path: str | Path, folder: str | Path, device: str | None = None) -> Fit | None:
    """Read what `write_fit` wrote; the detectors are put on `device`."""
    fit: Fit | None = read_record(path)
    if fit is None:
        return None
    folders = (Path(folder) / f"fold-{fold}" for fold in range(int(fit.fold.max()) + 1))
    return replace(fit, detectors=tuple(Detector.load(one, device) for one in folders))


def _tree(value: Any, arrays: dict[str, np.ndarray]) -> Any:  # noqa: ANN401
    """The value as JSON holds it; its arrays go to `arrays`, and their names stand for them."""
    if isinstance(value, np.ndarray):
        name = f"array-{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, np.generic):
        return value.item()
    name = type(value).__name__
    if name in _CLASSES:
        told = {field.name: _tree(getattr(value, field.name), arrays) for field in fields(value)}
        return {name: told}
    if isinstance(value, dict):
        return {"dict": {key: _tree(held, arrays) for key, held in value.items()}}
    if isinstance(value, (tuple, list)):
        return [_tree(held, arrays) for held in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"{value!r} is no record of an audit")


def _value(tree: Any, arrays: Mapping[str, np.ndarray]) -> Any:  # noqa: ANN401
    if isinstance(tree, list):
        return tuple(_value(held, arrays) for held in tree)
    if not isinstance(tree, dict):
        return tree
    ((name, held),) = tree.items()
    if name == "array":
        return arrays[held]
    if name == "dict":
        return {key: _value(one, arrays) for key, one in held.items()}
    return _CLASSES[name](**{key: _value(one, arrays) for key, one in held.items()})
