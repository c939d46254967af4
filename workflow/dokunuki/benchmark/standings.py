"""The benchmark's leaderboard: every cell with its status, and the defences in order.

A cell is an attack at one N and p, or no attack, against a defence with a classifier on a dataset;
its rows in the metrics table are its seeds. What the grid asks for and the table lacks is a cell
too, with a status that says why.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dokunuki.benchmark.ranks import order_keys, places, rank_intervals
from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.protocol import assumed_regions
from dokunuki.errors import DokunukiError
from dokunuki.evaluation.comparisons import compare, holm
from dokunuki.evaluation.summary import seed_intervals
from dokunuki.parts.building import build
from dokunuki.seeding import generator
from dokunuki.study.catalogue import RANKED_TIERS, TIERS
from dokunuki.study.keys import NO_ATTACK
from dokunuki.victims.scores import OK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BASELINE = "none"
"""Name of the defence that the others are compared with: No Defence."""

LOUD_MARGIN = 0.5
"""By how much a filter's share of the loud poison removed must exceed that of the goodware."""

LITTLE_POISONING = 0.2
"""An attack whose ΔASR without a defence is below this is marked as one that hardly poisons.

The value is our choice: the poison lets less than a fifth more of the malware pass.
"""

NOT_VALIDATED = "port not validated"

SETTING = ("dataset", "classifier")
"""The columns that name a setting; each setting has its own order of defences."""

KEY = (*SETTING, "attack", "trigger_size", "poison_rate", "defence")

MEASURES = (
    *("accuracy", "fpr", "fnr", "roc_auc", "asr", "asr_detected", "asr_clean", "delta_asr"),
    *("fpr_at_1", "tpr_at_1", "asr_at_1", "fpr_at_01", "tpr_at_01", "asr_at_01"),
    *("poison_recall", "poison_precision", "goodware_removed", "removed_rows"),
    *("certified_accuracy", "median_radius"),
)
"""Columns of the metrics table of which a cell has mean and interval."""

_NO_PORTS = ("bound", "ours")

SECONDS = ("seconds_defence", "seconds_training", "seconds_scoring")

COMPARED = ("asr", "accuracy")

_REGIONS = {
    "feasible": "the feasible columns",
    "non_hashed": "the non-hashed columns",
    "all": "the attackable columns",
    "undefended": "the byte histograms",
}


@dataclass(frozen=True)
class Ledger:
    """What a defence was told, or assumes, besides the contaminated rows.

    It assumes a trigger to lie in one of `regions`, as its own class says; they are empty for no
    assumption.
    """

    clean_rows: bool = False
    poison: bool = False
    poison_rate: str = "none"
    trigger_size: str = "none"
    target_class: bool = False
    tuned_on: str = "nothing"
    regions: tuple[str, ...] = ()

    def told(self) -> str:
        """The ledger in one line; "nothing" where all of it is empty."""
        regions = " or ".join(_REGIONS.get(region, region) for region in self.regions)
        facts = [
            "clean rows" if self.clean_rows else "",
            "which rows are poison" if self.poison else "",
            f"p: {self.poison_rate}" if self.poison_rate != "none" else "",
            f"N: {self.trigger_size}" if self.trigger_size != "none" else "",
            f"a trigger within {regions}" if regions else "",
            "the target class" if self.target_class else "",
            f"tuned on {self.tuned_on}" if self.tuned_on != "nothing" else "",
        ]
        return "; ".join(fact for fact in facts if fact) or "nothing"


@dataclass(frozen=True)
class Defence:
    """A defence as the configuration describes it; `steps` (class and params) are its parts."""

    label: str
    tier: str = "defence"
    family: str = "none"
    paper: str = ""
    steps: Sequence[Mapping[str, Any]] = ()
    ledger: Ledger = Ledger()


@dataclass(frozen=True)
class Attack:
    """An attack as the configuration describes it.

    `flips` says whether its class flips labels; None where no class is named.
    """

    label: str
    loud: bool = False
    adaptive_to: str | None = None
    flips: bool | None = None


@dataclass(frozen=True)
class Study:
    """What was to be compared, as plain values; mappings are by name, in the grid's order.

    `cells` are (attack, N, p). `restricted` lists the only defences that run with a classifier;
    `not_applicable` says, by classifier and defence, why some of the others could not.
    """

    datasets: Mapping[str, str]
    attacks: Mapping[str, Attack]
    defences: Mapping[str, Defence]
    classifiers: Mapping[str, str]
    seeds: Sequence[int]
    cells: Sequence[tuple[str, int, float]]
    restricted: Mapping[str, Sequence[str]]
    not_applicable: Mapping[str, Mapping[str, str]]

    def reason(self, defence: str, classifier: str) -> str:
        """The status of a cell that has no row."""
        allowed = self.restricted.get(classifier)
        if allowed is None or defence in allowed:
            return "not run: no row in metrics.csv"
        if why := self.not_applicable.get(classifier, {}).get(defence):
            return f"not applicable: {why}"
        labels = (self.defences[name].label for name in allowed if name in self.defences)
        return f"not run: {self.classifiers[classifier]} is compared with {', '.join(labels)} only"

    def settings(self) -> Iterator[tuple[str, str]]:
        """Every `SETTING`."""
        return product(self.datasets, self.classifiers)

    def keys(self) -> Iterator[tuple[str, str, str, int, float, str]]:
        """Every cell's `KEY`, the one without attack first."""
        cells = [(NO_ATTACK, 0, 0.0), *self.cells]
        for (dataset, classifier), cell, defence in product(self.settings(), cells, self.defences):
            yield (dataset, classifier, *cell, defence)


def study_of(values: Mapping[str, Any]) -> Study:
    """The study in a mapping of plain values; see `Study` for its keys."""
    defences = {}
    for name, entry in values["defences"].items():
        ledger = Ledger(**entry.get("ledger", {}), regions=_regions(entry.get("steps", ())))
        defences[name] = Defence(**{**entry, "ledger": ledger})
    return Study(
        datasets=values["datasets"],
        attacks={name: _attack(entry) for name, entry in values["attacks"].items()},
        defences=defences,
        classifiers=values["classifiers"],
        seeds=values["seeds"],
        cells=[(attack, int(size), float(rate)) for attack, size, rate in values["cells"]],
        restricted=values.get("restricted", {}),
        not_applicable=values.get("not_applicable", {}),
    )


def _attack(entry: Mapping[str, Any]) -> Attack:
    shown = {key: value for key, value in entry.items() if key not in ("class", "params")}
    if "class" not in entry:
        return Attack(**shown)
    return Attack(**shown, flips=build(entry["class"], entry.get("params", {})).label_flip)


def _regions(steps: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The regions that the steps of a defence assume, as objects made of them say."""
    # Regions are names, the same in all layouts.
    context = {"layout": feature_layout(1), "seed": 0, "classifier": None, "autoencoder": None}
    made = [build(step["class"], step["params"], **context) for step in steps]
    return tuple(dict.fromkeys(region for part in made for region in assumed_regions(part)))


def build_cells(metrics: pd.DataFrame, timings: pd.DataFrame, study: Study) -> pd.DataFrame:
    """One row per cell of the study, in its order, whether it was run or not.

    Columns: `KEY`; `status`; `tier`, `family`, `told`; `seeds`, `seeds_ok`, `seeds_diverged`;
    `m_mean` and `m_half` (half-width of the 95 % interval over seeds, Student t; NaN for one seed)
    of every m in `MEASURES`; `certificate`; `test_goodware`, `calibration_goodware` (rows of the
    smallest seed, taking both classes as equally many); `m_mean` of every m in `SECONDS`,
    `peak_memory_mib` (the largest) and `trainings` (detectors trained); and of every m in
    `COMPARED` the paired difference from `BASELINE` at the same attack, N, p and classifier:
    `m_difference`, `m_difference_half`, `m_p`, `m_p_holm`, `m_test`. Optional columns that the
    metrics table lacks read as empty. At p = 0 nothing is trained, so that such cells have no cost
    and are not compared.

    Raises `DokunukiError` for a row that the study does not ask for.
    """
    expected = pd.DataFrame(list(study.keys()), columns=list(KEY))
    index = pd.MultiIndex.from_frame(expected)
    seeds = metrics[metrics["seed"].isin(list(study.seeds))]
    unknown = pd.MultiIndex.from_frame(seeds[list(KEY)]).difference(index)
    if len(unknown) or len(seeds) < len(metrics):
        raise DokunukiError(
            "metrics.csv: holds runs that are not in the grid"
            f"{f', such as {unknown[0]}' if len(unknown) else ''}; delete it and run the same "
            "command again"
        )
    ok = seeds[seeds["status"] == OK]
    table = expected.assign(
        tier=[study.defences[name].tier for name in expected["defence"]],
        family=[study.defences[name].family for name in expected["defence"]],
        told=[study.defences[name].ledger.told() for name in expected["defence"]],
        seeds=len(study.seeds),
        seeds_ok=_counts(ok, index),
        seeds_diverged=_counts(seeds[seeds["status"] != OK], index),
    )
    parts = [
        table,
        _intervals(ok, index),
        _facts(ok, index),
        _cost(timings, index),
        _compared(ok, expected),
    ]
    cells = pd.concat(parts, axis=1)
    cells.insert(len(KEY), "status", [_status(row, study) for row in table.to_dict("records")])
    return _gated(cells, study)


def _grouped(rows: pd.DataFrame, columns: Sequence[str]) -> Any:  # noqa: ANN401 - a GroupBy
    values = rows.reindex(columns=[*KEY, *columns])
    values = values.astype(dict.fromkeys(columns, "float64"))
    return values.groupby(list(KEY), sort=False)[list(columns)]


def _counts(rows: pd.DataFrame, index: pd.MultiIndex) -> np.ndarray:
    counts = rows.groupby(list(KEY), sort=False).size()
    return np.asarray(counts.reindex(index, fill_value=0), dtype=np.int64)


def _status(row: Mapping[Any, Any], study: Study) -> str:
    """What became of a cell's seeds: "ok", "diverged: ..." or why there is nothing."""
    ok, diverged, seeds = row["seeds_ok"], row["seeds_diverged"], row["seeds"]
    missing = seeds - ok - diverged
    if ok == seeds:
        return OK
    if missing == seeds:
        return study.reason(row["defence"], row["classifier"])
    facts = [f"{diverged} diverged" if diverged else "", f"{missing} not run" if missing else ""]
    found = " and ".join(fact for fact in facts if fact)
    return f"ok: {ok} of {seeds} seeds, {found}" if ok else f"diverged: {found}, of {seeds} seeds"


def _intervals(ok: pd.DataFrame, index: pd.MultiIndex) -> pd.DataFrame:
    measured = ok.reindex(columns=[*KEY, *MEASURES])
    columns = {}
    for name, (mean, half) in seed_intervals(measured, KEY, MEASURES).items():
        columns[f"{name}_mean"], columns[f"{name}_half"] = mean, half
    return pd.DataFrame(columns).reindex(index).reset_index(drop=True)


def _facts(ok: pd.DataFrame, index: pd.MultiIndex) -> pd.DataFrame:
    counted = ("test_rows", "calibration_rows")
    smallest = _grouped(ok, counted).min().reindex(index).reset_index(drop=True)
    named = ok.reindex(columns=[*KEY, "certificate"]).groupby(list(KEY), sort=False)["certificate"]
    certificate = named.first().reindex(index).reset_index(drop=True)
    return pd.DataFrame(
        {
            "certificate": certificate.astype("object").where(certificate.notna(), ""),
            "test_goodware": smallest["test_rows"] // 2,
            "calibration_goodware": smallest["calibration_rows"] // 2,
        }
    )


def _cost(timings: pd.DataFrame, index: pd.MultiIndex) -> pd.DataFrame:
    groups = _grouped(timings, (*SECONDS, "peak_memory_mib"))
    means = groups.mean().reindex(index).reset_index(drop=True)
    columns = {f"{name}_mean": means[name] for name in SECONDS}
    columns["peak_memory_mib"] = groups.max().reindex(index)["peak_memory_mib"].to_numpy()
    columns["trainings"] = _counts(timings, index)
    return pd.DataFrame(columns)


def _compared(ok: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """Differences from the baseline, seed by seed; all p values are one family for Holm."""
    values = ok.reindex(columns=[*KEY, "seed", *COMPARED])
    values = values.astype(dict.fromkeys(COMPARED, "float64"))
    pairing = [name for name in (*KEY, "seed") if name != "defence"]
    baseline = values[values["defence"] == BASELINE].drop(columns="defence")
    paired = values[values["defence"] != BASELINE].merge(
        baseline, on=pairing, suffixes=("", "_baseline")
    )
    # The detector at p = 0 is the one without attack, which is compared where it stands.
    paired = paired[(paired["attack"] == NO_ATTACK) | (paired["poison_rate"] > 0)]
    groups = dict(list(paired.groupby(list(KEY), sort=False)))
    columns: dict[str, list[Any]] = {}
    for measure in COMPARED:
        found = [
            compare(groups[key][measure] - groups[key][f"{measure}_baseline"])
            if key in groups
            else compare([])
            for key in expected.itertuples(index=False, name=None)
        ]
        columns[f"{measure}_difference"] = [result.mean for result in found]
        columns[f"{measure}_difference_half"] = [result.half for result in found]
        columns[f"{measure}_p"] = [result.p for result in found]
        columns[f"{measure}_p_holm"] = []
        columns[f"{measure}_test"] = [result.test for result in found]
    corrected = holm([p for measure in COMPARED for p in columns[f"{measure}_p"]])
    for place, measure in enumerate(COMPARED):
        start = place * len(expected)
        columns[f"{measure}_p_holm"] = corrected[start : start + len(expected)]
    return pd.DataFrame(columns)


def _gated(cells: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Cells of filters that do not find the loud control say so in their status.

    This guards published methods against mistakes in their ports. A bound and what is ours are no
    ports: their numbers stand for themselves.
    """
    recall = loud_recall(cells, study)
    lost = _on_loud_control(cells, study, "goodware_removed_mean")
    removes = cells["removed_rows_mean"].notna() | cells["poison_recall_mean"].notna()
    setting = [*SETTING, "defence"]
    filters = set(cells.loc[removes, setting].itertuples(index=False, name=None))
    filters |= set(
        cells.loc[cells["family"] == "filter", setting].itertuples(index=False, name=None)
    )
    statuses = []
    for row in cells.to_dict("records"):
        key = (row["dataset"], row["classifier"], row["defence"])
        gated = key in filters and row["tier"] not in _NO_PORTS and row["seeds_ok"] > 0
        why = _gate(recall.get(key), lost.get(key, 0.0), study) if gated else ""
        others = "" if row["status"] == OK else f"; {row['status']}"
        statuses.append(f"{why}{others}" if why else row["status"])
    return cells.assign(status=statuses)


def loud_recall(cells: pd.DataFrame, study: Study) -> dict[tuple[str, str, str], float]:
    """Mean poison recall on the loud control's cells, by dataset, classifier and defence."""
    return _on_loud_control(cells, study, "poison_recall_mean")


def _on_loud_control(
    cells: pd.DataFrame, study: Study, measure: str
) -> dict[tuple[str, str, str], float]:
    loud = [name for name, attack in study.attacks.items() if attack.loud]
    rows = cells[cells["attack"].isin(loud) & (cells["poison_rate"] > 0)]
    means = rows.groupby([*SETTING, "defence"], sort=False)[measure].mean()
    return {
        (dataset, classifier, defence): float(value)
        for (dataset, classifier, defence), value in zip(means.index.tolist(), means, strict=True)
        if not math.isnan(value)
    }


def _gate(recall: float | None, lost: float, study: Study) -> str:
    """Why a filter's port is not validated; empty where it is.

    Who removes rows at random finds as large a share of the poison as it loses of the goodware.
    """
    if not any(attack.loud for attack in study.attacks.values()):
        return f"{NOT_VALIDATED}: the grid has no loud control"
    if recall is None:
        return f"{NOT_VALIDATED}: no recall on the loud control"
    if recall - lost < LOUD_MARGIN:
        found = f"it finds {100 * recall:.0f} % of the loud control's poison"
        return f"{NOT_VALIDATED}: {found} and removes {100 * lost:.0f} % of the goodware"
    return ""


def build_standings(cells: pd.DataFrame, metrics: pd.DataFrame, study: Study) -> pd.DataFrame:
    """One row per dataset, classifier and defence, in order: by tier, then rank.

    `cells` are those that `build_cells` made of `metrics`.

    Among `RANKED_TIERS` the lowest worst case comes first: the highest mean ASR over the attacked
    cells. Attacked are those of all attacks at p > 0, except the loud control, and except those
    where the poison does little without a defence (ΔASR below `LITTLE_POISONING`): most of what
    passes there would pass without poison, which no defence against poison can stop. Where it does
    little in all of them, none is left out. Equal ones are ordered by accuracy without attack.
    Defences that agree in both to 0.1 percentage points share a rank ("2="). Not ranked, with the
    reason in `rank`, are the other tiers, filters whose port is not validated, and defences that
    lack a result in any of those cells.

    Columns: `SETTING`, `defence`, `tier`, `family`, `told`, `rank` (text), `place` (number or NaN),
    `rank_low` and `rank_high` (the 95 % interval of the place over seeds and attacks, see
    `rank_intervals`; NaN for one seed), `status` (why it has no place, as far as its cells say so),
    `run` (whether any cell was);
    of the row without attack `accuracy_mean`, `accuracy_half`, `fpr_mean`, `roc_auc_mean`,
    `accuracy_difference`, `accuracy_difference_half`, `accuracy_p_holm`; of the worst cell
    `worst_attack`, `worst_trigger_size`, `worst_poison_rate`, `worst_asr`, `worst_asr_half`,
    `worst_delta_asr`; `mean_delta_asr` (over the attacked cells, the loud control's apart);
    `loud_asr` (the highest mean on the loud control), `loud_recall`; over all
    cells `seconds_defence`, `seconds_training`, `seconds_scoring` (means per detector),
    `peak_memory_mib` (the largest) and `trainings` (the sum); `cells_ok` of `cells` attacked ones.
    """
    recall = loud_recall(cells, study)
    loud = cells["attack"].map(
        {name: attack.loud for name, attack in study.attacks.items()} | {NO_ATTACK: False}
    )
    poisoned = cells["poison_rate"] > 0
    decisive = decisive_cells(cells, study)
    rows = []
    for part in _by_setting(cells, study):
        for name in study.defences:
            group = part[part["defence"] == name]
            attacked = group[decisive[group.index]]
            control = group[poisoned[group.index] & loud[group.index].astype(bool)]
            first = group.iloc[0]
            key = (first["dataset"], first["classifier"], name)
            rows.append(_standing(group, attacked, control, recall.get(key)))
    table = pd.DataFrame(rows)
    ranked = [rank for rows in _by_setting(table, study) for rank in _ranks(rows)]
    table["rank"] = [rank for rank, _ in ranked]
    table["place"] = np.array([place for _, place in ranked], dtype=np.float64)
    table = _with_intervals(table, cells[decisive], metrics, study)
    order = {name: number for number, name in enumerate(study.defences)}
    table["_tier"] = table["tier"].map(TIERS.index)
    table["_order"] = table["defence"].map(order)
    table["_setting"] = table.groupby(list(SETTING), sort=False).ngroup()
    table = table.sort_values(["_setting", "_tier", "place", "_order"], ignore_index=True)
    return table.drop(columns=["_setting", "_tier", "_order"])


def decisive_cells(cells: pd.DataFrame, study: Study) -> pd.Series:
    """Which cells count for a defence's worst case, bool; see `build_standings`."""
    loud = [name for name, attack in study.attacks.items() if attack.loud]
    attacked = (cells["poison_rate"] > 0) & ~cells["attack"].isin(loud)
    point = [*SETTING, "attack", "trigger_size", "poison_rate"]
    undefended = cells[attacked & (cells["defence"] == BASELINE)]
    little = pd.MultiIndex.from_frame(
        undefended.loc[undefended["delta_asr_mean"] < LITTLE_POISONING, point]
    )
    poisons = attacked & ~pd.MultiIndex.from_frame(cells[point]).isin(little)
    some = poisons.groupby([cells[name] for name in SETTING]).transform("any")
    return poisons.where(some, attacked)


def _by_setting(table: pd.DataFrame, study: Study) -> Iterator[pd.DataFrame]:
    for dataset, classifier in study.settings():
        yield table[(table["dataset"] == dataset) & (table["classifier"] == classifier)]


def _standing(
    group: pd.DataFrame, attacked: pd.DataFrame, control: pd.DataFrame, recall: float | None
) -> dict[str, Any]:
    clean = group[group["attack"] == NO_ATTACK].iloc[0]
    measured = attacked.dropna(subset=["asr_mean"])
    worst = measured.iloc[int(measured["asr_mean"].argmax())] if len(measured) else None
    names = ("dataset", "classifier", "defence", "tier", "family", "told")
    kept = (
        *("accuracy_mean", "accuracy_half", "fpr_mean", "roc_auc_mean"),
        *("accuracy_difference", "accuracy_difference_half", "accuracy_p_holm"),
    )
    weights = group["trainings"].to_numpy(dtype=np.float64)
    trainings = weights.sum()
    row: dict[str, Any] = {name: clean[name] for name in names}
    row |= {"rank": "", "place": math.nan, "status": _overall_status(group)}
    row["run"] = bool((group["seeds_ok"] + group["seeds_diverged"]).sum())
    row |= {name: float(clean[name]) for name in kept}
    row |= {
        "worst_attack": "" if worst is None else worst["attack"],
        "worst_trigger_size": 0 if worst is None else int(worst["trigger_size"]),
        "worst_poison_rate": 0.0 if worst is None else float(worst["poison_rate"]),
        "worst_asr": math.nan if worst is None else float(worst["asr_mean"]),
        "worst_asr_half": math.nan if worst is None else float(worst["asr_half"]),
        "worst_delta_asr": math.nan if worst is None else float(worst["delta_asr_mean"]),
        "mean_delta_asr": float(attacked["delta_asr_mean"].mean()),
        "loud_asr": float(control["asr_mean"].max()) if len(control) else math.nan,
        "loud_recall": math.nan if recall is None else recall,
    }
    for name in SECONDS:
        known = np.nan_to_num(group[f"{name}_mean"].to_numpy(dtype=np.float64))
        row[name] = float((known * weights).sum() / trainings) if trainings else math.nan
    row |= {
        "peak_memory_mib": float(group["peak_memory_mib"].max()),
        "trainings": int(trainings),
        "cells_ok": len(measured),
        "cells": len(attacked),
    }
    return row


def _overall_status(group: pd.DataFrame) -> str:
    """What keeps a defence out of the order, as far as its cells say so; empty for nothing."""
    if not group["seeds_ok"].sum():
        return str(group["status"].iloc[0])
    refused = [status for status in group["status"] if status.startswith(NOT_VALIDATED)]
    return refused[0].split(";")[0] if refused else ""


def _ranks(group: pd.DataFrame) -> list[tuple[str, float]]:
    """Text and number of the rank of each defence of one setting."""
    reasons = [_unranked(row) for row in group.to_dict("records")]
    valid = np.array([not reason for reason in reasons], dtype=bool)
    ordered = group[valid]
    keys = order_keys(ordered["worst_asr"].to_numpy(), ordered["accuracy_mean"].to_numpy())
    found = zip(keys, places(keys), strict=True)
    ranks = []
    for reason in reasons:
        if reason:
            ranks.append((reason, math.nan))
            continue
        key, place = next(found)
        ranks.append((f"{place}=" if (keys == key).sum() > 1 else str(place), float(place)))
    return ranks


def _with_intervals(
    standings: pd.DataFrame, decisive: pd.DataFrame, metrics: pd.DataFrame, study: Study
) -> pd.DataFrame:
    """The standings with the intervals of the ranks, NaN where there is no rank or one seed.

    `decisive` are the cells that count for the worst case.
    """
    table = standings.assign(rank_low=math.nan, rank_high=math.nan)
    values = metrics[metrics["status"] == OK].set_index([*KEY, "seed"])[["asr", "accuracy"]]
    values = values.astype("float64")
    for rows in _by_setting(standings, study):
        ranked = rows[rows["place"].notna()]
        if ranked.empty:
            continue
        setting = (ranked["dataset"].iloc[0], ranked["classifier"].iloc[0])
        here = (decisive["dataset"] == setting[0]) & (decisive["classifier"] == setting[1])
        counted = decisive[here]
        points = counted[["attack", "trigger_size", "poison_rate"]].drop_duplicates()
        cells = list(points.itertuples(index=False, name=None))
        attacks = pd.factorize(points["attack"])[0]
        asr, accuracy = (
            values[measure]
            .reindex(
                [
                    (*setting, *cell, defence, seed)
                    for defence, cell, seed in product(ranked["defence"], which, study.seeds)
                ]
            )
            .to_numpy()
            .reshape(len(ranked), len(which), len(study.seeds))
            for measure, which in (("asr", cells), ("accuracy", [(NO_ATTACK, 0, 0.0)]))
        )
        stream = generator(0, "rank-interval", *setting)
        low, high = rank_intervals(asr, accuracy[:, 0], attacks, stream)
        table.loc[ranked.index, "rank_low"] = low
        table.loc[ranked.index, "rank_high"] = high
    return table


def _unranked(row: Mapping[Any, Any]) -> str:
    if row["status"]:
        return str(row["status"])
    if row["tier"] not in RANKED_TIERS:
        return str(row["tier"])
    if not row["cells"]:
        return "not ranked: no attack but the loud control"
    if row["cells_ok"] < row["cells"]:
        return f"not ranked: a result in {row['cells_ok']} of {row['cells']} attacked cells"
    if math.isnan(row["accuracy_mean"]):
        return "not ranked: no result without attack"
    return ""
