"""What several benchmarks work on: simulated releases, kept between runs, and their vectors."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml
from snakemake.utils import update_config

from dokunuki.corpus.index import build_index
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.release import open_release
from dokunuki.corpus.vectoriser import vectorise
from dokunuki.detector import Detector
from dokunuki.networks.embernn import EmberNN
from dokunuki.study.configuration import load_config
from simember.generator import SimulatedSpec, write_corpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dokunuki.study.configuration import Config

REPOSITORY = Path(__file__).resolve().parents[1]
BUILD = REPOSITORY / "build" / "bench"
PAPER = REPOSITORY / "workflow" / "presets" / "paper.yaml"
WORKFLOW = ("Snakefile", "config.yaml", "workflow", "profiles", "envs")


def configuration(presets: Iterable[str | Path]) -> Config:
    """`config.yaml` with the presets over it, names of those in workflow/presets or paths."""
    raw = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    for preset in presets:
        named = REPOSITORY / "workflow" / "presets" / f"{preset}.yaml"
        path = named if named.is_file() else Path(preset)
        update_config(raw, yaml.safe_load(path.read_text(encoding="utf-8")))
    return load_config(raw, REPOSITORY / "workflow")


def checkout(folder: Path) -> None:
    """Copy the workflow into a folder, to be run there without touching results that are here."""
    for part in WORKFLOW:
        source = REPOSITORY / part
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        copy(source, folder / part)


def main_grid(path: Path, preset: Path = PAPER) -> None:
    """Write a preset to `path` without its further grids: of paper.yaml, the paper's figures."""
    content = yaml.safe_load(preset.read_text(encoding="utf-8"))
    content.pop("further_grids", None)
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


def release(rows: int) -> Path:
    """A simulated release of that many rows, written once."""
    folder = BUILD / f"release-{rows}"
    if not (folder / "metadata.csv").is_file():
        write_corpus(folder, SimulatedSpec(rows=rows), workers=os.cpu_count() or 1)
    return folder


def vectors(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of a release of that many rows, float32 (rows, 2351), and the labels."""
    opened = open_release(release(rows), 1)
    index, _ = build_index(opened)
    X = np.empty((len(index), feature_layout(1).width), dtype=np.float32)
    for positions, batch in opened.vectors(index.locations(range(len(index))), vectorise):
        X[positions] = batch
    return X, index.label


def surrogate(
    X: np.ndarray, y: np.ndarray, hidden: str | Sequence[int], epochs: int, threads: int
) -> Detector:
    """A trained EmberNN behind its scaler, on the CPU."""
    network = EmberNN(
        hidden=hidden, epochs=epochs, learning_rate=3e-4, device="cpu", threads=threads
    )
    return Detector([], network).fit(X, y)
