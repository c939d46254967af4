"""Tables of the report as HTML pages: the summary, triggers, configuration and environment."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, requires, version
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dokunuki.evaluation.metrics import read_metrics
from dokunuki.evaluation.summary import summarise
from dokunuki.figures.pages import NONE, Column, Table, render, share
from dokunuki.storage.files import read_json, write_text
from dokunuki.study.keys import NO_ATTACK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

# Column head of a measure, and what it is; all in percent.
MEASURE_COLUMNS = {
    "accuracy": ("Accuracy", "share of the clean test rows that are classified correctly"),
    "fpr": ("FPR", "share of the test goodware that is called malware"),
    "fnr": ("FNR", "share of the test malware that is called goodware"),
    "roc_auc": ("AUC", "area under the ROC curve on the test rows"),
    "asr": ("ASR", "share of all validation malware that passes as goodware with the trigger"),
    "asr_detected": (
        "ASR detected",
        "the same share of the malware that the model detects without the trigger",
    ),
    "asr_clean": (
        "ASR clean",
        "ASR of the same trigger on the same defence trained without poison: evasion",
    ),
    "delta_asr": ("ΔASR", "ASR - ASR clean, the part that poisoning caused"),
    "fnr_validation": ("Missed", "share of the validation malware that passes without a trigger"),
}


def write_tables(
    metrics: str | Path,
    triggers: Iterable[str | Path],
    *,
    summary: str | Path,
    triggers_html: str | Path,
    config_html: str | Path,
    config_yaml: str | Path,
    environment_html: str | Path,
    config: Mapping[str, Any],
    titles: Mapping[str, Mapping[str, str]],
) -> None:
    """Write the report's pages of the metrics table, the trigger files, and the configuration.

    `titles` are the labels that `metrics_page` takes. Raises DataFileError for a table or a trigger
    that is missing or damaged.
    """
    table = read_metrics(metrics)
    text = yaml.safe_dump(dict(config), sort_keys=False)
    devices = ", ".join(sorted(set(table["device"])))
    write_text(summary, metrics_page(summarise(table), **titles))
    write_text(triggers_html, triggers_page(map(read_json, triggers)))
    write_text(config_html, configuration_page(text))
    write_text(config_yaml, text)
    write_text(environment_html, environment_page(environment(devices)))


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
    attacks = {NO_ATTACK: "No attack", **attacks}
    columns = [
        Column("N", itemgetter("trigger_size"), hint="trigger size"),
        Column("p (%)", lambda cell: f"{cell['poison_rate']:g}", hint="poison rate"),
        Column("Defence", lambda cell: defences.get(cell["defence"], cell["defence"]), ""),
        Column(
            "Classifier", lambda cell: classifiers.get(cell["classifier"], cell["classifier"]), ""
        ),
        Column("Seeds", _seeds, hint="seeds that gave a model, out of all"),
        *(_measure(name, *text) for name, text in MEASURE_COLUMNS.items()),
    ]
    ordered = summary.assign(
        _attack=summary["attack"].map(_ranks(summary["attack"], attacks)),
        _defence=summary["defence"].map(_ranks(summary["defence"], defences)),
    ).sort_values(
        ["dataset", "corpus", "_attack", "trigger_size", "poison_rate", "_defence", "classifier"]
    )
    sections = []
    for key, cells in ordered.groupby(["dataset", "corpus", "attack"], sort=False):
        dataset, corpus, attack = map(str, key)
        label = datasets.get(dataset, dataset)
        if corpus == "simulated" and "simulated" not in label.lower():
            label += " (simulated corpus)"
        title = f"{label}: {attacks.get(attack, attack)}"
        sections.append((title, Table(columns, cells.to_dict("records"))))
    return render(
        __name__,
        "summary.html",
        title="Metrics",
        none_mark=NONE,
        measures=list(MEASURE_COLUMNS.values()),
        sections=sections,
    )


def _ranks(names: Iterable[str], order: Iterable[str]) -> dict[str, int]:
    """The place of each name: as in `order`; what is not in it comes after, by name."""
    places = dict.fromkeys([*order, *sorted(set(names))])
    return {name: place for place, name in enumerate(places)}


def _measure(name: str, head: str, meaning: str) -> Column:
    mean, half = f"{name}_mean", f"{name}_half"
    return Column(head, lambda cell: share(cell[mean], cell[half]), hint=meaning)


def _seeds(cell: Mapping[str, Any]) -> str:
    seeds = cell["seeds_ok"] + cell["seeds_failed"]
    return f"{cell['seeds_ok']} of {seeds}" if cell["seeds_failed"] else str(seeds)


def _short(value: object) -> str:
    """Whole numbers whole, others with at most six significant digits; text as it is."""
    if not isinstance(value, float):
        return str(value)
    return str(int(value)) if value.is_integer() else f"{value:.6g}"


def _why(feature: Mapping[str, Any]) -> str:
    reason = feature.get("reason", {}).items()
    return ", ".join(f"{key.replace('_', ' ')} {_short(value)}" for key, value in reason)


_FEATURE_COLUMNS = (
    Column("", itemgetter("place")),
    Column("Feature", itemgetter("name"), ""),
    # Exact, since it is what is stamped: 0.1, but 3 for 3.0.
    Column("Value", lambda feature: str(feature["value"]).removesuffix(".0")),
    Column("Kind", itemgetter("kind"), ""),
    Column("Group", itemgetter("group"), ""),
    Column("Why", _why, "text"),
)


def triggers_page(triggers: Iterable[Mapping[str, Any]]) -> str:
    """The triggers, each as its JSON file holds it: features in the order chosen, and why."""
    shown = [
        {
            "title": f"{trigger['attack']}, seed {trigger['seed']}",
            "facts": [
                f"dataset {trigger['dataset']}" if trigger.get("dataset") else "",
                f"surrogate {trigger['surrogate']}",
                "labels flipped" if trigger["label_flip"] else "clean labels",
                ", ".join(f"{k} {_short(v)}" for k, v in trigger.get("parameters", {}).items()),
            ],
            "table": Table(
                _FEATURE_COLUMNS,
                [
                    {**feature, "place": place}
                    for place, feature in enumerate(trigger["features"], start=1)
                ],
            ),
        }
        for trigger in triggers
    ]
    return render(__name__, "triggers.html", title="Triggers", triggers=shown)


def configuration_page(text: str) -> str:
    """The configuration that the run was made with; `text` is its YAML."""
    return render(__name__, "configuration.html", title="Configuration", text=text)


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
    columns = [Column("", itemgetter(0), ""), Column("", itemgetter(1), "text")]
    table = Table(columns, list(facts.items()))
    return render(__name__, "environment.html", title="Environment", facts=table)
