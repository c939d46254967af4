"""Every entry of the catalogue, small enough to be fitted at once, and what it is fitted on.

`DOKUNUKI_CATALOGUE=my/folder pytest tests/contract` adds the entries of a folder of one's own;
several have a colon between them. Their classes must be importable, by PYTHONPATH say.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from dokunuki.corpus.layout import feature_layout
from dokunuki.errors import DokunukiError
from dokunuki.parts.building import MissingPackageError, build, classes_of, load_class
from dokunuki.parts.standardising import Standardiser
from dokunuki.study.catalogue import KINDS, read_yaml
from dokunuki.study.configuration import load_config
from dokunuki.victims.compute import Compute
from loud_poison import loud_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[2]
# Its histograms stand in the middle: nothing passes here that takes them for the first columns.
# Unit tests are of version 1.
LAYOUT = feature_layout(3)
COMPUTE = Compute("cpu", 1)
SEED = 3

# What cannot be had of a class, by its nature: {dotted path: {test: reason}}.
CANNOT = {
    "lightgbm.LGBMClassifier": {
        "unknown parameter": "it hands every keyword on to its C++ core, which has hundreds",
    },
}

# The most that a number of this name may be, in an entry or in a mapping among its parameters.
# A list of widths, and what stands for one, becomes a single width.
_MOST = {
    "code": 4,
    "columns": 16,
    "epochs": 2,
    "folds": 2,
    "groups": 2,
    "hidden": 8,
    "n_components": 4,
    "n_estimators": 5,
    "partitions": 3,
    "probes": 8,
    "rounds": 2,
    "trees": 5,
    "values": 2,
}
# How an error says what to do.
_MEND = (
    r"\b(needs?|needed|at least|must be|cannot be fitted on|give|lower|raise|set|leave|ask for)\b"
)
# What takes seconds by the width of the rows, however few they are.
_INSTEAD = {"covariance_eigh": "full"}


def _smaller(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _smaller(key, held) for key, held in value.items()}
    if name == "hidden" and isinstance(value, str | list | tuple):
        return [_MOST[name]]
    if isinstance(value, str):
        return _INSTEAD.get(value, value)
    counts = isinstance(value, int) and not isinstance(value, bool)
    return min(value, _MOST[name]) if counts and name in _MOST else value


def _small(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry whose parameters, those that it leaves to its class among them, are small."""
    try:
        parameters = inspect.signature(load_class(entry["class"])).parameters
    except MissingPackageError:
        return entry  # its tests are skipped
    defaults = {name: held.default for name, held in parameters.items() if name in _MOST}
    params = {**defaults, **entry["params"]}
    return entry | {"params": {name: _smaller(name, value) for name, value in params.items()}}


def _configuration() -> dict[str, Any]:
    folders = [folder for folder in os.environ.get("DOKUNUKI_CATALOGUE", "").split(":") if folder]
    raw = read_yaml(REPOSITORY / "config.yaml") | {"catalogue": folders}
    config = load_config(raw, REPOSITORY / "workflow")
    for kind in KINDS:
        for name, entry in config[kind].items():
            config[kind][name] = _small(entry) if "class" in entry else entry
    return config


CONFIG = _configuration()


def of_every(kind: str, *, steps: bool = True) -> Any:
    """Parametrise a test by the names of a kind's entries, without those of several steps."""
    names = [name for name, entry in CONFIG[kind].items() if steps or "class" in entry]
    return pytest.mark.parametrize("name", names)


def toy_rows(rows: int = 60, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Raw rows, labels, and which are poisoned: flipped malware with a trigger.

    The columns that tell the classes apart lie in all regions. Every call gives memory of its own:
    a part that overwrites its rows must not fail the tests of others.
    """
    X, y, poison = _toy_rows(rows, seed)
    return X.copy(), y.copy(), poison.copy()


@cache
def _toy_rows(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    informative = np.concatenate(
        [LAYOUT.undefended[:40], LAYOUT.non_hashed[8:], LAYOUT.attackable[-40:]]
    )
    trigger = LAYOUT.non_hashed[:4]
    X, y, poison = loud_rows(seed, rows, LAYOUT.width, trigger, rows // 12, True, informative)
    # A few values a column, as counts and flags have.
    return X.round(1), y, poison


def standardised() -> np.ndarray:
    """The rows of `toy_rows` in their own units, likewise."""
    X, _, _ = toy_rows()
    return Standardiser().fit(X).transform(X)


def few_rows() -> Iterator[tuple[np.ndarray, ...]]:
    """Rows, labels and poison, raw: none, one, one and two of each class, then a single class."""
    X, y, poison = toy_rows()
    goodware, malware = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
    for g, m in ((0, 0), (1, 0), (1, 1), (2, 2), (20, 0), (0, 20)):
        chosen = np.concatenate([goodware[:g], malware[:m]])
        yield X[chosen], y[chosen], poison[chosen]


@contextmanager
def unchanged(*arrays: np.ndarray) -> Iterator[None]:
    """The arrays hold the same bytes before and after."""
    before = [array.copy() for array in arrays]
    yield
    for array, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)


@contextmanager
def says_clearly(*made_of: Any) -> Iterator[None]:
    """What cannot be done is said in an error of ours that names a class, and how to mend it.

    `made_of` are the specs and parts that are tried. A class of another package may say it in its
    own words, as long as it does so by scikit-learn's ValueError.
    """
    paths = [path for entry in made_of for path in classes_of(entry)]
    paths += [value for entry in made_of for value in _texts(entry) if value.count(".") > 1]
    names = {path.rpartition(".")[2] for path in paths} | {"detector"}
    foreign = any(not path.startswith("dokunuki.") for path in classes_of(list(made_of)))
    try:
        yield
    except DokunukiError as error:
        text = str(error)
        # What a part is made of says what it is by a part of the class's name.
        first = re.split(r"\W", text)[0]
        assert any(name in text or first in name for name in names), text
        assert re.search(_MEND, text), text
    except ValueError as error:
        if not foreign:
            raise AssertionError(f"a bare {type(error).__name__}: {error}") from error


def _texts(entry: Any) -> Iterator[str]:
    if isinstance(entry, Mapping):
        for value in entry.values():
            yield from _texts(value)
    elif isinstance(entry, list | tuple):
        for value in entry:
            yield from _texts(value)
    elif isinstance(entry, str):
        yield entry


def made(spec: Mapping[str, Any], seed: int = SEED, **context: Any) -> Any:
    """The part of a spec (class, params), not fitted; the test is skipped without its package."""
    given = {"layout": LAYOUT, "device": "cpu", "threads": 1, "precision": "float32", "seed": seed}
    try:
        return build(spec["class"], spec["params"], **given, **context)
    except MissingPackageError as error:
        pytest.skip(str(error))


def names_an_unknown_parameter(spec: Mapping[str, Any], **context: Any) -> None:
    """A parameter that its class does not have is refused, and named with the class."""
    path = spec["class"]
    reason = CANNOT.get(path, {}).get("unknown parameter")
    if reason is not None:
        pytest.skip(f"{path}: {reason}")
    with pytest.raises(DokunukiError, match=rf"{re.escape(path)}: has no parameter 'paramter'"):
        made({**spec, "params": {**spec["params"], "paramter": 1}}, **context)


def has_equal_parameters(part: Any) -> None:
    """scikit-learn's clone of a part has its parameters, and not its fit."""
    from sklearn.base import clone

    from dokunuki.parts.saving import parameters_of

    copy = clone(part)
    assert type(copy) is type(part)
    assert copy is not part
    assert parameters_of(copy) == parameters_of(part)
    assert not [name for name in vars(copy) if name.endswith("_") and not name.startswith("_")]


def are_the_same_bytes(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> None:
    for a, b in zip(one, other, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.tobytes() == b.tobytes()
