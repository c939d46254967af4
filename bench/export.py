"""Exported detectors against their originals: loading, one row, many rows.

Loading is what a new process needs from nothing imported to a model that scores, one row what a
loaded model needs for it. Many rows are a matrix that both sides score in turn. CPU time of one
thread throughout. Rows a second from raw rows and from Parquet, reading included, come as details.
Usage: python -m bench.export [--rows N] [--rounds N]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet
from lightgbm import LGBMClassifier
from sklearn.ensemble import ExtraTreesClassifier
from threadpoolctl import threadpool_limits

from bench.harness import CLOCKS, emit, interleaved, machine, row
from bench.material import release, vectors
from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.autoencoder import AutoencoderCode, AutoencoderReconstruction
from dokunuki.deployment.model import load_model
from dokunuki.deployment.scoring import score_rows
from dokunuki.detector import Detector
from dokunuki.networks.autoencoder import AutoencoderModel
from dokunuki.networks.embernn import EmberNN

if TYPE_CHECKING:
    from collections.abc import Callable

LAYOUT = feature_layout(1)
LOADING = """
import sys, time
start = time.process_time()
from dokunuki.deployment.model import load_model
load_model(sys.argv[1])
print(time.process_time() - start)
"""
_ONE_BY_ONE = 100


def network() -> EmberNN:
    """The paper's network, of whose weights it does not matter how well they are trained."""
    return EmberNN(device="cpu", epochs=1)


def autoencoder() -> AutoencoderModel:
    """The paper's autoencoder, likewise."""
    return AutoencoderModel(device="cpu", epochs=1)


DETECTORS: dict[str, Callable[[], tuple[list[Any], Any]]] = {
    "EmberNN": lambda: ([], network()),
    "AE, EmberNN": lambda: ([AutoencoderReconstruction(LAYOUT, autoencoder())], network()),
    "AE enc, EmberNN": lambda: ([AutoencoderCode(LAYOUT, autoencoder())], network()),
    "LightGBM": lambda: ([], LGBMClassifier(n_estimators=100, n_jobs=1, verbosity=-1)),
    "Extra trees": lambda: ([], ExtraTreesClassifier(300, n_jobs=1)),
}


def loading(path: Path) -> float:
    """CPU seconds of a new process, the least of three."""
    command = [sys.executable, "-c", LOADING, str(path)]
    return min(
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    )


def main() -> None:
    """Measure each detector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    emit(
        machine(
            ["onnxruntime", "torch", "lightgbm", "scikit-learn"], benchmark="export", clock="cpu"
        )
    )
    X, y = vectors(arguments.rows)
    details = []
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        folder = Path(name)
        table = folder / "rows.parquet"
        pyarrow.parquet.write_table(pa.table(dict(zip(LAYOUT.names, X.T, strict=True))), table)
        for title, parts in DETECTORS.items():
            detector = Detector(*parts()).fit(X, y)
            path = folder / "detector.onnx"
            worst = detector.to_onnx(path, X)
            emit(row(f"exported, {title}: loading, seconds", {}, loading(path), 1, least=False))
            model = load_model(path)
            seconds = interleaved(
                {
                    "original": lambda held=detector: held.malware_scores(X),
                    "onnx": lambda held=model: held.malware_scores(X),
                    "one_by_one": lambda held=model: [
                        held.malware_scores(X[n : n + 1]) for n in range(_ONE_BY_ONE)
                    ],
                },
                arguments.rounds,
                CLOCKS["cpu"],
            )
            one = 1000 * seconds["one_by_one"] / _ONE_BY_ONE
            emit(row(f"exported, {title}: one row, milliseconds", {}, one, 10, least=False))
            speeds = {side: len(X) / seconds[side] for side in ("original", "onnx")}
            measured = {f"{side}_rows_s": speed for side, speed in speeds.items()}
            ratio = speeds["onnx"] / speeds["original"]
            emit(
                row(f"exported, {title}: rows a second against the original's", measured, ratio, 1)
            )
            detail = {
                "detector": title,
                "worst difference": f"{worst:.1e}",
                "MB": round(path.stat().st_size / 1e6, 1),
            }
            for kind, given in (("raw rows", release(arguments.rows)), ("Parquet", table)):
                start = time.process_time()
                scored = sum(not score.error for score in score_rows(model, given))
                detail[f"{kind}, rows a second"] = round(scored / (time.process_time() - start))
            details.append(detail)
    for detail in details:
        emit(detail)


if __name__ == "__main__":
    main()
