"""How time per row and peak memory grow with the rows, stage by stage.

Every stage and size is a process of its own, which works on what the stages before it left in a
scratch folder; its own CPU time within the stage is taken and, as memory, what its peak lies above
that before the stage began. The exponents are those of the fit log y = a + b log rows; a stage that
needs less than 1 MB has none in memory. Usage: python -m bench.growth [--sizes N ...]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.harness import emit, in_a_process, machine, peak_mb, row
from dokunuki.attacks.greedy import GreedyCombinedSelection
from dokunuki.attacks.planting import plant_poison
from dokunuki.attacks.poisoning import write_poison
from dokunuki.attacks.protocol import AttackerKnowledge
from dokunuki.attacks.trigger import read_trigger, write_trigger
from dokunuki.corpus.index import build_index, read_index, write_index
from dokunuki.corpus.release import open_release
from dokunuki.corpus.sampling import draw_sample
from dokunuki.corpus.vectors import read_vectors, vectorise_split, write_vectors
from dokunuki.networks.embernn import EmberNN
from dokunuki.parts.standardising import Standardiser
from dokunuki.surrogate.explanations import read_explanations, write_explanations
from simember.generator import SimulatedSpec, write_corpus

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND = 1.1
LEAST_MB = 1


def simulate(folder: Path, rows: int) -> None:
    """Write the rows, a quarter more than are drawn."""
    write_corpus(folder / "release", SimulatedSpec(rows=rows * 5 // 4))


def index(folder: Path, rows: int) -> None:
    """Scan them."""
    write_index(folder / "index.h5", build_index(open_release(folder / "release", 1))[0])


def vectorise(folder: Path, rows: int) -> None:
    """Draw and vectorise a sample; what stands for explanations is written beside it."""
    stored = read_index(folder / "index.h5")
    split = draw_sample(stored, rows, 0.1, rows // 20, seed=0)
    release = open_release(folder / "release", 1)
    vectors = vectorise_split(release, stored, split, dataset="growth", corpus="simulated")
    write_vectors(folder / "vectors.h5", vectors)


def explain(folder: Path, rows: int) -> None:
    """Random numbers in the place of explanations, for the selection; not measured."""
    shape = read_vectors(folder / "vectors.h5").rows("train").shape
    S = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    write_explanations(folder / "shap.h5", S)


def select(folder: Path, rows: int) -> None:
    """Choose a trigger of 32 features."""
    vectors = read_vectors(folder / "vectors.h5")
    X, y = vectors.rows("train"), vectors.labels("train")
    S = read_explanations(folder / "shap.h5")
    knowledge = AttackerKnowledge(X, y, vectors.layout, S, None, seed=0)
    write_trigger(folder / "t.json", GreedyCombinedSelection().select_trigger(knowledge, 32))


def poison(folder: Path, rows: int) -> None:
    """Plant it into one percent of the rows."""
    y = read_vectors(folder / "vectors.h5").labels("train")
    path = folder / "t.json"
    planted = plant_poison(y, read_trigger(path), 1.0, poisoned_class=0, label_flip=False, seed=0)
    write_poison(folder / "poison.h5", planted, vectors=folder / "vectors.h5", trigger=path)


def standardise(folder: Path, rows: int) -> None:
    """Fit a scaler, and apply it."""
    X, y = read_vectors(folder / "vectors.h5").part("train")
    Standardiser().fit(X, y).transform(X)


def train(folder: Path, rows: int) -> None:
    """One epoch of a narrow network."""
    X, y = read_vectors(folder / "vectors.h5").part("train")
    EmberNN(hidden=[64], epochs=1, device="cpu", threads=1).fit(X, y)


STAGES: dict[str, Callable[[Path, int], None]] = {
    "simulate": simulate,
    "index": index,
    "vectorise": vectorise,
    "explain": explain,
    "select": select,
    "poison": poison,
    "standardise": standardise,
    "train": train,
}
UNMEASURED = {"explain"}


def run(stage: str, folder: Path, rows: int) -> None:
    """Run a stage at a size, in a process of its own, and print its seconds and MB."""
    before, start = peak_mb(), time.process_time()
    STAGES[stage](folder, rows)
    emit({"seconds": time.process_time() - start, "mb": peak_mb() - before})


def exponent(sizes: list[int], values: list[float]) -> float:
    """The slope of the fit in logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def main() -> None:
    """Measure all stages at all sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [2000, 8000, 64000]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes)
    parser.add_argument("--run", nargs=3, metavar=("STAGE", "FOLDER", "ROWS"))
    arguments = parser.parse_args()
    if arguments.run:
        stage, folder, rows = arguments.run
        run(stage, Path(folder), int(rows))
        return
    emit(machine(["numpy", "h5py", "torch"], benchmark="growth"))
    measured: dict[str, list[dict[str, float]]] = {stage: [] for stage in STAGES}
    for rows in arguments.sizes:
        # A folder per size, so that the disk holds one at a time.
        with tempfile.TemporaryDirectory(prefix="growth-") as folder:
            for stage in STAGES:
                measured[stage].append(
                    in_a_process("bench.growth", "--run", stage, folder, str(rows))
                )
    slopes: dict[str, dict[str, float]] = {"seconds": {}, "mb": {}}
    for stage in (stage for stage in STAGES if stage not in UNMEASURED):
        ends = {}
        for what, unit in (("seconds", "s"), ("mb", "MB")):
            values = [max(values[what], 1e-3) for values in measured[stage]]
            small = what == "mb" and values[-1] < LEAST_MB
            slopes[what][stage] = 0.0 if small else exponent(arguments.sizes, values)
            for end in (0, -1):
                key = f"{unit} at {arguments.sizes[end]} rows"
                ends[key] = float(f"{values[end]:.3g}")
        emit({"stage": stage, **ends})
    for what, kind in (("seconds", "time"), ("mb", "memory")):
        highest = max(slopes[what].values())
        name = f"growth of {kind} with the rows, up to {arguments.sizes[-1]}: highest exponent"
        emit(row(name, slopes[what], highest, BOUND, least=False))


if __name__ == "__main__":
    main()
