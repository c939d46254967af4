"""The tables and figures of docs/benchmark.md: made of the parts that were run.

Of every run that has parts, its tables and figures are written to its folder; then the tables of
the document, and of the folder's README.md, are made of those.
Usage: python -m bench.benchmark_tables [--folder docs/benchmark] [--document docs/benchmark.md]
"""

from __future__ import annotations

import argparse
import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from bench.markers import write_tables
from bench.material import REPOSITORY, configuration
from bench.merged import write_merged
from bench.report import markdown_table
from dokunuki.benchmark.pages import shown_rank
from dokunuki.benchmark.standings import BASELINE, LITTLE_POISONING, NOT_VALIDATED, study_of
from dokunuki.figures.pages import share
from dokunuki.study.results import benchmark_study

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dokunuki.benchmark.standings import Ledger, Study

CLASSIFIERS = {"embernn": "EmberNN", "lightgbm": "LightGBM"}
KEPT = ("standings.csv", "leaderboard.csv", "heatmap.png", "pareto.png")
"""What stays of a run, in its folder."""


class Run(NamedTuple):
    """A run of the benchmark: its heading, its presets, and the folders that hold its parts."""

    title: str
    presets: tuple[str, ...]
    parts: tuple[str, ...]


SECOND_ROUND = "simulated"
FIRST_ROUND = "screening"
# By folder, in the order of the tables.
RUNS = {
    SECOND_ROUND: Run("simulated", ("benchmark",), (FIRST_ROUND, SECOND_ROUND)),
    "ember": Run("real rows", ("benchmark", "benchmark-ember"), ("ember",)),
    "version-3": Run("simulated, version 3", ("benchmark", "benchmark-2024"), ("version-3",)),
    FIRST_ROUND: Run("first round", ("benchmark", "screening"), (FIRST_ROUND,)),
}
COMPARED = (SECOND_ROUND, "ember", "version-3")
FIRST = 10
"""So many defences are compared over the runs."""


IN_README = ("benchmark-screening",)
"""Tables that stand in the folder's README.md; the others stand in the document."""


def tables(folder: Path) -> dict[str, str]:
    """Every table by the name of its markers; `folder` holds a folder for each of `RUNS`."""
    studies = {run: _study(RUNS[run]) for run in (SECOND_ROUND, FIRST_ROUND)}
    cells = _read(folder, "leaderboard")
    standings = _read(folder, "standings")
    second = standings[SECOND_ROUND]
    first = standings[FIRST_ROUND]
    compared = {run: standings[run] for run in COMPARED if run in standings}
    return {
        "benchmark-attacks": _attacks(cells[SECOND_ROUND], studies[SECOND_ROUND]),
        "benchmark-defences": _defences(second, studies[SECOND_ROUND]),
        "benchmark-screening": _defences(
            first[~first["defence"].isin(second["defence"])], studies[FIRST_ROUND]
        ),
        "benchmark-corpora": _corpora(compared, studies[SECOND_ROUND]),
    }


def _study(run: Run) -> Study:
    return study_of(benchmark_study(configuration(run.presets)))


def _read(folder: Path, name: str) -> dict[str, pd.DataFrame]:
    paths = {run: folder / run / f"{name}.csv" for run in RUNS}
    return {run: pd.read_csv(path) for run, path in paths.items() if path.is_file()}


def write_runs(folder: Path) -> None:
    """Make tables and figures of the parts of every run, in its folder."""
    for name, run in RUNS.items():
        parts = [folder / part / "parts" for part in run.parts]
        if not parts[-1].is_dir():
            continue
        with tempfile.TemporaryDirectory() as made:
            write_merged(parts, run.presets, Path(made))
            for kept in KEPT:
                shutil.copyfile(Path(made, kept), folder / name / kept)


def _attacks(cells: pd.DataFrame, study: Study) -> str:
    """What each attack reaches where nothing defends."""
    heads = ["attack", "labels", "adapted to"]
    for title in CLASSIFIERS.values():
        heads += [f"{title}: ASR", "ΔASR"]
    none = cells[(cells["defence"] == BASELINE) & (cells["poison_rate"] > 0)]
    rows = []
    for name in dict.fromkeys(none["attack"]):
        attack = study.attacks[name]
        adapted = study.defences.get(attack.adaptive_to or "")
        row = [
            attack.label,
            "flipped" if attack.flips else "clean",
            adapted.label if adapted else "",
        ]
        little = []
        for classifier, title in CLASSIFIERS.items():
            cell = none[(none["attack"] == name) & (none["classifier"] == classifier)].iloc[0]
            row += [_share(cell, "asr"), _points(cell["delta_asr_mean"])]
            if cell["delta_asr_mean"] < LITTLE_POISONING:
                little.append(title)
        rows.append([*row, f"hardly poisons {' and '.join(little)}" if little else ""])
    return markdown_table([*heads, ""], rows)


def _defences(standings: pd.DataFrame, study: Study) -> str:
    """Every defence with both classifiers, in EmberNN's order; what has no rank comes last."""
    heads = ["defence", "told"]
    for title in CLASSIFIERS.values():
        heads += [f"{title}: rank", "worst ASR", "mean ΔASR", "accuracy lost"]
    rows = []
    for name in _order(standings):
        defence = study.defences[name]
        row = [defence.label, _told(defence.ledger)]
        cost = math.nan
        for classifier in CLASSIFIERS:
            found = _of(standings, name, classifier)
            if found is None:
                row += ["", "", "", ""]
                continue
            row += [_rank(found), _worst(found), _points(found["mean_delta_asr"]), _lost(found)]
            if classifier == "embernn":
                cost = sum(found[f"seconds_{part}"] for part in ("defence", "training", "scoring"))
        rows.append([*row, f"{cost:.0f}"])
    return markdown_table([*heads, "seconds"], rows)


def _corpora(standings: Mapping[str, pd.DataFrame], study: Study) -> str:
    """Worst ASR and accuracy lost of the first defences over the runs, EmberNN / LightGBM."""
    heads = [""]
    for run in standings:
        heads += [f"{RUNS[run].title}: worst ASR", "accuracy lost"]
    rows = []
    for name in [BASELINE, *_first(standings[SECOND_ROUND])]:
        row = [study.defences[name].label]
        for table in standings.values():
            found = [_of(table, name, classifier) for classifier in CLASSIFIERS]
            row.append(" / ".join("" if one is None else _worst(one) + _mark(one) for one in found))
            row.append(" / ".join("" if one is None else _lost(one) for one in found))
        rows.append(row)
    return markdown_table(heads, rows)


def _told(ledger: Ledger) -> str:
    """What a defence knew or assumed, by name; the leaderboard says it in full."""
    facts = {
        "clean rows": ledger.clean_rows,
        "the poison": ledger.poison,
        "region": bool(ledger.regions),
        "p": ledger.poison_rate != "none",
        "N": ledger.trigger_size != "none",
        "target class": ledger.target_class,
    }
    return ", ".join(name for name, told in facts.items() if told) or "nothing"


def _order(standings: pd.DataFrame) -> list[str]:
    """Defences by EmberNN's places; then the ones without a place, by their worst ASR."""
    ran = standings[(standings["classifier"] == "embernn") & standings["run"].astype(bool)]
    return list(ran.sort_values(["place", "worst_asr"], kind="stable")["defence"])


def _first(standings: pd.DataFrame) -> list[str]:
    """The ranked defences that stand first with EmberNN, No Defence apart."""
    ranked = standings[(standings["classifier"] == "embernn") & standings["place"].notna()]
    ordered = ranked.sort_values("place", kind="stable")["defence"]
    return [name for name in ordered if name != BASELINE][:FIRST]


def _of(standings: pd.DataFrame, name: str, classifier: str) -> Any:  # noqa: ANN401 - a row
    where = (standings["defence"] == name) & (standings["classifier"] == classifier)
    found = standings[where & standings["run"].astype(bool)]
    return None if found.empty else found.iloc[0]


def _rank(row: Mapping[str, Any]) -> str:
    if str(row["rank"]).startswith(NOT_VALIDATED):
        return "not validated"
    return str(row["rank"]) if math.isnan(row["place"]) else shown_rank(row)


def _mark(row: Mapping[str, Any]) -> str:
    return " †" if str(row["rank"]).startswith(NOT_VALIDATED) else ""


def _worst(row: Mapping[str, Any]) -> str:
    return _mean(row["worst_asr"], row["worst_asr_half"])


def _lost(row: Mapping[str, Any]) -> str:
    if row["defence"] == BASELINE:
        return f"(accuracy {share(row['accuracy_mean'])})"
    return share(-row["accuracy_difference"])


def _share(row: Mapping[str, Any], name: str) -> str:
    return _mean(row[f"{name}_mean"], row[f"{name}_half"])


def _mean(mean: float, half: float) -> str:
    if math.isnan(mean):
        return ""
    return f"{_points(mean)}{'' if math.isnan(half) else f' ± {_points(half)}'}"


def _points(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:z.0f}"


def main() -> None:
    """Make every run's files, and write the tables into the document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "docs" / "benchmark")
    parser.add_argument("--document", type=Path, default=REPOSITORY / "docs" / "benchmark.md")
    arguments = parser.parse_args()
    write_runs(arguments.folder)
    made = tables(arguments.folder)
    first_round = {name: made.pop(name) for name in IN_README}
    write_tables(arguments.document, made)
    write_tables(arguments.folder / "README.md", first_round)


if __name__ == "__main__":
    main()
