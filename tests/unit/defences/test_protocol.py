import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.ensemble import BaggingClassifier, IsolationForest
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer
from sklearn.semi_supervised import SelfTrainingClassifier

from dokunuki.corpus.layout import feature_layout
from dokunuki.defences.autoencoder import AutoencoderCode
from dokunuki.defences.deletion import Deletion
from dokunuki.defences.protocol import defence_kind
from dokunuki.errors import ConfigError


class HalfOfTheRows(BaseEstimator):
    def fit_resample(self, X, y):
        return X[::2], y[::2]


@pytest.mark.parametrize(
    ("defence", "kind"),
    [
        (Deletion(feature_layout(1)), "transformer"),
        (AutoencoderCode(feature_layout(1)), "transformer"),
        (PCA(), "transformer"),
        (make_pipeline(QuantileTransformer(), PCA()), "transformer"),
        (SelectFromModel(LogisticRegression()), "transformer"),  # has `estimator`, predicts nothing
        (HalfOfTheRows(), "sampler"),
        (BaggingClassifier(), "meta-estimator"),
        (SelfTrainingClassifier(), "meta-estimator"),  # has predict_proba with an estimator only
    ],
)
def test_kinds(defence, kind):
    assert defence_kind(defence) == kind


@pytest.mark.parametrize("thing", [LogisticRegression(), IsolationForest(), 7])
def test_other_things_are_refused(thing):
    with pytest.raises(ConfigError, match="is no defence"):
        defence_kind(thing)
