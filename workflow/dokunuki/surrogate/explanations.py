"""The file of SHAP values of the attacker's model: how much each feature speaks for malware."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dokunuki.errors import damaged_file
from dokunuki.storage.arrays import write_arrays
from dokunuki.storage.matrix import StoredMatrix

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EXPECTED_GRADIENTS = "expected-gradients"


def write_explanations(
    path: str | Path,
    explanations: np.ndarray,
    attributes: Mapping[str, str | int | float] | None = None,
    explainer: str = EXPECTED_GRADIENTS,
) -> None:
    """Write S, float32 (n, width), and how it was computed.

    A file without the attribute `explainer` is by expected gradients, as all were before there was
    a choice.
    """
    named = {} if explainer == EXPECTED_GRADIENTS else {"explainer": explainer}
    write_arrays(
        path,
        {"explanations": explanations.astype(np.float32, copy=False)},
        {**(attributes or {}), **named},
    )


def read_explanations(path: str | Path) -> StoredMatrix:
    """S, float32 (n, width), in its file; raises DataFileError when that holds no such matrix."""
    explanations = StoredMatrix(path, "explanations")
    if explanations.ndim != 2:
        raise damaged_file(
            path, f"explanations have shape {explanations.shape}, not (rows, columns)"
        )
    return explanations
