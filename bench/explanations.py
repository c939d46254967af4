"""How fast a surrogate is explained, and whether as shap.GradientExplainer does it.

The paper's EmberNN is trained on simulated rows and explained with 50 samples a row and 100
background rows. shap's own explainer, on the same network, takes the rows that it is given time
for; on these, both rank the manipulable columns by the sum of |S|. A second seed of ours, which is
timed beside shap's, shows what chance alone makes of the ranking.
Usage: python -m bench.explanations [--rows N] [--shap-rows N] [--threads N]
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import numpy as np
import shap
import torch
from scipy.stats import spearmanr

from bench.harness import emit, machine, row
from bench.material import surrogate, vectors
from dokunuki.corpus.layout import feature_layout
from dokunuki.networks.devices import resolve_precision
from dokunuki.surrogate.expected_gradients import explain_network

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = 50
BACKGROUND = 100
EPOCHS = 3
TOP = 8


def timed(explain: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """What it gives, and the seconds it took."""
    start = time.perf_counter()
    values = explain()
    return values, time.perf_counter() - start


def importances(values: np.ndarray) -> np.ndarray:
    """Sum of |S| of the manipulable columns, float64."""
    return np.abs(values[:, feature_layout(1).non_hashed]).sum(axis=0, dtype=np.float64)


def main() -> None:
    """Measure speed and agreement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--shap-rows", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    device = torch.device("cpu")
    precision = str(resolve_precision("auto", device)).removeprefix("torch.")
    emit(machine(["torch", "shap"], benchmark="explanations", precision=precision))
    X, y = vectors(arguments.rows)
    model = surrogate(X, y, "paper", EPOCHS, arguments.threads)
    network = model.classifier_.network_
    Z = model.standardise(X)
    rows, background = Z[: arguments.shap_rows], Z[:: len(Z) // BACKGROUND][:BACKGROUND]

    def ours(rows: np.ndarray, seed: int = 0) -> np.ndarray:
        return explain_network(network, rows, background, samples=SAMPLES, seed=seed)

    # As published, without our blocks: the network as it was trained, and the library's defaults.
    explainer = shap.GradientExplainer(network, torch.from_numpy(background))
    ours(rows[:64])
    explained, seconds = timed(lambda: ours(Z))
    again, our_seconds = timed(lambda: ours(rows, seed=1))
    theirs, shap_seconds = timed(
        lambda: explainer.shap_values(torch.from_numpy(rows), nsamples=SAMPLES, rseed=0)[:, :, 0]
    )
    first, second = importances(explained[: len(rows)]), importances(theirs)
    agreement = float(spearmanr(first, second).statistic)
    chance = float(spearmanr(first, importances(again)).statistic)
    shared = len({*np.argsort(-first)[:TOP]} & {*np.argsort(-second)[:TOP]})
    name = f"SHAP, {len(Z)} x {Z.shape[1]}, {SAMPLES} samples, {precision}"
    emit(row(f"{name}: seconds", {"seconds": seconds}, seconds, 120, least=False))
    emit(
        row(
            f"{name}: speed beside shap.GradientExplainer, {len(rows)} rows",
            {"shap_s": shap_seconds, "ours_s": our_seconds},
            shap_seconds / our_seconds,
            1,
        )
    )
    emit(
        row(
            f"{name}: rank correlation of sum |S| with shap.GradientExplainer, {len(rows)} rows",
            {"of_two_seeds": chance},
            agreement,
            0.99,
        )
    )
    emit(row(f"{name}: columns shared of the top {TOP}", {"shared": shared}, shared, TOP))


if __name__ == "__main__":
    main()
