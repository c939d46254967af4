"""How often the audit finds a backdoor that was planted, and how often it cries wolf.

Feeds are drawn from the simulated corpus (a corpus of its own for each seed) or from a release, and
poisoned with the library's own planting code. A line of a CSV file is written for each feed:
what the attack does to the detector (ASR with and without the poison, on malware that stands in
nobody's rows), the audit's verdict, and what it names of the true trigger and of the poisoned rows.
An attack's name with `-jittered` behind it gives its values noise.
A line that is there is not made again. `--summary` prints the bounds of `bench.audit_bounds`, and
`--document` writes them into a page, with a line for each attack.

Usage: python -m bench.audit [--corpus simulated|FOLDER] [--rows N] [--seeds A-B] [--attacks NAMES]
[--rates P] [--sizes N] [--detectors NAMES] [--threads N] [--output FILE] [--working-only]
[--summary] [--document FILE]
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

from bench.audit_bounds import WORKS, bounds
from bench.audit_tables import tables
from bench.markers import write_tables
from bench.material import BUILD, REPOSITORY
from dokunuki.attacks.planting import plant
from dokunuki.attacks.poisoning import Poison
from dokunuki.audit.canaries.measuring import judged, pass_rate
from dokunuki.audit.purifying import corrected
from dokunuki.audit.results import Canary
from dokunuki.audit.running import audit_rows
from dokunuki.audit.settings import unfitted_detector
from dokunuki.corpus.index import build_index
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.release import open_release
from dokunuki.corpus.sampling import draw_sample
from dokunuki.corpus.vectors import Vectors, read_vectors, vectorise_split, write_vectors
from dokunuki.detector import Detector
from dokunuki.study.configuration import load_config
from dokunuki.surrogate.explaining import explain_surrogate
from dokunuki.surrogate.training import train_surrogate
from simember.generator import SimulatedSpec, write_corpus

if TYPE_CHECKING:
    from dokunuki.attacks.trigger import Trigger
    from dokunuki.audit.results import Finding, Purification

CACHE = BUILD / "audit"
ATTACKS = (
    "none",
    "independent",
    "independent-near",
    "independent-shap",
    "greedy",
    "variation-ratio",
    "fgsm-flip",
    "split-fgsm",
    "adaptive-flip",
    "adaptive-flip-near",
    "badnets",
    "independent-all",
    "fgsm-flip-all",
    "fgsm-flip-every",
    "fgsm-flip-undefended",
)
# In nobody's catalogue: no constant of the audit was chosen by it.
KEPT_ASIDE = "transplant"
# After an attack's name: each poisoned row holds values of its own near those of the trigger.
JITTERED = "-jittered"
# So far from them, in standard deviations of the column; whole numbers by two at least.
JITTER = 0.02
LARGEST = 32
MALWARE_THRESHOLD = 0.5
SURROGATE = "embernn"
# In percent. Those of the purified detector stay empty where nothing was proved, and so does that
# of one fitted by somebody who is told which rows are poison, and leaves them out.
MEASURED = (
    "asr",
    "asr_clean",
    "delta_asr",
    "asr_purified",
    "accuracy_clean",
    "accuracy_purified",
    "accuracy_told",
)
# What an audit is asked for.
AUDITED = (
    "seconds",
    "verdict",
    "triggers",
    "columns_true",
    "columns_named",
    "columns_right",
    "pass_as_is",
    "pass_without",
    "poison_rows",
    "poison_suspected",
    "others_suspected",
    "structures",
    "reasons",
)


@dataclass(frozen=True)
class Feed:
    """A feed to audit: rows of a corpus, and what was planted into them."""

    corpus: str
    rows: int
    seed: int
    attack: str
    rate: float
    size: int
    detector: str

    @property
    def key(self) -> tuple[str, ...]:
        """What tells a line of the table from all others."""
        return tuple(map(str, asdict(self).values()))


@cache
def configuration() -> dict[str, Any]:
    """The configuration, for its catalogue of attacks."""
    raw: dict[str, Any] = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    raw["grid"]["attacks"] = [name for name in ATTACKS if name != "none"] + [KEPT_ASIDE]
    raw["attacks"] = {KEPT_ASIDE: {"class": "bench.transplant.Transplant", "label": "Transplant"}}
    raw["grid"] |= {"classifiers": [SURROGATE], "trigger_sizes": [8], "fixed_trigger_size": 8}
    return load_config(raw, REPOSITORY / "workflow")


@cache
def vectors(corpus: str, rows: int, seed: int, threads: int = 1) -> Vectors:
    """The training rows of a feed, and validation malware that nobody trains on."""
    path = CACHE / f"{Path(corpus).name}-{rows}-{seed}.h5"
    if path.is_file():
        return read_vectors(path)
    folder = Path(corpus)
    if corpus == "simulated":
        # One row in five is the release's test file, and all files are pooled.
        folder = CACHE / f"release-{rows}-{seed}"
        if not (folder / "metadata.csv").is_file():
            spec = SimulatedSpec(rows=2 * rows, seed=seed)
            write_corpus(folder, spec, workers=threads)
    release = open_release(folder, 1)
    index, _ = build_index(release)
    malware = 500 if corpus == "simulated" else 136
    # The test rows are few, since the audit's accuracy is measured out of fold.
    split = draw_sample(index, rows=rows + rows // 5, test_share=1 / 6, validation_malware=malware,
                        seed=seed)  # fmt: skip
    drawn = vectorise_split(release, index, split, dataset=folder.name)
    write_vectors(path, drawn)
    return drawn


@cache
def surrogate(corpus: str, rows: int, seed: int, threads: int) -> tuple[Detector, np.ndarray]:
    """The attacker's model of the clean rows, and its SHAP values of them."""
    folder = CACHE / f"{Path(corpus).name}-{rows}-{seed}-surrogate"
    shap = folder.with_suffix(".npy")
    drawn = vectors(corpus, rows, seed)
    if not (folder / "detector.json").is_file():
        entry = configuration()["classifiers"][SURROGATE]
        spec = {"name": SURROGATE, "class": entry["class"], "params": entry["params"]}
        model = train_surrogate(drawn, spec, seed=100 + seed, device="cpu", threads=threads)
        model.save(folder)
    model = Detector.load(folder, device="cpu")
    if not shap.is_file():
        explained = explain_surrogate(model, drawn, background=100, samples=20, seed=100 + seed)
        np.save(shap, explained)
    return model, np.load(shap)


def planted(feed: Feed, threads: int) -> tuple[Trigger, Poison]:
    """The trigger of a feed's attack and its poison, of the sizes that the feed asks for."""
    entry = configuration()["attacks"][feed.attack]
    drawn = vectors(feed.corpus, feed.rows, feed.seed)
    trigger, poison = plant(
        drawn,
        {
            "attack": {"name": feed.attack, "class": entry["class"], "params": entry["params"]},
            "rows": entry["rows"],
            "share": float(entry["attacker_share"]),
            "size": LARGEST,
            "rate": 4.0,
        },
        seed=100 + feed.seed,
        surrogate_name=SURROGATE,
        surrogate=lambda: surrogate(feed.corpus, feed.rows, feed.seed, threads)[0],
        explanations=lambda: surrogate(feed.corpus, feed.rows, feed.seed, threads)[1].copy(),
    )
    return trigger, poison


@cache
def planted_once(corpus: str, rows: int, seed: int, attack: str, threads: int) -> Any:  # noqa: ANN401
    """As `planted`, for all sizes and rates: kept between runs."""
    path = CACHE / f"{Path(corpus).name}-{rows}-{seed}-{attack}.npz"
    if not path.is_file():
        trigger, poison = planted(Feed(corpus, rows, seed, attack, 0, 0, ""), threads)
        np.savez(
            path,
            stamped=trigger.values,
            **{name: getattr(poison, name) for name in ("indices", "columns", "values", "labels")},
            facts=np.array([poison.train_rows, poison.poisoned_class]),
        )
    with np.load(path) as stored:
        facts = stored["facts"]
        poison = Poison(
            stored["indices"], stored["columns"], stored["values"], stored["labels"],
            train_rows=int(facts[0]), poisoned_class=int(facts[1]),
        )  # fmt: skip
        return stored["stamped"], poison


def poisoned(feed: Feed, threads: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
    """The rows and labels of a feed, the values of the trigger, and the poison or None."""
    X, y = vectors(feed.corpus, feed.rows, feed.seed).part("train")
    if feed.attack == "none":
        return X, y, np.empty(0, np.float32), None
    attack = feed.attack.removesuffix(JITTERED)
    values, whole = planted_once(feed.corpus, feed.rows, feed.seed, attack, threads)
    poison = whole.cell(min(feed.size, len(whole.columns)), feed.rate)
    if attack != feed.attack:
        noise = _jitter(X[:, poison.columns], poison.count, feed.seed)
        poison = replace(poison, values=poison.values + noise)
    poison.apply(X, y)
    return X, y, values[: len(poison.columns)], poison


def _jitter(clean: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Noise for `count` rows of the columns of clean rows, float32 (count, columns).

    Whole numbers stay whole, and columns of up to three values, such as flags, stay as they are.
    """
    draw = np.random.default_rng(1000 + seed)
    spread = JITTER * clean.std(axis=0)
    noise = draw.uniform(-1, 1, (count, clean.shape[1])) * spread
    for column, held in enumerate(clean.T):
        if (held == np.round(held)).all():
            most = max(2, round(spread[column])) if len(np.unique(held)) > 3 else 0
            noise[:, column] = draw.integers(-most, most + 1, count)
    return noise.astype(np.float32)


@cache
def _clean_detector(corpus: str, rows: int, seed: int, name: str, threads: int) -> Detector:
    X, y = vectors(corpus, rows, seed).part("train")
    return unfitted_detector(name, seed=seed, threads=threads).fit(X, y)


def measure(feed: Feed, threads: int, *, working_only: bool = False) -> dict[str, Any]:
    """The line of one feed; with `working_only` no audit of one whose attack does not work."""
    X, y, values, poison = poisoned(feed, threads)
    malware, _ = vectors(feed.corpus, feed.rows, feed.seed).part("validation")
    line: dict[str, Any] = {**asdict(feed), **dict.fromkeys(MEASURED, "")}
    if poison is not None:
        stamped = malware.copy()
        stamped[:, poison.columns] = values
        victim = unfitted_detector(feed.detector, seed=feed.seed, threads=threads).fit(X, y)
        clean = _clean_detector(feed.corpus, feed.rows, feed.seed, feed.detector, threads)
        asr, asr_clean = (_passing(model, stamped) for model in (victim, clean))
        line |= {"asr": asr, "asr_clean": asr_clean, "delta_asr": asr - asr_clean}
    if working_only and poison is not None and line["delta_asr"] < WORKS:
        return line | dict.fromkeys(AUDITED, "") | {"verdict": "not audited", "commit": _commit()}
    started = time.perf_counter()
    layout = feature_layout(1)
    result = audit_rows(X, y, layout, detector=feed.detector, seed=feed.seed, threads=threads)
    line |= {"seconds": round(time.perf_counter() - started, 1), "verdict": result.verdict}
    true = set() if poison is None else set(poison.columns.tolist())
    named = [set(trigger.columns.tolist()) for trigger in result.triggers]
    best = max(named, key=lambda columns: len(columns & true), default=set())
    canary = Canary(feed.attack, feed.attack, feed.rate, feed.size)
    if poison is None:
        canary = replace(canary, others_suspected=int(result.suspected_rows.sum()))
    else:
        # As the audit judges backdoors of its own.
        canary = judged(canary, poison, (line["asr"] / 100, line["asr_clean"] / 100), result)
    if poison is not None and result.verdict == "proved":
        line |= _purified(feed, X, y, poison, result.purification, stamped, threads)
    line |= {
        "triggers": len(named),
        "columns_true": len(true),
        "columns_named": len(best),
        "columns_right": len(best & true),
        "pass_as_is": round(max((t.pass_as_is for t in result.triggers), default=0.0), 3),
        "pass_without": round(
            max(((t.pass_as_is, t.pass_without) for t in result.triggers), default=(0, 0))[1], 3
        ),
        "poison_rows": canary.poisoned_rows,
        "poison_suspected": canary.rows_suspected,
        "others_suspected": canary.others_suspected,
        "structures": " | ".join(
            _shown(finding) for finding in (*result.triggers, *result.refuted)
        ),
        "reasons": " | ".join(result.reasons),
        "commit": _commit(),
    }
    return line


def _passing(model: Detector, malware: np.ndarray) -> float:
    """How much of the malware passes for goodware, in percent."""
    return 100 * pass_rate(model, malware)


def _purified(
    feed: Feed,
    X: np.ndarray,
    y: np.ndarray,
    poison: Poison,
    purification: Purification,
    stamped: np.ndarray,
    threads: int,
) -> dict[str, float]:
    """What the detector of the purified feed is worth, beside those that it is held against.

    One is of the feed without poison, and one of the poisoned feed less the very rows.
    """
    kept, labels = corrected(y, purification)
    purified, told = (
        unfitted_detector(feed.detector, seed=feed.seed, threads=threads) for _ in range(2)
    )
    purified.fit(X[kept], labels[kept])
    others = np.delete(np.arange(len(y)), poison.indices)
    told.fit(X[others], y[others])
    clean = _clean_detector(feed.corpus, feed.rows, feed.seed, feed.detector, threads)
    return {
        "asr_purified": _passing(purified, stamped),
        "accuracy_clean": _accuracy(clean, feed),
        "accuracy_purified": _accuracy(purified, feed),
        "accuracy_told": _accuracy(told, feed),
    }


def _accuracy(model: Detector, feed: Feed) -> float:
    """On the feed's test rows, in percent."""
    rows, truth = vectors(feed.corpus, feed.rows, feed.seed).part("test")
    return 100 * float(np.mean((model.malware_scores(rows) >= MALWARE_THRESHOLD) == truth))


def _shown(finding: Finding) -> str:
    one, seen = finding.candidate, finding.candidate.structure
    return (
        f"{finding.outcome} N={len(one.columns)} rows={len(one.rows)} closest={seen.closest:.2f} "
        f"fringe={seen.fringe:.2f} "
        f"kinship={seen.kinship:.2f} likeness={seen.likeness:.1f} "
        f"malware={seen.malware_around:.2f} "
        f"pass={finding.pass_as_is:.2f}/{finding.pass_without:.2f} p={finding.p_value:.3f}"
    )


@cache
def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _span(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> None:
    """Measure every feed that has no line yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="simulated")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seeds", default="0-4")
    parser.add_argument("--attacks", default=",".join(ATTACKS))
    parser.add_argument("--rates", default="1,4")
    parser.add_argument("--sizes", default="16")
    parser.add_argument("--detectors", default="lightgbm")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, default=CACHE / "audit.csv")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--working-only", action="store_true", help="audit no attack that fails")
    parser.add_argument("--document", type=Path, help="a page with markers for the tables")
    parser.add_argument("--plant", action="store_true", help="only plant")
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    # Else LightGBM's threads wait in a loop for one another on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if arguments.summary or arguments.document:
        lines = pd.read_csv(arguments.output)
        print(bounds(lines).to_string(index=False))
        if arguments.document:
            write_tables(arguments.document, tables(lines))
        return
    done = set()
    if arguments.output.is_file():
        with arguments.output.open(newline="") as file:
            fields = list(Feed.__dataclass_fields__)
            done = {tuple(line[field] for field in fields) for line in csv.DictReader(file)}
    for seed in _span(arguments.seeds):
        for attack in arguments.attacks.split(","):
            clean = attack == "none"
            if arguments.plant:
                if not clean:
                    planted_once(arguments.corpus, arguments.rows, seed, attack, arguments.threads)
                    print("planted", arguments.corpus, seed, attack, flush=True)
                continue
            for size in [0] if clean else map(int, arguments.sizes.split(",")):
                for rate in [0.0] if clean else map(float, arguments.rates.split(",")):
                    for detector in arguments.detectors.split(","):
                        feed = Feed(
                            arguments.corpus, arguments.rows, seed, attack, rate, size, detector
                        )
                        if feed.key in done:
                            continue
                        line = measure(feed, arguments.threads, working_only=arguments.working_only)
                        _append(arguments.output, line)


def _append(path: Path, line: dict[str, Any]) -> None:
    new = not path.is_file()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, list(line))
        if new:
            writer.writeheader()
        writer.writerow(line)
    shown = ("corpus", "seed", "attack", "rate", "size", "detector", "delta_asr", "verdict")
    more = ("columns_right", "columns_named", "poison_suspected", "others_suspected", "seconds")
    print(*(line[name] for name in (*shown, *more)), sep=" ", flush=True)


if __name__ == "__main__":
    main()
