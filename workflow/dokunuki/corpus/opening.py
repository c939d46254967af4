"""Opening a dataset's rows as the configuration describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.corpus.layout_record import layout_from_record
from dokunuki.corpus.own_rows import OwnRows
from dokunuki.corpus.release import open_release

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dokunuki.corpus.protocol import Release


def open_rows(spec: Mapping[str, Any], store: str | Path | None = None) -> Release:
    """The rows that `corpus_spec` or `vectors_spec` of `study.specs` describes.

    `store` is what was kept of a packed release. Raises CorpusError when they are not there.
    """
    if "layout" in spec:
        return OwnRows(
            spec["path"],
            layout_from_record(spec["layout"]),
            label=spec["label"],
            sample_id=spec["sample_id"],
        )
    return open_release(spec["path"], spec["version"], spec.get("file_types"), store)
