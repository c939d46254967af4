"""Selection among all attackable columns of very many rows: seconds, and memory over the columns'.

The rows are those of a simulated release, again and again; the explanations those of a small
EmberNN, times noise. Both lie in files, as in the workflow, and an attack is a process of its own
that starts from the files. "Columns" is what the region's columns take as float32. Beside it stands
the published form on a part of the rows, which it holds in memory. Seconds are of one thread's
processor time. Usage: python -m bench.large_selection [--rows N] [--size N]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from bench.harness import emit, in_a_process, machine, peak_mb, row
from bench.plain_selection import plain_greedy, plain_independent
from dokunuki.attacks.greedy import GreedyCombinedSelection
from dokunuki.attacks.independent import IndependentSelection
from dokunuki.attacks.protocol import AttackerKnowledge
from dokunuki.corpus.layout import feature_layout
from dokunuki.storage.arrays import create_arrays, open_arrays, write_arrays
from dokunuki.storage.matrix import StoredMatrix

LAYOUT = feature_layout(1)
REGION = "all"
COLUMNS = LAYOUT.columns(REGION)
ATTACKS = {
    "MinPopulation": (
        IndependentSelection(region=REGION),
        lambda X, S, size: plain_independent(X, S, COLUMNS.tolist(), size, "min_population"),
    ),
    "Greedy": (
        GreedyCombinedSelection(region=REGION),
        lambda X, S, size: plain_greedy(X, S, COLUMNS.tolist(), size),
    ),
}
SECONDS = 60
MEMORY = 1.3
# The published form is measured on this part of the rows.
PART = 50
REPOSITORY = Path(__file__).resolve().parents[1]


def write_matrices(folder: Path, rows: int) -> None:
    """Rows and explanations of that many rows, and of the part for the published form.

    Noise is drawn for the part only: the larger files hold its chunks again and again, as they are,
    which saves most of the compressing and changes nothing for who reads them.
    """
    # Here, so that an attack's process does not hold torch.
    from bench.material import surrogate, vectors
    from dokunuki.surrogate.explaining import explain

    X, y = vectors(8000)
    S = explain(surrogate(X, y, [64], 3, 1), X, background_rows=20, samples=5, seed=0)
    places = np.arange(rows // PART) % len(X)
    noise = np.random.default_rng(0)
    parts = {"X": X[places], "S": S[places] * noise.random((len(places), 1), dtype=np.float32)}
    for name, part in parts.items():
        small = folder / f"{name}-{len(places)}.h5"
        write_arrays(small, {name: part})
        repeat_chunks(small, folder / f"{name}-{rows}.h5", name, rows)


def repeat_chunks(small: Path, large: Path, name: str, rows: int) -> None:
    """Write a file of that many rows from the compressed chunks of a small one."""
    with open_arrays(small) as source, create_arrays(large) as (file, _):
        chunks = source[name]
        whole = file.create_dataset_like(name, chunks, shape=(rows, LAYOUT.width))
        step = chunks.chunks[0]
        full = len(chunks) // step * step  # the last chunk may be a part of one
        for start in range(0, rows, step):
            mask, chunk = chunks.id.read_direct_chunk((start % full, 0))
            whole.id.write_direct_chunk((start, 0), chunk, mask)


def run_attack(name: str, side: str, folder: Path, rows: int, size: int) -> None:
    """One attack from the files to a trigger, whose columns and values are printed too."""
    ours, plain = ATTACKS[name]
    start, clock = time.process_time(), time.perf_counter()
    X, S = (StoredMatrix(folder / f"{matrix}-{rows}.h5", matrix) for matrix in "XS")
    if side == "ours":
        knowledge = AttackerKnowledge(X, np.zeros(len(X)), LAYOUT, S, None, seed=0)
        trigger = ours.select_trigger(knowledge, size)
        chosen = list(zip(trigger.indices.tolist(), trigger.values.tolist(), strict=True))
    else:
        chosen = plain(X[:], S[:], size)
    found = {
        "cpu_s": time.process_time() - start,
        "clock_s": time.perf_counter() - clock,
        "peak_mb": peak_mb(),
        "chosen": chosen,
    }
    print(json.dumps(found))


def main() -> None:
    """Measure both attacks, and the published form of each on a part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--run", nargs=3, metavar=("ATTACK", "SIDE", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.run:
        name, side, folder = arguments.run
        run_attack(name, side, Path(folder), arguments.rows, arguments.size)
        return
    emit(machine(["numpy", "h5py"], benchmark="large_selection", threads=1))
    rows, part, size = arguments.rows, arguments.rows // PART, arguments.size

    def measured(name: str, side: str, rows: int, folder: str) -> dict[str, float]:
        sized = ("--rows", str(rows), "--size", str(size))
        found = in_a_process("bench.large_selection", "--run", name, side, folder, *sized)
        return found | {"over": found["peak_mb"] / (rows * len(COLUMNS) * 4 / 2**20)}

    build = REPOSITORY / "build" / "bench"
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        write_matrices(Path(folder), rows)
        for name in ATTACKS:
            large = measured(name, "ours", rows, folder)
            small = {side: measured(name, side, part, folder) for side in ("ours", "plain")}
            same = small["ours"]["chosen"] == small["plain"]["chosen"]
            what = f"{name}, {rows} rows x {len(COLUMNS)} columns, N = {size}"
            emit(
                row(
                    f"{what}: seconds",
                    {
                        "clock_s": large["clock_s"],
                        f"ours_{part}_rows_s": small["ours"]["cpu_s"],
                        f"plain_{part}_rows_s": small["plain"]["cpu_s"],
                    },
                    large["cpu_s"],
                    SECONDS,
                    least=False,
                )
            )
            emit(
                row(
                    f"{what}: peak memory over the columns'",
                    {"peak_mb": large["peak_mb"], f"plain_{part}_rows": small["plain"]["over"]},
                    large["over"],
                    MEMORY,
                    least=False,
                )
            )
            emit(row(f"{name}, {part} rows, N = {size}: the same trigger", {}, float(same), 1))


if __name__ == "__main__":
    main()
