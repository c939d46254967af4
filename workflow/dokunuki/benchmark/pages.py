"""The benchmark's pages: what their templates show, cell by cell.

The leaderboard is what is read first, and narrow. The attacks have a page that says which of them
poison at all. All else that was measured is on the page of the details and on the defences' pages.
"""

from __future__ import annotations

import math
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from dokunuki.benchmark.ranks import RANK_DRAWS
from dokunuki.benchmark.standings import (
    BASELINE,
    LITTLE_POISONING,
    LOUD_MARGIN,
    NOT_VALIDATED,
    SECONDS,
)
from dokunuki.figures.pages import NONE, Column, Table, render, share
from dokunuki.study.catalogue import RANKED_TIERS, TIERS
from dokunuki.study.keys import NO_ATTACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from dokunuki.benchmark.standings import Study
    from dokunuki.figures.pages import Format

    Row = dict[str, Any]

_TIER_TITLES = {
    "defence": "Defences, fitted on contaminated rows alone",
    "ours": "Ours, fitted on contaminated rows alone",
    "input-time": "At input time: triggers are looked for in the rows that are scored",
    "clean-rows": "With clean rows, which the others do not have (not ranked)",
    "bound": "Bounds: told which rows are poison (not ranked)",
}

HARDLY_POISONS = "hardly poisons here"

_UNRANKED_TIERS = {
    "clean-rows": "has clean rows: not ranked",
    "bound": "knows the poison: not ranked",
}
# What the note of a defence that is ranked says of its tier.
_MARKED_TIERS = {"ours": "ours", "input-time": "at input time"}
_CERTIFICATES = {"rows": "training rows altered", "features": "feature columns altered"}
# The least goodware that can say anything about a target FPR, by what columns and text call it.
_TARGETS = {"1": ("1 %", 100), "01": ("0.1 %", 1000)}


def _number(value: float, decimals: int) -> str:
    return NONE if math.isnan(value) else f"{value:z.{decimals}f}"


def _p(value: float, test: str = "") -> str:
    if math.isnan(value):
        return NONE
    shown = "<0.001" if value < 0.001 else f"{value:.3f}"
    # Most are t-tests, which the text above the tables says.
    return f"{shown} ({test})" if test not in ("", "t") else shown


def _worst(row: Row) -> str:
    if not row["worst_attack"]:
        return NONE
    return f"{row['attack_label']}, {_point(row['worst_trigger_size'], row['worst_poison_rate'])}"


def shown_rank(row: Row) -> str:
    """The rank with its interval, e.g. "2= (1 to 4)"."""
    if math.isnan(row["place"]):
        return NONE
    if math.isnan(row["rank_low"]):
        return str(row["rank"])
    return f"{row['rank']} ({row['rank_low']:.0f} to {row['rank_high']:.0f})"


def _seconds(row: Row) -> float:
    """Wall-clock seconds of one detector: defence, training and scoring."""
    return sum(float(row[name]) for name in SECONDS)


def _price(row: Row) -> str:
    """Seconds of one detector, and how many times No Defence's they are."""
    seconds = _seconds(row)
    if math.isnan(seconds):
        return NONE
    base = row["baseline_seconds"]
    return f"{seconds:.1f} s" + (f" ({seconds / base:.1f} ×)" if base > 0 else "")


def _point(size: int, rate: float, separator: str = ", ") -> str:
    return f"N = {size}{separator}p = {rate:g} %"


def zero_bound(rows: float) -> float:
    """The 95 % upper bound of a share of which no case was seen in so many rows: 3 / rows."""
    return min(1.0, 3 / rows)


def _fpr(name: str, row: Row) -> str:
    """An FPR; where no test goodware is above the threshold, what it may still be."""
    if row[f"{name}_mean"] == 0 and row["test_goodware"] > 0:
        return f"0 (below {share(zero_bound(row['test_goodware']))})"
    return share(row[f"{name}_mean"], row[f"{name}_half"])


def _shares(head: str, mean: str, half: str = "", *, signed: bool = False) -> Column:
    """A share in percent, with its interval where `half` names a column."""
    return Column(
        head, lambda row: share(row[mean], row[half] if half else math.nan, signed=signed)
    )


def _mean(head: str, name: str, *, signed: bool = False) -> Column:
    return _shares(head, f"{name}_mean", f"{name}_half", signed=signed)


def _value(head: str, name: str, *, decimals: int = 1) -> Column:
    return Column(head, lambda row: _number(row[name], decimals))


def _cost(suffix: str) -> list[Column]:
    heads = zip(("Defence s", "Training s", "Scoring s"), SECONDS, strict=True)
    return [
        *(_value(head, f"{name}{suffix}") for head, name in heads),
        _value("Peak MiB", "peak_memory_mib", decimals=0),
        Column("Trainings", itemgetter("trainings")),
    ]


def _compared(name: str, head: str) -> list[Column]:
    difference = f"{name}_difference"
    return [
        _shares(f"{head} against No Defence", difference, f"{difference}_half", signed=True),
        Column("p (Holm)", lambda row: _p(row[f"{name}_p_holm"], row[f"{name}_test"])),
    ]


_DEFENCE = (Column("Defence", itemgetter("label"), ""), Column("Told", itemgetter("told"), "text"))
_ATTACK = Column("Attack", itemgetter("attack_label"), "")
_CELL = (
    Column("N", itemgetter("trigger_size")),
    Column("p (%)", lambda row: f"{row['poison_rate']:g}"),
    *_DEFENCE,
    Column("Status", itemgetter("status"), ""),
)
_ORDER = (
    # Why there is no rank goes to the end, since it is long.
    Column("Rank", lambda row: row["rank"].partition(": ")[0], ""),
    *_DEFENCE,
    _shares("Worst ASR", "worst_asr", "worst_asr_half"),
    Column("in", _worst, ""),
    _shares("ΔASR there", "worst_delta_asr", signed=True),
    _mean("Accuracy", "accuracy"),
    _shares("against No Defence", "accuracy_difference", "accuracy_difference_half", signed=True),
    Column("p (Holm)", lambda row: _p(row["accuracy_p_holm"])),
    _shares("FPR", "fpr_mean"),
    _shares("AUC", "roc_auc_mean"),
    _shares("Loud control ASR", "loud_asr"),
    _shares("Recall there", "loud_recall"),
    *_cost(""),
    Column("Note", lambda row: row["rank"].partition(": ")[2], "text"),
)
# All that the leaderboard shows, so that it fits a screen.
_BOARD = (
    *_DEFENCE,
    _shares("Worst ASR", "worst_asr", "worst_asr_half"),
    _shares("Mean ΔASR", "mean_delta_asr", signed=True),
    _shares("Accuracy lost", "accuracy_lost", "accuracy_difference_half", signed=True),
    Column("Cost", _price),
    Column("Rank interval", shown_rank),
    Column("Note", itemgetter("note"), "text"),
)
_ATTACKS = (
    _ATTACK,
    Column("Poisoned rows", itemgetter("poisoned"), ""),
    Column("N", itemgetter("trigger_size")),
    Column("p (%)", lambda row: f"{row['poison_rate']:g}"),
    _mean("ASR", "asr"),
    _mean("ASR without poison", "asr_clean"),
    _mean("ΔASR", "delta_asr", signed=True),
    Column("Note", itemgetter("note"), "text"),
)
_RESULTS = (
    *_CELL,
    _mean("ASR", "asr"),
    _mean("ASR detected", "asr_detected"),
    _mean("ASR clean", "asr_clean"),
    _mean("ΔASR", "delta_asr", signed=True),
    _mean("Accuracy", "accuracy"),
    _mean("FPR", "fpr"),
    _mean("AUC", "roc_auc"),
    *_compared("asr", "ASR"),
    *_compared("accuracy", "Accuracy"),
    *_cost("_mean"),
)
_LEFT_OUT = (
    *_DEFENCE,
    Column("Tier", itemgetter("tier"), ""),
    Column("Status of all its cells", itemgetter("status"), ""),
)
_THRESHOLDS = (
    _ATTACK,
    *_CELL,
    *(
        column
        for name, (text, _) in _TARGETS.items()
        for column in (
            Column(f"FPR at {text}", partial(_fpr, f"fpr_at_{name}")),
            _mean(f"TPR at {text}", f"tpr_at_{name}"),
            _mean(f"ASR at {text}", f"asr_at_{name}"),
        )
    ),
)
_FILTERS = (
    _ATTACK,
    *_CELL,
    _mean("Poison recall", "poison_recall"),
    _mean("Poison precision", "poison_precision"),
    _mean("Goodware removed", "goodware_removed"),
    _value("Rows removed", "removed_rows_mean"),
)
# Beside nothing that was measured by attacking.
_CERTIFIED = (
    _ATTACK,
    *_CELL,
    Column("Certificate", lambda row: _CERTIFICATES[row["certificate"]], ""),
    _mean("Certified accuracy", "certified_accuracy"),
    _value("Median radius", "median_radius_mean"),
)


def _records(table: pd.DataFrame, study: Study) -> list[Row]:
    """Rows of the cells or of the standings, with the labels of defence and (worst) attack."""
    labels = {name: attack.label for name, attack in study.attacks.items()}
    labels |= {NO_ATTACK: "No attack", "": NONE}
    return [
        {str(name): value for name, value in row.items()}
        | {"label": study.defences[row["defence"]].label}
        | {"attack_label": labels[row["attack" if "attack" in row else "worst_attack"]]}
        for row in table.to_dict("records")
    ]


def _special(cells: pd.DataFrame, study: Study) -> dict[str, Any]:
    """What special.j2 shows: thresholds, filters and certificates of some cells."""
    calibration = cells["calibration_goodware"]
    goodware = int(calibration[calibration > 0].min()) if (calibration > 0).any() else 0
    shown = {
        "thresholds": (_THRESHOLDS, calibration > 0),
        "filters": (_FILTERS, cells["removed_rows_mean"].notna()),
        "certificates": (_CERTIFIED, cells["certificate"] != ""),
    }
    return {
        "goodware": goodware,
        "too_few": {text: least for text, least in _TARGETS.values() if 0 < goodware < least},
        "bound": share(zero_bound(goodware)) if goodware else NONE,
        **{
            name: Table(columns, _records(cells[where], study))
            for name, (columns, where) in shown.items()
        },
    }


def leaderboard_page(
    cells: pd.DataFrame, standings: pd.DataFrame, study: Study, form: Format
) -> str:
    """The leaderboard: one table of eight columns for every dataset and classifier."""
    return render(
        __package__,
        "leaderboard.j2",
        form,
        title="Leaderboard",
        seeds=len(study.seeds),
        attacks=len({attack for attack, _, _ in _ranking(study)}),
        draws=RANK_DRAWS,
        none_mark=NONE,
        loud=_loud(study),
        settings=[
            {"title": title, **_board(here, order, study)}
            for title, here, order in _settings(cells, standings, study)
        ],
    )


def attacks_page(cells: pd.DataFrame, standings: pd.DataFrame, study: Study, form: Format) -> str:
    """The attacks without a defence: which of them poison, and which evade without poison."""
    return render(
        __package__,
        "attacks.j2",
        form,
        title="Attacks without a defence",
        seeds=len(study.seeds),
        little=f"{100 * LITTLE_POISONING:.0f}",
        hardly=HARDLY_POISONS,
        settings=[
            {"title": title, "attacks": Table(_ATTACKS, _undefended(here, study))}
            for title, here, _ in _settings(cells, standings, study)
        ],
    )


def details_page(cells: pd.DataFrame, standings: pd.DataFrame, study: Study, form: Format) -> str:
    """All that was measured: the rules, then the order and all cells of every setting."""
    return render(
        __package__,
        "details.j2",
        form,
        title="Leaderboard in detail",
        seeds=len(study.seeds),
        none_mark=NONE,
        loud=_loud(study),
        loud_margin=f"{100 * LOUD_MARGIN:.0f}",
        not_validated=NOT_VALIDATED,
        comparisons=int(cells[["asr_p", "accuracy_p"]].notna().sum().sum()),
        settings=[
            {"title": title, **_setting(here, order, study)}
            for title, here, order in _settings(cells, standings, study)
        ],
    )


def _settings(
    cells: pd.DataFrame, standings: pd.DataFrame, study: Study
) -> Iterable[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Title, cells and standings of every dataset and classifier."""
    for dataset, classifier in study.settings():
        here, order = (
            table[(table["dataset"] == dataset) & (table["classifier"] == classifier)]
            for table in (cells, standings)
        )
        yield f"{study.datasets[dataset]}, {study.classifiers[classifier]}", here, order


def _loud(study: Study) -> list[str]:
    return [attack.label for attack in study.attacks.values() if attack.loud]


def _ranking(study: Study) -> list[tuple[str, int, float]]:
    """The attacked cells that the order rests on."""
    return [cell for cell in study.cells if cell[2] > 0 and not study.attacks[cell[0]].loud]


def _board(cells: pd.DataFrame, standings: pd.DataFrame, study: Study) -> dict[str, Any]:
    """The table of one dataset and classifier, and what is said below it."""
    ran = standings["run"].astype(bool)
    ordered = standings[ran].sort_values("place", kind="stable", na_position="last")
    rows = _records(ordered, study)
    base = [_seconds(row) for row in rows if row["defence"] == BASELINE]
    # With one N and p for all, the column of notes need not repeat it.
    several = len({cell[1:] for cell in _ranking(study)}) > 1
    for row in rows:
        row["accuracy_lost"] = -row["accuracy_difference"]
        row["baseline_seconds"] = base[0] if base else math.nan
        row["note"] = _board_note(row, several=several)
    left_out: dict[str, list[str]] = {}
    for row in _records(standings[~ran], study):
        left_out.setdefault(row["status"], []).append(row["label"])
    hardly = [
        row["attack_label"]
        for row in _undefended(cells, study)
        if HARDLY_POISONS in row["note"] and not study.attacks[row["attack"]].loud
    ]
    return {
        "order": Table(_BOARD, rows),
        "left_out": left_out,
        "hardly": list(dict.fromkeys(hardly)),
    }


def _board_note(row: Row, *, several: bool) -> str:
    """Why a defence has no rank, whose it is, and which attack is worst for it."""
    unranked = str(row["rank"]) if math.isnan(row["place"]) else ""
    worst = _worst(row) if several else row["attack_label"]
    facts = [
        _UNRANKED_TIERS.get(unranked, unranked),
        _MARKED_TIERS.get(str(row["tier"]), ""),
        f"accuracy {share(row['accuracy_mean'])}" if row["defence"] == BASELINE else "",
        f"worst: {worst}" if row["worst_attack"] else "",
    ]
    return "; ".join(fact for fact in facts if fact)


def _undefended(cells: pd.DataFrame, study: Study) -> list[Row]:
    """What each attack does to No Defence, by attack, N and p, in the study's order."""
    order = {name: place for place, name in enumerate(study.attacks)}
    rows = cells[(cells["defence"] == BASELINE) & (cells["poison_rate"] > 0)]
    rows = rows.sort_values("attack", key=lambda names: names.map(order), kind="stable")
    kinds = {True: "labels flipped", False: "clean-label", None: NONE}
    records = _records(rows, study)
    for row in records:
        attack = study.attacks[row["attack"]]
        little = row["delta_asr_mean"] < LITTLE_POISONING
        facts = [
            HARDLY_POISONS if little else "",
            "loud control" if attack.loud and "loud" not in attack.label.lower() else "",
            "" if row["status"] == "ok" else str(row["status"]),
        ]
        row["poisoned"] = kinds[attack.flips]
        row["note"] = "; ".join(fact for fact in facts if fact)
    return records


def _setting(cells: pd.DataFrame, standings: pd.DataFrame, study: Study) -> dict[str, Any]:
    """The tables of one dataset and classifier, each with its title, and what special.j2 shows."""
    tables = []
    ran = standings["run"].astype(bool)
    for tier in TIERS:
        if len(rows := standings[ran & (standings["tier"] == tier)]):
            tables.append((_TIER_TITLES[tier], Table(_ORDER, _records(rows, study))))
    # Once instead of in every table, and why.
    if len(left_out := standings[~ran]):
        tables.append(("Not run in any cell", Table(_LEFT_OUT, _records(left_out, study))))
    places = {name: place for place, name in enumerate(standings["defence"])}
    attacks = {name: place for place, name in enumerate([NO_ATTACK, *study.attacks])}
    run = cells[~cells["defence"].isin(set(left_out["defence"]))]
    ordered = run.assign(
        _attack=run["attack"].map(attacks), _place=run["defence"].map(places)
    ).sort_values(["_attack", "trigger_size", "poison_rate", "_place"], kind="stable")
    for attack, rows in ordered.groupby("attack", sort=False):
        records = _records(rows, study)
        title = f"{records[0]['attack_label']}{_attack_note(str(attack), study)}"
        tables.append((title, Table(_RESULTS, records)))
    return {"tables": tables, "special": _special(ordered, study)}


def _attack_note(name: str, study: Study) -> str:
    if name == NO_ATTACK:
        return ""
    attack = study.attacks[name]
    adapted = study.defences.get(attack.adaptive_to or "")
    notes = [
        "loud control" if attack.loud else "",
        f"adaptive to {adapted.label if adapted else attack.adaptive_to}"
        if attack.adaptive_to
        else "",
    ]
    # Labels often say so themselves.
    said = attack.label.lower()
    text = "; ".join(note for note in notes if note and note.lower() not in said)
    return f" ({text})" if text else ""


def leaderboard_csv(cells: pd.DataFrame, standings: pd.DataFrame) -> str:
    """Every cell as CSV, shares between 0 and 1, with the rank of its defence."""
    ranks = standings[["dataset", "classifier", "defence", "rank", "rank_low", "rank_high"]]
    table = cells.merge(ranks, on=["dataset", "classifier", "defence"], how="left")
    return str(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def standings_csv(standings: pd.DataFrame) -> str:
    """Every defence as CSV, in order, shares between 0 and 1; columns as in `build_standings`."""
    return str(standings.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def _parameters(step: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in step["params"].items()) or "defaults"


def defence_page(
    name: str, cells: pd.DataFrame, standings: pd.DataFrame, study: Study, form: Format = "md"
) -> str:
    """The page of one defence: what it is, what it was told, its place, and all its cells."""
    defence = study.defences[name]
    ledger = defence.ledger
    facts = {
        "Paper": defence.paper or "none given",
        "Class": ", then ".join(step["class"] for step in defence.steps) or "none",
        "Parameters": "; ".join(_parameters(step) for step in defence.steps) or "none",
        "Family": defence.family,
        "Tier": f"{defence.tier}{'' if defence.tier in RANKED_TIERS else ' (not ranked)'}",
        "Clean rows": "given" if ledger.clean_rows else "none",
        "Which rows are poison": "told" if ledger.poison else "not told",
        "Poison rate": ledger.poison_rate,
        "Trigger size": ledger.trigger_size,
        "Target class": "told" if ledger.target_class else "not told",
        "Tuned on": ledger.tuned_on,
    }
    settings = []
    for standing in _records(standings[standings["defence"] == name], study):
        dataset, classifier = standing["dataset"], standing["classifier"]
        here = cells[
            (cells["defence"] == name)
            & (cells["dataset"] == dataset)
            & (cells["classifier"] == classifier)
        ]
        settings.append(
            {
                "title": f"{study.datasets[dataset]}, {study.classifiers[classifier]}",
                "order": Table(_ORDER, [standing]),
                "cells": Table([_ATTACK, *_RESULTS], _records(here, study)),
                "special": _special(here, study),
                "notes": _notes(_records(here, study)),
            }
        )
    return render(
        __package__,
        "defence.j2",
        form,
        title=defence.label,
        facts=Table([Column("", itemgetter(place), "") for place in (0, 1)], list(facts.items())),
        settings=settings,
    )


def _notes(rows: list[Row]) -> dict[str, str]:
    """Every status but "ok", and the cells that have it."""
    places: dict[str, list[str]] = {}
    for row in rows:
        point = _point(row["trigger_size"], row["poison_rate"], separator=" ")
        place = row["attack_label"]
        places.setdefault(row["status"], []).append(
            place if row["attack"] == NO_ATTACK else f"{place} {point}"
        )
    places.pop("ok", None)
    return {
        status: "all cells" if len(where) == len(rows) else ", ".join(where)
        for status, where in places.items()
    }
