"""How real a simulated corpus is: five measures against real rows, each beside its bound.

1 and 2: LightGBM trained on one and tested on the other, on all columns, on the undefended ones
and on each feature group. 3: no group at chance where real rows tell the classes apart. 4: per
non-hashed column and class, the Kolmogorov-Smirnov distance of the marginals. 5: the difficulty of
the simulated corpus itself, for EmberNN and LightGBM. Nothing here looks at an attack or a defence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from lightgbm import LGBMClassifier
from scipy.stats import ks_2samp, rankdata
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from dokunuki.corpus.index import build_index
from dokunuki.corpus.layout import feature_layout
from dokunuki.corpus.release import open_release
from dokunuki.corpus.vectoriser import vectorise
from dokunuki.parts.standardising import Standardiser
from dokunuki.seeding import generator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dokunuki.corpus.layout import FeatureLayout

LEAST_AUC = 0.90
LARGEST_MEDIAN_KS = 0.35
NETWORK_ACCURACY = {"all": (0.97, 0.015), "undefended": (0.90, 0.03)}
# A group says nothing about the class below this AUC; 736 real rows leave an error of 0.02.
CHANCE_AUC = 0.55
_ROUNDS = 100
_FOLDS = 5
_CLASSES = {0: "goodware", 1: "malware"}


class Classifier(Protocol):
    """What the difficulty is measured with: scikit-learn's two methods."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> Any:  # noqa: ANN401 - returns itself
        """Train from scratch."""

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of both classes, (n, 2)."""


@dataclass(frozen=True)
class LabelledRows:
    """Feature vectors (n, width) float32 and labels (n,) of 0 and 1."""

    X: np.ndarray
    y: np.ndarray


def lightgbm(seed: int = 0, threads: int = 1) -> LGBMClassifier:
    """LightGBM with the library's defaults and 100 rounds, as EMBER's own baseline."""
    return LGBMClassifier(
        n_estimators=_ROUNDS,
        random_state=seed,
        n_jobs=threads,
        deterministic=True,
        verbose=-1,
    )


class Standardised:
    """A classifier behind a scaler that is fitted on its training rows, as in a detector."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._scaler = Standardiser()

    def fit(self, X: np.ndarray, y: np.ndarray) -> Standardised:
        """Fit the scaler, then the classifier."""
        self._classifier.fit(self._scaler.fit_transform(X), y)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities of both classes, (n, 2)."""
        return self._classifier.predict_proba(self._scaler.transform(X))


def read_labelled(
    path: str | Path,
    version: int,
    most: int | None = None,
    file_types: Sequence[str] | None = None,
    store: str | Path | None = None,
) -> LabelledRows:
    """The labelled rows of a release in its order; of more than `most` rows, a balanced draw.

    `file_types` and `store` are those of `open_release`. Raises CorpusError for a release that
    cannot be read.
    """
    release = open_release(path, version, file_types, store)
    index, _ = build_index(release)
    positions = np.flatnonzero(index.label >= 0)
    if most is not None and len(positions) > most:
        draw = generator(0, "realism")
        by_class = [positions[index.label[positions] == label] for label in _CLASSES]
        positions = np.sort(
            np.concatenate([draw.permutation(rows)[: most // 2] for rows in by_class])
        )
    layout = feature_layout(version)
    X = np.empty((len(positions), layout.width), dtype=np.float32)
    for rows, batch in release.vectors(index.locations(positions), vectorise):
        X[rows] = batch
    return LabelledRows(X, index.label[positions])


def compare(
    simulated: LabelledRows,
    real: LabelledRows,
    layout: FeatureLayout,
    network: Callable[[], Classifier],
    *,
    threads: int = 1,
) -> dict[str, pd.DataFrame]:
    """All tables by name: transfer, marginals, difficulty and, made of them, measures.

    The first four fifths of the simulated rows train; the others, which the release's order puts
    later in time, test the difficulty. `network` makes the untrained EmberNN of measure 5.
    """
    cut = len(simulated.y) * 4 // 5
    train = LabelledRows(simulated.X[:cut], simulated.y[:cut])
    test = LabelledRows(simulated.X[cut:], simulated.y[cut:])
    classifiers: dict[str, Callable[[], Classifier]] = {
        "embernn": lambda: Standardised(network()),
        "lightgbm": lambda: lightgbm(threads=threads),
    }
    tables = {
        "transfer": transfer(train, real, layout),
        "marginals": marginals(train, real, layout),
        "difficulty": difficulty(train, test, layout, classifiers),
    }
    return {**tables, "measures": measures(*tables.values())}


def regions(layout: FeatureLayout) -> dict[str, np.ndarray]:
    """The column sets that are compared: all, undefended, non_hashed, and each feature group."""
    sets = {
        "all": np.arange(layout.width),
        "undefended": layout.undefended,
        "non_hashed": layout.non_hashed,
    }
    for group, columns in layout.groups.items():
        sets[group] = np.arange(*columns.indices(layout.width))
    return sets


def _auc(train: LabelledRows, test: LabelledRows, columns: np.ndarray, seed: int) -> float:
    model = lightgbm(seed).fit(train.X[:, columns], train.y)
    return float(roc_auc_score(test.y, np.asarray(model.predict_proba(test.X[:, columns]))[:, 1]))


def _cross_validated(rows: LabelledRows, columns: np.ndarray, seed: int) -> float:
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    X = rows.X[:, columns]
    scores = cross_val_predict(lightgbm(seed), X, rows.y, cv=folds, method="predict_proba")
    return float(roc_auc_score(rows.y, scores[:, 1]))


def transfer(
    simulated: LabelledRows, real: LabelledRows, layout: FeatureLayout, *, seed: int = 0
) -> pd.DataFrame:
    """ROC AUC of LightGBM across the two worlds, one line per column set.

    Columns: columns (its name), width, simulated_to_real (trained on all simulated rows),
    real_to_simulated, real_to_real (five-fold cross-validation; near-duplicates make it
    optimistic) and at_chance (nothing learnt on simulated rows where there is something to learn).
    """
    lines = []
    for name, columns in regions(layout).items():
        forth = _auc(simulated, real, columns, seed)
        within = _cross_validated(real, columns, seed)
        lines.append(
            {
                "columns": name,
                "width": len(columns),
                "simulated_to_real": forth,
                "real_to_simulated": _auc(real, simulated, columns, seed),
                "real_to_real": within,
                "at_chance": forth < CHANCE_AUC <= within,
            }
        )
    return pd.DataFrame(lines)


def marginals(simulated: LabelledRows, real: LabelledRows, layout: FeatureLayout) -> pd.DataFrame:
    """The non-hashed columns side by side, one line per column and class.

    Columns: column, class, ks (Kolmogorov-Smirnov distance), then median, mean, minimum and
    maximum of the simulated and of the real rows.
    """
    lines = []
    for column in layout.non_hashed:
        for label, name in _CLASSES.items():
            pair = {
                "simulated": simulated.X[simulated.y == label, column],
                "real": real.X[real.y == label, column],
            }
            line: dict[str, object] = {"column": layout.names[column], "class": name}
            line["ks"] = float(ks_2samp(pair["simulated"], pair["real"]).statistic)
            for world, values in pair.items():
                line[f"{world}_median"] = float(np.median(values))
                line[f"{world}_mean"] = float(np.mean(values, dtype=np.float64))
                line[f"{world}_minimum"] = float(values.min())
                line[f"{world}_maximum"] = float(values.max())
            lines.append(line)
    return pd.DataFrame(lines)


def difficulty(
    train: LabelledRows,
    test: LabelledRows,
    layout: FeatureLayout,
    classifiers: Mapping[str, Callable[[], Classifier]],
) -> pd.DataFrame:
    """Accuracy within the simulated corpus, one line per column set and classifier.

    `classifiers` names functions that make an untrained classifier; the bounds of `measures` look
    for `embernn` and `lightgbm`.
    """
    lines = []
    for name in NETWORK_ACCURACY:
        columns = regions(layout)[name]
        for classifier, make in classifiers.items():
            model = make()
            model.fit(train.X[:, columns], train.y)
            called = model.predict_proba(test.X[:, columns])[:, 1] >= 0.5
            accuracy = float((called == (test.y == 1)).mean())
            lines.append({"columns": name, "classifier": classifier, "accuracy": accuracy})
    return pd.DataFrame(lines)


def measures(
    transfers: pd.DataFrame, columns: pd.DataFrame, difficulties: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The measures beside their bounds: measure, value, bound, holds.

    `transfers`, `columns` and `difficulties` are what `transfer`, `marginals` and `difficulty`
    gave; without the last, measure 5 is left out.
    """
    lines: list[dict[str, object]] = []

    def add(measure: str, value: float, bound: str, holds: bool) -> None:
        lines.append({"measure": measure, "value": value, "bound": bound, "holds": bool(holds)})

    by_name = transfers.set_index("columns")
    for measure, column in (
        ("1 trained on simulated, tested on real: ROC AUC", "simulated_to_real"),
        ("2 trained on real, tested on simulated: ROC AUC", "real_to_simulated"),
    ):
        value = float(by_name[column]["all"])
        add(measure, value, f">= {LEAST_AUC:.2f}", value >= LEAST_AUC)
    chance = int(transfers["at_chance"].sum())
    add("3 feature groups at chance where the real one is not", chance, "0", chance == 0)
    median = float(columns["ks"].median())
    add(
        "4 Kolmogorov-Smirnov distance, median of non-hashed columns and classes",
        median,
        f"<= {LARGEST_MEDIAN_KS:.2f}",
        median <= LARGEST_MEDIAN_KS,
    )
    if difficulties is not None:
        table = difficulties.set_index(["columns", "classifier"])["accuracy"]
        for name, (centre, margin) in NETWORK_ACCURACY.items():
            network = float(table[name, "embernn"])
            holds = abs(network - centre) <= margin
            add(f"5 EmberNN, {name} columns: accuracy", network, f"{centre} +- {margin}", holds)
        network, trees = float(table["all", "embernn"]), float(table["all", "lightgbm"])
        add(
            "5 LightGBM, all columns: accuracy",
            trees,
            f">= {network:.4f} (EmberNN)",
            trees >= network,
        )
    return pd.DataFrame(lines)


def embedding(
    simulated: LabelledRows,
    real: LabelledRows,
    layout: FeatureLayout,
    *,
    rows: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Two-dimensional embedding of both worlds: x, y, world, class.

    At most `rows` rows of each; the first two principal components of ranks, since sizes span
    seven orders of magnitude, of all columns but the hashed ones.
    """
    rng = np.random.default_rng(seed)
    kinds = np.array([kind != "hash" for kind in layout.kinds])
    picked = []
    for world, given in (("simulated", simulated), ("real", real)):
        chosen = np.sort(rng.permutation(len(given.y))[:rows])
        picked.append((world, given.X[chosen][:, kinds], given.y[chosen]))
    stacked = np.vstack([X for _, X, _ in picked])
    # Ties share their mean rank.
    ranks = rankdata(stacked, axis=0) / len(stacked)
    centred = ranks - ranks.mean(axis=0)
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    # The sign of a component is arbitrary; fix it so that equal data give equal plots.
    signs = np.sign(components[np.arange(2), np.abs(components[:2]).argmax(axis=1)])
    points = centred @ (components[:2] * signs[:, None]).T
    worlds = np.concatenate([[world] * len(y) for world, _, y in picked])
    labels = np.concatenate([y for _, _, y in picked])
    return pd.DataFrame(
        {
            "x": points[:, 0],
            "y": points[:, 1],
            "world": worlds,
            "class": [_CLASSES[int(y)] for y in labels],
        }
    )
