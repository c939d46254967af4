"""How fast a release is scanned, on one core and on two.

Rates are by processor time, of all processes together. The speed of two cores beside one is by the
clock, and needs two cores that nothing else uses. The release that is scanned has the files of a
smaller one several times over, a million rows as EMBER 2018, so that the workers' start counts for
as much as with a published one. Like that it has no checksums of whole files.
Usage: python -m bench.scanning [--rows N] [--rounds N] [--copies N]
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from bench.harness import emit, interleaved, machine, row
from dokunuki.corpus.index import build_index
from dokunuki.corpus.release import open_release

if TYPE_CHECKING:
    from pathlib import Path

CORES = 2


def main() -> None:
    """Measure scanning."""
    # Here, since worker processes import this module again, and torch takes them seconds.
    from bench.material import BUILD, release

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=12000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--copies", type=int, default=84, help="of the release's files")
    arguments = parser.parse_args()
    emit(machine(["numpy", "msgspec"], benchmark="scanning"))
    folder = release(arguments.rows)
    large = _several_times(
        folder, BUILD / f"{folder.name}-times-{arguments.copies}", arguments.copies
    )

    processor = dict.fromkeys((1, CORES), float("inf"))

    def scan(workers: int) -> None:
        start = _processor_seconds()
        build_index(open_release(large, 1), workers=workers)
        processor[workers] = min(processor[workers], _processor_seconds() - start)

    build_index(open_release(folder, 1))  # warms up: the large one is made of the same files
    sides = {1: lambda: scan(1), CORES: lambda: scan(CORES)}
    wall = interleaved(sides, arguments.rounds, warm_ups=0)
    megabytes = open_release(large, 1).total_bytes / 1e6
    measured = {"MB": megabytes, "row_bytes": megabytes * 1e6 / (arguments.copies * arguments.rows)}
    for cores, name in ((1, "one core"), (CORES, "two cores")):
        emit(
            row(
                f"scanning a release on {name}, rows checked in full: MB a second and core",
                measured | {"processor_s": processor[cores], "wall_s": wall[cores]},
                megabytes / processor[cores],
                200,
            )
        )
    emit(
        row(
            "scanning a release on two cores: speed beside one core",
            {"load": os.getloadavg()[0], "one_s": wall[1], "two_s": wall[CORES]},
            wall[1] / wall[CORES],
            1.8,
        )
    )


def _several_times(folder: Path, target: Path, copies: int) -> Path:
    """A release of a release's files, each that many times under other names, made of links."""
    target.mkdir(exist_ok=True)
    files = sorted(folder.glob("*.jsonl"))
    for number in range(copies * len(files)):
        link = target / f"train_features_{number}.jsonl"
        if not link.exists():
            os.link(files[number % len(files)], link)
    return target


def _processor_seconds() -> float:
    """Processor time of this process and of those that it has started and seen end."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
