"""How fast own rows become vectors, and in how much memory, from Parquet to vectors.h5.

The rows are those of a simulated release, each repeated with another id and noise in every value
that is not 0. Two sizes are run, each in a process of its own: reading through with all checks (the
index), drawing all rows, and writing them. Beside it stands the least that such a program could do,
with no check: pyarrow's batches written by h5py as they come. CPU seconds of one thread; memory is
the process' peak. Usage: python -m bench.tables [--rows N]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet

from bench.harness import emit, in_a_process, machine, peak_mb, row
from bench.material import vectors
from dokunuki.corpus.index import build_index
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.own_rows import OwnRows
from dokunuki.corpus.sampling import draw_sample
from dokunuki.corpus.vectors import write_split_vectors

LAYOUT = feature_layout(1)
# The smaller size is this part of the larger.
PART = 4
_GROUP_ROWS = 50_000


def write_feed(path: Path, rows: int, X: np.ndarray, labels: np.ndarray) -> None:
    """A Parquet file of that many rows, with sha256 and label, and its columns shuffled."""
    order = np.random.default_rng(0).permutation(LAYOUT.width)
    schema = pa.schema(
        [("sha256", pa.string()), ("label", pa.int8())]
        + [(LAYOUT.names[column], pa.float32()) for column in order]
    )
    noise = np.random.default_rng(1)
    # Large row groups, as pandas, polars and DuckDB write them: the harder case for memory.
    with pa.parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, _GROUP_ROWS):
            numbers = np.arange(start, min(start + _GROUP_ROWS, rows))
            part = X[numbers % len(X)][:, order]
            part += (part != 0) * noise.random(part.shape, dtype=np.float32)
            columns = [
                pa.array([f"{number:064x}" for number in numbers]),
                pa.array(labels[numbers % len(X)].astype(np.int8)),
                *(pa.array(column) for column in part.T),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=rows)


def ours(feed: Path, target: Path, rows: int) -> None:
    """Index the feed, draw nearly all of its rows, and write their vectors."""
    release = OwnRows(feed, LAYOUT)
    index, _ = build_index(release)
    fewest = min(int((index.label == label).sum()) for label in (0, 1))
    split = draw_sample(index, 2 * fewest // 10 * 10, 0.2, 0, seed=0)
    write_split_vectors(target, release, index, split, dataset="bench", corpus="rows")


def plain(feed: Path, target: Path, rows: int) -> None:
    """Write pyarrow's batches as they come."""
    with pa.parquet.ParquetFile(feed) as source, h5py.File(target, "w") as file:
        shape = (rows, LAYOUT.width)
        storage = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
        matrix = file.create_dataset("X", shape, np.float32, chunks=(111, LAYOUT.width), **storage)
        start = 0
        for batch in source.iter_batches(888, columns=list(LAYOUT.names), use_threads=False):
            values = np.array([column.to_numpy() for column in batch.columns]).T
            matrix[start : start + len(values)] = values
            start += len(values)


SIDES = {"ours": ours, "plain": plain}


def measured(side: str, feed: Path, rows: int) -> dict[str, float]:
    """CPU seconds and the peak of memory in MB, in a process of its own."""
    sized = ("--feed", str(feed), "--rows", str(rows))
    return in_a_process("bench.tables", "--side", side, *sized)


def run_side(side: str, feed: Path, rows: int) -> None:
    """What `measured` starts."""
    start = time.process_time()
    with tempfile.TemporaryDirectory(dir=feed.parent) as folder:
        SIDES[side](feed, Path(folder) / "vectors.h5", rows)
    seconds = time.process_time() - start
    print(json.dumps({"cpu_s": seconds, "peak_mb": peak_mb()}))


def main() -> None:
    """Measure both sizes and both sides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--feed", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        run_side(arguments.side, arguments.feed, arguments.rows)
        return
    emit(machine(["pyarrow", "h5py", "numpy"], benchmark="tables"))
    sizes = {"small": arguments.rows // PART, "large": arguments.rows}
    found = {}
    X, labels = vectors(12000)
    with tempfile.TemporaryDirectory() as folder:
        for size, rows in sizes.items():
            feed = Path(folder) / f"{size}.parquet"
            write_feed(feed, rows, X, labels)
            found[size] = measured("ours", feed, rows)
        found["plain"] = measured("plain", feed, sizes["large"])
    emit(
        row(
            f"own rows from Parquet to vectors: peak memory at {sizes['large']} rows over that at "
            f"{sizes['small']}",
            {"small_mb": found["small"]["peak_mb"], "large_mb": found["large"]["peak_mb"]},
            found["large"]["peak_mb"] / found["small"]["peak_mb"],
            1.25,
            least=False,
        )
    )
    rates = {side: sizes["large"] / found[side]["cpu_s"] for side in ("large", "plain")}
    emit(
        row(
            f"own rows from Parquet to vectors, {sizes['large']} rows: rows a second beside "
            "batches that are written unchecked",
            {"ours_rows_per_s": rates["large"], "plain_rows_per_s": rates["plain"]},
            rates["large"] / rates["plain"],
            0.75,
        )
    )


if __name__ == "__main__":
    main()
