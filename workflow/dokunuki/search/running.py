"""A trial as a job: which settings it tries, behind or with which classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.search.choice import chosen_spec, shortlisted
from dokunuki.search.trials import CleanRows, Trial

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dokunuki.corpus.vectors import Vectors
    from dokunuki.search.trials import Result


def run_trial(
    vectors: Vectors,
    kind: str,
    spec: Mapping[str, Any],
    *,
    shortlist: str | Path | None = None,
    classifiers: str | Path | None = None,
    seed: int,
    device: str,
    threads: int,
    precision: str = "auto",
) -> Result:
    """Try settings on the unpoisoned rows of a seed.

    `kind` is classifiers or autoencoders. The settings are `spec["settings"]`, or those of rank
    `spec["rank"]` in the file `shortlist`. An autoencoder is tried with the classifier that comes
    first in the table `classifiers`, whose parts are `spec["classifiers"]` by name. Where no
    classifiers were searched, that is the only one there.
    """
    settings = spec["settings"] if shortlist is None else shortlisted(shortlist, spec["rank"])
    trial = Trial(
        CleanRows.of(vectors), seed=seed, device=device, threads=threads, precision=precision
    )
    if kind == "classifiers":
        return trial.classifier(settings)
    named = spec["classifiers"]
    classifier = chosen_spec(classifiers, named) if classifiers else next(iter(named.values()))
    return trial.autoencoder(settings, classifier)
