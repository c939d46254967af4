"""Finding out how an EMBER release lies on disk, and opening it.

Only names are looked at before a release is opened: the workflow asks for its files whenever it
is parsed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dokunuki.corpus.jsonl import RAW_FILE, JsonlArchive, JsonlFolder
from dokunuki.corpus.memory_maps import PARTS, MemoryMaps
from dokunuki.corpus.protocol import file_order
from dokunuki.corpus.weekly import weekly_name
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.corpus.protocol import Release

ARCHIVE_SUFFIXES = (".tar.bz2", ".tbz2", ".tbz")
_LAYOUTS = (
    "a release is a folder of train_features_*.jsonl and test_features.jsonl, the published "
    ".tar.bz2, a folder of EMBER2024's weekly files such as "
    "2023-09-24_2023-09-30_Win32_train.jsonl, or a folder of X_*.dat and y_*.dat memory maps"
)


def release_files(path: str | Path) -> list[Path]:
    """The files that a release consists of, training files first.

    Raises CorpusError when `path` is missing, is an empty folder or is no release. Raw features
    are preferred where memory maps lie beside them.
    """
    path = Path(path)
    if path.is_file():
        if not path.name.endswith(ARCHIVE_SUFFIXES):
            raise CorpusError(f"{path}: no EMBER release: {_LAYOUTS}")
        return [path]
    if not path.is_dir():
        raise CorpusError(
            f"{path}: no such file or folder; give the dataset's path: {_LAYOUTS}. Archives can be "
            "fetched: see docs/corpora.md"
        )
    return _raw_files(path) or _map_files(path) or _refuse(path)


def open_release(
    path: str | Path, version: int, file_types: Sequence[str] | None = None
) -> Release:
    """Open a release of the declared feature version; raises CorpusError as `release_files`.

    `file_types` are those of EMBER2024's rows that are used; None for all programs for Windows.
    """
    path = Path(path)
    files = release_files(path)
    if path.is_file():
        return JsonlArchive(path, version, file_types)
    if _raw_files(path):
        return JsonlFolder(path, version, files, file_types)
    return MemoryMaps(path, version)


def _raw_files(folder: Path) -> list[Path]:
    """Its raw features; those of EMBER2024 may lie in folders within it, as zips unpack."""
    found = [file for file in folder.iterdir() if RAW_FILE.fullmatch(file.name)]
    if not found:
        found = [file for file in folder.rglob("*.jsonl") if weekly_name(file.name)]
    return sorted(found, key=lambda file: file_order(file.relative_to(folder).as_posix()))


def _map_files(folder: Path) -> list[Path]:
    """The maps of the parts whose vectors are there, labels and metadata with them."""
    files = []
    for part in PARTS:
        vectors, labels = folder / f"X_{part}.dat", folder / f"y_{part}.dat"
        if not vectors.is_file():
            continue
        if not labels.is_file():
            raise CorpusError(f"{labels}: no such file; {vectors.name} needs its labels beside it")
        metadata = folder / f"{part}_metadata.csv"
        files += [vectors, labels, *([metadata] if metadata.is_file() else [])]
    return files


def _refuse(folder: Path) -> list[Path]:
    inside = sorted(folder.iterdir())
    if not inside:
        raise CorpusError(f"{folder}: the folder is empty; {_LAYOUTS}")
    nearer = [
        child
        for child in inside
        if child.name.endswith(ARCHIVE_SUFFIXES) or (child.is_dir() and _raw_files(child))
    ]
    hint = f"; did you mean {nearer[0]}?" if nearer else f": {_LAYOUTS}"
    raise CorpusError(f"{folder}: no EMBER release lies here{hint}")
