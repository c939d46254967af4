"""Tables of the report as HTML pages that need nothing else: no script, no font, no network."""

from __future__ import annotations

import math
import os
import platform
import re
from html import escape
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dokunuki.study.keys import NO_ATTACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

_CSS = """
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #5c5c5c; --line: #d5d5d5;
  --paper: #ffffff; --head: #f2f2f2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e6; --soft: #a6a6a6; --line: #444444;
  --paper: #1a1a1a; --head: #2a2a2a; } }
body { margin: 1.5rem; font: 14px/1.45 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); }
h1 { font-size: 1.4rem; margin: 0 0 .5rem; } h2 { font-size: 1.1rem; margin: 1.6rem 0 .4rem; }
p { max-width: 50rem; color: var(--soft); margin: .3rem 0 .8rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; white-space: nowrap; }
th { background: var(--head); font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.text { white-space: normal; min-width: 16rem; }
pre { font: 13px/1.45 ui-monospace, monospace; overflow-x: auto; padding: .8rem;
  background: var(--head); border: 1px solid var(--line); }
"""

# Measure, column head, what it is; all in percent.
_MEASURE_COLUMNS = (
    ("accuracy", "Accuracy", "share of the clean test rows that are classified rightly"),
    ("fpr", "FPR", "share of the test goodware that is called malware"),
    ("fnr", "FNR", "share of the test malware that is called goodware"),
    ("roc_auc", "AUC", "area under the ROC curve on the test rows"),
    ("asr", "ASR", "share of all validation malware that passes as goodware with the trigger"),
    ("asr_detected", "ASR detected", "the same of those that the model detects without it"),
    ("asr_clean", "ASR clean", "the same trigger against the same defence, unpoisoned: evasion"),
    ("delta_asr", "ΔASR", "ASR - ASR clean, the part that poisoning caused"),
    ("fnr_validation", "Missed", "share of the validation malware that passes without a trigger"),
)


def html_page(title: str, body: str) -> str:
    """A self-contained page; `body` is HTML already."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_CSS}</style>\n</head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{body}</body>\n</html>\n"
    )


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>\n"


def _attribute(name: str, value: str) -> str:
    return f' {name}="{escape(value)}"' if value else ""


def html_table(
    heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[object]], hints: Sequence[str] = ()
) -> str:
    """A table of `heads` (text and CSS class of each column); `hints` are tooltips of the heads."""
    cells = [
        f'<th scope="col"{_attribute("class", kind)}{_attribute("title", hint)}>{escape(text)}</th>'
        for (text, kind), hint in zip(heads, [*hints, *[""] * len(heads)], strict=False)
    ]
    lines = [f"<thead><tr>{''.join(cells)}</tr></thead>", "<tbody>"]
    for row in rows:
        cells = [
            f"<td{_attribute('class', kind)}>{escape(str(value))}</td>"
            for (_, kind), value in zip(heads, row, strict=True)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return '<div class="wide"><table>\n' + "\n".join(lines) + "\n</tbody></table></div>\n"


def _percent(mean: float, half: float) -> str:
    """E.g. "97.1 ± 0.3", without ± where one seed gives no interval; "–" where there is none."""
    if math.isnan(mean):
        return "–"
    shown = f"{100 * mean:z.1f}"
    return shown if math.isnan(half) else f"{shown} ± {100 * half:.1f}"


def metrics_page(
    summary: pd.DataFrame,
    *,
    datasets: Mapping[str, str],
    attacks: Mapping[str, str],
    defences: Mapping[str, str],
    classifiers: Mapping[str, str],
) -> str:
    """The summary (of `summarise`): one section per dataset and attack, one row per cell.

    The mappings give labels by name; a name without label stands for itself. Rows follow N, p, then
    the order of `defences`.
    """
    heads = [("N", "number"), ("p (%)", "number"), ("Defence", ""), ("Classifier", "")]
    heads += [("Seeds", "number"), *((head, "number") for _, head, _ in _MEASURE_COLUMNS)]
    hints = ["trigger size", "poison rate", "", "", "seeds that gave a model, of all"]
    hints += [meaning for _, _, meaning in _MEASURE_COLUMNS]
    body = _paragraph(
        "Mean ± half of the 95 % interval over seeds (Student t), all measures in percent; a "
        "single seed has no interval. – stands for a number that does not exist: every seed "
        "diverged, or there is no trigger."
    )
    body += _paragraph(
        "; ".join(f"{head}: {meaning}" for _, head, meaning in _MEASURE_COLUMNS) + "."
    )
    attack_order, defence_order = [NO_ATTACK, *attacks], list(defences)
    sections: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for cell in summary.to_dict("records"):
        place = (cell["dataset"], cell["corpus"], cell["attack"])
        sections.setdefault(place, []).append({str(name): value for name, value in cell.items()})
    for place in sorted(sections, key=lambda s: (*s[:2], _rank(s[2], attack_order))):
        dataset, corpus, attack = place
        label = datasets.get(dataset, dataset)
        if corpus == "simulated" and "simulated" not in label.lower():
            label += " (simulated corpus)"
        title = "No attack" if attack == NO_ATTACK else attacks.get(attack, attack)
        cells = sorted(
            sections[place],
            key=lambda cell: (
                cell["trigger_size"],
                cell["poison_rate"],
                _rank(cell["defence"], defence_order),
                cell["classifier"],
            ),
        )
        rows = [_metrics_row(cell, defences, classifiers) for cell in cells]
        body += f"<h2>{escape(f'{label}: {title}')}</h2>\n" + html_table(heads, rows, hints)
    return html_page("Metrics", body)


def _rank(name: str, order: Sequence[str]) -> tuple[int, str]:
    """Sort key: the place in `order`; what is not in it comes after, by name."""
    return (order.index(name) if name in order else len(order), name)


def _metrics_row(
    cell: Mapping[str, Any], defences: Mapping[str, str], classifiers: Mapping[str, str]
) -> list[object]:
    seeds = cell["seeds_ok"] + cell["seeds_failed"]
    return [
        cell["trigger_size"],
        f"{cell['poison_rate']:g}",
        defences.get(cell["defence"], cell["defence"]),
        classifiers.get(cell["classifier"], cell["classifier"]),
        f"{cell['seeds_ok']} of {seeds}" if cell["seeds_failed"] else seeds,
        *(_percent(cell[f"{name}_mean"], cell[f"{name}_half"]) for name, _, _ in _MEASURE_COLUMNS),
    ]


def _short(value: object) -> str:
    """Whole numbers whole, others with at most six significant digits; text as it is."""
    if not isinstance(value, float):
        return str(value)
    return str(int(value)) if value.is_integer() else f"{value:.6g}"


def triggers_page(triggers: Iterable[Mapping[str, Any]]) -> str:
    """The triggers, each as its JSON file holds it: features in the order chosen, and why."""
    body = _paragraph(
        "The features that each attack sets, in the order chosen; a trigger of size N is the first "
        "N rows. Values are raw feature values, not standardised ones."
    )
    heads = [("", "number"), ("Feature", ""), ("Value", "number"), ("Kind", ""), ("Group", "")]
    heads.append(("Why", "text"))
    for trigger in triggers:
        parameters = ", ".join(f"{k} {_short(v)}" for k, v in trigger.get("parameters", {}).items())
        facts = [
            f"dataset {trigger['dataset']}" if trigger.get("dataset") else "",
            f"surrogate {trigger['surrogate']}",
            "labels flipped" if trigger["label_flip"] else "clean labels",
            parameters,
        ]
        rows = [
            [
                place,
                feature["name"],
                # Exact, since it is what is stamped: 0.1, but 3 for 3.0.
                str(feature["value"]).removesuffix(".0"),
                feature["kind"],
                feature["group"],
                ", ".join(
                    f"{key.replace('_', ' ')} {_short(value)}"
                    for key, value in feature.get("reason", {}).items()
                ),
            ]
            for place, feature in enumerate(trigger["features"], start=1)
        ]
        body += f"<h2>{escape(str(trigger['attack']))}, seed {escape(str(trigger['seed']))}</h2>\n"
        body += _paragraph("; ".join(fact for fact in facts if fact) + ".") + html_table(
            heads, rows
        )
    return html_page("Triggers", body)


def configuration_page(text: str) -> str:
    """The configuration that the run was made with; `text` is its YAML."""
    note = "Every key that this run was made with; the defaults of the schema are filled in."
    return html_page("Configuration", f"{_paragraph(note)}<pre>{escape(text)}</pre>\n")


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    name = found[1] if found else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} logical cores"


def _packages() -> dict[str, str]:
    """Installed versions of this package and of all that it declares to need at run time."""
    try:
        declared = requires("dokunuki") or []
    except PackageNotFoundError:
        declared = []
    needed = [line for line in declared if not re.search(r"extra == .dev", line)]
    names = {found[0] for line in needed if (found := re.match(r"[\w.-]+", line))}
    versions = {}
    for name in ["dokunuki", *sorted(names, key=str.lower)]:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue  # an extra that is not installed
    return versions


def environment(device: str) -> dict[str, str]:
    """What the run ran on, by name: Python, platform, processor, `device` and package versions."""
    return {
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Platform": platform.platform(),
        "Processor": _processor(),
        "Device": device,
        **_packages(),
    }


def environment_page(facts: Mapping[str, str]) -> str:
    """The facts of `environment` as a table."""
    return html_page("Environment", html_table([("", ""), ("", "text")], facts.items()))
