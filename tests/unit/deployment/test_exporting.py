import subprocess
import sys

import lightgbm
import numpy as np
import onnx
import pytest
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from dokunuki.corpus.layout_record import layout_from_record, layout_record
from dokunuki.defences.added_noise import AddedNoise
from dokunuki.defences.attackable import AttackableTransform
from dokunuki.defences.autoencoder import AutoencoderCode, AutoencoderReconstruction
from dokunuki.defences.clipping import Clipping
from dokunuki.defences.deep_partition_aggregation import DeepPartitionAggregation
from dokunuki.defences.deletion import Deletion
from dokunuki.defences.early_stopping import EarlyStopping
from dokunuki.defences.feature_partition_aggregation import FeaturePartitionAggregation
from dokunuki.defences.reduced_features import GainSelection
from dokunuki.defences.subspace_compression import SubspaceCompression
from dokunuki.deployment.exporting import TOLERANCE, export_detector
from dokunuki.deployment.graph import ExportError
from dokunuki.deployment.model import Deployed
from dokunuki.detector import Detector
from dokunuki.errors import ConfigError
from exported import LAYOUT, autoencoder, extreme_rows, network


def transform(path, output="reconstruction", **params):
    return AttackableTransform(LAYOUT, path, {"n_components": 6, **params}, output)


RANDOM = "sklearn.random_projection"
DEFENCES = {
    "none": list,
    "ae": lambda: [AutoencoderReconstruction(LAYOUT, autoencoder())],
    "ae-enc": lambda: [AutoencoderCode(LAYOUT, autoencoder(activation="elu"))],
    "ae-tanh": lambda: [AutoencoderReconstruction(LAYOUT, autoencoder(activation="tanh"))],
    "ae-linear": lambda: [AutoencoderReconstruction(LAYOUT, autoencoder(activation="linear"))],
    "ae-unit-range": lambda: [AutoencoderReconstruction(LAYOUT, autoencoder(unit_range=True))],
    "ae-enc-unit-range": lambda: [
        AutoencoderCode(LAYOUT, autoencoder(unit_range=True, activation="sigmoid"))
    ],
    "ae-noise": lambda: [
        AutoencoderReconstruction(LAYOUT, autoencoder(noise=0.5, input_dropout=0.1))
    ],
    "deletion": lambda: [Deletion(LAYOUT)],
    "deletion-settable": lambda: [Deletion(LAYOUT, "non_hashed")],
    "clipping": lambda: [Clipping(LAYOUT, 2.0)],
    "compression": lambda: [SubspaceCompression(LAYOUT, 0.05, 20)],
    "one-interval": lambda: [SubspaceCompression(LAYOUT, 0.9)],
    "reduced": lambda: [GainSelection(40, 10)],
    "pca": lambda: [transform("sklearn.decomposition.PCA")],
    "pca-enc": lambda: [transform("sklearn.decomposition.PCA", "code")],
    "pca-white": lambda: [transform("sklearn.decomposition.PCA", whiten=True)],
    "projection": lambda: [
        transform(f"{RANDOM}.GaussianRandomProjection", compute_inverse_components=True)
    ],
    "projection-late": lambda: [transform(f"{RANDOM}.GaussianRandomProjection")],
    "projection-sparse": lambda: [transform(f"{RANDOM}.SparseRandomProjection", "code")],
    "two": lambda: [Clipping(LAYOUT, 4.0), AutoencoderReconstruction(LAYOUT, autoencoder())],
    "early-stopping": lambda: [EarlyStopping()],
    "dpa": lambda: [DeepPartitionAggregation(partitions=4)],
    "fpa": lambda: [FeaturePartitionAggregation(partitions=4)],
    "fpa-contiguous": lambda: [FeaturePartitionAggregation(None, 3, "contiguous")],
    "bagging": lambda: [BaggingClassifier(n_estimators=3, max_features=0.5, random_state=0)],
}
CLASSIFIERS = {
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=20, verbosity=-1, n_jobs=1),
    "lightgbm-forest": lambda: lightgbm.LGBMClassifier(
        n_estimators=8,
        boosting_type="rf",
        subsample=0.7,
        subsample_freq=1,
        verbosity=-1,
        n_jobs=1,
    ),
    "lightgbm-no-split": lambda: lightgbm.LGBMClassifier(
        n_estimators=3, min_child_samples=1000, verbosity=-1, n_jobs=1
    ),
    "extra-trees": lambda: ExtraTreesClassifier(30, random_state=0),
    "random-forest": lambda: RandomForestClassifier(30, random_state=0, class_weight="balanced"),
    "tree": lambda: DecisionTreeClassifier(random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=8, max_features=0.1),
    "histogram-boosting": lambda: HistGradientBoostingClassifier(max_iter=8),
    "logistic": lambda: LogisticRegression(max_iter=50),
}


@pytest.fixture(scope="module")
def tried(simulated):
    """All rows that an exported detector is compared on."""
    return np.vstack([simulated[0], extreme_rows(simulated[0])])


def fitted(defences, classifier, simulated):
    return Detector(defences, classifier).fit(*simulated)


def is_equal(detector, tried, path):
    assert detector.to_onnx(path, tried) <= TOLERANCE
    scores = Deployed(path).malware_scores(tried)
    assert scores.dtype == np.float32
    assert scores.shape == (len(tried),)
    np.testing.assert_allclose(scores, detector.malware_scores(tried), rtol=0, atol=TOLERANCE)
    # Scores that were all alike would show nothing.
    return np.ptp(scores)


@pytest.mark.parametrize("name", DEFENCES)
def test_a_network_behind_each_defence_is_equal(name, simulated, tried, tmp_path):
    detector = fitted(DEFENCES[name](), network(), simulated)
    assert is_equal(detector, tried, tmp_path / "a.onnx") > 0.1
    detector.to_onnx(tmp_path / "b.onnx", tried)
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "a.onnx").read_bytes()


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_each_classifier_is_equal(name, simulated, tried, tmp_path):
    detector = fitted([], CLASSIFIERS[name](), simulated)
    spread = is_equal(detector, tried, tmp_path / "a.onnx")
    assert spread > 0.1 or name == "lightgbm-no-split"
    detector.to_onnx(tmp_path / "b.onnx", tried)
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "a.onnx").read_bytes()


@pytest.mark.parametrize("name", ["lightgbm", "extra-trees"])
@pytest.mark.parametrize("defence", ["deletion", "compression", "reduced", "clipping"])
def test_trees_behind_a_defence_are_equal(defence, name, simulated, tried, tmp_path):
    detector = fitted(DEFENCES[defence](), CLASSIFIERS[name](), simulated)
    assert is_equal(detector, tried, tmp_path / "a.onnx") > 0.1


@pytest.mark.parametrize("name", ["ae-enc", "compression", "dpa", "lightgbm", "extra-trees"])
def test_a_detector_that_was_saved_and_loaded_gives_the_same_bytes(name, simulated, tmp_path):
    steps = DEFENCES[name]() if name in DEFENCES else []
    detector = fitted(steps, CLASSIFIERS.get(name, network)(), simulated)
    detector.to_onnx(tmp_path / "a.onnx")
    detector.save(tmp_path / "detector")
    Detector.load(tmp_path / "detector", device="cpu").to_onnx(tmp_path / "b.onnx")
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "a.onnx").read_bytes()


@pytest.mark.parametrize(
    "make",
    [
        lambda: lightgbm.LGBMClassifier(
            n_estimators=20, min_child_samples=2, verbosity=-1, n_jobs=1
        ),
        lambda: DecisionTreeClassifier(random_state=0),
        lambda: ExtraTreesClassifier(5, random_state=0),
        lambda: HistGradientBoostingClassifier(max_iter=8, min_samples_leaf=2),
    ],
)
def test_neighbouring_float32_values_fall_on_their_own_sides(make, rng, tmp_path):
    """As the nearest float32, a threshold between two neighbours would be one of them."""
    from dokunuki.corpus.own_layout import read_layout

    layout_file = tmp_path / "layout.yaml"
    layout_file.write_text("groups: {all: {width: 3, kind: real}}")
    digits = rng.integers(0, 8, 400)
    y = digits % 2
    X = np.column_stack([digits * np.float32(2**-23) + 1, rng.normal(size=(400, 2))])
    # Not clipped and not standardised: what trees are given are these very values.
    detector = Detector([], make())
    detector.fit(X.astype(np.float32), y)
    detector.scaler_.fit_identity(X.astype(np.float32))
    detector.classifier_.fit(X.astype(np.float32), y)
    path = tmp_path / "a.onnx"
    detector.to_onnx(path, X.astype(np.float32), layout=read_layout(layout_file))
    scores = Deployed(path).malware_scores(X.astype(np.float32))
    assert np.mean((scores >= 0.5) == y) > 0.95


def test_standardising_is_the_same_bit_for_bit(simulated, tried, tmp_path):
    from dokunuki.deployment.graph import Graph
    from dokunuki.deployment.parts import standardiser_nodes
    from dokunuki.parts.standardising import Standardiser

    X, _ = simulated
    for rows in (X, X.astype(np.float64)):
        scaler = Standardiser().fit(rows)
        graph = Graph(X.shape[1])
        value = standardiser_nodes(graph, graph.rows, scaler)
        model = graph.model(value, {}, "")
        model.graph.output[0].name = value.name
        model.graph.output[0].type.tensor_type.shape.dim.add().dim_value = X.shape[1]
        import onnxruntime

        session = onnxruntime.InferenceSession(model.SerializeToString())
        (given,) = session.run(None, {"rows": tried})
        np.testing.assert_array_equal(given, scaler.transform(tried))


@pytest.mark.parametrize(
    ("steps", "classifier", "problem"),
    [
        ([AddedNoise(LAYOUT)], network(), r"AddedNoise cannot .*digest.*detector's folder"),
        (
            [AttackableTransform(LAYOUT, "sklearn.preprocessing.QuantileTransformer")],
            network(),
            r"QuantileTransformer cannot .*onnx_nodes",
        ),
        ([], GaussianNB(), r"GaussianNB cannot .*no nodes.*onnx_nodes"),
        ([], SVC(probability=True), r"SVC cannot"),
        ([BaggingClassifier(GaussianNB(), 2)], GaussianNB(), r"GaussianNB cannot"),
        (
            [],
            lightgbm.LGBMClassifier(n_estimators=2, zero_as_missing=True, verbosity=-1, n_jobs=1),
            r"LGBMClassifier cannot .*0 for missing; set zero_as_missing: false",
        ),
        (
            [],
            lightgbm.LGBMClassifier(
                n_estimators=2, linear_tree=True, verbosity=-1, n_jobs=1, num_leaves=3
            ),
            r"LGBMClassifier cannot .*linear; set linear_tree: false",
        ),
        (
            [],
            lightgbm.LGBMClassifier(
                n_estimators=2, objective="cross_entropy", verbosity=-1, n_jobs=1
            ),
            r"LGBMClassifier cannot .*objective is cross_entropy",
        ),
        (
            [],
            GradientBoostingClassifier(n_estimators=2, loss="exponential"),
            r"GradientBoostingClassifier cannot .*use log_loss",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_leave_is_named_with_the_mend(steps, classifier, problem, simulated, tmp_path):
    detector = fitted(steps, classifier, simulated)
    with pytest.raises(ExportError, match=problem):
        detector.to_onnx(tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_categorical_splits_are_refused(simulated, tmp_path):
    booster = lightgbm.LGBMClassifier(n_estimators=3, min_child_samples=2, verbosity=-1, n_jobs=1)
    detector = fitted([], booster, simulated)
    codes = np.arange(240) % 7
    rows = np.zeros((240, LAYOUT.width), dtype=np.float32)
    rows[:, 0] = codes
    labels = np.isin(codes, [1, 4, 6]).astype(int)
    booster.fit(rows, labels, categorical_feature=[0])
    with pytest.raises(ExportError, match=r"LGBMClassifier.*categorical splits; fit it without"):
        detector.to_onnx(tmp_path / "a.onnx")
    boosting = HistGradientBoostingClassifier(max_iter=2, categorical_features=[0])
    detector.classifier_ = boosting.fit(rows, labels)
    with pytest.raises(ExportError, match=r"HistGradientBoosting.*categorical splits"):
        detector.to_onnx(tmp_path / "a.onnx")


class Doubling:
    """A classifier of one's own, which tells its nodes."""

    classes_ = np.array([0, 1])

    def __init__(self, apart=0.0):
        self.apart = apart

    def get_params(self, deep=True):
        return {"apart": self.apart}

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        malware = 1 / (1 + np.exp(-2 * X[:, 0])) + self.apart * (X[:, 0] > 0)
        return np.column_stack([1 - malware, malware])

    def onnx_nodes(self, graph, value):
        first = graph.take(value, np.array([0]))
        twice = graph.chain(first, "Mul", graph.number(2))
        return graph.chain(twice, "Sigmoid")


def test_a_class_of_ones_own_tells_its_nodes(simulated, tried, tmp_path):
    detector = fitted([], Doubling(), simulated)
    assert detector.to_onnx(tmp_path / "a.onnx", tried) < TOLERANCE


def test_a_graph_that_is_not_the_detector_is_not_written(simulated, tmp_path):
    detector = fitted([], Doubling(apart=1e-3), simulated)
    path = tmp_path / "a.onnx"
    with pytest.raises(ExportError, match=r"a.onnx: not written: \d+ of 307 rows.*worst by 0.001"):
        detector.to_onnx(path, simulated[0])
    assert not list(tmp_path.iterdir())
    assert detector.to_onnx(path, simulated[0], tolerance=0.01) == pytest.approx(1e-3, rel=1e-3)
    check = export_detector(detector, path, simulated[0], may_differ=0.9)
    assert 0 < check.differing < check.rows == 240 + 67


def test_a_score_that_is_no_number_is_never_equal(simulated, tmp_path):
    detector = fitted([], Doubling(apart=np.nan), simulated)
    with pytest.raises(ExportError, match="at worst by inf"):
        detector.to_onnx(tmp_path / "a.onnx")


def test_what_is_too_large_for_a_file_is_told_before_it_is_written(
    simulated, tmp_path, monkeypatch
):
    detector = fitted([], CLASSIFIERS["extra-trees"](), simulated)
    monkeypatch.setattr("dokunuki.deployment.trees._MOST_NODES", 100)
    with pytest.raises(ExportError, match=r"the 30 trees have \d+ nodes.*lower n_estimators"):
        detector.to_onnx(tmp_path / "a.onnx")
    monkeypatch.setattr("dokunuki.deployment.graph._MOST_BYTES", 100_000)
    with pytest.raises(ExportError, match=r"GB as ONNX.*widths of its network"):
        fitted([], network(), simulated).to_onnx(tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_the_file_tells_what_it_takes(simulated, tmp_path):
    detector = fitted([Deletion(LAYOUT)], network(), simulated)
    detector.thresholds = {"fpr_1": 0.75}
    path = tmp_path / "a.onnx"
    detector.to_onnx(path, provenance={"feed": "ours"})
    deployed = Deployed(path)
    assert deployed.layout is LAYOUT
    assert deployed.thresholds == {"half": 0.5, "fpr_1": 0.75}
    assert deployed.description == detector.description_
    assert deployed.provenance == {"feed": "ours"}
    assert deployed.version
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert metadata["dokunuki.layout"] == '{"feature_version": 1}'
    onnx.checker.check_model(str(path), full_check=True)
    detector.save(tmp_path / "detector")
    loaded = Detector.load(tmp_path / "detector", device="cpu")
    assert loaded.thresholds == {"fpr_1": 0.75}
    loaded.to_onnx(tmp_path / "b.onnx", provenance={"feed": "ours"})
    assert (tmp_path / "b.onnx").read_bytes() == path.read_bytes()


def test_a_layout_of_ones_own_goes_with_the_detector(rng, tmp_path):
    record = {
        "layout": "in-house",
        "columns": [["all", f"f{n}", "real", n > 1, False] for n in range(6)],
    }
    layout = layout_from_record(record)
    X = rng.normal(size=(60, 6)).astype(np.float32)
    y = (X[:, 3] > 0).astype(int)
    detector = Detector([], network()).fit(X, y)
    path = tmp_path / "a.onnx"
    with pytest.raises(ConfigError, match=r"layout: .* 6 columns, which no feature version has"):
        detector.to_onnx(path)
    with pytest.raises(ConfigError, match=r"2351 columns, but the detector was fitted on 6"):
        detector.to_onnx(path, layout=LAYOUT)
    detector.layout = layout
    detector.to_onnx(path, X)
    assert layout_record(Deployed(path).layout) == record
    detector.save(tmp_path / "detector")
    assert layout_record(Detector.load(tmp_path / "detector", device="cpu").layout) == record


def test_training_does_not_depend_on_the_export():
    from dokunuki.study.provenance import code_digests

    found = code_digests(sys.modules["dokunuki.detector"].__file__)
    assert not [module for module in found if "deployment" in module]


def test_an_exported_detector_scores_without_torch_and_scikit_learn(simulated, tmp_path):
    fitted([], network(), simulated).to_onnx(tmp_path / "a.onnx")
    code = (
        "import sys, numpy as np; from dokunuki.deployment.model import load_model; "
        "load_model(sys.argv[1]).malware_scores(np.zeros((1, 2351), np.float32)); "
        "print([m for m in ('torch', 'sklearn', 'lightgbm', 'onnx') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
