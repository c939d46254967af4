"""The report for machines: verdict.json with its schema, triggers.json, and tables of rows."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from dokunuki.audit.reporting.evidence import judges_of
from dokunuki.audit.reporting.words import (
    answer,
    assumed,
    cannot_be_seen,
    power,
    trigger_in_words,
    what_to_do,
)
from dokunuki.errors import DataFileError, damaged_file
from dokunuki.storage.files import atomic_write, read_json, write_json
from dokunuki.storage.yaml_text import load_yaml
from dokunuki.study.places import WORKFLOW

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from dokunuki.audit.reporting.evidence import Suspect
    from dokunuki.audit.reporting.facts import Facts
    from dokunuki.audit.results import AuditResult, Canary, Finding

Record = dict[str, Any]
_FORMAT = 1
_LABELS = ("goodware", "malware")
_MEASURED = ("poisoned_rows", "columns_named", "rows_suspected", "others_suspected")


def verdict_record(result: AuditResult, facts: Facts, suspects: Sequence[Suspect]) -> Record:
    """The content of verdict.json, as `workflow/schemas/verdict.schema.yaml` has it."""
    checks, purified = result.checks, facts.purified
    judges = () if result.suspects is None else result.suspects.evidence
    return {
        "format": _FORMAT,
        "title": facts.title,
        "verdict": result.verdict,
        "answer": answer(result),
        "reasons": list(result.reasons),
        "what_to_do": list(what_to_do(result, facts)),
        "rows": {
            "all": checks.goodware + checks.malware,
            "goodware": checks.goodware,
            "malware": checks.malware,
        },
        "feed_checks": {
            "copies": len(checks.copies),
            "conflicts": len(checks.conflicts),
            "zero_rows": len(checks.zero_rows),
            "constant_columns": len(checks.constant_columns),
            "repeated_ids": facts.repeated.rows,
            "contrary_ids": facts.repeated.contrary,
        },
        "layout": facts.layout.name,
        "accuracy": _number(result.accuracy),
        "triggers": [_finding(*each) for each in _triggers(result, facts)],
        "refuted": [_finding(*each) for each in _refuted(result)],
        "suspects": {
            "listed": len(suspects),
            "leave_out": len(result.purification.leave_out),
            "relabel": len(result.purification.relabel),
            "by_judge": {one.judge: int((one.strength > 0).sum()) for one in judges},
        },
        "purified": None
        if purified is None
        else {
            "classifier": purified.classifier,
            "rows": purified.rows,
            "rows_kept_aside": purified.rows_kept_aside,
            "accuracy_before": _number(purified.accuracy_before),
            "accuracy_after": _number(purified.accuracy_after),
            "thresholds": {name: float(at) for name, at in purified.thresholds.items()},
        },
        "power": power(result.canaries),
        "canaries": None if result.canaries is None else [_canary(one) for one in result.canaries],
        "assumed": list(assumed(result)),
        "cannot_be_seen": list(cannot_be_seen()),
        "settings": _plain(result.settings),
        "versions": dict(facts.versions),
        "seconds": None if facts.seconds is None else float(facts.seconds),
    }


def triggers_record(result: AuditResult, facts: Facts) -> Record:
    """The content of triggers.json: every finding with all its columns, values and rows."""
    return {
        "format": _FORMAT,
        "triggers": [_whole(*each, facts) for each in _triggers(result, facts)],
        "refuted": [_whole(*each, facts) for each in _refuted(result)],
    }


def write_verdict(path: str | Path, record: Mapping[str, Any]) -> None:
    """Write verdict.json with its checksum, as `storage.files.write_json`.

    Raises DataFileError, and writes nothing, where the record breaks the schema.
    """
    if problem := _problem(record):
        raise DataFileError(f"{path}: {problem}; nothing was written")
    write_json(path, record)


def read_verdict(path: str | Path) -> Record:
    """Read verdict.json and check it against `workflow/schemas/verdict.schema.yaml`.

    Raises DataFileError when the file is missing, damaged, edited, or breaks the schema; it then
    names the key.
    """
    record = read_json(path)
    if problem := _problem(record):
        raise damaged_file(
            path, f"{problem}: it was written by another version, or by another program"
        )
    return record


def write_suspects(
    path: str | Path, suspects: Sequence[Suspect], result: AuditResult, facts: Facts
) -> None:
    """Write suspects.csv: a line for each row that a judge suspects or that holds a trigger.

    Columns: row (in the feed, from 0), id, file, file_row (in that file, from 0), label, action,
    trigger (numbers, several with a space between), votes, and each judge's strength from 0 to 1.
    """
    head = [*_ROW_COLUMNS, "action", "trigger", "votes", *judges_of(result)]
    lines = (
        [
            *_row(one.row, facts),
            one.action,
            " ".join(map(str, one.triggers)),
            one.votes,
            *(f"{strength:.3f}" for strength in one.strength),
        ]
        for one in suspects
    )
    _write_csv(path, head, lines)


def write_feed_checks(path: str | Path, result: AuditResult, facts: Facts) -> None:
    """Write feed_checks.csv: rows that repeat another, conflict with one, or hold zeros alone.

    Rows of an id that stands with both labels come last, with the place where each stands; the
    first of an id was audited, and the others were not.
    """
    checks = result.checks
    lines = (
        [problem, *_row(int(row), facts)]
        for problem, rows in (
            ("conflict", checks.conflicts),
            ("copy", checks.copies),
            ("zeros", checks.zero_rows),
        )
        for row in rows
    )
    contrary = (
        ["id with both labels", "", sample_id, where, "", _LABELS[label]]
        for sample_id, rows in facts.repeated.listed
        for where, label in rows
    )
    _write_csv(path, ["problem", *_ROW_COLUMNS], [*lines, *contrary])


_ROW_COLUMNS = ("row", "id", "file", "file_row", "label")


def _row(row: int, facts: Facts) -> list[object]:
    return [
        row,
        "" if facts.ids is None else str(facts.ids[row]),
        "" if facts.files is None else str(facts.files[row]),
        "" if facts.file_rows is None else int(facts.file_rows[row]),
        _LABELS[int(facts.y[row])],
    ]


def _write_csv(path: str | Path, head: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(lines)
    with atomic_write(path) as temporary:
        # Names of files need not be text: what is none is escaped, as in JSON.
        temporary.write_bytes(text.getvalue().encode("utf-8", errors="backslashreplace"))


def _finding(finding: Finding, number: int, after: float | None) -> Record:
    chance = finding.null_range
    return {
        "number": number,
        "outcome": finding.outcome,
        "words": trigger_in_words(finding),
        "columns": [
            {"column": int(column), "name": name, "value": _exact(value)}
            | ({} if low == high else {"low": _exact(low), "high": _exact(high)})
            for column, name, value, (low, high) in zip(
                finding.columns, finding.names, finding.values, finding.ranges, strict=True
            )
        ],
        "rows": len(finding.rows),
        "judges": list(finding.candidate.judges),
        "pass_as_is": float(finding.pass_as_is),
        "pass_without": float(finding.pass_without),
        "pass_unstamped": float(finding.pass_unstamped),
        "p_value": float(finding.p_value),
        "null_range": None if chance is None else [float(end) for end in chance],
        "pass_purified": None if after is None else _number(after),
    }


def _whole(finding: Finding, number: int, after: float | None, facts: Facts) -> Record:
    seen = finding.candidate.structure
    return {
        **_finding(finding, number, after),
        "rows": [
            {"row": row, "id": None if facts.ids is None else str(facts.ids[row])}
            for row in finding.rows.tolist()
        ],
        "planted_like": bool(finding.candidate.planted_like),
        "structure": {name: _number(value) for name, value in asdict(seen).items()},
    }


def _canary(one: Canary) -> Record:
    record = asdict(one)
    if one.left_out:
        # Of what was not measured there is nothing, which is not the same as 0.
        record |= dict.fromkeys(_MEASURED)
    return {
        **record,
        "left_out": one.left_out or None,
        "poison_rate": float(one.poison_rate),
        "asr": _number(one.asr),
        "asr_clean": _number(one.asr_clean),
        "works": None if one.left_out else one.works,
    }


def _triggers(result: AuditResult, facts: Facts) -> list[tuple[Finding, int, float | None]]:
    """Each trigger with its number, from 1, and what passes with it after purifying."""
    known = facts.purified is not None
    rates = facts.purified.pass_rates if facts.purified is not None else ()
    return [
        (one, index + 1, rates[index][1] if known else None)
        for index, one in enumerate(result.triggers)
    ]


def _refuted(result: AuditResult) -> list[tuple[Finding, int, None]]:
    """Numbers go on where those of the triggers end."""
    start = len(result.triggers) + 1
    return [(one, index, None) for index, one in enumerate(result.refuted, start=start)]


@cache
def _validator() -> Draft202012Validator:
    path = WORKFLOW / "schemas" / "verdict.schema.yaml"
    return Draft202012Validator(load_yaml(path.read_text(encoding="utf-8")))


def _problem(record: Mapping[str, Any]) -> str | None:
    """What breaks the schema first, by its key."""
    errors = sorted(_validator().iter_errors(record), key=lambda error: list(map(str, error.path)))
    if not errors:
        return None
    key = ".".join(map(str, errors[0].absolute_path)) or "the whole"
    return f"{key}: {errors[0].message[:300]}"


def _exact(value: np.float32) -> float:
    """A float32 as the shortest number that means it: 0.1, and not 0.10000000149."""
    return float(str(value))


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _plain(value: Any) -> Any:  # noqa: ANN401 - settings hold anything
    """Settings as JSON holds them; what is no plain value becomes its text."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
