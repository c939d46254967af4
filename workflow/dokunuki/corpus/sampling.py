"""The sample of an experiment: which rows train, test, and carry the trigger when measured."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.errors import CorpusError, damaged_file, missing_file
from dokunuki.seeding import generator
from dokunuki.storage.files import atomic_write, verify_checksum

if TYPE_CHECKING:
    from dokunuki.corpus.index import Index

ROLES = ("train", "test", "validation", "calibration", "clean")
_COLUMNS = ("position", "sha256", "label", "appeared", "role", "file", "line")
_SPLIT_LABELS = ("0", "1")


@dataclass(frozen=True)
class Split:
    """The rows drawn, role after role as in `ROLES`, each in the release's order.

    `positions` int64 (n,) are rows of the index; `label` int8 (n,), 0 goodware, 1 malware; `role`
    (n,) one of `ROLES`; `sha256`, `appeared`, `file` Unicode (n,) and `line` int64 (n,) repeat the
    index for the reader of the file.
    """

    positions: np.ndarray
    sha256: np.ndarray
    label: np.ndarray
    appeared: np.ndarray
    role: np.ndarray
    file: np.ndarray
    line: np.ndarray

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.positions)


def draw_sample(
    index: Index,
    rows: int,
    test_share: float,
    validation_malware: int,
    seed: int,
    calibration_rows: int = 0,
    clean_rows: int = 0,
) -> Split:
    """Draw `rows` rows, half goodware and half malware, and further validation malware.

    All files of the release are pooled, and unlabelled rows are left aside. The share `test_share`
    of each class goes to the test set. `calibration_rows` (to choose thresholds by) and
    `clean_rows` (trusted ones) are half goodware and half malware. They are drawn from what the
    others left, so that asking for them changes none of the others. All roles are disjoint. Rows
    keep the release's order within a role: in Severi et al.'s code ties between rare values go to
    the value met first. Same index and seed, same sample. Raises CorpusError when a class has too
    few rows, or when the test share leaves one side empty.
    """
    per_class = rows // 2
    further = (calibration_rows // 2, clean_rows // 2)
    tested = round(per_class * test_share)
    if rows % 2 or not 0 < tested < per_class or validation_malware < 0:
        raise CorpusError(
            f"a sample of {rows} rows with test share {test_share} and {validation_malware} "
            "validation malware cannot be drawn: sample.rows must be even and both train and test "
            "need rows of both classes; change sample.rows or sample.test_share"
        )
    candidates = [np.flatnonzero(index.label == label) for label in (0, 1)]
    needed = (per_class, per_class + validation_malware)
    _check_enough(tuple(map(len, candidates)), needed, validation_malware, sum(further))
    stream = generator(seed, "sample")
    goodware, malware = (
        stream.choice(rows_of_class, size=count, replace=False)
        for rows_of_class, count in zip(candidates, needed, strict=True)
    )
    stream = generator(seed, "sample", "further")
    left = [
        stream.permutation(np.setdiff1d(rows_of_class, drawn))
        for rows_of_class, drawn in zip(candidates, (goodware, malware), strict=True)
    ]
    calibrating, trusted = further
    roles = (
        np.concatenate([goodware[tested:], malware[tested:per_class]]),
        np.concatenate([goodware[:tested], malware[:tested]]),
        malware[per_class:],
        np.concatenate([rest[:calibrating] for rest in left]),
        np.concatenate([rest[calibrating : calibrating + trusted] for rest in left]),
    )
    positions = np.concatenate([np.sort(part) for part in roles]).astype(np.int64)
    return Split(
        positions=positions,
        sha256=np.array(index.sha256(positions), dtype=str),
        label=index.label[positions],
        appeared=index.appeared[positions],
        # By way of a list, which gives the dtype that reading the file gives.
        role=np.array(np.repeat(ROLES, [len(part) for part in roles]).tolist(), dtype=str),
        file=np.array(index.files, dtype=str)[index.file[positions]],
        line=index.line[positions],
    )


def _check_enough(
    available: tuple[int, ...], needed: tuple[int, int], validation_malware: int, further: int
) -> None:
    """`further` rows of each class are needed for calibration and as trusted ones."""
    goodware, malware = available
    if goodware >= needed[0] + further and malware >= needed[1] + further:
        return
    most = 2 * min(goodware - further, malware - validation_malware - further)
    others = ["sample.validation_malware"]
    others += ["sample.calibration_rows", "sample.clean_rows"] if further else []
    mend = (
        f"lower sample.rows to {most} at most"
        if most > 0
        else f"lower {', '.join(['sample.rows', *others[:-1]])} and {others[-1]}"
    )
    apart = f", {further} of each class for calibration and as clean rows" if further else ""
    raise CorpusError(
        f"the sample asks for {needed[0] + further} goodware and {needed[1] + further} malware "
        f"rows ({validation_malware} of them for validation{apart}), but the corpus has {goodware} "
        f"goodware and {malware} malware rows (duplicates, unlabelled and skipped rows apart); "
        f"{mend}, or give a larger release"
    )


def write_split(path: str | Path, split: Split) -> None:
    """Write a split as CSV with one row per sample, and its checksum beside it, atomically."""
    columns = (
        split.positions.tolist(),
        split.sha256.tolist(),
        split.label.tolist(),
        split.appeared.tolist(),
        split.role.tolist(),
        split.file.tolist(),
        split.line.tolist(),
    )
    with (
        atomic_write(path, checksum=True) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(zip(*columns, strict=True))


def read_split(path: str | Path) -> Split:
    """Read what `write_split` wrote; raises DataFileError that names file and line."""
    path = Path(path)
    if not path.is_file():
        raise missing_file(path)
    verify_checksum(path)
    rows: list[list[str]] = []
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        if tuple(next(reader, ())) != _COLUMNS:
            raise damaged_file(path, f"line 1: the columns are not {', '.join(_COLUMNS)}")
        for row in reader:
            line_number = f"line {reader.line_num}"
            if len(row) != len(_COLUMNS):
                raise damaged_file(path, f"{line_number}: not {len(_COLUMNS)} fields")
            position, _, label, _, role, _, line = row
            if not (position.isdecimal() and line.isdecimal()):
                raise damaged_file(path, f"{line_number}: position or line is no number")
            if label not in _SPLIT_LABELS or role not in ROLES:
                raise damaged_file(
                    path, f"{line_number}: label {label!r}, role {role!r} are unknown"
                )
            rows.append(row)
    columns: list[tuple[str, ...]] = list(zip(*rows, strict=True)) or [()] * len(_COLUMNS)
    positions, sha256, labels, appeared, roles, files, lines = columns
    return Split(
        positions=np.array(positions, dtype=np.int64),
        sha256=np.array(sha256, dtype=str),
        label=np.array(labels, dtype=np.int8),
        appeared=np.array(appeared, dtype=str),
        role=np.array(roles, dtype=str),
        file=np.array(files, dtype=str),
        line=np.array(lines, dtype=np.int64),
    )
