"""Writing a simulated corpus: from a specification to the files of an EMBER release.

Every row is a pure function of the specification and its own number, so the same specification
gives the same bytes with any number of worker processes, and nothing but the rows in work is held
in memory.
"""

from __future__ import annotations

import calendar
import csv
import hashlib
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from dokunuki.corpus.layout import FEATURE_VERSIONS
from dokunuki.errors import ConfigError
from dokunuki.progress import Progress
from dokunuki.seeding import generator
from dokunuki.storage.files import atomic_write
from simember import version3
from simember.families import HABITS, Family, draw_family, popularity
from simember.program import Program, draw_program
from simember.variant import draw_variant

if TYPE_CHECKING:
    from collections.abc import Iterator

TRAIN_FILES = 6
TEST_SHARE = 0.2
_FILES = (*(f"train_features_{i}" for i in range(TRAIN_FILES)), "test_features")
_CHUNK = 250  # rows that one worker makes at a time
_METADATA_COLUMNS = ("sha256", "file", "label", "family", "variant", "archetype", "packaging")


@dataclass(frozen=True)
class SimulatedSpec:
    """What to simulate; the defaults make a corpus as difficult as EMBER.

    `rows`: number of rows, a fifth of them in the test file. `malware_share`: share of label 1 in
    every file. `families`: number of malware families. `vendors`: number of goodware vendors
    (product lines). `variants`: code bases per family; rows of the same code base are
    near-duplicates. `overlap`: chance that a group of a family's traits (archetype, behaviour,
    content, provenance) follows the other class. `seed`: same seed, same bytes. `version`: feature
    version of EMBER, 1, 2 or 3 (the same world seven years later).
    """

    rows: int = 10_000
    malware_share: float = 0.5
    families: int = 700
    vendors: int = 1100
    variants: int = 4
    overlap: float = 0.005
    seed: int = 0
    version: int = 1

    def __post_init__(self) -> None:
        for name, least in (("rows", 1), ("families", 1), ("vendors", 1), ("variants", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"simulated corpus: {name} must be at least {least}")
        for name in ("malware_share", "overlap"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"simulated corpus: {name} must be between 0 and 1")
        if self.version not in FEATURE_VERSIONS:
            known = ", ".join(map(str, FEATURE_VERSIONS))
            raise ConfigError(
                f"simulated corpus: version {self.version} is unknown; known: {known}"
            )


class SimulatedRow(NamedTuple):
    """A row in EMBER's raw form, and what it was made from."""

    row: dict[str, Any]
    metadata: tuple[str | int, ...]


@lru_cache(maxsize=8)
def _cumulated(number: int) -> np.ndarray:
    return np.cumsum(popularity(number))


def _drawn(cumulated: np.ndarray, rng: np.random.Generator) -> int:
    return min(int(np.searchsorted(cumulated, rng.random())), len(cumulated) - 1)


@lru_cache(maxsize=4096)
def _family(seed: int, label: int, index: int, number: int, overlap: float) -> Family:
    return draw_family(seed, label, index, number, overlap)


@lru_cache(maxsize=2048)
def _program(
    seed: int, label: int, index: int, number: int, overlap: float, variant: int
) -> Program:
    return draw_program(seed, _family(seed, label, index, number, overlap), variant)


@lru_cache(maxsize=16)
def _labels(seed: int, file: int, rows: int, share: float) -> np.ndarray:
    labels = np.zeros(rows, dtype=np.int8)
    labels[: round(rows * share)] = 1
    return generator(seed, "labels", file).permutation(labels)


def file_rows(rows: int) -> tuple[int, ...]:
    """Rows in `train_features_0` to `train_features_5` and in `test_features`."""
    test = round(rows * TEST_SHARE)
    train = rows - test
    return (*(train // TRAIN_FILES + (i < train % TRAIN_FILES) for i in range(TRAIN_FILES)), test)


def _appeared(rng: np.random.Generator, file: int) -> tuple[int, int]:
    """Year and month; the release is ordered by time, its test file is the end of 2017."""
    if file == 0:
        return (2016, int(rng.integers(1, 13)))
    if file == TRAIN_FILES:
        return (2017, int(rng.integers(11, 13)))
    return (2017, 2 * file - 1 + int(rng.integers(0, 2)))


def draw_row(spec: SimulatedSpec, number: int, file: int, label: int) -> SimulatedRow:
    """The row `number` of the corpus, which stands in `file` (0 to 5 train, 6 test)."""
    rng = generator(spec.seed, "row", number)
    families = spec.families if label else spec.vendors
    index = _drawn(_cumulated(families), rng)
    variant = _drawn(_cumulated(spec.variants), rng)
    program = _program(spec.seed, label, index, families, spec.overlap, variant)
    family = program.family
    near = rng.random() < HABITS.near[label]
    change = float(10 ** rng.uniform(-5, -2) if near else rng.beta(1.2, 4.0) * 0.5)
    year, month = _appeared(rng, file)
    last_day = calendar.timegm((year, month, calendar.monthrange(year, month)[1], 0, 0, 0))

    identity = f"{spec.seed}/{spec.version}/{number}".encode()
    row: dict[str, Any] = {"sha256": hashlib.sha256(identity).hexdigest()}
    archetype = f"{family.toolchain.name}-{family.form}"
    about = (_FILES[file], label, family.name, variant, archetype, family.packaging)
    if spec.version == 3:
        stream = generator(spec.seed, "week", number)
        week, seconds = version3.week_of(stream, file, TRAIN_FILES)
        row = version3.identity(row["sha256"], label, seconds, week, program)
        last = {"week_id": row.pop("week_id")}
        row |= draw_variant(program, rng, change, seconds, 3) | last
        return SimulatedRow(row, (row["sha256"], *about))
    if spec.version == 2:
        row["md5"] = hashlib.md5(identity, usedforsecurity=False).hexdigest()
    row |= {"appeared": f"{year}-{month:02d}", "label": label}
    if spec.version == 2:
        row["avclass"] = family.name if label else ""
    row |= draw_variant(program, rng, change, last_day, spec.version)
    return SimulatedRow(row, (row["sha256"], *about))


def iterate_rows(
    spec: SimulatedSpec, first: int = 0, last: int | None = None
) -> Iterator[SimulatedRow]:
    """The rows from `first` up to but not including `last` (default: all), in order."""
    last = spec.rows if last is None else last
    start = 0
    for file, rows in enumerate(file_rows(spec.rows)):
        low, high = max(first, start), min(last, start + rows)
        if low < high:
            labels = _labels(spec.seed, file, rows, spec.malware_share)
            for number in range(low, high):
                yield draw_row(spec, number, file, int(labels[number - start]))
        start += rows


def _chunk(
    spec: SimulatedSpec, first: int, last: int
) -> tuple[list[bytes], list[tuple[str | int, ...]]]:
    lines, metadata = [], []
    for row, about in iterate_rows(spec, first, last):
        lines.append(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        metadata.append(about)
    return lines, metadata


def _chunks(
    spec: SimulatedSpec, workers: int
) -> Iterator[tuple[list[bytes], list[tuple[str | int, ...]]]]:
    """Chunks of rows in order, at most a few of them ahead of the reader."""
    bounds = [(start, min(start + _CHUNK, spec.rows)) for start in range(0, spec.rows, _CHUNK)]
    if workers <= 1:
        for first, last in bounds:
            yield _chunk(spec, first, last)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = iter(bounds)
        running = [pool.submit(_chunk, spec, *bound) for bound in islice(waiting, 2 * workers)]
        while running:
            yield running.pop(0).result()
            running += [pool.submit(_chunk, spec, *bound) for bound in islice(waiting, 1)]


def write_corpus(folder: str | Path, spec: SimulatedSpec, workers: int = 1) -> None:
    """Write `train_features_0..5.jsonl`, `test_features.jsonl` and `metadata.csv` into `folder`.

    Each file of rows gets its checksum beside it. The files have the layout of an EMBER release of
    `spec.version`. They appear under their names only when all of them are complete. The bytes do
    not depend on `workers`.
    """
    target = Path(folder)
    counts = file_rows(spec.rows)
    progress = Progress("simulated corpus", spec.rows)
    with ExitStack() as stack:
        # All names first: they are given last, when every file is closed.
        outputs = [
            stack.enter_context(atomic_write(target / f"{name}.jsonl", checksum=True))
            for name in _FILES
        ]
        table = stack.enter_context(atomic_write(target / "metadata.csv"))
        files = [stack.enter_context(path.open("wb")) for path in outputs]
        metadata = stack.enter_context(table.open("w", encoding="utf-8", newline=""))
        writer = csv.writer(metadata, lineterminator="\n")
        writer.writerow(_METADATA_COLUMNS)
        bounds = np.cumsum(counts)
        done = 0
        for lines, about in _chunks(spec, workers):
            for line in lines:
                files[int(np.searchsorted(bounds, done, side="right"))].write(line)
                done += 1
            writer.writerows(about)
            progress.update(done)
