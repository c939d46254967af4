"""Our parts are scikit-learn estimators in all but inheritance."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from dokunuki.networks.embernn import EmberNN
from dokunuki.parts.estimator import Estimator, NotFittedError, checked_rows, unfrozen
from dokunuki.parts.standardising import Standardiser


class Holder(Estimator):
    def __init__(self, part=None, factor=2):
        self.part = part
        self.factor = factor


@pytest.fixture
def toy(rng):
    y = np.arange(200) % 2
    X = rng.normal(size=(200, 6)).astype(np.float32)
    X[:, 0] += 4 * y
    return X, y


def small():
    return EmberNN(
        hidden=[8], epochs=15, batch_size=16, learning_rate=0.02, dropout=0.1, device="cpu"
    )


def test_parameters_are_read_and_set_through_nested_parts():
    holder = Holder(part=Holder(factor=3))
    assert holder.get_params()["part__factor"] == 3
    assert "part__factor" not in holder.get_params(deep=False)
    holder.set_params(part__factor=5, factor=7)
    assert (holder.part.factor, holder.factor) == (5, 7)
    with pytest.raises(ValueError, match="Holder has no parameter 'facto'"):
        holder.set_params(facto=1)
    assert repr(Holder()) == "Holder(factor=2, part=None)"


def test_copies_have_the_parameters_and_no_fit(toy):
    fitted = small().fit(*toy)
    for copy in (clone(fitted), fitted.unfitted()):
        assert copy.get_params() == fitted.get_params()
        with pytest.raises(NotFittedError):
            copy.predict_proba(toy[0])
    check_is_fitted(fitted)


def test_pipelines_ensembles_and_cross_validation_take_our_parts(toy):
    X, y = toy
    pipeline = make_pipeline(Standardiser(), PCA(6), small())
    assert cross_val_score(pipeline, X, y, cv=2).min() > 0.8
    assert is_classifier(small())
    bagged = BaggingClassifier(small(), n_estimators=2, random_state=0).fit(X, y)
    assert bagged.score(X, y) > 0.8


def test_frozen_parts_are_unwrapped():
    part = Holder()
    assert unfrozen(FrozenEstimator(part)) is part
    assert unfrozen(part) is part


@pytest.mark.parametrize(
    ("X", "width", "message"),
    [
        (np.zeros(3), None, r"shape \(3,\), not \(rows, columns\)"),
        (np.zeros((2, 3)), 4, r"shape \(2, 3\), not \(rows, 4\)"),
        (np.array([[0, np.nan], [1, 2]]), None, "NaN or infinity"),
        (np.array([[0, -np.inf], [1, 2]]), None, "NaN or infinity"),
    ],
)
def test_rows_that_no_network_can_take_are_refused(X, width, message):
    with pytest.raises(ValueError, match=message):
        checked_rows(X, width)


def test_a_training_job_imports_neither_scikit_learn_nor_torchs_compiler():
    program = (
        "import sys, numpy\n"
        "import dokunuki.victims.training, dokunuki.defences.autoencoder\n"
        "from dokunuki.networks.embernn import EmberNN\n"
        "X = numpy.eye(20, dtype='f')\n"
        "EmberNN(hidden=[4], epochs=1, device='cpu').fit(X, numpy.arange(20) % 2)\n"
        "print([m for m in ('sklearn', 'scipy', 'pandas', 'torch._dynamo') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
