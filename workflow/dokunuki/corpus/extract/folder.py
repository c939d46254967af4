"""A folder of programs, with a table of labels, as a release of raw rows.

Programs are read in processes of their own: what a damaged or hostile file does to the parser ends
that process, and its program has an error in the listing. They are never run.
"""

from __future__ import annotations

import hashlib
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

from dokunuki.corpus.extract.listing import (
    ROWS_FILE,
    Listed,
    ProgramError,
    list_programs,
    write_listing,
)
from dokunuki.corpus.extract.program import program_features
from dokunuki.corpus.extract.table import NOTHING, LabelTable, read_labels
from dokunuki.corpus.extract.workers import Failure, results
from dokunuki.corpus.validation import check_row
from dokunuki.errors import CorpusError
from dokunuki.progress import Progress, logger
from dokunuki.storage.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable

    from dokunuki.corpus.extract.table import Told


class Extracted(NamedTuple):
    """What a worker made of one file: its sha256, and its features as JSON or an error."""

    sha256: str
    features: bytes = b""
    kind: str = ""
    error: str = ""


def extract_folder(
    folder: str | Path,
    labels: str | Path | None,
    output: str | Path,
    *,
    version: int,
    max_bytes: int,
    max_seconds: float,
    workers: int = 1,
    read: Callable[..., Extracted] | None = None,
) -> None:
    """Write the raw rows of all programs below `folder` into `output`, with a listing.

    `labels` is the CSV that `read_labels` reads; a program that it does not name is unlabelled, and
    so are all where there is none.
    Rows stand in the order of the paths, whatever the number of `workers`, in the JSON lines that
    an EMBER release of `version` 1 or 2 has. A file that is empty, no program, longer than
    `max_bytes`, not read within `max_seconds`, or that ends the parser, is an error in the listing
    (`programs.csv` and `errors.csv`) and no row. So is one whose sha256 is not the table's, or
    whose content was labelled otherwise before. `read` stands in for `read_program` in tests.
    Raises CorpusError for a wrong table, and when no row could be made at all.
    """
    folder, output = Path(folder), Path(output)
    paths = list_programs(folder, labels)
    table = LabelTable(folder) if labels is None else read_labels(labels, folder)
    reader = partial(read or read_program, folder=str(folder), version=version, max_bytes=max_bytes)
    progress = Progress(f"extract {folder.name}", len(paths))
    listing: list[Listed] = []
    first: dict[str, Listed] = {}
    rows = errors = 0
    with atomic_write(output / ROWS_FILE, checksum=True) as temporary, temporary.open("wb") as file:
        for path, result in zip(paths, results(reader, paths, workers, max_seconds), strict=True):
            if isinstance(result, Failure):
                result = Extracted("", b"", *result)
            told = table.by_path.get(path) or table.by_sha256.get(result.sha256, NOTHING)
            program = _listed(path, told, result, first)
            listing.append(program)
            if program.kind:
                errors += 1
                logger.info("%s: %s", program.path, program.error)
            else:
                rows += 1
                file.write(_line(result, told))
            progress.update(len(listing), rows=str(rows), errors=str(errors))
        if not rows:
            raise CorpusError(
                f"{folder}: no row could be made of any of its {len(paths)} files; the first: "
                f"{listing[0].path}: {listing[0].error}"
            )
        if labels is not None:
            _check_labels(table, listing)
    write_listing(output, listing)


def read_program(path: str, *, folder: str, version: int, max_bytes: int) -> Extracted:
    """Read one program and extract it, in a worker; what is wrong with it is in the result."""
    sha256 = ""
    try:
        content = _content(Path(folder) / path, max_bytes)
        sha256 = hashlib.sha256(content).hexdigest()
        features = program_features(content, version)
        check_row({"sha256": sha256, "appeared": "", "label": -1, **features}, version, "its row")
        return Extracted(sha256, orjson.dumps(features))
    except ProgramError as error:
        return Extracted(sha256, b"", error.kind, str(error))
    except CorpusError as error:
        return Extracted(sha256, b"", "malformed", str(error))
    except OSError as error:
        return Extracted(sha256, b"", "unreadable", f"cannot be read ({error.strerror})")
    except Exception as error:  # a parser's, of whatever class: the next program is no worse for it
        return Extracted(sha256, b"", "unparsable", f"the parser failed ({error!r})")


def _content(path: Path, max_bytes: int) -> bytes:
    found = path.stat()
    # A pipe or a device would be waited for, perhaps for ever.
    if not stat.S_ISREG(found.st_mode):
        raise ProgramError("unreadable", "not a regular file")
    if found.st_size > max_bytes:
        raise ProgramError(
            "too_large", f"{found.st_size} bytes long, more than max_bytes ({max_bytes})"
        )
    return path.read_bytes()


def _listed(path: str, told: Told, result: Extracted, first: dict[str, Listed]) -> Listed:
    """What is said of a program; `first` holds the first program of each content."""
    # Names of files need not be UTF-8, and texts need.
    shown = path.encode("utf-8", "backslashreplace").decode()
    program = Listed(shown, result.sha256, told.label, result.kind, result.error)
    if program.kind:
        return program
    if told.sha256 and told.sha256 != result.sha256:
        return program._replace(
            kind="other_content",
            error=f"its sha256 is not the one in line {told.line} of the table of labels",
        )
    before = first.setdefault(result.sha256, program)
    if before.label != program.label:
        return program._replace(
            kind="contradiction",
            error=f"the same program is labelled {before.label} as {before.path}, and "
            f"{program.label} here; label both alike",
        )
    return program


def _line(result: Extracted, told: Told) -> bytes:
    identity = {
        "sha256": result.sha256,
        "appeared": told.appeared,
        "label": told.label,
        "avclass": told.avclass,
    }
    return orjson.dumps(identity)[:-1] + b"," + result.features[1:] + b"\n"


def _check_labels(table: LabelTable, listing: list[Listed]) -> None:
    """Say how many programs the table does not label; refuse a table of another folder."""
    known = {program.sha256 for program in listing}
    missing = sum(sha256 not in known for sha256 in table.by_sha256)
    if missing == len(table.by_sha256) and not table.by_path:
        raise CorpusError(
            f"{table.path}: none of its {missing} sha256 is that of a program in the folder; name "
            "the table of these programs"
        )
    if missing:
        logger.info("%d sha256 in %s belong to no program in the folder", missing, table.path)
    unlabelled = sum(program.label < 0 for program in listing)
    if unlabelled:
        logger.info("%d of %d programs are unlabelled", unlabelled, len(listing))
