"""How fast EmberNN trains beside Keras on TensorFlow's CPU build: the same layers, batch and rows.

TensorFlow is no dependency: give the Python of an environment of its own that has it as
KERAS_PYTHON, made by `python3 -m venv FOLDER` and `FOLDER/bin/pip install tensorflow-cpu`. Without
it, nothing is measured. The network is Severi et al.'s. An epoch less the fixed cost of a fit is
what two epochs cost more than one, on both sides; both use the same threads, and run in turn.
Usage: KERAS_PYTHON=FOLDER/bin/python python -m bench.keras [--rows N] [--rounds N] [--threads N]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time

import numpy as np
import torch

from bench.harness import emit, machine, row
from dokunuki.classifiers.embernn import EmberNN
from dokunuki.devices import resolve_precision

WIDTH = 2351
HIDDEN = [4000, 2000, 100]
BATCH = 512
BOUND = 4
KERAS = """
import json, sys, time
import numpy as np
import tensorflow as tf
hidden, width, batch, rows, threads = json.loads(sys.argv[1])
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(1)
rng = np.random.default_rng(0)
X = rng.standard_normal((rows, width), dtype=np.float32)
y = (X[:, 0] + X[:, 1] > 0).astype(np.float32)
layers = [tf.keras.Input((width,))]
for units in hidden:
    layers += [tf.keras.layers.Dense(units, activation="relu")]
    layers += [tf.keras.layers.BatchNormalization(), tf.keras.layers.Dropout(0.5)]
model = tf.keras.Sequential([*layers, tf.keras.layers.Dense(1, activation="sigmoid")])
model.compile(tf.keras.optimizers.SGD(0.1, momentum=0.9), "binary_crossentropy")
model.fit(X[: 2 * batch], y[: 2 * batch], batch_size=batch, epochs=1, verbose=0)
seconds = []
for epochs in (1, 2):
    start = time.perf_counter()
    model.fit(X, y, batch_size=batch, epochs=epochs, verbose=0)
    seconds.append(time.perf_counter() - start)
print(json.dumps({"epoch_s": seconds[1] - seconds[0], "version": tf.__version__}))
"""


def keras_epoch(python: str, rows: int, threads: int) -> tuple[float, str]:
    """Seconds of an epoch of Keras, and TensorFlow's version."""
    settings = json.dumps([HIDDEN, WIDTH, BATCH, rows, threads])
    command = [python, "-c", KERAS, settings]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return float(found["epoch_s"]), str(found["version"])


def our_epoch(rows: int, threads: int) -> float:
    """Seconds of an epoch of ours."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, WIDTH), dtype=np.float32)
    y = (X[:, 0] + X[:, 1] > 0).astype(np.int8)
    seconds = []
    for epochs in (1, 2):
        model = EmberNN(
            hidden=HIDDEN,
            optimiser="sgd",
            learning_rate=0.1,
            momentum=0.9,
            batch_size=BATCH,
            epochs=epochs,
            threads=threads,
            device="cpu",
        )
        start = time.perf_counter()
        model.fit(X, y)
        seconds.append(time.perf_counter() - start)
    return seconds[1] - seconds[0]


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    precision = str(resolve_precision("auto", torch.device("cpu"))).removeprefix("torch.")
    emit(machine(["torch"], benchmark="keras", precision=precision))
    name = f"EmberNN {'-'.join(map(str, HIDDEN))}, batch {BATCH}, SGD: speed beside Keras"
    python = os.environ.get("KERAS_PYTHON")
    if not python:
        emit({"name": name, "bound": f"at least {BOUND}", "verdict": "not measured: KERAS_PYTHON"})
        return
    ours, theirs, version = float("inf"), float("inf"), ""
    for _ in range(arguments.rounds):
        ours = min(ours, our_epoch(arguments.rows, arguments.threads))
        seconds, version = keras_epoch(python, arguments.rows, arguments.threads)
        theirs = min(theirs, seconds)
    measured = {"keras_epoch_s": theirs, "ours_epoch_s": ours}
    emit(row(f"{name}, TensorFlow {version}", measured, theirs / ours, BOUND))


if __name__ == "__main__":
    main()
