"""Reads the data beside the generator: the YAML and CSV files of `data`, checked as they are read.

A file is read once, by the module that keeps what it holds. `#` begins a comment in CSV files too.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import yaml

from dokunuki.errors import ConfigError
from dokunuki.storage.yaml_text import load_yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

DATA = Path(__file__).parent / "data"

T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


def wrong(file: str, key: str, problem: str) -> ConfigError:
    """The error for what a key of a data file says."""
    return ConfigError(f"{DATA / file}: {key}: {problem}")


def check_names(file: str, key: str, names: Iterable[str], known: Collection[str]) -> None:
    """Refuse, at `key` of `file`, a name that is none of those known."""
    for name in names:
        if name not in known:
            raise wrong(file, key, f"{name!r} is unknown; known: {', '.join(known)}")


def read(file: str, kind: type[T]) -> T:
    """The content of a YAML file as a `kind` (a Struct of msgspec, or a type of builtins).

    Raises ConfigError, which names file and key, for what does not fit.
    """
    return _converted(_content(file), kind, file)


def read_entries(file: str, kind: type[T]) -> dict[str, T]:
    """The entries of a YAML file by name, in the order in which they stand, each as a `kind`.

    Raises as `read` does.
    """
    entries = _converted(_content(file), dict[str, Any], file)
    return {name: _converted(entry, kind, file, name) for name, entry in entries.items()}


def read_table(file: str, kind: type[S]) -> list[S]:
    """The rows of a CSV file, each as a `kind`, whose fields are the columns.

    Raises ConfigError, which names file, line and column, for what does not fit.
    """
    rows = []
    with _path(file).open(encoding="utf-8", newline="") as lines:
        numbered = [(i, line) for i, line in enumerate(lines, 1) if not line.startswith("#")]
    reader = csv.reader(line for _, line in numbered)
    columns = _columns(file, next(reader, []), kind.__struct_fields__)
    for (number, _), cells in zip(numbered[1:], reader, strict=True):
        place = f"line {number}"
        if len(cells) != len(columns):
            raise wrong(file, place, f"{len(cells)} cells, not {len(columns)}")
        row = dict(zip(columns, cells, strict=True))
        rows.append(_converted(row, kind, file, place, strict=False))
    return rows


def _columns(file: str, found: Sequence[str], wanted: Sequence[str]) -> Sequence[str]:
    if list(found) != list(wanted):
        raise wrong(file, "columns", f"{', '.join(found)}; they must be {', '.join(wanted)}")
    return found


def _path(file: str) -> Path:
    path = DATA / file
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; restore it: `git checkout -- {path}`")
    return path


def _content(file: str) -> Any:  # noqa: ANN401 - whatever YAML can say
    path = _path(file)
    try:
        return load_yaml(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from None


def _converted(
    content: object, kind: type[T], file: str, key: str | None = None, *, strict: bool = True
) -> T:
    try:
        return msgspec.convert(content, kind, strict=strict)
    except msgspec.ValidationError as error:
        place = f"{DATA / file}: {key}" if key is not None else str(DATA / file)
        raise ConfigError(f"{place}: {error}") from None
