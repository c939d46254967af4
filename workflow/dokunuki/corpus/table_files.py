"""Which files are tables: told by names alone, since the workflow asks whenever it is parsed."""

from __future__ import annotations

from pathlib import Path

from dokunuki.errors import CorpusError

TABLE_KINDS = ("parquet", "pq", "feather", "arrow", "csv", "tsv", "npy", "npz", "h5", "hdf5")
"""The suffixes of files that are tables; those of text may be compressed."""

_COMPRESSED = ("gz", "bz2", "xz")
_TEXT_KINDS = ("csv", "tsv")
_LABEL_SUFFIXES = (".npy", ".csv", ".txt")


def table_kind(path: Path) -> str | None:
    """One of `TABLE_KINDS`, or None for a file that by its name is no table."""
    suffixes = path.name.lower().split(".")[1:]
    kind = next((suffix for suffix in reversed(suffixes) if suffix not in _COMPRESSED), "")
    is_packed = bool(suffixes) and suffixes[-1] in _COMPRESSED
    if kind not in TABLE_KINDS or (is_packed and kind not in _TEXT_KINDS):
        return None
    return kind


def table_files(path: str | Path) -> list[Path]:
    """The files of a dataset of own rows: the one given, or all tables of a folder, by name.

    Raises CorpusError when there is none, or when a folder holds tables of several kinds.
    """
    path = Path(path).expanduser()
    known = f"a table is a file that ends in {', '.join('.' + kind for kind in TABLE_KINDS)}"
    if path.is_file():
        if table_kind(path) is None:
            raise CorpusError(
                f"{path}: not a table of rows: {known}; for a release of raw rows set kind: ember"
            )
        return [path]
    if not path.is_dir():
        raise CorpusError(
            f"{path}: no such file or folder; give the path of your own rows: {known}"
        )
    inside = [file for file in sorted(path.iterdir()) if file.is_file() and table_kind(file)]
    labels = {label_file(file, None) for file in inside}
    files = [file for file in inside if file not in labels]
    if not files:
        raise CorpusError(f"{path}: the folder holds no table of rows: {known}")
    if len({table_kind(file) for file in files}) > 1:
        names = ", ".join(file.name for file in files[:3])
        raise CorpusError(
            f"{path}: the folder holds tables of several kinds ({names}); name the file that holds "
            "the rows"
        )
    return files


def is_label_file(label: str | None) -> bool:
    """Whether what a dataset calls its label is a file beside the table, and no column."""
    return label is not None and Path(label).suffix in _LABEL_SUFFIXES


def label_file(table: Path, label: str | None) -> Path | None:
    """The file of labels beside a table: the one named, or of a .npy one of a usual name.

    Raises CorpusError when the one named is not there. None where the labels are in the table.
    """
    if label is not None:
        if not is_label_file(label):
            return None
        given = Path(label).expanduser()
        near = table.parent / given
        for file in (near, given):
            if file.is_file():
                return file
        raise CorpusError(f"{near}: no such file; it must hold the labels of {table.name}")
    if table.suffix.lower() != ".npy":
        return None
    stem = table.stem
    usual = [f"y{stem[1:]}" if stem[:1] in "xX" else "y", f"{stem}_labels", f"{stem}_y", "labels"]
    files = (table.with_name(name + table.suffix) for name in usual)
    return next((file for file in files if file.is_file()), None)
