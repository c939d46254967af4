"""The benchmark's pages from the tables of several runs: other seeds, attacks or defences each.

For a grid that was run in parts, by days or by machines: each part is a run of its own
(`snakemake ... --config 'grid={seeds: [0, 1]}' -- benchmark`), of which `results/metrics.csv` and
`results/timings.csv` are kept, in one folder, as NAME-metrics.csv and NAME-timings.csv.
Runs that the presets do not ask for are left out: a part may belong to two grids.
Usage: python -m bench.merged FOLDER [...] --presets benchmark [...] [--output results/benchmark]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from bench.material import configuration
from dokunuki.benchmark.leaderboard import write_leaderboard
from dokunuki.errors import DataFileError, DokunukiError
from dokunuki.evaluation.metrics import read_metrics, write_metrics
from dokunuki.evaluation.timings import read_timings, write_timings
from dokunuki.study.grid import defended_classifiers
from dokunuki.study.keys import NO_ATTACK, RunKey
from dokunuki.study.results import benchmark_study

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dokunuki.study.configuration import Config

RUN = [field.name for field in fields(RunKey)]


def merged(paths: Sequence[Path], read: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    """The rows of all tables, in the order of a run's own.

    Parts with other attacks train the unpoisoned detectors of a seed again: the first one's rows
    are kept. A poisoned run that several parts hold is an error. Raises `DataFileError`.
    """
    table = pd.concat([read(path).assign(part=str(path)) for path in paths])
    repeated = table.duplicated(RUN)
    if (wrong := repeated & (table["poison_rate"] > 0)).any():
        run = table[wrong].iloc[0]
        first = table[(table[RUN] == run[RUN]).all(axis=1)].iloc[0]
        raise DataFileError(
            Path(run["part"]),
            f"holds {tuple(run[RUN])}, as {first['part']} does; leave one of them out",
        )
    return table[~repeated].drop(columns="part").sort_values(RUN, ignore_index=True)


def within(table: pd.DataFrame, config: Config) -> pd.DataFrame:
    """The rows whose attack, defence, classifier and seed the grid asks for."""
    grid = config["grid"]
    asked = table["attack"].isin([NO_ATTACK, *grid["attacks"]]) & table["seed"].isin(grid["seeds"])
    pairs = pd.MultiIndex.from_frame(table[["defence", "classifier"]])
    asked &= pairs.isin(list(defended_classifiers(grid)))
    return table[asked].reset_index(drop=True)


def study(config: Config, table: pd.DataFrame) -> dict[str, Any]:
    """What a configuration compares, with the seeds, attacks and defences that the table has."""
    grid = config["grid"]
    grid["datasets"] = list(dict.fromkeys(table["dataset"]))
    grid["seeds"] = sorted(table["seed"].unique().tolist())
    for kind, column in (("attacks", "attack"), ("defences", "defence")):
        grid[kind] = [name for name in grid[kind] if name in set(table[column])]
    return benchmark_study(config)


def tables_of(
    folders: Sequence[Path], config: Config, read: Callable[[Path], pd.DataFrame], name: str
) -> pd.DataFrame:
    """The runs of a configuration in all files `*-NAME.csv` of the folders.

    Raises `DataFileError` when there is no such file.
    """
    paths = [path for folder in folders for path in sorted(folder.glob(f"*-{name}.csv"))]
    if not paths:
        raise DataFileError(folders[-1], f"holds no *-{name}.csv; copy the tables of a run there")
    return within(merged(paths, read), config)


def write_merged(folders: Sequence[Path], presets: Sequence[str], output: Path) -> None:
    """Write what `make benchmark` writes, but for its report, of the parts in all folders."""
    config = configuration(presets)
    metrics = tables_of(folders, config, read_metrics, "metrics")
    compared = study(config, metrics)
    (output / "defences").mkdir(parents=True, exist_ok=True)
    write_metrics(output / "metrics.csv", metrics)
    timings = tables_of(folders, config, read_timings, "timings")
    write_timings(output / "timings.csv", timings)
    pages = {
        name: (output / f"{name}.md", output / f"{name}.html")
        for name in ("leaderboard", "attacks", "details")
    }
    figures = {
        name: (output / f"{name}.svg", output / f"{name}.png") for name in ("pareto", "heatmap")
    }
    write_leaderboard(
        output / "metrics.csv",
        output / "timings.csv",
        compared,
        **pages,
        **figures,
        csv=output / "leaderboard.csv",
        order=output / "standings.csv",
        defences=[output / "defences" / f"{name}.md" for name in compared["defences"]],
    )


def main() -> None:
    """Merge the parts in the folders that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--presets", nargs="+", default=["benchmark"])
    parser.add_argument("--output", type=Path, default=Path("results/benchmark"))
    arguments = parser.parse_args()
    write_merged(arguments.folders, arguments.presets, arguments.output)


if __name__ == "__main__":
    try:
        main()
    except DokunukiError as error:
        sys.exit(str(error))
