"""What is extracted of real programs, beside the ember package: column by column, and how fast.

Programs are read and never run. `--programs` (or the variable DOKUNUKI_PROGRAMS) names a folder
with a folder per origin; without it the launchers of this environment's setuptools and pip are
taken. What the package extracts goes
through its own vectoriser, ours through ours. Where the two differ, the package's raw row is then
mended by one known cause after the other (`CAUSES`): a column in which they differ even so is
unexplained. With `--csv` each column is written, with `--page` the table of docs/corpora.md. Usage:
python -m bench.extraction [--programs FOLDER] [--csv FILE] [--page FILE] [--timed N]
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import csv
import hashlib
import io
import os
import random
import sysconfig
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ember
import lief
import numpy as np

from bench.harness import CLOCKS, emit, interleaved, machine, row
from bench.markers import write_tables
from dokunuki.corpus.extract.listing import ProgramError
from dokunuki.corpus.extract.program import program_features
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.vectoriser import entry_name_hashes, vectorise
from dokunuki.storage.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dokunuki.corpus.validation import Row

LONGEST = 64 << 20
ROUNDS = 3
# With a few programs, a second or so.
TIMED = 300
MACHINE = ["lief", "ember-mivia", "numpy", "scikit-learn"]


def programs(folder: Path | None) -> Iterator[tuple[str, Path]]:
    """Origin and path of every program, each content once; links are followed."""
    site = Path(sysconfig.get_paths()["purelib"])
    roots = (
        {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()}
        if folder
        else {"setuptools": site / "setuptools", "pip": site / "pip"}
    )
    seen = set()
    for origin, root in roots.items():
        for parent, folders, names in os.walk(root, followlinks=True):
            folders.sort()
            for name in sorted(names):
                path = Path(parent, name)
                if not path.is_file() or path.stat().st_size > LONGEST:
                    continue
                with path.open("rb") as file:
                    if file.read(2) != b"MZ":
                        continue
                    file.seek(0)
                    digest = hashlib.file_digest(file, "sha256").digest()
                if digest not in seen:
                    seen.add(digest)
                    yield origin, path


def package_row(extractor: Any, content: bytes, binary: lief.PE.Binary) -> Row:  # noqa: ANN401
    """What the package extracts, group by group; None for a group in which it fails."""
    found: Row = {}
    for part in extractor.features:
        try:
            found[part.name] = part.raw_features(content, binary)
        except AttributeError:
            found[part.name] = None
    return found


def _mend_dll_flags(theirs: Row, binary: lief.PE.Binary) -> None:
    flags = lief.PE.OptionalHeader.DLL_CHARACTERISTICS
    optional = theirs["header"]["optional"]
    listed = optional["dll_characteristics"]
    optional["dll_characteristics"] = [flags(int(number)).name for number in listed]


def _mend_32_bit(theirs: Row, binary: lief.PE.Binary) -> None:
    coff = theirs["header"]["coff"]
    newer, older = "NEED_32BIT_MACHINE", "CHARA_32BIT_MACHINE"
    coff["characteristics"] = [older if n == newer else n for n in coff["characteristics"]]


def _mend_nameless(theirs: Row, binary: lief.PE.Binary) -> None:
    coff, optional = theirs["header"]["coff"], theirs["header"]["optional"]
    for part, key in ((coff, "machine"), (optional, "subsystem"), (optional, "magic")):
        part[key] = "???" if part[key].isdigit() else part[key]


def _mend_entry(theirs: Row, binary: lief.PE.Binary) -> None:
    executable = (s["name"] for s in theirs["section"]["sections"] if "MEM_EXECUTE" in s["props"])
    theirs["section"]["entry"] = next(executable, "")


def _mend_delayed(theirs: Row, binary: lief.PE.Binary) -> None:
    delayed = [entry for library in binary.delay_imports for entry in library.entries]
    theirs["general"]["imports"] -= sum(bool(e.name) and not e.is_ordinal for e in delayed)


def _mend_purgeable(theirs: Row, binary: lief.PE.Binary) -> None:
    for section in theirs["section"]["sections"]:
        props = [name for name in section["props"] if name != "MEM_PURGEABLE"]
        section["props"] = props + ["MEM_PURGEABLE"] * ("MEM_16BIT" in props)


def _mend_names(theirs: Row, binary: lief.PE.Binary) -> None:
    for section in theirs["section"]["sections"]:
        section["name"] = _ascii(section["name"])
    theirs["section"]["entry"] = _ascii(theirs["section"]["entry"])
    imports = {_ascii(k): [_ascii(n) for n in v] for k, v in theirs["imports"].items()}
    theirs["imports"] = imports
    theirs["exports"] = [_ascii(name) for name in theirs["exports"]]


def _mend_ordinals(theirs: Row, binary: lief.PE.Binary) -> None:
    if "datadirectories" not in theirs:
        for functions in theirs["imports"].values():
            functions[:] = ["" if n.startswith("ordinal") else n for n in functions]


def _ascii(name: str | bytes) -> str:
    content = name.encode() if isinstance(name, str) else name
    return content.decode("ascii", "backslashreplace")


@dataclass(frozen=True)
class Cause:
    """Why columns differ, and what a raw row of the package is mended with; None: its vector."""

    why: str
    mend: Callable[[Row, lief.PE.Binary], None] | None


CAUSES = [
    Cause(
        "the package tells numbers with lief >= 0.16, the release has names",
        _mend_dll_flags,
    ),
    Cause(
        "newer lief says NEED_32BIT_MACHINE, the release CHARA_32BIT_MACHINE",
        _mend_32_bit,
    ),
    Cause("what lief has no name for is ??? in the release", _mend_nameless),
    Cause(
        "the release has the first executable section, the package with newer lief the entry "
        "point's",
        _mend_entry,
    ),
    Cause(
        "the package hashes the whole name with scikit-learn >= 1.2, the release its characters",
        None,
    ),
    Cause(
        "newer lief counts functions that are loaded with a delay, the release's did not",
        _mend_delayed,
    ),
    Cause("MEM_PURGEABLE is another bit in newer lief", _mend_purgeable),
    Cause("bytes beyond ASCII are written out in the release", _mend_names),
    Cause(
        "functions imported by number have no name in the release's rows of version 1",
        _mend_ordinals,
    ),
]


@dataclass
class Comparison:
    """Counts of one feature version: int64 (width,) each, and what happened to whole programs."""

    version: int
    width: int
    compared: np.ndarray = field(init=False)
    different: np.ndarray = field(init=False)
    unexplained: np.ndarray = field(init=False)
    by_cause: dict[int, np.ndarray] = field(init=False)
    failed: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        zeros = np.zeros(self.width, dtype=np.int64)
        self.compared, self.different, self.unexplained = (zeros.copy() for _ in range(3))
        self.by_cause = {number: zeros.copy() for number in range(len(CAUSES))}

    def add(self, ours: Row, theirs: Row, extractor: Any, binary: lief.PE.Binary) -> None:  # noqa: ANN401
        """Compare one program."""
        layout = feature_layout(self.version)
        there = np.ones(self.width, dtype=bool)
        mended = copy.deepcopy(theirs)
        for group, value in theirs.items():
            if value is None:
                self.failed[group] += 1
                there[layout.groups[group]] = False
                mended[group] = copy.deepcopy(ours[group])
        mine = vectorise([ours], self.version)[0]
        now = extractor.process_raw_features(mended)
        self.compared += there
        self.different += there & (mine != now)
        by_character = False
        for number, cause in enumerate(CAUSES):
            before, raw = now.copy(), copy.deepcopy(mended)
            if cause.mend:
                cause.mend(mended, binary)
            else:
                by_character = True
            if mended != raw:
                now = extractor.process_raw_features(mended)
            if by_character:
                columns, values = entry_name_hashes([mended], layout)
                now[columns] = values[0]
            self.by_cause[number] += there & (before != now)
        self.unexplained += there & (mine != now)

    def counts(self, column: int) -> tuple[int, int, int]:
        """In how many programs a column was compared, is different, and is without a cause."""
        counts = (self.compared[column], self.different[column], self.unexplained[column])
        return (int(counts[0]), int(counts[1]), int(counts[2]))


def blocks(version: int) -> dict[str, list[int]]:
    """Columns by block: hashes of one thing together, numbers by their group."""
    layout = feature_layout(version)
    found: dict[str, list[int]] = {}
    for group, columns in layout.groups.items():
        for column in range(columns.start, columns.stop):
            name = layout.names[column]
            stem = name.partition("_hash_")[0] if "_hash_" in name else group
            found.setdefault(stem, []).append(column)
    return found


def write_columns(path: str, newer: Comparison, older: Comparison) -> None:
    """A line for each column: how many programs, in how many it differs, and why.

    All of version 2, and of version 1 the columns that do not do as theirs in version 2 do.
    """
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["version", "column", "programs", "different", "unexplained", "why"])
        for comparison in (newer, older):
            names = feature_layout(comparison.version).names
            for column, name in enumerate(names):
                counts = comparison.counts(column)
                if comparison is newer or counts != newer.counts(column):
                    why = "; ".join(whys(comparison, [column]))
                    writer.writerow([comparison.version, name, *counts, why])


def whys(comparison: Comparison, columns: list[int]) -> list[str]:
    """The causes that move some of these columns."""
    return [cause.why for n, cause in enumerate(CAUSES) if comparison.by_cause[n][columns].any()]


def table(newer: Comparison, older: Comparison, origins: Counter[str]) -> str:
    """The Markdown table by blocks of columns: all of version 2, and what version 1 adds."""
    text = io.StringIO()
    listed = ", ".join(f"{name} {count}" for name, count in sorted(origins.items()))
    failed = newer.failed["section"]
    told = (
        f"{sum(origins.values())} programs: {listed}. The package fails on the sections of {failed}"
        " of them, which have no entry section; these are left out there."
    )
    print(textwrap.fill(told, 118), end="\n\n", file=text)
    print("| columns | | equal in all | different in | why |", file=text)
    print("|---|---|---|---|---|", file=text)
    for block, columns in blocks(2).items():
        print(_line(block, newer, columns), file=text)
    for block, columns in blocks(1).items():
        if older.different[columns].any() and not newer.different[columns].any():
            print(_line(f"{block}, version 1", older, columns), file=text)
    return text.getvalue()


def _line(name: str, comparison: Comparison, columns: list[int]) -> str:
    """`different in` is the programs of the column that differs most often."""
    different = comparison.different[columns]
    equal = f"{(different == 0).sum()}"
    reasons = "; ".join(whys(comparison, columns))
    return f"| {name} | {len(columns)} | {equal} | {different.max()} | {reasons} |"


def speed(paths: list[Path], timed: int) -> None:
    """Programs a second of both sides on one core, of programs that the package can extract."""
    extractor = ember.PEFeatureExtractor(2, print_feature_warning=False)
    contents = []
    for path in random.Random(0).sample(paths, min(len(paths), timed)):
        content = path.read_bytes()
        with contextlib.suppress(Exception):
            extractor.raw_features(content)
            contents.append(content)
    sides = {
        "ours": lambda: [program_features(content, 2) for content in contents],
        "package": lambda: [extractor.raw_features(content) for content in contents],
    }
    seconds = interleaved(sides, ROUNDS, CLOCKS["cpu"])
    rates = {f"{name}_programs_per_s": len(contents) / taken for name, taken in seconds.items()}
    megabytes = sum(map(len, contents)) / len(contents) / 1e6
    measured = {**rates, "programs": len(contents), "mean_mb": megabytes}
    ratio = seconds["package"] / seconds["ours"]
    emit(row("extraction: programs a second beside the ember package", measured, ratio, 1))


def main() -> None:
    """Compare and time, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    folder = os.environ.get("DOKUNUKI_PROGRAMS")
    parser.add_argument(
        "--programs",
        type=Path,
        default=folder and Path(folder),
        help="a folder with a folder per origin",
    )
    parser.add_argument("--csv", help="where to write a line for each column")
    parser.add_argument("--page", type=Path, help="the page whose table is written")
    parser.add_argument("--timed", type=int, default=TIMED, help="programs that are timed")
    arguments = parser.parse_args()
    emit(machine(MACHINE))
    lief.logging.disable()
    origins: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    paths = []
    extractors = {v: ember.PEFeatureExtractor(v, print_feature_warning=False) for v in (1, 2)}
    comparisons = {v: Comparison(v, feature_layout(v).width) for v in extractors}
    for origin, path in programs(arguments.programs):
        content = path.read_bytes()
        try:
            ours = program_features(content, 2)
        except ProgramError as error:
            refused[error.kind] += 1
            continue
        origins[origin] += 1
        paths.append(path)
        binary = lief.PE.parse(list(content))
        theirs = package_row(extractors[2], content, binary)
        comparisons[2].add(ours, theirs, extractors[2], binary)
        older = {name: value for name, value in theirs.items() if name != "datadirectories"}
        comparisons[1].add(program_features(content, 1), older, extractors[1], binary)
    for version, comparison in comparisons.items():
        equal = int((comparison.different == 0).sum())
        unexplained = int((comparison.unexplained > 0).sum())
        measured = {
            "programs": sum(origins.values()),
            "origins": len(origins),
            "refused": sum(refused.values()),
            "package_fails": sum(comparison.failed.values()),
            "columns": comparison.width,
            "equal_columns": equal,
        }
        name = f"extraction, version {version}: columns that differ without a known cause"
        emit(row(name, measured, unexplained, 0, least=False))
    speed(paths, arguments.timed)
    if arguments.csv:
        write_columns(arguments.csv, comparisons[2], comparisons[1])
    if arguments.page:
        written = table(comparisons[2], comparisons[1], origins)
        write_tables(arguments.page, {"extraction": written})


if __name__ == "__main__":
    main()
