"""What the report needs to know of a feed besides the result of its audit."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from dokunuki.errors import DokunukiError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from dokunuki.audit.results import AuditResult
    from dokunuki.corpus.layout import FeatureLayout
    from dokunuki.storage.matrix import Matrix


@dataclass(frozen=True)
class Purified:
    """The detector that was trained on the purified feed, beside the detector as it is.

    `classifier` names it, `rows` it was trained on. Accuracies are shares in [0, 1] of
    `rows_kept_aside`. `pass_rates` are the shares of malware that pass with each trigger of the
    result stamped on, before and after, in the order of `AuditResult.triggers`. `thresholds` are
    the least scores of malware, by name.
    """

    classifier: str
    rows: int
    rows_kept_aside: int
    accuracy_before: float
    accuracy_after: float
    pass_rates: tuple[tuple[float, float], ...]
    thresholds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RepeatedIds:
    """Rows that were not audited, since their id stands in an earlier row of the feed.

    `rows` counts them. `contrary` counts the ids that stand with both labels, and `listed` has the
    first of these: each id with its rows, as texts of where they stand, and their labels.
    """

    rows: int = 0
    contrary: int = 0
    listed: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()


@dataclass(frozen=True)
class Facts:
    """The feed, what its rows are called, and what was measured after the audit itself.

    `title` is what the feed is called, `X` (n, layout.width) its raw rows, in memory or left in
    their file, `y` (n,) its labels, 0 goodware and 1 malware. `ids` (n) name the rows, e.g. by
    sha256; `files` (n) say which file of the feed a row stands in, and `file_rows` int (n,) where
    in it, 0-based. `seconds` is what the audit took, `versions` those of the libraries by name.
    `purified` is None where nothing was purified. `repeated` are rows that are not among those of
    `X`.
    """

    title: str
    layout: FeatureLayout
    X: Matrix
    y: np.ndarray
    ids: Sequence[str] | None = None
    files: Sequence[str] | None = None
    file_rows: np.ndarray | None = None
    seconds: float | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    purified: Purified | None = None
    repeated: RepeatedIds = RepeatedIds()

    def name(self, row: int) -> str:
        """What a row is called: its id, else where it stands."""
        if self.ids is not None:
            return str(self.ids[row])
        return self.place(row)

    @cached_property
    def several_files(self) -> bool:
        """Whether the rows stand in several files."""
        return self.files is not None and len(set(self.files)) > 1

    def place(self, row: int) -> str:
        """Where a row stands, rows of a file being counted from 0."""
        number = row if self.file_rows is None else int(self.file_rows[row])
        return f"row {number}" if self.files is None else f"{self.files[row]}, row {number}"


def check_facts(result: AuditResult, facts: Facts) -> None:
    """Raise DokunukiError where the facts are not those of the feed that the result is of."""
    rows = result.checks.goodware + result.checks.malware
    lengths = {
        "X": len(facts.X),
        "y": len(facts.y),
        "ids": rows if facts.ids is None else len(facts.ids),
        "files": rows if facts.files is None else len(facts.files),
        "file_rows": rows if facts.file_rows is None else len(facts.file_rows),
    }
    for name, length in lengths.items():
        if length != rows:
            raise DokunukiError(
                f"the audit is of {rows} rows, and {name} has {length}: give the feed as it was "
                "audited, one entry a row"
            )
    if facts.X.shape[1:] != (facts.layout.width,):
        raise DokunukiError(
            f"X has shape {facts.X.shape}; {facts.layout.name} has {facts.layout.width} columns"
        )
    if facts.purified is not None and len(facts.purified.pass_rates) != len(result.triggers):
        raise DokunukiError(
            f"purified.pass_rates has {len(facts.purified.pass_rates)} entries; give one for each "
            f"of the {len(result.triggers)} triggers"
        )
