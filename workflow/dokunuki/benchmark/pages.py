"""The leaderboard and the pages of the defences, as Markdown and as one HTML page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from dokunuki.benchmark.standings import (
    LOUD_MARGIN,
    NOT_VALIDATED,
    RANKED_TIERS,
    SECONDS,
    TIERS,
)
from dokunuki.figures.tables import html_page, html_table
from dokunuki.study.keys import NO_ATTACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from dokunuki.benchmark.standings import Study

    Row = dict[str, Any]

NONE = "–"

TIER_TITLES = {
    "defence": "Defences, fitted on contaminated rows alone",
    "ours": "Ours, fitted on contaminated rows alone",
    "reference": "Reference: with clean rows, which the others have not (not ranked)",
    "bound": "Bounds: told which rows are poison (not ranked)",
}

# Columns of whole phrases, which are broken into lines.
_PROSE = ("Told", "Note")

# Target FPR, how columns and text call it.
_TARGETS = ((0.01, "1", "1 %"), (0.001, "01", "0.1 %"))


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Heading:
    """A heading; the page's title is level 1."""

    level: int
    text: str


@dataclass(frozen=True)
class Table:
    """Heads, each with whether its column holds numbers, and rows of text."""

    heads: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str]]


Block = Paragraph | Heading | Table


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is, also in a table."""
    for mark in "\\|*_`<>[]":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", " ")


def markdown(title: str, blocks: Iterable[Block]) -> str:
    """A Markdown page."""
    parts = [f"# {_escaped(title)}"]
    for block in blocks:
        match block:
            case Heading(level, text):
                parts.append(f"{'#' * level} {_escaped(text)}")
            case Paragraph(text):
                parts.append(_escaped(text))
            case Table(heads, rows):
                lines = [[_escaped(head) for head, _ in heads]]
                lines.append(["---:" if number else "---" for _, number in heads])
                lines += [[_escaped(cell) for cell in row] for row in rows]
                parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "\n\n".join(parts) + "\n"


def html(title: str, blocks: Iterable[Block]) -> str:
    """The same as one HTML page that needs nothing else."""
    body = ""
    for block in blocks:
        match block:
            case Heading(level, text):
                body += f"<h{level}>{escape(text)}</h{level}>\n"
            case Paragraph(text):
                body += f"<p>{escape(text)}</p>\n"
            case Table(heads, rows):
                kinds = [
                    (head, "number" if number else "text" if head in _PROSE else "")
                    for head, number in heads
                ]
                body += html_table(kinds, rows)
    return html_page(title, body)


def _number(value: float, decimals: int = 1) -> str:
    return NONE if math.isnan(value) else f"{value:z.{decimals}f}"


def _share(mean: float, half: float = float("nan"), signed: bool = False) -> str:
    """A share in percent, e.g. "97.1 ± 0.3"; without ± where there is no interval."""
    if math.isnan(mean):
        return NONE
    shown = f"{100 * mean:+z.1f}" if signed else f"{100 * mean:z.1f}"
    return shown if math.isnan(half) else f"{shown} ± {100 * half:.1f}"


def _p(value: float, test: str = "") -> str:
    if math.isnan(value):
        return NONE
    shown = "<0.001" if value < 0.001 else f"{value:.3f}"
    # Most are t-tests, which the text above the tables says.
    return f"{shown} ({test})" if test not in ("", "t") else shown


def _mean(row: Row, name: str, signed: bool = False) -> str:
    return _share(row[f"{name}_mean"], row[f"{name}_half"], signed)


def _cost(row: Row) -> list[str]:
    seconds = [_number(row[f"{name}_mean"]) for name in SECONDS]
    return [*seconds, _number(row["peak_memory_mib"], 0), str(row["trainings"])]


_COST_HEADS = [
    ("Defence s", True),
    ("Training s", True),
    ("Scoring s", True),
    ("Peak MiB", True),
    ("Trainings", True),
]
_LEDGER_HEADS = [("Defence", False), ("Told", False)]
_CELL_HEADS = [("N", True), ("p (%)", True), *_LEDGER_HEADS, ("Status", False)]


def _place(row: Row) -> list[str]:
    return [str(row["trigger_size"]), f"{row['poison_rate']:g}"]


def _named(row: Row, study: Study) -> list[str]:
    return [study.defences[row["defence"]].label, row["told"]]


def _attack_label(name: str, study: Study) -> str:
    return "No attack" if name == NO_ATTACK else study.attacks[name].label


def order_table(rows: Sequence[Row], study: Study) -> Table:
    """Rows of the standings, as the leaderboard's first tables show them."""
    heads = [
        ("Rank", False),
        *_LEDGER_HEADS,
        ("Worst ASR", True),
        ("in", False),
        ("ΔASR there", True),
        ("Accuracy", True),
        ("against No Defence", True),
        ("p (Holm)", True),
        ("FPR", True),
        ("AUC", True),
        ("Loud control ASR", True),
        ("Recall there", True),
        *_COST_HEADS,
        ("Note", False),
    ]
    lines = []
    for row in rows:
        worst = NONE
        if row["worst_attack"]:
            label = study.attacks[row["worst_attack"]].label
            worst = f"{label}, N = {row['worst_trigger_size']}, p = {row['worst_poison_rate']:g} %"
        difference = (row["accuracy_difference"], row["accuracy_difference_half"])
        # Why there is no rank goes to the end, since it is long.
        rank, _, why = row["rank"].partition(": ")
        lines.append(
            [
                rank,
                *_named(row, study),
                _share(row["worst_asr"], row["worst_asr_half"]),
                worst,
                _share(row["worst_delta_asr"], signed=True),
                _share(row["accuracy_mean"], row["accuracy_half"]),
                _share(*difference, signed=True),
                _p(row["accuracy_p_holm"]),
                _share(row["fpr_mean"]),
                _share(row["roc_auc_mean"]),
                _share(row["loud_asr"]),
                _share(row["loud_recall"]),
                *(_number(row[name]) for name in SECONDS),
                _number(row["peak_memory_mib"], 0),
                str(row["trainings"]),
                why,
            ]
        )
    return Table(heads, lines)


def results_table(rows: Sequence[Row], study: Study, *, attacks: bool = False) -> Table:
    """Measures, paired comparison and cost of cells; with a column of attacks if asked for."""
    heads = [
        *([("Attack", False)] if attacks else []),
        *_CELL_HEADS,
        ("ASR", True),
        ("ASR detected", True),
        ("ASR clean", True),
        ("ΔASR", True),
        ("Accuracy", True),
        ("FPR", True),
        ("AUC", True),
        ("ASR against No Defence", True),
        ("p (Holm)", True),
        ("Accuracy against No Defence", True),
        ("p (Holm)", True),
        *_COST_HEADS,
    ]
    lines = []
    for row in rows:
        compared = []
        for name in ("asr", "accuracy"):
            difference = (row[f"{name}_difference"], row[f"{name}_difference_half"])
            compared.append(_share(*difference, signed=True))
            compared.append(_p(row[f"{name}_p_holm"], row[f"{name}_test"]))
        lines.append(
            [
                *([_attack_label(row["attack"], study)] if attacks else []),
                *_place(row),
                *_named(row, study),
                row["status"],
                *(_mean(row, name) for name in ("asr", "asr_detected", "asr_clean")),
                _mean(row, "delta_asr", signed=True),
                *(_mean(row, name) for name in ("accuracy", "fpr", "roc_auc")),
                *compared,
                *_cost(row),
            ]
        )
    return Table(heads, lines)


def thresholds_table(rows: Sequence[Row], study: Study) -> Table:
    """FPR, TPR and ASR at the thresholds for 1 % and 0.1 % FPR."""
    heads = [("Attack", False), *_CELL_HEADS]
    for _, _, text in _TARGETS:
        heads += [(f"{measure} at {text}", True) for measure in ("FPR", "TPR", "ASR")]
    lines = []
    for row in rows:
        line = [_attack_label(row["attack"], study), *_place(row), *_named(row, study)]
        line.append(row["status"])
        for _, name, _ in _TARGETS:
            line.append(_fpr(row, f"fpr_at_{name}"))
            line += [_mean(row, f"tpr_at_{name}"), _mean(row, f"asr_at_{name}")]
        lines.append(line)
    return Table(heads, lines)


def _fpr(row: Row, name: str) -> str:
    """An FPR; where no test goodware is above the threshold, what it may still be."""
    if row[f"{name}_mean"] == 0 and row["test_goodware"] > 0:
        return f"0 (below {_share(zero_bound(row['test_goodware']))})"
    return _mean(row, name)


def zero_bound(rows: float) -> float:
    """What a share of which no case was seen in so many rows stays below, at 95 %: 3 / rows."""
    return min(1.0, 3 / rows)


def threshold_notes(cells: pd.DataFrame) -> list[str]:
    """What the calibration rows can say about 1 % and 0.1 % FPR, and what they cannot."""
    known = cells["calibration_goodware"].dropna()
    known = known[known > 0]
    if known.empty:
        return [
            "No calibration rows were set aside (sample.calibration_rows): there are no thresholds "
            "for 1 % and 0.1 % FPR."
        ]
    rows = int(known.min())
    notes = [
        "The smallest threshold at which at most that share of the calibration rows labelled "
        "goodware, poison among them, is called malware; measured on clean test rows and on "
        f"triggered validation malware. About {rows} calibration rows are labelled goodware."
    ]
    notes += [
        f"{rows} are fewer than 1/{target:g} = {1 / target:.0f} goodware, too few to say anything "
        f"about {text}: with none of them above the threshold, the FPR is only known to be below "
        f"3/{rows} = {100 * zero_bound(rows):.1f} % (95 %)."
        for target, _, text in _TARGETS
        if rows < 1 / target
    ]
    return notes


def filters_table(rows: Sequence[Row], study: Study) -> Table:
    """What filters removed."""
    heads = [("Attack", False), *_CELL_HEADS, ("Poison recall", True), ("Poison precision", True)]
    heads += [("Goodware removed", True), ("Rows removed", True)]
    shares = ("poison_recall", "poison_precision", "goodware_removed")
    return Table(
        heads,
        [
            [
                _attack_label(row["attack"], study),
                *_place(row),
                *_named(row, study),
                row["status"],
                *(_mean(row, name) for name in shares),
                _number(row["removed_rows_mean"]),
            ]
            for row in rows
        ],
    )


def certificates_table(rows: Sequence[Row], study: Study) -> Table:
    """What is certified, beside nothing that was measured by attacking."""
    heads = [("Attack", False), *_CELL_HEADS, ("Certificate", False)]
    heads += [("Certified accuracy", True), ("Median radius", True)]
    meaning = {"rows": "training rows altered", "features": "feature columns altered"}
    return Table(
        heads,
        [
            [
                _attack_label(row["attack"], study),
                *_place(row),
                *_named(row, study),
                row["status"],
                meaning[row["certificate"]],
                _mean(row, "certified_accuracy"),
                _number(row["median_radius_mean"]),
            ]
            for row in rows
        ],
    )


def _records(table: pd.DataFrame) -> list[Row]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _special(cells: pd.DataFrame, study: Study, level: int) -> list[Block]:
    """Thresholds, filters and certificates of some cells, each where there are any."""
    blocks: list[Block] = [Heading(level, "At 1 % and 0.1 % FPR")]
    blocks += [Paragraph(note) for note in threshold_notes(cells)]
    measured = cells[cells["calibration_goodware"] > 0]
    if len(measured):
        blocks.append(thresholds_table(_records(measured), study))
    filters = cells[cells["removed_rows_mean"].notna()]
    if len(filters):
        blocks += [
            Heading(level, "Filters"),
            Paragraph(
                "Recall: removed poison of all poison. Precision: removed poison of all that was "
                "removed. Goodware removed: the share of goodware that is no poison, by its label."
            ),
            filters_table(_records(filters), study),
        ]
    certified = cells[cells["certificate"] != ""]
    if len(certified):
        blocks += [
            Heading(level, "Certificates"),
            Paragraph(
                "Certified accuracy: the share of test rows that are classified rightly and whose "
                "prediction provably cannot change by as much as the cell altered, whatever the "
                "attacker writes there; without an attack, by one. It is no measured ASR, and is "
                "not to be held against one. Median radius: what half of the test rows stand."
            ),
            certificates_table(_records(certified), study),
        ]
    return blocks


def rules(cells: pd.DataFrame, study: Study) -> list[Block]:
    """How to read the tables."""
    seeds = len(study.seeds)
    family = sum(int(cells[f"{name}_p"].notna().sum()) for name in ("asr", "accuracy"))
    interval = (
        f"mean ± half of the 95 % interval over {seeds} seeds (Student t)"
        if seeds > 1
        else "one seed, hence no interval and no test"
    )
    loud = [attack.label for attack in study.attacks.values() if attack.loud]
    return [
        Paragraph(
            f"Shares in percent: {interval}. ASR: the "
            "share of the validation malware that passes as goodware with the trigger; ASR "
            "detected: of those found without it; ASR clean: the same trigger on the same "
            "defence, unpoisoned; ΔASR: ASR - ASR clean, what the poison caused. "
            f"{NONE}: there is no such number."
        ),
        Paragraph(
            "Order: the lowest worst case first, that is the highest mean ASR over all attacks, N "
            "and p > 0, the loud control apart; equal ones by the higher accuracy without attack; "
            "what agrees in both to 0.1 points shares a rank, marked =. The order is that of the "
            "means: neighbours whose intervals overlap are not told apart by it. Defences and ours "
            "share one order; those with clean rows and the bounds, which know the poison, are in "
            "none. A defence without a result in any of these cells is not ranked."
        ),
        Paragraph(
            f"Loud control: {', '.join(loud) or 'none in this grid'}. A filter must find at "
            f"least {100 * LOUD_MARGIN:.0f} percentage points more of its poison than it loses of "
            "the goodware, on average: who removes rows at random finds no more. Another "
            f"is shown as '{NOT_VALIDATED}': its numbers say nothing about the published method."
        ),
        Paragraph(
            "Against No Defence: the mean paired difference at the same attack, N, p, classifier "
            "and seed. p: paired t-test; (sign): exact sign test, where all seeds differ by the "
            "same amount; (equal): no seed differs. All are corrected together by Holm's "
            f"procedure over the {family} comparisons of this run. With few seeds such tests "
            "miss much: a large p is no proof of equality."
        ),
        Paragraph(
            "Told: what the defence knew beside the contaminated rows. Cost: wall-clock seconds of "
            "one detector (fitting the defence, training, scoring), the largest memory of its "
            "process, and how many detectors were trained; an ensemble is one detector. At p = 0 "
            "nothing is trained: it is the detector without attack that meets the trigger."
        ),
    ]


def leaderboard_blocks(cells: pd.DataFrame, standings: pd.DataFrame, study: Study) -> list[Block]:
    """The leaderboard: the rules, then the order and all cells of every dataset and classifier."""
    blocks = rules(cells, study)
    for dataset, classifier in study.settings():
        group = cells[(cells["dataset"] == dataset) & (cells["classifier"] == classifier)]
        title = f"{study.datasets[dataset]}, {study.classifiers[classifier]}"
        blocks.append(Heading(2, title))
        here = (standings["dataset"] == dataset) & (standings["classifier"] == classifier)
        for tier in TIERS:
            rows = standings[here & standings["run"] & (standings["tier"] == tier)]
            if len(rows):
                blocks += [Heading(3, TIER_TITLES[tier]), order_table(_records(rows), study)]
        left_out = standings[here & ~standings["run"]]
        if len(left_out):
            blocks += [Heading(3, "Not run: no cell"), _left_out_table(left_out, study)]
        position = {name: place for place, name in enumerate(standings.loc[here, "defence"])}
        run = group[~group["defence"].isin(set(left_out["defence"]))]
        ordered = run.assign(_place=run["defence"].map(position)).sort_values(
            ["trigger_size", "poison_rate", "_place"], kind="stable"
        )
        for attack in [NO_ATTACK, *study.attacks]:
            rows = ordered[ordered["attack"] == attack]
            if len(rows):
                heading = f"{_attack_label(attack, study)}{_attack_note(attack, study)}"
                blocks += [Heading(3, heading), results_table(_records(rows), study)]
        attacks = {name: place for place, name in enumerate([NO_ATTACK, *study.attacks])}
        ordered = ordered.assign(_attack=ordered["attack"].map(attacks))
        blocks += _special(ordered.sort_values("_attack", kind="stable"), study, 3)
    return blocks


def leaderboard_csv(cells: pd.DataFrame, standings: pd.DataFrame) -> str:
    """Every cell as CSV, shares between 0 and 1, with the rank of its defence."""
    ranks = standings[["dataset", "classifier", "defence", "rank"]]
    table = cells.merge(ranks, on=["dataset", "classifier", "defence"], how="left")
    return str(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def _left_out_table(standings: pd.DataFrame, study: Study) -> Table:
    """Defences of which no cell was run, once instead of in every table, and why."""
    heads = [*_LEDGER_HEADS, ("Tier", False), ("Status of all its cells", False)]
    rows = [[*_named(row, study), row["tier"], row["status"]] for row in _records(standings)]
    return Table(heads, rows)


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


def _parameters(step: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in step["params"].items()) or "defaults"


def defence_blocks(
    name: str, cells: pd.DataFrame, standings: pd.DataFrame, study: Study
) -> list[Block]:
    """The page of one defence: what it is, what it was told, its place, and all its cells."""
    defence = study.defences[name]
    ledger = defence.ledger
    facts = [
        ["Paper", defence.paper or "none given"],
        ["Class", ", then ".join(step["class"] for step in defence.steps) or "none"],
        ["Parameters", "; ".join(_parameters(step) for step in defence.steps) or "none"],
        ["Family", defence.family],
        ["Tier", f"{defence.tier}{'' if defence.tier in RANKED_TIERS else ' (not ranked)'}"],
        ["Clean rows", "given" if ledger.clean_rows else "none"],
        ["Which rows are poison", "told" if ledger.poison else "not told"],
        ["Poison rate", ledger.poison_rate],
        ["Trigger size", ledger.trigger_size],
        ["Target class", "told" if ledger.target_class else "not told"],
        ["Tuned on", ledger.tuned_on],
    ]
    blocks: list[Block] = [Table([("", False), ("", False)], facts)]
    rows = standings[standings["defence"] == name]
    own = cells[cells["defence"] == name]
    for standing in _records(rows):
        dataset, classifier = standing["dataset"], standing["classifier"]
        here = own[(own["dataset"] == dataset) & (own["classifier"] == classifier)]
        title = f"{study.datasets[dataset]}, {study.classifiers[classifier]}"
        blocks += [
            Heading(2, title),
            order_table([standing], study),
            Heading(3, "All cells"),
            results_table(_records(here), study, attacks=True),
            *_special(here, study, 3),
            Heading(3, "Notes"),
            *_notes(here, study),
        ]
    blocks.append(Paragraph("How to read the tables, and the other defences: leaderboard.md."))
    return blocks


def _notes(cells: pd.DataFrame, study: Study) -> list[Block]:
    """Every status but "ok", with the cells that have it."""
    if (cells["status"] == "ok").all():
        return [Paragraph("Every seed of every cell gave a result.")]
    notes: list[Block] = []
    for status, rows in cells[cells["status"] != "ok"].groupby("status", sort=False):
        if len(rows) == len(cells):
            places = "all cells"
        else:
            places = ", ".join(
                _attack_label(row["attack"], study)
                if row["attack"] == NO_ATTACK
                else f"{_attack_label(row['attack'], study)} N = {row['trigger_size']} "
                f"p = {row['poison_rate']:g} %"
                for row in _records(rows)
            )
        notes.append(Paragraph(f"{status} ({places})."))
    return notes
