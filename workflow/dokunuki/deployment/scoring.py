"""Rows scored by a detector: one result a row, a bad row's being its error."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TextIO

import numpy as np
import orjson

from dokunuki.deployment.model import HALF
from dokunuki.deployment.rows import Limits, sources
from dokunuki.errors import CorpusError, DokunukiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from dokunuki.deployment.model import Model
    from dokunuki.deployment.rows import Batch

Form = Literal["jsonl", "csv"]


@dataclass(frozen=True)
class Score:
    """What became of one row, or of a file that could not be read on.

    `file` is the path of what held the row, `row` its number there, from 1 (None for a program or
    a whole file), `sha256` what the row calls itself, or empty. Either `score`, the probability of
    malware, and `verdicts` (malware or goodware, by the threshold's name) tell of it, or `error`.
    """

    file: str
    row: int | None
    sha256: str
    score: float | None
    verdicts: dict[str, str]
    error: str = ""

    def record(self) -> dict[str, Any]:
        """The same as JSON; the verdict at one half is `verdict`, others have their names."""
        told: dict[str, Any] = {
            "sha256": _shown(self.sha256),
            "file": _shown(self.file),
            "row": self.row,
        }
        if self.error:
            return told | {"error": _shown(self.error)}
        verdicts = {_verdict(name): verdict for name, verdict in self.verdicts.items()}
        return told | {"score": self.score} | verdicts


@dataclass
class Counted:
    """How many results were written: `scored` rows, `malware` of them (at 0.5), and `errors`."""

    scored: int = 0
    malware: int = 0
    errors: int = 0


def score_rows(model: Model, *paths: str | Path, limits: Limits | None = None) -> Iterator[Score]:
    """Score all rows of files and folders, in order; see `sources` for what these may be.

    Rows are read as they are asked for, and never held all. A bad row, and a file that cannot be
    read or is of other features, is a result with an error. Raises the first such error again at
    the end when no row at all could be scored.
    """
    first: DokunukiError | None = None
    scored = False
    for path in paths:
        try:
            pending = sources(path, model.layout, limits)
        except (CorpusError, OSError) as error:
            first = first or _as_ours(str(path), error)
            yield _failed(str(path), error)
            continue
        for source in pending:
            empty = True
            try:
                for batch in source.batches():
                    for score in _scored(model, batch):
                        empty, scored = False, scored or not score.error
                        yield score
                if empty:
                    raise CorpusError(f"{source.name}: holds no rows; write or copy it again")
            except (CorpusError, OSError) as error:
                first = first or _as_ours(source.name, error)
                yield _failed(source.name, error)
    if first is not None and not scored:
        raise first


def write_scores(
    stream: TextIO, scores: Iterable[Score], form: Form, thresholds: Sequence[str] = ()
) -> Counted:
    """Write results as they come, as JSON lines or as CSV, and count them.

    `thresholds` are the names of the model's, which CSV needs for its columns.
    """
    counted = Counted()
    write = _csv_writer(stream, thresholds) if form == "csv" else _json_writer(stream)
    for score in scores:
        write(score.record())
        counted.errors += bool(score.error)
        counted.scored += not score.error
        counted.malware += score.verdicts.get(_HALF) == "malware"
    return counted


(_HALF,) = HALF


def _verdict(name: str) -> str:
    return "verdict" if name == _HALF else f"verdict_{name}"


def _shown(text: str) -> str:
    """The text, whatever bytes a file's name has that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _scored(model: Model, batch: Batch) -> Iterator[Score]:
    sound = [place for place in range(len(batch.ids)) if place not in batch.errors]
    scores = np.zeros(len(batch.ids), dtype=np.float32)
    if sound:
        scores[sound] = model.malware_scores(batch.X if not batch.errors else batch.X[sound])
    for place, (file, number, sha256) in enumerate(
        zip(batch.files, batch.numbers, batch.ids, strict=True)
    ):
        if place in batch.errors:
            yield Score(file, number, sha256, None, {}, batch.errors[place])
            continue
        score = float(scores[place])
        if math.isnan(score):
            problem = f"{file}: row {number}: its values are too large to give a score"
            yield Score(file, number, sha256, None, {}, problem)
            continue
        verdicts = {
            name: "malware" if score >= threshold else "goodware"
            for name, threshold in model.thresholds.items()
        }
        # With as many digits as tell a float32 from its neighbours.
        yield Score(file, number, sha256, float(str(scores[place])), verdicts)


def _failed(name: str, error: Exception) -> Score:
    return Score(name, None, "", None, {}, str(error))


def _as_ours(name: str, error: CorpusError | OSError) -> DokunukiError:
    return error if isinstance(error, DokunukiError) else CorpusError(f"{name}: {error}")


def _json_writer(stream: TextIO) -> Any:  # noqa: ANN401 - a function of a record
    def write(record: dict[str, Any]) -> None:
        stream.write(orjson.dumps(record).decode() + "\n")

    return write


def _csv_writer(stream: TextIO, thresholds: Sequence[str]) -> Any:  # noqa: ANN401
    names = [_verdict(name) for name in (_HALF, *thresholds) if name != _HALF]
    columns = ["sha256", "file", "row", "score", "verdict", *names, "error"]
    writer = csv.DictWriter(stream, columns, restval="", lineterminator="\n")
    writer.writeheader()
    return writer.writerow
