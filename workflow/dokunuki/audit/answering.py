"""The facts that the report shows of a feed that went through the workflow."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.audit.reporting.facts import Facts, Purified, RepeatedIds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dokunuki.audit.results import AuditResult, Repair
    from dokunuki.corpus.sampling import Split
    from dokunuki.corpus.vectors import Vectors

_LIBRARIES = ("dokunuki", "numpy", "scikit-learn", "lightgbm", "torch")


def facts_of(
    vectors: Vectors,
    rows: Split,
    repair: Repair | None,
    result: AuditResult,
    *,
    title: str,
    scan: Mapping[str, Any],
) -> Facts:
    """The rows with their names and places, and what became of the detector.

    `rows` says where the rows of `vectors` stand; `title` is what the feed is called, and `scan`
    the report of `corpus.index.build_index`.
    """
    ids = np.where(rows.sample_id != "", rows.sample_id, rows.sha256)
    purified = None
    if repair is not None:
        purified = Purified(
            classifier=str(result.settings["detector"]),
            rows=repair.rows,
            rows_kept_aside=repair.rows_kept_aside,
            accuracy_before=repair.accuracy_before,
            accuracy_after=repair.accuracy_after,
            pass_rates=repair.pass_rates,
        )
    return Facts(
        title=title,
        layout=vectors.layout,
        X=vectors.X,
        y=vectors.y,
        ids=ids.tolist() if (ids != "").any() else None,
        files=rows.file.tolist(),
        file_rows=rows.line - 1,
        versions=_versions(),
        purified=purified,
        repeated=_repeated(scan["duplicates"]),
    )


def _repeated(duplicates: Mapping[str, Any]) -> RepeatedIds:
    contrary = duplicates["contradicting_labels"]
    return RepeatedIds(
        rows=duplicates["count"],
        contrary=contrary["count"],
        listed=tuple(
            (one["sha256"], tuple((row["row"], row["label"]) for row in one["rows"]))
            for one in contrary["listed"]
        ),
    )


def _versions() -> Mapping[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
