"""How fast EmberNN trains beside Keras on TensorFlow's CPU build: the same layers, batch and rows.

TensorFlow is no dependency: `make bench` puts it (bench/keras.txt) into an environment of its own,
build/keras; without it, nothing is measured. The network is Severi et al.'s. The two sides run in
turn, with the same threads, each in float32 and, on a processor with instructions for it, in
bfloat16; a round's figure is the median epoch after the first, which also allocates and chooses
kernels, and the least of the rounds counts. Each side is held to the precision that it is the
faster in. `products_alone` is the ratio of a training that does nothing but its matrix products, at
their best rate (bench.training).
Usage: python -m bench.keras [--rows N] [--rounds N] [--threads N]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time

import numpy as np
import torch

from bench.epochs import epoch_ends
from bench.harness import emit, machine, row
from bench.material import REPOSITORY
from bench.training import Case, product_rate
from dokunuki.networks.devices import has_bfloat16_instructions
from dokunuki.networks.embernn import EmberNN

WIDTH = 2351
HIDDEN = [4000, 2000, 100]
BATCH = 512
EPOCHS = 4
BOUND = 3
# The Makefile leaves this file once the environment is whole.
INSTALLED = REPOSITORY / "build" / "keras" / ".installed"
KERAS = """
import json, sys, time
import numpy as np
import tensorflow as tf
hidden, width, batch, epochs, rows, threads, precision = json.loads(sys.argv[1])
if precision != "float32":
    tf.keras.mixed_precision.set_global_policy("mixed_" + precision)
tf.config.threading.set_intra_op_parallelism_threads(threads)
tf.config.threading.set_inter_op_parallelism_threads(1)
rng = np.random.default_rng(0)
X = rng.standard_normal((rows, width), dtype=np.float32)
y = (X[:, 0] + X[:, 1] > 0).astype(np.float32)
layers = [tf.keras.Input((width,))]
for units in hidden:
    layers += [tf.keras.layers.Dense(units, activation="relu")]
    layers += [tf.keras.layers.BatchNormalization(), tf.keras.layers.Dropout(0.5)]
# Keras advises float32 for the last layer, whatever the policy.
layers += [tf.keras.layers.Dense(1, activation="sigmoid", dtype="float32")]
model = tf.keras.Sequential(layers)
model.compile(tf.keras.optimizers.SGD(0.1, momentum=0.9), "binary_crossentropy")
ends = []
class Clock(tf.keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        ends.append(time.perf_counter())
model.fit(X, y, batch_size=batch, epochs=epochs, verbose=0, callbacks=[Clock()])
print(json.dumps({"epoch_s": float(np.median(np.diff(ends))), "version": tf.__version__}))
"""


def precisions() -> list[str]:
    """Those to time: bfloat16 takes minutes an epoch where the processor has to emulate it."""
    return ["float32", "bfloat16"] if has_bfloat16_instructions() else ["float32"]


def keras_epoch(python: str, rows: int, threads: int, precision: str) -> tuple[float, str]:
    """Seconds of an epoch of Keras, and TensorFlow's version."""
    settings = json.dumps([HIDDEN, WIDTH, BATCH, EPOCHS, rows, threads, precision])
    done = subprocess.run(
        [python, "-c", KERAS, settings], check=True, stdout=subprocess.PIPE, text=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return float(found["epoch_s"]), str(found["version"])


def our_epoch(rows: int, threads: int, precision: str) -> float:
    """Seconds of an epoch of ours."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, WIDTH), dtype=np.float32)
    y = (X[:, 0] + X[:, 1] > 0).astype(np.int8)
    model = EmberNN(
        hidden=HIDDEN,
        optimiser="sgd",
        learning_rate=0.1,
        momentum=0.9,
        batch_size=BATCH,
        epochs=EPOCHS,
        threads=threads,
        device="cpu",
        precision=precision,
    )
    with epoch_ends(time.perf_counter) as ends:
        model.fit(X, y)
    return float(np.median(np.diff(ends)))


def products_seconds(rows: int, threads: int) -> float:
    """Seconds of an epoch's matrix products alone, in the faster precision."""
    case = Case(
        "EmberNN", EmberNN, {"batch_size": BATCH}, (WIDTH, *HIDDEN, 1), rows, product_bounds={}
    )
    torch.set_num_threads(threads)
    rates = [
        product_rate(case, getattr(torch, precision), time.perf_counter)
        for precision in precisions()
    ]
    return case.floating_operations() / max(rates)


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    emit(machine(["torch"], benchmark="keras"))
    name = f"EmberNN {'-'.join(map(str, HIDDEN))}, batch {BATCH}, SGD: speed beside Keras"
    if not INSTALLED.is_file():
        emit({"name": name, "bound": f"at least {BOUND}", "verdict": "not measured: no TensorFlow"})
        return
    python = str(INSTALLED.parent / "bin" / "python")
    seconds = {
        (side, precision): float("inf") for side in ("keras", "ours") for precision in precisions()
    }
    version = ""
    for _ in range(arguments.rounds):
        for precision in precisions():
            own = our_epoch(arguments.rows, arguments.threads, precision)
            theirs, version = keras_epoch(python, arguments.rows, arguments.threads, precision)
            for side, epoch in (("ours", own), ("keras", theirs)):
                seconds[side, precision] = min(seconds[side, precision], epoch)
    measured = {
        f"{side}_{precision}_epoch_s": epoch for (side, precision), epoch in seconds.items()
    }
    best = {
        side: min(seconds[side, precision] for precision in precisions())
        for side in ("keras", "ours")
    }
    ratio = best["keras"] / best["ours"]
    measured["products_alone"] = best["keras"] / products_seconds(arguments.rows, arguments.threads)
    emit(row(f"{name}, TensorFlow {version}", measured, ratio, BOUND))


if __name__ == "__main__":
    main()
