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
_FURTHER_COLUMNS = ("family", "week", "sample_id")
# A month, as EMBER 2017 and 2018 tell it, or a day, whose hour does not count.
_DATE = re.compile(r"(\d{4}-\d\d(?:-\d\d)?)(?:[T ].*)?")
_SPLIT_LABELS = ("0", "1")


@dataclass(frozen=True)
class Split:
    """The rows drawn, role after role as in `ROLES`, each in the release's order.

    `positions` int64 (n,) are rows of the index; `label` int8 (n,), 0 goodware, 1 malware; `role`
    (n,) one of `ROLES`; `sha256`, `appeared`, `file` Unicode (n,) and `line` int64 (n,) repeat the
    index for the reader of the file. So do `family` and `week`, Unicode (n,): what EMBER 2018 calls
    `avclass`, and a week's first day. `sample_id` is what own rows are called where that is no
    sha256. These three are empty where nothing tells them.
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
    sample_id: np.ndarray

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
    else of the week. Where some tell only a month, all are compared by months. Rows for calibration
    and clean rows move the cut only where it would leave too few of them.

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
        sample_id=np.full(len(positions), ""),
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
    ranks, dates = _dates(index, candidates)
    # By date, and rows of one date at random.
    orders = [np.lexsort((stream.permutation(len(rank)), rank)) for rank in ranks]
    earlier = [count - last for count, last in zip(needed, later, strict=True)]
    cut = _cut(
        [rank[order] for rank, order in zip(ranks, orders, strict=True)],
        [count + further for count in earlier],
        later,
        sum(earlier) / sum(needed),
    )
    if cut is None:
        raise CorpusError(
            f"sample.split: time finds no cut with {earlier[0] + further} goodware and "
            f"{earlier[1] + further} malware rows before it, and {later[0]} and {later[1]} after "
            f"it: in the corpus (from {dates[0]} to {dates[-1]}) the two classes come from periods "
            "that differ too much; lower sample.rows and sample.validation_malware, or set "
            "sample.split: random"
        )
    before, drawn = [], []
    for rows, order, place, count, last in zip(
        candidates, orders, cut, earlier, later, strict=True
    ):
        sides = np.sort(rows[order[:place]]), np.sort(rows[order[place:]])
        trained = stream.choice(sides[0], size=count, replace=False)
        measured = stream.choice(sides[1], size=last, replace=False)
        before.append(sides[0])
        drawn.append(np.insert(measured, later[0], trained))
    return (*drawn, *_left_over(before, drawn, seed))


def _dates(index: Index, candidates: _Classes) -> tuple[list[np.ndarray], list[str]]:
    """When rows of each class appeared, as positions in a list of dates that is sorted by time.

    Raises CorpusError where some rows do not tell it.
    """
    rows = np.concatenate(candidates)
    told = (_DATE.fullmatch(text) for text in index.dates)
    known = [*(found[1] if found else "" for found in told), *index.weeks]
    has_date = np.array([bool(text) for text in known])
    appeared = index.appeared[rows]
    which = np.where(has_date[appeared], appeared, len(index.dates) + index.week[rows])
    undated = np.flatnonzero(~has_date[which])
    if len(undated):
        position = rows[undated].min()
        (row,) = index.locations([position])
        raise CorpusError(
            f"sample.split: time needs a date for every labelled row, but {len(undated)} of "
            f"{len(rows)} have none, the first of them {row.file}:{row.line} (appeared: "
            f"{str(index.told('appeared', position))!r}; a date is written as 2017-11 or "
            "2017-11-30); add the dates (memory maps take them from the column appeared of their "
            "metadata), or set sample.split: random"
        )
    used = np.unique(which)
    length = min(len(known[number]) for number in used)
    dates, rank = np.unique([known[number][:length] for number in used], return_inverse=True)
    ranks = np.split(rank[np.searchsorted(used, which)], [len(candidates[0])])
    return ranks, dates.tolist()


def _cut(
    ranks: _Classes, earlier: Sequence[int], later: Sequence[int], share: float
) -> np.ndarray | None:
    """How many rows of each class, whose dates are in order, stand before the cut.

    At least `earlier` rows are before it and at least `later` after it; None where no cut does
    that. The cut leaves before it a share of all rows that is as near to `share` as can be.
    """
    dates = 1 + max(int(rank[-1]) for rank in ranks)
    # Rows of each class before each date, and in the end of all dates.
    before = np.array([np.searchsorted(rank, np.arange(dates + 1)) for rank in ranks])
    least = np.array(earlier)[:, None]
    most = before[:, -1:] - np.array(later)[:, None]
    wanted = share * before[:, -1].sum()
    between = np.flatnonzero(((before >= least) & (before <= most)).all(axis=0))
    if len(between):
        nearest = np.argmin(np.abs(before[:, between].sum(axis=0) - wanted))
        return np.asarray(before[:, between[nearest]])
    # The rows of one date have to be divided, each class as near to the share as it allows.
    low, high = np.maximum(before[:, :-1], least), np.minimum(before[:, 1:], most)
    divisible = np.flatnonzero((low <= high).all(axis=0))
    if not len(divisible):
        return None
    starts, ends = before[:, :-1], before[:, 1:]
    middles = (starts + ends).sum(axis=0)[divisible] / 2
    date = divisible[np.argmin(np.abs(middles - wanted))]
    rows = ends[:, date] - starts[:, date]
    part = (wanted - starts[:, date].sum()) / rows.sum()
    cut = np.rint(starts[:, date] + part * rows).astype(np.int64)
    return np.asarray(np.clip(cut, low[:, date], high[:, date]))


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
        f"goodware and {malware} malware rows (without duplicates, unlabelled and skipped ones); "
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
                    raise damaged_file(path, f"{line_number}: does not have {len(header)} fields")
                position, _, label, _, role, _, line = row[: len(_COLUMNS)]
                if not (position.isdecimal() and line.isdecimal()):
                    raise damaged_file(path, f"{line_number}: position or line is not a number")
                if label not in _SPLIT_LABELS or role not in ROLES:
                    raise damaged_file(
                        path, f"{line_number}: label {label!r}, role {role!r} are unknown"
                    )
                rows.append(row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise damaged_file(path, f"damaged or edited: not CSV in UTF-8 ({error})") from error
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
