"""The suite serves a folder of one's own, and finds what breaks the contract there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

CLASSES = '''
import numpy as np
from sklearn.base import BaseEstimator


class DropsFirst(BaseEstimator):
    """A filter that speaks in lists."""

    def fit_resample(self, X, y):
        X, y = np.asarray(X, dtype=np.float32), np.asarray(y)
        self.sample_indices_ = list(range(1, len(X)))
        return X[1:].tolist(), y[1:].tolist()


class Overwrites(BaseEstimator):
    """A transformer that draws numbers as they come and forgets whose rows it has."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        X = np.asarray(X)
        X[:] = np.random.default_rng().normal(size=X.shape)
        return X
'''


def test_a_folder_of_ones_own_is_tested_too(tmp_path):
    (tmp_path / "own_classes.py").write_text(CLASSES)
    folder = tmp_path / "methods" / "defences"
    folder.mkdir(parents=True)
    for name, cls in (("own-good", "DropsFirst"), ("own-bad", "Overwrites")):
        (folder / f"{name}.yaml").write_text(f"class: own_classes.{cls}\n")
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "DOKUNUKI_CATALOGUE": str(tmp_path / "methods"),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    tests = Path(__file__).with_name("test_defences.py")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-k", "own-", "-rA", str(tests)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tests.parents[2], env=environment
    )
    line = r"^(PASSED|FAILED) \S+::(test_\w+)\[.*(own-\w+)\]"
    outcomes = set(re.findall(line, done.stdout, re.MULTILINE))
    good = {outcome for outcome, _, name in outcomes if name == "own-good"}
    broken = {test for outcome, test, name in outcomes if (outcome, name) == ("FAILED", "own-bad")}
    assert good == {"PASSED"}, done.stdout
    assert broken == {
        "test_the_same_seed_gives_the_same_bytes_and_rows_are_not_changed",
        "test_the_same_seed_gives_the_same_detector_and_rows_are_not_changed",
        "test_lists_and_frames_are_rows_too",
        "test_a_saved_detector_scores_alike",
    }, done.stdout
