"""Classes by dotted path: how a classifier, a defence or an attack named in the config is made."""

from __future__ import annotations

import difflib
import gc
import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dokunuki.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType


class MissingPackageError(ConfigError):
    """A class cannot be imported since a package that it needs is not installed here."""


# Where a class takes the value under another name, as scikit-learn's and LightGBM's do.
_ALIASES = {"seed": "random_state", "threads": "n_jobs"}
# scikit-learn takes seeds below 2^32, LightGBM below 2^31.
_RANDOM_STATES = 2**31


def load_class(class_path: str) -> type:
    """The class at a dotted path, e.g. `sklearn.ensemble.RandomForestClassifier`.

    Raises ConfigError, with the nearest name, when the module or the class does not exist; an
    error inside the module (a package it needs is missing) is passed on by its name.
    """
    module_name, _, name = class_path.rpartition(".")
    if not module_name:
        raise ConfigError(
            f"{class_path!r} is not a dotted path to a class; write package.module.Class"
        )
    module = _load_module(module_name, class_path)
    if not hasattr(module, name):
        known = [other for other in dir(module) if not other.startswith("_")]
        raise ConfigError(
            f"{class_path}: module {module_name} has no {name!r}{_nearest(name, known)}"
        )
    found = getattr(module, name)
    if not isinstance(found, type):
        raise ConfigError(f"{class_path}: is a {type(found).__name__}, not a class")
    return found


def classes_of(entry: Any) -> list[str]:  # noqa: ANN401 - YAML
    """The dotted paths under `class` in an entry of the config, also deep in its parameters."""
    if isinstance(entry, Mapping):
        own = [entry["class"]] if isinstance(entry.get("class"), str) else []
        return own + [path for value in entry.values() for path in classes_of(value)]
    if isinstance(entry, list | tuple):
        return [path for value in entry for path in classes_of(value)]
    return []


def path_of(part: object) -> str:
    """The dotted path that `load_class` finds the class of `part` under."""
    return f"{type(part).__module__}.{type(part).__qualname__}"


def build(made: str | type, params: Mapping[str, Any], **context: Any) -> Any:  # noqa: ANN401
    """An instance of a class, or of the one at a dotted path, with `params` from the config.

    Of `context` (layout, seed, device, threads, precision, autoencoder, classifier) it gets what
    its constructor takes; `seed` goes to `random_state` and `threads` to `n_jobs` where it takes
    those. `params` win over the context. Raises ConfigError, naming the class, for a parameter
    that the class does not take (with the nearest that it does) and for one that it needs and is
    not given.
    """
    cls, class_path = (
        (load_class(made), made)
        if isinstance(made, str)
        else (made, f"{made.__module__}.{made.__qualname__}")
    )
    try:
        signature = inspect.signature(cls)
    except ValueError:  # some compiled classes have none
        raise ConfigError(
            f"{class_path}: its constructor cannot be inspected; wrap it in a class of your own"
        ) from None
    named = {
        name: parameter
        for name, parameter in signature.parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    for name in params:
        if name not in named and not takes_any:
            raise ConfigError(
                f"{class_path}: has no parameter {name!r}{_nearest(str(name), named)}"
            )
    arguments = {**_from_context(named, context), **params}
    for name, parameter in named.items():
        if name not in arguments and parameter.default is parameter.empty:
            raise ConfigError(f"{class_path}: needs parameter {name!r}, which is not given")
    return cls(**arguments)


def _from_context(named: Mapping[str, Any], context: Mapping[str, Any]) -> dict[str, Any]:
    arguments = {}
    for name, value in context.items():
        alias = _ALIASES.get(name, name)
        if name in named:
            arguments[name] = value
        elif alias in named:
            arguments[alias] = value % _RANDOM_STATES if name == "seed" else value
    return arguments


def _load_module(module_name: str, class_path: str) -> ModuleType:
    try:
        with _nothing_collected():
            return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name != missing and not module_name.startswith(f"{missing}."):
            raise MissingPackageError(
                f"{class_path}: importing {module_name} failed: no package {missing!r}; install it"
            ) from error
    parent, _, name = missing.rpartition(".")
    raise ConfigError(
        f"{class_path}: there is no module {missing}{_nearest(name, _siblings(parent))}"
    )


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Within the block, no garbage is looked for.

    What an import makes stays. To look through it time and again is a seventh of the import of
    torch, which is most of what a job takes to start.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _siblings(package_name: str) -> list[str]:
    if not package_name:
        return []
    package = importlib.import_module(package_name)
    return [module.name for module in pkgutil.iter_modules(getattr(package, "__path__", []))]


def _nearest(word: str, known: Iterable[str]) -> str:
    matches = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean {matches[0]!r}?" if matches else ""
