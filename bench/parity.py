"""Whether results of the fast engine are those of the plain float32 loop: paired over seeds.

Every seed draws a sample, a trigger and its poison as the workflow does (Independent Selection by
the exact SHAP values of LightGBM, FGSM by the gradient of EmberNN); the victims, without defence
and behind the autoencoder, are then trained twice on the same rows, from the same initial weights
and in the same order of rows: by the plain loop and by the engine. The differences of accuracy and
of attack success rate within a seed give a mean with a 95 % interval (Student t). Both trainings
draw dropout masks of their own, so that single seeds differ as two runs of either do.

A line is printed per seed and cell, and the table is written to a Markdown file. Usage:
python -m bench.parity [--simulated PRESET] [--release FOLDER PRESET] [--seeds N] [--threads N]
[--precision P] [--rows N] [--epochs N] [--output FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from bench import material
from bench.epochs import plainly
from bench.harness import emit, machine, row
from dokunuki.attacks.planting import plant_poison
from dokunuki.attacks.protocol import AttackerKnowledge
from dokunuki.corpus.index import build_index
from dokunuki.corpus.release import open_release
from dokunuki.corpus.sampling import draw_sample
from dokunuki.corpus.vectors import vectorise_split
from dokunuki.detector import Detector
from dokunuki.evaluation.measures import MALWARE_THRESHOLD
from dokunuki.evaluation.summary import t_interval
from dokunuki.networks.devices import resolve_precision
from dokunuki.parts.building import build
from dokunuki.seeding import stream_seed
from dokunuki.storage.files import atomic_write
from dokunuki.surrogate.explaining import explain_surrogate
from dokunuki.surrogate.training import train_surrogate
from simember.generator import SimulatedSpec, write_corpus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dokunuki.corpus.vectors import Vectors

ATTACKS = {"independent-all": "lightgbm", "fgsm-flip-all-3": None}
DEFENCES = ("none", "ae")
MEASURES = {"accuracy": "accuracy", "asr": "attack success rate"}


def configuration(preset: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """The configuration with a preset over it, and what the command line changes."""
    config = material.configuration([preset] if preset else [])
    if arguments.rows:
        config["sample"]["validation_malware"] = arguments.rows // 10
        config["sample"]["rows"] = arguments.rows
    if arguments.epochs:
        for section in ("classifiers", "autoencoders"):
            for entry in config[section].values():
                if "epochs" in entry["params"]:
                    entry["params"]["epochs"] = arguments.epochs
    return config


def samples(folder: str, config: dict[str, Any], seeds: int) -> Iterator[tuple[int, Vectors]]:
    """The vectors of every seed's sample."""
    release = open_release(folder, 1)
    index, _ = build_index(release)
    for seed in range(seeds):
        split = draw_sample(index, **config["sample"], seed=seed)
        yield seed, vectorise_split(release, index, split, dataset="parity")


def cells(
    vectors: Vectors, config: dict[str, Any], seed: int, context: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """Accuracy and attack success rate of every victim of a seed, by both trainings."""
    X, y = vectors.part("train")
    test, labels = vectors.part("test")
    malware, _ = vectors.part("validation")
    classifier = config["classifiers"][config["grid"]["classifiers"][0]]
    for attack_name, surrogate_name in ATTACKS.items():
        entry = config["attacks"][attack_name]
        attack = build(entry["class"], entry["params"])
        model = config["classifiers"][surrogate_name] if surrogate_name else classifier
        spec = {"name": "surrogate", **model}
        surrogate = train_surrogate(vectors, spec, seed=seed, **context)
        explanations = (
            explain_surrogate(surrogate, vectors, background=1, samples=1, seed=seed)
            if attack.needs_explanations
            else None
        )
        knowledge = AttackerKnowledge(X, y, vectors.layout, explanations, surrogate, seed)
        trigger = attack.select_trigger(knowledge, config["grid"]["fixed_trigger_size"])
        poison = plant_poison(
            y,
            trigger,
            config["grid"]["fixed_poison_rate"],
            poisoned_class=attack.poisoned_class,
            label_flip=attack.label_flip,
            seed=seed,
        )
        poisoned = X.copy(), y.copy()
        poison.apply(*poisoned)
        for defence in DEFENCES:
            for training in ("plain", "engine"):
                plain = training == "plain"
                used = {**context, "precision": "float32"} if plain else context
                with plainly() if plain else contextlib.nullcontext():
                    victim = _victim(vectors, config, defence, classifier, seed, used)
                    victim.fit(*poisoned)
                calls = victim.malware_scores(test) >= MALWARE_THRESHOLD
                evading = victim.malware_scores(trigger.stamp(malware)) < MALWARE_THRESHOLD
                yield {
                    "attack": attack_name,
                    "defence": defence,
                    "seed": seed,
                    "training": training,
                    "accuracy": float(np.mean(calls == labels)),
                    "asr": float(np.mean(evading)),
                }


def _victim(
    vectors: Vectors,
    config: dict[str, Any],
    defence: str,
    classifier: dict[str, Any],
    seed: int,
    context: dict[str, Any],
) -> Detector:
    network = build(
        classifier["class"],
        classifier["params"],
        seed=stream_seed(seed, "classifier", "parity"),
        **context,
    )
    if defence == "none":
        return Detector([], network)
    entry = config["defences"][defence]
    settings = config["autoencoders"][entry["autoencoder"]]
    autoencoder = build(
        settings["class"],
        settings["params"],
        seed=stream_seed(seed, "autoencoder", "parity"),
        **context,
    )
    shaping = build(entry["class"], entry["params"], layout=vectors.layout, autoencoder=autoencoder)
    return Detector([shaping], network)


def differences(table: pd.DataFrame) -> pd.DataFrame:
    """Per corpus, attack and defence: means of both trainings and of their paired difference."""
    keys = ["corpus", "attack", "defence"]
    rows = []
    for key, cell in table.groupby(keys, sort=False):
        for measure, label in MEASURES.items():
            sides = cell.pivot(index="seed", columns="training", values=measure) * 100
            mean, half = t_interval(sides["engine"] - sides["plain"])
            rows.append(
                {
                    **dict(zip(keys, key, strict=True)),
                    "measure": label,
                    "seeds": len(sides),
                    "plain": sides["plain"].mean(),
                    "engine": sides["engine"].mean(),
                    "difference": mean,
                    "half": half,
                }
            )
    return pd.DataFrame(rows)


def write_page(path: str, table: pd.DataFrame, command: str, ran_on: dict[str, Any]) -> None:
    """The table of differences as Markdown, in percentage points."""
    lines = [
        "# The fast engine and the plain loop, paired",
        "",
        "Networks are trained by the engine in `workflow/dokunuki/networks/engine.py`. Here its",
        "results stand beside those of the plain PyTorch loop",
        "(`workflow/dokunuki/networks/plain.py`) in float32: same rows, poison, initial weights",
        "and order of rows, other dropout masks. Differences are engine less plain within a seed,",
        "in percentage points, with 95 % intervals over seeds (Student t); of twenty intervals,",
        "one is expected to miss 0 where there is no difference at all.",
        "",
        f"Made by `{command}` on "
        + ", ".join(f"{k} {v}" for k, v in ran_on.items() if k != "load")
        + ".",
        "",
        "| corpus | attack | defence | measure | seeds | plain | engine | difference | holds 0 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for entry in table.to_dict("records"):
        holds = "yes" if abs(entry["difference"]) <= entry["half"] else "**no**"
        lines.append(
            f"| {entry['corpus']} | {entry['attack']} | {entry['defence']} | {entry['measure']} | "
            f"{entry['seeds']} | {entry['plain']:.2f} | {entry['engine']:.2f} | "
            f"{entry['difference']:+.2f} ± {entry['half']:.2f} | {holds} |"
        )
    with atomic_write(path) as temporary:
        Path(temporary).write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Run all corpora and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", metavar="PRESET", default="")
    parser.add_argument("--release", nargs=2, metavar=("FOLDER", "PRESET"))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rows", type=int, help="instead of the preset's sample.rows")
    parser.add_argument("--epochs", type=int, help="instead of the preset's, for a first look")
    parser.add_argument("--output", default="docs/parity.md")
    arguments = parser.parse_args()
    context = {"device": "cpu", "threads": arguments.threads, "precision": arguments.precision}
    dtype = resolve_precision(arguments.precision, torch.device("cpu"))
    ran_on = machine(["torch"], threads=arguments.threads, engine=str(dtype))
    emit({**ran_on, "benchmark": "parity"})
    table = []
    with tempfile.TemporaryDirectory() as folder:
        config = configuration(arguments.simulated, arguments)
        needed = config["sample"]["rows"] + config["sample"]["validation_malware"]
        write_corpus(folder, SimulatedSpec(rows=max(2000, 2 * needed)))
        corpora = [("simulated", folder, config)]
        if arguments.release:
            path, preset = arguments.release
            corpora.append(("release", path, configuration(preset, arguments)))
        for corpus, path, chosen in corpora:
            for seed, vectors in samples(path, chosen, arguments.seeds):
                for cell in cells(vectors, chosen, seed, context):
                    emit({"corpus": corpus, **cell})
                    table.append({"corpus": corpus, **cell})
    paired = differences(pd.DataFrame(table))
    for entry in paired.to_dict("records"):
        name = " ".join(entry[key] for key in ("corpus", "attack", "defence", "measure"))
        measured = {key: entry[key] for key in ("plain", "engine", "difference", "half")}
        share = abs(entry["difference"]) / entry["half"] if entry["half"] else 0.0
        emit(row(f"{name}: difference by half-width", measured, share, 1, least=False))
    if arguments.release:
        arguments.release[0] = "FOLDER"
    command = "python -m bench.parity " + " ".join(
        f"--{name} {' '.join(value) if isinstance(value, list) else value}"
        for name, value in vars(arguments).items()
        if value and name != "output"
    )
    write_page(arguments.output, paired, command, ran_on)


if __name__ == "__main__":
    main()
