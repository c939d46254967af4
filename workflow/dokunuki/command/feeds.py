"""What a feed is, told by its names: the entry of `datasets` that reads it."""

from pathlib import Path
from typing import Any

from dokunuki.corpus.release import release_files
from dokunuki.corpus.table_files import is_label_file, table_kind
from dokunuki.errors import ConfigError, CorpusError


def feed_entry(
    feed: Path,
    *,
    version: int | None = None,
    layout: Path | None = None,
    label: str | None = None,
    sample_id: str | None = None,
    labels: Path | None = None,
) -> dict[str, Any]:
    """The entry of a table, a release or a folder of programs, with absolute paths.

    `labels`, a CSV, makes a folder one of programs. Raises ConfigError for what does not go
    together, and CorpusError for a path that is none of these.
    """
    feed = feed.expanduser().absolute()
    entry: dict[str, Any] = {"path": str(feed), "title": feed.name}
    if version is not None:
        entry["version"] = version
    if labels is not None:
        if not labels.expanduser().is_file():
            raise ConfigError(
                f"--labels {labels}: no such file; name a CSV with path or sha256, and label"
            )
        entry |= {"kind": "programs", "labels": str(labels.expanduser().absolute())}
        if version is None:
            entry["version"] = 2
    elif _is_table(feed):
        entry["kind"] = "rows"
        if layout is not None:
            entry["layout"] = str(layout.expanduser().absolute())
        if label is not None:
            entry["label"] = _label(feed, label)
        if sample_id is not None:
            entry["id"] = sample_id
        return entry
    else:
        entry["kind"] = "ember"
    for option, value in (("--layout", layout), ("--label", label), ("--id", sample_id)):
        if value is not None:
            raise ConfigError(
                f"{option}: goes with a table, and {feed} is "
                f"{'a folder of programs' if labels is not None else 'a release of raw rows'}; "
                f"leave {option} out"
            )
    return entry


def _is_table(feed: Path) -> bool:
    """Whether a path holds feature vectors; a folder with raw rows of a release does not.

    Raises CorpusError where it holds neither.
    """
    if feed.is_file() and table_kind(feed):
        return True
    try:
        release_files(feed)
    except CorpusError:
        if feed.is_dir() and any(table_kind(file) for file in feed.iterdir() if file.is_file()):
            return True
        raise
    return False


def _label(feed: Path, label: str) -> str:
    """A file of labels by its full path, unless it lies beside the table; columns as they are."""
    near = (feed.parent if feed.is_file() else feed) / label
    if is_label_file(label) and not near.is_file() and Path(label).expanduser().is_file():
        return str(Path(label).expanduser().absolute())
    return label
