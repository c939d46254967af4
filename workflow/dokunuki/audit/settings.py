"""The settings of the audit: its detectors by name, and its constants in one place.

The constants were chosen on seeds 0 to 4 of the simulated corpus (docs/audit.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dokunuki.detector import Detector
from dokunuki.errors import ConfigError
from dokunuki.parts.building import build
from dokunuki.seeding import stream_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

# As in the catalogue of classifiers, for a feed of some thousand rows.
DETECTORS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "embernn": (
        "dokunuki.networks.embernn.EmberNN",
        {
            "hidden": [256, 256, 256],
            "dropout": 0.5,
            "optimiser": "adam",
            "learning_rate": 0.001,
            "batch_size": 64,
            "epochs": 60,
            "tol": 0.01,
        },
    ),
    "lightgbm": (
        "lightgbm.LGBMClassifier",
        {
            "n_estimators": 100,
            "deterministic": True,
            "force_col_wise": True,
            "verbosity": -1,
            "subsample_for_bin": 8192,
        },
    ),
}

# The rows of a fold are scored by a detector of the others. Two folds are the cheapest, and leave
# it half of the poison; few rows are quickly fitted on, and may hold too little poison for that.
FOLDS = 2
FOLDS_OF_FEW_ROWS = 5
FEW_ROWS = 1500

# An item is a value that at least this many goodware rows hold, and at most this share of them.
LEAST_HOLDERS = 5
LEAST_SHARE = 0.004
LARGEST_SHARE = 0.15
# Items coincide when their rows' intersection is this much of their union.
JACCARD = 0.6
# A trigger has at least so many columns. Of a longer one, the most unusual ones are named.
FEWEST_COLUMNS = 3
MOST_COLUMNS = 64
# A row holds a trigger when it holds this share of its values.
HELD = 0.7
# Rows share a value when this share of them holds it.
SHARED = 0.9
# A value is unusual that at most this share of the others, of either label, holds; a range where
# at most this share lies.
UNUSUAL = 0.2
RARE = 0.05
# They nearly agree in a column when this share of them holds a value.
FRINGE = 0.5
# They wholly agree in it when this share does.
WHOLE = 0.97
# A spot is a range where at least so many goodware rows lie, denser than around it by this log
# likelihood ratio: chance makes one of a million windows so dense.
LEAST_SPOT = 13
SPOT_EVIDENCE = 13.8
# Of the groups that a judge suspects, at most so many are looked into, the widest first.
MOST_GROUPS = 60
# Goodware is contradicted when trees that do not see one of the views say malware so surely.
VIEWS = ("non_hashed", "all", "undefended")
CONTRADICTED = 0.6
JUDGE_FOLDS = 3
JUDGE_TREES = 60
# They learn from at most so many rows. These are copied, and a copy should not grow with the feed.
JUDGE_ROWS = 20_000
# Values are tried on so much malware of each fold; the strongest are tried together, in steps.
FLIPPED_MALWARE = 16
FLIPPING_ITEMS = 200
FLIPPING_STEPS = 8
# What is planted, and what is kinship: see `Structure`.
MOST_CLOSEST = 0.6
MOST_FRINGE = 0.5
MOST_KINSHIP = 0.75
MOST_LIKENESS = 3.5
# So stark that it is suspicious whatever it does to the detector.
STARK_CLOSEST = 0.35
STARK_KINSHIP = 0.3
STARK_COLUMNS = 8
STARK_ROWS = 5

# How many candidates are put to the proof, and how many draws make the null distribution.
MOST_CANDIDATES = 8
DRAWS = 200
MALWARE_STAMPED = 150
SIGNIFICANT = 0.05
# Proved is what passes this much more malware by the detector as it is.
LEAST_GAP = 0.2
# Of rows that are alike: this much more, where this share of their neighbours is malware.
LARGE_GAP = 0.4
MALWARE_AROUND = 0.3
FEWEST_WHOLE = 4
# Evasion is what passes this much more malware than passes without the trigger, by either detector.
EVASION = 0.3
# Below this accuracy, the mean over both labels, the detector has learned too little to be asked.
LEAST_ACCURACY = 0.6


def unfitted_detector(name: str, *, seed: int, threads: int, device: str = "auto") -> Detector:
    """A detector without a defence, of the classifier called `name`: embernn or lightgbm.

    Raises ConfigError for another name.
    """
    if name not in DETECTORS:
        raise ConfigError(f"detector: unknown {name!r}; known: {', '.join(DETECTORS)}")
    class_path, params = DETECTORS[name]
    context = {"seed": stream_seed(seed, "audit", name), "threads": threads, "device": device}
    return Detector([], build(class_path, params, **context))
