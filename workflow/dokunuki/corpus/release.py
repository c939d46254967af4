"""Finding out how an EMBER release lies on disk, and opening it.

Only names and first bytes are looked at before a release is opened: the workflow asks for its files
whenever it is parsed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dokunuki.corpus.jsonl import JsonlFiles
from dokunuki.corpus.memory_maps import PARTS, MemoryMaps
from dokunuki.corpus.naming import (
    ARCHIVE_SUFFIXES,
    LINES_SUFFIXES,
    check_types,
    is_ember,
    is_lines,
    is_weekly,
    is_weekly_zip,
    name_within,
)
from dokunuki.corpus.protocol import file_order
from dokunuki.corpus.streams import TAR, ZIP, content_of, head_of, is_compressed, readable
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dokunuki.corpus.protocol import Release

_LAYOUTS = (
    "a release is a folder of train_features_*.jsonl and test_features.jsonl; a folder of "
    "EMBER2024's zips or weekly files such as 2023-09-24_2023-09-30_Win32_train.jsonl; a .tar, "
    ".tar.gz, .tar.bz2, .tar.xz, .tar.zst or .zip of such files; one .jsonl, plain or compressed; "
    "or a folder of X_*.dat and y_*.dat memory maps"
)
# Folders within folders that weekly files are looked for in: a mistaken path, such as a home, is to
# be refused at once.
_WEEKLY_DEPTH = 3
_MAP_NAMES = tuple(f"{stem}_{part}.dat" for part in PARTS for stem in "Xy")


def release_files(path: str | Path, file_types: Sequence[str] | None = None) -> list[Path]:
    """The files that a release consists of, training files first.

    `path` may begin with ~. Raw features are preferred where memory maps lie beside them, and files
    with the names of EMBER's or EMBER2024's where there are others. One map stands for its folder;
    any other file stands for itself alone. Files of other types than `file_types` belong to the
    release too: their rows are counted. Raises CorpusError when `path` is missing, is an empty
    folder or is no release, and when it has no file of one of `file_types`.
    """
    path = _located(path)
    with readable(path):
        if path.is_file():
            files = _single(path)
        elif path.is_dir():
            files = _raw_files(path) or _map_files(path) or _own_files(path) or _refuse(path)
        else:
            raise CorpusError(
                f"{path}: no such file or folder; give the dataset's path: {_LAYOUTS}. Archives "
                "can be fetched: see docs/corpora.md"
            )
    check_types(path, files, file_types)
    return files


def open_release(
    path: str | Path,
    version: int,
    file_types: Sequence[str] | None = None,
    store: str | Path | None = None,
) -> Release:
    """Open a release of the declared feature version; raises CorpusError as `release_files`.

    `file_types` are those of EMBER2024's rows that are used; None for all programs for Windows.
    `store` is what `row_store.write_store` kept of a packed release, which then is not read itself.
    """
    # Imported late, since a store is HDF5 and the workflow's parsing is to stay light.
    from dokunuki.corpus.packed import JsonlContainers, JsonlStore

    if store:
        return JsonlStore(_located(path), version, store, file_types)
    files = release_files(path, file_types)
    if files[0].name in _MAP_NAMES:
        return MemoryMaps(files[0].parent, version)
    reader = JsonlContainers if any(map(_is_packed, files)) else JsonlFiles
    return reader(_located(path), version, files, file_types)


def is_packed(path: str | Path) -> bool:
    """Whether rows have no place of their own on disk; raises CorpusError as `release_files`."""
    files = release_files(path)
    return files[0].name not in _MAP_NAMES and any(map(_is_packed, files))


def _located(path: str | Path) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # nobody has the name behind the ~
        raise CorpusError(f"{path}: {error}; write the path out, or ./{path} for a name") from None


def _single(file: Path) -> list[Path]:
    if file.name in _MAP_NAMES:
        return _map_files(file.parent)
    known = file.name.endswith((*ARCHIVE_SUFFIXES, *LINES_SUFFIXES))
    head = head_of(file)
    if not (known or is_compressed(head) or content_of(head)):
        raise CorpusError(f"{file}: not an EMBER release: {_LAYOUTS}")
    return [file]


def _is_packed(file: Path) -> bool:
    head = head_of(file)
    return (
        is_compressed(head)
        or content_of(head) in (TAR, ZIP)
        # Whatever such a file holds, its reader can tell what is wrong with it.
        or file.name.endswith(ARCHIVE_SUFFIXES)
    )


def _raw_files(folder: Path) -> list[Path]:
    """Its raw features; those of EMBER2024 lie in zips, or in folders within it as zips unpack."""
    if found := _in_order(folder, (file for file in folder.iterdir() if is_ember(file.name))):
        return found
    zips = (file for file in folder.iterdir() if is_weekly_zip(file.name))
    weeks = (
        file
        for depth in range(_WEEKLY_DEPTH + 1)
        for file in folder.glob("*/" * depth + "*.jsonl*")
        if is_weekly(file.name)
    )
    return [*_in_order(folder, weeks), *_in_order(folder, zips)]


def _own_files(folder: Path) -> list[Path]:
    """Anybody's *.jsonl, where no file is named as EMBER names it."""
    return _in_order(folder, (file for file in folder.iterdir() if is_lines(file.name)))


def _in_order(folder: Path, files: Iterable[Path]) -> list[Path]:
    by_name: dict[str, Path] = {}
    for file in files:
        _check_file(file)
        other = by_name.setdefault(name_within(folder, file), file)
        if other != file:
            raise CorpusError(
                f"{file}: lies beside {other}, which has the same rows, or other rows under the "
                "same name; remove one of the two"
            )
    return [by_name[name] for name in sorted(by_name, key=file_order)]


def _check_file(file: Path) -> None:
    if not file.is_file():
        what = "a link to a file that is not there" if file.is_symlink() else "not a file"
        raise CorpusError(f"{file}: is {what}; fetch or copy it again, or remove it")


def _map_files(folder: Path) -> list[Path]:
    """The maps of the parts whose vectors are there, labels and metadata with them."""
    files = []
    for part in PARTS:
        vectors, labels = folder / f"X_{part}.dat", folder / f"y_{part}.dat"
        metadata = folder / f"{part}_metadata.csv"
        there = [file for file in (vectors, labels, metadata) if os.path.lexists(file)]
        if vectors not in there:
            continue
        if labels not in there:
            raise CorpusError(f"{labels}: no such file; {vectors.name} needs its labels beside it")
        for file in there:
            _check_file(file)
        files += there
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
    raise CorpusError(f"{folder}: there is no EMBER release here{hint}")
