"""The vectoriser of the `ember` package (optional, AGPL), with its one known slip corrected.

It checks the built-in vectoriser, and serves those who want EMBER's own code. It works row by row.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.vectoriser import entry_name_hashes
from dokunuki.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dokunuki.corpus.validation import Row


def vectorise(rows: Sequence[Row], version: int) -> np.ndarray:
    """Feature vectors of raw rows by `ember`: float32 (n, 2351) or (n, 2381).

    Its columns of the entry section's name are replaced by ours: with scikit-learn 1.2 and later
    the package hashes the whole name where the release hashed its characters. Raises CorpusError
    when the package is not installed or makes vectors of another width, for version 3, which it
    does not know, and for names with lone surrogates, which it cannot hash.
    """
    if version == 3:
        raise CorpusError(
            "corpus.vectoriser: the ember package knows feature versions 1 and 2 and not 3; set "
            "corpus.vectoriser: dokunuki"
        )
    extractor = _extractor(version)
    width = feature_layout(version).width
    X = np.zeros((len(rows), width), dtype=np.float32)
    for position, row in enumerate(rows):
        try:
            vector = extractor.process_raw_features(row)
        except UnicodeEncodeError as error:
            raise CorpusError(
                f"row {row['sha256']}: the ember package cannot hash its names, since UTF-8 has no "
                f"lone surrogate ({error.object[error.start : error.end]!r}); set "
                "corpus.vectoriser: dokunuki, which can"
            ) from None
        if vector.shape != (width,):
            raise CorpusError(
                f"the installed ember package makes vectors of shape {vector.shape}, not ({width},)"
                "; set corpus.vectoriser: dokunuki"
            )
        X[position] = vector
    if rows:
        columns, values = entry_name_hashes(rows, feature_layout(version))
        X[:, columns] = values
    return X


def _extractor(version: int) -> Any:  # noqa: ANN401 - an untyped package
    try:
        package = importlib.import_module("ember")
        extractor_class = package.PEFeatureExtractor
    except (ImportError, AttributeError) as error:
        raise CorpusError(
            f"corpus.vectoriser: ember needs the ember package ({error}): pip install "
            "'dokunuki[ember]', or set corpus.vectoriser: dokunuki, which gives the same vectors"
        ) from None
    return extractor_class(version, print_feature_warning=False)
