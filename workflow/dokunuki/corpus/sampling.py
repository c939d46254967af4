"""The sample of an experiment: which rows train, test, and carry the trigger when measured."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dokunuki.errors import CorpusError, damaged_file, missing_file, unreadable_file
from dokunuki.seeding import generator
from dokunuki.storage.files import atomic_write, verify_checksum

if TYPE_CHECKING:
    from dokunuki.corpus.index import Index

ROLES = ("train", "test", "validation", "calibration", "clean")
_COLUMNS = ("position", "sha256", "label", "appeared", "role", "file", "line")
# Columns that follow where a row tells of them.
_FURTHER_COLUMNS = ("family", "week")
# A month, as EMBER 2017 and 2018 tell it, or a day.
_DATE = re.compile(r"\d{4}-\d\d(-\d\d)?")
_SPLIT_LABELS = ("0", "1")


@dataclass(frozen=True)
class Split:
    """The rows drawn, role after role as in `ROLES`, each in the release's order.

    `positions` int64 (n,) are rows of the index; `label` int8 (n,), 0 goodware, 1 malware; `role`
    (n,) one of `ROLES`; `sha256`, `appeared`, `file` Unicode (n,) and `line` int64 (n,) repeat the
    index for the reader of the file. So do `family` and `week`, Unicode (n,): what EMBER 2018 calls
    `avclass`, and a week's first day. They are empty where the release does not tell them.
    """

    positions: np.ndarray
    sha256: np.ndarray
    label: np.ndarray
    appeared: np.ndarray
    role: np.ndarray
    file: np.ndarray
    line: np.ndarray
    family: np.ndarray
    week: np.ndarray

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
    split: str = "random",
) -> Split:
    """Draw `rows` rows, half goodware and half malware, and further validation malware.

    All files of the release are pooled, and unlabelled rows are left aside. The share `test_share`
    of each class goes to the test set. `calibration_rows` (to choose thresholds by) and
    `clean_rows` (trusted ones) are half goodware and half malware. They are drawn from what the
    others left, so that asking for them changes none of the others. All roles are disjoint. Rows
    keep the release's order within a role: in Severi et al.'s code ties between rare values go to
    the value met first. Same index and seed, same sample.

    `split` "time" draws test rows and validation malware, of both classes, from the time after a
    cut, and all others from the time before it. The cut leaves later the same share of the corpus
    as of the sample, as nearly as both classes allow. It lies between two dates; where no such cut
    leaves enough rows, the rows of one date are divided at random. A date is the one of `appeared`,
    else of the week. Where some tell only a month, all are compared by months.

    Raises CorpusError when a class has too few rows, also on one side of the cut, when the test
    share leaves one side empty, and for rows without a date where time decides.
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
    draw = {"random": _at_random, "time": _by_time}[split]
    goodware, malware, *left = draw(
        index, candidates, (tested, tested + validation_malware), needed, sum(further), seed
    )
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
        appeared=index.told("appeared", positions),
        # By way of a list, which gives the dtype that reading the file gives.
        role=np.array(np.repeat(ROLES, [len(part) for part in roles]).tolist(), dtype=str),
        file=index.told("file", positions),
        line=index.line[positions],
        family=index.told("avclass", positions),
        week=index.told("week", positions),
    )


# Rows of each class, in the order of the labels. Drawn goodware is `tested` test rows, then
# training rows; malware likewise, then validation malware.
_Classes = Sequence[np.ndarray]


def _at_random(
    index: Index,
    candidates: _Classes,
    later: tuple[int, int],
    needed: tuple[int, int],
    further: int,
    seed: int,
) -> tuple[np.ndarray, ...]:
    """Goodware and malware drawn, and what is left of each in the order it is drawn further."""
    del index, later, further
    stream = generator(seed, "sample")
    drawn = tuple(
        stream.choice(rows, size=count, replace=False)
        for rows, count in zip(candidates, needed, strict=True)
    )
    return drawn + _left_over(candidates, drawn, seed)


def _left_over(candidates: _Classes, drawn: _Classes, seed: int) -> tuple[np.ndarray, ...]:
    stream = generator(seed, "sample", "further")
    return tuple(
        stream.permutation(np.setdiff1d(rows, taken))
        for rows, taken in zip(candidates, drawn, strict=True)
    )


def _by_time(
    index: Index,
    candidates: _Classes,
    later: tuple[int, int],
    needed: tuple[int, int],
    further: int,
    seed: int,
) -> tuple[np.ndarray, ...]:
    """As `_at_random`, but the `later` rows of each class are from the time after a cut.

    What is left over is of the time before it: the defender collected it with the training rows.
    """
    stream = generator(seed, "sample", "time")
    rows = np.concatenate(candidates)
    rank, dates = _dates(index, rows)
    # By date, and rows of one date at random.
    order = np.lexsort((stream.permutation(len(rows)), rank))
    earlier = [count - last + further for count, last in zip(needed, later, strict=True)]
    cut = _cut(index.label[rows[order]], rank[order], earlier, later)
    if cut is None:
        raise CorpusError(
            f"sample.split: time finds no cut with {earlier[0]} goodware and {earlier[1]} malware "
            f"rows before it, and {later[0]} and {later[1]} after it: in the corpus (from "
            f"{dates[0]} to {dates[-1]}) the classes are of too different times; lower sample.rows "
            "and sample.validation_malware, or say sample.split: random"
        )
    before, after = (
        [np.sort(side[index.label[side] == label]) for label in (0, 1)]
        for side in (rows[order[:cut]], rows[order[cut:]])
    )
    trained = [
        stream.choice(part, size=count - further, replace=False)
        for part, count in zip(before, earlier, strict=True)
    ]
    last = [
        stream.choice(part, size=count, replace=False)
        for part, count in zip(after, later, strict=True)
    ]
    tested = later[0]
    drawn = tuple(
        np.concatenate([of_class[:tested], trained_on, of_class[tested:]])
        for of_class, trained_on in zip(last, trained, strict=True)
    )
    return drawn + _left_over(before, trained, seed)


def _dates(index: Index, rows: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """When rows appeared, as positions int64 (n,) in a list of dates that is sorted by time.

    Raises CorpusError where some rows do not tell it.
    """
    known = [*(text if _DATE.fullmatch(text) else "" for text in index.dates), *index.weeks]
    has_date = np.array([bool(text) for text in known])
    appeared = index.appeared[rows]
    which = np.where(has_date[appeared], appeared, len(index.dates) + index.week[rows])
    undated = np.flatnonzero(~has_date[which])
    if len(undated):
        position = rows[undated.min()]
        (row,) = index.locations([position])
        raise CorpusError(
            f"sample.split: time needs a date of every labelled row, but {len(undated)} of "
            f"{len(rows)} tell none, the first of them {row.file}:{row.line} (appeared: "
            f"{str(index.told('appeared', position))!r}; a date is written as 2017-11 or "
            "2017-11-30); add the dates (memory maps take them from the column appeared of their "
            "metadata), or say sample.split: random"
        )
    used = np.unique(which)
    length = min(len(known[number]) for number in used)
    dates, rank = np.unique([known[number][:length] for number in used], return_inverse=True)
    return rank[np.searchsorted(used, which)], dates.tolist()


def _cut(
    label: np.ndarray, rank: np.ndarray, earlier: Sequence[int], later: Sequence[int]
) -> int | None:
    """How many of the rows, which are ordered by time, stand before the cut; None where none can.

    At least `earlier` rows of each class are before it, at least `later` rows after it.
    """
    first, last = 0, len(label)
    for value, (most, least) in enumerate(zip(earlier, later, strict=True)):
        places = np.flatnonzero(label == value)
        first = max(first, int(places[most - 1]) + 1)
        last = min(last, int(places[len(places) - least]))
    if first > last:
        return None
    wanted = round(len(label) * sum(earlier) / (sum(earlier) + sum(later)))
    # Between two dates where that is possible: rows of one date would be on both sides else.
    changes = np.flatnonzero(np.diff(rank)) + 1
    changes = changes[(changes >= first) & (changes <= last)]
    if len(changes):
        return int(changes[np.argmin(np.abs(changes - wanted))])
    return min(max(wanted, first), last)


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
    further = {name: getattr(split, name) for name in _FURTHER_COLUMNS}
    told = {name: values for name, values in further.items() if values.astype(bool).any()}
    columns = (
        split.positions.tolist(),
        split.sha256.tolist(),
        split.label.tolist(),
        split.appeared.tolist(),
        split.role.tolist(),
        split.file.tolist(),
        split.line.tolist(),
        *(values.tolist() for values in told.values()),
    )
    with (
        atomic_write(path, checksum=True) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*_COLUMNS, *told])
        writer.writerows(zip(*columns, strict=True))


def read_split(path: str | Path) -> Split:
    """Read what `write_split` wrote; raises DataFileError that names file and line."""
    path = Path(path)
    if not path.is_file():
        raise missing_file(path)
    verify_checksum(path)
    rows: list[list[str]] = []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            reader = csv.reader(stream)
            header = tuple(next(reader, ()))
            further = header[len(_COLUMNS) :]
            if header[: len(_COLUMNS)] != _COLUMNS or not set(further) <= set(_FURTHER_COLUMNS):
                raise damaged_file(path, f"line 1: the columns are not {', '.join(_COLUMNS)}")
            for row in reader:
                line_number = f"line {reader.line_num}"
                if len(row) != len(header):
                    raise damaged_file(path, f"{line_number}: not {len(header)} fields")
                position, _, label, _, role, _, line = row[: len(_COLUMNS)]
                if not (position.isdecimal() and line.isdecimal()):
                    raise damaged_file(path, f"{line_number}: position or line is no number")
                if label not in _SPLIT_LABELS or role not in ROLES:
                    raise damaged_file(
                        path, f"{line_number}: label {label!r}, role {role!r} are unknown"
                    )
                rows.append(row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise damaged_file(path, f"damaged or edited, no CSV in UTF-8 ({error})") from error
    except OSError as error:
        raise unreadable_file(path, error) from error
    columns: list[tuple[str, ...]] = list(zip(*rows, strict=True)) or [()] * len(header)
    positions, sha256, labels, appeared, roles, files, lines = columns[: len(_COLUMNS)]
    told = {name: ("",) * len(rows) for name in _FURTHER_COLUMNS}
    told |= dict(zip(further, columns[len(_COLUMNS) :], strict=True))
    return Split(
        positions=np.array(positions, dtype=np.int64),
        sha256=np.array(sha256, dtype=str),
        label=np.array(labels, dtype=np.int8),
        appeared=np.array(appeared, dtype=str),
        role=np.array(roles, dtype=str),
        file=np.array(files, dtype=str),
        line=np.array(lines, dtype=np.int64),
        **{name: np.array(values, dtype=str) for name, values in told.items()},
    )
